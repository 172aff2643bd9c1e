//! Stories of `broadcast`: who gets what, what the slow miss, and how long a value is kept. Both flavours, no executor.
#![cfg(not(loom))]

mod stories;

use futures_lite::StreamExt;
use runtime_sync::{
    Elapsed, Kind,
    broadcast::{Lagged, Receiver, RecvError, SendError, Sender, TryRecvError},
    flavour::{Flavour, Local, Shared},
};
use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    rc::Rc,
    time::Duration,
};
use stories::{Task, advance, in_both_flavours, is, now, open_waits, tired, with_services, woken};

/// A flavour, as far as these stories are concerned.
trait Broadcasts: Flavour {
    fn broadcast<T>(capacity: usize) -> (Sender<T, Self>, Receiver<T, Self>);
}

impl Broadcasts for Local {
    fn broadcast<T>(capacity: usize) -> (Sender<T, Self>, Receiver<T, Self>) {
        runtime_sync::broadcast(capacity)
    }
}

impl Broadcasts for Shared {
    fn broadcast<T>(capacity: usize) -> (Sender<T, Self>, Receiver<T, Self>) {
        runtime_sync::shared::broadcast(capacity)
    }
}

in_both_flavours!(
    every_receiver_gets_every_value_in_order,
    a_receiver_gets_what_is_sent_after_it_came,
    whoever_waits_is_woken_by_the_next_value_in_order_of_arrival,
    a_wait_that_was_given_up_misses_nothing,
    the_slow_are_told_exactly_how_many_they_missed,
    each_value_is_received_or_counted_as_missed,
    without_receivers_the_value_comes_back,
    receivers_drain_before_they_learn_that_all_senders_are_gone,
    those_who_wait_are_told_when_the_last_sender_goes,
    the_last_to_take_a_value_gets_the_value_itself,
    a_value_is_released_when_the_last_has_taken_it,
    a_receiver_that_goes_releases_what_only_it_needed,
    a_value_that_makes_room_is_dropped_at_once,
    clones_and_drops_may_use_the_channel,
    a_clone_that_panics_costs_only_that_value,
    a_receiver_is_a_stream_that_goes_on_after_a_lag,
    a_poll_by_hand_keeps_its_place_until_another_method_is_called,
    waits_say_what_for,
    a_limit_leaves_nothing_behind,
    who_always_finds_a_value_gives_way_now_and_then,
    counts_and_descriptions_agree,
);

/// Says what a receiver gets, as long as it gets something at once.
fn drain<F: Flavour>(receiver: &mut Receiver<u32, F>) -> Vec<Result<u32, u64>> {
    let mut got = Vec::new();
    loop {
        match receiver.try_recv() {
            Ok(value) => got.push(Ok(value)),
            Err(TryRecvError::Lagged(missed)) => got.push(Err(missed)),
            Err(TryRecvError::Empty | TryRecvError::Closed) => return got,
        }
    }
}

fn every_receiver_gets_every_value_in_order<F: Broadcasts>() {
    let (sender, mut first) = F::broadcast(3);
    let (other, mut second) = (sender.clone(), sender.subscribe());
    assert_eq!(sender.send(1), Ok(2));
    assert_eq!(now(second.recv()), Ok(1));
    assert_eq!(other.send(2), Ok(2));
    assert_eq!(sender.send(3), Ok(2));
    assert_eq!((first.len(), second.len(), sender.len()), (3, 2, 3));
    assert_eq!(drain(&mut first), [Ok(1), Ok(2), Ok(3)]);
    assert_eq!(drain(&mut second), [Ok(2), Ok(3)]);
    assert!(first.is_empty() && second.is_empty() && sender.is_empty());
}

fn a_receiver_gets_what_is_sent_after_it_came<F: Broadcasts>() {
    let (sender, mut first) = F::broadcast(4);
    sender.send(1).unwrap();
    let mut second = sender.subscribe();
    sender.send(2).unwrap();
    let mut third = second.resubscribe();
    assert_eq!(third.try_recv(), Err(TryRecvError::Empty));
    sender.send(3).unwrap();
    assert_eq!(drain(&mut first), [Ok(1), Ok(2), Ok(3)]);
    assert_eq!(drain(&mut second), [Ok(2), Ok(3)]);
    assert_eq!(drain(&mut third), [Ok(3)]);
}

fn whoever_waits_is_woken_by_the_next_value_in_order_of_arrival<F: Broadcasts>() {
    let (sender, mut first) = F::broadcast(2);
    let (mut second, mut third) = (sender.subscribe(), sender.subscribe());
    let mut tasks = vec![Task::waiting(second.recv()), Task::waiting(first.recv())];
    assert_eq!(sender.send('a'), Ok(3));
    assert_eq!(woken(&tasks), [0, 1]);
    assert_eq!(tasks.pop().unwrap().ends(), Ok('a'));
    assert_eq!(tasks.pop().unwrap().ends(), Ok('a'));
    assert_eq!(now(third.recv()), Ok('a'));
    assert!(sender.is_empty());
}

fn a_wait_that_was_given_up_misses_nothing<F: Broadcasts>() {
    let (sender, mut receiver) = F::broadcast(2);
    let mut other = sender.subscribe();
    let given_up = Task::waiting(receiver.recv());
    let stays = Task::waiting(other.recv());
    drop(given_up);
    sender.send(1).unwrap();
    assert_eq!(stays.ends(), Ok(1));
    assert_eq!(now(receiver.recv()), Ok(1));
    // Given up when it had been woken already:
    let given_up = Task::waiting(receiver.recv());
    sender.send(2).unwrap();
    assert!(given_up.is_woken());
    drop(given_up);
    assert_eq!(now(receiver.recv()), Ok(2));
}

fn the_slow_are_told_exactly_how_many_they_missed<F: Broadcasts>() {
    let (sender, mut slow) = F::broadcast(3);
    let mut slower = sender.subscribe();
    (1..=3).for_each(|value| assert_eq!(sender.send(value), Ok(2)));
    assert_eq!(slow.try_recv(), Ok(1));
    (4..=6).for_each(|value| assert_eq!(sender.send(value), Ok(2)));
    assert_eq!((slow.len(), slower.len(), sender.len()), (3, 3, 3), "what was missed is not there");
    assert_eq!(drain(&mut slow), [Err(2), Ok(4), Ok(5), Ok(6)]);
    sender.send(7).unwrap();
    assert_eq!(slower.try_recv(), Err(TryRecvError::Lagged(4)));
    sender.send(8).unwrap(); // between being told and going on, it is overrun again
    assert_eq!(drain(&mut slower), [Err(1), Ok(6), Ok(7), Ok(8)]);
    // With room for one:
    let (sender, mut receiver) = F::broadcast(1);
    (0..100).for_each(|value| assert_eq!(sender.send(value), Ok(1)));
    assert_eq!(drain(&mut receiver), [Err(99), Ok(99)]);
}

/// A long random run against the plainest of models: all values that were ever sent, and where each receiver stands.
fn each_value_is_received_or_counted_as_missed<F: Broadcasts>() {
    const CAPACITY: usize = 5;
    let (sender, first) = F::broadcast(CAPACITY);
    let (mut receivers, mut sent) = (vec![(first, 0_usize)], 0_usize);
    let mut chance = 7_u64;
    for _ in 0..if cfg!(miri) { 500 } else { 20_000 } {
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (what, whom) = ((chance >> 60) as usize, (chance >> 33) as usize % receivers.len());
        match what {
            0 if receivers.len() < 6 => receivers.push((receivers[whom].0.resubscribe(), sent)),
            1 if receivers.len() > 1 => drop(receivers.swap_remove(whom)),
            2..=7 => {
                assert_eq!(sender.send(sent), Ok(receivers.len()));
                sent += 1;
            }
            _ => {
                let (receiver, next) = &mut receivers[whom];
                let oldest = sent.saturating_sub(CAPACITY);
                let expected = if *next < oldest {
                    Err(TryRecvError::Lagged((oldest - *next) as u64))
                } else if *next < sent {
                    Ok(*next)
                } else {
                    Err(TryRecvError::Empty)
                };
                assert_eq!(receiver.try_recv(), expected);
                *next = (*next).max(oldest) + usize::from(expected.is_ok());
            }
        }
        let oldest = sent.saturating_sub(CAPACITY);
        let behind = receivers.iter().map(|(_, next)| sent - (*next).max(oldest));
        assert!(receivers.iter().map(|(receiver, _)| receiver.len()).eq(behind.clone()));
        assert_eq!(sender.len(), behind.max().unwrap(), "kept is what somebody needs");
    }
}

fn without_receivers_the_value_comes_back<F: Broadcasts>() {
    let (sender, receiver) = F::broadcast(1);
    drop(receiver);
    assert_eq!(sender.send(String::from("back")), Err(SendError(String::from("back"))));
    let mut receiver = sender.subscribe();
    assert_eq!(sender.send(String::from("there")), Ok(1));
    assert_eq!(receiver.try_recv().as_deref(), Ok("there"));
}

fn receivers_drain_before_they_learn_that_all_senders_are_gone<F: Broadcasts>() {
    let (sender, mut receiver) = F::broadcast(1);
    let other = sender.clone();
    sender.send(1).unwrap();
    sender.send(2).unwrap();
    drop(sender);
    assert_eq!(now(receiver.recv()), Err(RecvError::Lagged(1)));
    assert_eq!(now(receiver.recv()), Ok(2));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty), "one sender is still there");
    drop(other);
    assert_eq!(now(receiver.recv()), Err(RecvError::Closed));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
    assert_eq!(receiver.resubscribe().try_recv(), Err(TryRecvError::Closed));
}

fn those_who_wait_are_told_when_the_last_sender_goes<F: Broadcasts>() {
    let (sender, mut first) = F::broadcast::<u8>(1);
    let mut second = sender.subscribe();
    let tasks = [Task::waiting(first.recv()), Task::waiting(second.recv())];
    let other = sender.clone();
    drop(other);
    assert_eq!(woken(&tasks), []);
    drop(sender);
    tasks.into_iter().for_each(|task| assert_eq!(task.ends(), Err(RecvError::Closed)));
}

/// Counts its clones, and its drops with them.
struct Copied(Rc<Cell<(u32, u32)>>);

impl Clone for Copied {
    fn clone(&self) -> Self {
        let (clones, drops) = self.0.get();
        self.0.set((clones + 1, drops));
        Self(Rc::clone(&self.0))
    }
}

impl Drop for Copied {
    fn drop(&mut self) {
        let (clones, drops) = self.0.get();
        self.0.set((clones, drops + 1));
    }
}

fn the_last_to_take_a_value_gets_the_value_itself<F: Broadcasts>() {
    let counts = Rc::<Cell<_>>::default();
    let (sender, mut first) = F::broadcast(2);
    let (mut second, mut third) = (sender.subscribe(), sender.subscribe());
    sender.send(Copied(Rc::clone(&counts))).unwrap();
    let kept = (first.try_recv().ok(), second.try_recv().ok());
    assert_eq!(counts.get(), (2, 0));
    let last = third.try_recv().ok();
    assert_eq!(counts.get(), (2, 0), "moved, neither cloned nor dropped");
    drop((kept, last));
    assert_eq!(counts.get(), (2, 3));
}

fn a_value_is_released_when_the_last_has_taken_it<F: Broadcasts>() {
    let counts = Rc::<Cell<_>>::default();
    let (sender, mut quick) = F::broadcast(8);
    let mut slow = sender.subscribe();
    for _ in 0..3 {
        sender.send(Copied(Rc::clone(&counts))).unwrap();
    }
    (0..3).for_each(|_| drop(quick.try_recv()));
    assert_eq!((counts.get(), sender.len()), ((3, 3), 3), "the clones are gone, the values are there");
    (1..=3).for_each(|taken| {
        drop(slow.try_recv());
        assert_eq!((counts.get(), sender.len()), ((3, 3 + taken), 3 - taken as usize));
    });
}

fn a_receiver_that_goes_releases_what_only_it_needed<F: Broadcasts>() {
    let counts = Rc::<Cell<_>>::default();
    let (sender, slow) = F::broadcast(8);
    let mut middle = sender.subscribe();
    let mut quick = sender.subscribe();
    for _ in 0..6 {
        sender.send(Copied(Rc::clone(&counts))).unwrap();
    }
    (0..2).for_each(|_| drop(middle.try_recv()));
    (0..5).for_each(|_| drop(quick.try_recv()));
    assert_eq!((counts.get(), sender.len()), ((7, 7), 6));
    drop(slow);
    assert_eq!((counts.get(), sender.len()), ((7, 9), 4), "the first two only it needed");
    drop(quick);
    assert_eq!((counts.get(), sender.len()), ((7, 9), 4), "another needs them all");
    drop(middle);
    assert_eq!((counts.get(), sender.len()), ((7, 13), 0));
}

fn a_value_that_makes_room_is_dropped_at_once<F: Broadcasts>() {
    let counts = Rc::<Cell<_>>::default();
    let (sender, mut receiver) = F::broadcast(2);
    for sent in 1_u32..=5 {
        sender.send(Copied(Rc::clone(&counts))).unwrap();
        assert_eq!(counts.get(), (0, sent.saturating_sub(2)));
    }
    assert!(matches!(receiver.try_recv(), Err(TryRecvError::Lagged(3))));
    drop(receiver);
    assert_eq!(counts.get(), (0, 5));
}

/// A place for the channel that carries the values that use it.
type Channel<F> = Rc<RefCell<Option<Sender<Meddler<F>, F>>>>;

/// Sends when it is cloned, and looks when it is dropped.
struct Meddler<F: Broadcasts> {
    channel: Channel<F>,
    looks: Rc<RefCell<Vec<(usize, usize)>>>,
}

impl<F: Broadcasts> Meddler<F> {
    fn another(&self) -> Self {
        Self { channel: Rc::clone(&self.channel), looks: Rc::clone(&self.looks) }
    }
}

impl<F: Broadcasts> Clone for Meddler<F> {
    fn clone(&self) -> Self {
        if let Some(sender) = &*self.channel.borrow() {
            assert!(sender.send(self.another()).is_ok());
        }
        self.another()
    }
}

impl<F: Broadcasts> Drop for Meddler<F> {
    fn drop(&mut self) {
        if let Some(sender) = &*self.channel.borrow() {
            self.looks.borrow_mut().push((sender.receiver_count(), sender.len()));
        }
    }
}

fn clones_and_drops_may_use_the_channel<F: Broadcasts>() {
    let (sender, mut first) = F::broadcast(2);
    let second = sender.subscribe();
    let meddler = Meddler { channel: Rc::new(RefCell::new(Some(sender))), looks: Rc::default() };
    let (channel, looks) = (Rc::clone(&meddler.channel), Rc::clone(&meddler.looks));
    let send = |value| assert!(channel.borrow().as_ref().is_some_and(|sender| sender.send(value).is_ok()));
    send(meddler.another());
    drop(first.try_recv()); // the clone sends a second one, and is dropped
    assert_eq!(looks.take(), [(2, 2)]);
    send(meddler.another()); // the first makes room
    assert_eq!(looks.take(), [(2, 2)]);
    drop(first);
    drop(second); // drops the two that are left
    assert_eq!(looks.take(), [(0, 0), (0, 0)]);
    drop(meddler);
    channel.take();
}

fn a_clone_that_panics_costs_only_that_value<F: Broadcasts>() {
    #[derive(Debug)]
    struct Touchy(u32);
    impl Clone for Touchy {
        fn clone(&self) -> Self {
            assert_ne!(self.0, 1, "touched");
            Self(self.0)
        }
    }
    let (sender, mut receiver) = F::broadcast(4);
    let mut other = sender.subscribe();
    sender.send(Touchy(1)).unwrap();
    sender.send(Touchy(2)).unwrap();
    let received = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| receiver.try_recv()));
    assert!(received.is_err());
    assert_eq!(receiver.try_recv().unwrap().0, 2);
    assert_eq!(other.try_recv().unwrap().0, 1, "the last one takes it as it is");
    assert_eq!(other.try_recv().unwrap().0, 2);
    assert!(sender.is_empty());
}

fn a_receiver_is_a_stream_that_goes_on_after_a_lag<F: Broadcasts>() {
    let (sender, mut receiver) = F::broadcast(2);
    let next = Task::waiting(receiver.next());
    (1..=3).for_each(|value| assert_eq!(sender.send(value), Ok(1)));
    assert_eq!(next.ends(), Some(Err(Lagged(1))));
    drop(sender);
    assert_eq!(now(receiver.collect::<Vec<_>>()), [Ok(2), Ok(3)]);
}

fn a_poll_by_hand_keeps_its_place_until_another_method_is_called<F: Broadcasts>() {
    let (sender, mut receiver) = F::broadcast(2);
    with_services();
    drop(Task::waiting(poll_fn(|cx| receiver.poll_recv(cx))));
    assert_eq!(open_waits().len(), 1, "the receiver has the place");
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    assert!(open_waits().is_empty());
    sender.send(1).unwrap();
    assert_eq!(receiver.try_recv(), Ok(1));
}

fn waits_say_what_for<F: Broadcasts>() {
    with_services();
    let (sender, mut receiver) = F::broadcast(2);
    let asked = line!() + 1;
    let task = Task::waiting(receiver.recv());
    let [wait] = open_waits()[..] else { panic!("one waits") };
    assert_eq!((wait.kind, wait.asked.file(), wait.asked.line()), (Kind::Broadcast, file!(), asked));
    assert_eq!(wait.created.file(), file!());
    sender.send(1).unwrap();
    assert_eq!(open_waits().len(), 1, "it was granted, but has not taken notice");
    assert_eq!(task.ends(), Ok(1));
    assert!(open_waits().is_empty());
    drop(Task::waiting(receiver.recv()));
    assert!(open_waits().is_empty());
    let task = Task::waiting(receiver.next());
    assert_eq!(open_waits()[0].asked, open_waits()[0].created, "a stream is named by its channel");
    drop(task);
}

fn a_limit_leaves_nothing_behind<F: Broadcasts>() {
    with_services();
    let (sender, mut receiver) = F::broadcast(2);
    let late = Task::waiting(receiver.recv_timeout(Duration::from_secs(1)));
    advance(Duration::from_secs(1));
    assert_eq!(late.ends(), Err(Elapsed));
    assert!(open_waits().is_empty());
    sender.send(1).unwrap();
    assert_eq!(now(receiver.recv_timeout(Duration::ZERO)), Ok(Ok(1)));
}

fn who_always_finds_a_value_gives_way_now_and_then<F: Broadcasts>() {
    let (sender, receiver) = F::broadcast(1000);
    (0..1000).for_each(|value| assert_eq!(sender.send(value), Ok(1)));
    let receiver = RefCell::new(receiver);
    let task = tired(|| poll_fn(|cx| receiver.borrow_mut().poll_recv(cx)));
    let left = sender.len();
    assert!(left < 1000, "it did take some");
    assert_eq!(task.ends(), Ok(1000 - left), "and nothing was lost when it gave way");
}

fn counts_and_descriptions_agree<F: Broadcasts>() {
    let (sender, receiver) = F::broadcast::<u8>(3);
    let (other, more) = (sender.clone(), receiver.resubscribe());
    assert_eq!((sender.receiver_count(), receiver.sender_count()), (2, 2));
    drop((other, more));
    assert_eq!((receiver.receiver_count(), sender.sender_count()), (1, 1));
    assert_eq!((sender.capacity(), receiver.capacity()), (3, 3));
    sender.send(1).unwrap();
    let text = format!("{receiver:?}");
    assert!(text.starts_with("broadcast::Receiver { len: 1, receivers: 1, senders: 1, created: "), "{text}");
    assert!(format!("{sender:?}").starts_with("broadcast::Sender { len: 1, "));
    assert_eq!(RecvError::Lagged(3).to_string(), "the receiver was too slow and missed 3 values");
    assert_eq!(SendError(1).to_string(), "there is no receiver to send to");
}

#[test]
#[should_panic(expected = "keeps at least 1 value")]
fn room_for_nothing_is_refused() {
    drop(runtime_sync::broadcast::<u8>(0));
}

#[test]
fn what_crosses_threads() {
    assert!(!is!(Sender<u8>: Send));
    assert!(!is!(Receiver<u8>: Sync));
    assert!(is!(runtime_sync::shared::broadcast::Sender<u8>: Send));
    assert!(is!(runtime_sync::shared::broadcast::Receiver<u8>: Sync));
    // Two threads may clone one value at the same time.
    assert!(!is!(runtime_sync::shared::broadcast::Receiver<Cell<u8>>: Send));
    assert!(!is!(runtime_sync::shared::broadcast::Sender<Cell<u8>>: Sync));
}

#[test]
fn threads_get_everything_in_order() {
    let rounds = if cfg!(miri) { 50 } else { 5_000 };
    let (sender, first) = runtime_sync::shared::broadcast(16);
    let receivers = [first.resubscribe(), first];
    std::thread::scope(|scope| {
        for mut receiver in receivers {
            let body = move || {
                let (mut next, mut missed_or_got) = (0, 0);
                loop {
                    match receiver.blocking_recv() {
                        Ok(value) => {
                            assert!(value >= next, "in order");
                            (next, missed_or_got) = (value + 1, missed_or_got + 1);
                        }
                        Err(RecvError::Lagged(missed)) => missed_or_got += missed,
                        Err(RecvError::Closed) => return assert_eq!(missed_or_got, rounds),
                    }
                }
            };
            std::thread::Builder::new().spawn_scoped(scope, body).unwrap();
        }
        for value in 0..rounds {
            sender.send(value).unwrap();
        }
        drop(sender);
    });
}
