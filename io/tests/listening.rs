//! Stories of signals that are awaited. Each uses a signal of its own, since they come to the whole process.
#![cfg(all(unix, not(miri)))]

mod support;

use futures_lite::{StreamExt, future::poll_once};
use runtime_executor::{Park, spawn};
use runtime_io::host::ignore_signal;
use runtime_io::signal::{Signal, SignalKind, ctrl_c, signal};
use std::{
    io::ErrorKind,
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    time::Duration,
};
use support::{
    run, run_with,
    sys::{handle, raise},
    until_waiting,
};

async fn hears(listener: &mut Signal) -> bool {
    poll_once(listener.recv()).await.is_some()
}

#[test]
fn a_signal_reaches_every_listener_of_its_kind_and_no_other() {
    run(async {
        let mut first = signal(SignalKind::user_defined1()).unwrap();
        let mut second = signal(SignalKind::user_defined1()).unwrap();
        let mut other = signal(SignalKind::alarm()).unwrap();
        let waiting = spawn(async move { second.recv().await });
        assert!(!hears(&mut first).await);
        raise(libc::SIGUSR1);
        assert_eq!(first.recv().await, Some(()));
        assert_eq!(waiting.await.unwrap(), Some(()));
        assert!(!hears(&mut first).await, "it is told once");
        assert!(!hears(&mut other).await, "that was none of its kind");
    });
}

#[test]
fn signals_that_come_while_nobody_looks_are_one() {
    run(async {
        let mut windows = signal(SignalKind::window_change()).unwrap();
        raise(libc::SIGWINCH);
        raise(libc::SIGWINCH);
        assert_eq!(windows.next().await, Some(()), "it is a stream, too");
        assert!(!hears(&mut windows).await);
        raise(libc::SIGWINCH);
        assert!(hears(&mut windows).await, "without a look at the selector");
    });
}

#[test]
fn what_rang_for_two_is_not_lost_when_one_has_heard_it() {
    run(async {
        let mut quick = signal(SignalKind::io()).unwrap();
        let mut slow = signal(SignalKind::io()).unwrap();
        let late = signal(SignalKind::io()).unwrap();
        assert!(!hears(&mut quick).await);
        raise(libc::SIGIO);
        assert_eq!(quick.recv().await, Some(()));
        assert!(!hears(&mut quick).await, "and now the bell is silent");
        assert!(hears(&mut slow).await);
        let mut late = late;
        assert!(hears(&mut late).await);
    });
}

#[test]
fn a_listener_that_waits_counts_as_something_that_may_happen_until_it_gives_up() {
    run_with(|reactor| async move {
        let mut listener = signal(SignalKind::hangup()).unwrap();
        assert_eq!(reactor.waiters(), 0, "nobody waits yet");
        let waiting = spawn(async move { listener.recv().await });
        until_waiting(&reactor, 1).await;
        raise(libc::SIGHUP);
        assert_eq!(waiting.await.unwrap(), Some(()));
        assert_eq!(reactor.waiters(), 0);

        let _bystander = signal(SignalKind::hangup()).unwrap();
        let mut listener = signal(SignalKind::hangup()).unwrap();
        let mut half_way = Box::pin(listener.recv());
        assert!(poll_once(&mut half_way).await.is_none());
        assert_eq!(reactor.waiters(), 1);
        drop(half_way);
        assert_eq!(reactor.waiters(), 0, "a wait that was given up is no reason to wait");
        assert!(poll_once(listener.next()).await.is_none());
        assert_eq!(reactor.waiters(), 1);
        drop(listener);
        assert_eq!(reactor.waiters(), 0);
    });
}

#[test]
fn runtimes_on_two_threads_hear_the_same_signal() {
    let (listening, is_listening) = mpsc::channel();
    std::thread::scope(|scope| {
        let hear = |listening: mpsc::Sender<()>| {
            run_with(|reactor| async move {
                let mut listener = signal(SignalKind::user_defined2()).unwrap();
                let waiting = spawn(async move { listener.recv().await });
                until_waiting(&reactor, 1).await;
                listening.send(()).unwrap();
                waiting.await.unwrap()
            })
        };
        let threads = [listening.clone(), listening].map(|listening| scope.spawn(move || hear(listening)));
        let both = (0..2).all(|_| is_listening.recv_timeout(Duration::from_secs(60)).is_ok());
        raise(libc::SIGUSR2);
        assert!(both, "both listen");
        for thread in threads {
            assert_eq!(thread.join().unwrap(), Some(()));
        }
    });
}

#[test]
fn the_handler_that_was_there_before_is_called_as_ever() {
    static OWN: AtomicUsize = AtomicUsize::new(0);
    extern "C" fn count(_signal: libc::c_int) {
        OWN.fetch_add(1, Ordering::Relaxed);
    }
    handle(libc::SIGTTIN, count);
    run(async {
        let mut listener = signal(SignalKind::terminal_input()).unwrap();
        let again = signal(SignalKind::terminal_input()).unwrap();
        raise(libc::SIGTTIN);
        assert_eq!(listener.recv().await, Some(()));
        drop(again);
    });
    assert_eq!(OWN.load(Ordering::Relaxed), 1, "and not twice, as if we had been there before ourselves");
    raise(libc::SIGTTIN);
    assert_eq!(OWN.load(Ordering::Relaxed), 2, "also when nobody listens");
}

#[test]
fn a_signal_that_was_ignored_meanwhile_is_heard_again_by_who_asks_again() {
    run(async {
        let mut before = signal(SignalKind::resume()).unwrap();
        ignore_signal(SignalKind::resume()).unwrap();
        raise(libc::SIGCONT);
        assert!(!hears(&mut before).await);
        let mut after = signal(SignalKind::resume()).unwrap();
        raise(libc::SIGCONT);
        assert!(hears(&mut after).await);
        assert!(hears(&mut before).await);
    });
}

#[test]
fn ctrl_c_listens_from_the_call_and_ends_nothing_while_its_runtime_lives() {
    run(async {
        let pressed = ctrl_c();
        raise(libc::SIGINT);
        pressed.await.unwrap();
        // Nobody waits for this one.
        raise(libc::SIGINT);
    });
}

#[test]
fn signals_that_nobody_can_await_are_refused() {
    let outside = signal(SignalKind::terminate()).unwrap_err();
    assert!(outside.to_string().starts_with("no runtime runs on this thread"), "{outside}");
    run(async {
        for number in [libc::SIGKILL, libc::SIGSTOP, libc::SIGSEGV, libc::SIGILL, 0, -1, 4_000] {
            let refused = signal(SignalKind::from_raw(number)).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::InvalidInput, "{number}: {refused}");
        }
    });
}

#[test]
fn a_listener_of_another_runtime_says_so() {
    let mut stray = None;
    let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let (first, _reactor) = support::executor();
        first.block_on(async {
            let mut listener = signal(SignalKind::terminal_output()).unwrap();
            assert!(!hears(&mut listener).await);
            stray = Some(listener);
        });
        run(async { stray.as_mut().unwrap().recv().await });
    }));
    let told = *told.unwrap_err().downcast::<String>().unwrap();
    assert!(told.starts_with("a listener of SIGTTOU cannot wait: this handle belongs to"), "{told}");
}
