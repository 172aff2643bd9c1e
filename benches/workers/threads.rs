//! Jobs in threads, as `rayon` and the standard library have them.

use std::collections::VecDeque;
use std::sync::mpsc;
use std::thread;

use super::{WORKERS, argument_bytes};

/// So many threads of the standard library run at a time.
const WINDOW: usize = 2 * WORKERS;

pub(super) fn rayon(row: &str, operations: u64) {
    let pool = || rayon::ThreadPoolBuilder::new().num_threads(WORKERS).build().expect("threads");
    if row == "start" {
        for _ in 0..operations {
            maps(&pool(), 0, WORKERS as u64);
        }
    } else {
        maps(&pool(), argument_bytes(row), operations);
    }
}

/// Each job is one of its own, and gives its result by itself: what the other contenders do.
fn maps(pool: &rayon::ThreadPool, bytes: usize, operations: u64) {
    let (sender, results) = mpsc::channel();
    for _ in 0..operations {
        let (sender, data) = (sender.clone(), vec![0_u8; bytes]);
        pool.spawn(move || sender.send(data.len()).expect("somebody waits"));
    }
    drop(sender);
    assert_eq!(results.iter().filter(|&length| length == bytes).count() as u64, operations);
}

pub(super) fn std(row: &str, operations: u64) {
    let bytes = argument_bytes(row);
    let mut running = VecDeque::new();
    for _ in 0..operations {
        let data = vec![0_u8; bytes];
        running.push_back(start(move || data.len()));
        if running.len() > WINDOW {
            assert_eq!(running.pop_front().expect("it is full").join().expect("no panic"), bytes);
        }
    }
    for thread in running {
        assert_eq!(thread.join().expect("no panic"), bytes);
    }
}

#[expect(clippy::disallowed_methods, reason = "threads are what is measured")]
fn start(job: impl FnOnce() -> usize + Send + 'static) -> thread::JoinHandle<usize> {
    thread::spawn(job)
}
