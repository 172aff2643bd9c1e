//! The shared flavour under real threads, which wait, try and give up as chance (with a fixed seed) has it. Nothing is
//! timed; in the end the sums must be right, and nobody may hang. Meant for ThreadSanitizer and Miri above all.
#![cfg(not(loom))]

use futures_lite::future::{block_on, poll_once};
use runtime_sync::{
    broadcast::RecvError,
    shared::{
        Barrier, Condition, Event, Lock, OnceCell, Promise, Queue, RLock, Receiver, RwLock, Semaphore,
        Sender, broadcast, channel, oneshot, unbounded, watch,
    },
};
use std::{
    collections::VecDeque,
    future::{Future, pending},
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    thread,
};

const THREADS: usize = 4;
/// Operations of each thread.
const ROUNDS: u64 = if cfg!(miri) { 30 } else { 3_000 };

/// Runs `body` on so many threads, each with its number and its own chance.
fn crew<T: Send>(threads: usize, body: impl Fn(usize, &mut Chance) -> T + Sync) -> Vec<T> {
    thread::scope(|scope| {
        let body = &body;
        let threads: Vec<_> =
            (0..threads).map(|number| scope.spawn(move || body(number, &mut Chance::new(number)))).collect();
        threads.into_iter().map(|thread| thread.join().expect("no assertion fails")).collect()
    })
}

/// SplitMix64.
struct Chance(u64);

impl Chance {
    fn new(seed: usize) -> Self {
        Self(seed as u64)
    }

    /// A number below `limit`.
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }

    /// Waits for it, or looks once and gives up.
    fn wait<T>(&mut self, future: impl Future<Output = T>) -> Option<T> {
        if self.below(3) == 0 { block_on(poll_once(future)) } else { Some(block_on(future)) }
    }
}

#[test]
fn a_lock_protects_a_plain_number() {
    let lock = Lock::new(0);
    let counts = crew(THREADS, |_, chance| {
        (0..ROUNDS)
            .filter(|_| {
                let guard =
                    if chance.below(5) == 0 { lock.try_acquire() } else { chance.wait(lock.acquire()) };
                guard.map(|mut number| *number += 1).is_some()
            })
            .count()
    });
    assert_eq!(lock.into_inner(), counts.iter().sum::<usize>());
}

#[test]
fn owned_guards_are_released_by_other_threads() {
    let lock = Arc::new(Lock::new(0));
    let (sender, receiver) = unbounded();
    crew(THREADS, |number, _| {
        let (sender, mut receiver) = (sender.clone(), receiver.clone());
        for _ in 0..ROUNDS {
            if number % 2 == 0 {
                sender.try_send(block_on(Arc::clone(&lock).acquire_owned())).expect("it is open");
            } else {
                *block_on(receiver.recv()).expect("as many are sent as received") += 1;
            }
        }
    });
    assert_eq!(*lock.blocking_acquire(), ROUNDS * THREADS as u64 / 2);
}

#[test]
fn a_reentrant_lock_is_entered_twice_by_one_at_a_time() {
    let lock = RLock::new(AtomicU64::new(0));
    crew(THREADS, |_, _| {
        block_on(async {
            for _ in 0..ROUNDS / 2 {
                let outer = lock.acquire().await;
                let before = outer.load(Relaxed);
                let inner = lock.acquire().await;
                inner.store(before + 1, Relaxed);
            }
        });
    });
    assert_eq!(lock.into_inner().into_inner(), ROUNDS / 2 * THREADS as u64);
}

#[test]
fn readers_never_see_half_of_what_is_written() {
    let lock = RwLock::new((0_u64, 0_u64));
    let written = crew(THREADS, |_, chance| {
        let mut written = 0;
        for _ in 0..ROUNDS {
            if chance.below(4) == 0 {
                let Some(mut both) = chance.wait(lock.write()) else { continue };
                both.0 += 1;
                both.1 += 1;
                written += 1;
            } else if let Some(both) = chance.wait(lock.read()) {
                assert_eq!(both.0, both.1);
            }
        }
        written
    });
    assert_eq!(lock.into_inner().0, written.iter().sum::<u64>());
}

#[test]
fn permits_are_neither_lost_nor_made() {
    let (semaphore, out) = (Semaphore::new(3), AtomicUsize::new(0));
    crew(THREADS, |_, chance| {
        for _ in 0..ROUNDS {
            let wanted = 1 + usize::try_from(chance.below(3)).expect("it is small");
            let permit = if chance.below(5) == 0 {
                semaphore.try_acquire_many(wanted).ok()
            } else {
                chance.wait(semaphore.acquire_many(wanted)).map(|permit| permit.expect("nobody closes it"))
            };
            if let Some(permit) = permit {
                assert!(out.fetch_add(wanted, Relaxed) + wanted <= 3);
                out.fetch_sub(wanted, Relaxed);
                drop(permit);
            }
        }
    });
    assert_eq!(semaphore.available_permits(), 3);
}

#[test]
fn permits_are_added_and_taken_away() {
    let semaphore = Semaphore::new(8);
    let changes = crew(THREADS, |_, chance| {
        let mut change = 0;
        for _ in 0..ROUNDS {
            match chance.below(3) {
                0 => drop(block_on(poll_once(semaphore.acquire_many(2)))),
                1 => {
                    semaphore.add_permits(2);
                    change += 2;
                }
                _ => change -= i64::try_from(semaphore.forget_permits(2)).expect("it is small"),
            }
        }
        change
    });
    let left = i64::try_from(semaphore.available_permits()).expect("it is small");
    assert_eq!(left, 8 + changes.iter().sum::<i64>());
}

#[test]
fn closing_ends_all_waits() {
    for _ in 0..ROUNDS / 10 {
        let semaphore = Semaphore::new(1);
        crew(THREADS, |number, _| match number {
            0 => semaphore.close(),
            _ => while block_on(semaphore.acquire()).is_ok() {},
        });
        assert_eq!(semaphore.available_permits(), 1);
    }
}

#[test]
fn no_work_is_overlooked_by_whoever_waits_for_an_event() {
    let (event, work) = (Event::new(), AtomicU64::new(0));
    crew(THREADS, |number, chance| {
        let mut left = if number == 0 { (THREADS as u64 - 1) * ROUNDS } else { ROUNDS };
        while left > 0 {
            if number == 0 {
                event.clear();
                match work.swap(0, Relaxed) {
                    0 => drop(chance.wait(event.wait())),
                    some => left -= some,
                }
            } else {
                work.fetch_add(1, Relaxed);
                event.set();
                left -= 1;
            }
        }
    });
    assert_eq!(work.into_inner(), 0);
}

#[test]
fn a_condition_makes_a_buffer_of_a_queue() {
    let buffer = Condition::new(VecDeque::new());
    let sums = crew(THREADS, |number, chance| {
        let mut sum = 0;
        for item in 1..=ROUNDS {
            if number % 2 == 0 {
                let mut items =
                    block_on(async { buffer.wait_for(buffer.lock().await, |items| items.len() < 3).await });
                items.push_back(item);
                drop(items);
            } else {
                if chance.below(4) == 0 {
                    let guard = buffer.blocking_lock();
                    drop(block_on(poll_once(buffer.wait(guard)))); // notified perhaps, and passes it on
                }
                let wait = async { buffer.wait_for(buffer.lock().await, |items| !items.is_empty()).await };
                sum += block_on(wait).pop_front().expect("it was looked at");
            }
            buffer.notify(THREADS); // one by one: both kinds wait in the same queue
        }
        sum
    });
    assert_eq!(sums.iter().sum::<u64>(), ROUNDS * (ROUNDS + 1) / 2 * (THREADS as u64 / 2));
}

#[test]
fn a_barrier_keeps_all_in_the_same_round() {
    let (barrier, round) = (Barrier::new(THREADS), AtomicU64::new(0));
    crew(THREADS, |_, _| {
        for number in 0..ROUNDS / 3 {
            assert_eq!(round.load(Relaxed), number);
            let index = block_on(barrier.wait()).expect("nobody breaks it");
            if index == 0 {
                round.store(number + 1, Relaxed);
            }
            block_on(barrier.wait()).expect("nobody breaks it");
        }
    });
    assert_eq!(barrier.waiting(), 0);
}

#[test]
fn a_cell_is_initialised_once() {
    for round in 0..ROUNDS / 10 {
        let (cell, made) = (OnceCell::new(), AtomicU64::new(0));
        crew(THREADS, |_, chance| {
            if chance.below(2) == 0 {
                block_on(poll_once(cell.get_or_init(async || pending().await)));
            }
            let make = async || {
                made.fetch_add(1, Relaxed);
                vec![round]
            };
            assert_eq!(block_on(cell.get_or_init(make)), &[round]);
        });
        assert_eq!(made.into_inner(), 1);
    }
}

#[test]
fn a_promise_is_seen_whole_by_all() {
    for round in 0..ROUNDS / 10 {
        let promise = Promise::new();
        let set = crew(THREADS, |number, _| {
            let set = number < 2 && promise.set(vec![round; 3]).is_ok();
            assert_eq!(block_on(promise.wait()), &[round; 3]);
            set
        });
        assert_eq!(set.iter().filter(|set| **set).count(), 1);
    }
}

/// Who sent it, and which it is of his.
type Item = (usize, u64);

/// Sends `1..=ROUNDS` from half of the threads, sometimes in the second attempt, to the other half.
fn conserves((sender, receiver): (Sender<Item>, Receiver<Item>)) {
    let ends: Vec<_> = (0..THREADS).map(|_| Lock::new(Some((sender.clone(), receiver.clone())))).collect();
    drop((sender, receiver));
    let sums = crew(THREADS, |number, chance| {
        let (sender, receiver) = ends[number].try_acquire().expect("it is ours").take().expect("taken once");
        if number % 2 == 0 {
            drop(receiver);
            send_all(&sender, number, chance);
            0
        } else {
            drop(sender);
            receive_all(receiver, chance)
        }
    });
    assert_eq!(sums.iter().sum::<u64>(), ROUNDS * (ROUNDS + 1) / 2 * (THREADS as u64 / 2));
}

fn send_all(sender: &Sender<Item>, number: usize, chance: &mut Chance) {
    for item in 1..=ROUNDS {
        let mut item = (number, item);
        match chance.below(4) {
            0 => match sender.try_send(item) {
                Ok(()) => continue,
                Err(refused) => item = refused.into_inner(),
            },
            1 => {
                let mut send = sender.send(item);
                match block_on(poll_once(&mut send)) {
                    Some(sent) => {
                        sent.expect("it is open");
                        continue;
                    }
                    None => item = send.into_inner(),
                }
            }
            2 => {
                drop(block_on(poll_once(sender.reserve())));
                let room = block_on(sender.reserve()).expect("it is open");
                room.send(item).expect("somebody receives");
                continue;
            }
            _ => {}
        }
        block_on(sender.send(item)).expect("it is open");
    }
}

fn receive_all(mut receiver: Receiver<Item>, chance: &mut Chance) -> u64 {
    let (mut sum, mut last, mut many) = (0, [0; THREADS], Vec::new());
    loop {
        match chance.below(4) {
            0 => many.extend(receiver.try_recv()),
            1 => {
                block_on(receiver.recv_many(&mut many, 3));
            }
            _ => many.extend(chance.wait(receiver.recv()).flatten()),
        }
        for (sender, item) in many.drain(..) {
            assert!(item > last[sender], "those of one sender come in order");
            last[sender] = item;
            sum += item;
        }
        if receiver.sender_count() == 0 && receiver.is_empty() {
            return sum;
        }
    }
}

#[test]
fn a_channel_neither_loses_nor_doubles() {
    conserves(channel(2));
}

#[test]
fn a_rendezvous_neither_loses_nor_doubles() {
    conserves(channel(0));
}

#[test]
fn a_channel_without_limit_neither_loses_nor_doubles() {
    conserves(unbounded());
}

#[test]
fn what_is_taken_in_before_close_comes_out() {
    for _ in 0..ROUNDS / 10 {
        let (sender, receiver) = channel(1);
        let weak = sender.downgrade();
        let sender = Lock::new(Some(sender));
        let counts = crew(THREADS, |number, _| {
            let mut receiver = receiver.clone();
            match number {
                0 => {
                    let sender = sender.try_acquire().expect("it is ours").take().expect("taken once");
                    let room = sender.try_reserve();
                    let sent = i64::from(block_on(sender.send(1)).is_ok());
                    sent + i64::from(room.is_ok_and(|room| room.send(2).is_ok()))
                }
                1 => weak.upgrade().map_or(0, |sender| i64::from(block_on(sender.send(3)).is_ok())),
                2 => {
                    receiver.close();
                    0
                }
                _ => -(std::iter::from_fn(|| receiver.blocking_recv()).count() as i64),
            }
        });
        assert_eq!(counts.iter().sum::<i64>(), 0, "{counts:?}");
    }
}

#[test]
fn a_queue_is_joined_when_its_work_is_done() {
    let (queue, done) = (Queue::bounded(2), AtomicU64::new(0));
    crew(THREADS, |number, chance| {
        if number == 0 {
            for job in 0..ROUNDS {
                block_on(queue.put(job)).expect("it is open");
                if job % 64 == 0 {
                    block_on(queue.join());
                    assert_eq!(done.load(Relaxed), job + 1);
                }
            }
            block_on(queue.join());
            queue.close();
            return;
        }
        loop {
            match chance.wait(queue.get()) {
                None => {}
                Some(Err(_)) => return,
                Some(Ok(_)) => {
                    done.fetch_add(1, Relaxed);
                    queue.task_done();
                }
            }
        }
    });
    assert_eq!((done.into_inner(), queue.unfinished()), (ROUNDS, 0));
}

#[test]
fn a_queue_that_is_closed_at_once_lets_everybody_go() {
    for _ in 0..ROUNDS / 10 {
        let queue = Queue::bounded(1);
        crew(THREADS, |number, _| match number {
            0 => while block_on(queue.put(Box::new(1))).is_ok() {},
            1 => {
                while block_on(queue.get()).is_ok_and(|item| *item == 1) {
                    queue.task_done();
                }
            }
            2 => block_on(queue.join()),
            _ => queue.close_now(),
        });
        assert_eq!((queue.len(), queue.unfinished()), (0, 0));
    }
}

#[test]
fn a_oneshot_gives_its_value_to_one() {
    for round in 0..ROUNDS {
        let (sender, receiver) = oneshot::channel();
        let ends = (Lock::new(Some(sender)), Lock::new(Some(receiver)));
        crew(2, |number, chance| {
            if number == 0 {
                let sender = ends.0.try_acquire().expect("it is ours").take().expect("taken once");
                let _ = sender.send(Box::new(round));
            } else {
                let receiver = ends.1.try_acquire().expect("it is ours").take().expect("taken once");
                if let Some(value) = chance.wait(receiver) {
                    assert_eq!(value.map(|value| *value), Ok(round));
                }
            }
        });
    }
}

#[test]
fn every_broadcast_value_is_received_or_counted() {
    let (sender, receiver) = broadcast(8);
    let sender = Lock::new(Some(sender));
    crew(THREADS, |number, _| {
        if number == 0 {
            let sender = sender.try_acquire().expect("it is ours").take().expect("taken once");
            (0..ROUNDS).for_each(|item| assert!(sender.send(Arc::new(item)).is_ok()));
            return;
        }
        let mut receiver = receiver.resubscribe();
        let mut next = None;
        loop {
            match block_on(receiver.recv()) {
                Ok(item) => {
                    assert!(next.is_none_or(|next| next == *item));
                    next = Some(*item + 1);
                }
                Err(RecvError::Lagged(missed)) => {
                    next = next.map(|next| next + missed);
                }
                Err(RecvError::Closed) => break,
            }
        }
        assert!(next.is_none_or(|next| next == ROUNDS));
    });
}

#[test]
fn the_last_watched_value_is_never_missed() {
    let (sender, receiver) = watch(vec![0; 2]);
    let sender = Lock::new(Some(sender));
    crew(THREADS, |number, chance| {
        if number == 0 {
            let sender = sender.try_acquire().expect("it is ours").take().expect("taken once");
            (1..=ROUNDS).for_each(|item| assert!(sender.send(vec![item; 2]).is_ok()));
            return;
        }
        let (mut receiver, mut last) = (receiver.clone(), 0);
        loop {
            if let Some(Err(_)) = chance.wait(receiver.changed()) {
                break;
            }
            let seen = receiver.borrow_and_update();
            assert!(seen[0] == seen[1] && seen[0] >= last);
            last = seen[0];
        }
        assert_eq!(receiver.borrow()[0], ROUNDS);
    });
}
