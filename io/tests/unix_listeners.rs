//! Stories of Unix listeners, and of the paths they claim.
#![cfg(not(miri))]

mod support;

use futures_lite::{StreamExt, future::poll_once};
use runtime_executor::{Park, spawn};
use runtime_io::{
    HandleError,
    net::{
        UnixListener, UnixStream,
        share::{self, Place},
    },
};
use std::{
    fs,
    io::ErrorKind,
    os::unix::{fs::symlink, net},
    path::Path,
    pin::pin,
    rc::Rc,
    time::Duration,
};
use support::{Folder, run, run_with, until_waiting};

/// Fails if nobody listens.
fn connect(path: &Path) -> net::UnixStream {
    net::UnixStream::connect(path).unwrap()
}

#[test]
fn connections_are_accepted_and_the_path_goes_with_the_listener() {
    let folder = Folder::new();
    run_with(|reactor| async move {
        let path = folder.path("listener");
        let listener = Rc::new(UnixListener::bind(&path).await.unwrap());
        assert_eq!(listener.local_addr().unwrap().as_pathname(), Some(&*path));
        let serving = spawn({
            let listener = Rc::clone(&listener);
            async move {
                let mut incoming = listener.incoming();
                for _ in 0..3 {
                    let stream = incoming.next().await.unwrap().unwrap();
                    stream.write_all(b"hello").await.unwrap();
                }
            }
        });
        until_waiting(&reactor, 1).await;
        for _ in 0..3 {
            let client = UnixStream::connect(&path).await.unwrap();
            client.read_exact(&mut [0; 5]).await.unwrap();
        }
        serving.await.unwrap();
        drop(listener);
        assert!(!path.exists());
    });
}

#[test]
fn a_cancelled_accept_takes_no_connection_and_a_closed_listener_ends_it() {
    let folder = Folder::new();
    run_with(|reactor| async move {
        let path = folder.path("listener");
        let listener = Rc::new(UnixListener::bind(&path).await.unwrap());
        assert!(poll_once(pin!(listener.accept())).await.is_none());
        assert_eq!(reactor.waiters(), 0);
        let _client = connect(&path);
        reactor.park(Some(Duration::from_secs(10))).unwrap();
        listener.accept().await.unwrap();

        let accepting = spawn({
            let listener = Rc::clone(&listener);
            async move { listener.accept().await.unwrap_err() }
        });
        until_waiting(&reactor, 1).await;
        listener.close();
        assert_eq!(accepting.await.unwrap().downcast::<HandleError>().unwrap(), HandleError::Closed);
    });
}

#[test]
fn what_a_dead_process_has_left_is_replaced() {
    let folder = Folder::new();
    run(async {
        let path = folder.path("left");
        drop(net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let listener = UnixListener::bind(&path).await.unwrap();
        let _client = connect(&path);
        listener.accept().await.unwrap();
        // And a socket that was bound and never listened.
        let path = folder.path("silent");
        let silent = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
        silent.bind(&socket2::SockAddr::unix(&path).unwrap()).unwrap();
        drop(silent);
        UnixListener::bind(&path).await.unwrap();
    });
}

#[test]
fn where_a_process_listens_nobody_else_does() {
    let folder = Folder::new();
    run(async {
        let path = folder.path("live");
        let live = UnixListener::bind(&path).await.unwrap();
        let error = UnixListener::bind(&path).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        let sentence = error.to_string();
        assert!(sentence.contains("live") && sentence.contains("a process listens on it"), "{sentence}");
        assert_eq!(share::open(&Place::Unix(path.clone()), false).unwrap_err().kind(), ErrorKind::AddrInUse);
        // It still does; the first two connections are those that knocked.
        let _client = connect(&path);
        for _ in 0..3 {
            live.accept().await.unwrap();
        }
    });
}

#[test]
fn one_that_is_too_busy_to_answer_is_not_dead() {
    let folder = Folder::new();
    run(async {
        let path = folder.path("busy");
        let busy = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
        busy.bind(&socket2::SockAddr::unix(&path).unwrap()).unwrap();
        busy.listen(0).unwrap();
        let _first = connect(&path);
        let error = UnixListener::bind(&path).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        assert!(path.exists());
    });
}

#[test]
fn nothing_but_a_stale_socket_is_ever_removed() {
    let folder = Folder::new();
    run(async {
        let file = folder.path("file");
        fs::write(&file, "precious").unwrap();
        let directory = folder.path("directory");
        fs::create_dir(&directory).unwrap();
        let stale = folder.path("stale");
        drop(net::UnixListener::bind(&stale).unwrap());
        let link = folder.path("link");
        symlink(&stale, &link).unwrap();
        let datagrams = folder.path("datagrams");
        let _socket = net::UnixDatagram::bind(&datagrams).unwrap();
        for path in [&file, &directory, &link, &datagrams] {
            let error = UnixListener::bind(path).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::AddrInUse, "{error}");
            assert!(fs::symlink_metadata(path).is_ok(), "{} is gone", path.display());
        }
        assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
        net::UnixDatagram::unbound().unwrap().connect(&datagrams).unwrap();
    });
}

#[test]
fn a_path_that_was_taken_over_is_left_to_its_new_owner() {
    let folder = Folder::new();
    run(async {
        let path = folder.path("contested");
        let first = UnixListener::bind(&path).await.unwrap();
        fs::remove_file(&path).unwrap();
        // Its inode must not get the number of the first, though that is gone from the folder.
        let second = UnixListener::bind(&path).await.unwrap();
        drop(first);
        let _client = connect(&path);
        second.accept().await.unwrap();
        drop(second);
        assert!(!path.exists());
    });
}

#[test]
fn a_listener_that_is_handed_on_keeps_its_path() {
    let folder = Folder::new();
    run(async {
        let path = folder.path("handed");
        let listener = UnixListener::bind(&path).await.unwrap().into_std();
        let listener = UnixListener::from_std(listener).unwrap();
        let _client = connect(&path);
        listener.accept().await.unwrap();
        drop(listener);
        assert!(path.exists());
    });
}

#[test]
fn a_path_that_cannot_be_bound_is_named() {
    let folder = Folder::new();
    run(async {
        let long = folder.path(&"long".repeat(100));
        for bad in [Path::new(""), Path::new("with\0zero"), &long] {
            let error = UnixListener::bind(bad).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        }
        let nowhere = folder.path("no/such/folder");
        let error = UnixListener::bind(&nowhere).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains("no/such/folder"), "{error}");
    });
}

#[test]
fn a_path_opened_for_others_goes_with_who_opened_it() {
    let folder = Folder::new();
    let path = folder.path("opened");
    let opened = share::open(&Place::Unix(path.clone()), true).unwrap();
    assert_eq!(opened.place().unwrap(), Place::Unix(path.clone()));
    let _client = connect(&path);
    drop(opened);
    assert!(!path.exists());
    let kept = share::open(&Place::Unix(path.clone()), false).unwrap().into_fd();
    drop(kept);
    assert!(path.exists());
}
