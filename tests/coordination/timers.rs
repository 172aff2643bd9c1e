//! Something to be done later: Python's `threading.Timer`.

use crate::support::{Transcript, finish, secs};
use runtime::{
    task,
    time::{Timer, sleep},
};

#[runtime::test(start_paused = true)]
async fn a_timer_fires_once_after_its_interval_and_is_alive_until_then() {
    let transcript = Transcript::new();
    let say = |line: &'static str| {
        let transcript = transcript.clone();
        move || transcript.say(line)
    };
    let timer = Timer::after(secs(10), say("Thread-1: hello, world"));
    let with_main = task::count() + 1;
    transcript.say(with_main.to_string());
    transcript.say("MainThread");

    finish([timer.into_handle()]).await;
    sleep(secs(100)).await;
    transcript.expect(["0 2", "0 MainThread", "10 Thread-1: hello, world"]);
}

#[runtime::test(start_paused = true)]
async fn a_cancelled_timer_does_not_fire() {
    let transcript = Transcript::new();
    let hello = {
        let transcript = transcript.clone();
        Timer::after(secs(3), move || transcript.say("hello"))
    };
    sleep(secs(2)).await;
    assert!(hello.cancel(), "it has not fired yet");
    assert!(hello.into_handle().await.unwrap_err().is_cancelled());
    sleep(secs(100)).await;
    transcript.expect([""; 0]);
}

#[runtime::test(start_paused = true)]
async fn a_timer_that_has_fired_cannot_be_cancelled() {
    let transcript = Transcript::new();
    let hello = {
        let transcript = transcript.clone();
        Timer::after(secs(3), move || transcript.say("hello"))
    };
    sleep(secs(4)).await;
    assert!(!hello.cancel());
    hello.into_handle().await.unwrap();
    transcript.expect(["3 hello"]);
}

#[runtime::test(start_paused = true)]
async fn timers_started_three_seconds_apart_fire_independently() {
    let transcript = Transcript::new();
    let mut timers = Vec::new();
    for number in 1..=5 {
        let transcript = transcript.clone();
        let name = format!("Thread-{number}");
        timers.push(Timer::after(secs(2), move || transcript.say(name)));
        sleep(secs(3)).await;
    }
    assert!(!timers.iter().any(Timer::is_waiting));
    transcript.expect(["2 Thread-1", "5 Thread-2", "8 Thread-3", "11 Thread-4", "14 Thread-5"]);
}

/// What Python's has not: a timer that is put off, as often as one likes.
#[runtime::test(start_paused = true)]
async fn a_timer_can_be_put_off() {
    let transcript = Transcript::new();
    let snooze = {
        let transcript = transcript.clone();
        Timer::after(secs(3), move || transcript.say("wake up"))
    };
    for _ in 0..2 {
        sleep(secs(2)).await;
        assert!(snooze.reset(secs(3)));
    }
    sleep(secs(100)).await;
    assert!(!snooze.reset(secs(3)), "it has rung");
    transcript.expect(["7 wake up"]);
}
