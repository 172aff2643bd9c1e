//! Stories of children and `fork`: whose they are, and what is locked at that moment. They fork, so they are alone in their process,
//! one after the other.
#![cfg(all(target_os = "linux", not(miri)))]

mod support;

use runtime_io::{
    HandleError,
    process::{Command, Stdio},
    signal::SignalKind,
};
use std::{
    io,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};
use support::{run, sys::in_forked_child};

fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// In a forked child: starts one of its own and awaits it, in a thread of its own since this one is inside the parent's runtime.
/// 0 if that goes well, 2 if it hangs.
fn start_one() -> i32 {
    let (telling, told) = mpsc::channel();
    let start = move || {
        let ended = run(async { Command::new("true").status().await.unwrap() });
        telling.send(i32::from(!ended.success())).unwrap();
    };
    thread::Builder::new().spawn(start).unwrap();
    told.recv_timeout(Duration::from_secs(20)).unwrap_or(2)
}

#[test]
fn a_fork_is_nobody_to_its_parents_children() {
    let _alone = alone();
    run(async {
        let child = Command::new("cat").stdin(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let mut carried = Some(child);
        let status = in_forked_child(|| {
            let child = carried.as_ref().unwrap();
            let is_refusal = |error: io::Error| matches!(error.downcast(), Ok(HandleError::Forked));
            let refusals = [
                child.try_wait().is_err_and(is_refusal),
                child.signal(SignalKind::kill()).is_err_and(is_refusal),
                child.kill().is_err_and(is_refusal),
            ];
            if refusals != [true; 3] {
                return 1;
            }
            // It would kill.
            drop(carried.take());
            start_one()
        });
        assert_eq!(status, 0);
        let mut child = carried.take().expect("the fork has dropped its own copy only");
        assert_eq!(child.try_wait().unwrap(), None, "it runs");
        assert!(child.wait().await.unwrap().success(), "and ends at the end of its input");
    });
}

#[test]
fn a_fork_in_the_middle_of_somebody_elses_start_can_start_its_own() {
    let _alone = alone();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            // Nearly all the time, one is being started.
            while !is_over.load(Ordering::Relaxed) {
                run(async { Command::new("true").status().await.unwrap() });
            }
        });
        let all: Vec<_> = (0..20).map(|_| in_forked_child(start_one)).collect();
        is_over.store(true, Ordering::Relaxed);
        assert_eq!(all, [0; 20]);
    });
}
