//! Tasks that wait for each other: reported when the circle closes, to the letter; a run in which nothing can happen any
//! more ends with the report; and programs that are not deadlocked hear nothing.
#![cfg(not(loom))]

mod common;

use common::{own_waker, reports::reporting};
use runtime_executor::{
    Executor, Handle, OnExit, Report,
    inspect::{Deadlock, OnDeadlock},
    join, join_all, spawn, spawn_blocking,
    task::{self, TaskGroup, TaskId, yield_now},
    time::{Clock, Instant, sleep, timeout},
};
use runtime_sync::{Event, Lock, RLock, RwLock, shared};
use std::{
    cell::{Cell, RefCell},
    convert::Infallible,
    future::{pending, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    rc::Rc,
    task::Poll,
    time::Duration,
};

const SECOND: Duration = Duration::from_secs(1);

/// What a program came to: its output, or the text with which `block_on` panicked; and the deadlocks reported meanwhile.
fn outcome<T>(
    on_deadlock: OnDeadlock,
    program: impl AsyncFnOnce() -> T,
) -> (Result<T, String>, Vec<Deadlock>) {
    let deadlocks = Rc::new(RefCell::new(Vec::new()));
    let seen = deadlocks.clone();
    let executor = Executor::builder()
        .clock(Clock::paused())
        .on_deadlock(on_deadlock)
        .on_report(move |report| match report {
            Report::Deadlock(deadlock) => seen.borrow_mut().push(deadlock.clone()),
            other => panic!("{other}"),
        })
        .build();
    let run = catch_unwind(AssertUnwindSafe(|| executor.block_on(program())));
    drop(executor);
    let text = |payload: Box<dyn std::any::Any + Send>| *payload.downcast::<String>().expect("a text");
    (run.map_err(text), deadlocks.take())
}

/// Runs a program that is not deadlocked.
#[track_caller]
fn goes_well(program: impl AsyncFnOnce()) {
    let (output, deadlocks) = outcome(OnDeadlock::Report, program);
    assert_eq!(output, Ok(()));
    assert_eq!(deadlocks, []);
}

/// Takes both, with time for others in between.
async fn take_both(first: Rc<Lock<()>>, second: Rc<Lock<()>>, pause: Duration) {
    let _first = first.acquire().await;
    sleep(pause).await;
    let _second = second.acquire().await;
}

#[test]
fn a_program_that_stands_still_ends_with_the_whole_story() {
    let line = line!();
    let (output, _) = outcome(OnDeadlock::Report, async || {
        let (fork, knife) = (Rc::new(Lock::new(())), Rc::new(Lock::new(())));
        let eater = |name: &str, first: &Rc<Lock<()>>, second: &Rc<Lock<()>>| {
            task::Builder::new().name(name).spawn(take_both(first.clone(), second.clone(), SECOND))
        };
        let one = eater("one", &fork, &knife);
        let _two = eater("two", &knife, &fork);
        let _late = spawn(take_both(fork.clone(), knife.clone(), SECOND));
        one.await.unwrap();
    });
    let (created, spawned) = (line + 2, line + 4);
    let (first, second) = (line - 7, line - 5);
    let at = |line: u32, column: u32| format!("executor/tests/deadlock.rs:{line}:{column}");
    // The fork is waited for since the first turn, and the knife since this moment, in which its holder was polled too.
    let lock = |column: u32, asked: (u32, u32), holder: u32| {
        let since = at(first, 24);
        let (created, asked) = (at(created, column), at(asked.0, asked.1));
        let long = if holder == 1 { ", for at least 1s" } else { "" };
        format!(
            "for the Lock created at {created}, asked at {asked}, held by task {holder} since {since}{long}"
        )
    };
    let expected = [
        "deadlock: nobody is ready, and nothing can happen that would wake anybody".to_owned(),
        "circle:".into(),
        format!("    task 1 'one' (spawned at {}) has waited 0ns", at(spawned, 45)),
        format!("        {}", lock(62, (second, 26), 2)),
        format!("    task 2 'two' (spawned at {}) has waited 0ns", at(spawned, 45)),
        format!("        {}", lock(38, (second, 26), 1)),
        "behind it:".into(),
        "    main task has waited 1s".into(),
        "        for the end of task 1".into(),
        format!("    task 3 (spawned at {}) has waited 1s", at(line + 8, 21)),
        format!("        {}", lock(38, (first, 24), 1)),
    ];
    assert_eq!(output.unwrap_err().lines().collect::<Vec<_>>(), expected);
}

#[test]
fn a_circle_is_reported_when_it_closes_and_once_while_others_go_on() {
    let (executor, reports) = reporting();
    executor.block_on(async {
        let began = Instant::now();
        let locks = [(); 3].map(|()| Rc::new(Lock::new(())));
        for n in 0..3 {
            let (first, second) = (locks[n].clone(), locks[(n + 1) % 3].clone());
            spawn(take_both(first, second, SECOND * (n as u32 + 1))).detach();
        }
        sleep(3 * SECOND - Duration::from_millis(1)).await;
        assert_eq!(reports.take(), [""; 0], "the third still sleeps");
        sleep(Duration::from_millis(2)).await;
        let told = reports.take();
        assert_eq!(told.len(), 1);
        assert!(told[0].starts_with("deadlock: 1 2 3, behind: none"), "{told:?}");
        // Whoever comes later stands behind it, and that is no news.
        spawn(take_both(locks[0].clone(), locks[1].clone(), SECOND)).detach();
        sleep(10 * SECOND).await;
        assert_eq!(began.elapsed(), 13 * SECOND + Duration::from_millis(1));
    });
    assert_eq!(reports.take(), [""; 0]);
}

/// Runs a program beside a task that never rests for long, and gives what is reported within three seconds.
fn told_beside_others(program: impl AsyncFn(Rc<Lock<()>>) + 'static) -> Vec<String> {
    let (executor, reports) = reporting();
    executor.block_on(async {
        let lock = Rc::new(Lock::new(()));
        let stuck = spawn(async move { program(lock).await });
        sleep(3 * SECOND).await;
        stuck.cancel();
    });
    reports.take()
}

/// A task that needs the lock, and is not detached.
fn needs(lock: &Rc<Lock<()>>) -> task::JoinHandle<()> {
    let lock = lock.clone();
    spawn(async move { drop(lock.acquire().await) })
}

#[test]
fn who_awaits_a_task_that_needs_its_lock_is_in_a_circle_with_it() {
    let told = told_beside_others(async |lock| {
        let _guard = lock.acquire().await;
        needs(&lock).await.unwrap();
    });
    assert_eq!(told, ["deadlock: 1 2, behind: none"]);
    let told = told_beside_others(async |lock| {
        let _guard = lock.acquire().await;
        let needed = needs(&lock);
        spawn(async move { needed.await.unwrap() }).await.unwrap();
    });
    assert_eq!(told, ["deadlock: 1 3 2, behind: none"], "through a third one");
}

#[test]
fn who_polls_futures_that_need_its_lock_is_in_a_circle_with_them() {
    let told = told_beside_others(async |lock| {
        let _guard = lock.acquire().await;
        join_all([needs(&lock), needs(&lock)]).await;
    });
    assert_eq!(told, ["deadlock: 1 2, behind: 3"]);
    let told = told_beside_others(async |lock| {
        let _guard = lock.acquire().await;
        let group = TaskGroup::<Infallible>::run(async |group| {
            let lock = lock.clone();
            group.spawn(async move { drop(lock.acquire().await) });
            Ok(())
        });
        group.await.unwrap();
    });
    assert_eq!(told, ["deadlock: 1 2, behind: none"]);
}

#[test]
fn a_circle_through_a_handle_is_cancelled_if_asked_for() {
    let (output, deadlocks) = outcome(OnDeadlock::Fail, async || {
        let lock = Rc::new(Lock::new(()));
        let _guard = lock.acquire().await;
        needs(&lock).await.unwrap_err().is_cancelled()
    });
    assert_eq!(output, Ok(true), "the main task cannot be cancelled, so the other one is");
    assert_eq!(deadlocks.len(), 1);
    assert!(!deadlocks[0].is_total);
}

#[test]
fn who_awaits_others_too_or_has_a_limit_is_in_no_circle() {
    // Awaits one that ends as well, and lets go then.
    let told = told_beside_others(async |lock| {
        let guard = lock.acquire().await;
        let (slow, needed) = (spawn(sleep(SECOND)), needs(&lock));
        let released = async {
            slow.await.unwrap();
            drop(guard);
        };
        join!(released, async { needed.await.unwrap() });
    });
    assert_eq!(told, [""; 0]);
    // One of the branches sleeps.
    let told = told_beside_others(async |lock| {
        let guard = RefCell::new(Some(lock.acquire().await));
        let release = async {
            sleep(SECOND).await;
            guard.take();
        };
        let needed = async { needs(&lock).await.unwrap() };
        let branches: [Pin<Box<dyn Future<Output = ()>>>; 2] = [Box::pin(release), Box::pin(needed)];
        join_all(branches).await;
    });
    assert_eq!(told, [""; 0]);
    // The handle is waited for with a limit.
    let told = told_beside_others(async |lock| {
        let guard = lock.acquire().await;
        let mut needed = needs(&lock);
        timeout(SECOND, &mut needed).await.unwrap_err();
        sleep(SECOND).await;
        drop(guard);
        needed.await.unwrap();
    });
    assert_eq!(told, [""; 0]);
    // A group waits for one that is not stuck, or for a cleanup.
    let told = told_beside_others(async |lock| {
        let guard = RefCell::new(Some(lock.acquire().await));
        let needed = needs(&lock);
        let group = TaskGroup::<Infallible>::run(async |group| {
            group.spawn(sleep(SECOND));
            Ok(())
        });
        let release = async {
            group.await.unwrap();
            guard.take();
        };
        join!(release, async { needed.await.unwrap() });
    });
    assert_eq!(told, [""; 0]);
    let told = told_beside_others(async |lock| {
        let guard = RefCell::new(Some(lock.acquire().await));
        let needed = needs(&lock);
        let group = TaskGroup::<Infallible>::run(async |group| {
            drop(group.defer(sleep(SECOND)));
            Ok(())
        });
        let release = async {
            group.await.unwrap();
            guard.take();
        };
        join!(release, async { needed.await.unwrap() });
    });
    assert_eq!(told, [""; 0]);
}

#[test]
fn those_behind_a_circle_are_named_with_it() {
    let (output, deadlocks) = outcome(OnDeadlock::Report, async || {
        let (fork, knife) = (Rc::new(Lock::new(())), Rc::new(Lock::new(())));
        for _ in 0..3 {
            spawn(take_both(fork.clone(), knife.clone(), SECOND)).detach();
        }
        spawn(take_both(knife, fork, SECOND)).detach();
        sleep(2 * SECOND).await;
    });
    assert_eq!(output, Ok(()));
    let [deadlock] = &deadlocks[..] else { panic!("{deadlocks:?}") };
    assert!(!deadlock.is_total);
    let ids =
        |tasks: &[task::TaskStatus]| tasks.iter().map(|status| status.task.id().get()).collect::<Vec<_>>();
    assert_eq!(deadlock.cycles.iter().map(|circle| ids(circle)).collect::<Vec<_>>(), [[1, 4]]);
    assert_eq!(ids(&deadlock.behind), [2, 3]);
}

#[test]
fn two_circles_are_two() {
    let (output, deadlocks) = outcome(OnDeadlock::Report, async || {
        let locks = [(); 4].map(|()| Rc::new(Lock::new(())));
        for (first, second) in [(0, 1), (1, 0), (2, 3), (3, 2)] {
            spawn(take_both(locks[first].clone(), locks[second].clone(), SECOND)).detach();
        }
        pending::<()>().await;
    });
    assert!(output.unwrap_err().contains("main task has waited 1s for nothing that is known"));
    let total = deadlocks.last().unwrap();
    assert!(total.is_total);
    assert_eq!(total.cycles.len(), 2);
}

#[test]
fn who_waits_for_a_group_stands_behind_its_children() {
    let (output, deadlocks) = outcome(OnDeadlock::Report, async || {
        let (fork, knife) = (Rc::new(Lock::new(())), Rc::new(Lock::new(())));
        let group = TaskGroup::<Infallible>::run(async |group| {
            group.spawn(take_both(fork.clone(), knife.clone(), SECOND));
            group.spawn(take_both(knife.clone(), fork.clone(), SECOND));
            Ok(())
        });
        group.await.unwrap();
    });
    let text = output.unwrap_err();
    assert!(
        text.contains(
            "main task has waited 1s\n        for the end of task 1\n        for the end of task 2"
        ),
        "{text}"
    );
    assert_eq!(deadlocks.last().unwrap().behind.len(), 1);
}

#[test]
fn the_circle_is_cancelled_if_asked_for_and_those_behind_it_go_on() {
    let (output, deadlocks) = outcome(OnDeadlock::Fail, async || {
        let (fork, knife) = (Rc::new(Lock::new(())), Rc::new(Lock::new(())));
        let both = |first: &Rc<Lock<()>>, second: &Rc<Lock<()>>| {
            spawn(take_both(first.clone(), second.clone(), SECOND))
        };
        let tasks = [both(&fork, &knife), both(&knife, &fork), both(&fork, &knife)];
        join_all(tasks).await.into_iter().map(|ended| ended.is_ok()).collect::<Vec<_>>()
    });
    assert_eq!(output, Ok(vec![false, false, true]));
    assert_eq!(deadlocks.len(), 1);
}

#[test]
fn without_a_circle_all_are_cancelled_if_asked_for_and_the_main_task_ends_the_run() {
    let (output, deadlocks) = outcome(OnDeadlock::Fail, async || {
        let event = Event::new();
        let waits = spawn(pending::<()>());
        assert!(waits.await.unwrap_err().is_cancelled());
        event.wait().await;
    });
    assert!(output.unwrap_err().contains("for the Event created at executor/tests/deadlock.rs:"));
    assert_eq!(deadlocks.len(), 2);
}

#[test]
fn a_circle_ends_the_run_at_once_if_asked_for() {
    let (output, deadlocks) = outcome(OnDeadlock::Panic, async || {
        let (fork, knife) = (Rc::new(Lock::new(())), Rc::new(Lock::new(())));
        spawn(take_both(fork.clone(), knife.clone(), SECOND)).detach();
        spawn(take_both(knife, fork, SECOND)).detach();
        sleep(100 * SECOND).await;
    });
    assert!(
        output
            .unwrap_err()
            .starts_with("deadlock: these tasks wait for each other and will never go on\ncircle:")
    );
    assert_eq!(deadlocks.len(), 1);
}

#[test]
fn what_the_main_task_waits_for_alone_is_said() {
    let said = |program: &mut dyn FnMut() -> Pin<Box<dyn Future<Output = ()>>>| {
        outcome(OnDeadlock::Report, async || program().await).0.unwrap_err()
    };
    let event = said(&mut || Box::pin(async { Event::new().wait().await }));
    assert!(event.contains("for the Event created"), "{event}");
    let nothing = said(&mut || Box::pin(pending()));
    assert!(nothing.contains("for nothing that is known"), "{nothing}");
    let never = said(&mut || Box::pin(sleep(Duration::MAX)));
    assert!(never.contains("for a timer that never fires"), "{never}");
    let one_of_two = said(&mut || {
        Box::pin(async {
            let event = Event::new();
            join!(event.wait(), pending::<()>());
        })
    });
    assert!(one_of_two.contains("for the Event created"), "{one_of_two}");
}

#[test]
fn also_on_the_real_clock_and_while_the_run_waits_for_tasks() {
    let executor = Executor::builder().on_exit(OnExit::Wait).build();
    let run = catch_unwind(AssertUnwindSafe(|| {
        executor.block_on(async {
            spawn(async { Event::new().wait().await }).detach();
        });
    }));
    let text = run.unwrap_err().downcast::<String>().unwrap();
    assert!(text.contains("task 1") && !text.contains("main task"), "{text}");
    // The runtime is good for another run.
    let stopped = executor.try_block_on(async { Handle::current().stop() });
    assert!(stopped.is_err());
}

// Programs that are not deadlocked.

#[test]
fn who_has_a_limit_is_a_way_out_of_the_circle() {
    goes_well(async || {
        let (fork, knife) = (Rc::new(Lock::new(())), Rc::new(Lock::new(())));
        let one = spawn(timeout(5 * SECOND, take_both(fork.clone(), knife.clone(), SECOND)));
        let two = spawn(take_both(knife, fork, SECOND));
        assert!(one.await.unwrap().is_err());
        two.await.unwrap();
    });
}

#[test]
fn a_branch_that_lets_go_is_a_way_out_of_the_circle() {
    goes_well(async || {
        let (fork, knife) = (Rc::new(Lock::new(())), Rc::new(Lock::new(())));
        let (have, want) = (fork.clone(), knife.clone());
        let one = spawn(async move {
            let held = Cell::new(Some(have.acquire().await));
            join!(
                async {
                    sleep(SECOND).await;
                    drop(want.acquire().await);
                },
                async {
                    sleep(9 * SECOND).await;
                    drop(held.take());
                }
            );
        });
        let two = spawn(take_both(knife, fork, SECOND));
        one.await.unwrap();
        two.await.unwrap();
    });
}

#[test]
fn a_guard_that_was_handed_on_is_a_way_out_of_the_circle() {
    goes_well(async || {
        let (fork, knife) = (Rc::new(Lock::new(())), Rc::new(Lock::new(())));
        let (have, want) = (fork.clone(), knife.clone());
        let one = spawn(async move {
            let guard = have.acquire_owned().await;
            spawn(async move {
                sleep(9 * SECOND).await;
                drop(guard);
            })
            .detach();
            drop(want.acquire().await);
        });
        let two = spawn(take_both(knife, fork, Duration::ZERO));
        one.await.unwrap();
        two.await.unwrap();
    });
}

#[test]
fn readers_share_and_a_condition_lets_go_while_it_waits() {
    goes_well(async || {
        let lock = Rc::new(RwLock::new(()));
        let both = join_all([0, 1].map(async |_| {
            let _one = lock.read().await;
            sleep(SECOND).await;
            let _two = lock.read().await;
        }));
        both.await;
        let condition = Rc::new(runtime_sync::Condition::new(false));
        let waits = condition.clone();
        let waits = spawn(async move {
            let guard = waits.lock().await;
            drop(waits.wait_for(guard, |ready| *ready).await);
        });
        yield_now().await;
        *condition.lock().await = true;
        condition.notify_all();
        waits.await.unwrap();
    });
}

#[test]
fn an_rlock_entered_again_is_no_circle() {
    goes_well(async || {
        let lock = Rc::new(RLock::new(()));
        join_all((0..5).map(|_| {
            let lock = lock.clone();
            spawn(async move {
                let _one = lock.acquire().await;
                yield_now().await;
                let _two = lock.acquire().await;
            })
        }))
        .await;
    });
}

#[test]
fn a_thread_with_a_waker_a_handle_or_a_job_may_act_at_any_moment() {
    for _ in 0..common::scaled(100, 3) {
        // A clone of a waker.
        goes_well(async || {
            let open = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
            let (opens, waker) = (open.clone(), own_waker().await);
            let thread = std::thread::Builder::new().spawn(move || {
                opens.store(true, std::sync::atomic::Ordering::Release);
                waker.wake();
            });
            common::until(&open).await;
            thread.unwrap().join().unwrap();
        });
        // A handle, for spawning and for cancelling.
        goes_well(async || {
            let (event, handle) = (Rc::new(Event::new()), Handle::current());
            let waits = spawn(pending::<()>());
            let cancel = waits.cancel_handle();
            let thread = std::thread::Builder::new().spawn(move || cancel.cancel());
            assert!(waits.await.unwrap_err().is_cancelled());
            thread.unwrap().join().unwrap();
            let shelf = Rc::new(RefCell::new(None));
            *shelf.borrow_mut() = Some(event.clone());
            let thread = std::thread::Builder::new().spawn(move || {
                let _spawned = handle.spawn(|| async {
                    task::list();
                });
            });
            thread.unwrap().join().unwrap();
            event.set();
            event.wait().await;
        });
        // A channel of the shared flavour, and a job.
        goes_well(async || {
            let (sender, mut receiver) = shared::channel::<u8>(1);
            let (once, value) = shared::oneshot::channel();
            let thread = std::thread::Builder::new().spawn(move || {
                sender.blocking_send(7).unwrap();
                once.send(8).unwrap();
            });
            assert_eq!(receiver.recv().await, Some(7));
            assert_eq!(value.await, Ok(8));
            thread.unwrap().join().unwrap();
            spawn_blocking(|| ()).await.unwrap();
        });
    }
}

#[test]
fn a_thread_that_only_has_a_handle_may_still_act() {
    goes_well(async || {
        let (go, gone) = std::sync::mpsc::channel::<()>();
        let handle = Handle::current();
        let waits = spawn(pending::<()>());
        let cancel = waits.cancel_handle();
        // It acts when the loop sleeps already, or is about to.
        let thread = std::thread::Builder::new().spawn(move || {
            let _ = gone.recv_timeout(Duration::from_millis(20));
            handle.spawn(move || async move { cancel.cancel() }).blocking_join().unwrap();
        });
        assert!(waits.await.unwrap_err().is_cancelled());
        thread.unwrap().join().unwrap();
        drop(go);
    });
}

#[test]
fn a_thread_that_only_has_a_local_future_may_still_have_it_dropped_here() {
    goes_well(async || {
        let event = Rc::new(Event::new());
        let set = event.clone();
        let on_drop = common::OnDrop::new(move || set.set());
        let future = task::local(async move { drop(on_drop) });
        // Dropped when the loop sleeps already, or is about to.
        let (go, gone) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::Builder::new().spawn(move || {
            let _ = gone.recv_timeout(Duration::from_millis(20));
            drop(future);
        });
        event.wait().await;
        thread.unwrap().join().unwrap();
        drop(go);
    });
}

#[test]
fn who_is_woken_by_the_last_event_before_the_end_is_not_at_an_end() {
    goes_well(async || {
        let polls = Cell::new(0);
        poll_fn(|cx| {
            polls.set(polls.get() + 1);
            if polls.get() < 5 {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Poll::Ready(())
        })
        .await;
    });
}

/// A number from a seed.
fn next(state: &mut u64, below: u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) % below
}

/// Random programs: a few tasks take a few locks, in any order, and sleep in between. In whatever way one ends, it ends:
/// either all its tasks do and nothing was reported, or a circle was.
#[test]
fn of_random_programs_those_are_reported_that_do_not_end() {
    let (mut ended, mut stuck) = (0, 0);
    for seed in 0..common::scaled(400, 10) as u64 {
        let is_ordered = seed % 2 == 0;
        let (output, deadlocks) = outcome(OnDeadlock::Report, async || {
            let mut state = seed;
            let locks = [(); 4].map(|()| Rc::new(Lock::new(())));
            let tasks: Vec<_> = (0..2 + next(&mut state, 4))
                .map(|_| {
                    let mut wanted: Vec<usize> = (0..3).map(|_| next(&mut state, 4) as usize).collect();
                    wanted.sort_unstable();
                    wanted.dedup();
                    if !is_ordered {
                        let middle = next(&mut state, wanted.len() as u64) as usize;
                        wanted.rotate_left(middle);
                    }
                    let pauses: Vec<_> = wanted.iter().map(|_| next(&mut state, 4) as u32).collect();
                    let locks = locks.clone();
                    spawn(async move {
                        let mut guards = Vec::new();
                        for (index, pause) in wanted.into_iter().zip(pauses) {
                            guards.push(locks[index].acquire().await);
                            sleep(pause * SECOND).await;
                        }
                    })
                })
                .collect();
            join_all(tasks).await;
        });
        if output.is_ok() {
            ended += 1;
            assert_eq!(deadlocks, [], "seed {seed}");
        } else {
            stuck += 1;
            assert!(!is_ordered, "in one order there is no circle, seed {seed}");
            assert!(
                deadlocks.iter().all(|deadlock| !deadlock.cycles.is_empty()),
                "seed {seed}: {deadlocks:?}"
            );
            let is_total = |deadlock: &Deadlock| deadlock.is_total;
            assert_eq!(
                deadlocks.iter().filter(|deadlock| is_total(deadlock)).count(),
                1,
                "seed {seed}: {deadlocks:?} {output:?}"
            );
        }
    }
    assert!(ended > 0 && stuck > 0, "{ended} ended, {stuck} stuck");
}

/// What the tasks of one random program share.
struct Chance {
    locks: [Lock<()>; 3],
    state: Cell<u64>,
    /// Tasks that have done all they had to do.
    ended: RefCell<Vec<TaskId>>,
}

impl Chance {
    fn draw(&self, below: u64) -> u64 {
        let mut state = self.state.get();
        let number = next(&mut state, below);
        self.state.set(state);
        number
    }

    /// A task of a random program: it also spawns while it holds a lock, and awaits what it has spawned: alone, side by
    /// side, in a group, or for a while only.
    fn spawn(self: &Rc<Self>, depth: u32) -> task::JoinHandle<()> {
        spawn(self.clone().task(depth))
    }

    async fn task(self: Rc<Self>, depth: u32) {
        self.clone().run(depth).await;
        self.ended.borrow_mut().push(task::current().id());
    }

    fn run(self: Rc<Self>, depth: u32) -> Pin<Box<dyn Future<Output = ()>>> {
        Box::pin(async move {
            let guard = self.locks[self.draw(3) as usize].acquire().await;
            sleep(self.draw(3) as u32 * SECOND).await;
            if self.draw(3) == 0 {
                drop(guard);
            }
            let (deeper, again) = (depth + 1, || self.clone().run(depth + 1));
            match self.draw(6) {
                _ if depth == 2 => {}
                0 => self.spawn(deeper).await.unwrap(),
                1 => drop(join_all([self.spawn(deeper), spawn(sleep(SECOND))]).await),
                2 => _ = join!(self.spawn(deeper), again()),
                3 => _ = timeout(SECOND, self.spawn(deeper)).await,
                4 => {
                    let group = TaskGroup::<Infallible>::run(async |group| {
                        group.spawn(self.clone().task(deeper));
                        group.spawn(sleep(SECOND));
                        Ok(())
                    });
                    group.await.unwrap();
                }
                _ => drop(join_all([again(), again()]).await),
            }
        })
    }
}

#[test]
fn of_random_programs_that_await_what_they_spawn_only_those_are_named_that_never_go_on() {
    let (mut ended, mut stuck) = (0, 0);
    for seed in 0..common::scaled(1_000, 10) as u64 {
        let deadlocks = Rc::new(RefCell::new(Vec::new()));
        let seen = deadlocks.clone();
        let executor = Executor::builder().clock(Clock::paused()).on_report(move |report| {
            if let Report::Deadlock(deadlock) = report {
                seen.borrow_mut().push(deadlock.clone());
            }
        });
        let chance = Rc::new(Chance {
            locks: [(); 3].map(Lock::new),
            state: Cell::new(seed),
            ended: RefCell::default(),
        });
        let program = async {
            let _tasks = [chance.spawn(0), chance.spawn(0)];
            sleep(60 * SECOND).await;
        };
        executor.build().block_on(program);
        let named: Vec<TaskId> = deadlocks
            .borrow()
            .iter()
            .flat_map(|deadlock| deadlock.cycles.iter().flatten().chain(&deadlock.behind))
            .map(|status| status.task.id())
            .collect();
        if named.is_empty() {
            ended += 1;
        } else {
            stuck += 1;
        }
        let wrong: Vec<_> = named.iter().filter(|id| chance.ended.borrow().contains(id)).collect();
        assert!(wrong.is_empty(), "seed {seed}: {wrong:?} went on");
    }
    let least = common::scaled(100, 0);
    assert!(ended >= least && stuck >= least, "{ended} without a circle, {stuck} with one");
}
