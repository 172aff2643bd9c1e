//! Stories of Unix connections that keep packets apart, and of their listeners.
#![cfg(all(not(miri), not(target_vendor = "apple")))]
#![cfg_attr(not(target_os = "linux"), allow(unused_imports, reason = "some stories are of Linux only"))]

mod support;

use futures_lite::{
    StreamExt,
    future::{poll_once, zip},
};
use runtime_executor::{Executor, Park, spawn, time::Clock, time::Instant};
use runtime_io::{
    HandleError, Reactor,
    net::{
        PacketTruncated, Shutdown, UnixDatagram, UnixListener, UnixSeqpacket, UnixSeqpacketListener,
        UnixStream,
    },
    owner::own_user,
};
use std::{
    fs,
    io::ErrorKind,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net,
    },
    pin::pin,
    rc::Rc,
    time::Duration,
};
use support::{Folder, print_into, run, run_with, sys, until_waiting};

#[test]
fn packets_sent_while_the_receiver_waits_arrive_one_by_one_and_then_the_end() {
    run_with(|reactor| async move {
        let (ours, theirs) = UnixSeqpacket::pair().unwrap();
        let receiving = spawn(async move {
            let mut all = Vec::new();
            loop {
                // More room than any packet needs: a short one must not count as the last.
                let mut buf = [0; 256];
                match theirs.recv(&mut buf).await.unwrap() {
                    0 => return all,
                    n => all.push(String::from_utf8(buf[..n].to_vec()).unwrap()),
                }
            }
        });
        until_waiting(&reactor, 1).await;
        // One event for all of them, and for the end.
        for packet in ["one", "two", "three"] {
            assert_eq!(ours.try_send(packet.as_bytes()).unwrap(), packet.len());
        }
        drop(ours);
        assert_eq!(receiving.await.unwrap(), ["one", "two", "three"]);
    });
}

#[test]
fn one_who_connects_by_path_and_one_who_listens_know_each_other() {
    let folder = Folder::new();
    run_with(|reactor| async move {
        let path = folder.path("listener");
        let listener = Rc::new(UnixSeqpacketListener::bind(&path).unwrap());
        assert_eq!(listener.local_addr().unwrap().as_pathname(), Some(&*path));
        let serving = spawn({
            let listener = Rc::clone(&listener);
            async move { listener.incoming().next().await.unwrap().unwrap() }
        });
        until_waiting(&reactor, 1).await;
        let client = UnixSeqpacket::connect(&path).await.unwrap();
        let server = serving.await.unwrap();
        assert_eq!(client.peer_addr().unwrap().as_pathname(), Some(&*path));
        assert!(server.peer_addr().unwrap().is_unnamed());
        assert_eq!(server.local_addr().unwrap().as_pathname(), Some(&*path));
        for end in [&client, &server] {
            let peer = end.peer_cred().unwrap();
            assert_eq!(peer.user(), own_user());
            if cfg!(target_os = "linux") {
                assert_eq!(peer.process(), Some(std::process::id()));
            }
            assert!(end.take_error().unwrap().is_none());
        }
        client.send(b"ping").await.unwrap();
        let mut buf = [0; 16];
        assert_eq!(server.recv(&mut buf).await.unwrap(), 4);
        server.send(b"pong!").await.unwrap();
        let message = client.recv_msg(&mut buf, 0).await.unwrap();
        assert_eq!((message.len, message.is_truncated), (5, false));

        assert!(poll_once(pin!(listener.accept())).await.is_none());
        assert_eq!(reactor.waiters(), 0);
        listener.close();
        let error = listener.accept().await.unwrap_err();
        assert_eq!(error.downcast::<HandleError>().unwrap(), HandleError::Closed);
        assert!(listener.take_error().unwrap().is_none());
        drop(listener);
        assert!(!path.exists());
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
        let path = folder.path("busy");
        let listener = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::SEQPACKET, None).unwrap();
        listener.bind(&socket2::SockAddr::unix(&path).unwrap()).unwrap();
        listener.listen(0).unwrap();
        let _first = UnixSeqpacket::connect(&path).await.unwrap();
        let second = spawn(async move { UnixSeqpacket::connect(&path).await });
        runtime_executor::time::sleep(Duration::from_millis(1100)).await;
        assert!(!second.is_finished(), "it has not failed, nor got in");
        let _served = listener.accept().unwrap();
        let begun = Instant::now();
        second.await.unwrap().unwrap();
        assert!(begun.elapsed() <= Duration::from_millis(50), "{:?}", begun.elapsed());
    });
}

#[test]
fn what_cannot_be_connected_to_is_named() {
    let folder = Folder::new();
    run(async {
        let left = folder.path("left");
        drop(OwnedFd::from(UnixSeqpacketListener::bind(&left).unwrap()));
        let streams = folder.path("streams");
        let _streams = UnixListener::bind(&streams).await.unwrap();
        let packets = folder.path("packets");
        let _packets = UnixSeqpacketListener::bind(&packets).unwrap();
        for (path, number) in
            [(folder.path("nowhere"), libc::ENOENT), (left, libc::ECONNREFUSED), (streams, libc::EPROTOTYPE)]
        {
            let error = UnixSeqpacket::connect(&path).await.unwrap_err();
            assert_eq!(error.kind(), std::io::Error::from_raw_os_error(number).kind(), "{error}");
            assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
        }
        assert!(UnixStream::connect(&packets).await.is_err());
    });
}

#[test]
fn a_packet_that_is_too_long_is_an_error_and_the_next_is_whole() {
    run(async {
        let (ours, theirs) = UnixSeqpacket::pair().unwrap();
        let mut buf = [0; 4];
        ours.send(b"1234").await.unwrap();
        assert_eq!(theirs.recv(&mut buf).await.unwrap(), 4);
        ours.send(b"56789").await.unwrap();
        ours.send(b"abc").await.unwrap();
        let error = theirs.recv(&mut buf).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert_eq!(error.downcast::<PacketTruncated>().unwrap().room(), 4);
        assert_eq!(&buf, b"5678", "its beginning is there");
        assert_eq!(theirs.recv(&mut buf).await.unwrap(), 3);
        // Or it is told with all else.
        ours.send(b"56789").await.unwrap();
        ours.send(b"56789").await.unwrap();
        let message = theirs.recv_msg(&mut buf, 0).await.unwrap();
        assert_eq!((message.len, message.is_truncated), (4, true));
        assert_eq!(theirs.try_recv(&mut buf).unwrap_err().kind(), ErrorKind::InvalidData);
        assert_eq!(theirs.try_recv_msg(&mut buf, 0).unwrap_err().kind(), ErrorKind::WouldBlock);
    });
}

#[test]
fn what_looks_like_the_end_is_not_sent() {
    run(async {
        let (ours, theirs) = UnixSeqpacket::pair().unwrap();
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let std::task::Poll::Ready(polled) = ours.poll_send(&mut context, b"") else { panic!("it waits") };
        for error in [
            ours.send(b"").await.unwrap_err(),
            ours.try_send(b"").unwrap_err(),
            polled.unwrap_err(),
            ours.send_with_fds(b"", &[ours.as_fd()]).await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
        }
        assert_eq!(theirs.try_recv(&mut [0; 1]).unwrap_err().kind(), ErrorKind::WouldBlock);
        // Each side has an end of its own.
        ours.shutdown(Shutdown::Write).unwrap();
        let mut buf = [0; 8];
        for _ in 0..2 {
            assert_eq!(theirs.recv(&mut buf).await.unwrap(), 0, "the end stays");
        }
        let end = theirs.recv_msg(&mut buf, 1).await.unwrap();
        assert_eq!((end.len, end.is_truncated, end.fds.len()), (0, false, 0));
        theirs.send(b"still").await.unwrap();
        assert_eq!(ours.recv(&mut buf).await.unwrap(), 5);
        assert_eq!(ours.send(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
    });
}

#[test]
fn a_full_connection_makes_the_sender_wait_and_both_ways_all_arrives_in_order() {
    run(async {
        let (one, other) = UnixSeqpacket::pair().unwrap();
        let send = async |socket: &UnixSeqpacket| {
            for number in 0..1000_u32 {
                let mut packet = vec![0; 1 + number as usize % 4000 + 4];
                packet[..4].copy_from_slice(&number.to_ne_bytes());
                assert_eq!(socket.send(&packet).await.unwrap(), packet.len());
            }
        };
        let receive = async |socket: &UnixSeqpacket| {
            let mut buf = [0; 5000];
            for number in 0..1000_u32 {
                assert_eq!(socket.recv(&mut buf).await.unwrap(), 1 + number as usize % 4000 + 4);
                assert_eq!(buf[..4], number.to_ne_bytes());
            }
        };
        zip(zip(send(&one), receive(&other)), zip(send(&other), receive(&one))).await;
    });
}

#[test]
fn a_dropped_send_or_receive_has_moved_nothing() {
    run_with(|reactor| async move {
        let (ours, theirs) = UnixSeqpacket::pair().unwrap();
        let mut buf = [0; 4096];
        assert!(poll_once(pin!(theirs.recv(&mut buf))).await.is_none());
        assert!(poll_once(pin!(theirs.recv_msg(&mut buf, 1))).await.is_none());
        let mut count = 0;
        while ours.try_send(&[b'.'; 4096]).is_ok() {
            count += 1;
        }
        assert!(poll_once(pin!(ours.send(b"late"))).await.is_none());
        assert!(poll_once(pin!(ours.send_with_fds(b"late", &[ours.as_fd()]))).await.is_none());
        assert_eq!(reactor.waiters(), 0);
        for _ in 0..count {
            assert_eq!(theirs.recv(&mut buf).await.unwrap(), 4096);
        }
        assert_eq!(theirs.try_recv(&mut buf).unwrap_err().kind(), ErrorKind::WouldBlock);
    });
}

#[test]
fn one_who_waits_for_a_peer_that_goes_away_is_told_and_no_signal_comes() {
    sys::make_sigpipe_deadly();
    run_with(|reactor| async move {
        let (ours, theirs) = UnixSeqpacket::pair().unwrap();
        let ours = Rc::new(ours);
        while ours.try_send(&[b'.'; 4096]).is_ok() {}
        let sending = spawn({
            let ours = Rc::clone(&ours);
            async move { ours.send(b"late").await.unwrap_err() }
        });
        let receiving = spawn({
            let ours = Rc::clone(&ours);
            async move { ours.recv(&mut [0; 8]).await }
        });
        until_waiting(&reactor, 2).await;
        drop(theirs);
        // Which of the two hears that something was lost is up to the system; none hangs.
        let errors = [Err(sending.await.unwrap()), receiving.await.unwrap()];
        for end in errors {
            assert!(
                matches!(&end, Ok(0))
                    || end.as_ref().is_err_and(|error| {
                        matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset)
                    }),
                "{end:?}"
            );
        }
        assert_eq!(ours.send(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
    });
}

#[test]
fn two_tasks_that_receive_from_one_socket_share_what_comes() {
    run_with(|reactor| async move {
        let (ours, theirs) = UnixSeqpacket::pair().unwrap();
        let theirs = Rc::new(theirs);
        let receiver = |_| {
            let theirs = Rc::clone(&theirs);
            spawn(async move {
                let mut byte = [0];
                theirs.recv(&mut byte).await.unwrap();
                byte[0]
            })
        };
        let receivers: Vec<_> = (0..3).map(receiver).collect();
        until_waiting(&reactor, 3).await;
        ours.try_send(b"a").unwrap();
        ours.try_send(b"b").unwrap();
        let mut got = Vec::new();
        let mut receivers = receivers.into_iter();
        for receiver in receivers.by_ref().take(2) {
            got.push(receiver.await.unwrap());
        }
        assert_eq!(got, b"ab");
        until_waiting(&reactor, 1).await;
        drop(ours);
        assert_eq!(receivers.next().unwrap().await.unwrap(), 0, "the end");
    });
}

#[test]
fn a_path_that_is_stale_is_replaced_and_one_in_use_is_not() {
    let folder = Folder::new();
    run(async {
        let path = folder.path("listener");
        drop(OwnedFd::from(UnixSeqpacketListener::bind(&path).unwrap()));
        assert!(path.exists(), "it was handed on");
        let live = UnixSeqpacketListener::bind(&path).unwrap();
        let error = UnixSeqpacketListener::bind(&path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        assert!(error.to_string().contains("a process listens on it"), "{error}");
        // The first connection is the one that knocked, and has ended.
        let _client = UnixSeqpacket::connect(&path).await.unwrap();
        let (knocked, _) = live.accept().await.unwrap();
        assert_eq!(knocked.recv(&mut [0; 1]).await.unwrap(), 0);
        live.accept().await.unwrap();

        let file = folder.path("file");
        fs::write(&file, "precious").unwrap();
        let datagrams = folder.path("datagrams");
        let _datagrams = UnixDatagram::bind(&datagrams).unwrap();
        let streams = folder.path("streams");
        let _streams = UnixListener::bind(&streams).await.unwrap();
        for path in [&file, &datagrams, &streams] {
            let error = UnixSeqpacketListener::bind(path).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::AddrInUse, "{error}");
            assert!(path.exists());
        }
    });
}

#[test]
fn a_connection_is_handed_on_and_nothing_else_is_taken_for_one() {
    let folder = Folder::new();
    run(async {
        let (ours, theirs) = UnixSeqpacket::pair().unwrap();
        assert!(poll_once(pin!(ours.recv(&mut [0; 1]))).await.is_none());
        let ours = UnixSeqpacket::try_from(OwnedFd::from(ours)).unwrap();
        theirs.send(b"hello").await.unwrap();
        assert_eq!(ours.recv(&mut [0; 8]).await.unwrap(), 5);

        let path = folder.path("listener");
        let listener = UnixSeqpacketListener::bind(&path).unwrap();
        let listener = UnixSeqpacketListener::try_from(OwnedFd::from(listener)).unwrap();
        let _client = UnixSeqpacket::connect(&path).await.unwrap();
        listener.accept().await.unwrap();
        drop(listener);
        assert!(path.exists());

        let (stream, _other) = net::UnixStream::pair().unwrap();
        let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        for wrong in [OwnedFd::from(stream), tcp.into()] {
            let again = wrong.try_clone().unwrap();
            assert_eq!(UnixSeqpacket::try_from(wrong).unwrap_err().kind(), ErrorKind::InvalidInput);
            assert_eq!(UnixSeqpacketListener::try_from(again).unwrap_err().kind(), ErrorKind::InvalidInput);
        }
        let file = OwnedFd::from(fs::File::open("/dev/null").unwrap());
        assert_eq!(UnixSeqpacket::try_from(file).unwrap_err().raw_os_error(), Some(libc::ENOTSOCK));
    });
}

#[test]
#[cfg(target_os = "linux")]
fn a_pair_names_who_made_it_and_each_packet_who_has_sent_it() {
    run(async {
        let (ours, theirs) = UnixSeqpacket::pair().unwrap();
        theirs.set_passcred(true).unwrap();
        let mut child = print_into(ours.into(), "from a child");
        let mut buf = [0; 64];
        let packet = theirs.recv_msg(&mut buf, 0).await.unwrap();
        assert_eq!(&buf[..packet.len], b"from a child");
        assert_eq!(packet.credentials.unwrap().process(), Some(child.id()));
        assert_eq!(theirs.peer_cred().unwrap().process(), Some(std::process::id()));
        assert!(child.wait().unwrap().success());
        let end = theirs.recv_msg(&mut buf, 0).await.unwrap();
        assert_eq!((end.len, end.credentials.is_none()), (0, true));
    });
}

#[test]
fn the_poll_methods_send_and_receive_too() {
    run(async {
        let (ours, theirs) = UnixSeqpacket::pair().unwrap();
        let mut buf = [0; 8];
        let receiving = std::future::poll_fn(|cx| theirs.poll_recv(cx, &mut buf));
        let sending = std::future::poll_fn(|cx| ours.poll_send(cx, b"one"));
        let (received, sent) = zip(receiving, sending).await;
        assert_eq!((received.unwrap(), sent.unwrap()), (3, 3));
        ours.writable().await.unwrap();
        ours.try_send(b"four").unwrap();
        theirs.readable().await.unwrap();
        assert_eq!(theirs.try_recv(&mut buf).unwrap(), 4);
    });
}
