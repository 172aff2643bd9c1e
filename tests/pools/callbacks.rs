//! Who is told of a result, where, and when.

use crate::support::Lines;
use runtime::{
    greenlet,
    pool::{Shutdown, ThreadPool},
    task,
    time::{Instant, sleep},
};
use std::{sync::mpsc::channel, thread, time::Duration};

#[runtime::test]
async fn each_result_is_told_where_it_was_asked_for() {
    let (lines, main) = (Lines::default(), thread::current().id());
    let pool = ThreadPool::new(3);
    for n in 0..5_u64 {
        let lines = lines.clone();
        let job = pool.submit(|n: u64| (n * n, thread::current().id()), n);
        job.on_done(move |result| {
            let (square, worker) = result.as_ref().unwrap();
            assert_ne!(*worker, main);
            assert_eq!(thread::current().id(), main);
            lines.say(format!("结果为: {square}"));
        });
        job.detach();
    }
    pool.shutdown(Shutdown::Wait).await;
    lines.say("主线程");
    let mut said = lines.take();
    assert_eq!(said.pop().unwrap(), "主线程", "after all callbacks");
    said.sort();
    assert_eq!(said, ["结果为: 0", "结果为: 1", "结果为: 16", "结果为: 4", "结果为: 9"]);
}

/// The callback gets a finished job's outcome, and may spawn, as it runs inside the runtime.
#[runtime::test]
async fn a_callback_may_begin_something() {
    let pool = ThreadPool::new(1);
    let job = pool.submit(|| 6, ());
    let (tell, told) = runtime::sync::oneshot::channel();
    job.on_done(move |result| {
        let six = *result.as_ref().unwrap();
        task::Builder::new()
            .spawn(async move {
                task::yield_now().await;
                tell.send(six * 7).unwrap();
            })
            .detach();
    });
    assert_eq!(told.await, Ok(42));
    assert_eq!(job.await.unwrap(), 6);
    pool.shutdown(Shutdown::Wait).await;
}

/// Of a greenlet, `get` suspends it and nobody else; a limit is one of the runtime's clock.
#[runtime::test(start_paused = true)]
async fn in_a_greenlet_get_lets_others_go_on() {
    let pool = ThreadPool::new(1);
    let (gate, opens) = channel::<u8>();
    let mut job = pool.submit(move || opens.recv().unwrap(), ());
    let start = Instant::now();
    let getter = greenlet::spawn(move || {
        // While a job runs, virtual time goes on only if it is told to.
        let early = job.get(Duration::from_secs(10));
        assert!(matches!(early, Err(runtime::pool::JobError::Elapsed)));
        assert_eq!(start.elapsed(), Duration::from_secs(10));
        job.get(None).unwrap()
    });
    task::yield_now().await;
    runtime::time::advance(Duration::from_secs(10)).await;
    task::yield_now().await;
    gate.send(42).unwrap();
    assert_eq!(getter.await.unwrap(), 42);
    sleep(Duration::from_secs(10)).await;
    assert_eq!(start.elapsed(), Duration::from_secs(20));

    let squares = greenlet::run({
        let pool = pool.clone();
        move || {
            let squares: Vec<i32> = pool.map(1..5, |n| n * n).blocking().map(Result::unwrap).collect();
            pool.blocking_shutdown(Shutdown::Wait);
            squares
        }
    });
    assert_eq!(squares.await, [1, 4, 9, 16]);
}
