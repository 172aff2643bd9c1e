//! Stories of pools of processes, mostly unhappy ones: workers that are killed at every moment, functions that end their
//! process, messages that nobody can send; what becomes of the job, of the others, and of the pool.
#![cfg(all(target_os = "linux", not(miri)))]
#![expect(clippy::needless_pass_by_value, reason = "functions of jobs own what they are called with")]

mod chunks;
mod deaths;
mod ends;
mod jobs;
mod limits;
mod scarcity;
mod storm;

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use runtime::{
    pool::{JobError, ProcessPool},
    time::sleep,
};
use std::{fmt, fs, time::Duration};

const LONG: Duration = Duration::from_secs(3_600);

fn double(n: u64) -> u64 {
    2 * n
}

fn length(bytes: Bytes) -> usize {
    bytes.0.len()
}

/// Written down and read as a whole, and so quickly, also without optimisation.
#[derive(Clone, PartialEq)]
struct Bytes(Vec<u8>);

impl serde::Serialize for Bytes {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for Bytes {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl serde::de::Visitor<'_> for Reader {
            type Value = Bytes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Bytes, E> {
                Ok(Bytes(bytes.to_vec()))
            }
        }
        deserializer.deserialize_bytes(Reader)
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

fn pid() -> u32 {
    std::process::id()
}

/// Leaves a sign of itself, and stays.
#[expect(clippy::disallowed_methods, reason = "a job that computes for ever, but cheaper")]
fn stay(sign: String) {
    fs::write(sign, std::process::id().to_string()).unwrap();
    loop {
        std::thread::sleep(LONG);
    }
}

/// Whether there is such a process, and it has not ended.
fn is_alive(pid: u32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    !matches!(stat.rsplit(')').next().unwrap().trim_start().chars().next(), Some('Z' | 'X'))
}

fn end(pid: u32) {
    // It may have gone already.
    let _ = kill(Pid::from_raw(pid as i32), Signal::SIGKILL);
}

/// Waits until something holds.
async fn until(mut holds: impl FnMut() -> bool) {
    while !holds() {
        sleep(Duration::from_millis(1)).await;
    }
}

/// A folder of a story's own, which goes with it.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("runtime-process-pool-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    /// What somebody has left there, once it is there.
    async fn read(&self, name: &str) -> String {
        let path = self.path(name);
        until(|| fs::read_to_string(&path).is_ok_and(|text| !text.is_empty())).await;
        fs::read_to_string(path).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The pool does what pools do, with all of its workers.
async fn works(pool: &ProcessPool, workers: usize) {
    let jobs: Vec<_> = (0..50).map(|n| pool.submit(double, n)).collect();
    for (n, job) in (0..).zip(jobs) {
        assert_eq!(job.await.unwrap(), 2 * n);
    }
    until(|| pool.workers().iter().filter(|&&pid| is_alive(pid)).count() == workers).await;
}

/// The pid of the worker that died, and how.
#[track_caller]
fn death<T: fmt::Debug>(outcome: Result<T, JobError>) -> (u32, String) {
    match outcome {
        Err(JobError::WorkerDied(death)) => (death.pid(), death.reason().to_string()),
        other => panic!("it did not die: {other:?}"),
    }
}
