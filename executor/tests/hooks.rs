//! Closures that are called as tasks come and go, and reports of tasks that nobody asks about.

mod common;

use common::{FakePark, Log};
use runtime_executor::{
    Executor, OnExit, Report, spawn, spawn_blocking,
    task::{self, yield_now},
    time::{Clock, sleep},
};
use runtime_sync::Event;
use std::{cell::Cell, future::pending, rc::Rc, time::Duration};

/// An executor whose hooks for tasks write down what they are told.
fn logging(log: &Log) -> runtime_executor::Builder {
    let [spawned, polled, ended] = [log.clone(), log.clone(), log.clone()];
    Executor::builder()
        .clock(Clock::paused())
        .on_task_spawn(move |task| spawned.add(format!("spawn {}", task.id().get())))
        .on_task_poll(move |task, stage| polled.add(format!("{stage:?} {}", task.id().get()).to_lowercase()))
        .on_task_end(move |task| ended.add(format!("end {}", task.id().get())))
}

#[test]
fn a_task_that_is_cancelled_ends_without_a_poll_and_one_that_panics_after_it() {
    let log = Log::default();
    logging(&log).build().block_on(async {
        let cancelled = spawn(pending::<()>());
        let panicking = spawn(async { panic!("expected") });
        cancelled.cancel();
        assert!(cancelled.await.is_err());
        assert!(panicking.await.is_err());
    });
    let expected = [
        "before 0", "spawn 1", "spawn 2", "after 0", "end 1", "before 2", "after 2", "end 2", "before 0",
        "after 0",
    ];
    assert_eq!(log.take(), expected);
}

#[test]
fn a_hook_is_told_the_name_and_tasks_that_the_runtime_ends_are_ended_too() {
    let log = Log::default();
    let names = log.clone();
    let executor = Executor::builder().on_task_end(move |task| names.add(task.to_string())).build();
    executor.block_on(async {
        task::Builder::new().name("stray").spawn(pending::<()>()).detach();
        yield_now().await;
    });
    assert!(log.take().is_empty());
    drop(executor);
    let [ended] = &log.take()[..] else { panic!("one task") };
    assert!(ended.starts_with("task 1 'stray' (spawned at "), "{ended}");
}

#[test]
fn what_a_hook_does_calls_no_hook_and_a_panic_in_it_harms_nobody() {
    let log = Log::default();
    let [spawned, ended] = [log.clone(), log.clone()];
    let executor = Executor::builder()
        .on_task_spawn(move |task| {
            spawned.add(format!("spawn {}", task.id().get()));
            spawn(async {}).detach(); // would spawn for ever
        })
        .on_task_poll(|_, _| panic!("a hook's own fault"))
        .on_task_end(move |task| ended.add(format!("end {}", task.id().get())))
        .build();
    executor.block_on(async { spawn(async {}).await.unwrap() });
    drop(executor);
    assert_eq!(log.take(), ["spawn 1", "end 2", "end 1"]);
}

#[test]
fn the_loop_says_when_it_goes_to_sleep_and_when_it_wakes_up_and_a_mere_question_is_no_sleep() {
    let log = Log::default();
    let park = FakePark::new();
    let [parks, unparked, slept] = [log.clone(), log.clone(), log.clone()];
    park.on_park(move |timeout| {
        slept.add(format!("parked {}", timeout.is_some_and(|limit| limit.is_zero())));
    });
    let executor = Executor::builder()
        .park(park)
        .on_park(move || parks.add("parks"))
        .on_unpark(move || unparked.add("unparked"))
        .build();
    executor.block_on(async {
        yield_now().await;
        sleep(Duration::from_nanos(1)).await;
    });
    let transcript = log.take();
    // How often depends on the real clock, as this park does not block.
    let rounds: Vec<_> = transcript.chunks(3).collect();
    assert!(rounds.iter().all(|round| *round == ["parks", "parked false", "unparked"]), "{transcript:?}");
}

#[test]
fn many_who_wait_cost_an_idle_program_no_wake_up_of_their_own() {
    let sleeps = Rc::new(Cell::new(0));
    let counted = Rc::clone(&sleeps);
    // The real clock: a virtual one never sleeps.
    let executor = Executor::builder().on_park(move || counted.set(counted.get() + 1)).build();
    executor.block_on(async {
        let never = Rc::new(Event::new());
        for _ in 0..20 {
            let never = Rc::clone(&never);
            spawn(async move { never.wait().await }).detach();
        }
        // They are looked at for the first time, which is put off until it has been quiet for a while.
        sleep(Duration::from_millis(120)).await;
        sleeps.set(0);
        for _ in 0..4 {
            sleep(Duration::from_millis(120)).await;
        }
    });
    assert_eq!(sleeps.get(), 4, "one per timer");
}

/// An executor whose reports are written down.
fn reporting(on_exit: OnExit) -> (Executor, Log) {
    let log = Log::default();
    let reports = log.clone();
    let executor = Executor::builder()
        .on_exit(on_exit)
        .on_report(move |report| {
            reports.add(match report {
                Report::Panicked { task, message, .. } => format!("{} panicked: {message:?}", task.id()),
                Report::NeverRan { task, others, .. } => {
                    format!("{} and {others} others never ran", task.id())
                }
                other => format!("{other:?}"),
            });
        })
        .build();
    (executor, log)
}

#[test]
fn a_panic_that_nobody_will_ask_about_is_reported_and_one_that_somebody_may_is_not_yet() {
    let (executor, log) = reporting(OnExit::Cancel);
    executor.block_on(async {
        spawn(async { panic!("unheard") }).detach();
        spawn(async { std::panic::panic_any(7) }).detach();
        let kept = spawn(async { panic!("heard") });
        let dropped = spawn(async { panic!("dropped later") });
        yield_now().await;
        yield_now().await;
        assert_eq!(log.take(), ["task 1 panicked: Some(\"unheard\")", "task 2 panicked: None"]);
        kept.await.unwrap_err();
        drop(dropped);
        assert!(log.take().is_empty(), "not in the middle of this poll");
        yield_now().await;
        assert_eq!(log.take(), ["task 4 panicked: Some(\"dropped later\")"]);
    });
}

#[test]
#[cfg(debug_assertions)]
fn a_task_that_had_no_turn_before_the_runtime_ended_is_reported_unless_that_was_meant() {
    let (executor, log) = reporting(OnExit::Cancel);
    executor.block_on(async {
        spawn(pending::<()>()).detach();
        yield_now().await;
        // Each of these is spawned in the last turn.
        spawn(async {}).detach();
        spawn(async {}).detach();
        spawn(async {}).cancel();
        task::Builder::new().daemon(true).spawn(async {}).detach();
        spawn_blocking(|| ()).detach();
    });
    assert!(log.take().is_empty(), "they may have their turns in the next run");
    drop(executor);
    assert_eq!(log.take(), ["task 2 and 1 others never ran"]);

    let (executor, log) = reporting(OnExit::Wait);
    executor.block_on(async { spawn(async {}).detach() });
    drop(executor);
    assert!(log.take().is_empty(), "it had its turn");
}
