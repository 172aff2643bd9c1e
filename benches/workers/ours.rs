//! Jobs and messages as our documentation shows them.

use std::io::{Read, Write, stdin, stdout};

use futures_lite::StreamExt;
use runtime::pool::{ProcessPool, Shutdown, ThreadPool};
use runtime::process::{Pipe, Process, Queue, pipe};
use serde_bytes::ByteBuf;

use super::{WORKERS, argument_bytes, chunk_size};

#[expect(clippy::needless_pass_by_value, reason = "jobs own their arguments")]
fn length(data: ByteBuf) -> usize {
    data.len()
}

fn nothing(_: u64) {}

pub(super) fn run(row: &str, operations: u64) {
    runtime::run(async {
        match row {
            "start" => {
                for _ in 0..operations {
                    in_processes(row, WORKERS as u64).await;
                }
            }
            "process" => {
                for _ in 0..operations {
                    Process::spawn(nothing, 0).expect("it starts").join().await.expect("it ends");
                }
            }
            "memory" => {
                let pool = ProcessPool::new(WORKERS).expect("processes");
                pool.map(0..100, nothing).collect().await.expect("all of them");
                println!("{}", pool.workers().iter().map(u32::to_string).collect::<Vec<_>>().join(" "));
                stdout().flush().expect("somebody reads");
                let _ = stdin().read(&mut [0]).expect("the end");
            }
            "pipe" => by_pipe(operations).await,
            "blocking-pipe" => by_pipe_without_await(operations),
            "queue" => by_queues(operations).await,
            jobs => in_processes(jobs, operations).await,
        }
    });
}

async fn in_processes(row: &str, operations: u64) {
    let pool = ProcessPool::new(WORKERS).expect("processes");
    let bytes = argument_bytes(row);
    if bytes == 0 {
        let done = pool.map(0..operations, nothing).chunk_size(chunk_size(row));
        done.for_each(|done| done.expect("it ran")).await;
    } else {
        let items = (0..operations).map(move |_| ByteBuf::from(vec![0; bytes]));
        pool.map(items, length).for_each(|done| assert_eq!(done.expect("it ran"), bytes)).await;
    }
    pool.shutdown(Shutdown::Wait).await;
}

pub(super) fn run_on_threads(row: &str, operations: u64) {
    runtime::run(async {
        if row == "start" {
            for _ in 0..operations {
                on_threads(row, WORKERS as u64).await;
            }
        } else {
            on_threads(row, operations).await;
        }
    });
}

async fn on_threads(row: &str, operations: u64) {
    let (pool, bytes) = (ThreadPool::new(WORKERS), argument_bytes(row));
    let items = (0..operations).map(move |_| ByteBuf::from(vec![0; bytes]));
    let lengths = pool.map(items, length).chunk_size(chunk_size(row));
    lengths.for_each(|done| assert_eq!(done.expect("it ran"), bytes)).await;
    pool.shutdown(Shutdown::Wait).await;
}

async fn by_pipe(operations: u64) {
    let (ours, theirs) = pipe::<u64>().expect("a pipe");
    let echo = Process::spawn(echo_pipe, (theirs,)).expect("it starts");
    for number in 0..operations {
        ours.send(&number).await.expect("it is sent");
        assert_eq!(ours.recv().await.expect("it comes back"), number);
    }
    drop(ours);
    echo.join().await.expect("it ends");
}

/// As the function of a process would that is a plain one.
fn by_pipe_without_await(operations: u64) {
    let (ours, theirs) = pipe::<u64>().expect("a pipe");
    let echo = Process::spawn(echo_pipe, (theirs,)).expect("it starts");
    for number in 0..operations {
        ours.blocking_send(&number).expect("it is sent");
        assert_eq!(ours.blocking_recv().expect("it comes back"), number);
    }
    drop(ours);
    echo.blocking_join().expect("it ends");
}

#[expect(clippy::needless_pass_by_value, reason = "functions of processes own their arguments")]
fn echo_pipe(line: Pipe<u64>) {
    while let Ok(number) = line.blocking_recv() {
        line.blocking_send(&number).expect("it is sent back");
    }
}

async fn by_queues(operations: u64) {
    let there = Queue::<u64>::unbounded().expect("a queue");
    let back = Queue::<u64>::unbounded().expect("a queue");
    let clones = (there.try_clone().expect("descriptors"), back.try_clone().expect("descriptors"));
    let echo = Process::spawn(echo_queue, clones).expect("it starts");
    for number in 0..operations {
        there.put(number).await.expect("it is put");
        assert_eq!(back.get().await.expect("it comes back"), number);
    }
    there.close().expect("it is closed");
    echo.join().await.expect("it ends");
}

#[expect(clippy::needless_pass_by_value, reason = "functions of processes own their arguments")]
fn echo_queue(there: Queue<u64>, back: Queue<u64>) {
    while let Ok(number) = there.blocking_get() {
        back.blocking_put(number).expect("it is put back");
    }
}
