//! Messages on a stream, whole and otherwise.

use crate::process::connection::{
    Key,
    frames::{FrameError, HEAD_BYTES, Inbox, Outbox},
    handshake::{Handshake, Seal},
};
use proptest::{collection::vec, prelude::*};

const LIMIT: u32 = 100_000;

fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n * 31 % 251) as u8).collect()
}

/// Of one direction, for both of its ends.
fn seals() -> (Seal, Seal) {
    let key = Key::from_bytes(&[7; 32]);
    let mut listener = Handshake::listening(Some(key.clone()), LIMIT, [1; 32]);
    let mut client = Handshake::connecting(Some(key), LIMIT, [2; 32]);
    client.receive(&listener.take_output()[1..]).ok().unwrap();
    let listeners = listener.receive(&client.take_output()[1..]).ok().flatten().unwrap();
    let clients = client.receive(&listener.take_output()[1..]).ok().flatten().unwrap();
    (clients.seals.unwrap().0, listeners.seals.unwrap().1)
}

pub(super) fn boxes(sealed: bool) -> (Outbox, Inbox) {
    let (making, checking) =
        if sealed { seals() } else { return (Outbox::new(LIMIT, None), Inbox::new(LIMIT, None)) };
    (Outbox::new(LIMIT, Some(making)), Inbox::new(LIMIT, Some(checking)))
}

/// What goes over the wire for a message.
pub(super) fn sent(outbox: &mut Outbox, message: &[u8]) -> Vec<u8> {
    let message = [&[0; HEAD_BYTES][..], message].concat();
    outbox.check(&message).unwrap();
    outbox.put(message);
    let sent = outbox.rest().to_vec();
    outbox.has_written(sent.len());
    assert!(outbox.rest().is_empty());
    sent
}

/// Reads at most so many bytes at once, and gives what comes out.
pub(super) fn received(
    inbox: &mut Inbox,
    mut wire: &[u8],
    at_once: usize,
) -> Result<Vec<Vec<u8>>, FrameError> {
    let mut messages = Vec::new();
    loop {
        while let Some(message) = inbox.take()? {
            messages.push(message[HEAD_BYTES..].to_vec());
        }
        if wire.is_empty() {
            return Ok(messages);
        }
        let room = inbox.room();
        let n = room.len().min(at_once).min(wire.len());
        room[..n].copy_from_slice(&wire[..n]);
        inbox.has_read(n);
        wire = &wire[n..];
    }
}

#[test]
fn messages_of_all_lengths_arrive_however_the_stream_is_cut() {
    let messages =
        [0, 1, 3, 4, 5, 100, 16_347, 16_348, 16_380, 16_384, 16_385, 40_000, 100_000, 0, 7].map(bytes);
    for sealed in [false, true] {
        for at_once in [1, 2, 3, 5, 4096, 16_383, 1 << 20] {
            let (mut outbox, mut inbox) = boxes(sealed);
            let wire: Vec<u8> = messages.iter().flat_map(|message| sent(&mut outbox, message)).collect();
            assert!(received(&mut inbox, &wire, at_once).unwrap() == messages, "{at_once} at once, {sealed}");
            assert!(!inbox.is_within());
        }
    }
}

#[test]
fn a_message_that_is_cut_at_any_byte_is_not_given_out_and_noticed() {
    for sealed in [false, true] {
        let (mut outbox, _) = boxes(sealed);
        let wire = sent(&mut outbox, &bytes(50));
        for cut in 0..wire.len() {
            let (_, mut inbox) = boxes(sealed);
            assert_eq!(received(&mut inbox, &wire[..cut], 7).unwrap(), Vec::<Vec<u8>>::new());
            assert_eq!(inbox.is_within(), cut > 0);
        }
    }
}

#[test]
fn what_is_announced_too_long_is_refused_before_there_is_room_for_it() {
    for length in [LIMIT + 1, 1 << 31, u32::MAX - 1, u32::MAX] {
        let mut inbox = Inbox::new(LIMIT, None);
        let error = received(&mut inbox, &length.to_le_bytes(), 4).unwrap_err();
        assert_eq!(error, FrameError::TooLong { bytes: length, most: LIMIT });
        assert_eq!(inbox.take().unwrap_err(), FrameError::Broken, "and so is all that follows");
    }
    let outbox = Outbox::new(10, None);
    assert!(outbox.check(&[0; HEAD_BYTES + 10]).is_ok());
    assert_eq!(outbox.check(&[0; HEAD_BYTES + 11]), Err(FrameError::TooLong { bytes: 11, most: 10 }));
}

#[test]
fn room_grows_with_what_has_come_and_not_with_what_was_announced() {
    let mut inbox = Inbox::new(u32::MAX, None);
    assert!(received(&mut inbox, &0xF000_0000_u32.to_le_bytes(), 4).unwrap().is_empty());
    let mut come = 4;
    while come < 1 << 20 {
        let room = inbox.room().len();
        assert!(room > 0 && room <= come.max(32 * 1024), "{room} after {come}");
        inbox.has_read(room);
        come += room;
        assert!(inbox.take().unwrap().is_none());
    }
}

#[test]
fn what_somebody_between_does_to_sealed_messages_is_noticed() {
    let (mut outbox, _) = boxes(true);
    let [one, two] = [b"one", b"two"].map(|message| sent(&mut outbox, message));
    let refused = |wire: &[&[u8]], before: usize| {
        let (_, mut inbox) = boxes(true);
        for wire in &wire[..before] {
            assert_eq!(received(&mut inbox, wire, 64).unwrap().len(), 1);
        }
        wire[before..].iter().any(|wire| received(&mut inbox, wire, 64) == Err(FrameError::Forged))
    };
    assert!(!refused(&[&one, &two], 0));
    assert!(refused(&[&two], 0), "left out");
    assert!(refused(&[&one, &one], 1), "repeated");
    assert!(refused(&[&two, &one], 0), "exchanged");
    for bit in 8 * HEAD_BYTES..8 * one.len() {
        let mut changed = one.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(refused(&[&changed], 0), "bit {bit}");
    }
    // One byte less, and the seal begins one byte earlier.
    let mut shorter = one;
    shorter[0] -= 1;
    assert!(refused(&[&shorter], 0));
}

#[test]
fn a_message_of_which_nothing_was_written_is_taken_back_with_its_number() {
    let (mut outbox, mut inbox) = boxes(true);
    outbox.put([&[0; HEAD_BYTES][..], b"never"].concat());
    assert!(outbox.take_back());
    assert!(!outbox.take_back());
    outbox.put([&[0; HEAD_BYTES][..], b"begun"].concat());
    let mut wire = outbox.rest()[..3].to_vec();
    outbox.has_written(3);
    assert!(!outbox.take_back(), "somebody has seen the beginning");
    wire.extend_from_slice(outbox.rest());
    outbox.has_written(outbox.rest().len());
    assert_eq!(received(&mut inbox, &wire, 64).unwrap(), [b"begun"]);
}

#[test]
fn an_idle_inbox_keeps_no_room_of_a_long_message() {
    let (mut outbox, mut inbox) = boxes(false);
    let wire = sent(&mut outbox, &bytes(100_000));
    received(&mut inbox, &wire, 1 << 20).unwrap();
    assert!(inbox.room().len() <= 16 * 1024);
}

proptest! {
    #![proptest_config(super::few())]

    /// Whatever comes: no panic, no message longer than allowed, no more room than what has come deserves.
    #[test]
    fn noise_is_taken_or_refused(wire in vec(any::<u8>(), 0..600), small: bool, at_once in 1..64_usize) {
        let limit = if small { 8 } else { 300 };
        let mut inbox = Inbox::new(limit as u32, None);
        // Lengths that are plausible now and then.
        let wire: Vec<u8> = wire.chunks(7).flat_map(|chunk| [&[chunk[0] % 12, 0, 0, 0], chunk].concat()).collect();
        if let Ok(messages) = received(&mut inbox, &wire, at_once) {
            prop_assert!(messages.iter().all(|message| message.len() <= limit));
        }
    }

    #[test]
    fn messages_come_out_as_they_went_in(
        messages in vec(vec(any::<u8>(), 0..300), 0..20),
        at_once in 1..2000_usize,
        sealed: bool,
    ) {
        let (mut outbox, mut inbox) = boxes(sealed);
        let wire: Vec<u8> = messages.iter().flat_map(|message| sent(&mut outbox, message)).collect();
        prop_assert_eq!(received(&mut inbox, &wire, at_once).unwrap(), messages);
    }
}
