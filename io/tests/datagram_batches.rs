//! Stories of datagrams with all that is known of them, and of several at a time.
#![cfg(all(target_os = "linux", not(miri)))]

mod support;

use futures_lite::future::poll_once;
use runtime_executor::spawn;
use runtime_io::net::{Datagram, UdpSocket};
use std::{
    io::{ErrorKind, IoSliceMut},
    net::{self, SocketAddr},
    os::fd::AsFd,
    pin::pin,
};
use support::{pattern, run, run_with, sys::without_checksums, until_waiting};

const ANYWHERE: &str = "127.0.0.1:0";

/// The most that one call takes or gives.
const BATCH: usize = 32;

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

/// Room for `count` datagrams, and what has come of them.
struct Room {
    memory: Vec<u8>,
    size: usize,
    datagrams: Vec<Datagram>,
}

impl Room {
    fn new(count: usize, size: usize) -> Self {
        Self { memory: vec![0; count * size], size, datagrams: vec![Datagram::default(); count] }
    }

    fn parts(&mut self) -> (Vec<IoSliceMut<'_>>, &mut [Datagram]) {
        (self.memory.chunks_mut(self.size).map(IoSliceMut::new).collect(), &mut self.datagrams)
    }

    async fn receive(&mut self, socket: &UdpSocket) -> std::io::Result<Vec<(Vec<u8>, SocketAddr)>> {
        let (mut bufs, datagrams) = self.parts();
        let count = socket.recv_many(&mut bufs, datagrams).await?;
        let received = datagrams[..count].iter().zip(&bufs);
        Ok(received.map(|(datagram, buf)| (buf[..datagram.len()].to_vec(), datagram.from())).collect())
    }
}

#[test]
fn a_datagram_that_is_cut_says_so_and_one_that_just_fits_does_not() {
    run(async {
        let (ours, theirs) = pair().await;
        for bytes in [&b"12345"[..], b"1234", b""] {
            theirs.send(bytes).await.unwrap();
        }
        let mut buf = [0; 4];
        for (len, is_truncated) in [(4, true), (4, false), (0, false)] {
            let datagram = ours.recv_msg(&mut buf).await.unwrap();
            assert_eq!((datagram.len(), datagram.is_truncated()), (len, is_truncated));
            assert_eq!((datagram.from(), datagram.segment_size()), (address(&theirs), None));
        }
        assert_eq!(ours.try_recv_msg(&mut buf).unwrap_err().kind(), ErrorKind::WouldBlock);
    });
}

#[test]
fn senders_are_told_whatever_the_family_of_their_address() {
    run(async {
        // A machine may know no IPv6.
        let Ok(server) = UdpSocket::bind("[::]:0").await else { return };
        let port = address(&server).port();
        let six = UdpSocket::bind("[::1]:0").await.unwrap();
        let four = socket().await;
        six.send_to(b"six", (net::Ipv6Addr::LOCALHOST, port)).await.unwrap();
        four.send_to(b"four", (net::Ipv4Addr::LOCALHOST, port)).await.unwrap();
        let received = Room::new(4, 16).receive(&server).await.unwrap();
        let mapped = (net::Ipv4Addr::LOCALHOST.to_ipv6_mapped(), address(&four).port()).into();
        assert_eq!(received, [(b"six".to_vec(), address(&six)), (b"four".to_vec(), mapped)]);
    });
}

#[test]
fn all_that_is_there_comes_at_once_each_into_a_buffer_of_its_own() {
    run(async {
        let server = socket().await;
        let (one, other) = (socket().await, socket().await);
        for (client, bytes) in [(&one, &b"first"[..]), (&other, b""), (&one, b"third and too long")] {
            client.send_to(bytes, address(&server)).await.unwrap();
        }
        let mut room = Room::new(5, 8);
        let expected = [
            (b"first".to_vec(), address(&one)),
            (Vec::new(), address(&other)),
            (b"third an".to_vec(), address(&one)),
        ];
        assert_eq!(room.receive(&server).await.unwrap(), expected);
        assert_eq!(room.datagrams.iter().map(Datagram::is_truncated).filter(|cut| *cut).count(), 1);
        assert!(room.datagrams[2].is_truncated());
        assert_eq!(room.datagrams[3], Datagram::default(), "what was not received is left alone");
    });
}

#[test]
fn who_waits_for_many_gets_those_that_come_later_too() {
    run_with(|reactor| async move {
        let (ours, theirs) = pair().await;
        let receiving = spawn(async move {
            let mut room = Room::new(4, 8);
            let mut all = Vec::new();
            while all.len() < 9 {
                all.extend(room.receive(&ours).await.unwrap().into_iter().map(|(bytes, _)| bytes));
            }
            all
        });
        // More than there is room for, just as many, and fewer.
        let mut number = 0;
        for count in [5, 1, 3] {
            until_waiting(&reactor, 1).await;
            for _ in 0..count {
                number += 1;
                theirs.send(&[number]).await.unwrap();
            }
        }
        assert_eq!(receiving.await.unwrap(), (1..=9).map(|number| vec![number]).collect::<Vec<_>>());
    });
}

#[test]
fn after_fewer_than_there_was_room_for_nobody_looks_before_the_next_event() {
    run_with(|reactor| async move {
        let (ours, theirs) = pair().await;
        let mut room = Room::new(2, 8);
        {
            let mut receiving = pin!(room.receive(&ours));
            assert!(poll_once(&mut receiving).await.is_none());
            until_waiting(&reactor, 1).await;
            theirs.send(b"one").await.unwrap();
            assert_eq!(receiving.await.unwrap().len(), 1);
        }
        theirs.send(b"two").await.unwrap();
        let (mut bufs, datagrams) = room.parts();
        let unknown = ours.try_recv_many(&mut bufs, datagrams).unwrap_err();
        assert_eq!(unknown.kind(), ErrorKind::WouldBlock, "the event is not here yet");
        ours.readable().await.unwrap();
        assert_eq!(ours.try_recv_many(&mut bufs, datagrams).unwrap(), 1);

        // As many as there is room for say nothing about a further one.
        for _ in 0..3 {
            theirs.send(b"more").await.unwrap();
        }
        ours.readable().await.unwrap();
        assert_eq!(ours.try_recv_many(&mut bufs, datagrams).unwrap(), 2);
        assert_eq!(ours.try_recv_many(&mut bufs, datagrams).unwrap(), 1);
    });
}

#[test]
fn a_socket_that_only_waited_for_room_before_is_told_what_comes() {
    run_with(|reactor| async move {
        let (ours, theirs) = pair().await;
        ours.writable().await.unwrap();
        theirs.send(b"one").await.unwrap();
        let mut room = Room::new(2, 8);
        assert_eq!(room.receive(&ours).await.unwrap().len(), 1);
        let mut receiving = pin!(room.receive(&ours));
        assert!(poll_once(&mut receiving).await.is_none());
        until_waiting(&reactor, 1).await;
        theirs.send(b"two").await.unwrap();
        assert_eq!(receiving.await.unwrap().len(), 1);
    });
}

#[test]
fn more_than_one_call_takes_are_received_by_the_next() {
    run(async {
        let (ours, theirs) = pair().await;
        for number in 0..40 {
            theirs.send(&[number]).await.unwrap();
        }
        let mut room = Room::new(40, 4);
        assert_eq!(room.receive(&ours).await.unwrap().len(), BATCH);
        let rest = room.receive(&ours).await.unwrap();
        assert_eq!(rest.iter().map(|(bytes, _)| bytes[0]).collect::<Vec<_>>(), (32..40).collect::<Vec<_>>());
        assert_eq!(Room::new(0, 4).receive(&ours).await.unwrap(), [], "no room is no reason to wait");
    });
}

#[test]
fn a_refusal_comes_between_batches_and_stops_none() {
    run_with(|reactor| async move {
        let client = socket().await;
        let there = net::UdpSocket::bind(ANYWHERE).unwrap().local_addr().unwrap();
        client.connect(there).await.unwrap();
        let mut room = Room::new(8, 8);
        for _ in 0..2 {
            let mut receiving = pin!(room.receive(&client));
            assert!(poll_once(&mut receiving).await.is_none());
            until_waiting(&reactor, 1).await;
            client.send(b"anybody?").await.unwrap();
            assert_eq!(receiving.await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
        }
        let server = UdpSocket::bind(there).await.unwrap();
        for _ in 0..2 {
            server.send_to(b"yes", address(&client)).await.unwrap();
            assert_eq!(room.receive(&client).await.unwrap(), [(b"yes".to_vec(), there)]);
        }
    });
}

#[test]
fn many_are_sent_in_order_and_what_was_not_taken_is_counted() {
    run(async {
        let (ours, theirs) = pair().await;
        let numbers: Vec<[u8; 1]> = (0..40).map(|number| [number]).collect();
        let datagrams: Vec<&[u8]> = numbers.iter().map(|number| &number[..]).collect();
        assert_eq!(theirs.send_many(&datagrams).await.unwrap(), BATCH);
        assert_eq!(theirs.try_send_many(&datagrams[BATCH..]).unwrap(), 8);
        assert_eq!(theirs.send_many(&[]).await.unwrap(), 0);
        let mut buf = [0; 4];
        for number in numbers {
            assert_eq!(ours.recv(&mut buf).await.unwrap(), 1);
            assert_eq!(buf[..1], number);
        }
    });
}

#[test]
fn many_go_each_to_an_address_of_its_own() {
    run(async {
        let speaker = socket().await;
        let (one, other) = (socket().await, socket().await);
        let datagrams =
            [(&b"one"[..], address(&one)), (b"other", address(&other)), (b"again", address(&one))];
        assert_eq!(speaker.send_many_to(&datagrams).await.unwrap(), 3);
        assert_eq!(speaker.try_send_many_to(&datagrams[..1]).unwrap(), 1);
        let from = address(&speaker);
        let expected = [&b"one"[..], b"again", b"one"].map(|bytes| (bytes.to_vec(), from));
        assert_eq!(Room::new(8, 8).receive(&one).await.unwrap(), expected);
        assert_eq!(Room::new(8, 8).receive(&other).await.unwrap(), [(b"other".to_vec(), from)]);
    });
}

#[test]
fn an_error_among_many_is_told_when_it_is_the_first() {
    run(async {
        let (ours, theirs) = pair().await;
        let too_long = pattern(70_000);
        let datagrams: [&[u8]; 3] = [b"fine", &too_long, b"never tried"];
        assert_eq!(theirs.send_many(&datagrams).await.unwrap(), 1);
        let error = theirs.send_many(&datagrams[1..]).await.unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EMSGSIZE));
        assert_eq!(Room::new(8, 8).receive(&ours).await.unwrap(), [(b"fine".to_vec(), address(&theirs))]);
    });
}

/// Receives datagrams until so many bytes have come; gives their lengths, and the bytes.
async fn receive_bytes(socket: &UdpSocket, count: usize) -> (Vec<usize>, Vec<u8>) {
    let (mut lengths, mut bytes) = (Vec::new(), Vec::new());
    let mut buf = vec![0; 65_535];
    while bytes.len() < count {
        let datagram = socket.recv_msg(&mut buf).await.unwrap();
        assert!(!datagram.is_truncated());
        for segment in datagram.segments(&buf) {
            lengths.push(segment.len());
            bytes.extend_from_slice(segment);
        }
    }
    (lengths, bytes)
}

#[test]
fn bytes_are_sent_as_datagrams_of_one_length_whether_or_not_the_system_divides_them() {
    run(async {
        let (ours, theirs) = pair().await;
        let bytes = pattern(2_500);
        for divides in [true, false] {
            if !divides {
                without_checksums(theirs.as_fd());
            }
            assert_eq!(theirs.send_segmented(&bytes, 1_000).await.unwrap(), 2_500);
            assert!(receive_bytes(&ours, 2_500).await == (vec![1_000, 1_000, 500], bytes.clone()));

            assert_eq!(theirs.send_segmented_to(&bytes, 1_250, address(&ours)).await.unwrap(), 2_500);
            assert!(receive_bytes(&ours, 2_500).await == (vec![1_250, 1_250], bytes.clone()));

            assert_eq!(theirs.send_segmented(&bytes, 2_500).await.unwrap(), 2_500);
            assert_eq!(theirs.send_segmented(&bytes[..7], 100_000).await.unwrap(), 7);
            assert_eq!(theirs.send_segmented(b"", 10).await.unwrap(), 0);
            assert_eq!(receive_bytes(&ours, 2_507).await.0, [2_500, 7]);
            let mut buf = [0; 4];
            assert_eq!(ours.recv(&mut buf).await.unwrap(), 0, "no bytes are one datagram without any");
        }
    });
}

#[test]
fn more_than_one_send_can_divide_is_sent_up_to_a_whole_datagram() {
    run(async {
        let (ours, theirs) = pair().await;
        let bytes = pattern(100_000);
        assert_eq!(theirs.send_segmented(&bytes, 10).await.unwrap(), 64 * 10);
        assert!(receive_bytes(&ours, 640).await == (vec![10; 64], bytes[..640].to_vec()));
        assert_eq!(theirs.send_segmented(&bytes, 20_000).await.unwrap(), 60_000);
        assert_eq!(receive_bytes(&ours, 60_000).await.0, [20_000; 3]);
        let error = theirs.send_segmented(&bytes, 70_000).await.unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EMSGSIZE));

        without_checksums(theirs.as_fd());
        assert_eq!(theirs.send_segmented(&bytes, 10).await.unwrap(), BATCH * 10);
        assert_eq!(receive_bytes(&ours, BATCH * 10).await.0, [10; BATCH]);
    });
}

#[test]
fn datagrams_that_come_as_one_can_be_taken_apart() {
    run(async {
        let (ours, theirs) = pair().await;
        assert!(!ours.gro().unwrap());
        ours.set_gro(true).unwrap();
        assert!(ours.gro().unwrap());
        let bytes = pattern(2_500);
        theirs.send_segmented(&bytes, 1_000).await.unwrap();
        let mut buf = vec![0; 65_535];
        let datagram = ours.recv_msg(&mut buf).await.unwrap();
        assert_eq!((datagram.len(), datagram.segment_size()), (2_500, Some(1_000)));
        assert_eq!(datagram.segments(&buf).map(<[u8]>::len).collect::<Vec<_>>(), [1_000, 1_000, 500]);
        assert!(datagram.segments(&buf).collect::<Vec<_>>().concat() == bytes);

        theirs.send(b"alone").await.unwrap();
        let datagram = ours.recv_msg(&mut buf).await.unwrap();
        assert_eq!(datagram.segment_size(), None);
        assert_eq!(datagram.segments(&buf).collect::<Vec<_>>(), [b"alone"]);

        let mut room = Room::new(2, 4_000);
        theirs.send_segmented(&bytes, 1_000).await.unwrap();
        assert_eq!(room.receive(&ours).await.unwrap().len(), 1);
        assert_eq!(room.datagrams[0].segment_size(), Some(1_000));

        ours.set_gro(false).unwrap();
        theirs.send_segmented(&bytes, 1_000).await.unwrap();
        assert_eq!(ours.recv_msg(&mut buf).await.unwrap().len(), 1_000);
    });
}

#[test]
#[should_panic(expected = "say how long each is to be")]
fn datagrams_of_no_length_are_a_mistake() {
    run(async {
        let socket = socket().await;
        drop(socket.send_segmented(b"bytes", 0));
    });
}

#[test]
#[should_panic(expected = "pass the buffer it was received into")]
fn a_datagram_is_not_cut_from_another_buffer() {
    run(async {
        let (ours, theirs) = pair().await;
        theirs.send(b"four").await.unwrap();
        let datagram = ours.recv_msg(&mut [0; 8]).await.unwrap();
        drop(datagram.segments(&[0; 3]));
    });
}
