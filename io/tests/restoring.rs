//! Stories of signals that are given back. What a signal does is the process's business, so each is told by a process of its own.
#![cfg(all(unix, not(miri)))]

mod support;

use futures_lite::future::poll_once;
use runtime_io::signal::{SignalKind, ctrl_c, keep, restore, signal};
use std::{
    env,
    os::unix::process::ExitStatusExt,
    process::{self, Command, Output},
    sync::atomic::{AtomicUsize, Ordering},
};
use support::{
    executor, run,
    sys::{handle, in_forked_child, raise},
};

const CHILD: &str = "STORY_OF_A_RESTORED_SIGNAL";
const INT: i32 = 2;
const LAST: &str = "and now the last one";
const USR1: SignalKind = SignalKind::user_defined1();

/// Runs the test of that name, which is called from, in a process of its own; `None`: this is that process.
fn told_by_a_child(story: &str) -> Option<Output> {
    if env::var_os(CHILD).is_some() {
        return None;
    }
    let me = env::current_exe().unwrap();
    Some(Command::new(me).args(["--nocapture", "--exact", story]).env(CHILD, "1").output().unwrap())
}

/// By the last signal of its story, and none before.
fn assert_ended_at_last(child: &Output) {
    assert_eq!(child.status.signal(), Some(INT), "{child:?}");
    assert!(String::from_utf8_lossy(&child.stdout).contains(LAST), "{child:?}");
}

#[test]
fn the_default_meaning_comes_back_with_the_end_of_the_last_runtime_that_has_listened() {
    let story = "the_default_meaning_comes_back_with_the_end_of_the_last_runtime_that_has_listened";
    if let Some(child) = told_by_a_child(story) {
        assert_ended_at_last(&child);
        return;
    }
    let (first, first_reactor) = executor();
    first.block_on(async { drop(signal(SignalKind::interrupt()).unwrap()) });
    run(async {
        for _ in 0..3 {
            let pressed = ctrl_c();
            raise(INT);
            pressed.await.unwrap();
            // Nobody listens at this moment.
            raise(INT);
        }
    });
    raise(INT);
    first.block_on(async {
        assert!(poll_once(signal(SignalKind::interrupt()).unwrap().recv()).await.is_none());
    });
    raise(INT);
    drop((first, first_reactor));
    println!("{LAST}");
    raise(INT);
    process::exit(0);
}

#[test]
fn who_was_there_before_is_called_beside_us_and_alone_afterwards() {
    static OWN: AtomicUsize = AtomicUsize::new(0);
    static LATER: AtomicUsize = AtomicUsize::new(0);
    extern "C" fn own(_signal: libc::c_int) {
        OWN.fetch_add(1, Ordering::Relaxed);
    }
    extern "C" fn later(_signal: libc::c_int) {
        LATER.fetch_add(1, Ordering::Relaxed);
    }
    fn heard() -> (usize, usize) {
        (OWN.load(Ordering::Relaxed), LATER.load(Ordering::Relaxed))
    }
    let story = "who_was_there_before_is_called_beside_us_and_alone_afterwards";
    if let Some(child) = told_by_a_child(story) {
        return assert!(child.status.success(), "{child:?}");
    }
    let number = USR1.as_raw_value();
    handle(number, own);
    run(async {
        let mut listener = signal(USR1).unwrap();
        raise(number);
        assert_eq!(listener.recv().await, Some(()));
    });
    assert_eq!(heard(), (1, 0));
    raise(number);
    assert_eq!(heard(), (2, 0), "it is there again");
    // Another one by now: that is who is called beside us next time.
    handle(number, later);
    run(async {
        let mut listener = signal(USR1).unwrap();
        raise(number);
        assert_eq!(listener.recv().await, Some(()));
        assert_eq!(heard(), (2, 1));
        // Whoever comes after us stays.
        handle(number, own);
    });
    raise(number);
    assert_eq!(heard(), (3, 1));
}

#[test]
fn a_signal_is_given_back_when_asked_and_taken_again() {
    let story = "a_signal_is_given_back_when_asked_and_taken_again";
    if let Some(child) = told_by_a_child(story) {
        assert_ended_at_last(&child);
        return;
    }
    assert!(!restore(SignalKind::interrupt()).unwrap(), "nobody has taken it");
    assert!(restore(SignalKind::from_raw(0)).is_err());
    assert!(restore(SignalKind::from_raw(4096)).is_err());
    run(async {
        let mut listener = signal(SignalKind::interrupt()).unwrap();
        assert!(restore(SignalKind::interrupt()).unwrap());
        assert!(!restore(SignalKind::interrupt()).unwrap());
        let again = signal(SignalKind::interrupt()).unwrap();
        raise(INT);
        assert_eq!(listener.recv().await, Some(()), "who listened before hears it again, too");
        drop(again);
        restore(SignalKind::interrupt()).unwrap();
        println!("{LAST}");
        raise(INT);
    });
    process::exit(0);
}

#[test]
fn a_signal_that_was_to_stay_does_nothing_after_the_last_runtime() {
    let story = "a_signal_that_was_to_stay_does_nothing_after_the_last_runtime";
    if let Some(child) = told_by_a_child(story) {
        assert_ended_at_last(&child);
        return;
    }
    keep(SignalKind::interrupt()).unwrap();
    run(async { drop(signal(SignalKind::interrupt()).unwrap()) });
    raise(INT);
    assert!(restore(SignalKind::interrupt()).unwrap(), "that is over when it is asked for");
    println!("{LAST}");
    raise(INT);
    process::exit(0);
}

#[test]
fn a_forked_child_that_drops_its_parents_runtime_gives_nothing_back() {
    let story = "a_forked_child_that_drops_its_parents_runtime_gives_nothing_back";
    if let Some(child) = told_by_a_child(story) {
        return assert!(child.status.success(), "{child:?}");
    }
    let (parents, reactor) = executor();
    parents.block_on(async { drop(signal(SignalKind::interrupt()).unwrap()) });
    let mut carried = Some((parents, reactor));
    let status = in_forked_child(|| {
        drop(carried.take());
        // The handler is still there.
        raise(INT);
        // One of its own ends, and it is the last here.
        let own = std::thread::Builder::new()
            .spawn(|| run(async { drop(signal(SignalKind::interrupt()).unwrap()) }))
            .unwrap();
        own.join().unwrap();
        i32::from(!restore(SignalKind::interrupt()).unwrap())
    });
    assert_eq!(status, 1, "it was restored before");
    raise(INT);
}

#[cfg(target_os = "linux")]
#[test]
fn real_time_signals_are_heard_and_named() {
    let story = "real_time_signals_are_heard_and_named";
    if let Some(child) = told_by_a_child(story) {
        return assert!(child.status.success(), "{child:?}");
    }
    let first = SignalKind::real_time(0).unwrap();
    let last = SignalKind::real_time(30).unwrap();
    assert_eq!((first.to_string(), last.to_string()), ("SIGRTMIN+0".to_owned(), "SIGRTMIN+30".to_owned()));
    assert_eq!(SignalKind::real_time(31), None);
    assert_eq!(SignalKind::real_time(u32::MAX), None);
    run(async {
        let (mut one, mut other) = (signal(first).unwrap(), signal(last).unwrap());
        raise(last.as_raw_value());
        raise(last.as_raw_value());
        assert_eq!(other.recv().await, Some(()));
        assert!(poll_once(other.recv()).await.is_none(), "both are told as one");
        assert!(poll_once(one.recv()).await.is_none());
        raise(first.as_raw_value());
        assert_eq!(one.recv().await, Some(()));
        // Those that the C library has for itself.
        assert!(signal(SignalKind::from_raw(32)).is_err());
    });
}
