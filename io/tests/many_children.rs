//! Stories of many children and no trace. They count descriptors and children, so they are alone in their process, one after the
//! other.
#![cfg(all(target_os = "linux", not(miri)))]

mod support;

use runtime_executor::{join_all, task::yield_now};
use runtime_io::process::{Child, Command, Launch, Stdio};
use std::{
    fs, io,
    os::unix::process::ExitStatusExt,
    sync::{Mutex, MutexGuard, PoisonError},
};
use support::{open_descriptors, run, sys::limit_descriptors, sys::next_descriptor};

fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn children() -> Vec<String> {
    let threads = fs::read_dir("/proc/self/task").unwrap();
    let lists = threads.map(|thread| fs::read_to_string(thread.unwrap().path().join("children")).unwrap());
    lists.flat_map(|list| list.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect()
}

#[test]
fn children_that_are_killed_dropped_or_never_were_leave_nothing() {
    let _alone = alone();
    run(async {
        let before = open_descriptors();
        for round in 0..100 {
            let child = Launch::new("/bin/sleep").arg("60").spawn().unwrap();
            child.kill().unwrap();
            if round % 2 == 0 {
                assert_eq!(child.ended().await.unwrap().signal(), Some(libc::SIGKILL));
            }
            assert!(Launch::new("/no/such/program").spawn().is_err());
            assert!(Command::new("/no/such/program").output().await.is_err());
        }
        // No launch after this one will look.
        let (stop, held) = io::pipe().unwrap();
        let mut launch = Launch::new("/bin/sh");
        let stop = launch.descriptor(stop.into());
        drop(launch.args(["-c".into(), format!("read line </dev/fd/{stop}")]).spawn().unwrap());
        drop(held);
        while !children().is_empty() {
            yield_now().await;
        }
        while open_descriptors() != before {
            // The tasks that have reaped them still have to end.
            yield_now().await;
        }
    });
}

#[test]
fn a_thousand_of_them_fifty_at_a_time_are_all_told_and_leave_nothing() {
    let _alone = alone();
    run(async {
        let before = open_descriptors();
        for round in 0..20 {
            let answers = (0..50).map(|number| async move {
                let script = format!("echo {number}; echo {round} >&2; exit {number}");
                Command::new("sh").args(["-c", &script]).output().await.unwrap()
            });
            for (number, output) in (0..).zip(join_all(answers).await) {
                assert_eq!(output.status.code(), Some(number));
                assert_eq!(output.stdout, format!("{number}\n").into_bytes());
                assert_eq!(output.stderr, format!("{round}\n").into_bytes());
            }
        }
        assert_eq!(children(), Vec::<String>::new());
        assert_eq!(open_descriptors(), before);
    });
}

#[test]
fn without_descriptors_a_child_is_refused_or_watched_by_signals_and_leaves_nothing() {
    let _alone = alone();
    run(async {
        // What a child without a descriptor of its own is watched by is there, and stays.
        let _signals = runtime_io::signal::signal(runtime_io::signal::SignalKind::child()).unwrap();
        let before = open_descriptors();
        let mut blind = Vec::new();
        for room in 0..8 {
            let limit = limit_descriptors(next_descriptor() as libc::rlim_t + room);
            let bare = Command::new("sleep").arg("60").spawn();
            let piped = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
            limit_descriptors(limit);
            blind.push(bare.unwrap());
            match piped {
                Ok(mut child) => assert!(child.wait().await.unwrap().success()),
                Err(error) => assert!(error.to_string().contains("Too many open files"), "{error}"),
            }
        }
        blind.iter().map(Child::kill).for_each(Result::unwrap);
        for mut child in blind {
            assert_eq!(child.wait().await.unwrap().signal(), Some(libc::SIGKILL));
        }
        assert_eq!(children(), Vec::<String>::new());
        assert_eq!(open_descriptors(), before);
    });
}
