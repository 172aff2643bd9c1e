//! The ends of pools.

use crate::{Folder, death, double, end, is_alive, pid, stay, until};
use runtime::{
    Runtime,
    pool::{JobError, ProcessPool, Shutdown},
};
use std::collections::BTreeSet;

#[runtime::test]
async fn one_task_per_child_and_closed_early() {
    let pool = ProcessPool::builder().workers(2).max_tasks_per_child(1).build().unwrap();
    let jobs: Vec<_> = (0..20).map(|_| pool.submit(pid, ())).collect();
    let over = pool.shutdown(Shutdown::Wait);
    assert!(matches!(pool.submit(double, 1).await, Err(JobError::PoolClosed)));
    let mut pids = BTreeSet::new();
    for job in jobs {
        pids.insert(job.await.unwrap());
    }
    assert_eq!(pids.len(), 20, "each had a worker of its own");
    over.await;
    assert!(!pids.iter().any(|&pid| is_alive(pid)));
    assert!(pool.workers().is_empty());
}

#[runtime::test]
async fn so_many_tasks_per_child_and_no_more() {
    let pool = ProcessPool::builder().workers(1).max_tasks_per_child(3).build().unwrap();
    let jobs: Vec<_> = (0..12).map(|_| pool.submit(pid, ())).collect();
    let mut pids = Vec::new();
    for job in jobs {
        pids.push(job.await.unwrap());
    }
    for three in pids.chunks(3) {
        assert!(three.iter().all(|pid| *pid == three[0]), "{pids:?}");
    }
    assert_eq!(pids.iter().collect::<BTreeSet<_>>().len(), 4);
}

#[runtime::test]
async fn closed_with_jobs_pending_it_ends_what_runs_or_not_even_that() {
    let folder = Folder::new("closed");
    let pool = ProcessPool::new(1).unwrap();
    let running = pool.submit(stay, folder.path("worker"));
    let pending: Vec<_> = (0..10).map(|n| pool.submit(double, n)).collect();
    let worker: u32 = folder.read("worker").await.parse().unwrap();
    let over = pool.shutdown(Shutdown::CancelPending);
    for job in pending {
        assert!(matches!(job.await, Err(JobError::Cancelled)));
    }
    assert!(is_alive(worker) && !running.is_done());
    assert_eq!(pool.terminate(), 1);
    assert_eq!(death(running.await).0, worker);
    over.await;
    assert!(!is_alive(worker));
    pool.shutdown(Shutdown::Wait).await;
}

#[runtime::test]
async fn dropped_it_ends_what_runs_and_nothing_else() {
    fn wait_for(path: String) -> String {
        std::fs::write(format!("{path}-begun"), "x").unwrap();
        while !std::fs::exists(&path).unwrap() {
            std::thread::yield_now();
        }
        "it came".to_owned()
    }
    let folder = Folder::new("dropped");
    let pool = ProcessPool::new(1).unwrap();
    let worker = pool.workers()[0];
    let running = pool.submit(wait_for, folder.path("go"));
    folder.read("go-begun").await;
    let pending = pool.submit(stay, folder.path("never"));
    drop(pool);
    assert!(matches!(pending.await, Err(JobError::PoolClosed)));
    assert!(is_alive(worker));
    std::fs::write(folder.path("go"), "").unwrap();
    assert_eq!(running.await.unwrap(), "it came");
    until(|| !is_alive(worker)).await;
}

#[runtime::test]
async fn the_end_of_its_runtime_is_the_end_of_the_pool() {
    // In a worker, as one runtime does not run inside another.
    fn outlive(folder: String) -> (String, bool, String) {
        let runtime = Runtime::new().unwrap();
        let (pool, running, pending, worker) = runtime.block_on(async {
            let pool = ProcessPool::new(1).unwrap();
            let worker = pool.apply(pid, ()).await.unwrap();
            let path = format!("{folder}/nested");
            let running = pool.submit(stay, path.clone());
            until(|| std::fs::exists(&path).unwrap()).await;
            let pending = pool.submit(double, 1);
            (pool, running, pending, worker)
        });
        drop(runtime);
        let outcome = |mut job: runtime::pool::Job<()>| format!("{:?}", job.get(None).unwrap_err());
        let mut pending = pending;
        let pending = format!("{:?}", pending.get(None).unwrap_err());
        while is_alive(worker) {
            std::thread::yield_now();
        }
        let is_closed = matches!(pool.submit(double, 1).get(None), Err(JobError::PoolClosed));
        (outcome(running), is_closed, pending)
    }
    let folder = Folder::new("runtime");
    let pool = ProcessPool::new(1).unwrap();
    let told = pool.apply(outlive, folder.path("")).await.unwrap();
    assert_eq!(told, ("PoolClosed".to_owned(), true, "PoolClosed".to_owned()));
}

#[runtime::test]
async fn no_worker_outlives_its_pool_s_process_however_that_ends() {
    fn spin() {
        loop {
            std::hint::spin_loop();
        }
    }
    fn have_workers(path: String) {
        let pool = ProcessPool::new(2).unwrap();
        let mut busy = pool.submit(spin, ());
        let pids = pool.workers().iter().map(u32::to_string).collect::<Vec<_>>().join(" ");
        std::fs::write(&path, pids).unwrap();
        let _ = busy.get(None);
    }
    let (folder, pool) = (Folder::new("outlives"), ProcessPool::new(1).unwrap());
    let job = pool.submit(have_workers, folder.path("pids"));
    let pids = folder.read("pids").await;
    let pids: Vec<u32> = pids.split(' ').map(|pid| pid.parse().unwrap()).collect();
    assert!(pids.len() == 2 && pids.iter().all(|&pid| is_alive(pid)));
    let parent = pool.workers()[0];
    end(parent);
    assert_eq!(death(job.await).0, parent);
    until(|| !pids.iter().any(|&pid| is_alive(pid))).await;
}
