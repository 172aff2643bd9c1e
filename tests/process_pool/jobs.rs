//! What goes well.

use crate::{double, is_alive, pid, works};
use runtime::{
    pool::{JobError, Pool, ProcessPool, Shutdown, ThreadPool},
    process::{Descriptor, Process},
    time::sleep,
};
use std::{
    cell::RefCell,
    io::{Read, Write},
    os::{fd::OwnedFd, unix::process::parent_id},
    rc::Rc,
    time::Duration,
};

#[runtime::test]
async fn functions_plain_and_async_of_none_one_and_several_arguments() {
    async fn later(text: String, times: usize) -> Result<String, String> {
        sleep(Duration::from_millis(1)).await;
        if times == 0 { Err("nothing".to_owned()) } else { Ok(text.repeat(times)) }
    }
    let pool = ProcessPool::new(2).unwrap();
    assert_eq!(pool.submit(double, 21).await.unwrap(), 42);
    assert_eq!(pool.submit(|a: i8, b: i8| a - b, (1, 2)).await.unwrap(), -1);
    assert_eq!(pool.apply(later, ("ab".to_owned(), 2)).await.unwrap(), Ok("abab".to_owned()));
    assert_eq!(pool.apply(later, ("ab".to_owned(), 0)).await.unwrap(), Err("nothing".to_owned()));
    let workers = pool.workers();
    let parents = pool.submit(|| (std::process::id(), parent_id()), ()).await.unwrap();
    assert!(workers.contains(&parents.0));
    assert_eq!(parents.1, std::process::id());
}

#[runtime::test]
async fn more_jobs_than_fit_anywhere_have_their_results_in_order() {
    let pool = ProcessPool::new(3).unwrap();
    let jobs: Vec<_> = (0..3_000).map(|n| pool.submit(|n: u64, _: Vec<u8>| n, (n, vec![0; 1_500]))).collect();
    for (n, job) in (0..).zip(jobs) {
        assert_eq!(job.await.unwrap(), n);
    }
    pool.shutdown(Shutdown::Wait).await;
    assert!(matches!(pool.submit(double, 1).await, Err(JobError::PoolClosed)));
}

#[runtime::test]
async fn callbacks_run_here_with_the_result() {
    let pool = ProcessPool::new(2).unwrap();
    let seen = Rc::new(RefCell::new(Vec::new()));
    for n in 0..10 {
        let seen = Rc::clone(&seen);
        let job = pool.submit(double, n);
        job.on_done(move |result| seen.borrow_mut().push((std::process::id(), *result.as_ref().unwrap())));
        job.detach();
    }
    pool.shutdown(Shutdown::Wait).await;
    seen.borrow_mut().sort_unstable();
    assert_eq!(*seen.borrow(), (0..10).map(|n| (pid(), 2 * n)).collect::<Vec<_>>());
}

#[runtime::test]
async fn a_panic_is_told_with_its_place_and_harms_nobody() {
    let pool = ProcessPool::new(1).unwrap();
    let before = pool.workers();
    let Err(JobError::Panicked(panic)) = pool.submit(|n: u32| assert!(n < 3, "{n} is too much"), 7).await
    else {
        panic!("it did not")
    };
    assert_eq!(panic.message(), Some("7 is too much"));
    assert!(panic.location().unwrap().starts_with("tests/process_pool/jobs.rs:"), "{panic}");
    works(&pool, 1).await;
    assert_eq!(pool.workers(), before);
}

#[runtime::test]
async fn what_has_not_begun_is_cancelled_wherever_it_lies_and_never_begins() {
    let folder = crate::Folder::new("cancel");
    let pool = ProcessPool::new(1).unwrap();
    // So quick that some lie ready at the worker.
    works(&pool, 1).await;
    let running = pool.submit(crate::stay, folder.path("running"));
    let touch = |path: String| std::fs::write(path, "x").unwrap();
    let jobs: Vec<_> = (0..40).map(|n| pool.submit(touch, folder.path(&n.to_string()))).collect();
    let worker: u32 = folder.read("running").await.parse().unwrap();
    assert!(!running.cancel(), "it has begun");
    assert!(jobs.iter().all(|job| job.cancel()));
    for job in jobs {
        assert!(job.is_cancelled() && !job.cancel());
        assert!(matches!(job.await, Err(JobError::Cancelled)));
    }
    crate::end(worker);
    crate::death(running.await);
    works(&pool, 1).await;
    assert!(!std::fs::exists(folder.path("0")).unwrap() && !std::fs::exists(folder.path("39")).unwrap());
}

#[runtime::test]
async fn nobody_waits_behind_a_long_job_while_others_are_idle() {
    let folder = crate::Folder::new("behind");
    let pool = ProcessPool::new(2).unwrap();
    works(&pool, 2).await;
    let jobs: Vec<_> = (0..200).map(|n| pool.submit(double, n)).collect();
    let long = pool.submit(crate::stay, folder.path("long"));
    let more: Vec<_> = (0..200).map(|n| pool.submit(double, n)).collect();
    for (n, job) in (0..200).chain(0..200).zip(jobs.into_iter().chain(more)) {
        assert_eq!(job.await.unwrap(), 2 * n);
    }
    crate::end(folder.read("long").await.parse().unwrap());
    crate::death(long.await);
}

#[runtime::test]
async fn one_may_wait_with_the_whole_thread() {
    let pool = ProcessPool::new(2).unwrap();
    let mut job = pool.submit(double, 4);
    assert_eq!(job.get(None).unwrap(), 8);
    let folder = crate::Folder::new("get");
    let mut long = pool.submit(crate::stay, folder.path("long"));
    assert!(matches!(long.get(Duration::from_millis(20)), Err(JobError::Elapsed)));
    crate::end(folder.read("long").await.parse().unwrap());
    crate::death(long.get(None));
    works(&pool, 2).await;
}

#[runtime::test]
async fn a_job_has_a_pool_of_its_own() {
    fn squares(to: u64) -> Vec<u64> {
        // No runtime here: who waits drives the pool.
        let pool = ProcessPool::new(2).unwrap();
        let mut jobs: Vec<_> = (0..to).map(|n| pool.submit(double, n)).collect();
        let results = jobs.iter_mut().map(|job| job.get(None).unwrap()).collect();
        pool.blocking_shutdown(Shutdown::Wait);
        results
    }
    async fn squares_async(to: u64) -> Vec<u64> {
        let pool = ProcessPool::new(2).unwrap();
        let mut results = Vec::new();
        for n in 0..to {
            results.push(pool.apply(double, n).await.unwrap());
        }
        results
    }
    let pool = ProcessPool::new(2).unwrap();
    let (one, other) = (pool.submit(squares, 20), pool.submit(squares_async, 20));
    let expected: Vec<u64> = (0..20).map(|n| 2 * n).collect();
    assert_eq!(one.await.unwrap(), expected);
    assert_eq!(other.await.unwrap(), expected);
    assert_eq!(pool.apply(squares_async, 2).await.unwrap(), [0, 2], "again");
}

#[runtime::test]
async fn descriptors_go_there_and_come_back_and_nobody_keeps_them() {
    fn answer(to: Descriptor) -> Descriptor {
        let (reader, mut writer) = std::io::pipe().unwrap();
        std::fs::File::from(OwnedFd::from(to)).write_all(b"there").unwrap();
        writer.write_all(b"and back").unwrap();
        Descriptor::from(OwnedFd::from(reader))
    }
    let pool = ProcessPool::new(1).unwrap();
    let (mut reader, writer) = std::io::pipe().unwrap();
    let back = pool.apply(answer, Descriptor::from(OwnedFd::from(writer))).await.unwrap();
    let mut said = String::new();
    reader.read_to_string(&mut said).unwrap();
    std::fs::File::from(OwnedFd::from(back)).read_to_string(&mut said).unwrap();
    assert_eq!(said, "thereand back");
}

#[runtime::test]
async fn many_items_come_in_their_order_or_in_that_of_their_ends() {
    let pool = ProcessPool::new(3).unwrap();
    let results = pool.map(0..500_u64, double).collect().await.unwrap();
    assert_eq!(results, (0..500).map(|n| 2 * n).collect::<Vec<_>>());
    let mut results = pool.imap_unordered(0..500_u64, double);
    let mut seen = Vec::new();
    while let Some(result) = results.next().await {
        seen.push(result.unwrap());
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..500).map(|n| 2 * n).collect::<Vec<_>>());
}

#[runtime::test]
async fn one_line_swaps_the_kind_of_pool() {
    async fn program(pool: impl Pool) -> Vec<u64> {
        let jobs: Vec<_> = (0..5_u64).map(|n| pool.submit(double, n)).collect();
        pool.shutdown(Shutdown::Wait).await;
        let mut results = Vec::new();
        for job in jobs {
            results.push(job.await.unwrap());
        }
        results
    }
    assert_eq!(program(ThreadPool::new(5)).await, [0, 2, 4, 6, 8]);
    assert_eq!(program(ProcessPool::new(5).unwrap()).await, [0, 2, 4, 6, 8]);
}

#[runtime::test]
async fn a_hundred_pools() {
    let pools: Vec<_> = (0..100).map(|_| ProcessPool::new(1).unwrap()).collect();
    let jobs: Vec<_> = pools.iter().zip(0..).map(|(pool, n)| pool.submit(double, n)).collect();
    for (n, job) in (0..).zip(jobs) {
        assert_eq!(job.await.unwrap(), 2 * n);
    }
    let workers: Vec<u32> = pools.iter().flat_map(ProcessPool::workers).collect();
    assert_eq!(workers.len(), 100);
    drop(pools);
    crate::until(|| !workers.iter().any(|&pid| is_alive(pid))).await;
}

#[runtime::test]
async fn workers_have_no_descriptors_of_their_siblings_or_parent() {
    let count = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let first = ProcessPool::new(1).unwrap();
    let alone = first.apply(count, ()).await.unwrap();
    let others = ProcessPool::new(10).unwrap();
    let last = ProcessPool::new(1).unwrap();
    assert_eq!(last.apply(count, ()).await.unwrap(), alone);
    let pid = others.workers()[9];
    assert_eq!(
        std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count(),
        alone - 1,
        "but for the folder"
    );
    assert!(alone <= 7, "{alone}");
}

/// How many descriptors a process has, and how many kilobytes of memory.
fn belongings(pid: u32) -> (usize, u64) {
    let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    (descriptors, memory.trim().trim_end_matches(" kB").parse().unwrap())
}

/// What a process and the worker of its pool have after each thousand of jobs.
async fn eleven_thousand_jobs() -> Vec<[(usize, u64); 2]> {
    let pool = ProcessPool::new(1).unwrap();
    let mut all = Vec::new();
    for _ in 0..11 {
        let jobs: Vec<_> = (0..1_000).map(|n| pool.submit(double, n)).collect();
        for (n, job) in (0..).zip(jobs) {
            assert_eq!(job.await.unwrap(), 2 * n);
        }
        all.push([std::process::id(), pool.workers()[0]].map(belongings));
    }
    all
}

#[runtime::test]
async fn ten_thousand_jobs_leave_nothing_behind() {
    // In a process of its own, as the other stories are in this one.
    let all = Process::spawn(eleven_thousand_jobs, ()).unwrap().join().await.unwrap();
    // The first thousand make the room that the others use again.
    for (before, after) in all[0].iter().zip(&all[10]) {
        assert_eq!(after.0, before.0, "descriptors: {all:?}");
        assert!(after.1 <= before.1 + 512, "kilobytes: {all:?}");
    }
}
