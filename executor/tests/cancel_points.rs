//! Every combinator, dropped at each of its suspension points: no item, permit, value or error is lost.
#![cfg(not(loom))]

mod common;

use common::every_point::{Point, at_every_point};
use runtime_executor::{
    JoinHandle, join, join_all, race, spawn,
    task::{self, Until, as_completed, shield, wait},
    time::{Duration, sleep, timeout},
    try_join, try_join_all,
};
use runtime_sync::{Receiver, Semaphore, channel, oneshot};
use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

const SECOND: Duration = Duration::from_secs(1);
const ITEMS: u32 = 6;
const PERMITS: usize = 2;

/// A channel that is filled bit by bit, permits that somebody else wants too, and a book of what was received: whatever
/// is cancelled, each item is in the book or still in the channel, and all permits come back.
struct Instruments {
    permits: Semaphore,
    items: Receiver<u32>,
    book: RefCell<Vec<u32>>,
    running: Vec<JoinHandle<()>>,
}

impl Instruments {
    fn new() -> Rc<Self> {
        Rc::new_cyclic(|this: &std::rc::Weak<Self>| {
            let (sender, items) = channel(1);
            let source = spawn(async move {
                for item in 0..ITEMS {
                    sleep(SECOND).await;
                    sender.send(item).await.expect("the instruments outlive it");
                }
                std::future::pending::<()>().await;
            });
            let this = this.clone();
            let rival = spawn(async move {
                let instruments = this.upgrade().expect("made by now");
                loop {
                    let permit = instruments.permits.acquire_many(PERMITS).await.expect("never closed");
                    sleep(SECOND / 4).await;
                    drop(permit);
                    sleep(SECOND / 4).await;
                }
            });
            Self {
                permits: Semaphore::new(PERMITS),
                items,
                book: RefCell::default(),
                running: vec![source, rival],
            }
        })
    }

    /// What each child does: a permit, an item under it, and the item goes into the book.
    async fn work(&self) -> u32 {
        let _permit = self.permits.acquire().await.expect("never closed");
        let item = self.items.clone().recv().await.expect("never closed");
        self.book.borrow_mut().push(item);
        item
    }

    /// The invariants, when all that was cancelled is gone.
    async fn check(self: Rc<Self>) {
        // The rest of the items, which must be all that is not in the book.
        while self.book.borrow().len() < ITEMS as usize {
            timeout(60 * SECOND, self.work()).await.expect("an item or a permit is lost");
        }
        let mut book = self.book.take();
        book.sort_unstable();
        assert!(book.into_iter().eq(0..ITEMS), "each item once");
        for task in &self.running {
            task.cancel();
        }
        sleep(SECOND).await;
        assert_eq!(self.permits.available_permits(), PERMITS);
    }
}

/// Cancels what `combine` makes of the instruments at every point. `least`: points that there must be at least, or the
/// story would not test what it says.
#[track_caller]
fn nothing_is_lost<T>(least: usize, combine: &impl AsyncFn(&Instruments) -> T) {
    let points = at_every_point(async |point: Point| {
        let instruments = Instruments::new();
        drop(point.run(combine(&instruments)).await);
        instruments.check().await;
    });
    assert!(points >= least, "only {points} points");
}

#[test]
fn join_all_of_workers() {
    nothing_is_lost(6, &async |i| join_all((0..5).map(|_| i.work())).await);
}

#[test]
fn try_join_all_of_workers_of_whom_one_fails() {
    let fails_after = |i: u32, item| if item >= i { Err(item) } else { Ok(item) };
    nothing_is_lost(3, &async |i| {
        let worker = async |_| fails_after(3, i.work().await);
        assert_eq!(try_join_all((0..5).map(worker)).await, Err(3));
    });
}

#[test]
fn join_and_try_join_of_workers() {
    nothing_is_lost(4, &async |i| join!(i.work(), i.work(), i.work()));
    nothing_is_lost(3, &async |i| {
        let fails = async { if i.work().await < 100 { Err(()) } else { Ok(()) } };
        try_join!(async { Ok(i.work().await) }, fails, async { Ok(i.work().await) })
    });
}

#[test]
fn races_of_workers() {
    nothing_is_lost(3, &async |i| {
        for _ in 0..3 {
            race((0..4).map(|_| i.work())).await;
        }
    });
}

#[test]
fn workers_as_they_complete() {
    nothing_is_lost(5, &async |i| {
        let mut finished = as_completed((0..5).map(|_| i.work()));
        let mut seen = 0;
        while let Some((_, item)) = finished.next().await {
            assert!(i.book.borrow().contains(&item));
            seen += 1;
        }
        assert_eq!(seen, 5);
    });
}

/// Here the asking for the next is what is cancelled, and the rest stays: each output is given exactly once.
#[test]
fn an_output_that_was_not_given_is_given_to_the_next_who_asks() {
    let points = at_every_point(async |point: Point| {
        let instruments = Instruments::new();
        let mut finished = as_completed((0..5).map(|_| instruments.work()));
        let mut seen = Vec::new();
        let asking = async {
            while let Some(output) = finished.next().await {
                seen.push(output);
            }
        };
        point.run(asking).await;
        while let Some(output) = finished.next().await {
            seen.push(output);
        }
        let mut items: Vec<u32> = seen.iter().map(|(_, item)| *item).collect();
        assert_eq!(items, *instruments.book.borrow());
        items.sort_unstable();
        seen.sort_unstable();
        assert!(items.into_iter().eq(0..5) && seen.iter().map(|(index, _)| *index).eq(0..5));
        drop(finished);
        instruments.check().await;
    });
    assert!(points >= 5, "only {points}");
}

#[test]
fn time_limits_around_workers() {
    nothing_is_lost(4, &async |i| {
        for _ in 0..4 {
            let _ = timeout(SECOND, timeout(SECOND, i.work())).await;
        }
    });
}

/// A wait is cancelled at every point; the handles and what the tasks gave are all there afterwards.
#[test]
fn waiting_for_borrowed_handles_loses_no_output_and_no_panic() {
    for until in [Until::First, Until::Count(2), Until::FirstError, Until::All] {
        at_every_point(async |point: Point| {
            let mut tasks = [3, 1, 2, 4].map(|n: u32| {
                spawn(async move {
                    sleep(n * SECOND).await;
                    assert_ne!(n, 2, "on purpose");
                    n
                })
            });
            let waiting = async {
                let (done, pending) = wait(&mut tasks, until).await;
                assert_eq!(done.len() + pending.len(), 4);
            };
            point.run(waiting).await;
            let outcomes = join_all(tasks).await;
            let values: Vec<_> =
                outcomes.iter().filter_map(|outcome| outcome.as_ref().ok().copied()).collect();
            assert_eq!(values, [3, 1, 4]);
            assert!(outcomes[2].as_ref().unwrap_err().is_panic());
        });
    }
}

#[test]
fn a_shielded_answer_is_sent_whatever_happens_to_whoever_waits_for_it() {
    let points = at_every_point(async |point: Point| {
        let (sender, receiver) = oneshot::channel();
        let commits = Rc::new(Cell::new(0));
        let transaction = {
            let commits = commits.clone();
            async move {
                for step in 0..3 {
                    sleep(SECOND).await;
                    commits.set(step + 1);
                }
                sender.send("committed").expect("somebody listens");
            }
        };
        let shielded = shield(transaction);
        point.run(async { timeout(60 * SECOND, shielded).await }).await;
        assert_eq!(receiver.await, Ok("committed"));
        assert_eq!(commits.get(), 3);
        assert_eq!(task::count(), 0);
    });
    assert!(points >= 1);
}
