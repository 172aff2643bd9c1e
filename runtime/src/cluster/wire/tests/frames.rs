//! Stories of frames: whole, in pieces, cut off, lied about.

use super::super::{
    codec::{Malformed, Wire, encode},
    control::{ToSupervisor, ToWorker},
    frame::{HEADER_BYTES, MAX_CONTROL_BYTES, MAX_DATA_BYTES, ReadError, Reader, frame},
    socket::Socket,
};
use crate::{
    Runtime, spawn,
    testing::{MemoryStream, Sim, duplex, net},
};
use proptest::{collection::vec, prelude::*};
use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    future::poll_fn,
    io,
    os::fd::{BorrowedFd, OwnedFd},
    task::Poll,
};

/// A stream that gives these bytes, so many at a time, and then ends. Each read is pending once before it gives any.
struct Script {
    bytes: Vec<u8>,
    at: Cell<usize>,
    piece: usize,
    /// Arrives with the byte at that place.
    descriptors: RefCell<VecDeque<(usize, OwnedFd)>>,
    /// The largest room that was offered for a read.
    largest_read: Cell<usize>,
}

impl Script {
    fn new(bytes: Vec<u8>, piece: usize) -> Self {
        let descriptors = RefCell::default();
        Self { bytes, at: Cell::new(0), piece, descriptors, largest_read: Cell::new(0) }
    }

    fn with_descriptor_at(self, at: usize) -> Self {
        self.descriptors.borrow_mut().push_back((at, descriptor()));
        self
    }
}

fn descriptor() -> OwnedFd {
    std::fs::File::open("/dev/null").unwrap().into()
}

impl Socket for Script {
    async fn receive(
        &self,
        buf: &mut [u8],
        most: usize,
        descriptors: &mut VecDeque<OwnedFd>,
    ) -> io::Result<usize> {
        self.largest_read.set(self.largest_read.get().max(buf.len()));
        crate::task::yield_now().await;
        let at = self.at.get();
        let mut count = buf.len().min(self.piece).min(self.bytes.len() - at);
        let mut coming = self.descriptors.borrow_mut();
        let mut came = 0;
        while coming.front().is_some_and(|(place, _)| (at..at + count).contains(place)) {
            let (place, descriptor) = coming.pop_front().unwrap();
            came += 1;
            if came > most {
                return Err(io::Error::other("more descriptors than there is room for"));
            }
            descriptors.push_back(descriptor);
            // As the kernel does: nothing is joined to what came with descriptors.
            if coming.front().is_some_and(|(next, _)| *next != place) {
                count = count.min(coming[0].0 - at);
            }
        }
        buf[..count].copy_from_slice(&self.bytes[at..at + count]);
        self.at.set(at + count);
        Ok(count)
    }

    async fn send(&self, _: &[u8], _: &[BorrowedFd<'_>]) -> io::Result<usize> {
        unreachable!("a script is only read")
    }
}

fn run<F: Future>(future: F) -> F::Output {
    Runtime::builder().start_paused(true).seed(1).build().unwrap().block_on(future)
}

fn frames(messages: &[impl AsRef<[u8]>]) -> Vec<u8> {
    messages.iter().flat_map(|message| frame(|to| to.extend_from_slice(message.as_ref())).to_vec()).collect()
}

/// All messages, and how the stream ended.
async fn read_all(socket: impl Socket, most: usize) -> (Vec<Vec<u8>>, Option<ReadError>) {
    let mut reader = Reader::new(socket, most);
    let mut messages = Vec::new();
    loop {
        match reader.next().await {
            Ok(Some(message)) => messages.push(message.to_vec()),
            Ok(None) => return (messages, None),
            Err(error) => return (messages, Some(error)),
        }
    }
}

#[test]
fn a_stream_that_ends_anywhere_gives_the_whole_messages_before_and_no_part_of_one() {
    let messages: [&[u8]; 4] = [b"a", b"some more", &[0; 3], b"the end"];
    let bytes = frames(&messages);
    for piece in [1, 2, 3, 5, 1000] {
        for cut in 0..=bytes.len() {
            let script = Script::new(bytes[..cut].to_vec(), piece);
            let (read, end) = run(read_all(&script, 100));
            let whole: usize = read.iter().map(|message| HEADER_BYTES + message.len()).sum();
            assert_eq!(read, messages[..read.len()]);
            match end {
                None => assert_eq!(whole, cut),
                Some(ReadError::Truncated) => {
                    let next = messages[read.len()].len() + HEADER_BYTES;
                    assert!(whole < cut && cut < whole + next, "{cut} of {}", bytes.len());
                }
                Some(other) => panic!("after {cut} bytes: {other}"),
            }
        }
    }
}

#[test]
fn a_length_is_refused_before_anything_is_allocated_for_it() {
    let most = 1000;
    for length in [1001, 1 << 16, 1 << 31, u32::MAX] {
        let script = Script::new(u32::to_le_bytes(length).to_vec(), 1);
        let (_, end) = run(read_all(&script, most));
        assert!(matches!(end, Some(ReadError::TooLong { most: 1000, .. })), "{length}: {end:?}");
        assert!(script.largest_read.get() <= 8 << 10);
    }
    let (_, end) = run(read_all(&Script::new(vec![0; 4], 4), most));
    assert!(matches!(end, Some(ReadError::Empty)));
}

#[test]
fn a_long_message_gets_memory_as_it_arrives_and_gives_it_back() {
    let mut claim = u32::to_le_bytes(16 << 20).to_vec();
    claim.resize(20_000, 7);
    let script = Script::new(claim, 1000);
    let (_, end) = run(read_all(&script, MAX_DATA_BYTES));
    assert!(matches!(end, Some(ReadError::Truncated)));
    assert!(script.largest_read.get() <= 20_000, "{} bytes of room", script.largest_read.get());

    let long = vec![9; 300_000];
    let script = Script::new(frames(&[&long[..], b"short"]), 50_000);
    run(async {
        let mut reader = Reader::new(&script, 300_000);
        assert_eq!(reader.next().await.unwrap().unwrap(), long);
        assert_eq!(reader.next().await.unwrap().unwrap(), b"short");
        script.largest_read.set(0);
        assert!(reader.next().await.unwrap().is_none());
        assert!(script.largest_read.get() <= 8 << 10, "{}", script.largest_read.get());
    });
}

#[test]
fn a_message_of_just_the_limit_passes() {
    for most in [1, 4, 8187, 8188, 8189, 10_000, MAX_CONTROL_BYTES] {
        let script = Script::new(frames(&[vec![1; most], vec![2; most]]), 4096);
        let (read, end) = run(read_all(&script, most));
        assert!(end.is_none(), "{most}: {end:?}");
        assert_eq!(read, [vec![1; most], vec![2; most]]);
        let script = Script::new(frames(&[vec![1; most + 1]]), 4096);
        assert!(matches!(run(read_all(&script, most)).1, Some(ReadError::TooLong { .. })));
    }
}

/// Whoever waits for a message may give up at any time, and the next who waits gets it.
#[test]
fn a_read_that_is_given_up_loses_nothing() {
    let messages: Vec<Vec<u8>> = (1..20_u8).map(|length| vec![length; usize::from(length)]).collect();
    let script = Script::new(frames(&messages), 3);
    run(async {
        let mut reader = Reader::new(&script, 100);
        let (mut read, mut given_up) = (Vec::new(), 0);
        while read.len() < messages.len() {
            // Polled twice, so that it has taken a piece or two; then dropped.
            let mut next = Box::pin(reader.next());
            let mut polls = 0;
            let message = poll_fn(|context| {
                polls += 1;
                match next.as_mut().poll(context) {
                    Poll::Ready(message) => Poll::Ready(Some(message.unwrap().unwrap().to_vec())),
                    Poll::Pending if polls == 2 => Poll::Ready(None),
                    Poll::Pending => Poll::Pending,
                }
            })
            .await;
            drop(next);
            match message {
                Some(message) => read.push(message),
                None => given_up += 1,
            }
        }
        assert_eq!(read, messages);
        assert!(given_up > 50);
    });
}

#[test]
fn descriptors_come_with_their_messages() {
    let adopt = |key| encode(&ToWorker::Adopt { listener: 1, key });
    let bytes = frames(&[encode(&ToWorker::Hurry), adopt(1), encode(&ToWorker::Hurry), adopt(2)]);
    let first = frames(&[encode(&ToWorker::Hurry)]).len();
    let second = 2 * first + frames(&[adopt(1)]).len();
    for piece in 1..bytes.len() {
        let script = Script::new(bytes.clone(), piece).with_descriptor_at(first).with_descriptor_at(second);
        run(async {
            let mut reader = Reader::new(&script, 100).with_descriptors();
            let mut counts = Vec::new();
            while let Some((_, descriptors)) = reader.next_message::<ToWorker>().await.unwrap() {
                counts.push(descriptors.len());
            }
            assert_eq!(counts, [0, 1, 0, 1]);
        });
    }
}

#[test]
fn descriptors_that_are_missing_surplus_or_too_many_are_an_error() {
    let read = |script: Script, most| {
        run(async {
            let reader = Reader::new(&script, 100);
            let mut reader = if most > 0 { reader.with_descriptors() } else { reader };
            reader.next_message::<ToWorker>().await.map(|_| ())
        })
    };
    let adopt = frames(&[encode(&ToWorker::Adopt { listener: 1, key: 1 })]);
    let hurry = frames(&[encode(&ToWorker::Hurry)]);
    let error = read(Script::new(adopt.clone(), 100), 8).unwrap_err();
    assert!(matches!(error, ReadError::Descriptors { expected: 1, found: 0 }));
    let error = read(Script::new(hurry.clone(), 100).with_descriptor_at(0), 8).unwrap_err();
    assert!(matches!(error, ReadError::Descriptors { expected: 0, found: 1 }));
    let two = Script::new(adopt.clone(), 100).with_descriptor_at(0).with_descriptor_at(0);
    assert!(matches!(read(two, 8).unwrap_err(), ReadError::Descriptors { expected: 1, found: 2 }));
    let nine = (0..9).fold(Script::new(adopt, 100), |script, _| script.with_descriptor_at(0));
    assert!(matches!(read(nine, 8).unwrap_err(), ReadError::Io(_)));
    assert!(matches!(read(Script::new(hurry, 100).with_descriptor_at(0), 0).unwrap_err(), ReadError::Io(_)));
}

#[test]
fn bytes_that_are_no_message_end_the_stream() {
    let script = Script::new(frames(&[vec![3], vec![99], vec![3]]), 100);
    run(async {
        let mut reader = Reader::new(&script, 100);
        let (message, _) = reader.next_message::<ToSupervisor>().await.unwrap().unwrap();
        assert_eq!(message, ToSupervisor::Ready);
        let error = reader.next_message::<ToSupervisor>().await.unwrap_err();
        assert!(matches!(error, ReadError::Malformed(Malformed::UnknownTag { of: "ToSupervisor", tag: 99 })));
        assert_eq!(error.to_string(), "bytes that are no message: 99 stands where ToSupervisor should begin");
    });
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() })]

    /// Whatever a hostile end sends, in whatever pieces: messages, then an end or an error.
    #[test]
    #[cfg_attr(miri, ignore = "hundreds of cases; the stories above run")]
    fn any_stream_ends(bytes in vec(prop_oneof![Just(0), Just(1), any::<u8>()], 0..500), piece in 1..50_usize) {
        let script = Script::new(bytes.clone(), piece);
        let (read, end) = run(read_all(&script, 64));
        let whole = frames(&read);
        prop_assert!(bytes.starts_with(&whole));
        prop_assert_eq!(end.is_none(), whole.len() == bytes.len());
    }

    /// A valid conversation with bytes changed, cut out and put in.
    #[test]
    #[cfg_attr(miri, ignore = "hundreds of cases; the stories above run")]
    fn damage_is_an_error_or_another_message(
        damage in vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 1..5),
        piece in 1..50_usize,
    ) {
        let messages = [ToSupervisor::Ready, ToSupervisor::Counter { name: "hits".into() }, ToSupervisor::Recycle];
        let mut bytes: Vec<u8> = messages.iter().flat_map(|m| frame(|to| m.put(to)).to_vec()).collect();
        for (at, byte, what) in damage {
            let at = at.index(bytes.len());
            match what {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => drop(bytes.remove(at)),
            }
        }
        let script = Script::new(bytes, piece);
        run(async {
            let mut reader = Reader::new(&script, MAX_CONTROL_BYTES);
            while let Ok(Some(_)) = reader.next_message::<ToSupervisor>().await {}
        });
    }
}

/// On a network that splits, delays and joins as it likes.
#[test]
#[cfg_attr(miri, ignore = "a hundred simulations")]
fn what_is_written_is_what_is_read_on_a_bad_network() {
    let network = net::Network::new().splits(0.7).short_reads(0.7);
    Sim::new().seeds(100).network(network).run(|| async {
        let listener = net::TcpListener::bind("10.0.0.1:7").await.unwrap();
        let messages: Vec<Vec<u8>> = (1..40_u8).map(|n| vec![n; usize::from(n) * 3]).collect();
        let expected = messages.clone();
        let writing = spawn(async move {
            let (stream, _): (MemoryStream, _) = listener.accept().await.unwrap();
            for message in &messages {
                stream.write_all(&frame(|to| to.extend_from_slice(message))).await.unwrap();
            }
        });
        let client = net::TcpStream::connect("10.0.0.1:7").await.unwrap();
        let (read, end) = read_all(client, 200).await;
        assert!(end.is_none(), "{end:?}");
        assert_eq!(read, expected);
        writing.await.unwrap();
    });
}

#[test]
fn a_connection_in_memory_carries_no_descriptors() {
    run(async {
        let (one, other) = duplex(64);
        let null = descriptor();
        let sent = one.send(b"x", &[std::os::fd::AsFd::as_fd(&null)]).await;
        assert_eq!(sent.unwrap_err().kind(), io::ErrorKind::Unsupported);
        drop(one);
        assert!(matches!(read_all(other, 1).await, (none, None) if none.is_empty()));
    });
}
