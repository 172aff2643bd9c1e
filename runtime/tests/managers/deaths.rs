//! What follows when somebody dies: who holds something, who waits, and the manager itself.

#![expect(clippy::needless_pass_by_value, reason = "what comes to another process is owned there")]

use super::{ask, is_gone, soon, until};
use runtime::{
    process::{
        LockError, ManagedBarrier, ManagedCondition, ManagedEvent, ManagedList, ManagedLock,
        ManagedLockError, ManagedQueue, ManagedRLock, ManagedSemaphore, Manager, ManagerError, Process,
    },
    spawn, spawn_blocking,
};
use std::pin::pin;

/// Takes everything, says so, and keeps it.
async fn hold(lock: ManagedLock, rlock: ManagedRLock, semaphore: ManagedSemaphore, holds: ManagedEvent) {
    let _lock = lock.acquire().await.unwrap();
    let _rlocks = (rlock.acquire().await.unwrap(), rlock.acquire().await.unwrap());
    let _permits = semaphore.acquire_many(2).await.unwrap();
    holds.set().await.unwrap();
    holds.clear().await.unwrap();
    holds.wait().await.unwrap();
}

#[runtime::test]
async fn what_a_killed_process_held_goes_to_the_next_who_is_told() {
    let manager = Manager::start().await.unwrap();
    let (lock, rlock) = (manager.lock().await.unwrap(), manager.rlock().await.unwrap());
    let (semaphore, holds) = (manager.semaphore(3).await.unwrap(), manager.event().await.unwrap());
    let holder =
        Process::spawn(hold, (lock.clone(), rlock.clone(), semaphore.clone(), holds.clone())).unwrap();
    soon(holds.wait()).await.unwrap();
    until(async || !holds.is_set().await.unwrap()).await;
    assert_eq!(semaphore.available_permits().await.unwrap(), 1);
    let mut waits = pin!(lock.acquire());
    ask(waits.as_mut()).await;
    holder.kill().unwrap();
    let Err(LockError::OwnerDied(guard)) = soon(waits).await else { panic!("the holder is dead") };
    drop(guard);
    let Err(LockError::OwnerDied(guard)) = lock.try_acquire().await else { panic!("nobody has mended it") };
    guard.mend();
    guard.release().await.unwrap();
    drop(lock.acquire().await.unwrap());
    soon(rlock.acquire()).await.unwrap_err().recover().unwrap().release().await.unwrap();
    soon(semaphore.acquire_many(3)).await.unwrap().release().await.unwrap();
    soon(holder.join()).await.unwrap_err();
}

async fn wait_for_all(lock: ManagedLock, queue: ManagedQueue<u32>, waits: ManagedEvent) {
    let mut lock = pin!(lock.acquire());
    let mut item = pin!(queue.get());
    ask(lock.as_mut()).await;
    ask(item.as_mut()).await;
    waits.set().await.unwrap();
    runtime::join!(lock, item).1.unwrap();
}

#[runtime::test]
async fn who_is_killed_waiting_is_forgotten() {
    let manager = Manager::start().await.unwrap();
    let (lock, queue) = (manager.lock().await.unwrap(), manager.queue(None).await.unwrap());
    let waits = manager.event().await.unwrap();
    let guard = lock.acquire().await.unwrap();
    let waiter = Process::spawn(wait_for_all, (lock.clone(), queue.clone(), waits.clone())).unwrap();
    soon(waits.wait()).await.unwrap();
    waiter.kill().unwrap();
    soon(waiter.join()).await.unwrap_err();
    guard.release().await.unwrap();
    drop(soon(lock.acquire()).await.unwrap());
    queue.put(7).await.unwrap();
    assert_eq!(soon(queue.get()).await.unwrap(), 7);
}

/// Takes items, and is killed while it does.
fn take(queue: ManagedQueue<u32>, taken: ManagedQueue<u32>) {
    loop {
        let item = queue.blocking_get().unwrap();
        taken.blocking_put(item).unwrap();
    }
}

/// An item that a killed process was given is taken, or goes to the next. (It may have been taken and not been passed on: then
/// it is lost with the process. Here at most the one that it had in hand.)
#[runtime::test]
async fn of_a_queue_no_more_is_lost_than_what_was_in_hand() {
    let manager = Manager::start().await.unwrap();
    let (queue, taken) = (manager.queue(None).await.unwrap(), manager.queue(None).await.unwrap());
    const KILLS: u32 = 5;
    let mut put = 0;
    for _ in 0..KILLS {
        let taker = Process::spawn(take, (queue.clone(), taken.clone())).unwrap();
        for _ in 0..50 {
            queue.put(put).await.unwrap();
            put += 1;
        }
        until(async || !taken.is_empty().await.unwrap()).await;
        taker.kill().unwrap();
        soon(taker.join()).await.unwrap_err();
    }
    let mut seen = Vec::new();
    until(async || {
        for from in [&queue, &taken] {
            while let Ok(item) = from.try_get().await {
                seen.push(item);
            }
        }
        seen.len() as u32 >= put - KILLS
    })
    .await;
    let all = seen.len();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), all, "an item came twice");
    assert!(all as u32 >= put - KILLS);
}

fn wait_there(barrier: ManagedBarrier) {
    let _ = barrier.blocking_wait();
}

#[runtime::test]
async fn a_barrier_breaks_if_one_who_waits_is_killed() {
    let manager = Manager::start().await.unwrap();
    let barrier = manager.barrier(3).await.unwrap();
    let waiter = Process::spawn(wait_there, barrier.clone()).unwrap();
    let mut waits = pin!(barrier.wait());
    ask(waits.as_mut()).await;
    until(async || barrier.waiting().await.unwrap() == 2).await;
    waiter.kill().unwrap();
    assert!(matches!(soon(waits).await, Err(ManagerError::Broken)));
    soon(waiter.join()).await.unwrap_err();
}

fn sleep_on(condition: ManagedCondition, sleeps: ManagedEvent) {
    let guard = condition.blocking_lock().unwrap();
    sleeps.blocking_set().unwrap();
    let _ = condition.blocking_wait(guard);
}

#[runtime::test]
async fn a_notification_does_not_go_to_the_dead() {
    let manager = Manager::start().await.unwrap();
    let (condition, sleeps) = (manager.condition().await.unwrap(), manager.event().await.unwrap());
    let sleeper = Process::spawn(sleep_on, (condition.clone(), sleeps.clone())).unwrap();
    soon(sleeps.wait()).await.unwrap();
    let guard = soon(condition.lock()).await.unwrap();
    let mut waits = pin!(condition.wait(guard));
    ask(waits.as_mut()).await;
    let guard = soon(condition.lock()).await.unwrap();
    sleeper.kill().unwrap();
    soon(sleeper.join()).await.unwrap_err();
    condition.notify(1).await.unwrap();
    drop(guard);
    drop(soon(waits).await.unwrap());
}

fn is_cut_off<G>(result: &Result<G, ManagedLockError<G>>) -> bool {
    matches!(result, Err(LockError::Failed(ManagerError::Gone)))
}

/// Waits in every way there is, and tells how often it was told that the manager is gone.
async fn wait_in_every_way(
    lock: ManagedLock,
    queue: ManagedQueue<u32>,
    barrier: ManagedBarrier,
    waits: ManagedEvent,
) -> usize {
    let (lock_there, queue_there) = (lock.clone(), queue.clone());
    let blocks = [
        spawn_blocking(move || is_cut_off(&lock_there.blocking_acquire())),
        spawn_blocking(move || is_gone(&queue_there.blocking_get())),
    ];
    let event = spawn(async move { is_gone(&waits.wait().await) });
    let awaits = spawn(async move { runtime::join!(lock.acquire(), queue.get(), barrier.wait()) });
    let (lock, item, place) = awaits.await.unwrap();
    let mut gone = [is_cut_off(&lock), is_gone(&item), is_gone(&place), event.await.unwrap()]
        .map(usize::from)
        .iter()
        .sum();
    for block in blocks {
        gone += usize::from(block.await.unwrap());
    }
    gone
}

#[runtime::test]
async fn when_the_manager_is_killed_nobody_waits_any_more() {
    let manager = Manager::start().await.unwrap();
    let (lock, queue) = (manager.lock().await.unwrap(), manager.queue(None).await.unwrap());
    let (barrier, waits) = (manager.barrier(4).await.unwrap(), manager.event().await.unwrap());
    let guard = lock.acquire().await.unwrap();
    let arguments = || (lock.clone(), queue.clone(), barrier.clone(), waits.clone());
    let waiters = [(); 2].map(|()| Process::spawn(wait_in_every_way, arguments()).unwrap());
    let here = spawn({
        let (lock, queue, barrier, waits) = arguments();
        async move { wait_in_every_way(lock, queue, barrier, waits).await }
    });
    until(async || barrier.waiting().await.unwrap() == 3).await;
    kill(manager.pid());
    assert_eq!(soon(here).await.unwrap(), 6);
    for waiter in waiters {
        assert_eq!(soon(waiter.join()).await.unwrap(), 6);
    }
    // Who held something can only find out.
    assert!(is_gone(&guard.release().await));
    assert!(is_gone(&manager.list::<u32>([]).await));
    assert_eq!(soon(manager.shutdown()).await.unwrap().to_string(), "signal: 9 (SIGKILL)");
}

fn kill(pid: u32) {
    let status = std::process::Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap();
    assert!(status.success());
}

/// A manager is a process of the terminal's group, and ^C goes to all of them.
#[runtime::test]
async fn a_manager_does_not_end_at_an_interrupt() {
    let manager = Manager::start().await.unwrap();
    let list = manager.list([1]).await.unwrap();
    let status =
        std::process::Command::new("kill").args(["-2", &manager.pid().to_string()]).status().unwrap();
    assert!(status.success());
    list.push(2).await.unwrap();
    assert_eq!(list.to_vec().await.unwrap(), [1, 2]);
}

/// Starts a manager, gives what it has of it away, and ends without a word.
fn owner(numbers: ManagedQueue<u32>, lists: ManagedQueue<ManagedList<u8>>) {
    let manager = Manager::blocking_start().unwrap();
    lists.blocking_put(manager.blocking_list([7]).unwrap()).unwrap();
    numbers.blocking_put(manager.pid()).unwrap();
    lists.blocking_join().unwrap();
}

#[runtime::test]
async fn a_manager_ends_with_who_started_it() {
    let manager = Manager::start().await.unwrap();
    let (numbers, lists) = (manager.queue(None).await.unwrap(), manager.queue(None).await.unwrap());
    let owner = Process::spawn(owner, (numbers.clone(), lists.clone())).unwrap();
    let list = soon(lists.get()).await.unwrap();
    let pid = soon(numbers.get()).await.unwrap();
    assert_eq!(list.to_vec().await.unwrap(), [7]);
    owner.kill().unwrap();
    soon(owner.join()).await.unwrap_err();
    until(async || is_gone(&list.to_vec().await)).await;
    until(async || super::descriptors(pid) == 0).await;
}
