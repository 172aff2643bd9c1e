//! Model checks of the inbox: whatever the schedule, no mail is left lying while the loop sleeps. A loop that
//! sleeps for ever is a deadlock, which loom reports.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p runtime-executor --release --lib loom`

use super::{Call, Doorbell, PARKING, Remote, RuntimeGone};
use crate::primitives::{AtomicI32, Condvar, Mutex, Ordering, lock};
use loom::thread;
use std::{
    sync::{Arc, PoisonError},
    task::{Wake, Waker},
};

/// What the loop sleeps on: the token of `std::thread::park`, made of what loom knows.
#[derive(Default)]
struct Token {
    is_set: Mutex<bool>,
    changed: Condvar,
}

impl Token {
    fn park(&self) {
        let mut is_set = lock(&self.is_set);
        while !*is_set {
            is_set = self.changed.wait(is_set).unwrap_or_else(PoisonError::into_inner);
        }
        *is_set = false;
    }
}

impl Wake for Token {
    fn wake(self: Arc<Self>) {
        *lock(&self.is_set) = true;
        self.changed.notify_one();
    }
}

/// A runtime without its tasks.
struct Owner {
    remote: Arc<Remote>,
    token: Arc<Token>,
}

impl Owner {
    fn new() -> Self {
        let owner = Self { remote: Arc::new(Remote::new()), token: Arc::default() };
        // The table of slots is made here, as loom does not see that the `OnceLock` around it synchronises.
        owner.remote.count_clones(0, 0);
        owner.open(1);
        owner
    }

    fn open(&self, epoch: u64) {
        self.remote.open(epoch, Waker::from(self.token.clone()));
    }

    /// Sleeps as the loop does (`EventLoop::sleep`), then reads the mail.
    fn sleep_and_read(&self) -> (Vec<u32>, Vec<Call>) {
        let doorbell = self.remote.doorbell();
        if doorbell.begin_park() {
            self.token.park();
            if !doorbell.end_park() {
                return (Vec::new(), Vec::new()); // a token left over from earlier
            }
        }
        self.read()
    }

    /// Reads the mail as the loop does (`Core::read_mail`). The doorbell has been reset.
    fn read(&self) -> (Vec<u32>, Vec<Call>) {
        let mut wakes = Vec::new();
        let calls = self.remote.take(&mut wakes);
        wakes.iter().for_each(|slot| self.remote.acknowledge(*slot));
        (wakes, calls)
    }
}

/// All schedules with at most three preemptions. Without a bound they pass, too, and take six minutes.
fn model(body: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(body);
}

#[test]
fn the_doorbell_alone_never_lets_the_loop_sleep_on_a_ring() {
    model(|| {
        let doorbell = Arc::new(Doorbell::new());
        let token = Arc::new(Token::default());
        let (mail, bell, waker) = (Arc::new(AtomicI32::new(0)), doorbell.clone(), token.clone());
        let letter = mail.clone();
        let ringer = thread::spawn(move || {
            letter.store(1, Ordering::Relaxed);
            if bell.ring() {
                waker.wake();
            }
        });
        loop {
            if doorbell.begin_park() {
                token.park();
                doorbell.end_park();
            }
            // Relaxed: it is the bell that makes the letter visible.
            if mail.load(Ordering::Relaxed) == 1 {
                break;
            }
        }
        ringer.join().unwrap();
    });
}

#[test]
fn a_loop_that_does_not_sleep_hears_the_bell_too() {
    model(|| {
        let owner = Owner::new();
        let remote = owner.remote.clone();
        let waker = thread::spawn(move || remote.wake(0));
        while !owner.remote.doorbell().take() {
            thread::yield_now();
        }
        assert_eq!(owner.read().0, [0]);
        waker.join().unwrap();
        assert!(!owner.remote.doorbell().take(), "one letter, one ring");
    });
}

#[test]
fn two_threads_wake_two_tasks_of_a_loop_that_sleeps() {
    model(|| {
        let owner = Owner::new();
        let wakers = [0, 1].map(|slot| {
            let remote = owner.remote.clone();
            thread::spawn(move || remote.wake(slot))
        });
        let mut seen = Vec::new();
        while seen.len() < 2 {
            seen.extend(owner.sleep_and_read().0);
        }
        seen.sort_unstable();
        assert_eq!(seen, [0, 1]);
        wakers.into_iter().for_each(|waker| waker.join().unwrap());
    });
}

/// The wake of a task against its acknowledgement and the poll that follows: either this poll sees what the waker
/// had done before, or there is another.
#[test]
fn a_wake_during_a_poll_is_seen_by_it_or_leads_to_another() {
    model(|| {
        let owner = Owner::new();
        let done = Arc::new(AtomicI32::new(0));
        let wakers = [0; 2].map(|_| {
            let (remote, done) = (owner.remote.clone(), done.clone());
            thread::spawn(move || {
                done.fetch_add(1, Ordering::Relaxed); // the bit in the inbox must make it visible
                remote.wake(0);
            })
        });
        let mut polled = 0;
        while polled < 2 {
            for slot in owner.sleep_and_read().0 {
                assert_eq!(slot, 0);
                polled = done.load(Ordering::Relaxed);
            }
        }
        wakers.into_iter().for_each(|waker| waker.join().unwrap());
    });
}

#[test]
fn many_wakes_before_the_loop_looks_are_one() {
    model(|| {
        let owner = Owner::new();
        let wakers = [0; 2].map(|_| {
            let remote = owner.remote.clone();
            thread::spawn(move || remote.wake(3))
        });
        wakers.into_iter().for_each(|waker| waker.join().unwrap());
        assert!(owner.remote.doorbell().take());
        assert_eq!(owner.read().0, [3]);
        owner.remote.wake(3);
        assert_eq!(owner.sleep_and_read().0, [3], "after the acknowledgement it is a new one");
    });
}

#[test]
fn the_loop_may_go_back_to_sleep_between_two_wakes() {
    model(|| {
        let owner = Owner::new();
        let remote = owner.remote.clone();
        let waker = thread::spawn(move || {
            remote.wake(0);
            remote.wake(1);
        });
        let mut seen = Vec::new();
        while seen.len() < 2 {
            seen.extend(owner.sleep_and_read().0);
        }
        waker.join().unwrap();
        assert_eq!(seen, [0, 1], "in the order of one thread");
    });
}

/// Posting against closing: each call is taken by exactly one side.
#[test]
fn a_post_is_refused_or_handed_over() {
    model(|| {
        let owner = Owner::new();
        let dropped = Arc::new(AtomicI32::new(0));
        let poster = {
            let (remote, dropped) = (owner.remote.clone(), dropped.clone());
            thread::spawn(move || {
                let posted = [0; 2].map(|_| {
                    let count = Count(dropped.clone());
                    remote.post(1, Call::Run(Box::new(move || drop(count))))
                });
                assert!(posted != [Err(RuntimeGone), Ok(())], "closed is closed");
                posted.into_iter().filter(Result::is_err).count()
            })
        };
        let mut kept = if owner.remote.doorbell().take() { owner.read().1 } else { Vec::new() };
        kept.extend(owner.remote.close());
        let refused = poster.join().unwrap();
        assert_eq!(
            dropped.load(Ordering::Relaxed),
            refused as i32,
            "refused calls were dropped by the poster"
        );
        assert_eq!(kept.len() + refused, 2);
        assert!(owner.remote.close().is_empty());
    });
}

/// Adds one when dropped.
struct Count(Arc<AtomicI32>);

impl Drop for Count {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A waker that outlives its runtime, against the next runtime under the same index: its spurious wake must not
/// swallow a wake that is meant.
#[test]
fn a_stale_wake_takes_no_wake_from_the_next_runtime() {
    model(|| {
        let owner = Owner::new();
        let remote = owner.remote.clone();
        let stale = thread::spawn(move || remote.wake(0));
        assert!(owner.remote.close().is_empty());
        owner.open(2);
        let (remote, done) = (owner.remote.clone(), Arc::new(AtomicI32::new(0)));
        let setter = done.clone();
        let meant = thread::spawn(move || {
            setter.store(1, Ordering::Relaxed);
            remote.wake(0);
        });
        let mut is_done = 0;
        while is_done == 0 {
            for slot in owner.sleep_and_read().0 {
                assert_eq!(slot, 0);
                is_done = done.load(Ordering::Relaxed);
            }
        }
        stale.join().unwrap();
        meant.join().unwrap();
    });
}

/// The last foreign waker is used up while its task completes or its runtime ends: the count comes out even, and
/// the slot is as good as new for its next user.
#[test]
fn the_last_foreign_waker_against_completion_and_close() {
    model(|| {
        let owner = Owner::new();
        owner.remote.count_clones(0, 1); // cloned by the task, away from home or counted into the block at the end
        let remote = owner.remote.clone();
        let last = thread::spawn(move || {
            remote.count_clones(0, 1);
            remote.wake(0);
            remote.count_clones(0, -1);
            remote.count_clones(0, -1);
        });
        if owner.remote.doorbell().take() {
            let _ = owner.read(); // of a task that has ended by now: nobody is polled
        }
        assert!(owner.remote.close().is_empty());
        last.join().unwrap();
        assert_eq!(owner.remote.out(0).clones, 0);

        owner.open(2);
        owner.remote.wake(0);
        assert_eq!(owner.sleep_and_read().0, [0], "the pending bit was left clean");
    });
}

/// The loop leaves `park` by a panic (the outside is broken), with the bell at PARKING. Mail still arrives.
#[test]
fn a_bell_that_was_left_at_parking_still_rings() {
    model(|| {
        let owner = Owner::new();
        assert!(owner.remote.doorbell().begin_park());
        assert_eq!(owner.remote.doorbell().0.load(Ordering::Relaxed), PARKING);
        let remote = owner.remote.clone();
        let waker = thread::spawn(move || remote.wake(0));
        let mut seen = if owner.remote.doorbell().take() { owner.read().0 } else { Vec::new() };
        while seen.is_empty() {
            seen = owner.sleep_and_read().0;
        }
        assert_eq!(seen, [0]);
        waker.join().unwrap();
    });
}
