//! Programs with a manager: P58, P60, P62, and all its types.

use super::{Program, programs, sleep_seconds};
use runtime::{
    pool::{ProcessPool, Shutdown},
    process::{
        ManagedArray, ManagedBarrier, ManagedBoundedSemaphore, ManagedCondition, ManagedDict, ManagedEvent,
        ManagedList, ManagedLock, ManagedNamespace, ManagedQueue, ManagedRLock, ManagedSemaphore,
        ManagedValue, Manager, ManagerError, Process, Value,
    },
};
use std::{env, fs, path::PathBuf, process};

pub(super) const ALL: &[Program] =
    programs![mixed_keys, five_appends, pool_with_managed_lock, unsafe_data, all_types];

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn fill(dict: ManagedDict<Value, Value>, list: ManagedList<Value>, n: i64) {
    dict.blocking_insert(n.into(), "1".into()).unwrap();
    dict.blocking_insert("2".into(), 2.into()).unwrap();
    dict.blocking_insert(0.25.into(), Value::None).unwrap();
    list.blocking_push(n.into()).unwrap();
}

#[runtime::main]
async fn mixed_keys() -> Outcome {
    let manager = Manager::start().await?;
    let dict = manager.dict([]).await?;
    let list = manager.list((0..5).map(Value::from)).await?;
    let processes: Vec<_> =
        (0..10).map(|n| Process::spawn(fill, (dict.clone(), list.clone(), n))).collect::<Result<_, _>>()?;
    for process in processes {
        process.join().await?;
    }
    println!("{} keys", dict.len().await?);
    println!("{}", dict.items().await?.into_iter().collect::<Value>());
    let mut items = list.to_vec().await?;
    println!("{}", Value::List(items[..5].to_vec()));
    items[5..].sort_unstable();
    println!("{}", Value::List(items));
    manager.shutdown().await?;
    Ok(())
}

async fn append(list: ManagedList<u32>, item: u32) -> Result<(), String> {
    list.push(item).await.map_err(|error| error.to_string())
}

#[runtime::main]
async fn five_appends() -> Outcome {
    let manager = Manager::start().await?;
    let list = manager.list([]).await?;
    for item in 0..5 {
        Process::spawn(append, (list.clone(), item))?.join().await??;
    }
    println!("{}", list.len().await?);
    Ok(())
}

const ROUNDS: u32 = 25;

/// Reads, adds, writes: without the lock, increments are lost, or the file is read when it is empty.
fn count(path: PathBuf, lock: ManagedLock) {
    for _ in 0..ROUNDS {
        let _guard = lock.blocking_acquire().unwrap();
        let count: u32 = fs::read_to_string(&path).unwrap().parse().expect("a whole number");
        fs::write(&path, (count + 1).to_string()).unwrap();
    }
}

#[runtime::main]
async fn pool_with_managed_lock() -> Outcome {
    let path = env::temp_dir().join(format!("runtime-managed-lock-{}", process::id()));
    fs::write(&path, "0")?;
    let manager = Manager::start().await?;
    let (lock, pool) = (manager.lock().await?, ProcessPool::new(4)?);
    let jobs: Vec<_> = (0..8).map(|_| pool.submit(count, (path.clone(), lock.clone()))).collect();
    for job in jobs {
        job.await?;
    }
    println!("{}", fs::read_to_string(&path)?);
    fs::remove_file(path)?;
    pool.shutdown(Shutdown::Wait).await;
    Ok(())
}

/// Reads an entry of a dict, keeps it for a moment, and writes it: ten processes, ten times each, with a lock and without.
#[runtime::main]
async fn unsafe_data() -> Outcome {
    fn add(dict: &ManagedDict<String, u32>) {
        let seen = dict.blocking_get(&"n".to_owned()).unwrap().unwrap();
        sleep_seconds(0.01);
        dict.blocking_insert("n".to_owned(), seen + 1).unwrap();
    }
    fn add_often(dict: ManagedDict<String, u32>, lock: Option<ManagedLock>, begin: ManagedBarrier) {
        begin.blocking_wait().unwrap();
        for _ in 0..10 {
            let _guard = lock.as_ref().map(|lock| lock.blocking_acquire().unwrap());
            add(&dict);
        }
    }
    let manager = Manager::start().await?;
    for with_lock in [true, false] {
        let dict = manager.dict([("n".to_owned(), 0)]).await?;
        let (lock, begin) = (manager.lock().await?, manager.barrier(10).await?);
        let lock = with_lock.then_some(lock);
        let start = |_| Process::spawn(add_often, (dict.clone(), lock.clone(), begin.clone()));
        for process in (0..10).map(start).collect::<Result<Vec<_>, _>>()? {
            process.join().await?;
        }
        println!("{with_lock} {}", dict.get(&"n".to_owned()).await?.unwrap());
    }
    manager.shutdown().await?;
    Ok(())
}

type Data = (
    ManagedList<u8>,
    ManagedDict<u8, u8>,
    ManagedNamespace,
    ManagedArray<u8>,
    ManagedValue<u8>,
    ManagedQueue<u8>,
);
type Locks = (ManagedLock, ManagedRLock, ManagedSemaphore, ManagedBoundedSemaphore);

/// Uses one of each, over there.
async fn use_all(
    (list, dict, names, array, value, queue): Data,
    (lock, rlock, semaphore, bounded): Locks,
    condition: ManagedCondition,
    event: ManagedEvent,
    barrier: ManagedBarrier,
) -> Result<(), String> {
    let text = |error: ManagerError| error.to_string();
    list.push(1).await.map_err(text)?;
    dict.insert(1, 2).await.map_err(text)?;
    names.set("x", 3).await.map_err(text)?;
    array.set(1, 4).await.map_err(text)?;
    value.update(|value| *value += 5).await.map_err(text)?;
    queue.put(6).await.map_err(|error| error.to_string())?;
    let held =
        (lock.acquire().await, rlock.acquire().await, semaphore.acquire().await, bounded.acquire().await);
    println!("held {} {} {} {}", held.0.is_ok(), held.1.is_ok(), held.2.is_ok(), held.3.is_ok());
    event.set().await.map_err(text)?;
    barrier.wait().await.map_err(text)?;
    // Whoever waits for the condition has let go of its lock.
    let guard = condition.lock().await.map_err(|error| error.to_string())?;
    condition.notify(1).await.map_err(text)?;
    drop(guard);
    Ok(())
}

#[runtime::main]
async fn all_types() -> Outcome {
    let manager = Manager::start().await?;
    let data: Data = (
        manager.list([0]).await?,
        manager.dict([]).await?,
        manager.namespace().await?,
        manager.array([0; 3]).await?,
        manager.value(0).await?,
        manager.queue(Some(1)).await?,
    );
    let locks: Locks = (
        manager.lock().await?,
        manager.rlock().await?,
        manager.semaphore(1).await?,
        manager.bounded_semaphore(1).await?,
    );
    let (condition, event) = (manager.condition().await?, manager.event().await?);
    let barrier = manager.barrier(2).await?;
    let arguments = (data.clone(), locks.clone(), condition.clone(), event.clone(), barrier.clone());
    let guard = condition.lock().await?;
    let user = Process::spawn(use_all, arguments)?;
    event.wait().await?;
    println!("locked {} {}", locks.0.locked().await?, locks.1.locked().await?);
    println!("free {} {}", locks.2.available_permits().await?, locks.3.available_permits().await?);
    barrier.wait().await?;
    drop(condition.wait(guard).await?);
    user.join().await??;
    println!("{:?} {:?} {:?}", data.0.to_vec().await?, data.1.items().await?, data.3.to_vec().await?);
    println!("{:?} {} {}", data.2.get("x").await?, data.4.get().await?, data.5.get().await?);
    drop((locks.0.acquire().await?, locks.1.acquire().await?));
    println!("objects {}", manager.objects().await?);
    manager.shutdown().await?;
    Ok(())
}
