//! Stories of what is carried across `fork`. They fork, so they are alone in their process, one after the other.
#![cfg(all(unix, not(miri)))]
#![cfg_attr(not(target_os = "linux"), allow(unused_imports, reason = "some stories are of Linux only"))]

mod support;

use futures_lite::future::poll_once;
use runtime_executor::Park;
use runtime_io::{
    HandleError,
    net::{UnixListener, UnixStream},
};
use std::{
    io::Write,
    os::unix::net,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use support::{Folder, pair_with_std, run, run_with, sys::in_forked_child};

fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn a_child_cannot_use_its_parents_runtime_nor_hurt_it() {
    let _alone = alone();
    run_with(|reactor| async move {
        let (ours, mut theirs) = pair_with_std().await;
        assert!(poll_once(ours.read(&mut [0; 8])).await.is_none());
        let (other, _peer) = pair_with_std().await;
        let mut carried = Some(ours);
        let status = in_forked_child(|| {
            let refused = reactor.park(Some(Duration::ZERO)).unwrap_err();
            if refused.downcast::<HandleError>().unwrap() != HandleError::Forked {
                return 1;
            }
            // A registration would go to the parent's selector, and so would a deregistration.
            let unregistered = futures_lite::future::block_on(poll_once(other.readable()));
            if !matches!(unregistered, Some(Err(_))) {
                return 2;
            }
            drop(carried.take());
            // A runtime of its own works, in a thread of its own since this one is inside the parent's.
            let own =
                std::thread::Builder::new().spawn(|| run(async { pair_with_std().await.0.ttl().unwrap() }));
            if own.unwrap().join().unwrap() == 0 {
                return 3;
            }
            0
        });
        assert_eq!(status, 0);
        let ours = carried.take().expect("the child has dropped its own copy only");
        theirs.write_all(b"still heard").unwrap();
        let mut buf = [0; 16];
        assert_eq!(ours.read(&mut buf).await.unwrap(), 11);
    });
}

#[test]
fn a_child_that_drops_a_listener_leaves_its_path_to_the_parent() {
    let _alone = alone();
    let folder = Folder::new();
    run(async {
        let path = folder.path("listener");
        let mut listener = Some(UnixListener::bind(&path).await.unwrap());
        let status = in_forked_child(|| {
            drop(listener.take());
            0
        });
        assert_eq!(status, 0);
        assert!(path.exists());
        let _client = net::UnixStream::connect(&path).unwrap();
        listener.as_ref().unwrap().accept().await.unwrap();
        drop(listener);
        assert!(!path.exists());
    });
}

#[test]
#[cfg(target_os = "linux")]
fn a_pair_names_its_maker_whoever_has_it_now() {
    let _alone = alone();
    let (ours, theirs) = UnixStream::pair().unwrap();
    let maker = std::process::id();
    let status = in_forked_child(|| {
        let names_the_maker = |end: &UnixStream| end.peer_cred().unwrap().process() == Some(maker);
        i32::from(std::process::id() == maker || !names_the_maker(&ours) || !names_the_maker(&theirs))
    });
    assert_eq!(status, 0);
}
