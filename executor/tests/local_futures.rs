//! `task::local`: what must not leave its thread, behind a face that is `Send`. Miri watches.

#![expect(clippy::async_yields_async, reason = "takes futures out of the runtime that made them")]

mod common;

use common::{Drops, elsewhere, executor};
use runtime_executor::task::{self, yield_now};
use std::{
    future::{Future, pending},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    ptr,
    rc::Rc,
    sync::atomic::{AtomicPtr, Ordering},
    task::{Context, Waker},
};

fn insists<F: Future + Send + 'static>(future: F) -> F {
    future
}

#[test]
fn at_home_it_is_the_future() {
    let value = executor().block_on(async {
        let shared = Rc::new(6);
        let kept = shared.clone();
        let value = insists(task::local(async move {
            yield_now().await;
            *shared * 7
        }))
        .await;
        assert_eq!(Rc::strong_count(&kept), 1);
        value
    });
    assert_eq!(value, 42);
}

#[test]
fn polled_elsewhere_it_panics_with_a_sentence_and_is_dropped_at_home() {
    let drops = Drops::default();
    executor().block_on(async {
        let (value, shared) = (drops.value(), Rc::new(()));
        let mut local = insists(task::local(async move {
            let _kept = (value, shared);
            pending::<()>().await;
        }));
        assert!(common::poll_once(&mut local).await.is_pending());
        let caught = elsewhere(move || {
            let caught = catch_unwind(AssertUnwindSafe(|| {
                let local = pin!(local);
                let _ = local.poll(&mut Context::from_waker(Waker::noop()));
            }));
            caught.unwrap_err().downcast::<&str>().unwrap()
        });
        assert!(caught.contains("polled away from the runtime that made it"));
        assert_eq!(drops.count(), 0);
        yield_now().await;
        yield_now().await;
        drops.assert_here(1);
    });
}

#[test]
fn in_another_runtime_of_its_own_thread_it_is_refused_too() {
    let drops = Drops::default();
    let home = executor();
    let local = home.block_on(async {
        let value = drops.value();
        task::local(async move { drop(value) })
    });
    let caught = catch_unwind(AssertUnwindSafe(|| executor().block_on(local)));
    assert!(caught.is_err());
    assert_eq!(drops.count(), 0);
    home.block_on(yield_now());
    drops.assert_here(1);
}

#[test]
fn dropped_elsewhere_it_goes_home_also_between_two_runs() {
    let drops = Drops::default();
    let executor = executor();
    let local = executor.block_on(async {
        let (value, shared) = (drops.value(), Rc::new(()));
        task::local(async move { drop((value, shared)) })
    });
    elsewhere(move || drop(local));
    assert_eq!(drops.count(), 0);
    executor.block_on(yield_now());
    drops.assert_here(1);
}

#[test]
fn on_its_way_home_when_the_runtime_ends_it_is_dropped_there() {
    let drops = Drops::default();
    let executor = executor();
    let local = executor.block_on(async {
        let value = drops.value();
        task::local(async move { drop(value) })
    });
    elsewhere(move || drop(local));
    drop(executor);
    drops.assert_here(1);
}

#[test]
fn without_a_home_it_is_leaked_rather_than_dropped_on_a_foreign_thread() {
    // A pointer in a static, which checkers of leaks do not take for one.
    static KEPT: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());
    let drops = Drops::default();
    let local = executor().block_on(async {
        let value = drops.value();
        let mut local = task::local(async move {
            KEPT.store((&raw const value).cast_mut().cast(), Ordering::Relaxed);
            pending::<()>().await;
            drop(value);
        });
        assert!(common::poll_once(&mut local).await.is_pending());
        local
    });
    elsewhere(move || drop(local));
    assert_eq!(drops.count(), 0);
}
