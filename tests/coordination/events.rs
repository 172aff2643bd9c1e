//! `Event`: many wait for one thing to happen, with or without patience.

use crate::support::{LONG, Transcript, finish, give_up, ms, secs, spawn_named, unfinished};
use runtime::{JoinHandle, spawn, sync::Event, task::yield_now, time::sleep};
use std::{
    cell::Cell,
    io::{self, ErrorKind},
    rc::Rc,
    time::Duration,
};

#[runtime::test(start_paused = true)]
async fn nothing_happens_before_the_right_line_is_typed_and_then_everything() {
    let transcript = Transcript::new();
    let (event, v) = (Rc::new(Event::new()), Rc::new(Cell::new(10)));
    let tasks: Vec<_> = (0..10)
        .map(|_| {
            let (event, v, transcript) = (Rc::clone(&event), Rc::clone(&v), transcript.clone());
            spawn(async move {
                event.wait().await;
                v.set(v.get() - 1);
                transcript.say(v.get().to_string());
            })
        })
        .collect();
    for line in ["", "0", "11", "1"] {
        sleep(secs(60)).await; // somebody types
        transcript.expect([""; 0]);
        if line == "1" {
            event.set();
        }
    }
    finish(tasks).await;
    transcript.expect((0..10).rev().map(|v| format!("240 {v}")));
}

#[runtime::test(start_paused = true)]
async fn an_event_that_is_set_lets_pass_until_it_is_cleared() {
    let clock = Transcript::new();
    let event = Event::new();
    assert!(!event.is_set());
    event.set();
    for _ in 0..3 {
        event.wait().await;
    }
    assert!(event.wait_timeout(secs(1)).await);
    event.clear();
    assert!(!event.is_set());
    clock.expect_time(secs(0));
    assert!(!event.wait_timeout(secs(1)).await);
    clock.expect_time(secs(1));
}

/// A database that is up after `delay`, and two who connect: three tries each of `patience`. What becomes of each, and
/// what is said.
async fn connect(delay: Duration, patience: Duration) -> (Vec<io::Result<()>>, Transcript) {
    let transcript = Transcript::new();
    let is_up = Rc::new(Event::new());
    let check = {
        let (is_up, transcript) = (Rc::clone(&is_up), transcript.clone());
        spawn(async move {
            transcript.say("checking");
            sleep(delay).await;
            is_up.set();
            transcript.say("it is up");
        })
    };
    let clients = ["Thread-1", "Thread-2"].map(|name| {
        let (is_up, transcript) = (Rc::clone(&is_up), transcript.clone());
        spawn_named(name, async move {
            let mut tries = 0;
            while !is_up.is_set() {
                if tries == 3 {
                    return Err(io::Error::new(ErrorKind::TimedOut, format!("{name} gives up")));
                }
                tries += 1;
                transcript.say(format!("{name} try {tries}"));
                is_up.wait_timeout(patience).await;
            }
            transcript.say(format!("{name} is connected"));
            Ok(())
        })
    });
    let connected = finish(clients).await;
    // The failure of the one is nobody else's: the check runs to its end.
    check.await.unwrap();
    (connected, transcript)
}

#[runtime::test(start_paused = true)]
async fn three_tries_of_half_a_second_succeed_if_it_is_up_within_one_and_a_half() {
    for (delay_ms, succeeds) in
        [(0, true), (1000, true), (1499, true), (1501, false), (2000, false), (3000, false)]
    {
        let (connected, _) = connect(ms(delay_ms), ms(500)).await;
        for result in connected {
            match result {
                Ok(()) => assert!(succeeds, "after {delay_ms} ms"),
                Err(error) => {
                    assert!(!succeeds && error.kind() == ErrorKind::TimedOut, "{delay_ms}: {error}");
                }
            }
        }
    }
}

#[runtime::test(start_paused = true)]
async fn three_tries_of_one_and_a_half_seconds_outlast_every_delay_up_to_four() {
    for delay in 1..=4 {
        let (connected, transcript) = connect(secs(delay), ms(1500)).await;
        assert!(connected.iter().all(Result::is_ok), "after {delay} s");
        transcript.expect_time(secs(delay));
    }
}

#[runtime::test(start_paused = true)]
async fn the_tries_are_half_a_second_apart_and_both_wake_at_once() {
    let (connected, transcript) = connect(secs(1), ms(500)).await;
    assert!(connected.iter().all(Result::is_ok));
    transcript.expect([
        "0 checking",
        "0 Thread-1 try 1",
        "0 Thread-2 try 1",
        "0.5 Thread-1 try 2",
        "0.5 Thread-2 try 2",
        "1 it is up",
        "1 Thread-1 is connected",
        "1 Thread-2 is connected",
    ]);

    let (connected, transcript) = connect(secs(3), ms(500)).await;
    let said: Vec<_> = connected.into_iter().map(|result| result.unwrap_err().to_string()).collect();
    assert_eq!(said, ["Thread-1 gives up", "Thread-2 gives up"]);
    transcript.expect([
        "0 checking",
        "0 Thread-1 try 1",
        "0 Thread-2 try 1",
        "0.5 Thread-1 try 2",
        "0.5 Thread-2 try 2",
        "1 Thread-1 try 3",
        "1 Thread-2 try 3",
        "3 it is up",
    ]);
}

/// The boss keeps five workers for `overtime`: all wait, are told, clear the event after a second, and wait again.
fn an_evening_at_work(overtime: Duration, transcript: &Transcript) -> Vec<JoinHandle<()>> {
    let event = Rc::new(Event::new());
    let workers = (0..5).map(|_| {
        let (event, transcript) = (Rc::clone(&event), transcript.clone());
        spawn(async move {
            event.wait().await;
            transcript.say("Worker: oh dear!");
            sleep(secs(1)).await;
            event.clear();
            event.wait().await;
            transcript.say("Worker: oh yeah!");
        })
    });
    let mut tasks: Vec<_> = workers.collect();
    let (event, transcript) = (Rc::clone(&event), transcript.clone());
    tasks.push(spawn(async move {
        transcript.say("Boss: tonight we all stay until ten");
        transcript.say(event.is_set().to_string());
        event.set();
        sleep(overtime).await;
        transcript.say("Boss: ten o'clock, off you go");
        transcript.say(event.is_set().to_string());
        event.set();
    }));
    tasks
}

#[runtime::test(start_paused = true)]
async fn a_boss_and_five_workers_meet_twice_at_one_event() {
    let transcript = Transcript::new();
    finish(an_evening_at_work(secs(5), &transcript)).await;
    transcript.expect([
        "0 Boss: tonight we all stay until ten",
        "0 false",
        "0 Worker: oh dear!",
        "0 Worker: oh dear!",
        "0 Worker: oh dear!",
        "0 Worker: oh dear!",
        "0 Worker: oh dear!",
        "5 Boss: ten o'clock, off you go",
        "5 false",
        "5 Worker: oh yeah!",
        "5 Worker: oh yeah!",
        "5 Worker: oh yeah!",
        "5 Worker: oh yeah!",
        "5 Worker: oh yeah!",
    ]);
    transcript.expect_time(secs(5));
}

/// One event for two meetings works only because the second comes after everybody has cleared the first. A boss who
/// speaks earlier is not heard.
#[runtime::test(start_paused = true)]
async fn a_boss_in_a_hurry_leaves_the_workers_waiting() {
    let transcript = Transcript::new();
    let tasks = an_evening_at_work(ms(500), &transcript);
    sleep(LONG).await;
    transcript.expect([
        "0 Boss: tonight we all stay until ten",
        "0 false",
        "0 Worker: oh dear!",
        "0 Worker: oh dear!",
        "0 Worker: oh dear!",
        "0 Worker: oh dear!",
        "0 Worker: oh dear!",
        "0.5 Boss: ten o'clock, off you go",
        "0.5 true",
    ]);
    assert_eq!(unfinished(&tasks), 5, "all but the boss");
    give_up(tasks).await;
}

/// Whoever waited when it was set has seen it, even if it is cleared before they have run.
#[runtime::test(start_paused = true)]
async fn set_and_cleared_in_one_breath_lets_pass_those_who_waited() {
    let event = Rc::new(Event::new());
    let waiters: Vec<_> = (0..3)
        .map(|_| {
            let event = Rc::clone(&event);
            spawn(async move { event.wait().await })
        })
        .collect();
    yield_now().await;
    event.set();
    event.clear();
    let late = {
        let event = Rc::clone(&event);
        spawn(async move { event.wait().await })
    };
    sleep(LONG).await;
    assert_eq!(unfinished(&waiters), 0);
    assert!(!late.is_finished());
    give_up([late]).await;
}
