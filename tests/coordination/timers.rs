//! Something to be done later: Python's `threading.Timer`, so far as a task that sleeps first and a handle to cancel it.

use crate::support::{Transcript, finish, secs, spawn_named, unfinished};
use runtime::{JoinHandle, time::sleep};
use std::time::Duration;

/// Runs `then` once, `interval` from now.
fn timer(name: &str, interval: Duration, then: impl FnOnce() + 'static) -> JoinHandle<()> {
    spawn_named(name, async move {
        sleep(interval).await;
        then();
    })
}

#[runtime::test(start_paused = true)]
async fn a_timer_fires_once_after_its_interval_and_is_alive_until_then() {
    let transcript = Transcript::new();
    let say = |line: &'static str| {
        let transcript = transcript.clone();
        move || transcript.say(line)
    };
    let timers = [timer("Thread-1", secs(10), say("Thread-1: hello, world"))];
    let with_main = unfinished(&timers) + 1;
    transcript.say(with_main.to_string());
    transcript.say("MainThread");

    finish(timers).await;
    sleep(secs(100)).await;
    transcript.expect(["0 2", "0 MainThread", "10 Thread-1: hello, world"]);
}

#[runtime::test(start_paused = true)]
async fn a_cancelled_timer_does_not_fire() {
    let transcript = Transcript::new();
    let hello = {
        let transcript = transcript.clone();
        timer("Thread-1", secs(3), move || transcript.say("hello"))
    };
    sleep(secs(2)).await;
    assert!(hello.cancel(), "it has not fired yet");
    assert!(hello.await.unwrap_err().is_cancelled());
    sleep(secs(100)).await;
    transcript.expect([""; 0]);
}

#[runtime::test(start_paused = true)]
async fn a_timer_that_has_fired_cannot_be_cancelled() {
    let transcript = Transcript::new();
    let hello = {
        let transcript = transcript.clone();
        timer("Thread-1", secs(3), move || transcript.say("hello"))
    };
    sleep(secs(4)).await;
    assert!(!hello.cancel());
    hello.await.unwrap();
    transcript.expect(["3 hello"]);
}

#[runtime::test(start_paused = true)]
async fn timers_started_three_seconds_apart_fire_independently() {
    let transcript = Transcript::new();
    let mut timers = Vec::new();
    for number in 1..=5 {
        let transcript = transcript.clone();
        let name = format!("Thread-{number}");
        timers.push(timer(&name.clone(), secs(2), move || transcript.say(name)));
        sleep(secs(3)).await;
    }
    assert_eq!(unfinished(&timers), 0);
    transcript.expect(["2 Thread-1", "5 Thread-2", "8 Thread-3", "11 Thread-4", "14 Thread-5"]);
}
