//! What the messages on data sockets look like as bytes, and what is refused.

use super::super::{
    peer::{Peer, WorkerId},
    post::{FromRouter, OVERHEAD_BYTES, ToRouter},
};
use crate::cluster::wire::{
    MAX_NAME_BYTES,
    codec::Malformed,
    frame::{Frame, HEADER_BYTES},
};
use proptest::{collection::vec, option, prelude::*};

fn peer() -> impl Strategy<Value = Peer> {
    option::of((any::<u32>(), any::<u64>()))
        .prop_map(|worker| worker.map_or(Peer::Supervisor, |(slot, life)| WorkerId::new(slot, life).into()))
}

fn body(frame: &Frame) -> &[u8] {
    &frame[HEADER_BYTES..]
}

fn expect_canonical(bytes: &[u8]) {
    if let Ok(message) = ToRouter::decode(bytes) {
        assert_eq!(body(&message.frame()), bytes);
    }
    if let Ok(message) = FromRouter::decode(bytes) {
        assert_eq!(body(&message.frame()), bytes);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    #[cfg_attr(miri, ignore = "hundreds of cases; the stories run")]
    fn messages_come_back_and_what_differs_is_another_or_none(
        peer in peer(),
        slot in any::<u32>(),
        life in any::<u64>(),
        channel in "\\PC{1,16}",
        payload in vec(any::<u8>(), 0..40),
        count in any::<u32>(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let channel = &*channel;
        let payload = &payload[..];
        let worker = WorkerId::new(slot, life);
        let to = [
            ToRouter::Direct { to: peer, channel, payload },
            ToRouter::Broadcast { channel, payload },
            ToRouter::Took { of: peer, channel, count },
        ];
        let from = [
            FromRouter::You(worker),
            FromRouter::Joined(worker),
            FromRouter::Left(worker),
            FromRouter::Direct { from: peer, channel, payload },
            FromRouter::Broadcast { from: peer, channel, payload },
            FromRouter::Lagged { channel, count: life },
            FromRouter::Took { by: peer, channel, count },
            FromRouter::Gone(peer),
        ];
        let mut frames = Vec::new();
        for message in &to {
            let frame = message.frame();
            prop_assert_eq!(ToRouter::decode(body(&frame)), Ok(ToRouter::decode(body(&frame)).unwrap()));
            prop_assert_eq!(&ToRouter::decode(body(&frame)).unwrap(), message);
            frames.push(frame);
        }
        for message in &from {
            let frame = message.frame();
            prop_assert_eq!(&FromRouter::decode(body(&frame)).unwrap(), message);
            frames.push(frame);
        }
        for frame in frames {
            let bytes = body(&frame);
            for cut in 0..bytes.len() {
                expect_canonical(&bytes[..cut]);
            }
            let mut changed = bytes.to_vec();
            for (at, byte) in &damage {
                let at = at.index(changed.len());
                changed[at] = *byte;
                expect_canonical(&changed);
            }
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "hundreds of cases; the stories run")]
    fn any_bytes_are_a_message_or_an_error(tag in 0..10_u8, rest in vec(prop_oneof![Just(0), Just(1), any::<u8>()], 0..100)) {
        expect_canonical(&[&[tag], &rest[..]].concat());
    }
}

#[test]
fn a_channel_has_a_name_and_not_too_long_a_one() {
    let refused = Err(Malformed::Invalid("a channel's name that is empty or too long"));
    assert_eq!(ToRouter::decode(&[2, 0, 0, 0, 0, 1, 2, 3]), refused);
    let named = |length: usize| {
        let channel = "x".repeat(length);
        let frame = ToRouter::Broadcast { channel: &channel, payload: b"" }.frame();
        ToRouter::decode(body(&frame)).map(|_| ())
    };
    assert_eq!(named(MAX_NAME_BYTES), Ok(()));
    assert_eq!(
        named(MAX_NAME_BYTES + 1).map(|()| ToRouter::Broadcast { channel: "", payload: b"" }),
        refused
    );
    assert_eq!(ToRouter::decode(&[2, 2, 0, 0, 0, 0xC3, 0x28]), Err(Malformed::NotUtf8));
    assert_eq!(FromRouter::decode(&[8, 0, 9]), Err(Malformed::Trailing(1)));
}

#[test]
fn the_longest_message_has_room_for_its_head() {
    let channel = "x".repeat(MAX_NAME_BYTES);
    let peer = WorkerId::new(1, 2).into();
    let to = ToRouter::Direct { to: peer, channel: &channel, payload: b"" }.frame();
    assert_eq!(to.len(), HEADER_BYTES + OVERHEAD_BYTES);
    let from = FromRouter::Direct { from: peer, channel: &channel, payload: b"" }.frame();
    assert_eq!(from.len(), to.len());
}
