//! Task groups: children that end together, errors in order, spawning while it drains and after, ready values, panics,
//! and a group that is dropped at every one of its suspension points.

mod common;

use common::{
    Log, bomb,
    every_point::{Point, at_every_point},
    executor, pause, paused, poll_once, scaled,
};
use runtime_executor::{
    JoinHandle, spawn,
    task::{self, GroupError, StartError, TaskGroup, yield_now},
    time::{Instant, sleep, timeout},
};
use std::{
    cell::{Cell, RefCell},
    convert::Infallible,
    future::{Future, pending, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    rc::Rc,
    task::Poll,
    time::Duration,
};

const SECOND: Duration = Duration::from_secs(1);

fn message(payload: &(dyn std::any::Any + Send)) -> &str {
    payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(|s| &**s))
        .unwrap()
}

#[test]
fn a_group_waits_for_its_children_and_gives_the_bodys_value() {
    let log = Log::default();
    let value = paused().block_on(async {
        let start = Instant::now();
        let greeting = String::from("borrowed from the caller");
        let value = TaskGroup::<Infallible>::run(async |group| {
            for n in [3, 1, 2] {
                let log = log.clone();
                group.spawn(async move {
                    sleep(n * SECOND).await;
                    log.add(format!("child {n}"));
                });
            }
            log.add("body");
            Ok(greeting.len())
        })
        .await;
        assert_eq!(start.elapsed(), 3 * SECOND);
        value
    });
    assert_eq!(value, Ok(24));
    assert_eq!(log.take(), ["body", "child 1", "child 2", "child 3"]);
}

#[test]
fn an_empty_group_is_ready_at_once() {
    let mut polls = 0;
    executor().block_on(async {
        let mut group = pin!(TaskGroup::<Infallible>::run(async |_| Ok(7)));
        let value = poll_fn(|context| {
            polls += 1;
            group.as_mut().poll(context)
        });
        assert_eq!(value.await, Ok(7));
    });
    assert_eq!(polls, 1);
}

#[test]
fn the_first_error_cancels_the_siblings_and_the_body() {
    let log = Log::default();
    let outcome = paused().block_on(async {
        let start = Instant::now();
        let outcome = TaskGroup::run(async |group| {
            for name in ["a", "b"] {
                let dropped = log.on_drop(name);
                group.spawn(async move {
                    let _dropped = dropped;
                    pending::<()>().await;
                });
            }
            group.spawn(async {
                sleep(SECOND).await;
                Err::<(), _>("no tea")
            });
            let _dropped = log.on_drop("body");
            pending::<Result<(), _>>().await
        })
        .await;
        assert_eq!(start.elapsed(), SECOND);
        assert_eq!(task::count(), 0);
        outcome
    });
    assert_eq!(outcome.unwrap_err().errors(), ["no tea"]);
    assert_eq!(log.take(), ["a", "b", "body"]);
}

#[test]
fn an_error_of_the_body_cancels_the_children() {
    let log = Log::default();
    let outcome: Result<(), GroupError<&str>> = executor().block_on(TaskGroup::run(async |group| {
        let dropped = log.on_drop("child");
        group.spawn(async move {
            let _dropped = dropped;
            pending::<()>().await;
        });
        yield_now().await;
        Err("no milk")
    }));
    assert_eq!(outcome.unwrap_err().into_first(), Some("no milk"));
    assert_eq!(log.take(), ["child"]);
}

#[test]
fn errors_of_one_turn_are_all_kept_in_the_order_in_which_they_came() {
    let log = Log::default();
    let outcome: Result<(), GroupError<i32>> = paused().block_on(TaskGroup::run(async |group| {
        for n in [1, 2] {
            group.spawn(async move {
                sleep(SECOND).await;
                Err::<(), _>(n)
            });
        }
        let log_too = log.clone();
        group.spawn(async move {
            sleep(SECOND).await;
            log_too.add("woken in the same turn, so it goes on to its next await");
            yield_now().await;
            log_too.add("and no further");
        });
        pending().await
    }));
    let error = outcome.unwrap_err();
    assert_eq!(error.errors(), [1, 2]);
    assert_eq!(error.to_string(), "1 (and 1 more of the same group)");
    assert_eq!(log.take(), ["woken in the same turn, so it goes on to its next await"]);
}

#[test]
fn a_child_that_ends_the_group_and_fails_in_one_poll_has_its_error_kept() {
    let outcome: Result<(), GroupError<i32>> = executor().block_on(TaskGroup::run(async |group| {
        let own = group.clone();
        group.spawn(async move {
            own.cancel();
            Err::<(), _>(1)
        });
        pending().await
    }));
    assert_eq!(outcome.unwrap_err().errors(), [1]);
}

#[test]
fn a_child_that_has_never_run_when_the_group_aborts_never_does() {
    let log = Log::default();
    let outcome = executor().block_on(TaskGroup::run(async |group| {
        let (log, dropped) = (log.clone(), log.on_drop("dropped"));
        group.spawn(async move {
            let _dropped = dropped;
            log.add("ran");
        });
        Err::<(), _>("body")
    }));
    assert_eq!(outcome.unwrap_err().errors(), ["body"]);
    assert_eq!(log.take(), ["dropped"]);
}

#[test]
fn children_may_spawn_siblings_while_the_group_drains() {
    let log = Log::default();
    fn descend(group: &TaskGroup<Infallible>, log: Log, depth: u32) {
        let own = group.clone();
        group.spawn(async move {
            sleep(SECOND).await;
            log.add(format!("depth {depth}"));
            if depth < 3 {
                descend(&own, log, depth + 1);
            }
        });
    }
    paused().block_on(async {
        let start = Instant::now();
        TaskGroup::run(async |group| {
            descend(&group, log.clone(), 1);
            Ok(())
        })
        .await
        .unwrap();
        assert_eq!(start.elapsed(), 3 * SECOND);
    });
    assert_eq!(log.take(), ["depth 1", "depth 2", "depth 3"]);
}

#[test]
fn spawning_is_refused_once_the_group_aborts_and_after_its_end() {
    let log = Log::default();
    let leaked = RefCell::new(None);
    executor().block_on(async {
        let outcome: Result<(), GroupError<()>> = TaskGroup::run(async |group| {
            *leaked.borrow_mut() = Some(group.clone());
            assert!(group.is_open());
            assert!(group.cancel());
            assert!(!group.cancel());
            assert!(!group.is_open());
            let handle = group.spawn(pending::<()>());
            assert!(handle.is_finished());
            assert!(handle.await.unwrap_err().is_cancelled());
            let refused = group.try_spawn(pause()).unwrap_err();
            refused.0.await;
            unreachable!("paused by the future that came back, and nobody goes on from there");
        })
        .await;
        assert!(outcome.unwrap_err().is_cancelled());
        let group = leaked.take().unwrap();
        let dropped = log.on_drop("refused");
        let handle = group.spawn(async move { drop(dropped) });
        assert_eq!(log.take(), ["refused"]);
        assert!(handle.await.unwrap_err().is_cancelled());
        assert!(!group.cancel());
        assert!(group.is_empty());
        assert_eq!(format!("{group:?}"), "TaskGroup { children: 0, is_open: false }");
    });
}

#[test]
fn a_storm_of_children_that_spawn_children_can_be_stopped() {
    const LIMIT: usize = scaled(20_000, 200);
    let spawned = Rc::new(Cell::new(0));
    fn grow(group: &TaskGroup<&'static str>, spawned: &Rc<Cell<usize>>) {
        spawned.set(spawned.get() + 1);
        let (own, spawned) = (group.clone(), spawned.clone());
        group.spawn(async move {
            loop {
                yield_now().await;
                if spawned.get() >= LIMIT {
                    return Err::<(), _>("enough");
                }
                grow(&own, &spawned);
            }
        });
    }
    executor().block_on(async {
        let outcome = TaskGroup::run(async |group| {
            grow(&group, &spawned);
            Ok(())
        })
        .await;
        assert_eq!(outcome.unwrap_err().errors()[0], "enough");
        assert_eq!(task::count(), 0);
        let before = spawned.get();
        yield_now().await;
        assert_eq!(spawned.get(), before);
    });
}

#[test]
fn a_panic_of_a_child_goes_on_in_the_parent_when_all_are_gone() {
    let log = Log::default();
    let caught = catch_unwind(AssertUnwindSafe(|| {
        executor().block_on(TaskGroup::<&str>::run(async |group| {
            let dropped = log.on_drop("sibling");
            group.spawn(async move {
                let _dropped = dropped;
                pending::<()>().await;
            });
            group.spawn(async {
                yield_now().await;
                panic!("out of tea");
            });
            let _dropped = log.on_drop("body");
            pending::<Result<(), _>>().await
        }))
    }));
    assert_eq!(message(&*caught.unwrap_err()), "out of tea");
    assert_eq!(log.take(), ["sibling", "body"]);
}

#[test]
fn a_panic_of_the_body_waits_for_the_children_too_and_comes_before_errors() {
    let log = Log::default();
    let caught = catch_unwind(AssertUnwindSafe(|| {
        executor().block_on(TaskGroup::<&str>::run::<(), _>(async |group| {
            let dropped = log.on_drop("child");
            group.spawn(async move {
                let _dropped = dropped;
                pending::<()>().await;
            });
            for _ in 0..2 {
                group.spawn(async {
                    yield_now().await;
                    Err::<(), _>("failed in the turn after")
                });
            }
            yield_now().await;
            panic!("no milk");
        }))
    }));
    assert_eq!(message(&*caught.unwrap_err()), "no milk");
    assert_eq!(log.take(), ["child"]);
}

#[test]
fn a_panic_in_the_drop_of_a_child_or_the_body_is_a_panic_of_theirs() {
    for in_body in [false, true] {
        let caught = catch_unwind(AssertUnwindSafe(|| {
            executor().block_on(TaskGroup::<&str>::run(async |group| {
                let bomb = bomb("dropped badly");
                if !in_body {
                    group.spawn(async move {
                        let _bomb = bomb;
                        pending::<()>().await;
                    });
                    yield_now().await;
                    return Err("the child is dropped");
                }
                group.spawn(async { Err::<(), _>("the body is dropped") });
                let _bomb = bomb;
                pending::<Result<(), _>>().await
            }))
        }));
        assert_eq!(message(&*caught.unwrap_err()), "dropped badly");
    }
}

#[test]
fn a_child_that_is_cancelled_alone_is_no_error() {
    let value = executor().block_on(TaskGroup::<&str>::run(async |group| {
        let child = group.spawn(pending::<()>());
        let sibling = group.spawn(async {
            yield_now().await;
            Ok(7)
        });
        assert!(child.cancel_and_wait().await.unwrap_err().is_cancelled());
        Ok(sibling.await.unwrap())
    }));
    assert_eq!(value, Ok(7));
}

#[test]
fn whoever_awaits_a_child_that_fails_is_cancelled_and_never_sees_it() {
    let log = Log::default();
    let outcome = executor().block_on(TaskGroup::run(async |group| {
        let failing: JoinHandle<()> = group.spawn(async {
            yield_now().await;
            Err("no tea")
        });
        let dropped = log.on_drop("sibling");
        group.spawn(async move {
            let _dropped = dropped;
            failing.await.expect("never seen");
        });
        pending::<Result<(), _>>().await
    }));
    assert_eq!(outcome.unwrap_err().errors(), ["no tea"]);
    assert_eq!(log.take(), ["sibling"]);
}

#[test]
fn outside_the_group_the_handle_of_a_child_that_failed_says_cancelled() {
    executor().block_on(async {
        let mut leaked = None;
        let outcome: Result<(), _> = TaskGroup::run(async |group| {
            leaked = Some(group.spawn(async { Err::<(), _>("no tea") }));
            Ok(())
        })
        .await;
        assert_eq!(outcome.unwrap_err().errors(), ["no tea"]);
        assert!(leaked.unwrap().await.unwrap_err().is_cancelled());
    });
}

#[test]
fn start_returns_when_the_child_is_ready_and_leaves_it_to_the_group() {
    let log = Log::default();
    let outcome = paused().block_on(TaskGroup::run(async |group| {
        let start = Instant::now();
        let port = group
            .start(|started| {
                let log = log.clone();
                async move {
                    sleep(SECOND).await;
                    started.set(8080);
                    log.add("serving");
                    sleep(SECOND).await;
                    Err::<(), _>("lost")
                }
            })
            .await;
        assert_eq!(start.elapsed(), SECOND);
        log.add(format!("{port:?}"));
        pending::<Result<(), _>>().await
    }));
    assert_eq!(outcome.unwrap_err().errors(), ["lost"]);
    assert_eq!(log.take(), ["serving", "Ok(8080)"]);
}

#[test]
fn an_error_before_ready_comes_out_of_start_and_the_group_goes_on() {
    let value = paused().block_on(TaskGroup::<&str>::run(async |group| {
        let failed = group.start::<u16, _, _>(async |_started| {
            sleep(SECOND).await;
            Err::<(), _>("address in use")
        });
        assert_eq!(failed.await, Err(StartError::Failed("address in use")));
        let never = group.start::<u16, _, _>(async |_started| {});
        assert_eq!(never.await, Err(StartError::NeverReady));
        assert!(group.is_open());
        Ok(1)
    }));
    assert_eq!(value, Ok(1));
}

#[test]
fn start_is_cancelled_with_its_group_and_dropping_it_cancels_the_child() {
    let log = Log::default();
    executor().block_on(async {
        let (sender, receiver) = runtime_sync::oneshot::channel();
        let _: Result<(), GroupError<&str>> = TaskGroup::run(async |group| {
            let (own, log_too) = (group.clone(), log.clone());
            // A task outside the group, which is there to see it.
            spawn(async move {
                let started = own.start(async |started| {
                    pending::<()>().await;
                    started.set(());
                });
                log_too.add(format!("{:?}", started.await));
                sender.send(()).unwrap();
            });
            yield_now().await;
            yield_now().await;
            let dropped = log.on_drop("child of a start that was dropped");
            let mut start = Box::pin(group.start(|started| async move {
                let _dropped = dropped;
                pending::<()>().await;
                started.set(());
            }));
            assert!(poll_once(&mut start).await.is_pending());
            yield_now().await;
            drop(start);
            yield_now().await;
            assert_eq!(log.take(), ["child of a start that was dropped"]);
            Err("over")
        })
        .await;
        receiver.await.unwrap();
        assert_eq!(log.take(), ["Err(Cancelled)"]);
    });
}

/// Something with suspension points of every kind: a ready value, a handle, a nested group, a sleep.
async fn busy(log: &Log) -> Result<u32, GroupError<&'static str>> {
    TaskGroup::run(async |group| {
        let dropped = log.on_drop("-server");
        log.add("+server");
        group
            .start(|started| async move {
                let _dropped = dropped;
                yield_now().await;
                started.set(());
                sleep(SECOND).await;
            })
            .await
            .unwrap();
        let dropped = log.on_drop("-child");
        log.add("+child");
        let child = group.spawn(async move {
            let _dropped = dropped;
            sleep(SECOND / 2).await;
            Ok(3)
        });
        let dropped = log.on_drop("-nested");
        log.add("+nested");
        let nested = TaskGroup::run(async |inner| {
            inner.spawn(async move {
                let _dropped = dropped;
                sleep(SECOND).await;
            });
            yield_now().await;
            Ok::<u32, &str>(4)
        });
        Ok(child.await.unwrap() + nested.await.unwrap())
    })
    .await
}

#[test]
fn cancelled_at_any_suspension_point_a_group_leaves_nothing_behind() {
    let points = at_every_point(async |point: Point| {
        let log = Log::default();
        let outcome = point.run(busy(&log)).await;
        let mut lines = log.take();
        // The children had been woken before us, or were just now: one turn is enough for all of one level,
        // one more for the children of children.
        yield_now().await;
        yield_now().await;
        assert_eq!(task::count(), 0, "{point:?}: {lines:?}");
        lines.extend(log.take());
        let begun = lines.iter().filter(|line| line.starts_with('+')).count();
        assert_eq!(lines.len(), 2 * begun, "{point:?}: {lines:?}");
        assert!(outcome.is_none_or(|value| value == Ok(7)));
    });
    assert!(points >= 4, "only {points} suspension points");
}

#[test]
fn dropping_the_group_gives_no_child_another_turn() {
    let log = Log::default();
    paused().block_on(async {
        let run = TaskGroup::<Infallible>::run(async |group| {
            for name in ["woken", "waiting"] {
                let (log, dropped) = (log.clone(), log.on_drop(name));
                group.spawn(async move {
                    let _dropped = dropped;
                    if name == "woken" {
                        yield_now().await;
                        yield_now().await;
                    } else {
                        sleep(SECOND).await;
                    }
                    log.add("another turn");
                });
            }
            pending::<Result<(), _>>().await
        });
        let mut run = Box::pin(run);
        poll_fn(|context| Poll::Ready(run.as_mut().poll(context).is_ready())).await;
        yield_now().await;
        drop(run);
        assert!(log.take().is_empty());
        // Woken after the children were cancelled.
        let log_too = log.clone();
        let observer = spawn(async move { log_too.add(format!("{} task", task::count())) });
        observer.await.unwrap();
        assert_eq!(log.take(), ["woken", "waiting", "1 task"]);
    });
}

#[test]
fn a_group_that_outlives_its_runtime_may_be_dropped() {
    let log = Log::default();
    let mut run: Pin<Box<dyn Future<Output = _>>> = Box::pin(TaskGroup::<Infallible>::run(async |group| {
        let dropped = log.on_drop("child");
        group.spawn(async move {
            let _dropped = dropped;
            pending::<()>().await;
        });
        pending::<Result<(), _>>().await
    }));
    let first = executor();
    first.block_on(async { assert!(poll_once(&mut run).await.is_pending()) });
    let second = executor();
    // Between two runs of its runtime, inside another one: the children hear of it by mail.
    second.block_on(async { drop(run) });
    first.block_on(yield_now());
    assert_eq!(log.take(), ["child"]);
}

#[test]
fn spawning_from_another_runtime_is_refused_with_a_sentence() {
    let leaked = Cell::new(None);
    executor()
        .block_on(TaskGroup::<()>::run(async |group| {
            leaked.set(Some(group));
            Ok(())
        }))
        .unwrap();
    let group = leaked.take().unwrap();
    let caught =
        catch_unwind(AssertUnwindSafe(|| executor().block_on(async { group.spawn(async {}).detach() })));
    assert!(message(&*caught.unwrap_err()).contains("only in the runtime that it runs in"));
}

#[test]
fn the_shutdown_of_the_runtime_ends_a_group_and_refuses_its_children() {
    let log = Log::default();
    let executor = executor();
    let (log_too, dropped) = (log.clone(), log.on_drop("body"));
    executor.block_on(async {
        spawn(TaskGroup::<Infallible>::run(async move |group| {
            let own = group.clone();
            let at_the_end = common::OnDrop::new(move || {
                let refused = own.spawn(pending::<()>());
                log_too.add(format!("refused: {}", refused.is_finished()));
            });
            group.spawn(async move {
                let _at_the_end = at_the_end;
                pending::<()>().await;
            });
            let _dropped = dropped;
            pending::<Result<(), _>>().await
        }))
        .detach();
        yield_now().await;
        yield_now().await;
    });
    drop(executor);
    assert_eq!(log.take(), ["body", "refused: true"]);
}

#[test]
fn a_time_limit_ends_a_group() {
    paused().block_on(async {
        let run = TaskGroup::<Infallible>::run(async |group| {
            group.spawn(pending::<()>());
            Ok(())
        });
        assert!(timeout(SECOND, run).await.is_err());
        yield_now().await;
        assert_eq!(task::count(), 0);
    });
}

#[test]
fn memory_does_not_grow_with_the_number_of_children_that_have_ended() {
    executor().block_on(async {
        TaskGroup::<Infallible>::run(async |group| {
            for _ in 0..scaled(1_000, 20) {
                for _ in 0..10 {
                    group.spawn(async {});
                }
                assert!(group.len() <= 20);
                yield_now().await;
            }
            Ok(())
        })
        .await
        .unwrap();
    });
}

#[test]
fn each_of_many_children_is_polled_only_when_it_was_woken() {
    const CHILDREN: usize = scaled(10_000, 100);
    let polls = Rc::new(Cell::new(0));
    paused().block_on(async {
        TaskGroup::<Infallible>::run(async |group| {
            for n in 0..CHILDREN {
                let polls = polls.clone();
                group.spawn(async move {
                    let mut sleep = pin!(sleep(Duration::from_millis(n as u64 + 1)));
                    poll_fn(|context| {
                        polls.set(polls.get() + 1);
                        sleep.as_mut().poll(context)
                    })
                    .await;
                });
            }
            Ok(())
        })
        .await
        .unwrap();
    });
    assert_eq!(polls.get(), 2 * CHILDREN);
}
