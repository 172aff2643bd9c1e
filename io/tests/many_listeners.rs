//! The story of many listeners and few descriptors. It counts descriptors, so it is alone in its process.
#![cfg(all(target_os = "linux", not(miri)))]

mod support;

use futures_lite::future::poll_once;
use runtime_io::signal::{SignalKind, signal};
use support::{executor, open_descriptors, sys::raise};

#[test]
fn a_thousand_listeners_take_two_descriptors_and_runtimes_that_come_and_go_take_no_more() {
    let (executor, _reactor) = executor();
    let before = open_descriptors();
    executor.block_on(async {
        let mut all: Vec<_> = (0..1000).map(|_| signal(SignalKind::user_defined1()).unwrap()).collect();
        for listener in &mut all {
            assert!(poll_once(listener.recv()).await.is_none());
        }
        assert_eq!(open_descriptors(), before + 2);
        raise(libc::SIGUSR1);
        for listener in &mut all {
            assert_eq!(listener.recv().await, Some(()));
        }
    });
    for _ in 0..100 {
        let (executor, _reactor) = support::executor();
        executor.block_on(async {
            let mut listener = signal(SignalKind::user_defined1()).unwrap();
            assert!(poll_once(listener.recv()).await.is_none(), "what rang for others is not its");
            raise(libc::SIGUSR1);
            assert_eq!(listener.recv().await, Some(()));
        });
    }
    assert_eq!(open_descriptors(), before + 2);
}
