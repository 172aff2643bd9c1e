//! What is too long, too many, or not of the type.

use super::soon;
use runtime::{
    process::{Descriptor, ManagedDict, Manager, ManagerError},
    spawn_blocking,
};
use std::{fs::File, io::Read, path::Path};

#[runtime::test]
async fn long_values() {
    let manager = Manager::start().await.unwrap();
    let list = manager.list::<String>([]).await.unwrap();
    let long = "x".repeat(16 << 20);
    list.push(long.clone()).await.unwrap();
    assert!(list.get(0).await.unwrap().as_deref() == Some(&long));
    assert!(list.pop().await.unwrap() == Some(long));
}

#[runtime::test]
async fn what_is_too_long_is_refused_and_nothing_else() {
    let manager = Manager::builder().max_message(100_000).start().await.unwrap();
    let queue = manager.queue(None).await.unwrap();
    let refused = queue.put("x".repeat(100_000)).await.unwrap_err();
    assert!(matches!(refused.why, ManagerError::TooLong { most: 100_000, .. }), "{refused}");
    assert_eq!(refused.item.len(), 100_000);
    // As long as can be: it comes out again.
    let most = "x".repeat(99_900);
    queue.put(most.clone()).await.unwrap();
    assert_eq!(queue.get().await.unwrap(), most);

    let list = manager.list([most.clone(), most.clone()]).await;
    assert!(matches!(list, Err(ManagerError::TooLong { .. })));
    let list = manager.list([most.clone()]).await.unwrap();
    list.push(most.clone()).await.unwrap();
    let all = list.to_vec().await;
    assert!(matches!(all, Err(ManagerError::TooLong { most, .. }) if most >= 100_000), "{:?}", all.is_ok());
    assert_eq!(list.get(1).await.unwrap(), Some(most));
}

#[runtime::test]
async fn there_are_so_many_connections() {
    let manager = Manager::builder().max_connections(5).start().await.unwrap();
    // The manager's own two, and two for the list.
    let list = manager.list([1]).await.unwrap();
    list.push(2).await.unwrap();
    let event = manager.event().await.unwrap();
    let refused = event.set().await;
    assert!(matches!(refused, Err(ManagerError::TooManyConnections { most: 5 })), "{refused:?}");
    let refused = manager.event().await;
    assert!(matches!(refused, Err(ManagerError::TooManyConnections { most: 5 })), "{refused:?}");
    let from_thread = event.clone();
    let refused = soon(spawn_blocking(move || from_thread.blocking_set())).await.unwrap();
    assert!(matches!(refused, Err(ManagerError::TooManyConnections { most: 5 })), "{refused:?}");
    drop(list);
    super::until(async || event.set().await.is_ok()).await;
}

#[runtime::test]
async fn files_go_with_values_and_are_no_keys() {
    let manager = Manager::start().await.unwrap();
    let path = std::env::temp_dir().join(format!("runtime-managers-{}", std::process::id()));
    std::fs::write(&path, "text").unwrap();
    let files: ManagedDict<u8, Descriptor> = manager.dict([(1, file(&path))]).await.unwrap();
    std::fs::remove_file(&path).unwrap();
    let Descriptor(got) = files.remove(&1).await.unwrap().unwrap();
    let mut text = String::new();
    File::from(got).read_to_string(&mut text).unwrap();
    assert_eq!(text, "text");

    let keys = manager.dict::<Descriptor, u8>([(file("/dev/null".as_ref()), 1)]).await;
    assert!(matches!(keys, Err(ManagerError::Unserialisable(_))), "{keys:?}");
}

fn file(path: &Path) -> Descriptor {
    Descriptor(File::open(path).unwrap().into())
}
