//! Stalls seen by a signal: whose they are, where in the code, and what the program's own signals make of it.
#![cfg(target_os = "linux")]

use runtime_executor::{
    Executor,
    inspect::{Probe, Stall},
    spawn, task,
    time::Instant,
};
use runtime_io::{Reactor, ThreadProbe};
use std::{
    sync::mpsc::{self, Receiver},
    time::Duration,
};

/// By then a stall was found, or never will be.
const TOO_LONG: Duration = Duration::from_secs(60);

fn watched() -> (Executor, Receiver<Stall>) {
    let (sender, stalls) = mpsc::channel();
    let reactor = Reactor::new().unwrap();
    let executor = Executor::builder()
        .park(reactor.clone())
        .extension(reactor)
        .watch_stalls(Duration::from_millis(4))
        .stall_probe(ThreadProbe::new().unwrap())
        .on_stall(move |stall| sender.send(stall.clone()).unwrap())
        .build();
    (executor, stalls)
}

/// Computes until somebody has noticed.
#[inline(never)]
fn number_crunching(stalls: &Receiver<Stall>) -> Stall {
    let deadline = Instant::now() + TOO_LONG;
    loop {
        if let Ok(stall) = stalls.try_recv() {
            return stall;
        }
        assert!(Instant::now() < deadline, "nobody noticed");
    }
}

#[test]
fn a_stall_is_told_with_the_task_that_runs_and_the_function_it_is_in() {
    let (executor, stalls) = watched();
    let stall = executor.block_on(async move {
        spawn(std::future::pending::<()>()).detach();
        task::Builder::new().name("cruncher").spawn(async move { number_crunching(&stalls) }).await.unwrap()
    });
    let task = stall.task.clone().unwrap();
    assert_eq!((task.id().get(), task.name()), (2, Some("cruncher")));
    assert!(task.spawned_at().unwrap().file().ends_with("stalls.rs"));
    if cfg!(feature = "stacks") {
        let text = stall.to_string();
        let ours = stall.stack.iter().position(|frame| {
            let in_function = frame.function.as_ref().is_some_and(|name| name.contains("number_crunching"));
            // Where there is no debug information, there are names only.
            let in_file = frame.file.as_ref().is_none_or(|file| file.ends_with("io/tests/stalls.rs"));
            in_function && in_file && frame.file.is_some() == frame.line.is_some()
        });
        assert!(ours.is_some(), "{text}");
        assert!(!text.contains("signal_handler") && !text.contains("event_loop"), "{text}");
    } else {
        assert!(stall.stack.is_empty());
    }
}

#[test]
fn a_thread_that_blocks_in_the_kernel_is_seen_too_and_goes_on_blocking() {
    let (executor, stalls) = watched();
    let stall = executor.block_on(async move {
        spawn(async move { stalls.recv_timeout(TOO_LONG).expect("the wait was not cut short") })
            .await
            .unwrap()
    });
    assert_eq!(stall.task.unwrap().id().get(), 1);
}

#[test]
fn a_thread_that_has_ended_gives_no_answer() {
    let probe = std::thread::scope(|scope| scope.spawn(|| ThreadProbe::new().unwrap()).join().unwrap());
    assert!(probe.look().is_none());
}
