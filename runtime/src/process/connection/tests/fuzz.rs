//! What was said on a connection, changed by chance.

use super::frames::{boxes, received, sent};
use crate::process::{
    connection::{Key, frames::FrameError, handshake::Handshake},
    fuzz::fuzz,
};

const LIMIT: u32 = 1000;

fn ends(key: Option<&Key>) -> (Handshake, Handshake) {
    let listener = Handshake::listening(key.cloned(), LIMIT, [1; 32]);
    (listener, Handshake::connecting(key.cloned(), LIMIT, [2; 32]))
}

#[test]
fn nobody_agrees_on_a_handshake_that_was_changed() {
    let key = Key::from_bytes(&[7; 32]);
    let (mut listener, mut client) = ends(Some(&key));
    let hello = listener.take_output()[1..].to_vec();
    client.receive(&hello).ok().unwrap();
    let answer = client.take_output()[1..].to_vec();
    listener.receive(&answer).ok().unwrap();
    let welcome = listener.take_output()[1..].to_vec();

    let samples = [hello.clone(), answer.clone(), welcome.clone(), vec![4, 3]];
    fuzz(&samples, |_, bytes| {
        let (mut listener, mut client) = ends(Some(&key));
        listener.take_output();
        let agreed = listener.receive(bytes);
        assert!(!matches!(agreed, Ok(Some(_))) || bytes == answer);
        assert!(listener.take_output().len() <= 256);
        let taken = client.receive(bytes);
        assert!(!matches!(taken, Ok(Some(_))), "not yet");
        assert!(client.take_output().len() <= 256);

        let (_, mut client) = ends(Some(&key));
        client.receive(&hello).ok().unwrap();
        assert!(!matches!(client.receive(bytes), Ok(Some(_))) || bytes == welcome);
        // Without a key there is nothing to prove, and still nothing to panic about.
        let (mut listener, mut client) = ends(None);
        let _ = (listener.receive(bytes), client.receive(bytes), client.receive(bytes));
    });
}

#[test]
fn what_comes_out_of_sealed_frames_is_what_went_in_or_its_beginning() {
    let messages = [&b"one"[..], b"", b"three", &[7; 200]].map(<[u8]>::to_vec);
    let (mut outbox, _) = boxes(true);
    let wire: Vec<u8> = messages.iter().flat_map(|message| sent(&mut outbox, message)).collect();
    fuzz(std::slice::from_ref(&wire), |chance, bytes| {
        let (_, mut inbox) = boxes(true);
        let mut come = Vec::new();
        let mut rest = bytes;
        // In pieces, so that what came before something wrong is seen.
        let wrong = loop {
            let (piece, more) = rest.split_at(rest.len().min(1 + chance.below(80)));
            match received(&mut inbox, piece, usize::MAX) {
                Ok(messages) => come.extend(messages),
                Err(error) => break Some(error),
            }
            rest = more;
            if rest.is_empty() {
                break None;
            }
        };
        assert!(messages.starts_with(&come));
        if come.len() == messages.len() && wrong.is_none() && !inbox.is_within() {
            assert_eq!(bytes, wire);
        }
        if wrong.is_some() {
            assert_eq!(received(&mut inbox, &wire, 64), Err(FrameError::Broken));
        }
    });
}

#[test]
fn frames_without_seals_are_taken_or_refused() {
    let messages = [&b"one"[..], b"", b"three", &[7; 200]].map(<[u8]>::to_vec);
    let (mut outbox, _) = boxes(false);
    let wire: Vec<u8> = messages.iter().flat_map(|message| sent(&mut outbox, message)).collect();
    fuzz(&[wire], |chance, bytes| {
        let (_, mut inbox) = boxes(false);
        if let Ok(messages) = received(&mut inbox, bytes, 1 + chance.below(100)) {
            let whole: usize = messages.iter().map(|message| message.len() + 4).sum();
            assert!(whole <= bytes.len() && (whole < bytes.len()) == inbox.is_within());
        }
    });
}
