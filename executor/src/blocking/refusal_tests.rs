//! Stories of jobs that the pool refuses: what their handles say. (From outside, a pool that refuses cannot be had.)

use super::{
    pool::{Config, Pool},
    spawn_on,
    tests::{one, witness},
};
use crate::{Executor, task::yield_now};
use std::{
    io,
    panic::Location,
    pin::pin,
    task::{Context, Poll, Waker},
};

#[test]
fn the_handle_says_why_a_job_was_refused() {
    let start = |_, _| Err(io::ErrorKind::WouldBlock.into());
    let pool = Pool::with(Config { start, ..one() });
    let (job, fate) = witness();
    Executor::builder().build().block_on(async {
        let handle = spawn_on(&pool, job, Location::caller());
        assert!(fate.recv().is_err(), "the closure is dropped at once");
        let error = handle.await.unwrap_err();
        assert!(error.is_panic());
        let text = error.to_string();
        assert!(
            text.contains("panicked: spawn_blocking: no thread can be created for blocking jobs"),
            "{text}"
        );
    });
}

#[test]
fn a_job_of_a_closed_pool_leaves_its_handle_to_the_end_of_the_runtime() {
    let pool = Pool::with(one());
    assert_eq!(pool.shutdown(None), 0);
    let executor = Executor::builder().build();
    let (job, fate) = witness();
    let mut left = None;
    executor.block_on(async {
        let handle = left.insert(spawn_on(&pool, job, Location::caller()));
        yield_now().await;
        assert!(!handle.is_finished());
    });
    assert!(fate.recv().is_err());
    drop(executor);
    let waited = pin!(left.unwrap()).poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(waited, Poll::Ready(Err(error)) if error.is_cancelled()));
}
