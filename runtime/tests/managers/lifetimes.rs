//! How long objects live: as long as somebody has a proxy, or a message on its way has.

use super::{descriptors, soon, until};
use runtime::process::{ManagedDict, ManagedList, ManagedQueue, Manager, Process, Value};

#[runtime::test]
async fn an_object_goes_with_its_last_proxy() {
    let manager = Manager::start().await.unwrap();
    let list = manager.list([1]).await.unwrap();
    let clone = list.clone();
    drop(list);
    assert_eq!(clone.to_vec().await.unwrap(), [1]);
    assert_eq!(manager.objects().await.unwrap(), 1);
    drop(clone);
    until(async || manager.objects().await.unwrap() == 0).await;
}

#[runtime::test]
async fn a_guard_keeps_what_it_is_of() {
    let manager = Manager::start().await.unwrap();
    let guard = manager.lock().await.unwrap().acquire().await.unwrap();
    let permit = manager.semaphore(1).await.unwrap().acquire().await.unwrap();
    guard.release().await.unwrap();
    permit.release().await.unwrap();
    until(async || manager.objects().await.unwrap() == 0).await;
}

#[runtime::test]
async fn a_proxy_on_its_way_keeps_its_object() {
    let manager = Manager::start().await.unwrap();
    let queue = manager.queue(None).await.unwrap();
    queue.put(manager.list([1, 2]).await.unwrap()).await.unwrap();
    // Nobody but the queue has it, in its own manager.
    assert_eq!(manager.objects().await.unwrap(), 2);
    let list: ManagedList<i32> = queue.get().await.unwrap();
    assert_eq!(list.to_vec().await.unwrap(), [1, 2]);
    queue.put(list).await.unwrap();
    drop(queue);
    until(async || manager.objects().await.unwrap() == 0).await;
}

#[runtime::test]
async fn objects_lie_in_objects() {
    let manager = Manager::start().await.unwrap();
    let rooms: ManagedDict<String, ManagedList<u32>> = manager.dict([]).await.unwrap();
    rooms.insert("kitchen".to_owned(), manager.list([1]).await.unwrap()).await.unwrap();
    let grow = Process::spawn(grow, rooms.clone()).unwrap();
    soon(grow.join()).await.unwrap();
    let kitchen = rooms.get(&"kitchen".to_owned()).await.unwrap().unwrap();
    assert_eq!(kitchen.to_vec().await.unwrap(), [1, 2]);
    let cellar = rooms.get(&"cellar".to_owned()).await.unwrap().unwrap();
    cellar.push(3).await.unwrap();
    assert_eq!(kitchen.to_vec().await.unwrap(), [1, 2, 3], "it is the same list");
    assert_eq!(manager.objects().await.unwrap(), 2);
    rooms.clear().await.unwrap();
    drop(cellar);
    assert_eq!(kitchen.len().await.unwrap(), 3);
    drop(kitchen);
    until(async || manager.objects().await.unwrap() == 1).await;
}

async fn grow(rooms: ManagedDict<String, ManagedList<u32>>) {
    rooms.get(&"kitchen".to_owned()).await.unwrap().unwrap().push(2).await.unwrap();
    let kitchen = rooms.get(&"kitchen".to_owned()).await.unwrap().unwrap();
    rooms.insert("cellar".to_owned(), kitchen).await.unwrap();
}

#[runtime::test]
async fn neither_a_manager_nor_its_clients_grow() {
    let manager = Manager::start().await.unwrap();
    let queue = manager.queue(None).await.unwrap();
    let mut numbers = Vec::new();
    for round in 0..30 {
        for item in 0..5 {
            queue.put(manager.list([Value::from(item)]).await.unwrap()).await.unwrap();
        }
        // In a process of its own, where nobody else opens anything.
        if round == 0 {
            let pass_on = Process::spawn(pass_on, queue.clone()).unwrap();
            let counts = soon(pass_on.join()).await.unwrap();
            assert_eq!(counts[10], counts[49], "{counts:?}");
        }
        for _ in 0..5 {
            let list = queue.get().await.unwrap();
            let guard = manager.lock().await.unwrap().acquire().await.unwrap();
            assert_eq!(list.len().await.unwrap(), 1);
            drop(guard);
        }
        until(async || manager.objects().await.unwrap() == 1).await;
        numbers.push(descriptors(manager.pid()));
    }
    assert_eq!(numbers[5], numbers[29], "{numbers:?}");
}

/// Takes lists and puts them back; gives how many descriptors it has, each time.
async fn pass_on(queue: ManagedQueue<ManagedList<Value>>) -> Vec<usize> {
    let mut counts = Vec::new();
    for _ in 0..50 {
        let list = queue.get().await.unwrap();
        assert_eq!(list.len().await.unwrap(), 1);
        queue.put(list).await.unwrap();
        counts.push(descriptors(std::process::id()));
    }
    counts
}
