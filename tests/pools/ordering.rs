//! In which order things happen: jobs, their results, and whoever waits for them.

use crate::support::Lines;
use runtime::{
    pool::{Job, Pool, Shutdown, ThreadPool},
    task,
};
use std::{
    future::ready,
    sync::{
        Arc, Barrier, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, channel},
    },
};

fn square(n: u64) -> u64 {
    n * n
}

/// Five jobs on five threads, shutdown, and then the results: the lines of the workers in any order, those of the main thread
/// in one.
#[runtime::test]
async fn five_jobs_work_at_once_and_the_results_are_in_order() {
    let lines = Lines::default();
    let pool = ThreadPool::new(5);
    // Nobody goes on before all five are there: one after the other would hang.
    let together = Arc::new(Barrier::new(5));
    let jobs: Vec<Job<u64>> = (0..5)
        .map(|n| {
            let (lines, together) = (lines.clone(), together.clone());
            let task = move |n: u64| {
                together.wait();
                lines.say(format!("task {n}"));
                square(n)
            };
            pool.submit(task, n)
        })
        .collect();
    pool.shutdown(Shutdown::Wait).await;
    assert_eq!(lines.take_sorted(), ["task 0", "task 1", "task 2", "task 3", "task 4"]);
    lines.say("主线程");
    for job in jobs {
        lines.say(format!(">>>> {}", job.await.unwrap()));
    }
    assert_eq!(lines.take(), ["主线程", ">>>> 0", ">>>> 1", ">>>> 4", ">>>> 9", ">>>> 16"]);
}

/// The same program for any pool: which one is decided in one line.
async fn squares_in_order(pool: impl Pool) -> Vec<String> {
    let lines = Lines::default();
    let jobs: Vec<_> = (0..5_u64).map(|n| pool.submit(square, n)).collect();
    pool.shutdown(Shutdown::Wait).await;
    lines.say("主线程");
    for job in jobs {
        assert!(job.is_done());
        lines.say(format!(">>>> {}", job.await.unwrap()));
    }
    lines.take()
}

const SQUARES_IN_ORDER: [&str; 6] = ["主线程", ">>>> 0", ">>>> 1", ">>>> 4", ">>>> 9", ">>>> 16"];

#[runtime::test]
async fn one_line_decides_that_it_is_threads() {
    assert_eq!(squares_in_order(ThreadPool::new(5)).await, SQUARES_IN_ORDER);
}

/// Nobody shuts the pool down: results are taken as they come, and as they were submitted.
#[runtime::test]
async fn results_can_be_had_without_shutdown() {
    let pool = ThreadPool::new(5);
    let jobs = (0..5).map(|n| pool.submit(square, n));
    let mut results = Vec::new();
    let mut ended = task::as_completed(jobs);
    while let Some((n, result)) = ended.next().await {
        assert_eq!(result.as_ref().unwrap(), &square(n as u64));
        results.push(result.unwrap());
    }
    results.sort_unstable();
    assert_eq!(results, [0, 1, 4, 9, 16]);

    // By asking again and again, as one can, and need not.
    let jobs: Vec<_> = (0..5).map(|n| pool.submit(square, n)).collect();
    while !jobs.iter().all(Job::is_done) {
        task::yield_now().await;
    }
    let results = runtime::join_all(jobs).await.into_iter().map(Result::unwrap);
    assert!(results.eq([0, 1, 4, 9, 16]));
    pool.shutdown(Shutdown::Wait).await;
}

#[runtime::test]
async fn a_map_gives_the_results_in_the_order_of_the_items() {
    let pool = ThreadPool::new(3);
    assert_eq!(pool.map(1..5, square).collect().await.unwrap(), [1, 4, 9, 16]);
    assert_eq!(Pool::map(&pool, 1..5, square).collect().await.unwrap(), [1, 4, 9, 16]);
    pool.shutdown(Shutdown::Wait).await;
}

/// Twenty jobs for ten threads: never more at once, and with shutdown the main thread has the last word.
#[runtime::test]
async fn the_main_thread_is_last_after_shutdown_and_first_without() {
    let (lines, pool) = (Lines::default(), ThreadPool::new(10));
    let (crowd, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (gate, opens) = channel::<()>();
    let opens = Arc::new(Mutex::new(opens));
    let task = {
        let (lines, most) = (lines.clone(), most.clone());
        move |n: u64| {
            most.fetch_max(crowd.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            let _ = opens.lock().unwrap().recv(); // where it would sleep
            crowd.fetch_sub(1, Ordering::SeqCst);
            lines.say(format!("{n} is over"));
        }
    };
    (0..20).for_each(|n| pool.submit(task.clone(), n).detach());
    lines.say("主线程");
    assert_eq!(lines.take(), ["主线程"], "nobody has waited");
    drop(gate);
    pool.shutdown(Shutdown::Wait).await;
    lines.say("主线程");
    let said = lines.take();
    assert_eq!((said.len(), said.last().unwrap().as_str()), (21, "主线程"));
    assert!(most.load(Ordering::SeqCst) <= 10);

    // With a map, whose results nobody has use for.
    let pool = ThreadPool::new(10);
    pool.map(0..20, task).collect().await.unwrap();
    pool.shutdown(Shutdown::Wait).await;
    lines.say("主线程");
    let said = lines.take();
    assert_eq!((said.len(), said.last().unwrap().as_str()), (21, "主线程"));
}

/// In blocking style, as a program without `async` has it: the list is there when the call returns.
#[test]
fn a_map_in_blocking_style_returns_the_list() {
    let lines = Lines::default();
    let pool = ThreadPool::new(10);
    let say = lines.clone();
    let task = move |n: u64| {
        say.say("task");
        square(n)
    };
    let squares: Vec<u64> = pool.map(0..10, task).blocking().map(Result::unwrap).collect();
    lines.say("主进程");
    assert!(squares.into_iter().eq((0..10).map(square)));
    let said = lines.take();
    assert_eq!((said.len(), said.last().unwrap().as_str()), (11, "主进程"));
    pool.blocking_shutdown(Shutdown::Wait);
}

/// Functions that are `async` are driven on the thread that does the job.
#[runtime::test]
async fn a_thread_drives_async_functions() {
    async fn square_later(n: u64) -> u64 {
        task::yield_now().await;
        ready(square(n)).await
    }
    let pool = ThreadPool::new(2);
    assert_eq!(Pool::apply(&pool, square_later, 7_u64).await.unwrap(), 49);
    assert_eq!(Pool::map(&pool, 1..5, square_later).collect().await.unwrap(), [1, 4, 9, 16]);
    let mut squares = Pool::imap_unordered(&pool, 1..5, square_later).collect().await.unwrap();
    squares.sort_unstable();
    assert_eq!(squares, [1, 4, 9, 16]);
    pool.shutdown(Shutdown::Wait).await;
}

/// What an `async` function leaves behind on its thread is waited for without blocking this one.
#[runtime::test]
async fn shutdown_waits_for_what_threads_have_begun_beside_their_jobs() {
    static GATE: Mutex<Option<Receiver<()>>> = Mutex::new(None);
    async fn begin() {
        let gate = GATE.lock().unwrap().take().unwrap();
        let (tell, told) = channel();
        let begun = move || {
            tell.send(()).unwrap();
            gate.recv()
        };
        runtime::spawn_blocking(begun).detach();
        told.recv().unwrap();
    }
    let (gate, opens) = channel();
    *GATE.lock().unwrap() = Some(opens);
    let pool = ThreadPool::new(1);
    Pool::apply(&pool, begin, ()).await.unwrap();
    let shutdown = runtime::spawn(pool.shutdown(Shutdown::Wait));
    for _ in 0..100 {
        task::yield_now().await;
    }
    assert!(!shutdown.is_finished(), "and this thread goes on");
    gate.send(()).unwrap();
    shutdown.await.unwrap();
}
