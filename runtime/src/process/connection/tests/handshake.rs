//! Two ends that get to know each other, and those who only pretend.

use crate::process::connection::{
    Key, Refusal,
    handshake::{Agreement, Handshake, MAX_MESSAGE_BYTES},
};
use proptest::{collection::vec, prelude::*};

const LISTENERS_NONCE: [u8; 32] = [1; 32];
const CLIENTS_NONCE: [u8; 32] = [2; 32];

fn key(byte: u8) -> Option<Key> {
    Some(Key::from_bytes(&[byte; 32]))
}

fn listener(key: Option<Key>) -> Handshake {
    Handshake::listening(key, 1000, LISTENERS_NONCE)
}

fn client(key: Option<Key>) -> Handshake {
    Handshake::connecting(key, 2000, CLIENTS_NONCE)
}

/// What one end has to say, without its length; which must be right, and short enough.
fn said(by: &mut Handshake) -> Vec<u8> {
    let mut output = by.take_output();
    assert!(output.len() <= MAX_MESSAGE_BYTES);
    let length = output.remove(0);
    assert_eq!(usize::from(length), output.len());
    assert!(by.take_output().is_empty(), "it is said once");
    output
}

/// The message is taken, and more is awaited.
fn goes_on(to: &mut Handshake, message: &[u8]) {
    assert!(to.receive(message).unwrap().is_none());
}

/// The message ends it.
fn ends(to: &mut Handshake, message: &[u8]) -> Agreement {
    to.receive(message).unwrap().expect("they agree")
}

fn refuses(to: &mut Handshake, message: &[u8]) -> Refusal {
    let refusal = to.receive(message).err().expect("it is refused");
    assert!(matches!(to.receive(message), Err(Refusal::Stranger)), "and it is over");
    refusal
}

/// All of it, as it goes well.
fn agree(key: Option<Key>) -> [Agreement; 2] {
    let (mut listener, mut client) = (listener(key.clone()), client(key));
    goes_on(&mut client, &said(&mut listener));
    let listeners = ends(&mut listener, &said(&mut client));
    let clients = ends(&mut client, &said(&mut listener));
    [listeners, clients]
}

#[test]
fn ends_with_one_key_agree_and_each_direction_has_its_own_seals() {
    let [listeners, clients] = agree(key(7));
    assert_eq!((listeners.peer_limit, clients.peer_limit), (2000, 1000));
    let (mut from_listener, mut to_listener) = listeners.seals.unwrap();
    let (mut from_client, mut to_client) = clients.seals.unwrap();
    let seal = from_listener.make(b"one");
    assert!(to_client.clone().fits(b"one", &seal));
    assert!(!to_listener.fits(b"one", &seal), "not in the other direction");
    assert!(!to_client.clone().fits(b"two", &seal) && !to_client.clone().fits(b"one", &seal[..31]));
    assert!(to_client.fits(b"one", &seal));
    assert!(!to_client.fits(b"one", &seal), "not once more");
    assert_ne!(from_listener.make(b"one"), seal);
    assert_ne!(from_client.make(b"one"), seal);
}

#[test]
fn ends_without_keys_agree_and_seal_nothing() {
    let [listeners, clients] = agree(None);
    assert_eq!((listeners.peer_limit, clients.peer_limit), (2000, 1000));
    assert!(listeners.seals.is_none() && clients.seals.is_none());
}

#[test]
fn a_wrong_key_is_found_out_by_the_listener_who_says_so() {
    let (mut listener, mut client) = (listener(key(7)), client(key(8)));
    goes_on(&mut client, &said(&mut listener));
    assert_eq!(refuses(&mut listener, &said(&mut client)), Refusal::WrongKey);
    assert_eq!(refuses(&mut client, &said(&mut listener)), Refusal::WrongKey);
}

#[test]
fn who_has_no_key_where_one_is_wanted_or_one_where_none_is_is_told_at_once() {
    let (mut keyed, mut open) = (listener(key(7)), listener(None));
    let (asks, asks_not) = (said(&mut keyed), said(&mut open));
    assert_eq!(refuses(&mut client(None), &asks), Refusal::KeyMissing);
    // Whoever stands between them must not talk a client out of its key.
    assert_eq!(refuses(&mut client(key(7)), &asks_not), Refusal::KeyUnwanted);

    let mut liar = client(None);
    goes_on(&mut liar, &asks_not);
    assert_eq!(refuses(&mut keyed, &said(&mut liar)), Refusal::KeyMissing);
    assert_eq!(refuses(&mut client(key(7)), &said(&mut keyed)), Refusal::KeyMissing);
    let mut liar = client(key(7));
    goes_on(&mut liar, &asks);
    assert_eq!(refuses(&mut open, &said(&mut liar)), Refusal::KeyUnwanted);
}

#[test]
fn a_proof_that_is_reflected_is_of_the_wrong_side() {
    // Somebody without the key claims to be the listener, and hands the client's own proof back.
    let (mut listener, mut client) = (listener(key(7)), client(key(7)));
    goes_on(&mut client, &said(&mut listener));
    let answer = said(&mut client);
    let proof = &answer[answer.len() - 32..];
    let welcome = [&[3], proof].concat();
    assert_eq!(refuses(&mut client, &welcome), Refusal::WrongKey);
}

#[test]
fn an_answer_that_was_overheard_is_of_no_use_in_another_handshake() {
    let (mut first, mut client) = (listener(key(7)), client(key(7)));
    goes_on(&mut client, &said(&mut first));
    let overheard = said(&mut client);
    ends(&mut first, &overheard);
    let mut second = Handshake::listening(key(7), 1000, [9; 32]);
    said(&mut second);
    assert_eq!(refuses(&mut second, &overheard), Refusal::WrongKey);

    // The same for the listener's proof.
    let welcome = said(&mut first);
    let mut other = Handshake::connecting(key(7), 2000, [9; 32]);
    goes_on(&mut other, &said(&mut listener(key(7))));
    said(&mut other);
    assert_eq!(refuses(&mut other, &welcome), Refusal::WrongKey);
}

#[test]
fn who_listens_proves_nothing_to_who_has_not_proved_himself() {
    let mut listener = listener(key(7));
    let hello = said(&mut listener);
    // Asked to answer his own challenge: that is not his part.
    assert_eq!(refuses(&mut listener, &hello), Refusal::Stranger);
    assert_eq!(said(&mut listener), [4, 1], "a refusal, and nothing that was computed");
}

#[test]
fn nothing_can_be_changed_on_the_way() {
    let changed = |message: &[u8], bit: usize| {
        let mut message = message.to_vec();
        message[bit / 8] ^= 1 << (bit % 8);
        message
    };
    let hello = said(&mut listener(key(7)));
    for bit in 0..8 * hello.len() {
        let (mut listener, mut client) = (listener(key(7)), client(key(7)));
        said(&mut listener);
        if client.receive(&changed(&hello, bit)).is_ok() {
            assert_eq!(refuses(&mut listener, &said(&mut client)), Refusal::WrongKey, "bit {bit}");
        }
    }
    let answer = |client: &mut Handshake| {
        goes_on(client, &hello);
        said(client)
    };
    for bit in 0..8 * answer(&mut client(key(7))).len() {
        let mut listener = listener(key(7));
        said(&mut listener);
        assert!(listener.receive(&changed(&answer(&mut client(key(7))), bit)).is_err(), "bit {bit}");
    }
    for bit in 0..8 * 33 {
        let (mut listener, mut client) = (listener(key(7)), client(key(7)));
        said(&mut listener);
        let answer = answer(&mut client);
        ends(&mut listener, &answer);
        assert!(client.receive(&changed(&said(&mut listener), bit)).is_err(), "bit {bit}");
    }
}

#[test]
fn what_is_cut_or_too_long_is_from_a_stranger() {
    for key in [key(7), None] {
        let (mut one, mut other) = (listener(key.clone()), client(key.clone()));
        let hello = said(&mut one);
        goes_on(&mut other, &hello);
        let answer = said(&mut other);
        ends(&mut one, &answer);
        let welcome = said(&mut one);
        let beyond = |message: &[u8]| [message, &[0]].concat();
        for cut in (0..hello.len()).map(|len| hello[..len].to_vec()).chain([beyond(&hello)]) {
            assert_eq!(refuses(&mut client(key.clone()), &cut), Refusal::Stranger, "{cut:?}");
        }
        for cut in (0..answer.len()).map(|len| answer[..len].to_vec()).chain([beyond(&answer)]) {
            let mut listener = listener(key.clone());
            said(&mut listener);
            assert_eq!(refuses(&mut listener, &cut), Refusal::Stranger, "{cut:?}");
        }
        for cut in (0..welcome.len()).map(|len| welcome[..len].to_vec()).chain([beyond(&welcome)]) {
            let mut client = client(key.clone());
            goes_on(&mut client, &hello);
            said(&mut client);
            assert_eq!(refuses(&mut client, &cut), Refusal::Stranger, "{cut:?}");
        }
    }
}

#[test]
fn other_versions_are_told_apart_from_strangers() {
    let mut hello = said(&mut listener(key(7)));
    hello[7] = 2;
    assert_eq!(refuses(&mut client(key(7)), &hello), Refusal::Version);
    let mut listener = listener(key(7));
    said(&mut listener);
    assert_eq!(refuses(&mut listener, &[2, 2]), Refusal::Version);
    assert_eq!(refuses(&mut client(key(7)), &said(&mut listener)), Refusal::Version);
}

/// Anything at all, and what begins as messages do.
fn message() -> impl Strategy<Value = Vec<u8>> {
    let head = prop_oneof![
        Just(vec![]),
        Just(b"\x01rtconn\x01\x01".to_vec()),
        Just(b"\x01rtconn\x01\x00".to_vec()),
        Just(vec![2, 1, 1]),
        Just(vec![2, 1, 0]),
        Just(vec![3]),
        Just(vec![4]),
    ];
    let tail = prop_oneof![
        vec(any::<u8>(), 0..256),
        vec(any::<u8>(), 36),
        vec(any::<u8>(), 68),
        vec(any::<u8>(), 32)
    ];
    (head, tail).prop_map(|(head, tail)| [head, tail].concat())
}

proptest! {
    #![proptest_config(super::few())]

    /// With a key nobody agrees with noise; and nothing panics, in whatever order it comes.
    #[test]
    fn noise_is_refused(messages in vec(message(), 1..6), listens: bool) {
        let mut end = if listens { listener(key(7)) } else { client(key(7)) };
        for message in messages {
            prop_assert!(!matches!(end.receive(&message), Ok(Some(_))));
            prop_assert!(end.take_output().len() <= MAX_MESSAGE_BYTES);
        }
    }
}
