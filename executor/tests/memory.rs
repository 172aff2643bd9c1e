//! Memory returns to where it was, whatever came and went: counted by an allocator of our own. One test, as the
//! count is of the whole process.
#![cfg(not(loom))]

mod common;

use common::{
    allocator::{Allocator, live_bytes},
    elsewhere, executor, own_waker, scaled,
};
use runtime_executor::{
    Executor, Handle, join_all, spawn,
    task::{JoinHandle, yield_now},
    time,
};
use std::{future::pending, panic::resume_unwind, task::Waker, time::Duration};

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

const BATCH: usize = scaled(10_000, 20);

/// Spawns a batch and waits until all have run into their `pending`, if they have one.
async fn start<T: 'static>(make: impl Fn(usize) -> JoinHandle<T>) -> Vec<JoinHandle<T>> {
    let handles = (0..BATCH).map(make).collect();
    yield_now().await;
    handles
}

async fn spawned_and_joined() {
    for handle in start(|number| spawn(async move { vec![number; 3] })).await {
        handle.await.unwrap();
    }
}

async fn cancelled() {
    for handle in start(|number| {
        let text = number.to_string();
        spawn(async move {
            let _text = text;
            pending::<()>().await;
        })
    })
    .await
    {
        handle.cancel_and_wait().await.unwrap_err();
    }
}

async fn cancelled_before_their_first_poll() {
    let handles: Vec<_> = (0..BATCH).map(|number| spawn(async move { vec![number; 3] })).collect();
    for handle in handles.into_iter().map(JoinHandle::cancel_and_wait).collect::<Vec<_>>() {
        handle.await.unwrap_err();
    }
}

async fn detached() {
    start(|number| spawn(async move { vec![number; 3] })).await.into_iter().for_each(JoinHandle::detach);
    yield_now().await;
}

async fn panicked() {
    for handle in (0..BATCH / 100)
        .map(|number| spawn(async move { resume_unwind(Box::new(vec![number])) }))
        .collect::<Vec<_>>()
    {
        drop(handle.await.unwrap_err());
    }
}

async fn called_back() {
    for handle in start(|number| spawn(async move { number })).await {
        let text = String::from("captured");
        handle.on_done(move |_| drop(text));
        handle.await.unwrap();
    }
    let named =
        |number: usize| runtime_executor::task::Builder::new().name(number.to_string()).spawn(async {});
    for handle in (0..BATCH).map(named).collect::<Vec<_>>() {
        let text = String::from("captured");
        handle.on_done(move |_| drop(text));
        handle.await.unwrap();
    }
}

async fn joined_in_groups() {
    for _ in 0..BATCH {
        join_all([yield_now(), yield_now()]).await;
    }
    join_all((0..BATCH).map(async |_| yield_now().await)).await;
    let mut half = join_all((0..BATCH).map(|_| Box::pin(pending::<()>())));
    assert!(common::poll_once(&mut half).await.is_pending());
    drop(half);
    let mut half = join_all((0..BATCH).map(|_| Box::pin(pending::<()>())));
    assert!(common::poll_once(&mut half).await.is_pending());
    elsewhere(move || drop(half));
    yield_now().await;
}

async fn remembered_by_wakers() {
    let wakers = join_all((0..BATCH).map(|_| spawn(own_waker()))).await;
    let wakers: Vec<Waker> = wakers.into_iter().map(Result::unwrap).collect();
    elsewhere(|| wakers.iter().for_each(Waker::wake_by_ref));
    drop(wakers);
    // A waker that nobody ever drops keeps nothing alive.
    std::mem::forget(own_waker().await);
    yield_now().await;
}

async fn sent_from_elsewhere() {
    let handle = Handle::current();
    let remotes =
        elsewhere(|| (0..BATCH / 10).map(|number| handle.spawn(async move || number)).collect::<Vec<_>>());
    for remote in remotes {
        remote.await.unwrap();
    }
}

async fn timed() {
    let sleepers = start(|_| spawn(time::sleep(Duration::from_secs(3600)))).await;
    for sleeper in sleepers {
        sleeper.cancel_and_wait().await.unwrap_err();
    }
}

async fn of_all_sizes() {
    macro_rules! spawn_sizes {
        ($($size:literal)*) => {$(
            for _ in 0..BATCH / 100 {
                let bytes = [1_u8; $size];
                spawn(async move {
                    yield_now().await;
                    bytes.len()
                }).await.unwrap();
            }
        )*};
    }
    spawn_sizes!(1 10 100 200 400 800 900 1000 2000 5000);
}

/// Everything once.
fn round(executor: &Executor) {
    executor.block_on(async {
        spawned_and_joined().await;
        cancelled().await;
        cancelled_before_their_first_poll().await;
        detached().await;
        panicked().await;
        called_back().await;
        joined_in_groups().await;
        remembered_by_wakers().await;
        sent_from_elsewhere().await;
        timed().await;
        of_all_sizes().await;
    });
}

#[test]
fn memory_returns_to_where_it_was() {
    let executor = executor();
    round(&executor);
    let after_one = live_bytes();
    // A million tasks and more, in a usual run.
    for _ in 0..scaled(15, 2) {
        round(&executor);
    }
    let after_many = live_bytes();
    assert!(
        after_many <= after_one + after_one / 20,
        "{after_one} bytes after one round, {after_many} after many"
    );
    drop(executor);

    // Runtimes leave the block of their index behind, for the next one, and nothing else.
    let runtimes = |number| {
        for _ in 0..number {
            let executor = common::executor();
            executor.block_on(async {
                let handles = start(|number| spawn(async move { vec![number; 3] })).await;
                handles.into_iter().skip(BATCH / 2).for_each(JoinHandle::detach);
                let left = (0..BATCH / 2).map(|number| {
                    let text = number.to_string();
                    spawn(async move {
                        let _text = text;
                        pending::<()>().await;
                    })
                });
                left.for_each(JoinHandle::detach);
                std::mem::forget(time::sleep(Duration::from_secs(1)));
                yield_now().await;
            });
        }
    };
    runtimes(1);
    let after_one = live_bytes();
    runtimes(scaled(20, 3));
    let after_many = live_bytes();
    assert_eq!(after_many, after_one, "what one runtime leaves behind the next one uses");
}
