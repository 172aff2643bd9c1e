//! Stories that end a process, each told by a child: this test program again, with one test chosen by name.
#![cfg(all(not(loom), unix))]

mod common;

use common::{Guarded, bomb, executor};
use runtime_executor::{spawn, task, task::yield_now};
use std::{
    os::unix::process::ExitStatusExt,
    process::{Command, Output, Stdio},
    task::Poll,
};

/// Set for the child: the story that it is to live through.
const STORY: &str = "RUNTIME_EXECUTOR_STORY";

/// Runs `story` in a child that is this very test, and gives how it ended.
fn in_a_child(test: &str, story: impl FnOnce()) -> Output {
    if std::env::var(STORY).is_ok_and(|chosen| chosen == test) {
        story();
        std::process::exit(0);
    }
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(STORY, test)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

const SIGABRT: i32 = 6;

#[test]
#[cfg_attr(miri, ignore = "Miri runs no child processes")]
fn a_panic_while_unwinding_from_a_panic_aborts() {
    let child = in_a_child("a_panic_while_unwinding_from_a_panic_aborts", || {
        executor().block_on(async {
            let _ = spawn(async {
                let _consequence = bomb("the consequence");
                panic!("the cause");
            })
            .await;
            unreachable!("the language ends a process that panics while it unwinds");
        });
    });
    let said = String::from_utf8_lossy(&child.stderr);
    assert_eq!(child.status.signal(), Some(SIGABRT), "{:?}\n{said}", child.status);
    assert!(said.contains("the cause") && said.contains("the consequence"), "{said}");
}

#[test]
#[cfg_attr(miri, ignore = "Miri runs no child processes")]
fn a_panic_in_a_drop_that_a_panic_brought_about_but_not_unwinding_does_not_abort() {
    let test = "a_panic_in_a_drop_that_a_panic_brought_about_but_not_unwinding_does_not_abort";
    let child = in_a_child(test, || {
        executor().block_on(async {
            let task = Guarded::new(bomb("the consequence"), |_| -> Poll<()> { panic!("the cause") });
            assert!(spawn(task).await.unwrap_err().is_panic());
        });
    });
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stderr));
}

#[test]
#[cfg_attr(miri, ignore = "Miri runs no child processes")]
fn the_panic_of_a_task_nobody_awaits_is_reported_once_with_name_and_place() {
    let test = "the_panic_of_a_task_nobody_awaits_is_reported_once_with_name_and_place";
    let child = in_a_child(test, || {
        executor().block_on(async {
            task::Builder::new().name("forgotten").spawn(async { panic!("nobody hears") }).detach();
            let finished = task::Builder::new().name("dropped later").spawn(async { panic!("nobody asked") });
            let awaited = task::Builder::new().name("awaited").spawn(async { panic!("somebody asked") });
            yield_now().await;
            drop(finished);
            let _ = awaited.await;
        });
    });
    assert!(child.status.success());
    let said = String::from_utf8_lossy(&child.stderr);
    let reports: Vec<&str> = said.lines().filter(|line| line.starts_with("runtime: ")).collect();
    assert_eq!(reports.len(), 2, "{said}");
    for (report, (name, message)) in
        reports.iter().zip([("'forgotten'", "nobody hears"), ("'dropped later'", "nobody asked")])
    {
        assert!(
            report.contains(name) && report.contains(message) && report.contains("process.rs:"),
            "{report}"
        );
    }
}

#[test]
#[cfg_attr(miri, ignore = "Miri runs no child processes")]
fn a_closed_standard_error_is_no_second_failure() {
    let test = "a_closed_standard_error_is_no_second_failure";
    let status = if std::env::var(STORY).is_ok_and(|chosen| chosen == test) {
        executor().block_on(async {
            spawn(async { std::panic::resume_unwind(Box::new("silent")) }).detach();
            yield_now().await;
        });
        std::process::exit(0)
    } else {
        // Its standard error is a pipe whose other end is gone.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture"])
            .env(STORY, test)
            .stdout(Stdio::null())
            .stderr(writer)
            .status()
            .unwrap()
    };
    assert!(status.success(), "{status:?}");
}

#[test]
#[cfg_attr(miri, ignore = "Miri runs no child processes")]
fn a_runtime_in_a_static_of_the_main_thread_does_not_disturb_the_exit() {
    let test = "a_runtime_in_a_static_of_the_main_thread_does_not_disturb_the_exit";
    let child = in_a_child(test, || {
        thread_local! {
            static RUNTIME: runtime_executor::Executor = executor();
        }
        RUNTIME.with(|runtime| {
            runtime.block_on(async {
                spawn(std::future::pending::<()>()).detach();
                yield_now().await;
            });
        });
        // Left by `exit`, with tasks alive and no destructor run.
    });
    assert!(child.status.success());
}
