//! `settle`: it completes when nothing else can run, and time has not passed.

mod common;

use common::{Log, executor};
use runtime_executor::{
    Executor, Park, join_all, settle, spawn,
    task::yield_now,
    time::{Clock, Instant, advance, sleep},
};
use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    io,
    pin::pin,
    rc::Rc,
    task::{Poll, Waker},
    time::Duration,
};

const SECOND: Duration = Duration::from_secs(1);

fn paused() -> Executor {
    Executor::builder().clock(Clock::paused()).build()
}

/// Gives way so many times, then writes.
async fn walk(log: Log, name: &str, steps: usize) {
    for _ in 0..steps {
        yield_now().await;
    }
    log.add(name);
}

#[test]
fn everybody_who_can_goes_on_first() {
    executor().block_on(async {
        let log = Log::default();
        spawn(walk(log.clone(), "far", 20)).detach();
        spawn(walk(log.clone(), "near", 1)).detach();
        let (started, other) = (log.clone(), log.clone());
        spawn(async move {
            spawn(walk(other, "child", 30)).detach();
            started.add("parent");
        })
        .detach();
        settle().await;
        log.add("settled");
        assert_eq!(log.take(), ["parent", "near", "far", "child", "settled"]);
        settle().await; // and with nobody there it takes no longer
    });
}

#[test]
fn time_does_not_pass_meanwhile() {
    paused().block_on(async {
        let log = Log::default();
        let later = log.clone();
        spawn(async move {
            sleep(SECOND).await;
            later.add("a second has passed");
        })
        .detach();
        let start = Instant::now();
        settle().await;
        assert_eq!((log.take(), start.elapsed()), (vec![], Duration::ZERO));
        sleep(SECOND).await;
        settle().await;
        assert_eq!(log.take(), ["a second has passed"]);
    });
}

#[test]
fn what_an_advance_has_made_due_is_waited_for() {
    paused().block_on(async {
        let log = Log::default();
        let (later, meanwhile) = (log.clone(), log.clone());
        spawn(async move {
            sleep(SECOND).await;
            walk(later, "long after", 5).await;
        })
        .detach();
        let order = spawn(async move {
            advance(SECOND).await;
            meanwhile.add("arrived");
        });
        settle().await;
        assert_eq!(log.take(), <[&str; 0]>::default(), "an order is not carried out by settling");
        order.await.unwrap();
        settle().await;
        assert_eq!(log.take(), ["long after", "arrived"]);
    });
}

#[test]
fn those_who_settle_do_not_wait_for_each_other() {
    executor().block_on(async {
        let log = Log::default();
        let settlers = (0..3).map(|n| {
            let log = log.clone();
            spawn(async move {
                settle().await;
                log.add(format!("settler {n}"));
            })
        });
        let settlers: Vec<_> = settlers.collect();
        spawn(walk(log.clone(), "walker", 10)).detach();
        join_all(settlers).await;
        assert_eq!(log.take(), ["walker", "settler 0", "settler 1", "settler 2"]);
    });
}

/// A park that has an event as soon as somebody asks.
#[derive(Default)]
struct Pending(RefCell<Option<Waker>>, Cell<usize>);

impl Park for Pending {
    fn park(&self, timeout: Option<Duration>) -> io::Result<()> {
        assert_eq!(timeout, Some(Duration::ZERO), "nobody sleeps in this story");
        self.1.set(self.1.get() + 1);
        let waiter = self.0.take();
        waiter.into_iter().for_each(Waker::wake);
        Ok(())
    }

    fn unparker(&self) -> Waker {
        Waker::noop().clone()
    }

    fn waiters(&self) -> usize {
        usize::from(self.0.borrow().is_some())
    }
}

#[test]
fn the_outside_is_asked_before() {
    let outside = Rc::new(Pending::default());
    let executor = Executor::builder().park(outside.clone()).build();
    executor.block_on(async {
        let log = Log::default();
        let (reader, source) = (log.clone(), outside.clone());
        spawn(async move {
            let mut asked = false;
            poll_fn(|cx| {
                if asked {
                    return Poll::Ready(());
                }
                asked = true;
                *source.0.borrow_mut() = Some(cx.waker().clone());
                Poll::Pending
            })
            .await;
            walk(reader, "an event was there", 3).await;
        })
        .detach();
        settle().await;
        assert_eq!(log.take(), ["an event was there"]);
        assert!(outside.1.get() >= 1);
    });
}

#[test]
fn one_that_is_dropped_leaves_no_trace() {
    executor().block_on(async {
        let polls = Rc::new(Cell::new(0));
        let mut settling = Some(Box::pin(settle()));
        let counted = polls.clone();
        let task = spawn(async move {
            poll_fn(|cx| {
                counted.set(counted.get() + 1);
                if let Some(mut settling) = settling.take() {
                    assert!(settling.as_mut().poll(cx).is_pending());
                }
                Poll::<()>::Pending
            })
            .await;
        });
        settle().await;
        yield_now().await;
        assert_eq!(polls.get(), 1, "nobody wakes a task for a future that it has dropped");
        drop(task);
    });
    // Dropped where its runtime is not, it is none of anybody's business.
    let mut kept = pin!(settle());
    assert!(executor().block_on(poll_fn(|cx| Poll::Ready(kept.as_mut().poll(cx).is_pending()))));
}

#[test]
#[should_panic(expected = "first polled")]
fn another_runtime_is_another_matter() {
    let mut kept = pin!(settle());
    let first = executor();
    assert!(first.block_on(poll_fn(|cx| Poll::Ready(kept.as_mut().poll(cx).is_pending()))));
    executor().block_on(kept);
}
