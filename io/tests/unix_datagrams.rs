//! Stories of Unix datagrams: boundaries, names, receivers that do not keep up, and the paths they claim.
#![cfg(not(miri))]
#![cfg_attr(
    not(target_os = "linux"),
    allow(dead_code, unused_imports, reason = "some stories are of Linux only")
)]

mod support;

use futures_lite::future::{poll_once, zip};
use runtime_executor::{
    Executor, Park, spawn,
    time::{Clock, Instant, sleep},
};
use runtime_io::{
    HandleError, Reactor,
    net::{Shutdown, UnixDatagram, UnixListener, UnixSeqpacketListener},
};
use std::{
    fs,
    io::ErrorKind,
    os::{
        fd::{AsFd, OwnedFd},
        unix::{fs::symlink, net},
    },
    pin::pin,
    rc::Rc,
    time::Duration,
};
use support::{Folder, print_into, run, run_with, sys, until_waiting};

/// Tells a story on a clock that stands still while anything real may happen.
fn run_paused<F: Future>(story: impl FnOnce(Rc<Reactor>) -> F) -> F::Output {
    let reactor = Reactor::new().unwrap();
    let executor =
        Executor::builder().park(reactor.clone()).extension(reactor.clone()).clock(Clock::paused()).build();
    executor.block_on(story(reactor))
}

/// Sends until there is no room, and says how often.
fn fill(mut send: impl FnMut() -> std::io::Result<usize>) -> usize {
    let mut count = 0;
    loop {
        match send() {
            Ok(_) => count += 1,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}");
                return count;
            }
        }
    }
}

#[test]
fn messages_sent_while_the_receiver_waits_arrive_one_by_one() {
    run_with(|reactor| async move {
        let (ours, theirs) = UnixDatagram::pair().unwrap();
        let receiving = spawn(async move {
            let mut all = Vec::new();
            for _ in 0..4 {
                // More room than any message needs: a short one must not count as the last.
                let mut buf = [0; 256];
                let n = theirs.recv(&mut buf).await.unwrap();
                all.push(String::from_utf8(buf[..n].to_vec()).unwrap());
            }
            all
        });
        until_waiting(&reactor, 1).await;
        // One event for all of them.
        for message in ["one", "", "three", "four"] {
            assert_eq!(ours.try_send(message.as_bytes()).unwrap(), message.len());
        }
        assert_eq!(receiving.await.unwrap(), ["one", "", "three", "four"]);
    });
}

#[test]
fn who_has_a_name_is_answered() {
    let folder = Folder::new();
    run(async {
        let server = UnixDatagram::bind(folder.path("server")).unwrap();
        let client = UnixDatagram::bind(folder.path("client")).unwrap();
        client.connect(folder.path("server")).unwrap();
        assert_eq!(client.peer_addr().unwrap().as_pathname(), Some(&*folder.path("server")));
        assert_eq!(server.peer_addr().unwrap_err().kind(), ErrorKind::NotConnected);
        client.send(b"ping").await.unwrap();
        let mut buf = [0; 16];
        let (n, from) = server.recv_from(&mut buf).await.unwrap();
        assert_eq!((&buf[..n], from.as_pathname()), (&b"ping"[..], Some(&*folder.path("client"))));
        assert_eq!(server.send_to_addr(b"pong", &from).await.unwrap(), 4);
        assert_eq!(client.recv(&mut buf).await.unwrap(), 4);
        // Everything that is told of a message tells it too.
        client.send(b"again").await.unwrap();
        let message = server.recv_msg(&mut buf, 0).await.unwrap();
        assert_eq!(message.from.as_pathname(), Some(&*folder.path("client")));
        assert_eq!((message.len, message.is_truncated, message.fds.len()), (5, false, 0));
        assert!(message.credentials.is_none(), "nobody asked");
        // Who has none is not.
        let nameless = UnixDatagram::unbound().unwrap();
        nameless.send_to(b"?", folder.path("server")).await.unwrap();
        let (_, from) = server.recv_from(&mut buf).await.unwrap();
        assert!(from.is_unnamed());
        nameless.send_to(b"?", folder.path("server")).await.unwrap();
        assert!(server.recv_msg(&mut buf, 0).await.unwrap().from.is_unnamed());
        assert_eq!(server.send_to_addr(b"!", &from).await.unwrap_err().kind(), ErrorKind::InvalidInput);
    });
}

#[test]
#[cfg(target_os = "linux")]
fn names_of_every_kind_are_told() {
    use std::os::linux::net::SocketAddrExt;
    let folder = Folder::new();
    run(async {
        let server = UnixDatagram::bind(folder.path("server")).unwrap();
        let name = format!("runtime-io-{}", std::process::id());
        let address = net::SocketAddr::from_abstract_name(&name).unwrap();
        let hidden = UnixDatagram::from_std(net::UnixDatagram::bind_addr(&address).unwrap()).unwrap();
        hidden.send_to(b"x", folder.path("server")).await.unwrap();
        let message = server.recv_msg(&mut [0; 8], 0).await.unwrap();
        assert_eq!(message.from.as_abstract_name(), Some(name.as_bytes()));
        server.connect_addr(&message.from).unwrap();
        server.send(b"to you").await.unwrap();
        assert_eq!(hidden.recv(&mut [0; 8]).await.unwrap(), 6);
    });
}

#[test]
#[cfg(target_os = "linux")]
fn a_name_that_is_one_byte_too_long_is_none() {
    let folder = Folder::new();
    run(async {
        let server = UnixDatagram::bind(folder.path("server")).unwrap();
        // 108 bytes, which the system takes and no library can hold.
        let long = folder.path("");
        let long = folder.path(&"x".repeat(108 - long.as_os_str().len()));
        let sender = sys::bound_without_terminator(&long);
        sender.send_to(b"x", folder.path("server")).unwrap();
        let message = server.recv_msg(&mut [0; 8], 0).await.unwrap();
        assert!(message.from.is_unnamed(), "{:?}", message.from);
    });
}

#[test]
fn a_message_that_is_too_long_is_told_from_one_that_fits() {
    run(async {
        let (ours, theirs) = UnixDatagram::pair().unwrap();
        let mut buf = [0; 4];
        for (sent, len, is_truncated) in
            [(&b""[..], 0, false), (b"123", 3, false), (b"1234", 4, false), (b"12345", 4, true)]
        {
            ours.send(sent).await.unwrap();
            let message = theirs.recv_msg(&mut buf, 0).await.unwrap();
            assert_eq!((message.len, message.is_truncated), (len, is_truncated), "{sent:?}");
            assert_eq!(&buf[..len], &sent[..len]);
        }
        // What is not asked for is not told, and the next message is whole.
        ours.send(b"12345").await.unwrap();
        ours.send(b"67").await.unwrap();
        assert_eq!(theirs.recv(&mut buf).await.unwrap(), 4);
        assert_eq!(theirs.recv(&mut buf).await.unwrap(), 2);
        assert_eq!(theirs.try_recv(&mut buf).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert_eq!(theirs.try_recv_from(&mut buf).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert_eq!(theirs.try_recv_msg(&mut buf, 0).unwrap_err().kind(), ErrorKind::WouldBlock);
    });
}

#[test]
#[cfg(target_os = "linux")]
fn a_receiver_who_is_nobodys_peer_and_full_is_waited_for() {
    let folder = Folder::new();
    run_paused(|_| async move {
        let path = folder.path("slow");
        let slow = UnixDatagram::bind(&path).unwrap();
        let other = UnixDatagram::bind(folder.path("other")).unwrap();
        let crowd = UnixDatagram::unbound().unwrap();
        let crowded = fill(|| crowd.try_send_to(b"crowd", &path));
        // This one has nothing in that queue: its socket is writable all the time.
        let sender = Rc::new(UnixDatagram::unbound().unwrap());
        let waiting = spawn({
            let (sender, path) = (Rc::clone(&sender), path.clone());
            async move { sender.send_to(b"at last", &path).await }
        });
        sleep(Duration::from_millis(1100)).await;
        assert!(!waiting.is_finished(), "it has not failed, nor got in");
        // Meanwhile the same socket sends to others, at once.
        let begun = Instant::now();
        assert_eq!(sender.try_send_to(b"1", folder.path("other")).unwrap(), 1);
        sender.send_to(b"2", folder.path("other")).await.unwrap();
        let address = other.local_addr().unwrap();
        sender.send_to_addr(b"3", &address).await.unwrap();
        assert_eq!(begun.elapsed(), Duration::ZERO);

        let mut buf = [0; 16];
        slow.recv(&mut buf).await.unwrap();
        assert_eq!(waiting.await.unwrap().unwrap(), 7);
        assert!(begun.elapsed() <= Duration::from_millis(50), "{:?}", begun.elapsed());
        for _ in 1..crowded {
            assert_eq!(slow.recv(&mut buf).await.unwrap(), 5);
        }
        assert_eq!(slow.recv(&mut buf).await.unwrap(), 7);
        // And having waited once it is not slow ever after.
        let begun = Instant::now();
        sender.send_to(b"prompt", &path).await.unwrap();
        assert_eq!(begun.elapsed(), Duration::ZERO);
    });
}

#[test]
#[cfg(target_os = "linux")]
fn room_in_the_queue_of_a_peer_is_an_event() {
    let folder = Folder::new();
    run_paused(|reactor| async move {
        let path = folder.path("slow");
        let slow = UnixDatagram::bind(&path).unwrap();
        let crowd = UnixDatagram::unbound().unwrap();
        fill(|| crowd.try_send_to(b"crowd", &path));
        let sender = UnixDatagram::unbound().unwrap();
        sender.connect(&path).unwrap();
        let begun = Instant::now();
        let sending = spawn(async move { sender.send(b"at last").await });
        until_waiting(&reactor, 1).await;
        slow.recv(&mut [0; 16]).await.unwrap();
        assert_eq!(sending.await.unwrap().unwrap(), 7);
        assert_eq!(begun.elapsed(), Duration::ZERO, "no timer was needed");
    });
}

#[test]
#[cfg(target_os = "linux")]
fn while_the_peer_has_no_room_others_are_sent_to_at_once() {
    let folder = Folder::new();
    run_paused(|reactor| async move {
        let path = folder.path("slow");
        let _slow = UnixDatagram::bind(&path).unwrap();
        let other = UnixDatagram::bind(folder.path("other")).unwrap();
        let crowd = UnixDatagram::unbound().unwrap();
        fill(|| crowd.try_send_to(b"crowd", &path));
        let sender = Rc::new(UnixDatagram::unbound().unwrap());
        sender.connect(&path).unwrap();
        let waiting = spawn({
            let sender = Rc::clone(&sender);
            async move { sender.send(b"to the peer").await }
        });
        until_waiting(&reactor, 1).await;
        let begun = Instant::now();
        assert_eq!(sender.try_send(b"to the peer").unwrap_err().kind(), ErrorKind::WouldBlock);
        assert_eq!(sender.try_send_to(b"1", folder.path("other")).unwrap(), 1);
        assert_eq!(sender.try_send(b"to the peer").unwrap_err().kind(), ErrorKind::WouldBlock);
        sender.send_to(b"2", folder.path("other")).await.unwrap();
        assert_eq!(begun.elapsed(), Duration::ZERO);
        for expected in [b"1", b"2"] {
            let mut buf = [0; 8];
            assert_eq!(other.recv(&mut buf).await.unwrap(), 1);
            assert_eq!(&buf[..1], expected);
        }
        assert_eq!(reactor.waiters(), 1, "that one waits on");
        waiting.cancel();
    });
}

#[test]
#[cfg(target_os = "linux")]
fn who_waits_for_a_receiver_that_goes_away_is_told() {
    let folder = Folder::new();
    run_paused(|reactor| async move {
        let path = folder.path("going");
        let going = UnixDatagram::bind(&path).unwrap();
        let crowd = UnixDatagram::unbound().unwrap();
        fill(|| crowd.try_send_to(b"crowd", &path));
        let peer = UnixDatagram::unbound().unwrap();
        peer.connect(&path).unwrap();
        let by_connection = spawn(async move { peer.send(b"x").await.unwrap_err() });
        let by_name = spawn({
            let path = path.clone();
            async move { UnixDatagram::unbound().unwrap().send_to(b"x", path).await.unwrap_err() }
        });
        until_waiting(&reactor, 1).await;
        // Its path stays, as that of a process that died.
        drop(going.into_std());
        assert_eq!(by_connection.await.unwrap().kind(), ErrorKind::ConnectionRefused);
        let error = by_name.await.unwrap();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        assert!(error.to_string().contains("going"), "{error}");
    });
}

#[test]
fn a_dropped_send_or_receive_has_moved_nothing() {
    let folder = Folder::new();
    run_with(|reactor| async move {
        let path = folder.path("receiver");
        let receiver = UnixDatagram::bind(&path).unwrap();
        let sender = UnixDatagram::unbound().unwrap();
        let mut buf = [0; 16];
        assert!(poll_once(pin!(receiver.recv(&mut buf))).await.is_none());
        assert!(poll_once(pin!(receiver.recv_msg(&mut buf, 1))).await.is_none());
        let count = fill(|| sender.try_send_to(b"full", &path));
        assert!(poll_once(pin!(sender.send_to(b"late", &path))).await.is_none());
        assert!(poll_once(pin!(sender.send_with_fds_to(b"late", &[sender.as_fd()], &path))).await.is_none());
        assert_eq!(reactor.waiters(), 0);
        for _ in 0..count {
            receiver.recv(&mut buf).await.unwrap();
            assert_eq!(&buf[..4], b"full");
        }
        assert_eq!(receiver.try_recv(&mut buf).unwrap_err().kind(), ErrorKind::WouldBlock);
    });
}

#[test]
fn two_tasks_that_receive_from_one_socket_share_what_comes() {
    run_with(|reactor| async move {
        let (ours, theirs) = UnixDatagram::pair().unwrap();
        let theirs = Rc::new(theirs);
        let receiver = |_| {
            let theirs = Rc::clone(&theirs);
            spawn(async move {
                let mut byte = [0];
                assert_eq!(theirs.recv(&mut byte).await.unwrap(), 1);
                byte[0]
            })
        };
        let receivers: Vec<_> = (0..4).map(receiver).collect();
        until_waiting(&reactor, 4).await;
        for byte in *b"abc" {
            ours.try_send(&[byte]).unwrap();
        }
        let mut got = Vec::new();
        let mut receivers = receivers.into_iter();
        for receiver in receivers.by_ref().take(3) {
            got.push(receiver.await.unwrap());
        }
        assert_eq!(got, b"abc");
        // The fourth found nothing, and waits on.
        until_waiting(&reactor, 1).await;
        ours.try_send(b"d").unwrap();
        assert_eq!(receivers.next().unwrap().await.unwrap(), b'd');
    });
}

#[test]
fn both_ways_at_once_a_thousand_messages_arrive_in_order() {
    run(async {
        let (one, other) = UnixDatagram::pair().unwrap();
        let send = async |socket: &UnixDatagram| {
            for number in 0..1000_u32 {
                socket.send(&number.to_ne_bytes()).await.unwrap();
            }
        };
        let receive = async |socket: &UnixDatagram| {
            for number in 0..1000_u32 {
                let mut buf = [0; 8];
                assert_eq!(socket.recv(&mut buf).await.unwrap(), 4);
                assert_eq!(buf[..4], number.to_ne_bytes());
            }
        };
        zip(zip(send(&one), receive(&other)), zip(send(&other), receive(&one))).await;
    });
}

#[test]
fn the_poll_methods_send_and_receive_too() {
    run(async {
        let (ours, theirs) = UnixDatagram::pair().unwrap();
        let mut buf = [0; 8];
        let receiving = std::future::poll_fn(|cx| theirs.poll_recv(cx, &mut buf));
        let sending = std::future::poll_fn(|cx| ours.poll_send(cx, b"one"));
        let (received, sent) = zip(receiving, sending).await;
        assert_eq!((received.unwrap(), sent.unwrap()), (3, 3));
        ours.writable().await.unwrap();
        ours.try_send(b"four").unwrap();
        theirs.readable().await.unwrap();
        let (n, from) = std::future::poll_fn(|cx| theirs.poll_recv_from(cx, &mut buf)).await.unwrap();
        assert_eq!((n, from.is_unnamed()), (4, true));
    });
}

#[test]
fn sending_to_one_who_is_gone_is_an_error_and_no_signal() {
    sys::make_sigpipe_deadly();
    let folder = Folder::new();
    run(async {
        let (ours, theirs) = UnixDatagram::pair().unwrap();
        theirs.shutdown(Shutdown::Read).unwrap();
        assert_eq!(ours.send(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        let parcel = [ours.as_fd()];
        assert_eq!(ours.send_with_fds(b"x", &parcel).await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        drop(theirs);
        assert!(ours.send(b"x").await.is_err());

        let unconnected = UnixDatagram::unbound().unwrap();
        assert_eq!(unconnected.send(b"x").await.unwrap_err().kind(), ErrorKind::NotConnected);
        let error = unconnected.send_to(b"x", folder.path("nobody")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains("nobody"), "{error}");
        let error = unconnected.connect(folder.path("nobody")).unwrap_err();
        assert!(error.to_string().contains("nobody"), "{error}");
        // Longer than the send buffer.
        let (ours, _theirs) = UnixDatagram::pair().unwrap();
        assert_eq!(ours.send(&vec![0; 64 << 20]).await.unwrap_err().raw_os_error(), Some(libc::EMSGSIZE));
        assert_eq!(ours.send(b"x").await.unwrap(), 1);
    });
}

#[test]
fn a_path_that_is_stale_is_replaced_and_one_in_use_is_not() {
    let folder = Folder::new();
    run(async {
        let path = folder.path("datagrams");
        drop(net::UnixDatagram::bind(&path).unwrap());
        assert!(path.exists());
        let live = UnixDatagram::bind(&path).unwrap();
        let error = UnixDatagram::bind(&path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        assert!(error.to_string().contains("a process receives on it"), "{error}");
        // Nothing was sent to find that out.
        assert_eq!(live.try_recv(&mut [0; 1]).unwrap_err().kind(), ErrorKind::WouldBlock);
        live.send_to(b"still me", &path).await.unwrap();
        assert_eq!(live.recv(&mut [0; 16]).await.unwrap(), 8);
        drop(live);
        assert!(!path.exists());
    });
}

#[test]
#[cfg(target_os = "linux")]
fn one_who_receives_from_one_peer_only_is_not_dead() {
    let folder = Folder::new();
    run(async {
        let path = folder.path("faithful");
        let faithful = UnixDatagram::bind(&path).unwrap();
        let _peer = UnixDatagram::bind(folder.path("peer")).unwrap();
        faithful.connect(folder.path("peer")).unwrap();
        let error = UnixDatagram::bind(&path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse, "{error}");
        assert!(path.exists());
    });
}

#[test]
fn nothing_but_a_stale_socket_is_ever_removed() {
    let folder = Folder::new();
    run(async {
        let file = folder.path("file");
        fs::write(&file, "precious").unwrap();
        let stale = folder.path("stale");
        drop(net::UnixDatagram::bind(&stale).unwrap());
        let link = folder.path("link");
        symlink(&stale, &link).unwrap();
        let streams = folder.path("streams");
        let _streams = UnixListener::bind(&streams).await.unwrap();
        let packets = folder.path("packets");
        let _packets = UnixSeqpacketListener::bind(&packets);
        for path in [&file, &link, &streams, &packets] {
            if path == &packets && cfg!(target_vendor = "apple") {
                continue;
            }
            let error = UnixDatagram::bind(path).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::AddrInUse, "{error}");
            assert!(fs::symlink_metadata(path).is_ok(), "{} is gone", path.display());
        }
        assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
        for bad in ["", "with\0zero", &"long".repeat(100)] {
            assert_eq!(UnixDatagram::bind(bad).unwrap_err().kind(), ErrorKind::InvalidInput);
        }
        assert_eq!(
            UnixDatagram::bind(folder.path("no/such/folder")).unwrap_err().kind(),
            ErrorKind::NotFound
        );
    });
}

#[test]
fn a_path_that_was_taken_over_or_handed_on_stays() {
    let folder = Folder::new();
    run(async {
        let path = folder.path("contested");
        let first = UnixDatagram::bind(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let second = UnixDatagram::bind(&path).unwrap();
        drop(first);
        second.send_to(b"mine", &path).await.unwrap();
        let handed = OwnedFd::from(second);
        assert!(path.exists());
        let handed = UnixDatagram::try_from(handed).unwrap();
        assert_eq!(handed.recv(&mut [0; 8]).await.unwrap(), 4);
        drop(handed);
        assert!(path.exists());
    });
}

#[test]
#[cfg(target_os = "linux")]
fn each_message_says_who_has_sent_it_if_asked() {
    run(async {
        let (ours, theirs) = UnixDatagram::pair().unwrap();
        ours.send(b"before anybody asked").await.unwrap();
        theirs.set_passcred(true).unwrap();
        ours.send(b"from here").await.unwrap();
        let mut child = print_into(ours.into_std().into(), "from a child");
        let mut buf = [0; 64];
        theirs.recv_msg(&mut buf, 0).await.unwrap();
        let us = theirs.recv_msg(&mut buf, 0).await.unwrap().credentials.expect("we asked");
        assert_eq!((us.process(), us.user()), (Some(std::process::id()), runtime_io::owner::own_user()));
        let message = theirs.recv_msg(&mut buf, 1).await.unwrap();
        assert_eq!(&buf[..message.len], b"from a child");
        assert_eq!(message.credentials.unwrap().process(), Some(child.id()));
        assert!(message.fds.is_empty());
        assert!(child.wait().unwrap().success());
        theirs.set_passcred(false).unwrap();
    });
}

/// Descriptors of processes that this process has.
#[cfg(target_os = "linux")]
fn process_descriptors() -> usize {
    let open = fs::read_dir("/proc/self/fd").unwrap();
    let targets = open.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    targets.filter(|target| target.to_string_lossy().contains("pidfd")).count()
}

#[test]
#[cfg(target_os = "linux")]
fn a_descriptor_of_the_sender_that_somebody_else_asked_for_is_closed() {
    run(async {
        let (ours, theirs) = UnixDatagram::pair().unwrap();
        if !sys::ask_for_senders(theirs.as_fd()) {
            return; // an older system, which sends none
        }
        let (reader, _writer) = std::io::pipe().unwrap();
        let mut buf = [0; 64];
        ours.send(b"alone").await.unwrap();
        ours.send_with_fds(b"with a pipe", &[reader.as_fd()]).await.unwrap();
        let alone = theirs.recv_msg(&mut buf, 0).await.unwrap();
        assert_eq!((alone.len, alone.fds.len()), (5, 0));
        let piped = theirs.recv_msg(&mut buf, 1).await.unwrap();
        assert_eq!((piped.len, piped.fds.len()), (11, 1));
        assert_eq!(process_descriptors(), 0);
    });
}

#[test]
fn outside_a_runtime_it_says_what_to_do() {
    let (ours, theirs) = UnixDatagram::pair().unwrap();
    let mut send = pin!(ours.send(b"x"));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(sent) = send.as_mut().poll(&mut context) else { panic!("it waits") };
    assert_eq!(sent.unwrap_err().downcast::<HandleError>().unwrap(), HandleError::NoRuntime);
    let mut send = pin!(ours.send_to(b"x", "nowhere"));
    let std::task::Poll::Ready(sent) = send.as_mut().poll(&mut context) else { panic!("it waits") };
    assert_eq!(sent.unwrap_err().downcast::<HandleError>().unwrap(), HandleError::NoRuntime);
    drop(theirs);
}
