//! Stories of ^\ at the terminal. The handler is the process's, and most end by the signal: each is told by a process of its own.
#![cfg(all(unix, not(miri)))]

mod support;

use runtime_io::signal::{SignalKind, signal};
use std::{
    env, fs,
    io::{self, Read},
    os::unix::process::ExitStatusExt,
    process::{self, Command, Output},
};
use support::sys::{limit_descriptors, next_descriptor, raise};

const CHILD: &str = "STORY_OF_A_QUIT";

/// SIGQUIT, on every system that we know.
const QUIT: i32 = 3;

/// Sends this process a SIGQUIT, as the terminal does.
fn press() {
    let pid = process::id().to_string();
    assert!(Command::new("kill").args(["-QUIT", &pid]).status().expect("there is `kill`").success());
}

/// Runs the test of that name, which is called from, in a process of its own; `None`: this is that process.
fn told_by_a_child(story: &str) -> Option<Output> {
    if env::var_os(CHILD).is_some() {
        return None;
    }
    let me = env::current_exe().unwrap();
    Some(Command::new(me).args(["--exact", story]).env(CHILD, "1").output().unwrap())
}

#[test]
fn the_signal_ends_the_process_again_once_nobody_reads_it() {
    if let Some(child) = told_by_a_child("the_signal_ends_the_process_again_once_nobody_reads_it") {
        return assert_eq!(child.status.signal(), Some(QUIT), "{child:?}");
    }
    let mut presses = runtime_io::owner::catch_quit().unwrap().expect("the signal is nobody's");
    press();
    presses.read_exact(&mut [0]).unwrap();
    drop(presses);
    press();
    // It comes to some thread of ours, soon: the end is not reached.
    std::thread::park_timeout(std::time::Duration::from_secs(20));
    process::exit(0);
}

#[test]
fn whoever_is_interrupted_does_not_notice_also_when_nobody_keeps_up_with_reading() {
    let story = "whoever_is_interrupted_does_not_notice_also_when_nobody_keeps_up_with_reading";
    if let Some(child) = told_by_a_child(story) {
        return assert!(child.status.success(), "{child:?}");
    }
    let presses = runtime_io::owner::catch_quit().unwrap().expect("the signal is nobody's");
    // More than the socket takes: the last ones fail in the handler.
    for _ in 0..10_000 {
        fs::File::open("").unwrap_err();
        raise(QUIT);
        assert_eq!(io::Error::last_os_error().kind(), io::ErrorKind::NotFound);
    }
    presses.set_nonblocking(true).unwrap();
    let mut heard = Vec::new();
    let ended = (&presses).read_to_end(&mut heard).unwrap_err();
    assert_eq!(ended.kind(), io::ErrorKind::WouldBlock);
    let read = heard.len();
    assert!((1..10_000).contains(&read), "{read} of 10,000 were heard");
    assert!(runtime_io::owner::catch_quit().unwrap().is_none(), "it is ours already");
}

#[test]
fn without_descriptors_the_signal_stays_what_it_was_and_can_be_caught_later() {
    let story = "without_descriptors_the_signal_stays_what_it_was_and_can_be_caught_later";
    if let Some(child) = told_by_a_child(story) {
        return assert_eq!(child.status.signal(), Some(QUIT), "{child:?}");
    }
    // None, and then one of the two that it takes.
    for room in [0, 1] {
        let before = limit_descriptors(next_descriptor() as libc::rlim_t + room);
        let refused = runtime_io::owner::catch_quit().unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(libc::EMFILE));
        limit_descriptors(before);
    }
    drop(runtime_io::owner::catch_quit().unwrap().expect("the signal is nobody's still"));
    raise(QUIT);
    process::exit(0);
}

#[test]
fn a_listener_hears_it_beside_whoever_reads_and_after() {
    if let Some(child) = told_by_a_child("a_listener_hears_it_beside_whoever_reads_and_after") {
        return assert!(child.status.success(), "{child:?}");
    }
    support::run(async {
        let mut presses = runtime_io::owner::catch_quit().unwrap().expect("the signal is nobody's");
        let mut listener = signal(SignalKind::quit()).unwrap();
        raise(QUIT);
        presses.read_exact(&mut [0]).unwrap();
        assert_eq!(listener.recv().await, Some(()));
        drop(presses);
        raise(QUIT);
        assert_eq!(listener.recv().await, Some(()));
        assert!(runtime_io::owner::catch_quit().unwrap().is_none(), "it is the listener's");
    });
}
