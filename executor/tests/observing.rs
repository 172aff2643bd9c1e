//! What the runtime knows of its tasks' waits, and what it says about locks that are never released.
#![cfg(not(loom))]

mod common;

use common::{Counting, elsewhere, executor, local_waker, own_waker, poll_once, reports::reporting};
use runtime_executor::{
    Executor, inspect, join_all, spawn,
    task::{self, TaskId, WaitInfo, waits, yield_now},
    time::{self, Clock, Instant, sleep},
};
use runtime_sync::{Event, Kind, Lock, RLock, RwLock, Semaphore, shared};
use std::{
    cell::Cell,
    future::poll_fn,
    mem,
    pin::{Pin, pin},
    rc::Rc,
    sync::{Arc, Barrier},
    task::{Context, Waker},
    time::Duration,
};

const SECOND: Duration = Duration::from_secs(1);

/// Waiter, kind, line of creation, line of the wait, holder, line of acquisition.
type Brief = (u64, Kind, u32, u32, Option<u64>, Option<u32>);

fn brief() -> Vec<Brief> {
    let brief = |wait: &WaitInfo| {
        let holder = wait.holder.as_ref();
        (
            wait.task.expect("a task waits").get(),
            wait.kind,
            wait.created.line(),
            wait.asked.line(),
            holder.and_then(|holder| holder.task).map(TaskId::get),
            holder.map(|holder| holder.since.line()),
        )
    };
    let mut waits: Vec<Brief> = waits().iter().map(brief).collect();
    waits.sort_by_key(|wait| wait.0);
    waits
}

async fn turns(turns: usize) {
    for _ in 0..turns {
        yield_now().await;
    }
}

#[test]
fn every_wait_is_listed_with_its_lines_and_its_holder() {
    let executor = executor();
    executor.block_on(async {
        let line = line!();
        let lock = Rc::new(Lock::new(()));
        let event = Rc::new(Event::new());
        let take = |lock: Rc<Lock<()>>, event: Rc<Event>| async move {
            let _guard = lock.acquire().await;
            event.wait().await;
        };
        let tasks = [0; 3].map(|_| spawn(take(lock.clone(), event.clone())));
        turns(2).await;
        let (locked, asked) = (line + 1, line + 4);
        let on_event = |task| (task, Kind::Event, line + 2, line + 5, None, None);
        let on_lock = |task, holder| (task, Kind::Lock, locked, asked, Some(holder), Some(asked));
        assert_eq!(brief(), [on_event(1), on_lock(2, 1), on_lock(3, 1)]);
        event.set();
        event.clear();
        turns(1).await;
        // Handed over, and not yet taken notice of: the holder is known already.
        assert_eq!(brief(), [(2, Kind::Lock, locked, asked, None, None), on_lock(3, 2)]);
        assert!(waits().iter().any(|wait| wait.is_granted));
        turns(2).await;
        assert_eq!(brief(), [on_event(2), on_lock(3, 2)]);
        tasks[1].cancel();
        turns(2).await;
        assert_eq!(brief(), [on_event(3)]);
        event.set();
        for task in tasks {
            drop(task.await);
        }
        assert_eq!(waits(), []);
    });
}

/// For how long those locks are known to be held for which somebody waits, by who waits.
fn held() -> Vec<(u64, Option<Duration>)> {
    let held = |wait: &WaitInfo| Some((wait.task?.get(), wait.holder.as_ref()?.held_for));
    let mut held: Vec<_> = waits().iter().filter_map(held).collect();
    held.sort_unstable();
    held
}

#[test]
fn a_holder_is_known_to_hold_since_it_rests_or_since_it_was_first_seen_with_somebody_waiting() {
    let executor = Executor::builder().clock(Clock::paused()).build();
    executor.block_on(async {
        let lock = Rc::new(Lock::new(()));
        let hold = |naps: u32| {
            let lock = lock.clone();
            async move {
                let _guard = lock.acquire().await;
                for _ in 0..naps {
                    sleep(SECOND).await;
                }
            }
        };
        let first = spawn(hold(4));
        sleep(2 * SECOND).await;
        let _second = spawn(hold(3));
        yield_now().await;
        assert_eq!(held(), [(2, Some(Duration::ZERO))], "nobody waited, and the holder was polled just now");
        sleep(SECOND / 2).await;
        assert_eq!(held(), [(2, Some(SECOND / 2))]);
        sleep(SECOND).await;
        // Polled since, half a second ago, but seen holding before that.
        let _third = spawn(hold(1));
        yield_now().await;
        assert_eq!(held(), [2, 3].map(|id| (id, Some(SECOND * 3 / 2))));
        first.await.unwrap();
        assert_eq!(held(), [(3, Some(Duration::ZERO))], "handed over in this turn");
        sleep(SECOND / 2).await;
        assert_eq!(held(), [(3, Some(SECOND / 2))], "that was the former holder's time");
        sleep(SECOND).await;
        assert_eq!(held(), [(3, Some(SECOND * 3 / 2))]);
        let text = inspect::dump().to_string();
        assert!(text.contains(", for at least 1.5s"), "{text}");
    });
    executor.block_on(async {
        let lock = Rc::new(Lock::new(()));
        let guard = lock.acquire().await;
        lock.acquire_timeout(SECOND).await.unwrap_err();
        sleep(SECOND).await;
        drop(guard);
        let _guard = lock.acquire().await;
        let waiting = lock.clone();
        spawn(async move { drop(waiting.acquire().await) }).detach();
        turns(1).await;
        assert_eq!(held().last().unwrap().1, None, "nobody has waited for this holder so far");
    });
}

#[test]
fn times_of_a_former_runtime_say_nothing_of_the_next_one() {
    let lock = Arc::new(shared::Lock::new(()));
    let paused = || Executor::builder().clock(Clock::paused()).build();
    let waiter = |lock: &Arc<shared::Lock<()>>| {
        let lock = lock.clone();
        async move { drop(lock.acquire().await) }
    };
    let guard = lock.clone().try_acquire_owned().unwrap();
    // Somebody without a runtime waits all the time, so the queue is never empty.
    let outside = &mut pin!(lock.acquire());
    let mut outside_polled = Context::from_waker(Waker::noop());
    assert!(outside.as_mut().poll(&mut outside_polled).is_pending());
    let former = paused();
    former.block_on(async {
        spawn(waiter(&lock)).detach();
        sleep(Duration::from_secs(5)).await;
        assert_eq!(held(), [(1, Some(Duration::from_secs(5)))]);
    });
    drop(former);
    paused().block_on(async {
        spawn(waiter(&lock)).detach();
        yield_now().await;
        assert_eq!(held(), [(1, None)]);
        sleep(Duration::from_secs(1)).await;
        assert_eq!(held(), [(1, Some(Duration::from_secs(1)))]);
    });
    drop(guard);
}

#[test]
fn readers_after_a_writer_leave_the_next_writer_with_nobody_to_name() {
    executor().block_on(async {
        let lock = Rc::new(RwLock::new(()));
        let release = Rc::new(Event::new());
        let write = || {
            let (lock, release) = (lock.clone(), release.clone());
            async move {
                let _guard = lock.write().await;
                release.wait().await;
            }
        };
        let holder = || {
            let waits = brief();
            waits.iter().rfind(|wait| wait.1 == Kind::Write).expect("a writer waits").4
        };
        let first = lock.read().await;
        let [_second, _third] = [write(), write()].map(spawn);
        turns(1).await;
        assert_eq!(holder(), None);
        // The second task inherits it, and is who the third waits for, before it takes notice and after.
        drop(first);
        assert_eq!(holder(), Some(1));
        turns(1).await;
        let reader = spawn({
            let lock = lock.clone();
            async move {
                let _guard = lock.read().await;
                std::future::pending::<()>().await;
            }
        });
        let _fourth = spawn(write());
        turns(1).await;
        assert_eq!(holder(), Some(1));
        release.set();
        turns(3).await;
        // Both writers that came before the reader are done; it has the lock now, and readers have no name.
        assert_eq!(holder(), None);
        reader.cancel();
    });
}

#[test]
fn waits_in_branches_and_inner_executors_are_their_tasks() {
    executor().block_on(async {
        let event = Rc::new(Event::new());
        let waits_for = event.clone();
        spawn(async move {
            let inner = async {
                let outer = own_waker().await;
                let inner = local_waker(move || outer.wake_by_ref());
                let mut wait = pin!(waits_for.wait());
                poll_fn(|_| wait.as_mut().poll(&mut Context::from_waker(&inner))).await;
            };
            join_all([Box::pin(waits_for.wait()) as Pin<Box<dyn Future<Output = ()>>>, Box::pin(inner)])
                .await;
        });
        turns(2).await;
        let tasks: Vec<u64> = brief().iter().map(|wait| wait.0).collect();
        assert_eq!(tasks, [1, 1]);
        event.set();
        turns(3).await;
        assert_eq!(waits(), []);
    });
}

// The budget.

/// A task that finds everything free, in a loop, and how often another one runs meanwhile.
fn others_run_beside(busy: impl AsyncFnOnce(&Cell<bool>)) -> u32 {
    executor().block_on(async {
        let (stop, runs) = (Cell::new(false), Rc::new(Cell::new(0)));
        let counts = runs.clone();
        let other = spawn(async move {
            loop {
                counts.set(counts.get() + 1);
                yield_now().await;
            }
        });
        let watch = async {
            while runs.get() < 3 {
                yield_now().await;
            }
            stop.set(true);
        };
        runtime_executor::join!(busy(&stop), watch);
        other.cancel();
        runs.get()
    })
}

#[test]
fn a_task_that_finds_everything_free_lets_others_run() {
    assert!(
        others_run_beside(async |stop| {
            let lock = Lock::new(());
            while !stop.get() {
                drop(lock.acquire().await);
            }
        }) >= 3
    );
    assert!(
        others_run_beside(async |stop| {
            let event = Event::new();
            event.set();
            while !stop.get() {
                event.wait().await;
            }
        }) >= 3
    );
    assert!(
        others_run_beside(async |stop| {
            let permits = Semaphore::new(1);
            while !stop.get() {
                drop(permits.acquire().await.unwrap());
            }
        }) >= 3
    );
}

#[test]
fn the_smallest_budget_stops_nobody() {
    let executor = Executor::builder().budget(1).build();
    let polls = Cell::new(0);
    executor.block_on(async {
        let lock = Lock::new(0);
        let mut many = pin!(async {
            for _ in 0..1000 {
                *lock.acquire().await += 1;
            }
        });
        poll_fn(|cx| {
            polls.set(polls.get() + 1);
            many.as_mut().poll(cx)
        })
        .await;
        assert_eq!(*lock.acquire().await, 1000);
    });
    assert!((10..100).contains(&polls.get()), "{}", polls.get());
}

#[test]
fn outside_of_runtimes_there_is_no_budget() {
    drop(executor());
    let lock = Lock::new(0);
    let mut many = pin!(async {
        for _ in 0..1000 {
            *lock.acquire().await += 1;
        }
    });
    assert!(many.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
}

// Limits of time.

#[test]
fn limits_are_kept_by_the_clock_of_the_runtime() {
    let executor = Executor::builder().clock(Clock::paused()).build();
    executor.block_on(async {
        let began = Instant::now();
        let (lock, event) = (Lock::new(()), Event::new());
        let guard = lock.try_acquire();
        let late: Result<_, time::Elapsed> = lock.acquire_timeout(2 * SECOND).await;
        assert!(late.is_err());
        assert!(!event.wait_timeout(3 * SECOND).await);
        assert_eq!(began.elapsed(), 5 * SECOND);
        drop(guard);
        assert!(lock.acquire_timeout(Duration::MAX).await.is_ok());
    });
}

#[test]
#[should_panic(expected = "a wait with a time limit needs a runtime on this thread, and none runs here")]
fn a_limit_outside_of_runtimes_panics_with_the_remedy() {
    drop(executor());
    let event = Event::new();
    let mut wait = pin!(event.wait_timeout(SECOND));
    let _ = wait.as_mut().poll(&mut Context::from_waker(Waker::noop()));
}

// Locks that are never released.

#[test]
fn a_lock_left_behind_names_the_ended_task_to_who_waits_already() {
    let (executor, reports) = reporting();
    executor.block_on(async {
        let line = line!();
        let lock = Rc::new(Lock::new(()));
        let (leaves, waits, also) = (lock.clone(), lock.clone(), lock.clone());
        spawn(async move {
            let guard = leaves.acquire().await;
            sleep(SECOND).await;
            mem::forget(guard);
        });
        turns(1).await;
        let waiting = spawn(async move { drop(waits.acquire().await) });
        let also = spawn(async move { drop(also.acquire().await) });
        sleep(2 * SECOND).await;
        let (created, since, asked) = (line + 1, line + 4, line + 9);
        let said = format!("ended: task 1 has Lock of {created} since {since}, task 2 asked at {asked}");
        assert_eq!(reports.take(), [said]);
        let mut third = pin!(lock.acquire());
        assert!(poll_once(&mut third).await.is_pending());
        sleep(SECOND).await;
        assert_eq!(reports.take(), [""; 0], "once is enough");
        // Nobody waits any more; who comes then is told by name.
        waiting.cancel();
        also.cancel();
        turns(2).await;
        third.set(lock.acquire());
        assert!(poll_once(&mut third).await.is_pending());
        sleep(SECOND).await;
        let [said] = &reports.take()[..] else { panic!("one report") };
        assert!(
            said.starts_with(&format!("ended: task 1 has Lock of {created} since {since}, main task")),
            "{said}"
        );
    });
}

#[test]
fn a_lock_left_behind_names_the_line_to_who_comes_later() {
    let (executor, reports) = reporting();
    executor.block_on(async {
        let line = line!();
        let lock = Rc::new(Lock::new(()));
        let leaves = lock.clone();
        spawn(async move { mem::forget(leaves.acquire().await) }).await.unwrap();
        let mut wait = pin!(lock.acquire());
        assert!(poll_once(&mut wait).await.is_pending());
        assert_eq!(reports.take(), [""; 0], "reports are told when nobody is ready");
        sleep(SECOND).await;
        let said = format!(
            "ended: unknown has Lock of {} since {}, main task asked at {}",
            line + 1,
            line + 3,
            line + 4
        );
        assert_eq!(reports.take(), [said]);
    });
}

#[test]
fn a_lock_left_behind_after_a_hand_over_names_who_had_it_last() {
    let (executor, reports) = reporting();
    executor.block_on(async {
        let lock = Rc::new(Lock::new(()));
        let tasks = [false, true, false].map(|forgets| {
            let lock = lock.clone();
            spawn(async move {
                let guard = lock.acquire().await;
                sleep(SECOND).await;
                if forgets {
                    mem::forget(guard);
                }
            })
        });
        sleep(5 * SECOND).await;
        let [said] = &reports.take()[..] else { panic!("one report") };
        assert!(said.starts_with("ended: task 2 has Lock"), "{said}");
        assert!(!tasks[2].is_finished());
        assert_eq!(waits()[0].holder.as_ref().and_then(|holder| holder.task).map(TaskId::get), Some(2));
    });
}

#[test]
fn tasks_that_release_what_they_held_are_not_named() {
    let (executor, reports) = reporting();
    executor.block_on(async {
        // Many in turn, some of them cancelled while they hold it or are about to.
        let lock = Rc::new(Lock::new(()));
        let tasks: Vec<_> = (0..30)
            .map(|_| {
                let lock = lock.clone();
                spawn(async move {
                    let _guard = lock.acquire().await;
                    yield_now().await;
                })
            })
            .collect();
        turns(2).await;
        for n in [0, 1, 2, 5] {
            tasks[n].cancel();
            turns(1).await;
        }
        for task in tasks {
            drop(task.await);
        }
        // Branches that end with a guard leave it to their task.
        let locks = [Lock::new(1), Lock::new(2)];
        let guards = join_all(locks.iter().map(Lock::acquire)).await;
        let [first, _] = &locks;
        assert!(time::timeout(SECOND, first.acquire()).await.is_err());
        drop(guards);
        // An owned guard outlives the task that acquired it.
        let acquires = lock.clone();
        let guard = spawn(async move { acquires.acquire_owned().await }).await.unwrap();
        assert!(time::timeout(SECOND, lock.acquire()).await.is_err());
        drop(guard);
        // And the main task may leave something to the next run.
        mem::forget(lock.acquire().await);
        let last = lock.clone();
        spawn(async move { drop(last.acquire().await) });
        turns(1).await;
    });
    executor.block_on(turns(3));
    drop(executor);
    assert_eq!(reports.take(), [""; 0]);
}

#[test]
fn an_rlock_released_fewer_times_than_acquired_is_reported() {
    let (executor, reports) = reporting();
    executor.block_on(async {
        let line = line!() + 1;
        let lock = Rc::new(RLock::new(()));
        let (first, second) = (lock.clone(), lock.clone());
        spawn(async move {
            let _one = first.acquire().await;
            mem::forget(first.acquire().await);
            mem::forget(first.acquire().await);
        })
        .await
        .unwrap();
        turns(1).await;
        assert_eq!(reports.take(), [format!("ended holding: task 1, RLock of {line}, 2 times")]);
        drop(second);
    });
}

#[test]
fn an_rlock_is_its_tasks_in_branches_and_inner_executors_too() {
    let (executor, reports) = reporting();
    executor.block_on(async {
        let lock = Rc::new(RLock::new(()));
        let enter_twice = async || {
            let first = lock.acquire().await;
            let again = lock.try_acquire();
            assert!(again.is_some(), "both ways in know the same task");
            yield_now().await;
            drop((first, again));
        };
        join_all([enter_twice(), enter_twice()]).await;
        let outer = own_waker().await;
        let inner = local_waker(move || outer.wake_by_ref());
        let _held = lock.acquire().await;
        let mut twice = Box::pin(enter_twice());
        poll_fn(|_| twice.as_mut().poll(&mut Context::from_waker(&inner))).await;
        spawn({
            let lock = lock.clone();
            async move { assert!(lock.try_acquire().is_none()) }
        })
        .await
        .unwrap();
    });
    drop(executor);
    assert_eq!(reports.take(), [""; 0]);
}

#[test]
fn a_panic_of_who_reads_the_reports_goes_no_further() {
    let seen = Rc::new(Cell::new(0));
    let count = seen.clone();
    let executor = Executor::builder()
        .on_report(move |_| {
            count.set(count.get() + 1);
            panic!("I cannot hear this any more");
        })
        .build();
    executor.block_on(async {
        let lock = Rc::new(RLock::new(()));
        for _ in 0..2 {
            let lock = lock.clone();
            spawn(async move { mem::forget(lock.try_acquire()) });
        }
        turns(2).await;
    });
    assert_eq!(seen.get(), 1, "the second did not get it");
}

#[test]
fn whoever_reads_the_reports_may_use_the_runtime() {
    let reported = Rc::new(Event::new());
    let sets = reported.clone();
    let executor = Executor::builder()
        .on_report(move |_| {
            let sets = sets.clone();
            assert_eq!(task::current().id().get(), 0);
            spawn(async move { sets.set() }).detach();
        })
        .build();
    executor.block_on(async {
        spawn(async { mem::forget(RLock::new(()).try_acquire()) }).detach();
        reported.wait().await;
    });
}

// Several runtimes and threads.

#[test]
fn a_wait_that_ends_elsewhere_leaves_the_list() {
    let executor = executor();
    let event = shared::Event::new();
    executor.block_on(async {
        let mut wait = Box::pin(event.wait());
        assert!(poll_once(&mut wait).await.is_pending());
        assert_eq!(waits().len(), 1);
        elsewhere(move || drop(wait));
        turns(2).await;
        assert_eq!(waits(), []);
    });
    // On this thread, between two runs and in another runtime.
    let pending = || {
        executor.block_on(async {
            let mut wait = Box::pin(event.wait());
            assert!(poll_once(&mut wait).await.is_pending());
            [wait]
        })
    };
    drop(pending());
    let wait = pending();
    common::executor().block_on(async move {
        drop(wait);
        assert_eq!(waits(), []);
    });
    executor.block_on(async {
        turns(1).await;
        assert_eq!(waits(), []);
    });
}

#[test]
fn a_ticket_of_a_former_runtime_ends_nobody_elses_wait() {
    let event = Event::new();
    let begin = |executor: &Executor| {
        executor.block_on(async {
            let mut wait = Box::pin(event.wait());
            assert!(poll_once(&mut wait).await.is_pending());
            [wait]
        })
    };
    let old: Vec<_> = (0..3).map(|_| begin(&executor())).collect();
    let next = executor();
    let _new = begin(&next);
    next.block_on(async {
        drop(old);
        turns(1).await;
        assert_eq!(waits().len(), 1);
    });
}

#[test]
fn a_wait_under_the_waker_of_another_runtime_is_nobodys() {
    let (first, second) = (executor(), executor());
    let waker = first.block_on(own_waker());
    let event = Event::new();
    let mut wait = Box::pin(event.wait());
    second.block_on(async {
        assert!(wait.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        assert_eq!(waits(), []);
    });
    event.set();
    first.block_on(wait);
}

#[test]
fn a_wait_outside_of_runtimes_is_nobodys_until_a_task_polls_on() {
    drop(executor());
    let event = Event::new();
    let waker = Arc::new(Counting::default()).into();
    let mut wait = Box::pin(event.wait());
    assert!(wait.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    executor().block_on(async {
        assert!(poll_once(&mut wait).await.is_pending());
        event.set();
        wait.await;
        assert_eq!(waits(), []);
    });
}

#[test]
fn two_threads_with_a_runtime_each_share_a_lock() {
    let lock = shared::Lock::new(0);
    let rounds = common::scaled(2_000, 20);
    let start = Barrier::new(2);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let reported = Rc::new(Cell::new(0));
                let count = reported.clone();
                let executor = Executor::builder()
                    .on_report(move |report| {
                        count.set(count.get() + 1);
                        eprintln!("{report}");
                    })
                    .build();
                start.wait();
                executor.block_on(async {
                    join_all((0..3).map(async |_| {
                        for _ in 0..rounds {
                            let mut guard = lock.acquire().await;
                            yield_now().await;
                            *guard += 1;
                        }
                    }))
                    .await;
                    assert_eq!(waits(), []);
                });
                assert_eq!(reported.get(), 0);
            });
        }
    });
    assert_eq!(lock.into_inner(), 6 * rounds);
}

#[test]
fn a_shared_lock_that_went_to_another_thread_meanwhile_is_not_the_ended_tasks() {
    let (executor, reports) = reporting();
    let lock = Arc::new(shared::Lock::new(()));
    let other = executor.block_on(async {
        let (holds, queues) = (lock.clone(), lock.clone());
        spawn(async move {
            let _guard = holds.acquire().await;
            sleep(SECOND).await;
        });
        turns(1).await;
        // A thread queues first, and keeps the lock once it has it.
        let (release, released) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::Builder::new().spawn(move || {
            let _guard = queues.blocking_acquire();
            let _ = released.recv();
        });
        while format!("{lock:?}").contains("waiters: 0") {
            yield_now().await;
        }
        let waits = lock.clone();
        let waits = spawn(async move { drop(waits.acquire().await) });
        sleep(2 * SECOND).await;
        drop(release);
        waits.await.unwrap();
        thread
    });
    other.unwrap().join().unwrap();
    assert_eq!(reports.take(), [""; 0]);
}

#[test]
fn what_is_left_at_the_end_is_no_news() {
    let (executor, reports) = reporting();
    let lock = Rc::new(Lock::new(()));
    executor.block_on(async {
        for _ in 0..3 {
            let lock = lock.clone();
            spawn(async move {
                let _guard = lock.acquire().await;
                std::future::pending::<()>().await;
            });
        }
        turns(3).await;
    });
    drop(executor);
    assert_eq!(reports.take(), [""; 0]);
    assert!(!lock.locked());
}

#[test]
fn a_limit_of_nothing_does_not_count_a_pause_for_the_budget() {
    let executor = Executor::builder().budget(64).build();
    executor.block_on(async {
        let lock = Lock::new(0);
        for _ in 0..200 {
            *lock.acquire_timeout(Duration::ZERO).await.expect("nobody has it") += 1;
        }
        assert_eq!(lock.into_inner(), 200);
    });
}
