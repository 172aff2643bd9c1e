//! The story of a listener carried across `fork`. It forks, so it is alone in its process.
#![cfg(all(unix, not(miri)))]

mod support;

use futures_lite::future::poll_once;
use runtime_executor::Park;
use runtime_io::signal::{SignalKind, signal};
use std::time::Duration;
use support::{
    run, run_with,
    sys::{in_forked_child, raise},
};

#[test]
fn a_child_hears_its_own_signals_and_does_not_ring_its_parent() {
    run_with(|reactor| async move {
        let mut listener = signal(SignalKind::user_defined1()).unwrap();
        let mut waiting = Box::pin(listener.recv());
        assert!(poll_once(&mut waiting).await.is_none());
        let status = in_forked_child(|| {
            raise(libc::SIGUSR1);
            // A runtime of its own, in a thread of its own since this one is inside the parent's.
            let hears = || {
                run(async {
                    let mut own = signal(SignalKind::user_defined1()).unwrap();
                    assert!(poll_once(own.recv()).await.is_none());
                    raise(libc::SIGUSR1);
                    i32::from(own.recv().await.is_none())
                })
            };
            std::thread::Builder::new().spawn(hears).unwrap().join().unwrap()
        });
        assert_eq!(status, 0);
        reactor.park(Some(Duration::ZERO)).unwrap();
        assert_eq!(reactor.waiters(), 1, "nobody has rung");
        assert!(poll_once(&mut waiting).await.is_none());
        raise(libc::SIGUSR1);
        assert_eq!(waiting.await, Some(()));
    });
}
