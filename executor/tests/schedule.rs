//! The seam to a simulator: who arranges a batch, and what it cannot change.

mod common;

use common::Log;
use runtime_executor::{
    Batch, Executor, Handle, Schedule, join_all, spawn, spawn_blocking, task,
    task::yield_now,
    time::{Clock, sleep},
};
use std::{
    cell::{Cell, RefCell},
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    time::Duration,
};

/// Turns each batch round, and keeps what it saw.
#[derive(Clone, Default)]
struct Reversed(Rc<RefCell<Vec<Vec<u64>>>>);

impl Schedule for Reversed {
    fn arrange(&self, batch: &mut Batch<'_>) {
        self.0.borrow_mut().push((0..batch.len()).map(|i| batch.task(i).get()).collect());
        for i in 0..batch.len() / 2 {
            batch.swap(i, batch.len() - 1 - i);
        }
    }
}

#[test]
fn each_turn_shows_who_is_ready_in_the_order_of_waking() {
    let schedule = Reversed::default();
    let log = Log::default();
    Executor::builder().clock(Clock::paused()).schedule(schedule.clone()).build().block_on(async {
        join_all((1..=3).map(|n| {
            let log = log.clone();
            spawn(async move {
                log.add(format!("{n}"));
                sleep(Duration::from_secs(n)).await;
                log.add(format!("{n} again"));
            })
        }))
        .await;
    });
    assert_eq!(log.take(), ["3", "2", "1", "1 again", "2 again", "3 again"]);
    // The main task is number 0. A turn without anybody is none.
    let expected: &[&[u64]] = &[&[0], &[1, 2, 3], &[1], &[0], &[2], &[0], &[3], &[0]];
    assert_eq!(*schedule.0.borrow(), expected);
}

#[test]
fn a_woken_task_is_polled_once_before_any_is_polled_twice() {
    let log = Log::default();
    Executor::builder().schedule(Reversed::default()).build().block_on(async {
        join_all(["a", "b", "c"].map(|name| {
            let log = log.clone();
            spawn(async move {
                for _ in 0..4 {
                    log.add(name);
                    yield_now().await;
                }
            })
        }))
        .await;
    });
    for round in log.take().chunks(3) {
        let mut round = round.to_vec();
        round.sort();
        assert_eq!(round, ["a", "b", "c"]);
    }
}

/// Somebody's code, in the middle of the loop: it may use the runtime that it runs in.
struct Busy(Cell<u32>);

impl Schedule for Busy {
    fn arrange(&self, batch: &mut Batch<'_>) {
        self.0.set(self.0.get() + 1);
        match self.0.get() {
            1 => spawn(async {}).detach(),
            5 => Handle::current().stop(),
            _ => assert!(task::count() <= 2 && !format!("{batch:?}").is_empty()),
        }
    }
}

#[test]
fn whoever_arranges_may_spawn_and_stop() {
    let executor = Executor::builder().schedule(Busy(Cell::new(0))).build();
    let ended = executor.try_block_on(async {
        loop {
            yield_now().await;
        }
    });
    assert!(ended.is_err(), "stopped");
}

struct Broken;

impl Schedule for Broken {
    fn arrange(&self, batch: &mut Batch<'_>) {
        batch.swap(0, batch.len());
    }
}

#[test]
fn one_that_panics_ends_the_run_and_no_task_is_lost() {
    let log = Log::default();
    let executor = Executor::builder().schedule(Broken).build();
    let dropped = log.on_drop("dropped");
    let ended = catch_unwind(AssertUnwindSafe(|| {
        executor.block_on(async {
            let _dropped = dropped;
            yield_now().await;
        });
    }));
    assert!(ended.is_err());
    drop(executor);
    assert_eq!(log.take(), ["dropped"]);
}

#[test]
#[should_panic(expected = "this runtime has no threads")]
fn without_threads_no_job_is_taken() {
    Executor::builder().without_threads().build().block_on(async {
        spawn_blocking(|| ()).detach();
    });
}
