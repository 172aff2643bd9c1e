//! Packets, as strangers send them.

use super::{Chance, fuzz};
use crate::process::packet::{Packet, PacketError, Packets};
use runtime_io::packet::{self, Patience};
use std::{
    fs::File,
    io::{IoSlice, pipe},
    os::fd::{AsFd, OwnedFd},
    time::Duration,
};

const LIMIT: usize = 100_000;

/// What packets of ours look like on the way, as far as it is bytes, and how many descriptors go with it.
fn seen(packet: &Packet) -> Vec<u8> {
    let (ours, theirs) = Packets::pair().unwrap();
    ours.try_send(packet).unwrap();
    let (mut head, mut bytes) = ([0; 1], vec![0; 1]);
    bytes.reserve(LIMIT);
    packet::receive(theirs.as_fd(), &mut head, &mut bytes, Patience::Never).unwrap();
    bytes[0] = head[0];
    bytes
}

/// Some descriptors: files of packets, of other lengths or not sealed, and what is none.
fn parcel(chance: &mut Chance, tracer: &OwnedFd) -> Vec<OwnedFd> {
    let one = |chance: &mut Chance| match chance.below(6) {
        0 => File::open("/dev/null").unwrap().into(),
        1 => packet::store(&[&vec![7; chance.below(300)]]).unwrap(),
        2 => packet::store(&[&[7; 80_000]]).unwrap(),
        3 => File::open("/proc/self/exe").unwrap().into(),
        _ => tracer.try_clone().unwrap(),
    };
    (0..chance.below(4)).map(|_| one(chance)).collect()
}

#[test]
#[cfg_attr(miri, ignore = "the interpreter passes no descriptors")]
fn packets_of_strangers_are_refused_one_by_one_and_nothing_is_kept() {
    let null = || OwnedFd::from(File::open("/dev/null").unwrap());
    let long = Packet::from(vec![7; 80_000]);
    let samples = [
        seen(&Packet::default()),
        seen(&Packet::from(b"hello".to_vec())),
        seen(&Packet { bytes: b"with".to_vec(), descriptors: vec![null(), null()] }),
        seen(&long),
    ];
    let (ours, theirs) = Packets::pair().unwrap();
    let theirs = theirs.with_limit(LIMIT);
    let mut received = 0;
    fuzz(&samples, |chance, bytes| {
        if bytes.is_empty() {
            return;
        }
        let (reader, writer) = pipe().unwrap();
        let descriptors = parcel(chance, &writer.into());
        let fds: Vec<_> = descriptors.iter().map(AsFd::as_fd).collect();
        packet::send(ours.as_fd(), &[IoSlice::new(bytes)], &fds, Patience::Never).unwrap();
        drop(descriptors);
        match theirs.try_recv() {
            Ok(packet) => {
                let packet = packet.expect("no end");
                assert!(packet.bytes.len() <= LIMIT);
                received += 1;
            }
            Err(error) => assert!(error.is_of_one_packet(), "{error:?}"),
        }
        assert!(runtime_io::blocking::hung_up(reader.as_fd(), Some(Duration::ZERO)).unwrap(), "one was kept");
    });
    assert!(received > 0);
    assert!(matches!(theirs.try_recv(), Err(PacketError::WouldBlock)), "one by one");
    ours.try_send(&long).unwrap();
    assert_eq!(theirs.try_recv().unwrap().unwrap().bytes, long.bytes, "and the next is as good as ever");
}
