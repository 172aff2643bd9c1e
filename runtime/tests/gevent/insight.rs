//! What reports say where tasks and greenlets meet: circles of both kinds, stalls, dumps.

use crate::support::{SECOND, text, wait_for_ever};
use runtime::{Builder, greenlet, inspect, spawn, sync::Lock, task, task_local, time::sleep};
use std::{
    cell::OnceCell,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    sync::mpsc,
    time::Duration,
};

/// Runs a program that hangs, and gives the report, with the lines and columns of this file as `here`.
fn hangs(program: impl AsyncFnOnce()) -> String {
    let runtime = Builder::new().start_paused(true).on_report(|_| ()).build().unwrap();
    let panic = catch_unwind(AssertUnwindSafe(|| runtime.block_on(program()))).expect_err("it hangs");
    let report = text(&*panic);
    let mut plain = String::new();
    let mut rest = &*report;
    while let Some((before, after)) = rest.split_once(file!()) {
        plain.push_str(before);
        plain.push_str("here");
        rest = after.trim_start_matches(|c: char| c == ':' || c.is_ascii_digit());
    }
    plain + rest
}

/// The task holds what the greenlet wants, and the other way round.
#[test]
fn a_circle_of_a_task_and_a_greenlet() {
    let report = hangs(async || {
        let locks = Rc::new((Lock::new(()), Lock::new(())));
        let of_task = locks.clone();
        let task = task::Builder::new().name("takes A, then B").spawn(async move {
            let _a = of_task.0.acquire().await;
            task::yield_now().await;
            let _b = of_task.1.acquire().await;
        });
        let greenlet = greenlet::Builder::new().name("takes B, then A").spawn(move || {
            let _b = greenlet::wait(locks.1.acquire());
            greenlet::yield_now();
            let _a = greenlet::wait(locks.0.acquire());
        });
        let _ = (task.await, greenlet.await);
    });
    assert_eq!(
        report,
        "deadlock: nobody is ready, and nothing can happen that would wake anybody
circle:
    task 1 'takes A, then B' (spawned at here) has waited 0ns
        for the Lock created at here, asked at here, held by task 2 since here
    greenlet 2 'takes B, then A' (spawned at here) has waited 0ns
        for the Lock created at here, asked at here, held by task 1 since here
behind it:
    main task has waited 0ns
        for the end of task 1"
    );
}

#[test]
fn a_greenlet_and_a_task_that_wait_for_each_others_end() {
    let report = hangs(async || {
        let greenlet = Rc::new(OnceCell::new());
        let handle = greenlet.clone();
        let task = spawn(async move {
            sleep(SECOND).await;
            let greenlet: greenlet::JoinHandle<()> = Rc::into_inner(handle).unwrap().into_inner().unwrap();
            greenlet.await.unwrap();
        });
        let last = greenlet::spawn(move || greenlet::wait(task).unwrap());
        assert!(greenlet.set(last).is_ok());
        drop(greenlet);
        std::future::pending::<()>().await;
    });
    assert!(
        report.contains(
            "circle:\n    task 1 (spawned at here) has waited 0ns\n        for the end of task 2\n"
        ),
        "{report}"
    );
    assert!(
        report.contains("    greenlet 2 (spawned at here) has waited 1s\n        for the end of task 1\n"),
        "{report}"
    );
}

/// Also by the blocking forms of the handle, of which the first stands where reports look.
#[test]
fn greenlets_that_join_each_other() {
    let report = hangs(async || {
        let handles = Rc::new([const { OnceCell::new() }; 2]);
        for index in 0..2 {
            let others = handles.clone();
            let greenlet = greenlet::spawn(move || {
                let other: &greenlet::JoinHandle<()> = others[1 - index].get().unwrap();
                assert!(other.join_timeout(SECOND).is_err(), "who comes again stands there again");
                other.join();
            });
            assert!(handles[index].set(greenlet).is_ok());
        }
        drop(handles);
        std::future::pending::<()>().await;
    });
    for line in ["greenlet 1 (spawned at here) has waited 0ns\n        for the end of task 2", "greenlet 2"] {
        assert!(report.contains(line), "{report}");
    }
    assert!(report.contains("circle:"), "{report}");
}

/// Who does not wait any more is not said to.
#[test]
fn who_has_given_up_waits_for_nobody() {
    let runtime = Builder::new().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let slow = greenlet::spawn(wait_for_ever);
        let patient = greenlet::spawn(move || {
            assert!(slow.join_timeout(SECOND).is_err());
            greenlet::sleep(9 * SECOND);
        });
        sleep(SECOND / 2).await;
        assert!(inspect::dump().to_string().contains("for the end of task 1"));
        sleep(SECOND).await;
        assert!(!inspect::dump().to_string().contains("for the end of"));
        drop(patient);
    });
}

#[test]
fn dumps_call_greenlets_by_their_names() {
    let runtime = Builder::new().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let sleeper = greenlet::Builder::new().name("sleeper").spawn(|| greenlet::sleep(3 * SECOND));
        let lock = Rc::new(Lock::new(()));
        let _held = lock.acquire().await;
        let wanted = lock.clone();
        let waiter = greenlet::spawn(move || drop(greenlet::wait(wanted.acquire())));
        sleep(SECOND).await;
        let dump = inspect::dump().to_string();
        assert!(dump.contains("greenlet 1 'sleeper' (spawned at "), "{dump}");
        assert!(dump.contains("due in 2s"), "{dump}");
        assert!(dump.contains("greenlet 2 (spawned at "), "{dump}");
        assert!(dump.contains("for the Lock created at "), "{dump}");
        assert_eq!(task::list().iter().filter(|status| status.task.noun() == "greenlet").count(), 2);
        drop((sleeper, waiter));
    });
}

/// A greenlet that computes for too long is found while it does, and named.
#[test]
fn a_greenlet_that_does_not_switch_is_found() {
    let (sender, stalls) = mpsc::channel();
    let runtime = Builder::new()
        .watch_stalls(Duration::from_millis(25))
        .on_stall(move |stall| sender.send(stall.clone()).unwrap())
        .build()
        .unwrap();
    runtime.block_on(async {
        let greedy = greenlet::Builder::new().name("greedy").spawn(move || {
            greenlet::yield_now();
            stalls.recv_timeout(Duration::from_secs(60)).expect("it was noticed")
        });
        let stall = greedy.await.unwrap();
        assert!(stall.lasted >= Duration::from_millis(25));
        if cfg!(target_os = "linux") {
            let told = stall.to_string();
            assert!(told.starts_with("greenlet 1 'greedy' (spawned at "), "{told}");
        }
    });
}

/// The value of a scope is that of its stack: others come and go at each switch, and a kill takes it away with the scope.
#[test]
fn task_locals_belong_to_their_stack() {
    task_local!(static USER: &'static str);
    let runtime = Builder::new().start_paused(true).build().unwrap();
    runtime.block_on(USER.scope("root", async {
        let users = ["eve", "bob"].map(|name| {
            greenlet::spawn(move || {
                assert!(USER.try_with(|_| ()).is_err(), "nothing is inherited unless asked for");
                USER.sync_scope(name, || {
                    for _ in 0..3 {
                        greenlet::yield_now();
                        assert_eq!(USER.get(), name);
                        USER.sync_scope("nobody", greenlet::yield_now);
                    }
                    // Another stack on top of this one.
                    greenlet::wait(greenlet::run(move || {
                        greenlet::yield_now();
                        assert_eq!(USER.get(), name);
                        USER.sync_scope("inner", greenlet::yield_now);
                    }));
                    USER.get()
                })
            })
        });
        let killed = greenlet::spawn(|| USER.sync_scope("mallory", wait_for_ever));
        for _ in 0..4 {
            assert_eq!(USER.get(), "root");
            task::yield_now().await;
        }
        assert!(killed.cancel_and_wait().await.unwrap_err().is_cancelled());
        assert_eq!(USER.get(), "root");
        let [eve, bob] = users;
        assert_eq!((eve.await.unwrap(), bob.await.unwrap()), ("eve", "bob"));
    }));
}
