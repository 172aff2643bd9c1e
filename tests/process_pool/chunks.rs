//! Many items that go as one job.

use crate::{Bytes, Folder, death, double, end, length, limits::Stubborn, pid, works};
use futures_lite::future::poll_once;
use runtime::{
    pool::{JobError, Pool, ProcessPool, Shutdown, ThreadPool},
    process::Descriptor,
    task,
};
use std::{
    io::{Read, Write, pipe},
    os::fd::OwnedFd,
};

#[runtime::test]
async fn results_are_those_of_single_items_in_any_kind_of_pool() {
    async fn program(pool: impl Pool) {
        async fn later(n: u64) -> u64 {
            task::yield_now().await;
            2 * n
        }
        let doubled: Vec<u64> = (0..500).map(|n| 2 * n).collect();
        assert_eq!(pool.map(0..500, double).chunk_size(7).collect().await.unwrap(), doubled);
        assert_eq!(pool.map(0..500, later).chunk_size(1_000).collect().await.unwrap(), doubled);
        let mut results = pool.imap_unordered(0..500, double).chunk_size(7).collect().await.unwrap();
        results.sort_unstable();
        assert_eq!(results, doubled);
        pool.shutdown(Shutdown::Wait).await;
    }
    program(ThreadPool::new(2)).await;
    program(ProcessPool::new(2).unwrap()).await;
}

#[runtime::test]
async fn a_chunk_is_one_task_of_one_worker() {
    let pool = ProcessPool::builder().workers(1).max_tasks_per_child(1).build().unwrap();
    let pids = pool.map(0..10, |_: u32| pid()).chunk_size(5).collect().await.unwrap();
    assert!(pids[..5].iter().all(|&pid| pid == pids[0]) && pids[5..].iter().all(|&pid| pid == pids[5]));
    assert_ne!(pids[0], pids[5]);
}

#[runtime::test]
async fn what_is_wrong_with_one_item_concerns_no_other_of_its_chunk() {
    let pool = ProcessPool::new(1).unwrap();
    let workers = pool.workers();
    let good = Stubborn { writes: true, reads: true };
    let [unwritten, unread] =
        [Stubborn { writes: false, reads: true }, Stubborn { writes: true, reads: false }];
    let items = vec![good, unwritten, good, unread, good];
    let mut results = pool.map(items, |item: Stubborn| item).chunk_size(5);
    for (n, is_good) in [true, false, true, false, true].into_iter().enumerate() {
        let result = results.next().await.unwrap();
        assert!(
            matches!((&result, is_good), (Ok(_), true) | (Err(JobError::Arguments(_)), false)),
            "{n}: {result:?}"
        );
    }
    let gives = |n: u32| {
        assert!(n != 1, "{n} is too much");
        Stubborn { writes: n != 2, reads: n != 3 }
    };
    let mut results = pool.map(0..5, gives).chunk_size(5);
    assert!(results.next().await.unwrap().is_ok());
    let Err(JobError::Panicked(panic)) = results.next().await.unwrap() else { panic!("it did not") };
    assert_eq!(panic.message(), Some("1 is too much"));
    assert!(panic.location().unwrap().starts_with("tests/process_pool/chunks.rs:"), "{panic}");
    for _ in 2..4 {
        assert!(matches!(results.next().await.unwrap(), Err(JobError::ResultLost(_))));
    }
    assert!(results.next().await.unwrap().is_ok() && results.next().await.is_none());
    works(&pool, 1).await;
    assert_eq!(pool.workers(), workers, "nobody died of it");
}

#[runtime::test]
async fn a_worker_that_dies_takes_its_chunk_along_and_no_other() {
    fn exit_at(n: u64) -> u64 {
        if n == 12 {
            std::process::exit(3);
        }
        n
    }
    let pool = ProcessPool::new(2).unwrap();
    let mut results = pool.map(0..30, exit_at).chunk_size(10);
    let mut dead = Vec::new();
    for n in 0..30 {
        match results.next().await.unwrap() {
            Ok(result) => assert!(result == n && !(10..20).contains(&n)),
            outcome => {
                assert!((10..20).contains(&n), "{n}: {outcome:?}");
                let (pid, how) = death(outcome);
                assert!(how.contains("exit code 3"), "{how}");
                dead.push(pid);
            }
        }
    }
    assert!(dead.len() == 10 && dead.iter().all(|&pid| pid == dead[0]));
    works(&pool, 2).await;
}

#[runtime::test]
async fn a_chunk_is_one_message_and_too_long_as_a_whole() {
    let pool = ProcessPool::builder().workers(1).max_message(100_000).build().unwrap();
    // The first two go together, the third does not go with the fourth, and the last goes alone.
    let sizes = [40_000, 40_000, 60_000, 60_000, 60_000];
    let mut results = pool.map(sizes.map(|size| Bytes(vec![0; size])), length).chunk_size(2);
    assert_eq!(results.next().await.unwrap().unwrap(), 40_000);
    assert_eq!(results.next().await.unwrap().unwrap(), 40_000);
    for _ in 0..2 {
        let error = results.next().await.unwrap().unwrap_err();
        assert!(matches!(&error, JobError::Arguments(_)) && error.never_began(), "{error:?}");
        assert!(error.to_string().contains("max_message"), "{error}");
    }
    assert_eq!(results.next().await.unwrap().unwrap(), 60_000);

    let zeroes = |len: usize| Bytes(vec![0; len]);
    let mut results = pool.map(sizes, zeroes).chunk_size(2);
    let lengths = [Some(40_000), Some(40_000), None, None, Some(60_000)];
    for length in lengths {
        match (results.next().await.unwrap(), length) {
            (Ok(bytes), Some(length)) => assert_eq!(bytes.0.len(), length),
            (Err(JobError::ResultLost(why)), None) => assert!(why.contains("max_message"), "{why}"),
            (other, _) => panic!("{other:?}"),
        }
    }
    works(&pool, 1).await;
}

#[runtime::test]
async fn each_item_has_its_descriptors_and_those_of_one_that_fails_are_closed() {
    fn say((to, from): (Descriptor, Stubborn)) -> Descriptor {
        let _ = from;
        std::fs::File::from(OwnedFd::from(to)).write_all(b"there").unwrap();
        let (reader, mut writer) = pipe().unwrap();
        writer.write_all(b" and back").unwrap();
        Descriptor::from(OwnedFd::from(reader))
    }
    let pool = ProcessPool::new(1).unwrap();
    let (mut readers, mut items) = (Vec::new(), Vec::new());
    for n in 0..4 {
        let (reader, writer) = pipe().unwrap();
        readers.push(reader);
        items.push((Descriptor::from(OwnedFd::from(writer)), Stubborn { writes: n != 1, reads: n != 2 }));
    }
    let mut results = pool.map(items, say).chunk_size(4);
    for (n, mut reader) in readers.into_iter().enumerate() {
        let (mut said, result) = (String::new(), results.next().await.unwrap());
        // The end: nobody has the other end any more.
        reader.read_to_string(&mut said).unwrap();
        match result {
            Ok(back) => {
                std::fs::File::from(OwnedFd::from(back)).read_to_string(&mut said).unwrap();
                assert!(n == 0 || n == 3);
                assert_eq!(said, "there and back");
            }
            Err(error) => {
                assert!((n == 1 || n == 2) && matches!(error, JobError::Arguments(_)), "{n}: {error}");
                assert_eq!(said, "");
            }
        }
    }
}

#[runtime::test]
async fn chunks_that_have_not_begun_never_begin_once_nobody_wants_them() {
    let folder = Folder::new("chunks");
    let pool = ProcessPool::new(1).unwrap();
    works(&pool, 1).await;
    let running = pool.submit(crate::stay, folder.path("running"));
    let worker: u32 = folder.read("running").await.parse().unwrap();
    let touch = |path: String| std::fs::write(path, "x").unwrap();
    let paths: Vec<String> = (0..40).map(|n| folder.path(&n.to_string())).collect();
    let mut results = pool.map(paths, touch).chunk_size(10);
    assert!(poll_once(results.next()).await.is_none());
    drop(results);
    end(worker);
    death(running.await);
    works(&pool, 1).await;
    assert!((0..40).all(|n| !std::fs::exists(folder.path(&n.to_string())).unwrap()));
}
