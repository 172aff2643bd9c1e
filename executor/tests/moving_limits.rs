//! Limits of time that nest and that move, and functions that are called later.
#![cfg(not(loom))]

mod common;

use common::{
    Log, bomb,
    every_point::{Point, at_every_point},
    poll_once,
};
use runtime_executor::{
    Executor, OnExit,
    inspect::stats,
    spawn,
    task::{self, CancelScope, GroupError, TaskGroup, as_completed, yield_now},
    time::{self, Clock, Duration, Elapsed, Instant, Timer, sleep, timeout, timeout_at, timeout_scope},
};
use runtime_sync::{Lock, Semaphore};
use std::{
    cell::{Cell, RefCell},
    future::{pending, poll_fn, ready},
    pin::{Pin, pin},
    rc::Rc,
    task::Poll,
};

const SECOND: Duration = Duration::from_secs(1);

fn in_virtual_time<T>(future: impl Future<Output = T>) -> T {
    Executor::builder().clock(Clock::paused()).build().block_on(future)
}

#[test]
fn of_nested_limits_with_one_deadline_the_outermost_reports() {
    let log = Log::default();
    in_virtual_time(async {
        let start = Instant::now();
        let inside = async {
            let inner = timeout(SECOND, pending::<()>()).await;
            log.add(format!("inner: {inner:?}"));
            log.add("and what comes after it");
        };
        assert_eq!(timeout(SECOND, inside).await, Err(Elapsed));
        assert_eq!((start.elapsed(), log.take()), (SECOND, vec![]));

        // In whatever way the deadlines came to be equal.
        let deadline = start + 3 * SECOND;
        let three = timeout_at(deadline, timeout_at(deadline, timeout_at(deadline, pending::<()>())));
        assert_eq!(three.await, Err(Elapsed));
        let scope = timeout(SECOND, CancelScope::with_timeout(SECOND).run(pending::<()>()));
        assert_eq!(scope.await, Err(Elapsed));
        let scope = CancelScope::with_timeout(SECOND).run(timeout(SECOND, pending::<()>())).await;
        assert!(scope.unwrap_err().is_deadline());
        let lock = Lock::new(());
        let _guard = lock.acquire().await;
        let waiting =
            spawn(async move { timeout(SECOND, Semaphore::new(0).acquire_timeout(SECOND)).await.is_err() });
        assert!(waiting.await.unwrap(), "the limits of waits are limits too");
        assert_eq!(start.elapsed(), 6 * SECOND);
    });
}

/// At the first poll nothing has been waited for yet, and still the outermost reports.
#[test]
fn of_nested_limits_that_are_over_from_the_beginning_the_outermost_reports() {
    in_virtual_time(async {
        let polls = Cell::new(0);
        let count = poll_fn(|_| {
            polls.set(polls.get() + 1);
            Poll::<()>::Pending
        });
        let past = Instant::now() - SECOND;
        assert_eq!(timeout_at(past, timeout_at(past, count)).await, Err(Elapsed));
        assert_eq!(polls.take(), 1, "polled once all the same");
        let nothing = Duration::ZERO;
        assert_eq!(timeout(nothing, timeout(nothing, pending::<()>())).await, Err(Elapsed));
        assert_eq!(timeout(nothing, timeout(nothing, ready(1))).await, Ok(Ok(1)));
    });
}

#[test]
fn an_inner_limit_that_ends_earlier_reports_for_itself() {
    in_virtual_time(async {
        let start = Instant::now();
        let inner = async {
            assert_eq!(timeout(SECOND, pending::<()>()).await, Err(Elapsed));
            sleep(SECOND / 2).await;
            start.elapsed()
        };
        assert_eq!(timeout(2 * SECOND, inner).await, Ok(3 * SECOND / 2));
    });
}

/// The code within saw its own limit end and made something of it in the same poll: that is a completion.
#[test]
fn completion_wins_over_every_limit_around_it() {
    in_virtual_time(async {
        let ends_with_the_limit = async {
            sleep(SECOND).await;
            "done"
        };
        assert_eq!(timeout(SECOND, timeout(SECOND, ends_with_the_limit)).await, Ok(Ok("done")));
        // An inner limit that is over is overruled; its sibling completes the whole all the same.
        let both = async {
            let mut limited = pin!(timeout(SECOND, pending::<()>()));
            let mut timer = sleep(SECOND);
            poll_fn(|context| {
                let _ = limited.as_mut().poll(context);
                Pin::new(&mut timer).poll(context)
            })
            .await;
            "by the other way"
        };
        assert_eq!(timeout(SECOND, both).await, Ok("by the other way"));
    });
}

/// 1,024 timers fire in one go. Here the inner limit's is the last of them and the outer one's is left for the next: it is
/// due, though it has not fired, and so it reports.
#[test]
fn a_limit_is_over_when_its_deadline_has_passed_also_if_its_timer_has_not_fired_yet() {
    in_virtual_time(async {
        let start = Instant::now();
        let rounds = if cfg!(miri) { 1_023..=1_023 } else { 1_021..=1_026 };
        for before in rounds.clone() {
            let mut others: Vec<_> = (0..before).map(|_| sleep(SECOND)).collect();
            for other in &mut others {
                assert!(poll_once(other).await.is_pending());
            }
            assert_eq!(timeout(SECOND, timeout(SECOND, pending::<()>())).await, Err(Elapsed), "{before}");
        }
        assert_eq!(start.elapsed(), rounds.count() as u32 * SECOND);
    });
}

/// An inner limit that was overruled lives on, in a collection that polls only whom a wake names: it is asked again.
#[test]
fn whoever_is_overruled_and_kept_beyond_the_outer_limit_reports_then() {
    in_virtual_time(async {
        let mut parts = as_completed([1, 2].map(|n| timeout(n * SECOND, pending::<()>())));
        assert!(timeout(SECOND, parts.next()).await.is_err(), "the outer one reports");
        let next = timeout(SECOND / 2, parts.next()).await;
        assert_eq!(next, Ok(Some((0, Err(Elapsed)))), "and the inner one when it is asked again");
        let scope = CancelScope::with_timeout(2 * SECOND);
        let mut parts = as_completed([scope.run(pending::<()>())]);
        assert!(timeout(2 * SECOND, parts.next()).await.is_err());
        assert!(timeout(SECOND, parts.next()).await.unwrap().unwrap().1.is_err());
    });
}

/// The child fails and the limit ends in one turn, in this order: the error is not lost, and the next wait is the last.
#[test]
fn a_group_that_comes_out_with_an_error_is_let_out_first() {
    let log = Log::default();
    in_virtual_time(async {
        let start = Instant::now();
        let work = async {
            let outcome: Result<(), GroupError<&str>> = TaskGroup::run(async |group| {
                let dropped = log.on_drop("sibling");
                group.spawn(async move {
                    let _dropped = dropped;
                    pending::<()>().await;
                });
                group.spawn(async {
                    sleep(SECOND).await;
                    Err::<(), _>("failed")
                });
                pending().await
            })
            .await;
            log.add(outcome.unwrap_err().to_string());
            yield_now().await;
            log.add("never gets here");
        };
        let mut limited = pin!(timeout(60 * SECOND, work));
        assert!(poll_once(&mut limited).await.is_pending());
        yield_now().await;
        limited.as_mut().reschedule(Some(start + SECOND)); // behind the child's timer
        assert_eq!((limited.await, start.elapsed()), (Err(Elapsed), SECOND));
    });
    assert_eq!(log.take(), ["sibling", "failed"]);
}

#[test]
fn the_owner_of_a_timeout_may_move_it_while_it_waits() {
    in_virtual_time(async {
        let start = Instant::now();
        let mut limited = pin!(timeout(10 * SECOND, pending::<()>()));
        assert!(poll_once(&mut limited).await.is_pending());
        limited.as_mut().reschedule(Some(start + SECOND)); // earlier
        assert_eq!((limited.as_mut().await, start.elapsed()), (Err(Elapsed), SECOND));
        limited.as_mut().reschedule(Some(start + 3 * SECOND)); // again
        assert_eq!((limited.as_mut().await, start.elapsed()), (Err(Elapsed), 3 * SECOND));
        limited.as_mut().reschedule(None);
        assert!(timeout(60 * SECOND, limited.as_mut()).await.is_err(), "no limit of its own any more");
        limited.as_mut().reschedule(Some(start)); // long past
        assert_eq!((limited.as_mut().await, start.elapsed()), (Err(Elapsed), 63 * SECOND));

        let mut fresh = pin!(timeout(Duration::MAX, pending::<()>()));
        assert!(poll_once(&mut fresh).await.is_pending());
        fresh.as_mut().reschedule(Some(start + 64 * SECOND));
        assert_eq!((fresh.await, start.elapsed()), (Err(Elapsed), 64 * SECOND));
    });
}

#[test]
fn a_scope_is_moved_from_inside_and_from_outside() {
    in_virtual_time(async {
        let start = Instant::now();
        let from_inside = timeout_scope(SECOND, async |deadline| {
            assert_eq!(deadline.when(), Some(start + SECOND));
            sleep(SECOND / 2).await;
            assert!(deadline.reschedule(Some(start + 4 * SECOND)));
            sleep(3 * SECOND).await;
            assert!(deadline.reschedule_after(SECOND));
            assert_eq!(deadline.when(), Some(start + 4 * SECOND + SECOND / 2));
            pending::<()>().await;
        });
        assert_eq!((from_inside.await, start.elapsed()), (Err(Elapsed), 4 * SECOND + SECOND / 2));

        let start = Instant::now();
        let scope = timeout_scope(SECOND, |_| pending::<()>());
        let deadline = scope.deadline();
        let mover = spawn(async move {
            sleep(SECOND / 2).await;
            assert!(deadline.reschedule(None));
            sleep(20 * SECOND).await;
            assert!(!deadline.has_passed());
            assert!(deadline.reschedule_after(SECOND));
            sleep(5 * SECOND).await;
            assert!(deadline.has_passed());
            assert!(!deadline.reschedule_after(SECOND), "too late");
        });
        assert_eq!((scope.await, start.elapsed()), (Err(Elapsed), 21 * SECOND + SECOND / 2));
        mover.await.unwrap();
    });
}

/// The time is over, and in that very poll the future moves the end: it has not been told yet, and lives.
#[test]
fn a_scope_that_is_over_polls_once_and_cannot_be_moved_any_more() {
    in_virtual_time(async {
        let log = Log::default();
        let notes = log.clone();
        let scope = timeout_scope(Duration::ZERO, async |deadline| {
            notes.add(format!("polled once, passed: {}", deadline.has_passed()));
            assert!(!deadline.reschedule_after(SECOND));
            pending::<()>().await;
        });
        assert_eq!(scope.await, Err(Elapsed));
        assert_eq!(log.take(), ["polled once, passed: true"]);
        assert_eq!(timeout_scope(Duration::ZERO, |_| ready(7)).await, Ok(7));
        let in_time = timeout_scope(SECOND, async |_| sleep(SECOND).await);
        assert_eq!(in_time.await, Ok(()), "completion wins");
    });
}

#[test]
fn scopes_dropped_at_any_point_lose_no_permit() {
    let points = at_every_point(async |point: Point| {
        let permits = Rc::new(Semaphore::new(1));
        let rival = spawn({
            let permits = permits.clone();
            async move {
                for _ in 0..5 {
                    let _permit = permits.acquire().await.unwrap();
                    sleep(SECOND / 3).await;
                }
            }
        });
        let story = timeout_scope(SECOND, async |deadline| {
            for _ in 0..4 {
                let _permit = timeout(SECOND, permits.acquire()).await;
                deadline.reschedule_after(SECOND);
                sleep(SECOND / 4).await;
            }
        });
        let _ = point.run(story).await;
        rival.await.unwrap();
        assert_eq!(permits.available_permits(), 1);
    });
    assert!(points >= 5, "only {points}");
}

#[test]
fn a_timer_calls_once_unless_it_is_called_off() {
    let log = Log::default();
    in_virtual_time(async {
        let start = Instant::now();
        let say = |line: &'static str| {
            let log = log.clone();
            move || log.add(format!("{} {line}", start.elapsed().as_secs()))
        };
        let one = Timer::after(2 * SECOND, say("one"));
        let two = Timer::after(3 * SECOND, say("two"));
        let guard = log.on_drop("the function is dropped");
        let three = Timer::after(SECOND, move || drop(guard));
        assert_eq!(task::count(), 3);
        assert!(one.is_waiting() && three.cancel() && !three.cancel() && !three.is_waiting());
        assert_eq!(log.take(), [""; 0], "not inside of `cancel`");
        assert_eq!(stats().timers, 0, "fresh ones are set at the end of the turn");
        yield_now().await;
        assert_eq!(stats().timers, 2, "who was called off wakes nobody, though its handle is kept");
        sleep(SECOND).await;
        assert_eq!(log.take(), ["the function is dropped"]);
        assert_eq!((one.deadline(), three.deadline()), (Some(start + 2 * SECOND), None));
        assert!(two.reset(5 * SECOND) && !three.reset(SECOND));
        sleep(60 * SECOND).await;
        assert_eq!(log.take(), ["2 one", "6 two"]);
        assert!(!one.cancel() && !two.reset(SECOND) && !two.is_waiting());
        assert_eq!(task::count(), 0);
    });
}

/// It has fired, and its task is about to run: whoever is first in this turn decides.
#[test]
fn in_the_turn_in_which_it_fires_a_timer_can_still_be_stopped_or_put_off() {
    for put_off in [false, true] {
        let log = Log::default();
        in_virtual_time(async {
            let start = Instant::now();
            let timer: Rc<RefCell<Option<Timer>>> = Rc::default();
            let first = spawn({
                let timer = timer.clone();
                let sleep = time::sleep_until(start + SECOND);
                async move {
                    sleep.await;
                    let timer = timer.take().unwrap();
                    if put_off { assert!(timer.reset(SECOND)) } else { assert!(timer.cancel()) }
                }
            });
            yield_now().await;
            yield_now().await;
            let note = log.clone();
            let late = Timer::after(SECOND, move || note.add(format!("after {:?}", start.elapsed())));
            *timer.borrow_mut() = Some(late);
            first.await.unwrap();
            sleep(10 * SECOND).await;
        });
        let expected: &[&str] = if put_off { &["after 2s"] } else { &[] };
        assert_eq!(log.take(), expected);
    }
}

#[test]
fn a_timer_goes_on_when_it_is_dropped_and_keeps_a_patient_runtime_running() {
    let log = Log::default();
    let executor = Executor::builder().clock(Clock::paused()).on_exit(OnExit::Wait).build();
    executor.block_on(async {
        let note = log.clone();
        drop(Timer::after(SECOND, move || {
            spawn(async move {
                sleep(SECOND).await;
                note.add("by a task that it spawned");
            });
        }));
    });
    drop(executor);
    assert_eq!(log.take(), ["by a task that it spawned"]);
}

#[test]
fn a_timer_that_panics_is_told_through_its_handle() {
    in_virtual_time(async {
        let timer = Timer::after(SECOND, || panic!("in a timer"));
        assert!(timer.into_handle().await.unwrap_err().to_string().contains("in a timer"));
        let timer = Timer::after(SECOND, || drop(bomb("in a drop")));
        assert!(timer.into_handle().await.unwrap_err().is_panic());
        let start = Instant::now();
        Timer::after(3 * SECOND, || {}).into_handle().await.unwrap();
        assert_eq!(start.elapsed(), 3 * SECOND);
    });
}
