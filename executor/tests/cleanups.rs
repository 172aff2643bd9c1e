//! Cleaning up that takes time: when it runs, for how long, who waits for it, and what is said of what was dropped.

mod common;

use common::Log;
use runtime_executor::{
    Builder, Executor, OnExit, Report, spawn,
    task::{self, CancelScope, GroupError, TaskGroup, yield_now},
    time::{Clock, Instant, sleep},
};
use std::{
    cell::RefCell,
    future::{Future, pending},
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    time::Duration,
};

const SECOND: Duration = Duration::from_secs(1);

fn paused() -> Builder {
    Executor::builder().clock(Clock::paused())
}

/// A second of farewell.
fn goodbye(log: &Log, line: &'static str) -> impl Future<Output = ()> + use<> {
    let log = log.clone();
    async move {
        sleep(SECOND).await;
        log.add(line);
    }
}

/// The lines of the reports.
fn reports(builder: Builder) -> (Rc<RefCell<Vec<String>>>, Builder) {
    let lines = Rc::new(RefCell::new(Vec::new()));
    let seen = lines.clone();
    let builder = builder.on_report(move |report| match report {
        Report::Cleanup { registered, .. } => {
            assert!(registered.file().ends_with("cleanups.rs"));
            seen.borrow_mut().push(report.to_string());
        }
        other => panic!("{other}"),
    });
    (lines, builder)
}

#[test]
fn it_runs_at_the_end_of_a_block_and_beside_what_follows() {
    let log = Log::default();
    paused().build().block_on(async {
        {
            let _first = task::defer(goodbye(&log, "first"));
            let _second = task::defer(goodbye(&log, "second"));
            log.add("block");
        }
        log.add("after");
        sleep(2 * SECOND).await;
        assert_eq!(task::count(), 0);
    });
    assert_eq!(log.take(), ["block", "after", "second", "first"]);
}

#[test]
fn disarmed_it_does_not_run_unless_somebody_awaits_it() {
    let log = Log::default();
    paused().build().block_on(async {
        drop(task::defer(goodbye(&log, "never")).disarm());
        let guard = task::defer(goodbye(&log, "in place"));
        assert!(format!("{guard:?}").contains("cleanups.rs"));
        guard.disarm().await;
        assert_eq!(task::count(), 0);
    });
    assert_eq!(log.take(), ["in place"]);
}

#[test]
fn it_runs_when_its_task_is_cancelled_or_panics() {
    let log = Log::default();
    paused().build().block_on(async {
        for (line, panics) in [("cancelled", false), ("panicked", true)] {
            let cleanup = goodbye(&log, line);
            let task = spawn(async move {
                let _cleanup = task::defer(cleanup);
                yield_now().await;
                assert!(!panics);
                pending::<()>().await;
            });
            yield_now().await;
            if !panics {
                task.cancel();
            }
            assert_eq!(task.await.unwrap_err().is_panic(), panics);
        }
        sleep(2 * SECOND).await;
    });
    assert_eq!(log.take(), ["cancelled", "panicked"]);
}

#[test]
fn children_of_scopes_and_cancel_scopes_clean_up_too() {
    let log = Log::default();
    paused().build().block_on(async {
        let stop = CancelScope::with_timeout(SECOND);
        let outcome = stop.run(task::scope(async |s| {
            let log = &log;
            s.spawn(async move {
                let _cleanup = task::defer(goodbye(log, "child"));
                pending::<()>().await;
            });
        }));
        assert!(outcome.await.is_err());
        log.add("left");
        sleep(2 * SECOND).await;
    });
    assert_eq!(log.take(), ["left", "child"]);
}

#[test]
fn the_end_of_the_runtime_cancels_cleans_up_and_then_ends() {
    let log = Log::default();
    let executor = paused().build();
    executor.block_on(async {
        for line in ["first", "second"] {
            let (cleanup, dropped) = (goodbye(&log, line), log.on_drop("task dropped"));
            spawn(async move {
                let _cleanup = task::defer(cleanup);
                let _dropped = dropped;
                pending::<()>().await;
            });
        }
        yield_now().await;
        let _main = task::defer(goodbye(&log, "main"));
    });
    assert!(log.take().is_empty());
    drop(executor);
    assert_eq!(log.take(), ["task dropped", "task dropped", "main", "first", "second"]);
}

#[test]
fn with_on_exit_wait_block_on_waits_for_it() {
    let log = Log::default();
    let executor = paused().on_exit(OnExit::Wait).build();
    executor.block_on(async {
        let _main = task::defer(goodbye(&log, "main"));
    });
    assert_eq!(log.take(), ["main"]);
}

#[test]
fn what_exceeds_its_grace_is_dropped_and_reported() {
    let log = Log::default();
    let (lines, builder) = reports(paused().cleanup_grace(3 * SECOND));
    builder.build().block_on(async {
        let start = Instant::now();
        let stubborn = |line| {
            let dropped = log.on_drop(line);
            async move {
                let _dropped = dropped;
                pending::<()>().await;
            }
        };
        drop(task::defer(stubborn("of the runtime")));
        drop(task::defer(stubborn("its own")).grace(SECOND));
        while task::count() > 0 {
            sleep(SECOND / 2).await;
            if start.elapsed() == 2 * SECOND {
                assert_eq!(log.take(), ["its own"]);
            }
        }
        assert_eq!(start.elapsed(), 3 * SECOND);
    });
    assert_eq!(log.take(), ["of the runtime"]);
    assert_eq!(lines.borrow().len(), 2);
    assert!(lines.borrow()[0].contains("was dropped before it was done"));
}

#[test]
fn the_end_of_the_runtime_waits_no_longer_than_the_grace() {
    let log = Log::default();
    let (lines, builder) = reports(paused());
    let executor = builder.build();
    let start = executor.block_on(async {
        let dropped = log.on_drop("stubborn");
        spawn(async move {
            let _cleanup = task::defer(async move {
                let _dropped = dropped;
                pending::<()>().await;
            });
            pending::<()>().await;
        });
        yield_now().await;
        Instant::now()
    });
    let watch = log.clone();
    executor.block_on(async move {
        let start = start;
        let guard = task::defer(async move {
            sleep(Duration::from_millis(4_999)).await;
            watch.add(format!("{:?}", start.elapsed()));
        });
        // Leaves with the task, at the end.
        spawn(async move {
            let _guard = guard;
            pending::<()>().await;
        });
        yield_now().await;
    });
    drop(executor);
    assert_eq!(log.take(), ["4.999s", "stubborn"]);
    assert_eq!(lines.borrow().len(), 1);
}

#[test]
fn a_cleanup_that_registers_another_cannot_keep_the_runtime_from_ending() {
    fn again(log: Log) {
        drop(task::defer(async move {
            log.add("once more");
            again(log);
        }));
    }
    let log = Log::default();
    let (lines, builder) = reports(paused());
    let executor = builder.build();
    let log_too = log.clone();
    executor.block_on(async {
        spawn(async move {
            let _cleanup = task::defer(async move { again(log_too) });
            pending::<()>().await;
        });
        yield_now().await;
    });
    drop(executor);
    assert!(log.take().is_empty());
    assert_eq!(lines.borrow().len(), 1);
}

#[test]
fn while_the_runtime_ends_a_cleanup_may_wait_but_not_spawn() {
    let log = Log::default();
    let executor = paused().build();
    let log_too = log.clone();
    executor.block_on(async {
        spawn(async move {
            let _cleanup = task::defer(async move {
                let outcome = spawn(async { unreachable!("refused") }).await;
                log_too.add(format!("refused: {}", outcome.is_err()));
                sleep(SECOND).await;
                log_too.add("waited");
            });
            pending::<()>().await;
        });
        yield_now().await;
    });
    drop(executor);
    assert_eq!(log.take(), ["refused: true", "waited"]);
}

#[test]
fn a_group_waits_for_its_cleanups_also_when_it_aborts() {
    let log = Log::default();
    paused().build().block_on(async {
        let start = Instant::now();
        let outcome: Result<(), GroupError<&str>> = TaskGroup::run(async |group| {
            let own = group.clone();
            let cleanup = goodbye(&log, "child's");
            group.spawn(async move {
                let _cleanup = own.defer(cleanup);
                pending::<()>().await;
            });
            let _cleanup = group.defer(goodbye(&log, "body's"));
            yield_now().await;
            Err("failed")
        })
        .await;
        log.add(outcome.unwrap_err().to_string());
        assert_eq!(start.elapsed(), SECOND);
    });
    let lines = log.take();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[2], "failed");
}

#[test]
fn a_group_does_not_wait_for_a_cleanup_beyond_its_grace() {
    let (lines, builder) = reports(paused());
    builder.build().block_on(async {
        let start = Instant::now();
        let outcome: Result<(), GroupError<()>> = TaskGroup::run(async |group| {
            drop(group.defer(pending()).grace(SECOND));
            Ok(())
        })
        .await;
        assert_eq!(outcome, Ok(()));
        assert_eq!(start.elapsed(), SECOND);
    });
    assert_eq!(lines.borrow().len(), 1);
}

#[test]
fn a_panic_in_a_cleanup_goes_no_further() {
    let log = Log::default();
    let (lines, builder) = reports(paused());
    let executor = builder.build();
    executor.block_on(async {
        drop(task::defer(async { panic!("while cleaning up") }));
        drop(task::defer(goodbye(&log, "the other")));
        sleep(2 * SECOND).await;
    });
    assert_eq!(log.take(), ["the other"]);
    assert_eq!(lines.borrow().len(), 1);
}

#[test]
fn outside_its_runtime_a_guard_only_drops_its_cleanup() {
    let log = Log::default();
    let executor = paused().build();
    let guard = executor.block_on(async { Box::new(task::defer(goodbye(&log, "never"))) });
    drop(guard);
    executor.block_on(yield_now());
    drop(executor);
    assert!(log.take().is_empty());
    let caught = catch_unwind(AssertUnwindSafe(|| task::defer(async {})));
    assert!(caught.is_err());
}

#[test]
fn stopping_the_runtime_meanwhile_drops_what_is_left() {
    let (lines, builder) = reports(paused());
    let executor = builder.build();
    let handle = executor.handle();
    executor.block_on(async {
        let handle = handle.clone();
        spawn(async move {
            let _cleanup = task::defer(async move {
                handle.stop();
                pending::<()>().await;
            });
            pending::<()>().await;
        });
        yield_now().await;
    });
    drop(executor);
    assert_eq!(lines.borrow().len(), 1);
}
