//! `join`: for one of several, in several places, with a limit, for so many.

use crate::support::{Transcript, ms, secs, spawn_named};
use runtime::{
    Builder, JoinHandle, OnExit, spawn,
    task::{self, Until},
    time::{self, Clock, sleep, timeout},
};
use std::time::Duration;

/// Two workers of two seconds, of whom the first is joined.
#[runtime::test(start_paused = true)]
async fn who_was_joined_is_not_alive_any_more() {
    let worker = |name: &'static str, seconds| spawn_named(name, async move { sleep(secs(seconds)).await });
    let (mut first, second, third) = (worker("first", 2), worker("second", 2), worker("third", 3));
    assert!(!first.is_finished() && !second.is_finished());
    (&mut first).await.unwrap();
    assert!(first.is_finished());
    assert!(!third.is_finished(), "it sleeps on");
    sleep(secs(1)).await;
    assert!(second.is_finished());
}

/// The main program prints first, the child a second later, and the program ends after the child.
#[test]
fn the_program_ends_after_its_last_child() {
    let runtime = Builder::new().start_paused(true).on_exit(OnExit::Wait).build().unwrap();
    let transcript = runtime.block_on(async {
        let transcript = Transcript::new();
        let child = transcript.clone();
        spawn_named("child", async move {
            sleep(secs(1)).await;
            child.say(format!("in {}", task::current().name().unwrap_or("main")));
        })
        .detach();
        transcript.say(format!("in {}", task::current().id()));
        transcript
    });
    transcript.expect(["0 in main task", "1 in child"]);
}

/// Where `join` stands decides when it is "all over": in the loop, behind it for one of the two, or nowhere.
#[runtime::test(start_paused = true)]
async fn it_is_all_over_when_the_join_says_so() {
    #[derive(Clone, Copy)]
    enum Join {
        InTheLoop,
        Behind(usize),
        Nowhere,
    }
    async fn afternoon(join: Join) -> (Duration, Transcript) {
        let transcript = Transcript::new();
        let start = time::Instant::now();
        let mut started: Vec<JoinHandle<()>> = Vec::new();
        for (what, seconds) in [("music", 3), ("blog", 5)] {
            let transcript = transcript.clone();
            let mut thread = spawn(async move {
                transcript.say(format!("begin {what}"));
                sleep(secs(seconds)).await;
                transcript.say(format!("end {what}"));
            });
            if matches!(join, Join::InTheLoop) {
                (&mut thread).await.unwrap();
            }
            started.push(thread);
        }
        if let Join::Behind(number) = join {
            started.swap_remove(number).await.unwrap();
        }
        transcript.say("all over");
        let elapsed = start.elapsed();
        sleep(secs(10)).await;
        (elapsed, transcript)
    }

    let (elapsed, transcript) = afternoon(Join::InTheLoop).await;
    assert_eq!(elapsed, secs(8));
    transcript.expect(["0 begin music", "3 end music", "3 begin blog", "8 end blog", "8 all over"]);
    let (elapsed, transcript) = afternoon(Join::Behind(0)).await;
    assert_eq!(elapsed, secs(3));
    transcript.expect(["0 begin music", "0 begin blog", "3 end music", "3 all over", "5 end blog"]);
    let (elapsed, transcript) = afternoon(Join::Behind(1)).await;
    assert_eq!(elapsed, secs(5));
    transcript.expect(["0 begin music", "0 begin blog", "3 end music", "5 end blog", "5 all over"]);
    let (elapsed, transcript) = afternoon(Join::Nowhere).await;
    assert_eq!(elapsed, secs(0));
    transcript.expect(["0 all over", "0 begin music", "0 begin blog", "3 end music", "5 end blog"]);
}

/// `join(timeout)` returns at the end of the task or of the time, whichever is first; the task goes on.
#[runtime::test(start_paused = true)]
async fn a_join_with_a_limit_ends_with_the_shorter_of_the_two() {
    for (takes, limit) in [(1, 3), (3, 1), (2, 4), (0, 1), (5, 0)] {
        let start = time::Instant::now();
        let mut task = spawn(sleep(secs(takes)));
        let joined = task.join_timeout(secs(limit)).await;
        assert_eq!(start.elapsed(), secs(takes.min(limit)), "{takes} s, limited to {limit} s");
        assert_eq!(joined.is_ok(), takes < limit);
        if joined.is_err() {
            assert!(!task.is_finished());
            // The same by hand: a limit around the handle, not around the task.
            assert!(timeout(secs(60), &mut task).await.is_ok());
            assert_eq!(start.elapsed(), secs(takes));
        }
    }
}

/// The child prints every half second, main after one second and after two.
#[runtime::test(start_paused = true)]
async fn main_and_child_take_turns_at_printing() {
    let transcript = Transcript::new();
    let child = {
        let transcript = transcript.clone();
        spawn(async move {
            loop {
                transcript.say("in child");
                sleep(ms(500)).await;
            }
        })
    };
    sleep(ms(990)).await;
    transcript.say("in main");
    sleep(secs(1)).await;
    transcript.say("in main 2");
    child.cancel_and_wait().await.unwrap_err();
    transcript.expect([
        "0 in child",
        "0.5 in child",
        "0.99 in main",
        "1 in child",
        "1.5 in child",
        "1.99 in main 2",
    ]);
}

fn workers(seconds: [u64; 4]) -> Vec<JoinHandle<u64>> {
    let worker = |n| {
        spawn(async move {
            sleep(secs(n)).await;
            assert_ne!(n, 3, "three is unlucky");
            n
        })
    };
    seconds.map(worker).into()
}

/// `asyncio.wait` and `gevent.joinall(count=…)`: until the first, the first failure, so many, all.
#[runtime::test(start_paused = true)]
async fn waiting_until_enough_have_ended() {
    for (until, elapsed, done) in
        [(Until::First, 1, 1), (Until::Count(2), 2, 2), (Until::FirstError, 3, 3), (Until::All, 4, 4)]
    {
        let clock = Transcript::new();
        let (ended, pending) = task::wait(workers([4, 2, 3, 1]), until).await;
        clock.expect_time(secs(elapsed));
        assert_eq!((ended.len(), pending.len()), (done, 4 - done), "{until:?}");
        assert!(pending.iter().all(JoinHandle::cancel));
    }
}

/// `asyncio.wait(tasks, timeout=2.5)`: those that are late are still there to be waited for, or cancelled.
#[runtime::test(start_paused = true)]
async fn who_is_late_can_be_waited_for_again() {
    let clock = Transcript::new();
    let mut tasks = workers([5, 1, 2, 4]);
    assert!(timeout(ms(2500), task::wait(&mut tasks, Until::All)).await.is_err());
    let late: Vec<bool> = tasks.iter().map(|task| !task.is_finished()).collect();
    assert_eq!(late, [true, false, false, true]);
    let (done, pending) = task::wait(tasks, Until::Count(3)).await;
    clock.expect_time(secs(4));
    assert_eq!((done.len(), pending.len()), (3, 1));
}

/// The best of several times that it took to start one and to wait for its end.
fn best_of(times: usize, mut start_and_join: impl FnMut()) -> Duration {
    let clock = Clock::real();
    let once = |_| {
        let start = clock.now();
        start_and_join();
        clock.now() - start
    };
    (0..times).map(once).min().unwrap_or_default()
}

/// To start and join one task, one thread and one process.
#[test]
fn a_task_is_cheaper_than_a_thread_and_a_thread_than_a_process() {
    let runtime = Builder::new().build().unwrap();
    let task = best_of(100, || runtime.block_on(async { spawn(async {}).await.unwrap() }));
    let thread = best_of(100, || std::thread::scope(|scope| scope.spawn(|| {}).join().unwrap()));
    let process = best_of(10, || assert!(std::process::Command::new("true").status().unwrap().success()));
    println!("task {task:?}, thread {thread:?}, process {process:?}");
    assert!(task < thread && thread < process, "task {task:?}, thread {thread:?}, process {process:?}");
}
