//! Stories of UDP sockets.
#![cfg(not(miri))]

mod support;

use futures_lite::future::{poll_fn, poll_once};
use runtime_executor::{Park, spawn, task::yield_now};
use runtime_io::net::UdpSocket;
use std::{
    io::ErrorKind,
    net::{self, Ipv4Addr, Ipv6Addr, SocketAddr},
};
use support::{pattern, run, run_with, until_waiting};

const ANYWHERE: &str = "127.0.0.1:0";

async fn socket() -> UdpSocket {
    UdpSocket::bind(ANYWHERE).await.unwrap()
}

fn address(socket: &UdpSocket) -> SocketAddr {
    socket.local_addr().unwrap()
}

/// Two sockets that are connected to each other.
async fn pair() -> (UdpSocket, UdpSocket) {
    let (one, other) = (socket().await, socket().await);
    one.connect(address(&other)).await.unwrap();
    other.connect(address(&one)).await.unwrap();
    (one, other)
}

/// An address where nobody receives.
fn nobody() -> SocketAddr {
    net::UdpSocket::bind(ANYWHERE).unwrap().local_addr().unwrap()
}

#[test]
fn an_answer_goes_to_who_has_asked() {
    run_with(|reactor| async move {
        let server = socket().await;
        let there = address(&server);
        let serving = spawn(async move {
            let mut buf = [0; 64];
            for _ in 0..3 {
                let (n, peer) = server.recv_from(&mut buf).await.unwrap();
                buf[..n].reverse();
                assert_eq!(server.send_to(&buf[..n], peer).await.unwrap(), n);
            }
        });
        until_waiting(&reactor, 1).await;
        let clients = [socket().await, socket().await, socket().await];
        for (client, question) in clients.iter().zip(["abc", "", "de"]) {
            client.send_to(question.as_bytes(), there).await.unwrap();
        }
        for (client, answer) in clients.iter().zip(["cba", "", "ed"]) {
            let mut buf = [7; 64];
            let (n, peer) = client.recv_from(&mut buf).await.unwrap();
            assert_eq!((&buf[..n], peer), (answer.as_bytes(), there));
        }
        serving.await.unwrap();
    });
}

#[test]
fn datagrams_that_arrive_together_are_all_received_though_each_comes_short_of_the_buffer() {
    run_with(|reactor| async move {
        let (ours, theirs) = pair().await;
        let receiving = spawn(async move {
            let mut all = Vec::new();
            for _ in 0..9 {
                let mut buf = [0; 64];
                let n = ours.recv(&mut buf).await.unwrap();
                all.push(buf[..n].to_vec());
            }
            all
        });
        for round in 0..3 {
            until_waiting(&reactor, 1).await;
            for number in 0..3 {
                theirs.send(&[round, number]).await.unwrap();
            }
        }
        let expected = (0..3).flat_map(|round| (0..3).map(move |number| vec![round, number]));
        assert_eq!(receiving.await.unwrap(), expected.collect::<Vec<_>>());
    });
}

#[test]
fn what_does_not_fit_is_cut_off_and_the_next_datagram_is_whole() {
    run(async {
        let (ours, theirs) = pair().await;
        theirs.send(b"longer than four").await.unwrap();
        theirs.send(b"next").await.unwrap();
        let mut buf = [0; 4];
        assert_eq!(ours.recv(&mut buf).await.unwrap(), 4);
        assert_eq!(&buf, b"long");
        let (n, from) = ours.recv_from(&mut buf).await.unwrap();
        assert_eq!((&buf[..n], from), (&b"next"[..], address(&theirs)));
    });
}

#[test]
fn the_longest_datagram_passes_and_a_longer_one_is_refused() {
    run(async {
        // 65,535 without the headers of IPv4 and UDP.
        const LONGEST: usize = 65_535 - 20 - 8;
        let (ours, theirs) = pair().await;
        let bytes = pattern(LONGEST + 1);
        let error = theirs.send(&bytes).await.unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EMSGSIZE));
        assert_eq!(theirs.send(&bytes[..LONGEST]).await.unwrap(), LONGEST);
        let mut buf = vec![0; 65_535];
        assert_eq!(ours.recv(&mut buf).await.unwrap(), LONGEST);
        assert!(buf[..LONGEST] == bytes[..LONGEST]);
    });
}

#[test]
fn a_refusal_wakes_who_waits_and_the_socket_goes_on() {
    run_with(|reactor| async move {
        let client = socket().await;
        let there = nobody();
        client.connect(there).await.unwrap();
        let mut buf = [0; 16];
        let mut receiving = Box::pin(client.recv(&mut buf));
        assert!(poll_once(&mut receiving).await.is_none());
        assert_eq!(reactor.waiters(), 1);
        client.send(b"anybody?").await.unwrap();
        assert_eq!(receiving.await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
        assert!(client.take_error().unwrap().is_none(), "it is told once");

        let server = UdpSocket::bind(there).await.unwrap();
        client.send(b"now?").await.unwrap();
        let (n, peer) = server.recv_from(&mut buf).await.unwrap();
        assert_eq!((&buf[..n], peer), (&b"now?"[..], address(&client)));
        server.send_to(b"yes", peer).await.unwrap();
        assert_eq!(client.recv(&mut buf).await.unwrap(), 3);
    });
}

#[test]
fn a_refusal_is_told_to_whoever_comes_next_and_takes_its_datagram_with_it() {
    run(async {
        let client = socket().await;
        let there = nobody();
        client.connect(there).await.unwrap();
        client.send(b"one").await.unwrap();
        assert_eq!(client.send(b"two").await.unwrap_err().kind(), ErrorKind::ConnectionRefused);

        let server = UdpSocket::bind(there).await.unwrap();
        client.send(b"three").await.unwrap();
        let mut buf = [0; 16];
        let n = server.recv(&mut buf).await.unwrap();
        assert_eq!(&buf[..n], b"three", "the send that failed has sent nothing");
    });
}

#[test]
fn a_server_for_all_hears_of_no_refusal() {
    run_with(|reactor| async move {
        let server = socket().await;
        let there = address(&server);
        server.send_to(b"to nobody", nobody()).await.unwrap();
        let mut buf = [0; 16];
        let mut receiving = Box::pin(server.recv_from(&mut buf));
        assert!(poll_once(&mut receiving).await.is_none());
        until_waiting(&reactor, 1).await;
        socket().await.send_to(b"still here?", there).await.unwrap();
        assert_eq!(receiving.await.unwrap().0, 11);
    });
}

#[test]
fn a_receive_that_is_dropped_has_received_nothing() {
    run_with(|reactor| async move {
        let (ours, theirs) = pair().await;
        let mut buf = [0; 16];
        let mut dropped = Box::pin(ours.recv(&mut buf));
        assert!(poll_once(&mut dropped).await.is_none());
        theirs.send(b"for the next").await.unwrap();
        drop(dropped);
        assert_eq!(reactor.waiters(), 0);
        assert_eq!(ours.recv(&mut buf).await.unwrap(), 12);
    });
}

#[test]
fn two_who_receive_get_one_datagram_each() {
    run_with(|reactor| async move {
        let (ours, theirs) = pair().await;
        let ours = std::rc::Rc::new(ours);
        let receive = |ours: std::rc::Rc<UdpSocket>| async move {
            let mut buf = [0; 16];
            let n = ours.recv(&mut buf).await.unwrap();
            buf[..n].to_vec()
        };
        let one = spawn(receive(ours.clone()));
        let other = spawn(receive(ours));
        until_waiting(&reactor, 2).await;
        theirs.send(b"first").await.unwrap();
        theirs.send(b"second").await.unwrap();
        let mut got = [one.await.unwrap(), other.await.unwrap()];
        got.sort();
        assert_eq!(got, [b"first".to_vec(), b"second".to_vec()]);
    });
}

#[test]
fn a_connected_socket_receives_from_its_peer_alone_until_it_connects_elsewhere() {
    run(async {
        let (ours, theirs) = pair().await;
        let stranger = socket().await;
        assert_eq!(stranger.peer_addr().unwrap_err().kind(), ErrorKind::NotConnected);
        assert_eq!(stranger.send(b"to whom?").await.unwrap_err().raw_os_error(), Some(libc::EDESTADDRREQ));

        stranger.send_to(b"let me in", address(&ours)).await.unwrap();
        theirs.send(b"hello").await.unwrap();
        let mut buf = [0; 16];
        assert_eq!(ours.recv_from(&mut buf).await.unwrap(), (5, address(&theirs)));
        assert_eq!(ours.try_recv(&mut buf).unwrap_err().kind(), ErrorKind::WouldBlock);

        ours.connect(address(&stranger)).await.unwrap();
        assert_eq!(ours.peer_addr().unwrap(), address(&stranger));
        stranger.send_to(b"at last", address(&ours)).await.unwrap();
        assert_eq!(ours.recv(&mut buf).await.unwrap(), 7);
    });
}

#[test]
fn a_peek_leaves_the_datagram_where_it_is() {
    run_with(|reactor| async move {
        let (ours, theirs) = pair().await;
        let from = address(&theirs);
        let mut buf = [0; 16];
        let mut peeking = Box::pin(ours.peek_from(&mut buf));
        assert!(poll_once(&mut peeking).await.is_none());
        until_waiting(&reactor, 1).await;
        theirs.send(b"look").await.unwrap();
        assert_eq!(peeking.await.unwrap(), (4, from));
        assert_eq!(ours.peek(&mut buf).await.unwrap(), 4);
        assert_eq!(ours.try_peek(&mut buf).unwrap(), 4);
        assert_eq!(ours.try_peek_from(&mut []).unwrap(), (0, from));
        assert_eq!(poll_fn(|context| ours.poll_peek_from(context, &mut buf)).await.unwrap(), (4, from));
        assert_eq!(ours.recv(&mut buf).await.unwrap(), 4);
        assert_eq!(ours.try_peek(&mut buf).unwrap_err().kind(), ErrorKind::WouldBlock);
    });
}

#[test]
fn what_is_tried_does_not_wait_and_readiness_can_be_awaited_without_a_buffer() {
    run_with(|reactor| async move {
        let (ours, theirs) = pair().await;
        let mut buf = [0; 16];
        assert_eq!(ours.try_recv_from(&mut buf).unwrap_err().kind(), ErrorKind::WouldBlock);
        let mut readable = Box::pin(ours.readable());
        assert!(poll_once(&mut readable).await.is_none());
        until_waiting(&reactor, 1).await;
        theirs.writable().await.unwrap();
        assert_eq!(theirs.try_send(b"one").unwrap(), 3);
        assert_eq!(theirs.try_send_to(b"three", address(&ours)).unwrap(), 5);
        readable.await.unwrap();
        assert_eq!(ours.try_recv(&mut buf).unwrap(), 3);
        assert_eq!(ours.try_recv_from(&mut buf).unwrap(), (5, address(&theirs)));
        assert_eq!(ours.try_recv(&mut buf).unwrap_err().kind(), ErrorKind::WouldBlock);
    });
}

#[test]
fn futures_written_by_hand_send_and_receive() {
    run_with(|reactor| async move {
        let (ours, theirs) = pair().await;
        let there = address(&ours);
        let receiving = spawn(async move {
            let mut buf = [0; 16];
            poll_fn(|context| ours.poll_recv_ready(context)).await.unwrap();
            let first = poll_fn(|context| ours.poll_recv(context, &mut buf)).await.unwrap();
            let second = poll_fn(|context| ours.poll_recv_from(context, &mut buf)).await.unwrap();
            (first, second)
        });
        until_waiting(&reactor, 1).await;
        poll_fn(|context| theirs.poll_send_ready(context)).await.unwrap();
        assert_eq!(poll_fn(|context| theirs.poll_send(context, b"one")).await.unwrap(), 3);
        yield_now().await;
        assert_eq!(poll_fn(|context| theirs.poll_send_to(context, b"three", there)).await.unwrap(), 5);
        assert_eq!(receiving.await.unwrap(), (3, (5, address(&theirs))));
    });
}

#[test]
fn a_socket_goes_to_the_standard_library_and_back() {
    run(async {
        let (ours, theirs) = pair().await;
        let (here, there) = (address(&ours), address(&theirs));
        assert!(poll_once(Box::pin(ours.recv(&mut [0; 1]))).await.is_none());
        theirs.send(b"kept in the kernel").await.unwrap();
        let std = ours.into_std();
        let ours = UdpSocket::from_std(std).unwrap();
        assert_eq!((address(&ours), ours.peer_addr().unwrap()), (here, there));
        assert_eq!(ours.recv(&mut [0; 64]).await.unwrap(), 18);
    });
}

#[test]
fn an_address_that_cannot_be_had_is_named() {
    run(async {
        let taken = socket().await;
        let error = UdpSocket::bind(address(&taken)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        assert!(error.to_string().contains(&address(&taken).to_string()), "{error}");
        let none: &[SocketAddr] = &[];
        assert_eq!(UdpSocket::bind(none).await.unwrap_err().kind(), ErrorKind::InvalidInput);

        // The first address that is free is taken.
        let free = nobody();
        let second = UdpSocket::bind(&[address(&taken), free][..]).await.unwrap();
        assert_eq!(address(&second), free);

        // An IPv4 socket has no way to an IPv6 address.
        let error = taken.connect("[::1]:9").await.unwrap_err();
        assert!(error.to_string().contains("connect to [::1]:9"), "{error}");
        taken.connect(&["[::1]:9".parse().unwrap(), free][..]).await.unwrap();
        assert_eq!(taken.peer_addr().unwrap(), free);
    });
}

#[test]
fn a_broadcast_has_to_be_allowed() {
    run(async {
        let socket = UdpSocket::bind("0.0.0.0:0").await.unwrap();
        let to_all = (Ipv4Addr::new(127, 255, 255, 255), address(&socket).port());
        assert!(!socket.broadcast().unwrap());
        let error = socket.send_to(b"to all", to_all).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        socket.set_broadcast(true).unwrap();
        socket.send_to(b"to all", to_all).await.unwrap();
        assert_eq!(socket.recv(&mut [0; 16]).await.unwrap(), 6);
    });
}

#[test]
fn members_of_a_group_receive_what_is_sent_to_it_until_they_leave() {
    run(async {
        let group = Ipv4Addr::new(239, 255, 70, 19);
        let member = UdpSocket::bind("0.0.0.0:0").await.unwrap();
        let to_group = (group, address(&member).port());
        member.join_multicast_v4(group, Ipv4Addr::LOCALHOST).unwrap();
        let error = member.join_multicast_v4(group, Ipv4Addr::LOCALHOST).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse, "joined already");

        let speaker = socket().await;
        speaker.set_multicast_interface_v4(Ipv4Addr::LOCALHOST).unwrap();
        assert_eq!(speaker.multicast_interface_v4().unwrap(), Ipv4Addr::LOCALHOST);
        speaker.send_to(b"to members", to_group).await.unwrap();
        let (n, from) = member.recv_from(&mut [0; 16]).await.unwrap();
        assert_eq!((n, from), (10, address(&speaker)));

        member.leave_multicast_v4(group, Ipv4Addr::LOCALHOST).unwrap();
        speaker.send_to(b"to nobody", to_group).await.unwrap();
        speaker.send_to(b"to one", (Ipv4Addr::LOCALHOST, to_group.1)).await.unwrap();
        assert_eq!(member.recv(&mut [0; 16]).await.unwrap(), 6, "not what went to the group");
        let error = member.leave_multicast_v4(group, Ipv4Addr::LOCALHOST).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrNotAvailable);
    });
}

#[test]
fn options_are_kept() {
    run(async {
        let four = socket().await;
        four.set_ttl(9).unwrap();
        four.set_multicast_ttl_v4(3).unwrap();
        four.set_multicast_loop_v4(false).unwrap();
        assert_eq!((four.ttl().unwrap(), four.multicast_ttl_v4().unwrap()), (9, 3));
        assert!(!four.multicast_loop_v4().unwrap());
        let (recv, send) = (four.recv_buffer_size().unwrap(), four.send_buffer_size().unwrap());
        four.set_recv_buffer_size(recv / 4).unwrap();
        four.set_send_buffer_size(send / 8).unwrap();
        assert!(four.recv_buffer_size().unwrap() < recv);
        assert!(four.send_buffer_size().unwrap() < send);

        // A machine may know no IPv6.
        let Ok(six) = UdpSocket::bind("[::1]:0").await else { return };
        six.set_unicast_hops_v6(9).unwrap();
        six.set_multicast_hops_v6(3).unwrap();
        six.set_multicast_loop_v6(false).unwrap();
        six.set_multicast_interface_v6(1).unwrap();
        assert_eq!((six.unicast_hops_v6().unwrap(), six.multicast_hops_v6().unwrap()), (9, 3));
        assert!(!six.multicast_loop_v6().unwrap());
        assert_eq!(six.multicast_interface_v6().unwrap(), 1);
        let group: Ipv6Addr = "ff01::4711".parse().unwrap();
        six.join_multicast_v6(group, 1).unwrap();
        six.leave_multicast_v6(group, 1).unwrap();
        assert!(six.leave_multicast_v6(group, 1).is_err());
    });
}

#[test]
fn handles_may_be_sent_and_shared() {
    fn shared<T: Send + Sync>(value: T) -> T {
        value
    }
    run(async {
        let socket = shared(socket().await);
        drop(shared(socket.recv_from(&mut [0; 1])));
        drop(shared(socket.send_to(b"", nobody())));
    });
}
