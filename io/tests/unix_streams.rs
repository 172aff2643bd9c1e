//! Stories of Unix connections.
#![cfg(not(miri))]
#![cfg_attr(not(target_os = "linux"), allow(unused_imports, reason = "some stories are of Linux only"))]

mod support;

use futures_lite::{AsyncReadExt, AsyncWriteExt, future::poll_once};
use runtime_executor::{Executor, Park, spawn, time::Clock};
use runtime_io::{
    HandleError, Reactor,
    net::{Shutdown, UnixStream},
    owner::own_user,
};
use socket2::{Domain, SockAddr, Socket, Type};
use std::{
    io::{ErrorKind, Read, Write},
    os::{
        fd::AsFd,
        unix::net::{self, UnixListener},
    },
    path::PathBuf,
    pin::pin,
    time::Duration,
};
use support::{Folder, pattern, run, run_with, sys, until_all_woken, until_waiting};

#[test]
fn a_pair_echoes_a_megabyte_both_ways_at_once() {
    run(async {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let bytes = pattern(1 << 20);
        let echo = spawn(async move {
            let (reader, writer) = theirs.into_split();
            let mut buf = [0; 8192];
            loop {
                match reader.read(&mut buf).await.unwrap() {
                    0 => break,
                    n => writer.write_all(&buf[..n]).await.unwrap(),
                }
            }
        });
        let (reader, writer) = ours.into_split();
        let sent = bytes.clone();
        let sending = spawn(async move { writer.write_all(&sent).await.unwrap() });
        let mut back = vec![0; bytes.len()];
        reader.read_exact(&mut back).await.unwrap();
        assert!(back == bytes, "bytes were lost, doubled or swapped");
        sending.await.unwrap();
        assert_eq!(reader.read(&mut [0; 8]).await.unwrap(), 0, "the dropped half ended its side");
        echo.await.unwrap();
    });
}

#[test]
fn a_dropped_read_has_read_nothing_and_leaves_no_waiter() {
    run_with(|reactor| async move {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut buf = [0; 16];
        assert!(poll_once(pin!(ours.read(&mut buf))).await.is_none());
        assert_eq!(reactor.waiters(), 0);
        theirs.write_all(b"all of it").await.unwrap();
        assert_eq!(ours.read(&mut buf).await.unwrap(), 9);
    });
}

/// Linux has it since 5.15, if it was built so.
#[cfg(target_os = "linux")]
#[test]
fn bytes_behind_urgent_data_arrive() {
    run_with(|reactor| async move {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let reader = spawn(async move {
            let mut six = [0; 6];
            ours.read_exact(&mut six).await.unwrap();
            six
        });
        until_waiting(&reactor, 1).await;
        theirs.write_all(b"one").await.unwrap();
        match socket2::SockRef::from(&theirs).send_out_of_band(b"!") {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Unsupported => {
                println!("this system has no urgent data here");
            }
            Err(error) => panic!("{error}"),
        }
        theirs.write_all(b"two").await.unwrap();
        assert_eq!(&reader.await.unwrap(), b"onetwo");
    });
}

#[test]
fn one_who_connects_by_path_and_one_who_listens_know_each_other() {
    let folder = Folder::new();
    run(async {
        let path = folder.path("listener");
        let listener = UnixListener::bind(&path).unwrap();
        let client = UnixStream::connect(&path).await.unwrap();
        let server = UnixStream::from_std(listener.accept().unwrap().0).unwrap();
        assert_eq!(client.peer_addr().unwrap().as_pathname(), Some(&*path));
        assert!(server.peer_addr().unwrap().is_unnamed());
        for end in [&client, &server] {
            let peer = end.peer_cred().unwrap();
            assert_eq!(peer.user(), own_user());
            if cfg!(target_os = "linux") {
                assert_eq!(peer.process(), Some(std::process::id()));
            }
        }
    });
}

#[test]
fn what_cannot_be_connected_to_is_named() {
    let folder = Folder::new();
    run(async {
        let nowhere = folder.path("nowhere");
        let error = UnixStream::connect(&nowhere).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains("nowhere"), "{error}");

        let left = folder.path("left");
        drop(UnixListener::bind(&left).unwrap());
        let error = UnixStream::connect(&left).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);

        for bad in ["", "with\0zero", &"long".repeat(100)] {
            let error = UnixStream::connect(bad).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        }
    });
}

#[test]
#[cfg(target_os = "linux")]
fn connecting_waits_while_the_listeners_queue_is_full() {
    let folder = Folder::new();
    let reactor = Reactor::new().unwrap();
    let executor =
        Executor::builder().park(reactor.clone()).extension(reactor).clock(Clock::paused()).build();
    executor.block_on(async {
        let path: PathBuf = folder.path("busy");
        let listener = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        listener.bind(&SockAddr::unix(&path).unwrap()).unwrap();
        listener.listen(0).unwrap();
        let _first = UnixStream::connect(&path).await.unwrap();
        let second = spawn(async move { UnixStream::connect(&path).await });
        runtime_executor::time::sleep(Duration::from_millis(1100)).await;
        assert!(!second.is_finished(), "it has not failed, nor got in");
        let _served = listener.accept().unwrap();
        let begun = runtime_executor::time::Instant::now();
        second.await.unwrap().unwrap();
        assert!(begun.elapsed() <= Duration::from_millis(50), "{:?}", begun.elapsed());
    });
}

#[test]
fn writing_to_one_who_is_gone_is_an_error_and_no_signal() {
    sys::make_sigpipe_deadly();
    run(async {
        let (ours, theirs) = UnixStream::pair().unwrap();
        drop(theirs);
        assert_eq!(ours.write(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        assert_eq!(ours.write_all(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        let slices = [std::io::IoSlice::new(b"x")];
        assert_eq!(ours.write_vectored(&slices).await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        let parcel = [ours.as_fd()];
        assert_eq!(ours.send_with_fds(b"x", &parcel).await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        assert_eq!(ours.read(&mut [0; 1]).await.unwrap(), 0);
        // Twice is no mistake, here or by trait.
        ours.shutdown(Shutdown::Write).unwrap();
        ours.shutdown(Shutdown::Write).unwrap();
        (&ours).close().await.unwrap();
    });
}

#[test]
fn looking_ahead_leaves_the_bytes_and_slices_are_filled_in_order() {
    run(async {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.write_all(b"looked at").await.unwrap();
        let mut buf = [0; 6];
        assert_eq!(theirs.peek(&mut buf).await.unwrap(), 6);
        assert_eq!(&buf, b"looked");
        let (mut one, mut two) = ([0; 7], [0; 9]);
        let mut slices = [std::io::IoSliceMut::new(&mut one), std::io::IoSliceMut::new(&mut two)];
        assert_eq!(theirs.read_vectored(&mut slices).await.unwrap(), 9);
        assert_eq!((&one, &two[..2]), (b"looked ", &b"at"[..]));
        assert_eq!(theirs.try_read(&mut buf).unwrap_err().kind(), ErrorKind::WouldBlock);
    });
}

#[test]
fn generic_code_takes_it_and_its_halves() {
    async fn copy(mut from: impl AsyncReadExt + Unpin, mut to: impl AsyncWriteExt + Unpin) -> String {
        let mut text = String::new();
        from.read_to_string(&mut text).await.unwrap();
        to.write_all(text.as_bytes()).await.unwrap();
        to.close().await.unwrap();
        text
    }
    run(async {
        let (a, b) = UnixStream::pair().unwrap();
        let (c, mut d) = UnixStream::pair().unwrap();
        let copying = spawn(async move {
            let (reader, _writer) = b.into_split();
            copy(reader, c).await
        });
        a.write_all(b"through both").await.unwrap();
        a.shutdown(Shutdown::Write).unwrap();
        let (mut reader, _) = d.split();
        let mut text = String::new();
        AsyncReadExt::read_to_string(&mut reader, &mut text).await.unwrap();
        assert_eq!((copying.await.unwrap(), text.as_str()), (String::from("through both"), "through both"));
    });
}

#[test]
fn halves_come_together_again_and_strangers_do_not() {
    run(async {
        let (a, b) = UnixStream::pair().unwrap();
        let (a_reader, a_writer) = a.into_split();
        let (b_reader, b_writer) = b.into_split();
        let strangers = a_reader.reunite(b_writer).unwrap_err();
        let (a_reader, b_writer) = (strangers.0, strangers.1);
        let (a, b) = (a_reader.reunite(a_writer).unwrap(), b_reader.reunite(b_writer).unwrap());
        a.write_all(b"still open").await.unwrap();
        assert_eq!(b.read(&mut [0; 16]).await.unwrap(), 10);
    });
}

#[test]
fn it_goes_to_blocking_code_and_back() {
    run_with(|reactor| async move {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let reading = spawn(async move {
            let mut buf = [0; 8];
            let n = ours.read(&mut buf).await.unwrap();
            (ours, buf[..n].to_vec())
        });
        until_waiting(&reactor, 1).await;
        let mut theirs: net::UnixStream = theirs.into_std();
        theirs.set_nonblocking(false).unwrap();
        theirs.write_all(b"hello").unwrap();
        until_all_woken(&reactor);
        let (ours, heard) = reading.await.unwrap();
        assert_eq!(heard, b"hello");
        assert_eq!(reactor.registered(), 1);
        let mut ours = ours.into_std();
        assert_eq!(reactor.registered(), 0);
        ours.set_nonblocking(false).unwrap();
        theirs.write_all(b"again").unwrap();
        ours.read_exact(&mut [0; 5]).unwrap();
        let ours = UnixStream::from_std(ours).unwrap();
        theirs.write_all(b"more").unwrap();
        assert_eq!(ours.read(&mut [0; 8]).await.unwrap(), 4);
    });
}

#[test]
fn outside_a_runtime_it_says_what_to_do() {
    let (ours, _theirs) = UnixStream::pair().unwrap();
    let mut buf = [0; 1];
    let error = futures_lite::future::block_on(ours.read(&mut buf)).unwrap_err();
    assert_eq!(error.downcast::<HandleError>().unwrap(), HandleError::NoRuntime);
}
