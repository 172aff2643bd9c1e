//! A task that waits for a lock which it holds itself: found at once where it is beyond doubt, and never where there is
//! a way out.
#![cfg(not(loom))]

mod common;

use common::{local_waker, own_waker, poll_once, reports::reporting};
use runtime_executor::{
    Executor, join, join_all, spawn, spawn_blocking,
    task::{waits, yield_now},
    time::{Clock, Instant, sleep, timeout},
};
use runtime_sync::{Elapsed, Event, Lock, LockGuard, shared};
use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    sync::LazyLock,
    task::{Context, Poll, Waker},
    time::Duration,
};

const SECOND: Duration = Duration::from_secs(1);

/// Runs a story on the virtual clock; it must leave neither reports nor waits behind.
#[track_caller]
fn goes_well(story: impl AsyncFnOnce()) {
    let (executor, reports) = reporting();
    executor.block_on(async {
        story().await;
        yield_now().await;
        assert_eq!(waits(), []);
    });
    drop(executor);
    assert_eq!(reports.take(), [""; 0]);
}

fn message(payload: Box<dyn std::any::Any + Send>) -> String {
    *payload.downcast::<String>().expect("a panic with text")
}

#[test]
fn who_acquires_a_lock_twice_is_told_so_with_all_three_lines() {
    goes_well(async || {
        let created = line!() + 1;
        let lock = Rc::new(Lock::new(()));
        let same = lock.clone();
        let twice = spawn(async move {
            let _first = same.acquire().await;
            let _second = same.acquire().await;
        });
        let text = message(twice.await.unwrap_err().into_panic());
        for (what, line) in [("created", created), ("acquired itself", created + 3), ("waits", created + 4)] {
            let place = format!("{what} at executor/tests/hopeless.rs:{line}:");
            assert!(text.contains(&place), "{place} {text}");
        }
        assert!(!lock.locked(), "the panic dropped both");
    });
}

#[test]
fn the_main_task_is_told_so_too() {
    let executor = Executor::builder().build();
    let lock = Lock::new(());
    let told = catch_unwind(AssertUnwindSafe(|| {
        executor.block_on(async {
            let _first = lock.try_acquire();
            drop(lock.acquire().await);
        });
    }));
    assert!(message(told.unwrap_err()).contains("waits at"));
    executor.block_on(async { assert_eq!(waits(), []) });
}

#[test]
fn a_guard_kept_over_from_the_last_run_counts() {
    let executor = Executor::builder().build();
    let lock = Lock::new(());
    let kept = RefCell::new(None);
    executor.block_on(async { *kept.borrow_mut() = Some(lock.acquire().await) });
    let told = catch_unwind(AssertUnwindSafe(|| {
        executor.block_on(async { drop(lock.acquire().await) });
    }));
    assert!(told.is_err());
}

#[test]
fn it_is_found_out_when_the_last_way_out_closes() {
    goes_well(async || {
        let began = Instant::now();
        let lock = Rc::new(Lock::new(()));
        let event = Rc::new(Event::new());
        let (same, opens) = (lock.clone(), event.clone());
        let twice = spawn(async move {
            let _first = same.acquire().await;
            let _never = join!(same.acquire(), sleep(3 * SECOND), async {
                sleep(SECOND).await;
                opens.wait().await;
            });
        });
        spawn(async move {
            sleep(5 * SECOND).await;
            event.set();
        });
        assert!(twice.await.unwrap_err().is_panic());
        assert_eq!(began.elapsed(), 5 * SECOND);
    });
}

#[test]
fn all_branches_that_wait_for_the_own_lock_are_as_hopeless_as_one() {
    goes_well(async || {
        let twice = spawn(async {
            let (one, two) = (Lock::new(1), Lock::new(2));
            let _both = (one.acquire().await, two.acquire().await);
            let _never = join!(one.acquire(), two.acquire(), one.acquire());
        });
        assert!(twice.await.unwrap_err().is_panic());
    });
}

#[test]
fn a_limit_without_end_is_no_way_out() {
    goes_well(async || {
        let twice = spawn(async {
            let lock = Lock::new(());
            let _first = lock.acquire().await;
            drop(lock.acquire_timeout(Duration::MAX).await);
        });
        assert!(twice.await.unwrap_err().is_panic());
    });
}

// The traps: all of these end well.

#[test]
fn a_branch_that_sleeps_with_the_lock_will_release_it() {
    goes_well(async || {
        let lock = Lock::new(0);
        let add = async || {
            let mut guard = lock.acquire().await;
            sleep(5 * SECOND).await;
            *guard += 1;
        };
        join!(add(), add(), add());
        assert_eq!(lock.into_inner(), 3);
    });
}

#[test]
fn a_branch_that_waits_for_another_task_will_release_it() {
    goes_well(async || {
        let (lock, event) = (Lock::new(()), Rc::new(Event::new()));
        let sets = event.clone();
        spawn(async move {
            sleep(SECOND).await;
            sets.set();
        });
        let holds = async {
            let _guard = lock.acquire().await;
            event.wait().await;
        };
        join!(holds, async { drop(lock.acquire().await) });

        let joined = spawn(sleep(SECOND));
        let holds = async {
            let _guard = lock.acquire().await;
            joined.await.unwrap();
        };
        join!(holds, async { drop(lock.acquire().await) });
    });
}

#[test]
fn a_limit_of_time_ends_the_wait() {
    goes_well(async || {
        let lock = Lock::new(());
        let _guard = lock.acquire().await;
        assert_eq!(lock.acquire_timeout(SECOND).await.map(drop), Err(Elapsed));
        assert_eq!(timeout(SECOND, lock.acquire()).await.map(drop), Err(Elapsed));
    });
}

#[test]
fn a_guard_that_another_task_took_along_comes_back() {
    goes_well(async || {
        let lock = Rc::new(Lock::new(0));
        let mut guard = lock.clone().acquire_owned().await;
        spawn(async move {
            sleep(SECOND).await;
            *guard = 1;
        });
        assert_eq!(*lock.acquire().await, 1);
        let mut guard = lock.clone().try_acquire_owned().unwrap();
        spawn(async move {
            sleep(SECOND).await;
            *guard = 2;
        });
        assert_eq!(*lock.acquire().await, 2);
    });
}

#[test]
fn a_guard_that_another_thread_took_along_is_reported_and_comes_back() {
    let (executor, reports) = reporting();
    static LOCK: LazyLock<shared::Lock<i32>> = LazyLock::new(|| shared::Lock::new(0));
    let lock = &*LOCK;
    let (go, wait) = std::sync::mpsc::channel();
    executor.block_on(async {
        let mut guard = lock.acquire().await;
        let job = spawn_blocking(move || {
            wait.recv().unwrap();
            *guard = 1;
        });
        let acquired = spawn(async { *lock.acquire().await });
        let (acquired, _) = join!(acquired, async {
            yield_now().await;
            yield_now().await;
            go.send(()).unwrap();
        });
        assert_eq!(acquired.unwrap(), 1);
        job.await.unwrap();
        assert_eq!(reports.take(), [""; 0], "another task waits, which is nothing strange");

        let (go, wait) = std::sync::mpsc::channel();
        let mut guard = lock.acquire().await;
        let job = spawn_blocking(move || {
            wait.recv().unwrap();
            *guard = 2;
        });
        let told = reports.clone();
        spawn(async move {
            while told.take().is_empty() {
                yield_now().await;
            }
            go.send(()).unwrap();
        });
        assert_eq!(*lock.acquire().await, 2);
        job.await.unwrap();
    });
}

#[test]
fn whoever_has_a_waker_may_use_it() {
    goes_well(async || {
        let (lock, open) = (Lock::new(()), Rc::new(Cell::new(false)));
        let waker = Rc::new(RefCell::new(None));
        let (opens, wakes) = (open.clone(), waker.clone());
        spawn(async move {
            sleep(SECOND).await;
            opens.set(true);
            wakes.take().map(Waker::wake).unwrap();
        });
        let holds = async {
            let _guard = lock.acquire().await;
            *waker.borrow_mut() = Some(own_waker().await);
            poll_fn(|_| if open.get() { Poll::Ready(()) } else { Poll::Pending }).await;
        };
        join!(holds, async { drop(lock.acquire().await) });
    });
}

#[test]
fn a_thread_that_has_a_waker_may_use_it_at_any_moment() {
    for _ in 0..common::scaled(300, 5) {
        goes_well(async || {
            let lock = Lock::new(());
            let open = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
            let waker = own_waker().await;
            let opens = open.clone();
            let thread = std::thread::Builder::new()
                .spawn(move || {
                    opens.store(true, std::sync::atomic::Ordering::Release);
                    waker.wake();
                })
                .unwrap();
            let holds = async {
                let _guard = lock.acquire().await;
                common::until(&open).await;
            };
            join!(holds, async { drop(lock.acquire().await) });
            thread.join().unwrap();
        });
    }
}

/// An executor inside a task: its futures see wakers of its own, which wake the task.
#[test]
fn an_executor_inside_a_task_may_release_it() {
    goes_well(async || {
        let (lock, event) = (Lock::new(()), Rc::new(Event::new()));
        let sets = event.clone();
        spawn(async move {
            sleep(SECOND).await;
            sets.set();
        });
        let guard = lock.acquire().await;
        let mut inner = Box::pin(async {
            event.wait().await;
            drop(guard);
        });
        let outer = own_waker().await;
        let waker = local_waker(move || outer.wake_by_ref());
        let inner = poll_fn(|_| inner.as_mut().poll(&mut Context::from_waker(&waker)));
        join!(inner, async { drop(lock.acquire().await) });
    });
}

#[test]
fn branches_of_a_join_all_release_it_for_each_other() {
    let (executor, reports) = reporting();
    executor.block_on(async {
        let (lock, parked) = (Lock::new(()), RefCell::new(None::<LockGuard<()>>));
        // The first hands its guard to the second, and waits for it to come free. That looks bad, and is not.
        join_all([true, false].map(async |first| {
            if first {
                *parked.borrow_mut() = Some(lock.acquire().await);
                sleep(SECOND).await;
                drop(lock.acquire().await);
            } else {
                sleep(3 * SECOND).await;
                parked.take();
            }
        }))
        .await;
        assert_eq!(reports.take().len(), 1);
        // The task itself holds it, and a branch lets go.
        let guard = Cell::new(Some(lock.acquire().await));
        join!(
            join_all([1, 2].map(async |n| {
                sleep(n * SECOND).await;
                drop(guard.take());
            })),
            async { drop(lock.acquire().await) },
        );
    });
    assert_eq!(reports.take(), [""; 0]);
}

#[test]
fn a_branch_of_a_join_all_that_waits_for_itself_is_reported() {
    let (executor, reports) = reporting();
    executor.block_on(async {
        let line = line!() + 1;
        let lock = Lock::new(());
        let stuck = join_all([0].map(async |_| {
            let _first = lock.acquire().await;
            drop(lock.acquire().await);
        }));
        timeout(SECOND, stuck).await.unwrap_err();
        let (since, asked) = (line + 2, line + 3);
        let said = format!("self-wait: main task, Lock of {line} since {since}, asked at {asked}");
        assert_eq!(reports.take(), [said]);
    });
}

#[test]
fn a_wait_that_goes_on_in_another_task_is_that_tasks_wait() {
    goes_well(async || {
        let lock = Rc::new(Lock::new(()));
        let mut waits = Box::pin({
            let lock = lock.clone();
            async move { drop(lock.acquire().await) }
        });
        let guard = lock.acquire().await;
        assert!(poll_once(&mut waits).await.is_pending());
        let moved = spawn(waits);
        yield_now().await;
        drop(guard);
        moved.await.unwrap();
    });
}

#[test]
fn hundreds_of_turns_with_a_suspect_around_change_nothing() {
    let executor = Executor::builder().clock(Clock::paused()).build();
    executor.block_on(async {
        let lock = Lock::new(());
        let holds = async {
            let _guard = lock.acquire().await;
            for _ in 0..common::scaled(300, 20) {
                yield_now().await;
                sleep(SECOND).await;
            }
        };
        join!(holds, async { drop(lock.acquire().await) });
    });
}

/// It could not be told, as its future is not polled any more; and that does not keep the loop from sleeping.
#[test]
fn a_hopeless_wait_that_nobody_looks_at_is_not_asked_again_and_again() {
    let executor = Executor::builder().clock(Clock::paused()).build();
    executor.block_on(async {
        let polls = Rc::new(Cell::new(0));
        let count = polls.clone();
        let stuck = spawn(async move {
            let lock = Lock::new(());
            let _first = lock.acquire().await;
            let mut again = Some(Box::pin(lock.acquire()));
            poll_fn(|cx| {
                count.set(count.get() + 1);
                if count.get() == 1 {
                    assert!(again.as_mut().unwrap().as_mut().poll(cx).is_pending());
                }
                Poll::<()>::Pending
            })
            .await;
        });
        sleep(SECOND).await;
        sleep(SECOND).await;
        assert!(polls.get() <= 2, "{}", polls.get());
        drop(stuck.cancel_and_wait().await);
    });
}
