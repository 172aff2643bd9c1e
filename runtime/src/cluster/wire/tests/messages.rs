//! Stories of bytes that are messages, and of bytes that are none.

use super::super::{
    codec::{Malformed, Wire, decode, encode},
    control::{Failure, Place, ToSupervisor, ToWorker},
    frame::Message as _,
    handshake::{self, BuildId, Refusal, check, hello},
};
use proptest::{collection::vec, option, prelude::*};
use std::{
    ffi::OsString, fmt::Debug, io, net::SocketAddr, os::unix::ffi::OsStringExt, path::PathBuf, time::Duration,
};

fn build_id() -> impl Strategy<Value = BuildId> {
    any::<u64>().prop_map(|number| decode(&number.to_le_bytes()).unwrap())
}

fn path() -> impl Strategy<Value = PathBuf> {
    vec(1..=u8::MAX, 0..300).prop_map(|bytes| OsString::from_vec(bytes).into())
}

fn place() -> impl Strategy<Value = Place> {
    prop_oneof![
        any::<SocketAddr>().prop_map(|address| Place::Tcp { address }),
        path().prop_map(|path| Place::Unix { path }),
    ]
}

fn failure() -> impl Strategy<Value = Failure> {
    prop_oneof![
        any::<i32>().prop_map(|code| Failure::from(&io::Error::from_raw_os_error(code))),
        any::<String>().prop_map(|text| Failure::from(&io::Error::other(text))),
    ]
}

fn to_supervisor() -> impl Strategy<Value = ToSupervisor> {
    prop_oneof![
        (any::<u64>(), any::<u16>(), any::<u16>(), build_id(), any::<u32>()).prop_map(
            |(magic, lowest, highest, build, pid)| ToSupervisor::Hello { magic, lowest, highest, build, pid }
        ),
        (any::<u32>(), place()).prop_map(|(request, place)| ToSupervisor::Bind { request, place }),
        Just(ToSupervisor::Ready),
        Just(ToSupervisor::Recycle),
        any::<String>().prop_map(|name| ToSupervisor::Counter { name }),
        any::<u64>().prop_map(|forced| ToSupervisor::Ending { forced }),
    ]
}

fn welcome() -> impl Strategy<Value = ToWorker> {
    let place = (any::<u16>(), any::<u32>(), any::<u64>(), any::<u64>(), any::<u32>());
    let settings = (
        any::<Duration>(),
        any::<Duration>(),
        option::of(any::<u32>()),
        option::of(any::<u64>()),
        any::<u32>(),
    );
    (place, settings).prop_map(
        |(
            (version, slot, life, generation, workers),
            (heartbeat, grace, core, max_requests, max_message),
        )| {
            ToWorker::Welcome {
                version,
                slot,
                life,
                generation,
                workers,
                heartbeat,
                grace,
                core,
                max_requests,
                max_message,
            }
        },
    )
}

fn to_worker() -> impl Strategy<Value = ToWorker> {
    prop_oneof![
        any::<String>().prop_map(|why| ToWorker::Refused { why }),
        welcome(),
        (any::<u32>(), any::<u32>())
            .prop_map(|(request, listener)| ToWorker::Bound { request, result: Ok(listener) }),
        (any::<u32>(), failure())
            .prop_map(|(request, failure)| ToWorker::Bound { request, result: Err(failure) }),
        (any::<Duration>(), any::<bool>()).prop_map(|(grace, last)| ToWorker::Stop { grace, last }),
        Just(ToWorker::Hurry),
        (any::<u32>(), any::<u64>()).prop_map(|(listener, key)| ToWorker::Adopt { listener, key }),
        (any::<u32>(), any::<u64>()).prop_map(|(listener, key)| ToWorker::Release { listener, key }),
        (any::<String>(), option::of(any::<u32>()))
            .prop_map(|(name, index)| ToWorker::CounterIs { name, index }),
    ]
}

/// What holds for every message, and for all that differs from it by its end.
fn expect_exact<M: Wire + PartialEq + Debug>(message: &M) {
    let bytes = encode(message);
    assert_eq!(decode::<M>(&bytes).as_ref(), Ok(message));
    for cut in 0..bytes.len() {
        assert_eq!(decode::<M>(&bytes[..cut]), Err(Malformed::Short), "{cut} bytes of {message:?}");
    }
    let longer = [&bytes[..], &[0; 3]].concat();
    assert_eq!(decode::<M>(&longer), Err(Malformed::Trailing(3)));
}

/// Whatever bytes are, they are no message or exactly the bytes of one.
fn expect_canonical<M: Wire>(bytes: &[u8]) -> bool {
    let message = decode::<M>(bytes);
    if let Ok(message) = &message {
        assert_eq!(encode(message), bytes);
    }
    message.is_ok()
}

/// Every byte of `bytes`, replaced by others in turn.
fn expect_canonical_with_one_byte_changed<M: Wire>(bytes: &[u8]) {
    let mut changed = bytes.to_vec();
    for at in 0..bytes.len() {
        for byte in [0, 1, 2, 0x7F, 0x80, 0xFF, bytes[at] ^ 1, bytes[at].wrapping_add(1)] {
            changed[at] = byte;
            expect_canonical::<M>(&changed);
        }
        changed[at] = bytes[at];
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    #[cfg_attr(miri, ignore = "hundreds of cases; the examples below run")]
    fn messages_to_the_supervisor_come_back_and_their_beginnings_are_none(message in to_supervisor()) {
        expect_exact(&message);
        expect_canonical_with_one_byte_changed::<ToSupervisor>(&encode(&message));
    }

    #[test]
    #[cfg_attr(miri, ignore = "hundreds of cases; the examples below run")]
    fn messages_to_a_worker_come_back_and_their_beginnings_are_none(message in to_worker()) {
        expect_exact(&message);
        expect_canonical_with_one_byte_changed::<ToWorker>(&encode(&message));
    }

    #[test]
    #[cfg_attr(miri, ignore = "hundreds of cases; the examples below run")]
    fn any_bytes_are_a_message_or_an_error(tag in 0..12_u8, rest in vec(any::<u8>(), 0..200)) {
        let bytes = [&[tag], &rest[..]].concat();
        expect_canonical::<ToSupervisor>(&bytes);
        expect_canonical::<ToWorker>(&bytes);
        expect_canonical::<ToSupervisor>(&rest);
    }
}

#[test]
fn a_length_that_nothing_follows_allocates_nothing() {
    let claims = [0, 1, 1 << 16, 1 << 31, u32::MAX];
    for claim in claims {
        let bytes = [&[5], &u32::to_le_bytes(claim)[..]].concat();
        let expected = if claim == 0 {
            Ok(ToSupervisor::Counter { name: String::new() })
        } else {
            Err(Malformed::Short)
        };
        assert_eq!(decode(&bytes), expected, "{claim}");
    }
}

#[test]
fn bad_text_paths_times_and_flags_are_named() {
    let counter = [&[5, 2, 0, 0, 0][..], b"\xC3\x28"].concat();
    assert_eq!(decode::<ToSupervisor>(&counter), Err(Malformed::NotUtf8));
    let bind = [&[2, 7, 0, 0, 0, 2, 3, 0, 0, 0][..], b"a\0b"].concat();
    assert_eq!(decode::<ToSupervisor>(&bind), Err(Malformed::Invalid("a path with a zero byte")));
    let family = [2, 7, 0, 0, 0, 1, 5];
    assert_eq!(decode::<ToSupervisor>(&family), Err(Malformed::UnknownTag { of: "an address", tag: 5 }));
    let mut stop = encode(&ToWorker::Stop { grace: Duration::MAX, last: true });
    *stop.last_mut().unwrap() = 2;
    assert_eq!(decode::<ToWorker>(&stop), Err(Malformed::UnknownTag { of: "bool", tag: 2 }));
    stop[9..13].copy_from_slice(&1_000_000_000_u32.to_le_bytes());
    assert!(matches!(decode::<ToWorker>(&stop), Err(Malformed::Invalid(_))));
    assert_eq!(decode::<ToWorker>(&[0]), Err(Malformed::UnknownTag { of: "ToWorker", tag: 0 }));
    assert_eq!(decode::<ToWorker>(&[]), Err(Malformed::Short));
}

/// Programs of other versions read this.
#[test]
fn how_a_worker_introduces_itself_never_changes() {
    let build = decode(&0x0102_0304_0506_0708_u64.to_le_bytes()).unwrap();
    let mut expected = b"\x01rtworker".to_vec();
    expected.extend([handshake::VERSIONS.0.to_le_bytes(), handshake::VERSIONS.1.to_le_bytes()].concat());
    expected.extend([8, 7, 6, 5, 4, 3, 2, 1, 0x34, 0x12, 0, 0]);
    assert_eq!(encode(&hello(build, 0x1234)), expected);
    let refused = ToWorker::Refused { why: "é".into() };
    assert_eq!(encode(&refused), [1, 2, 0, 0, 0, 0xC3, 0xA9]);
}

#[test]
fn a_worker_of_another_kind_version_program_or_process_is_refused_in_words() {
    let build = BuildId::of_this_program().unwrap();
    let other = decode(&[7; 8]).unwrap();
    let (ours_lowest, ours_highest) = handshake::VERSIONS;
    let says = |magic, lowest, highest, build, pid| {
        check(
            &ToSupervisor::Hello { magic, lowest, highest, build, pid },
            BuildId::of_this_program().unwrap(),
            7,
        )
    };
    assert_eq!(check(&hello(build, 7), build, 7), Ok(ours_highest));
    assert_eq!(check(&ToSupervisor::Ready, build, 7), Err(Refusal::NoHello));
    assert_eq!(says(1, 1, 1, build, 7), Err(Refusal::Magic(1)));
    assert_eq!(says(handshake::MAGIC, ours_lowest, ours_highest + 5, build, 7), Ok(ours_highest));
    assert_eq!(says(handshake::MAGIC, 0, ours_lowest, build, 7), Ok(ours_lowest));
    for (lowest, highest) in [(0, ours_lowest - 1), (ours_highest + 1, u16::MAX), (2, 1), (u16::MAX, 0)] {
        let refused = says(handshake::MAGIC, lowest, highest, build, 7);
        assert_eq!(refused, Err(Refusal::Versions(lowest, highest)));
    }
    assert_eq!(says(handshake::MAGIC, 1, 1, other, 7), Err(Refusal::Build { expected: build, found: other }));
    assert_eq!(says(handshake::MAGIC, 1, 1, build, 8), Err(Refusal::Pid { expected: 7, found: 8 }));
    assert_eq!(
        Refusal::Versions(2, 3).to_string(),
        "the worker speaks versions 2 to 3 of the control messages, the supervisor 1 to 1: restart the supervisor \
         with the new program"
    );
}

#[test]
fn an_error_of_the_system_keeps_its_kind() {
    let failure = Failure::from(&io::Error::from_raw_os_error(13));
    let arrived = io::Error::from(decode::<Failure>(&encode(&failure)).unwrap());
    assert_eq!(arrived.kind(), io::ErrorKind::PermissionDenied);
    let failure = Failure::from(&io::Error::other("not on the list"));
    assert_eq!(io::Error::from(failure).to_string(), "not on the list");
}

#[test]
fn only_listening_sockets_travel() {
    let bound = |result| ToWorker::Bound { request: 1, result }.descriptors();
    assert_eq!(bound(Ok(3)), 1);
    assert_eq!(bound(Err(Failure::from(&io::Error::other("no")))), 0);
    assert_eq!(ToWorker::Adopt { listener: 1, key: 2 }.descriptors(), 1);
    assert_eq!(ToWorker::Release { listener: 1, key: 2 }.descriptors(), 0);
}
