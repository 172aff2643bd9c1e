//! What each of the thirteen types does, in both forms.

use super::soon;
#[cfg(feature = "greenlet")]
use runtime::greenlet;
use runtime::{
    process::{LockError, Manager, ManagerError, Value},
    spawn, spawn_blocking,
};
use std::{collections::HashMap, time::Duration};

const MOMENT: Duration = Duration::from_millis(5);

#[runtime::test]
async fn a_list() {
    let manager = Manager::start().await.unwrap();
    let list = manager.list(["b".to_owned()]).await.unwrap();
    list.push("d".to_owned()).await.unwrap();
    list.extend(["e".to_owned(), "b".to_owned()]).await.unwrap();
    list.insert(0, "a".to_owned()).await.unwrap();
    list.insert(5, "z".to_owned()).await.unwrap();
    assert_eq!(list.set(2, "c".to_owned()).await.unwrap(), "d");
    assert_eq!(list.to_vec().await.unwrap(), ["a", "b", "c", "e", "b", "z"]);
    assert_eq!(list.get(3).await.unwrap().as_deref(), Some("e"));
    assert_eq!(list.get(6).await.unwrap(), None);
    assert_eq!(list.index_of(&"b".to_owned()).await.unwrap(), Some(1));
    assert_eq!(list.index_of(&"?".to_owned()).await.unwrap(), None);
    assert_eq!(list.count(&"b".to_owned()).await.unwrap(), 2);
    assert!(list.contains(&"z".to_owned()).await.unwrap());
    assert!(!list.contains(&"?".to_owned()).await.unwrap());
    assert_eq!(list.pop().await.unwrap().as_deref(), Some("z"));
    assert_eq!(list.remove(0).await.unwrap(), "a");
    assert_eq!(list.len().await.unwrap(), 4);
    let shortest = list.update(|items| {
        items.sort_unstable();
        items.dedup();
        items.remove(0)
    });
    assert_eq!(shortest.await.unwrap(), "b");
    assert_eq!(list.to_vec().await.unwrap(), ["c", "e"]);
    for beyond in [list.set(2, String::new()).await, list.remove(2).await] {
        assert!(matches!(beyond, Err(ManagerError::OutOfRange { len: 2 })), "{beyond:?}");
    }
    assert!(matches!(list.insert(3, String::new()).await, Err(ManagerError::OutOfRange { len: 2 })));
    list.clear().await.unwrap();
    assert!(list.is_empty().await.unwrap());
    assert_eq!(list.pop().await.unwrap(), None);
}

#[runtime::test]
async fn a_dict() {
    let manager = Manager::start().await.unwrap();
    let dict = manager.dict([("k".to_owned(), 1)]).await.unwrap();
    let key = str::to_owned;
    assert_eq!(dict.insert(key("a"), 2).await.unwrap(), None);
    assert_eq!(dict.insert(key("k"), 3).await.unwrap(), Some(1));
    dict.extend([(key("z"), 26), (key("y"), 25)]).await.unwrap();
    assert_eq!(dict.keys().await.unwrap(), ["k", "a", "z", "y"]);
    assert_eq!(dict.values().await.unwrap(), [3, 2, 26, 25]);
    assert_eq!(dict.get(&key("z")).await.unwrap(), Some(26));
    assert_eq!(dict.get(&key("?")).await.unwrap(), None);
    assert!(dict.contains_key(&key("a")).await.unwrap());
    assert!(!dict.contains_key(&key("?")).await.unwrap());
    assert_eq!(dict.get_or_insert(key("a"), 7).await.unwrap(), 2);
    assert_eq!(dict.get_or_insert(key("b"), 7).await.unwrap(), 7);
    assert_eq!(dict.pop().await.unwrap(), Some((key("b"), 7)));
    assert_eq!(dict.remove(&key("k")).await.unwrap(), Some(3));
    assert_eq!(dict.remove(&key("k")).await.unwrap(), None);
    dict.update(&key("a"), |count| count.map(|count| count * 10)).await.unwrap();
    dict.update(&key("new"), |count| Some(count.unwrap_or(100) + 1)).await.unwrap();
    dict.update(&key("z"), |_| None).await.unwrap();
    let map: HashMap<String, i32> = dict.to_map().await.unwrap();
    assert_eq!(map, HashMap::from([(key("a"), 20), (key("y"), 25), (key("new"), 101)]));
    assert_eq!(dict.len().await.unwrap(), 3);
    dict.clear().await.unwrap();
    assert!(dict.is_empty().await.unwrap());
    assert_eq!(dict.pop().await.unwrap(), None);
}

#[runtime::test]
async fn a_namespace_an_array_and_a_value() {
    let manager = Manager::start().await.unwrap();
    let names = manager.namespace().await.unwrap();
    names.set("x", 1).await.unwrap();
    names.set("y", vec!["a", "b"]).await.unwrap();
    names.set("x", 0.5).await.unwrap();
    assert_eq!(names.get("x").await.unwrap(), Some(0.5.into()));
    assert_eq!(names.remove("?").await.unwrap(), None);
    let shown: Value = names.items().await.unwrap().into_iter().collect();
    assert_eq!(shown.to_string(), "{'x': 0.5, 'y': ['a', 'b']}");
    assert_eq!(names.remove("y").await.unwrap(), Some(["a", "b"].into()));

    let array = manager.array([0_u64; 5]).await.unwrap();
    assert_eq!(array.set(4, 7).await.unwrap(), 0);
    assert_eq!((array.get(4).await.unwrap(), array.get(5).await.unwrap()), (Some(7), None));
    assert!(matches!(array.set(5, 7).await, Err(ManagerError::OutOfRange { len: 5 })));
    assert_eq!(array.to_vec().await.unwrap(), [0, 0, 0, 0, 7]);
    assert_eq!((array.len().await.unwrap(), array.is_empty().await.unwrap()), (5, false));

    let value = manager.value("a".to_owned()).await.unwrap();
    assert_eq!(value.set("b".to_owned()).await.unwrap(), "a");
    assert_eq!(value.update(|text| std::mem::replace(text, format!("{text}c"))).await.unwrap(), "b");
    assert_eq!(value.get().await.unwrap(), "bc");
}

#[runtime::test]
async fn nobody_comes_in_between_an_update() {
    let manager = Manager::start().await.unwrap();
    let value = manager.value(0).await.unwrap();
    let dict = manager.dict::<u8, u32>([]).await.unwrap();
    let tasks = (0..8).map(|_| {
        let (value, dict) = (value.clone(), dict.clone());
        spawn(async move {
            for _ in 0..20 {
                value.update(|count| *count += 1).await.unwrap();
                dict.update(&0, |count| Some(count.unwrap_or(0) + 1)).await.unwrap();
            }
        })
    });
    for done in runtime::join_all(tasks.collect::<Vec<_>>()).await {
        done.unwrap();
    }
    assert_eq!((value.get().await.unwrap(), dict.get(&0).await.unwrap()), (160, Some(160)));
}

#[runtime::test]
async fn locks() {
    let manager = Manager::start().await.unwrap();
    let lock = manager.lock().await.unwrap();
    let guard = lock.acquire().await.unwrap();
    assert!(lock.locked().await.unwrap());
    assert!(lock.try_acquire().await.unwrap().is_none());
    let late = lock.acquire_timeout(MOMENT).await;
    assert!(matches!(late, Err(LockError::Failed(ManagerError::Elapsed))));
    guard.release().await.unwrap();
    assert!(!lock.locked().await.unwrap());
    drop(lock.acquire_timeout(super::LIMIT).await.unwrap());
    drop(soon(lock.acquire()).await.unwrap());

    let lock = manager.rlock().await.unwrap();
    let (one, two) = (lock.acquire().await.unwrap(), lock.try_acquire().await.unwrap().unwrap());
    let other = lock.clone();
    assert!(spawn(async move { other.try_acquire().await }).await.unwrap().unwrap().is_none());
    one.release().await.unwrap();
    assert!(lock.locked().await.unwrap());
    two.release().await.unwrap();
    let guard = spawn(async move { lock.try_acquire().await }).await.unwrap().unwrap();
    assert!(guard.is_some());
}

#[runtime::test]
async fn semaphores() {
    let manager = Manager::start().await.unwrap();
    let semaphore = manager.semaphore(2).await.unwrap();
    let both = semaphore.acquire_many(2).await.unwrap();
    assert_eq!(both.count(), 2);
    assert!(semaphore.try_acquire().await.unwrap().is_none());
    assert!(matches!(semaphore.acquire_timeout(MOMENT).await, Err(ManagerError::Elapsed)));
    semaphore.add_permits(1).await.unwrap();
    semaphore.acquire().await.unwrap().forget().await.unwrap();
    assert_eq!(semaphore.available_permits().await.unwrap(), 0);
    both.release().await.unwrap();
    assert_eq!(semaphore.available_permits().await.unwrap(), 2);

    let bounded = manager.bounded_semaphore(2).await.unwrap();
    let permit = bounded.acquire().await.unwrap();
    assert!(matches!(bounded.add_permits(1).await, Err(ManagerError::OverRelease)));
    permit.forget().await.unwrap();
    bounded.add_permits(1).await.unwrap();
    assert!(matches!(bounded.acquire_many(3).await, Err(ManagerError::Unreadable(_))));
}

#[runtime::test]
async fn events_barriers_and_conditions() {
    let manager = Manager::start().await.unwrap();
    let event = manager.event().await.unwrap();
    assert!(!event.wait_timeout(MOMENT).await.unwrap());
    event.set().await.unwrap();
    assert!(event.is_set().await.unwrap() && event.wait_timeout(super::LIMIT).await.unwrap());
    soon(event.wait()).await.unwrap();
    event.clear().await.unwrap();
    assert!(!event.is_set().await.unwrap());

    let barrier = manager.barrier(3).await.unwrap();
    let (a, b, c) = soon(async { runtime::join!(barrier.wait(), barrier.wait(), barrier.wait()) }).await;
    let mut order = [a.unwrap(), b.unwrap(), c.unwrap()];
    order.sort_unstable();
    assert_eq!(order, [0, 1, 2]);
    assert_eq!(barrier.waiting().await.unwrap(), 0);
    assert!(matches!(barrier.wait_timeout(MOMENT).await, Err(ManagerError::Broken)));
    assert!(matches!(barrier.wait().await, Err(ManagerError::Broken)));
    barrier.reset().await.unwrap();
    let (waits, aborted) = runtime::join!(barrier.wait(), barrier.abort());
    aborted.unwrap();
    assert!(matches!(waits, Err(ManagerError::Broken)));

    let condition = manager.condition().await.unwrap();
    let guard = condition.lock().await.unwrap();
    assert!(condition.try_lock().await.unwrap().is_none());
    let (guard, notified) = condition.wait_timeout(guard, MOMENT).await.unwrap();
    assert!(!notified);
    let other = condition.clone();
    let notifies = spawn(async move {
        let guard = other.lock().await.unwrap();
        other.notify(1).await.unwrap();
        guard.release().await.unwrap();
    });
    let (guard, notified) = soon(condition.wait_timeout(guard, super::LIMIT)).await.unwrap();
    assert!(notified);
    notifies.await.unwrap();
    let other = condition.clone();
    let notifies = spawn(async move {
        let _guard = other.lock().await.unwrap();
        other.notify_all().await.unwrap();
    });
    drop(soon(condition.wait(guard)).await.unwrap());
    notifies.await.unwrap();
}

#[runtime::test]
async fn a_queue() {
    let manager = Manager::start().await.unwrap();
    let queue = manager.queue(Some(2)).await.unwrap();
    assert!(queue.is_empty().await.unwrap() && matches!(queue.try_get().await, Err(ManagerError::Empty)));
    assert!(matches!(queue.get_timeout(MOMENT).await, Err(ManagerError::Elapsed)));
    queue.put(1).await.unwrap();
    queue.try_put(2).await.unwrap();
    assert!(queue.is_full().await.unwrap());
    let full = queue.try_put(3).await.unwrap_err();
    assert!(matches!((full.item, full.why), (3, ManagerError::Full)));
    let late = queue.put_timeout(3, MOMENT).await.unwrap_err();
    assert!(matches!((late.item, late.why), (3, ManagerError::Elapsed)));
    let (put, got) = soon(async { runtime::join!(queue.put(3), queue.get()) }).await;
    put.unwrap();
    assert_eq!(got.unwrap(), 1);
    assert_eq!(queue.len().await.unwrap(), 2);
    queue.close().await.unwrap();
    assert!(matches!(queue.put(4).await.unwrap_err().why, ManagerError::Closed));
    assert_eq!((queue.get().await.unwrap(), queue.get().await.unwrap()), (2, 3));
    assert!(matches!(queue.get().await, Err(ManagerError::Closed)));
    for _ in 0..2 {
        queue.task_done().await.unwrap();
    }
    let (joined, done) = soon(async { runtime::join!(queue.join(), queue.task_done()) }).await;
    assert!(joined.is_ok() && done.is_ok());
    assert!(matches!(queue.task_done().await, Err(ManagerError::OverRelease)));
}

/// All of it on a thread without a runtime.
#[runtime::test]
async fn everything_has_a_form_that_blocks() {
    soon(spawn_blocking(blocking_forms)).await.unwrap();
}

/// The same in a greenlet, which suspends it: otherwise the thread's other tasks would stand still.
#[cfg(feature = "greenlet")]
#[runtime::test]
async fn what_blocks_a_thread_suspends_a_greenlet() {
    let manager = Manager::start().await.unwrap();
    let lock = manager.lock().await.unwrap();
    let guard = lock.acquire().await.unwrap();
    let waits = greenlet::spawn(move || lock.blocking_acquire().map(drop).map_err(drop));
    let works = greenlet::spawn(blocking_forms);
    soon(works).await.unwrap();
    drop(guard);
    soon(waits).await.unwrap().unwrap();
}

fn blocking_forms() {
    let manager = Manager::blocking_start().unwrap();
    let list = manager.blocking_list([1]).unwrap();
    list.blocking_push(2).unwrap();
    list.blocking_update(|items| items.reverse()).unwrap();
    assert_eq!(list.blocking_to_vec().unwrap(), [2, 1]);
    let dict = manager.blocking_dict([("a".to_owned(), 1)]).unwrap();
    dict.blocking_update(&"a".to_owned(), |it| it.map(|it| it + 1)).unwrap();
    assert_eq!(dict.blocking_to_map::<HashMap<_, _>>().unwrap(), HashMap::from([("a".to_owned(), 2)]));
    let names = manager.blocking_namespace().unwrap();
    names.blocking_set("x", true).unwrap();
    assert_eq!(names.blocking_get("x").unwrap(), Some(true.into()));
    let array = manager.blocking_array([1, 2]).unwrap();
    assert_eq!(array.blocking_get(1).unwrap(), Some(2));
    let value = manager.blocking_value(7).unwrap();
    value.blocking_update(|it| *it += 1).unwrap();
    assert_eq!(value.blocking_get().unwrap(), 8);

    let lock = manager.blocking_lock().unwrap();
    let guard = lock.blocking_acquire().unwrap();
    assert!(lock.blocking_try_acquire().unwrap().is_none());
    let late = lock.blocking_acquire_timeout(MOMENT);
    assert!(matches!(late, Err(LockError::Failed(ManagerError::Elapsed))));
    guard.blocking_release().unwrap();
    let rlock = manager.blocking_rlock().unwrap();
    let _both = (rlock.blocking_acquire().unwrap(), rlock.blocking_acquire().unwrap());
    let semaphore = manager.blocking_semaphore(1).unwrap();
    let permit = semaphore.blocking_acquire().unwrap();
    assert!(matches!(semaphore.blocking_acquire_timeout(MOMENT), Err(ManagerError::Elapsed)));
    permit.blocking_forget().unwrap();
    assert_eq!(semaphore.blocking_available_permits().unwrap(), 0);
    let bounded = manager.blocking_bounded_semaphore(1).unwrap();
    assert!(matches!(bounded.blocking_add_permits(1), Err(ManagerError::OverRelease)));

    let event = manager.blocking_event().unwrap();
    assert!(!event.blocking_wait_timeout(MOMENT).unwrap());
    event.blocking_set().unwrap();
    event.blocking_wait().unwrap();
    let barrier = manager.blocking_barrier(1).unwrap();
    assert_eq!(barrier.blocking_wait().unwrap(), 0);
    let alone = manager.blocking_barrier(2).unwrap();
    assert!(matches!(alone.blocking_wait_timeout(MOMENT), Err(ManagerError::Broken)));
    let condition = manager.blocking_condition().unwrap();
    let guard = condition.blocking_lock().unwrap();
    let (guard, notified) = condition.blocking_wait_timeout(guard, MOMENT).unwrap();
    assert!(!notified);
    let mut asked = 0;
    let is_so = || {
        asked += 1;
        Ok(true)
    };
    drop(condition.blocking_wait_for(guard, is_so).unwrap());
    assert_eq!(asked, 1);

    let queue = manager.blocking_queue(Some(1)).unwrap();
    queue.blocking_put(1).unwrap();
    assert!(matches!(queue.blocking_put_timeout(2, MOMENT).unwrap_err().why, ManagerError::Elapsed));
    assert_eq!(queue.blocking_get().unwrap(), 1);
    assert!(matches!(queue.blocking_get_timeout(MOMENT), Err(ManagerError::Elapsed)));
    queue.blocking_task_done().unwrap();
    queue.blocking_join().unwrap();
    drop((list, dict, names, array, value));
    assert!(manager.blocking_shutdown().unwrap().success());
}
