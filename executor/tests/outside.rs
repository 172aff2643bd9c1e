//! Work that others do for a runtime: while it lasts neither virtual time nor despair sets in.
#![cfg(not(loom))]

use runtime_executor::{
    Executor, OutsideWork,
    time::{Clock, Instant, sleep},
};
use std::{
    future::pending,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::mpsc::{Sender, channel},
    thread::{self, JoinHandle},
    time::Duration,
};

const HOUR: Duration = Duration::from_secs(3600);

/// A runtime, and a thread that takes a piece of work and lets go of it once the runtime's thread is about to sleep.
fn asleep(clock: Clock) -> (Executor, Sender<OutsideWork>, JoinHandle<()>) {
    let (park, parked) = channel();
    let executor = Executor::builder().clock(clock).on_park(move || _ = park.send(())).build();
    let (give, given) = channel();
    let worker = move || {
        let work = given.recv();
        parked.recv().unwrap();
        drop(work);
    };
    (executor, give, thread::Builder::new().spawn(worker).unwrap())
}

#[test]
fn time_passes_when_it_is_done_also_if_nobody_is_woken() {
    let (executor, give, worker) = asleep(Clock::paused());
    executor.block_on(async {
        let start = Instant::now();
        give.send(OutsideWork::begin().unwrap()).unwrap();
        sleep(HOUR).await;
        assert_eq!(start.elapsed(), HOUR);
    });
    worker.join().unwrap();
}

#[test]
fn a_deadlock_is_told_when_it_is_done_and_not_before() {
    for clock in [Clock::real(), Clock::paused()] {
        let (executor, give, worker) = asleep(clock);
        let run = || {
            executor.block_on(async {
                give.send(OutsideWork::begin().unwrap()).unwrap();
                pending::<()>().await;
            });
        };
        let told = catch_unwind(AssertUnwindSafe(run)).unwrap_err();
        assert!(told.downcast_ref::<String>().unwrap().starts_with("deadlock"));
        // It has slept, and so it was not told at once.
        worker.join().unwrap();
    }
}

#[test]
fn what_is_done_after_the_runtime_has_ended_disturbs_nobody() {
    let executor = Executor::builder().build();
    let work = executor.block_on(async { (OutsideWork::begin().unwrap(), OutsideWork::begin().unwrap()) });
    drop(executor);
    drop(work);
}
