//! What cannot be sent, and what fails before the first job.

use crate::{Bytes, Folder, double, length, works};
use runtime::pool::{JobError, ProcessPool};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};

/// Can be written down, or read, or neither.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stubborn {
    pub(crate) writes: bool,
    pub(crate) reads: bool,
}

impl Serialize for Stubborn {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !self.writes {
            return Err(ser::Error::custom("it will not be written down"));
        }
        self.reads.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Stubborn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let reads = bool::deserialize(deserializer)?;
        if reads { Ok(Self { writes: true, reads }) } else { Err(de::Error::custom("it will not be read")) }
    }
}

#[runtime::test]
async fn what_cannot_be_written_or_read_fails_alone() {
    let pool = ProcessPool::new(1).unwrap();
    let workers = pool.workers();
    let take = |_: Stubborn| ();
    let give = |writes: bool, reads: bool| Stubborn { writes, reads };
    for stubborn in [Stubborn { writes: false, reads: true }, Stubborn { writes: true, reads: false }] {
        let outcome = pool.submit(take, stubborn).await;
        assert!(
            matches!(&outcome, Err(error @ JobError::Arguments(_)) if error.never_began()),
            "{outcome:?}"
        );
        let outcome = pool.submit(give, (stubborn.writes, stubborn.reads)).await;
        assert!(matches!(&outcome, Err(JobError::ResultLost(_))), "{outcome:?}");
    }
    works(&pool, 1).await;
    assert_eq!(pool.workers(), workers, "nobody died of it");
}

#[runtime::test]
async fn what_is_too_long_fails_alone() {
    let pool = ProcessPool::builder().workers(1).max_message(100_000).build().unwrap();
    let workers = pool.workers();
    let zeroes = |len: usize| Bytes(vec![0; len]);
    assert_eq!(pool.submit(length, Bytes(vec![0; 99_990])).await.unwrap(), 99_990);
    let error = pool.submit(length, Bytes(vec![0; 100_000])).await.unwrap_err();
    assert!(matches!(error, JobError::Arguments(_)) && error.to_string().contains("100003 bytes"), "{error}");
    assert_eq!(pool.submit(zeroes, 99_990).await.unwrap().0.len(), 99_990);
    let error = pool.submit(zeroes, 200_000).await.unwrap_err();
    assert!(
        matches!(error, JobError::ResultLost(_)) && error.to_string().contains("200003 bytes"),
        "{error}"
    );
    works(&pool, 1).await;
    assert_eq!(pool.workers(), workers, "nobody died of it");
}

#[runtime::test]
async fn an_initializer_that_fails_fails_the_jobs_and_is_tried_again_when_there_are_more() {
    let folder = Folder::new("initializer");
    fn prepare(path: String) {
        let ready = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(!ready.is_empty(), "it is not ready");
    }
    let pool = ProcessPool::builder().workers(3).initializer(prepare, folder.path("ready")).build().unwrap();
    for _ in 0..2 {
        let jobs = [pool.submit(double, 1), pool.submit(double, 2)];
        for job in jobs {
            let error = job.await.unwrap_err();
            assert!(
                matches!(&error, JobError::Initializer(why) if why.contains("it is not ready")),
                "{error:?}"
            );
        }
    }
    std::fs::write(folder.path("ready"), "x").unwrap();
    works(&pool, 3).await;
}

#[runtime::test]
async fn initializers_run_once_in_each_worker() {
    static CALLS: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    fn count(by: u64) {
        CALLS.fetch_add(by, std::sync::atomic::Ordering::Relaxed);
    }
    let pool =
        ProcessPool::builder().workers(2).initializer(count, 5).max_tasks_per_child(4).build().unwrap();
    let jobs: Vec<_> =
        (0..20).map(|_| pool.submit(|| CALLS.load(std::sync::atomic::Ordering::Relaxed), ())).collect();
    for job in jobs {
        assert_eq!(job.await.unwrap(), 5);
    }
    let error = ProcessPool::builder()
        .initializer(|_: Stubborn| (), Stubborn { writes: false, reads: true })
        .build()
        .unwrap_err();
    assert!(error.to_string().contains("initializer"), "{error}");
}

#[runtime::test]
async fn a_queue_that_is_full_refuses() {
    let folder = Folder::new("full");
    let pool = ProcessPool::builder().workers(1).max_queued(2).build().unwrap();
    let running = pool.submit(crate::stay, folder.path("worker"));
    let worker = folder.read("worker").await.parse().unwrap();
    let waiting = [pool.submit(double, 1), pool.submit(double, 2)];
    assert!(matches!(pool.submit(double, 3).await, Err(JobError::QueueFull(2))));
    crate::end(worker);
    crate::death(running.await);
    for (n, job) in (1..).zip(waiting) {
        assert_eq!(job.await.unwrap(), 2 * n);
    }
}
