//! Processes of work where something is missing: descriptors, a runtime that runs, and good manners of the user's types.
#![cfg(all(feature = "macros", feature = "process-pool", target_os = "linux", not(asan)))]
#![expect(clippy::needless_pass_by_value, reason = "functions of jobs own what they are called with")]

use runtime::{
    Runtime,
    pool::{JobError, ProcessPool, Shutdown, ThreadPool},
    process::{Barrier, BarrierError, Lock, Process, Queue},
    time::{sleep, timeout},
};
use std::{
    fs::{self, File},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::mpsc,
    thread,
    time::Duration,
};

const PATIENCE: Duration = Duration::from_secs(20);

fn double(n: u64) -> u64 {
    2 * n
}

fn length(bytes: Vec<u8>) -> usize {
    bytes.len()
}

/// Calls `f` on a thread of its own, which may be stuck.
#[expect(clippy::disallowed_methods, reason = "one that can be left alone")]
fn within_patience<R: Send + 'static>(f: impl FnOnce() -> R + Send + 'static) -> R {
    let (tell, told) = mpsc::channel();
    let thread = thread::spawn(move || tell.send(f()).unwrap());
    let result = told.recv_timeout(PATIENCE).expect("it is stuck");
    thread.join().unwrap();
    result
}

#[runtime::test]
async fn whoever_waits_on_the_thread_of_a_runtime_that_does_not_run_drives_its_pool() {
    let outcomes = within_patience(|| {
        let runtime = Runtime::new().unwrap();
        let pool = runtime.block_on(async { ProcessPool::new(1).unwrap() });
        let outside = pool.submit(double, 4_u64).get(None).unwrap();
        let inside = runtime.block_on(async { pool.submit(double, 5_u64).await.unwrap() });
        pool.blocking_shutdown(Shutdown::Wait);
        (outside, inside)
    });
    assert_eq!(outcomes, (8, 10));
}

#[test]
fn nobody_waits_for_a_callback_that_cannot_be_called_meanwhile() {
    let message = within_patience(|| {
        let (runtime, pool) = (Runtime::new().unwrap(), ThreadPool::new(1));
        let (gate, opens) = mpsc::channel::<()>();
        let mut job = runtime.block_on(async {
            let job = pool.submit(move || opens.recv().is_err(), ());
            job.on_done(|_| ());
            Some(job)
        });
        let mut job = job.take().unwrap();
        drop(gate);
        assert!(matches!(job.get(Duration::from_millis(1)), Err(JobError::Elapsed)));
        let panic = catch_unwind(AssertUnwindSafe(|| job.get(None))).unwrap_err();
        assert!(runtime.block_on(async { job.get(None).unwrap() }));
        *panic.downcast::<&'static str>().unwrap()
    });
    assert!(message.starts_with("`get` would wait for ever: "), "{message}");
}

/// All descriptors but so many are taken.
fn leave(descriptors: usize) -> Vec<File> {
    let mut files: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    files.truncate(files.len() - descriptors);
    files
}

fn used() -> (usize, usize) {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    (fs::read_dir("/proc/self/fd").unwrap().count(), maps.lines().count())
}

/// Does all that takes descriptors, and passes over what the system refuses. What went well, and what is stuck.
async fn attempt_all() -> Result<u32, String> {
    let mut done = 0;
    if let Ok(queue) = Queue::bounded(3)
        && queue.put(vec![7_u8; 100_000]).await.is_ok()
        && let Ok(bytes) = timeout(PATIENCE, queue.get()).await.map_err(|_| "a queue")?
    {
        assert_eq!(bytes.len(), 100_000);
        done += 1;
    }
    if let Ok(lock) = Lock::new() {
        drop(lock.acquire().await.unwrap());
        done += 1;
    }
    if let Ok(process) = Process::spawn(double, 4_u64)
        && let Ok(result) = timeout(PATIENCE, process.join()).await.map_err(|_| "a process")?
    {
        assert_eq!(result, 8);
        done += 1;
    }
    if let Ok(pool) = ProcessPool::new(1) {
        let (short, long) = (pool.submit(double, 4_u64), pool.submit(length, vec![1; 200_000]));
        for (outcome, expected) in [
            (timeout(PATIENCE, short).await.map_err(|_| "a short job")?.map(|n| n as usize), 8),
            (timeout(PATIENCE, long).await.map_err(|_| "a long job")?, 200_000),
        ] {
            if let Ok(result) = outcome {
                assert_eq!(result, expected);
                done += 1;
            }
        }
        timeout(PATIENCE, pool.shutdown(Shutdown::Wait)).await.map_err(|_| "the end of a pool")?;
    }
    Ok(done)
}

/// In a process of its own, as the limit is the whole process'.
fn run_out_of_descriptors() -> Result<Vec<u32>, String> {
    let own = ["--pid", &std::process::id().to_string(), "--nofile=100:100"].map(str::to_owned);
    if !std::process::Command::new("prlimit").args(own).status().is_ok_and(|status| status.success()) {
        return Err("without prlimit(1) nothing can be shown".to_owned());
    }
    let attempt = || match Runtime::new() {
        Ok(runtime) => runtime.block_on(attempt_all()),
        Err(_) => Ok(0),
    };
    let sweep = |is_known: &dyn Fn(usize)| {
        let attempts = (0..20).map(|descriptors| {
            let files = leave(descriptors);
            let done = attempt()?;
            drop(files);
            is_known(descriptors);
            Ok(done)
        });
        attempts.collect::<Result<Vec<_>, String>>()
    };
    // A process in want of descriptors watches its children in another way, and has what that takes from then on.
    sweep(&|_| ())?;
    let before = used();
    let mut done = sweep(&|descriptors| assert_eq!(used(), before, "with {descriptors} left"))?;
    done.push(attempt()?);
    Ok(done)
}

#[runtime::test]
async fn without_descriptors_there_are_errors_and_nothing_is_stuck_or_left_behind() {
    let process = Process::spawn(run_out_of_descriptors, ()).unwrap();
    match process.join().await.unwrap() {
        Ok(done) => assert!(done[0] == 0 && done.contains(&2) && done[20] == 5, "{done:?}"),
        Err(why) => assert!(why.starts_with("without prlimit"), "{why} is stuck"),
    }
}

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

#[runtime::test]
async fn children_that_are_started_at_the_same_time_have_nothing_of_each_other() {
    let counts: Vec<usize> = thread::scope(|scope| {
        let start = || Process::spawn(descriptors, ()).unwrap().blocking_join().unwrap();
        let threads = [(); 4].map(|()| scope.spawn(move || (0..8).map(|_| start()).collect::<Vec<_>>()));
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert!(counts.iter().all(|count| *count == counts[0]), "{counts:?}");
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Bomb(u8);

impl Drop for Bomb {
    fn drop(&mut self) {
        if !thread::panicking() {
            panic!("it panics when it is dropped");
        }
    }
}

struct Unwritable;

impl serde::Serialize for Unwritable {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        panic!("it panics when it is written");
    }
}

impl<'de> serde::Deserialize<'de> for Unwritable {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <()>::deserialize(deserializer).map(|()| Self)
    }
}

struct Unreadable;

impl serde::Serialize for Unreadable {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_unit()
    }
}

impl<'de> serde::Deserialize<'de> for Unreadable {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        panic!("it panics when it is read");
    }
}

fn take_unwritable(_: Unwritable) {}

fn give_unwritable() -> Unwritable {
    Unwritable
}

fn take_unreadable(_: Unreadable) {}

fn give_unreadable() -> Unreadable {
    Unreadable
}

fn take_bomb(bomb: Bomb) -> u8 {
    bomb.0
}

fn give_bomb() -> Bomb {
    Bomb(3)
}

#[runtime::test]
async fn types_that_panic_fail_their_jobs_and_neither_the_worker_nor_the_pool() {
    let pool = ProcessPool::new(1).unwrap();
    let workers = pool.workers();
    let refused = catch_unwind(AssertUnwindSafe(|| pool.submit(take_unwritable, Unwritable).detach()));
    refused.expect_err("the panic is of who submits");
    let dropped = catch_unwind(AssertUnwindSafe(|| pool.submit(take_bomb, Bomb(5)).detach()));
    dropped.expect_err("likewise");
    let panicked = |outcome: Result<(), JobError>| assert!(matches!(outcome, Err(JobError::Panicked(_))));
    panicked(pool.submit(give_unwritable, ()).await.map(drop));
    panicked(pool.submit(take_unreadable, Unreadable).await);
    // It was written down, and panicked then.
    panicked(pool.submit(give_bomb, ()).await.map(std::mem::forget));
    let lost = pool.submit(give_unreadable, ()).await.map(drop);
    assert!(matches!(lost, Err(JobError::ResultLost(_))));
    assert_eq!(pool.submit(double, 4_u64).await.unwrap(), 8);
    assert_eq!(pool.workers(), workers);
    pool.shutdown(Shutdown::Wait).await;
}

fn stand_at(barrier: Barrier) {
    let _ = barrier.blocking_wait();
}

#[runtime::test]
async fn a_barrier_is_broken_by_the_death_of_one_who_waits_there() {
    let barrier = Barrier::new(3).unwrap();
    let process = Process::spawn(stand_at, (barrier.clone(),)).unwrap();
    while barrier.waiting() == 0 {
        sleep(Duration::from_millis(1)).await;
    }
    process.kill().unwrap();
    process.join().await.unwrap_err();
    let outcome = timeout(PATIENCE, barrier.wait()).await;
    assert!(matches!(outcome, Ok(Err(BarrierError::Broken))), "{outcome:?}");
}
