//! How many wakers of a task are out: the number that tells whether anybody could still wake it. In a program of
//! its own, and one story after the other, as wakers that former runtimes left behind are counted, too.
#![cfg(not(loom))]

mod common;

use common::{elsewhere, executor, own_waker};
use runtime_executor::{spawn, task::yield_now};
use std::{
    future::{pending, poll_fn},
    sync::{Mutex, MutexGuard, PoisonError, mpsc},
    task::{Poll, Waker},
};

static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The index of the runtime and the number of the slot, from the integer that a waker is.
fn parts(waker: &Waker) -> (usize, usize) {
    (waker.data().addr() >> 52, waker.data().addr() & 0xff_ffff)
}

#[test]
fn clones_are_counted_wherever_they_are_made_and_dropped() {
    let _alone = alone();
    executor().block_on(async {
        let (give, take) = mpsc::channel();
        let handle = spawn(poll_fn(move |context| -> Poll<()> {
            give.send(context.waker().clone()).unwrap();
            Poll::Pending
        }));
        yield_now().await;
        let waker = take.recv().unwrap();
        assert_eq!(handle.waker_count(), Some(1));
        let here = [waker.clone(), waker.clone()];
        let there = elsewhere(|| [waker.clone(), waker.clone(), waker.clone()]);
        assert_eq!(handle.waker_count(), Some(6));
        elsewhere(move || drop(here));
        assert_eq!(handle.waker_count(), Some(4));
        drop(there);
        assert_eq!(handle.waker_count(), Some(1));
        waker.wake();
        assert_eq!(handle.waker_count(), Some(0), "waking by value uses it up");
        yield_now().await;
        assert_eq!(handle.waker_count(), Some(1), "polled again");
        let again = take.recv().unwrap();
        elsewhere(move || again.wake());
        assert_eq!(handle.waker_count(), Some(0));
        handle.cancel_and_wait().await.unwrap_err();
    });
}

#[test]
fn waiting_for_something_of_ours_holds_no_clone() {
    let _alone = alone();
    executor().block_on(async {
        let joined = spawn(pending::<()>());
        let cancel = joined.cancel_handle();
        let joiner = spawn(joined);
        let sleeper = spawn(runtime_executor::time::sleep(std::time::Duration::from_secs(3600)));
        let group = spawn(runtime_executor::join_all([pending::<()>(), pending()]));
        // Another story's runtime may have left wakers of these slots behind, which count too.
        let counts = || [joiner.waker_count(), sleeper.waker_count(), group.waker_count()];
        let before = counts();
        yield_now().await;
        assert_eq!(counts(), before);
        cancel.cancel();
        joiner.await.unwrap().unwrap_err();
        sleeper.cancel();
        group.cancel();
    });
}

/// A waker of a former runtime under the same index, cloned where the new one has no such slot yet and dropped
/// where it has: the new slot's count must not suffer.
#[test]
fn clones_of_a_stale_waker_do_not_upset_the_count_of_the_slots_next_user() {
    let _alone = alone();
    let slot = 100;
    let first = executor();
    let stale = first.block_on(async {
        let wakers = runtime_executor::join_all((0..slot + 10).map(|_| spawn(own_waker()))).await;
        let mut wakers = wakers.into_iter().map(Result::unwrap);
        wakers.find(|waker| parts(waker).1 == slot).unwrap()
    });
    drop(first);
    let second = executor();
    let is_same_index = second.block_on(async { parts(&own_waker().await).0 == parts(&stale).0 });
    assert!(is_same_index, "nobody else takes indexes here");
    second.block_on(async {
        let early = stale.clone();
        let (give, take) = mpsc::channel();
        let handles: Vec<_> = (0..slot + 10)
            .map(|_| {
                let give = give.clone();
                spawn(poll_fn(move |context| -> Poll<()> {
                    give.send(context.waker().clone()).unwrap();
                    Poll::Pending
                }))
            })
            .collect();
        yield_now().await;
        let wakers: Vec<Waker> = take.try_iter().collect();
        let place = wakers.iter().position(|waker| parts(waker).1 == slot).unwrap();
        drop((early, stale));
        assert_eq!(handles[place].waker_count(), Some(1), "its own waker is still held");
        drop(wakers);
        assert_eq!(handles[place].waker_count(), Some(0));
    });
}
