//! Cancel scopes: reasons, deadlines that move, one last poll, which of several nested scopes is left, and a group that
//! comes out with its errors all the same.

mod common;

use common::{
    Log,
    every_point::{Point, at_every_point},
    executor, paused,
};
use runtime_executor::{
    spawn,
    task::{self, CancelScope, GroupError, TaskGroup, yield_now},
    time::{Instant, sleep},
};
use std::{
    cell::Cell,
    future::{pending, poll_fn},
    pin::pin,
    task::Poll,
    time::Duration,
};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn the_reason_comes_out_of_the_scope() {
    let log = Log::default();
    paused().block_on(async {
        let scope = CancelScope::new();
        let canceller = scope.clone();
        spawn(async move {
            sleep(SECOND).await;
            assert!(!canceller.is_cancelled());
            assert!(canceller.cancel("the user has gone"));
            assert!(!canceller.cancel("too late"));
        });
        let dropped = log.on_drop("inside");
        let outcome = scope.run(async {
            let _dropped = dropped;
            pending::<()>().await;
        });
        let cancelled = outcome.await.unwrap_err();
        log.add("after");
        assert_eq!(cancelled.to_string(), "cancelled: the user has gone");
        assert!(!cancelled.is_deadline());
        assert_eq!(scope.cancelled(), Some(cancelled));
    });
    assert_eq!(log.take(), ["inside", "after"]);
}

#[test]
fn one_scope_ends_all_its_runs_in_whatever_task() {
    executor().block_on(async {
        let scope = CancelScope::new();
        let tasks: Vec<_> = (0..3)
            .map(|_| {
                let scope = scope.clone();
                spawn(async move { scope.run(pending::<()>()).await.unwrap_err().reason().to_owned() })
            })
            .collect();
        yield_now().await;
        scope.cancel("all of you");
        for task in tasks {
            assert_eq!(task.await.unwrap(), "all of you");
        }
    });
}

#[test]
fn a_cancelled_scope_polls_its_future_once_more_at_most() {
    executor().block_on(async {
        let polls = Cell::new(0);
        let count = || {
            poll_fn(|_| {
                polls.set(polls.get() + 1);
                Poll::<()>::Pending
            })
        };
        let scope = CancelScope::new();
        let mut run = pin!(scope.run(count()));
        assert!(common::poll_once(&mut run).await.is_pending());
        scope.cancel("");
        assert!(run.await.is_err());
        assert_eq!(polls.get(), 2);

        // Cancelled before it began: still one, in which it may be done.
        assert!(scope.run(count()).await.is_err());
        assert_eq!(polls.get(), 3);
        assert_eq!(scope.run(async { "done" }).await, Ok("done"));
    });
}

#[test]
fn what_is_done_in_its_last_poll_counts() {
    executor().block_on(async {
        let scope = CancelScope::new();
        let outcome = scope.run(async {
            yield_now().await;
            scope.cancel("by itself");
            7
        });
        assert_eq!(outcome.await, Ok(7));
        assert!(scope.is_cancelled());

        // Woken by its event and by the cancellation in one turn.
        let scope = CancelScope::new();
        let (sender, receiver) = runtime_sync::oneshot::channel();
        let canceller = scope.clone();
        spawn(async move {
            canceller.cancel("a moment too late");
            sender.send(7).unwrap();
        });
        assert_eq!(scope.run(receiver).await, Ok(Ok(7)));
    });
}

#[test]
fn a_deadline_moves_both_ways_and_goes_away() {
    paused().block_on(async {
        let start = Instant::now();
        let scope = CancelScope::with_timeout(SECOND);
        let mover = scope.clone();
        spawn(async move {
            sleep(SECOND / 2).await;
            mover.set_deadline(Some(start + 10 * SECOND));
            sleep(3 * SECOND).await;
            mover.set_deadline(None);
            sleep(20 * SECOND).await;
            mover.set_deadline(Some(start + 30 * SECOND));
            sleep(SECOND).await;
            mover.set_deadline(Some(start + 25 * SECOND));
        });
        let cancelled = scope.run(pending::<()>()).await.unwrap_err();
        assert!(cancelled.is_deadline());
        assert_eq!(cancelled.reason(), "deadline");
        assert_eq!(start.elapsed(), 25 * SECOND);
        // For good.
        scope.set_deadline(None);
        assert!(scope.is_cancelled());
        assert_eq!(scope.deadline(), Some(start + 25 * SECOND));
        // One that has passed still allows one poll.
        assert_eq!(CancelScope::with_deadline(start).run(async { 7 }).await, Ok(7));
        assert!(CancelScope::with_deadline(start).run(pending::<()>()).await.is_err());
        // One that never comes is none.
        assert_eq!(CancelScope::with_timeout(Duration::MAX).deadline(), None);
    });
}

#[test]
fn the_deadline_of_the_real_clock_comes_too() {
    executor().block_on(async {
        let start = Instant::now();
        let limit = Duration::from_millis(5);
        assert!(CancelScope::with_timeout(limit).run(pending::<()>()).await.is_err());
        assert!(start.elapsed() >= limit);
    });
}

#[test]
fn an_inner_scope_is_left_alone_and_the_code_around_it_goes_on() {
    executor().block_on(async {
        let (outer, inner) = (CancelScope::new(), CancelScope::new());
        inner.cancel("only the inner one");
        let outcome = outer.run(async {
            let caught = inner.run(pending::<()>()).await.unwrap_err();
            yield_now().await;
            caught.reason().to_owned()
        });
        assert_eq!(outcome.await.unwrap(), "only the inner one");
    });
}

#[test]
fn of_two_scopes_cancelled_in_one_turn_the_outer_one_is_left() {
    for inner_first in [true, false] {
        let log = Log::default();
        executor().block_on(async {
            let (outer, inner) = (CancelScope::new(), CancelScope::new());
            let (outer_too, inner_too) = (outer.clone(), inner.clone());
            spawn(async move {
                if inner_first {
                    inner_too.cancel("inner");
                    outer_too.cancel("outer");
                } else {
                    outer_too.cancel("outer");
                    inner_too.cancel("inner");
                }
            });
            let outcome = outer.run(async {
                let _dropped = log.on_drop("between");
                let _: Result<(), _> = inner.run(pending()).await;
                log.add("never gets here");
            });
            assert_eq!(outcome.await.unwrap_err().reason(), "outer");
        });
        assert_eq!(log.take(), ["between"]);
    }
}

#[test]
fn of_two_equal_deadlines_the_outer_one_reports() {
    let log = Log::default();
    paused().block_on(async {
        let deadline = Instant::now() + SECOND;
        let outer = CancelScope::with_deadline(deadline);
        let outcome = outer.run(async {
            let inner = CancelScope::with_deadline(deadline).run(pending::<()>()).await;
            log.add(format!("{inner:?}"));
        });
        assert!(outcome.await.unwrap_err().is_deadline());
        // Also when it is only found when it has long passed.
        let outcome = outer.run(async {
            let inner = CancelScope::with_deadline(deadline).run(pending::<()>()).await;
            log.add(format!("{inner:?}"));
        });
        assert!(outcome.await.is_err());
    });
    assert!(log.take().is_empty());
}

/// A group whose child fails in the turn in which the scope around it is cancelled.
async fn fail_and_cancel(error_first: bool, log: &Log) -> String {
    let scope = CancelScope::new();
    let (canceller, dropped) = (scope.clone(), log.on_drop("sibling"));
    let outcome = scope.run(async {
        let outcome: Result<(), GroupError<&str>> = TaskGroup::run(async |group| {
            group.spawn(async move {
                let _dropped = dropped;
                pending::<()>().await;
            });
            let fail = async |canceller: Option<CancelScope>| {
                sleep(SECOND).await;
                if let Some(canceller) = canceller {
                    canceller.cancel("outer");
                    return Ok(());
                }
                Err("failed")
            };
            let (first, second) = if error_first { (None, Some(canceller)) } else { (Some(canceller), None) };
            group.spawn(fail(first));
            group.spawn(fail(second));
            pending().await
        })
        .await;
        log.add(outcome.unwrap_err().to_string());
        let _dropped = log.on_drop("at the next await");
        yield_now().await;
        log.add("never gets here");
    });
    outcome.await.unwrap_err().reason().to_owned()
}

#[test]
fn a_group_comes_out_with_its_error_and_the_cancellation_hits_the_next_await() {
    for error_first in [true, false] {
        let log = Log::default();
        let reason = paused().block_on(fail_and_cancel(error_first, &log));
        assert_eq!(reason, "outer");
        assert_eq!(log.take(), ["sibling", "failed", "at the next await"], "error first: {error_first}");
    }
}

#[test]
fn a_group_without_an_error_is_dropped_with_the_scope() {
    let log = Log::default();
    paused().block_on(async {
        let scope = CancelScope::with_timeout(SECOND);
        let outcome = scope.run(async {
            let _: Result<(), GroupError<()>> = TaskGroup::run(async |group| {
                let dropped = log.on_drop("child");
                group.spawn(async move {
                    let _dropped = dropped;
                    pending::<()>().await;
                });
                Ok(())
            })
            .await;
            log.add("never gets here");
        });
        assert!(outcome.await.is_err());
        yield_now().await;
        assert_eq!(task::count(), 0);
    });
    assert_eq!(log.take(), ["child"]);
}

#[test]
fn cancelled_at_any_suspension_point_exactly_one_of_value_and_reason_comes_out() {
    let points = at_every_point(async |point: Point| {
        let log = Log::default();
        let scope = CancelScope::new();
        let work = scope.run(async {
            let _dropped = log.on_drop("outer");
            yield_now().await;
            let inner = CancelScope::with_timeout(SECOND).run(async {
                let _dropped = log.on_drop("inner");
                sleep(2 * SECOND).await;
            });
            assert!(inner.await.is_err());
            TaskGroup::<()>::run(async |group| {
                let child = group.spawn(sleep(SECOND));
                child.await.unwrap();
                Ok(5)
            })
            .await
            .unwrap()
        });
        let outcome = point.cancel(work, || _ = scope.cancel("at this point")).await;
        yield_now().await;
        assert_eq!(task::count(), 0);
        assert_eq!(log.take().iter().filter(|line| *line == "outer").count(), 1);
        match outcome {
            Ok(value) => assert_eq!(value, 5),
            Err(cancelled) => assert_eq!(cancelled.reason(), "at this point"),
        }
    });
    assert_eq!(points, 3);
}

#[test]
fn a_panic_inside_leaves_the_rules_as_they_were() {
    executor().block_on(async {
        let scope = CancelScope::new();
        scope.cancel("over");
        let task = spawn(async move { scope.run(async { panic!("inside") }).await });
        assert!(task.await.unwrap_err().is_panic());
        // Would be silent if the dead scope still counted as one around this.
        let other = CancelScope::new();
        other.cancel("mine");
        assert_eq!(other.run(pending::<()>()).await.unwrap_err().reason(), "mine");
    });
}
