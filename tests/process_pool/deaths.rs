//! Workers that die.

use crate::{Bytes, Folder, death, double, end, is_alive, length, pid, stay, until, works};
use nix::sys::{
    resource::{Resource, setrlimit},
    signal::{Signal, raise},
};
use runtime::{
    pool::{JobError, ProcessPool},
    time::sleep,
};
use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    time::Duration,
};

/// As much as a message may be, but for what says how long it is.
const MUCH: usize = (64 << 20) - 8;

#[runtime::test]
async fn killed_while_idle_it_is_replaced_and_no_job_hears_of_it() {
    let pool = ProcessPool::new(2).unwrap();
    works(&pool, 2).await;
    for _ in 0..20 {
        let before = pool.workers();
        end(before[0]);
        // At once, before anybody can have noticed.
        let jobs: Vec<_> = (0..4).map(|n| pool.submit(double, n)).collect();
        for job in jobs {
            job.await.unwrap();
        }
        until(|| !pool.workers().contains(&before[0])).await;
        works(&pool, 2).await;
    }
}

#[runtime::test]
async fn killed_while_it_runs_a_job_it_takes_that_one_along() {
    let (pool, folder) = (ProcessPool::new(2).unwrap(), Folder::new("runs"));
    works(&pool, 2).await;
    let long = pool.submit(stay, folder.path("worker"));
    let jobs: Vec<_> = (0..100).map(|n| pool.submit(double, n)).collect();
    let worker = folder.read("worker").await.parse().unwrap();
    end(worker);
    let error = long.await.unwrap_err();
    let sentence = error.to_string();
    assert!(sentence.contains(&worker.to_string()) && sentence.contains("SIGKILL"), "{sentence}");
    assert_eq!(death(Err::<(), _>(error)).0, worker);
    for job in jobs {
        job.await.unwrap();
    }
    works(&pool, 2).await;
}

#[runtime::test]
async fn killed_at_any_moment_of_a_long_message_to_it() {
    let pool = ProcessPool::new(1).unwrap();
    let bytes = Bytes(vec![7; MUCH]);
    for round in 0..12 {
        works(&pool, 1).await;
        let worker = pool.workers()[0];
        let job = pool.submit(length, bytes.clone());
        sleep(Duration::from_millis(round * 4)).await;
        end(worker);
        match job.await {
            // Nearly always: what was not read to its end has not begun, so the next one did it.
            Ok(len) => assert_eq!(len, MUCH),
            other => assert_eq!(death(other).0, worker),
        }
    }
    assert_eq!(pool.submit(length, bytes).await.unwrap(), MUCH);
}

#[runtime::test]
async fn killed_at_any_moment_of_a_long_message_from_it() {
    fn much(path: String) -> Bytes {
        std::fs::write(path, std::process::id().to_string()).unwrap();
        Bytes(vec![7; MUCH])
    }
    let (pool, folder) = (ProcessPool::new(2).unwrap(), Folder::new("from"));
    let mut died = 0;
    for round in 0..12 {
        let path = format!("{round}");
        let job = pool.submit(much, folder.path(&path));
        let worker: u32 = folder.read(&path).await.parse().unwrap();
        sleep(Duration::from_millis(round * 6)).await;
        end(worker);
        match job.await {
            Ok(Bytes(bytes)) => assert!(bytes.len() == MUCH && bytes.iter().all(|&byte| byte == 7)),
            other => {
                assert_eq!(death(other).0, worker);
                died += 1;
            }
        }
        works(&pool, 2).await;
    }
    assert!(died > 0, "it was always too late");
}

#[runtime::test]
async fn functions_that_end_their_process_fail_alone_and_say_how() {
    fn exit(code: i32) {
        std::process::exit(code)
    }
    fn abort() {
        std::process::abort()
    }
    fn overflow(n: u64) -> u64 {
        let frame = std::hint::black_box([n; 1_000]);
        if n == u64::MAX { 0 } else { overflow(n + 1) + frame[n as usize % 1_000] }
    }
    fn hoard() -> usize {
        setrlimit(Resource::RLIMIT_AS, 1 << 29, 1 << 29).unwrap();
        let mut all = Vec::new();
        loop {
            all.push(vec![1_u8; 1 << 24]);
            std::hint::black_box(&all);
        }
    }
    let pool = ProcessPool::new(1).unwrap();
    let exits = death(pool.submit(exit, 3).await);
    assert!(exits.1.contains("exit code 3"), "{exits:?}");
    let aborts = death(pool.submit(abort, ()).await);
    assert!(aborts.1.contains("SIGABRT"), "{aborts:?}");
    let overflows = death(pool.submit(overflow, 0).await);
    assert!(overflows.1.contains("SIGABRT") || overflows.1.contains("SIGSEGV"), "{overflows:?}");
    let hoards = death(pool.submit(hoard, ()).await);
    assert!(hoards.1.contains("SIGABRT"), "{hoards:?}");
    let stops = death(pool.submit(|| raise(Signal::SIGTERM).unwrap(), ()).await);
    assert!(stops.1.contains("SIGTERM"), "{stops:?}");
    works(&pool, 1).await;
}

#[runtime::test]
async fn a_job_that_kills_every_worker_kills_one_each_time() {
    let pool = ProcessPool::new(2).unwrap();
    let jobs: Vec<_> = (0..30)
        .map(|n| {
            let dies = n % 3 == 0;
            (
                dies,
                pool.submit(
                    |dies: bool| {
                        if dies {
                            std::process::exit(1)
                        }
                    },
                    dies,
                ),
            )
        })
        .collect();
    for (n, (dies, job)) in jobs.into_iter().enumerate() {
        let outcome = job.await;
        assert_eq!(matches!(outcome, Err(JobError::WorkerDied(_))), dies, "{n}: {outcome:?}");
    }
    works(&pool, 2).await;
}

#[runtime::test]
async fn workers_that_never_come_to_work_fail_what_waits_and_do_not_spin() {
    let folder = Folder::new("never");
    fn note(path: String) {
        use std::io::Write;
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(&path).unwrap();
        file.write_all(b"x").unwrap();
        if !std::fs::exists(format!("{path}-now")).unwrap() {
            std::process::exit(9);
        }
    }
    let path = folder.path("lives");
    let pool = ProcessPool::builder().workers(2).initializer(note, path.clone()).build().unwrap();
    let jobs = [pool.submit(double, 1), pool.submit(double, 2)];
    for job in jobs {
        let (_, how) = death(job.await);
        assert!(how.contains("exit code 9"), "{how}");
    }
    let lives = std::fs::read(&path).unwrap().len();
    assert!((5..=12).contains(&lives), "{lives}");
    std::fs::write(format!("{path}-now"), "").unwrap();
    works(&pool, 2).await;
}

#[runtime::test]
async fn what_a_job_leaves_behind_keeps_nobody() {
    fn leave() -> u32 {
        Command::new("sleep").arg("3600").spawn().unwrap().id()
    }
    let pool = ProcessPool::new(1).unwrap();
    let left = pool.apply(leave, ()).await.unwrap();
    let worker = pool.apply(pid, ()).await.unwrap();
    end(worker);
    until(|| !pool.workers().contains(&worker)).await;
    works(&pool, 1).await;
    assert!(is_alive(left));
    end(left);
}

/// Takes whatever sockets its parent has, among them the line to the pool, and keeps them.
const HEIR: &str = "
import ctypes, os, time
libc, parent = ctypes.CDLL(None, use_errno=True), os.getppid()
pidfd, taken = os.pidfd_open(parent), 0
for fd in map(int, os.listdir(f'/proc/{parent}/fd')):
    if os.readlink(f'/proc/{parent}/fd/{fd}').startswith('socket:'):
        taken += libc.syscall(438, pidfd, fd, 0) >= 0
print(taken, flush=True)
time.sleep(3600)
";

/// Leaves somebody behind who has the worker's line as well, so that it does not end with the worker. Who that is, if there is
/// any: some systems do not let a child look at its parent.
#[expect(clippy::zombie_processes, reason = "it survives the worker, and somebody else reaps it")]
fn leave_heir() -> Option<u32> {
    let mut python = Command::new("python3");
    python.args(["-c", HEIR]).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut heir = python.spawn().unwrap();
    let (pid, mut taken) = (heir.id(), String::new());
    BufReader::new(heir.stdout.take().unwrap()).read_line(&mut taken).unwrap();
    if taken.trim() == "0" {
        end(pid);
        return None;
    }
    Some(pid)
}

#[runtime::test]
async fn a_line_that_somebody_keeps_open_hides_no_death() {
    let (pool, folder) = (ProcessPool::new(1).unwrap(), Folder::new("heir"));
    for (round, with_the_thread) in [false, true].into_iter().enumerate() {
        let Some(heir) = pool.apply(leave_heir, ()).await.unwrap() else {
            return println!("SKIPPED: a child may not look at its parent here");
        };
        let name = round.to_string();
        let mut long = pool.submit(stay, folder.path(&name));
        let waiting = pool.submit(double, 4);
        let worker = folder.read(&name).await.parse().unwrap();
        end(worker);
        let outcome = if with_the_thread { long.get(None) } else { long.await };
        assert_eq!(death(outcome).0, worker);
        assert!(is_alive(heir));
        assert_eq!(waiting.await.unwrap(), 8);
        works(&pool, 1).await;
        end(heir);
    }
}
