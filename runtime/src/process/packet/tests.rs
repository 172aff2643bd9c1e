//! Packets between threads, and from strangers.

use super::{INLINE_BYTES, MAX_DESCRIPTORS, Packet, PacketError, Packets};
use crate::time::Duration;
use runtime_io::packet::{self, Patience};
use std::{
    fs::File,
    io::{IoSlice, Read, Write, pipe},
    net::Shutdown,
    os::fd::{AsFd, OwnedFd},
    thread::scope,
};

const SOON: Option<Duration> = Some(Duration::from_secs(20));
const AT_ONCE: Option<Duration> = Some(Duration::ZERO);

fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n * 31 % 251) as u8).collect()
}

fn received(packets: &Packets) -> Vec<u8> {
    packets.blocking_recv(SOON).unwrap().expect("no end").bytes
}

/// What a stranger sends: bytes that need not begin as ours do.
fn stranger(send: &Packets, bytes: &[u8], descriptors: &[&dyn AsFd]) {
    let descriptors: Vec<_> = descriptors.iter().map(|fd| fd.as_fd()).collect();
    packet::send(send.as_fd(), &[IoSlice::new(bytes)], &descriptors, Patience::Never).unwrap();
}

#[test]
fn packets_of_all_lengths_arrive_as_they_were_sent() {
    let (ours, theirs) = Packets::pair().unwrap();
    for len in [0, 1, 3, 4, 5, 4_096, INLINE_BYTES - 1, INLINE_BYTES, INLINE_BYTES + 1, 3 << 20] {
        for _ in 0..2 {
            ours.blocking_send(Packet::from(bytes(len)), SOON).unwrap();
        }
        assert_eq!(received(&theirs), bytes(len), "{len} with a thread");
        assert!(theirs.try_recv().unwrap().unwrap().bytes == bytes(len), "{len} at once");
        crate::run(async {
            ours.send(Packet::from(bytes(len))).await.unwrap();
            assert!(theirs.recv().await.unwrap().unwrap().bytes == bytes(len), "{len} awaited");
        });
        // From now on they belong to a runtime that has ended, if they had to wait. They did not.
    }
    assert!(matches!(theirs.try_recv(), Err(PacketError::WouldBlock)));
    drop(ours);
    assert!(matches!(theirs.try_recv(), Ok(None)));
    assert!(matches!(theirs.blocking_recv(None), Ok(None)), "again and again");
    assert!(matches!(theirs.try_send(Packet::default()), Err(PacketError::Closed)));
}

#[test]
fn who_awaits_is_woken_by_packets_by_room_and_by_the_end() {
    let (ours, theirs) = Packets::pair().unwrap();
    let (go, went) = std::sync::mpsc::channel::<()>();
    scope(|threads| {
        threads.spawn(move || {
            // Not before the other has to wait, or nearly always.
            went.recv().unwrap();
            theirs.blocking_send(Packet::from(b"hello".to_vec()), None).unwrap();
            went.recv().unwrap();
            for n in 0..500 {
                assert_eq!(received(&theirs)[..2], u16::to_le_bytes(n));
            }
        });
        crate::run(async {
            let first = crate::spawn(async move {
                let hello = ours.recv().await.unwrap().unwrap();
                (ours, hello.bytes)
            });
            crate::task::yield_now().await;
            go.send(()).unwrap();
            let (ours, hello) = first.await.unwrap();
            assert_eq!(hello, b"hello");
            go.send(()).unwrap();
            for n in 0..500_u16 {
                let mut long = bytes(10_000);
                long[..2].copy_from_slice(&n.to_le_bytes());
                ours.send(Packet::from(long)).await.unwrap();
            }
            assert!(ours.recv().await.unwrap().is_none());
        });
    });
}

#[test]
fn descriptors_arrive_beside_bytes_short_and_long() {
    let (ours, theirs) = Packets::pair().unwrap();
    for len in [0, INLINE_BYTES + 1] {
        let (mut reader, writer) = pipe().unwrap();
        let descriptors = vec![writer.into(), reader.try_clone().unwrap().into()];
        ours.blocking_send(Packet { bytes: bytes(len), descriptors }, SOON).unwrap();
        let mut packet = theirs.blocking_recv(SOON).unwrap().unwrap();
        assert!(packet.bytes == bytes(len));
        assert_eq!(packet.descriptors.len(), 2);
        File::from(packet.descriptors.swap_remove(0)).write_all(b"here").unwrap();
        let mut said = String::new();
        reader.read_to_string(&mut said).unwrap();
        assert_eq!(said, "here");
    }
    let many = |count| {
        let one = File::open("/dev/null").unwrap();
        let descriptors = (0..count).map(|_| OwnedFd::from(one.try_clone().unwrap())).collect();
        Packet { bytes: bytes(INLINE_BYTES + 1), descriptors }
    };
    ours.blocking_send(many(MAX_DESCRIPTORS), SOON).unwrap();
    assert_eq!(theirs.blocking_recv(SOON).unwrap().unwrap().descriptors.len(), MAX_DESCRIPTORS);
    let error = ours.blocking_send(many(MAX_DESCRIPTORS + 1), SOON).unwrap_err();
    assert!(matches!(error, PacketError::TooManyDescriptors { count: 253 }), "{error}");
}

#[test]
fn limits_end_waits_and_leave_nothing_behind() {
    let (ours, theirs) = Packets::pair().unwrap();
    assert!(matches!(theirs.blocking_recv(AT_ONCE), Err(PacketError::TimedOut)));
    let some = || Packet::from(bytes(60_000));
    let sent =
        std::iter::repeat_with(|| ours.blocking_send(some(), AT_ONCE)).take_while(Result::is_ok).count();
    assert!(sent > 1, "{sent}");
    let refused = ours.blocking_send(some(), Some(Duration::from_millis(1))).unwrap_err();
    assert!(matches!(refused, PacketError::TimedOut), "{refused}");
    for packet in [some(), Packet::from(bytes(INLINE_BYTES + 1))] {
        let refused = ours.try_send(&packet).unwrap_err();
        assert!(matches!(refused, PacketError::WouldBlock), "{refused}");
    }
    for _ in 0..sent {
        assert_eq!(received(&theirs), bytes(60_000));
    }
    assert!(matches!(theirs.try_recv(), Err(PacketError::WouldBlock)));
}

#[test]
fn what_is_longer_than_the_limit_is_refused_on_both_sides_before_memory_is_asked_for() {
    let (ours, theirs) = Packets::pair().unwrap();
    let small = ours.try_clone().unwrap().with_limit(10);
    let refused = small.try_send(Packet::from(bytes(11))).unwrap_err();
    assert!(matches!(refused, PacketError::TooLong { bytes: 11, most: 10 }), "{refused}");
    small.try_send(Packet::from(bytes(10))).unwrap();
    let theirs = theirs.with_limit(70_000);
    assert_eq!(received(&theirs), bytes(10));
    for len in [70_001, 1 << 20] {
        ours.try_send(Packet::from(bytes(len))).unwrap();
        let refused = theirs.try_recv().unwrap_err();
        assert!(matches!(refused, PacketError::TooLong { most: 70_000, .. }), "{refused}");
        assert!(refused.is_of_one_packet());
    }
    let few = theirs.with_limit(4);
    ours.try_send(Packet::from(bytes(5))).unwrap();
    ours.try_send(Packet::from(bytes(4))).unwrap();
    assert!(matches!(few.try_recv(), Err(PacketError::TooLong { bytes: 5, most: 4 })));
    assert_eq!(received(&few), bytes(4), "the next is as good as ever");
}

#[test]
fn strangers_are_told_from_us() {
    let (ours, theirs) = Packets::pair().unwrap();
    let null = File::open("/dev/null").unwrap();
    let folder = File::open("/").unwrap();
    let (reader, _writer) = pipe().unwrap();
    let file = packet::store(&[&bytes(10)]).unwrap();
    let length = |len: u64| [&[0xB1, 1, 0, 0][..], &[0; 8], &len.to_le_bytes()].concat();
    let head = |begins: [u8; 4], bytes: &[u8]| [&begins[..], &[0; 8], bytes].concat();
    let cases: [(&[u8], &[&dyn AsFd]); 17] = [
        (b"G", &[]),
        (b"GET", &[]),
        (b"GET / HTTP/1.1", &[]),
        (&head([0xB1, 0, 0, 0], &[])[..11], &[]),
        (&head([0xB2, 0, 0, 0], &[]), &[]),
        (&head([0xB1, 0, 0, 1], &[]), &[]),
        (&head([0xB1, 2, 0, 0], &[]), &[]),
        (&head([0xB1, 0, 1, 0], &[7]), &[]),
        (&head([0xB1, 0, 0, 0], &[7]), &[&null]),
        (&length(10), &[]),
        (&length(10)[..19], &[&file]),
        (&length(10), &[&null]),
        (&length(10), &[&folder]),
        (&length(10), &[&reader]),
        (&length(9), &[&file]),
        (&length(u64::MAX), &[&file]),
        (&head([0xB1, 0, 0, 0], &bytes(INLINE_BYTES + 1)), &[]),
    ];
    for (number, (bytes, descriptors)) in cases.into_iter().enumerate() {
        stranger(&ours, bytes, descriptors);
        let refused = theirs.try_recv().unwrap_err();
        assert!(refused.is_of_one_packet(), "{number}: {refused:?}");
    }
    stranger(&ours, &length(10), &[&file]);
    assert_eq!(received(&theirs), bytes(10));
}

#[test]
fn what_was_sent_arrives_although_the_sender_has_gone_without_reading() {
    let (ours, theirs) = Packets::pair().unwrap();
    theirs.try_send(Packet::from(b"nobody reads this".to_vec())).unwrap();
    ours.try_send(Packet::from(b"last".to_vec())).unwrap();
    ours.try_send(Packet::from(bytes(1 << 20))).unwrap();
    drop(ours);
    assert_eq!(received(&theirs), b"last");
    assert!(received(&theirs) == bytes(1 << 20));
    assert!(matches!(theirs.blocking_recv(None), Ok(None)));
}

#[test]
fn a_socket_that_is_shut_down_gives_what_is_in_it_and_then_the_end() {
    let (ours, theirs) = Packets::pair().unwrap();
    ours.try_send(Packet::from(b"last".to_vec())).unwrap();
    packet::shutdown(ours.as_fd(), Shutdown::Write).unwrap();
    assert!(matches!(ours.try_send(Packet::default()), Err(PacketError::Closed)));
    assert_eq!(received(&theirs), b"last");
    assert!(matches!(theirs.try_recv(), Ok(None)));
}

#[test]
fn only_sockets_for_packets_are_taken() {
    let (stream, _other) = std::os::unix::net::UnixStream::pair().unwrap();
    for fd in [File::open("/dev/null").unwrap().into(), stream.into()] {
        assert!(Packets::from_fd(fd).is_err());
    }
    let (ours, theirs) = Packets::pair().unwrap();
    let ours = Packets::from_fd(ours.into_fd()).unwrap();
    ours.try_send(Packet::from(b"x".to_vec())).unwrap();
    assert_eq!(received(&theirs), b"x");
}
