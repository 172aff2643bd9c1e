//! Managers, with their processes: what each type does, what is left of what was given up, what follows a death.

#![cfg(all(target_os = "linux", feature = "process-pool", feature = "macros", not(miri)))]

mod deaths;
mod given_up;
mod lifetimes;
mod limits;
mod types;

use runtime::{
    process::{Manager, ManagerError},
    time::{sleep, timeout},
};
use std::{fmt::Debug, pin::Pin, task::Poll, time::Duration};

/// The longest that anything may take; only failures wait so long.
const LIMIT: Duration = Duration::from_secs(60);

/// Has a future ask, and sees that it waits.
async fn ask<F: Future<Output: Debug>>(mut future: Pin<&mut F>) {
    std::future::poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => panic!("it did not wait: {output:?}"),
        Poll::Pending => Poll::Ready(()),
    })
    .await;
}

/// What comes within the limit.
async fn soon<F: Future>(future: F) -> F::Output {
    timeout(LIMIT, future).await.expect("it does not come")
}

/// Asks again and again until the answer is yes: for what becomes true in another process.
async fn until(mut is_so: impl AsyncFnMut() -> bool) {
    soon(async {
        while !is_so().await {
            sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

/// How many descriptors a process has open.
fn descriptors(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}

fn is_gone<T: Debug>(result: &Result<T, ManagerError>) -> bool {
    matches!(result, Err(ManagerError::Gone))
}

#[runtime::test]
async fn a_manager_ends_when_it_is_told_to() {
    let manager = Manager::start().await.unwrap();
    let list = manager.list([1]).await.unwrap();
    assert!(soon(manager.shutdown()).await.unwrap().success());
    assert!(is_gone(&list.len().await));
    assert!(is_gone(&list.push(2).await));
}

#[runtime::test]
async fn a_manager_that_is_dropped_is_killed() {
    let manager = Manager::start().await.unwrap();
    let (pid, list) = (manager.pid(), manager.list([1]).await.unwrap());
    let waits = list.clone();
    drop(manager);
    until(async || is_gone(&waits.len().await)).await;
    until(async || descriptors(pid) == 0).await;
}
