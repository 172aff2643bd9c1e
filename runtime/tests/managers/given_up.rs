//! Calls that are given up: nothing is left of them, and what was on its way to them goes to others.

use super::{ask, soon, until};
use runtime::{
    process::{LockError, Manager, ManagerError},
    spawn_blocking,
    time::timeout,
};
use std::{pin::pin, time::Duration};

#[runtime::test]
async fn a_lock_whose_grant_comes_too_late_goes_to_the_next() {
    let manager = Manager::start().await.unwrap();
    let lock = manager.lock().await.unwrap();
    let guard = lock.acquire().await.unwrap();
    {
        let mut given_up = pin!(lock.acquire());
        ask(given_up.as_mut()).await;
        // The manager grants it, and nobody looks.
        guard.release().await.unwrap();
    }
    // Who gives up has not held it, and so has not died with it.
    drop(soon(lock.acquire()).await.unwrap());
}

#[runtime::test]
async fn who_gives_up_waiting_for_a_lock_is_not_in_the_way() {
    let manager = Manager::start().await.unwrap();
    let lock = manager.lock().await.unwrap();
    let guard = lock.acquire().await.unwrap();
    {
        let mut given_up = pin!(lock.acquire());
        ask(given_up.as_mut()).await;
    }
    // Not even asked.
    drop(lock.acquire());
    guard.release().await.unwrap();
    drop(soon(lock.acquire()).await.unwrap());
}

#[runtime::test]
async fn an_item_that_comes_too_late_is_the_first_again() {
    let manager = Manager::start().await.unwrap();
    let queue = manager.queue(None).await.unwrap();
    {
        let mut given_up = pin!(queue.get());
        ask(given_up.as_mut()).await;
        queue.put("first".to_owned()).await.unwrap();
        queue.put("second".to_owned()).await.unwrap();
    }
    until(async || queue.len().await.unwrap() == 2).await;
    assert_eq!(soon(queue.get()).await.unwrap(), "first");
    assert_eq!(soon(queue.get()).await.unwrap(), "second");
}

#[runtime::test]
async fn what_waits_for_room_and_is_given_up_is_not_put() {
    let manager = Manager::start().await.unwrap();
    let queue = manager.queue(Some(1)).await.unwrap();
    queue.put(1).await.unwrap();
    {
        let mut given_up = pin!(queue.put(2));
        ask(given_up.as_mut()).await;
    }
    assert_eq!(queue.get().await.unwrap(), 1);
    queue.put(3).await.unwrap();
    assert_eq!(queue.get().await.unwrap(), 3);
}

#[runtime::test]
async fn a_notification_that_comes_too_late_goes_to_the_next() {
    let manager = Manager::start().await.unwrap();
    let condition = manager.condition().await.unwrap();
    let mut second = pin!(async { condition.wait(condition.lock().await?).await });
    {
        let guard = condition.lock().await.unwrap();
        let mut first = pin!(condition.wait(guard));
        ask(first.as_mut()).await;
        // That they get the lock shows that the one before waits.
        drop(soon(condition.lock()).await.unwrap());
        ask(second.as_mut()).await;
        let guard = soon(async {
            loop {
                runtime::task::yield_now().await;
                let polled = futures_lite::future::poll_once(second.as_mut()).await;
                assert!(polled.is_none());
                if let Some(guard) = condition.try_lock().await.unwrap() {
                    break guard;
                }
            }
        })
        .await;
        condition.notify(1).await.unwrap();
        guard.release().await.unwrap();
        // The first is notified, has the lock, and is given up.
    }
    drop(soon(second).await.unwrap());
}

#[runtime::test]
async fn a_place_at_a_barrier_is_given_up() {
    let manager = Manager::start().await.unwrap();
    let barrier = manager.barrier(2).await.unwrap();
    {
        let mut given_up = pin!(barrier.wait());
        ask(given_up.as_mut()).await;
        until(async || barrier.waiting().await.unwrap() == 1).await;
    }
    until(async || barrier.waiting().await.unwrap() == 0).await;
    let (one, other) = soon(async { runtime::join!(barrier.wait(), barrier.wait()) }).await;
    assert_eq!(one.unwrap() + other.unwrap(), 1);
}

/// Against the clock, many times: each permit is somebody's or free.
#[runtime::test]
async fn no_permit_is_lost_at_the_limit() {
    let manager = Manager::start().await.unwrap();
    let (semaphore, queue) = (manager.semaphore(3).await.unwrap(), manager.queue(None).await.unwrap());
    let mut taken = 0;
    for micros in (0..200).map(|round| round * 3) {
        let limit = Duration::from_micros(micros);
        let permit = timeout(limit, semaphore.acquire()).await;
        queue.put(micros).await.unwrap();
        taken += usize::from(timeout(limit, queue.get()).await.is_ok());
        drop(permit);
    }
    until(async || semaphore.available_permits().await.unwrap() == 3).await;
    until(async || queue.len().await.unwrap() == 200 - taken).await;
}

#[runtime::test]
async fn a_blocking_wait_at_its_limit_leaves_nothing() {
    let manager = Manager::start().await.unwrap();
    let lock = manager.lock().await.unwrap();
    let queue = manager.queue::<u8>(None).await.unwrap();
    let guard = lock.acquire().await.unwrap();
    let (lock_there, queue_there) = (lock.clone(), queue.clone());
    let waits = spawn_blocking(move || {
        let limit = Duration::from_millis(2);
        let late = lock_there.blocking_acquire_timeout(limit);
        assert!(matches!(late, Err(LockError::Failed(ManagerError::Elapsed))));
        assert!(matches!(queue_there.blocking_get_timeout(limit), Err(ManagerError::Elapsed)));
    });
    soon(waits).await.unwrap();
    guard.release().await.unwrap();
    drop(soon(lock.acquire()).await.unwrap());
    queue.put(1).await.unwrap();
    assert_eq!(soon(queue.get()).await.unwrap(), 1);
}
