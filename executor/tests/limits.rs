//! What there is only so much of. A program of its own, as the limits are those of a process.
#![cfg(not(loom))]

mod common;

use common::executor;
use runtime_executor::{Executor, spawn};
use std::panic::{AssertUnwindSafe, catch_unwind};

const MAX_RUNTIMES: usize = 4_096;

#[test]
#[cfg_attr(miri, ignore = "four thousand runtimes take Miri an hour")]
fn the_4097th_runtime_of_a_process_is_refused_and_a_place_that_was_left_is_good_again() {
    let mut all: Vec<Executor> = (0..MAX_RUNTIMES).map(|_| executor()).collect();
    for _ in 0..2 {
        let refused = catch_unwind(AssertUnwindSafe(|| drop(executor()))).unwrap_err();
        let message = refused.downcast_ref::<String>().unwrap();
        assert!(message.contains("4096 runtimes live in this process already"), "{message}");
    }
    all.swap_remove(17);
    let last = executor();
    assert_eq!(last.block_on(async { spawn(async { 7 }).await.unwrap() }), 7);
    assert!(catch_unwind(AssertUnwindSafe(|| drop(executor()))).is_err());
    assert_eq!(all[0].block_on(async { spawn(async { 7 }).await.unwrap() }), 7);
    drop(all);
    assert_eq!(executor().block_on(async { 7 }), 7);
}

#[test]
fn limits_of_nothing_are_refused_with_a_sentence() {
    let refusal = |f: fn()| *catch_unwind(f).unwrap_err().downcast::<&str>().unwrap();
    assert!(refusal(|| drop(Executor::builder().budget(0))).contains("use at least 1"));
    assert!(refusal(|| drop(Executor::builder().blocking_threads(0))).contains("use at least 1"));
}
