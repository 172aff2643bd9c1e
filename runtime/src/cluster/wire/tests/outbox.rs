//! Stories of what is still to be written: bounds, order, and writers that give up.

use super::super::{
    control::{ToSupervisor, ToWorker},
    frame::{Frame, Reader, frame},
    outbox::{Closed, Letter, MIN_FRAME_COST, Outbox, Refused, outbox},
    socket::Socket,
};
use crate::{
    Runtime, join, spawn,
    task::yield_now,
    testing::{MemoryStream, Sim, duplex, settle},
};
use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    future::poll_fn,
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    rc::Rc,
    task::Poll,
};

fn run<F: Future>(future: F) -> F::Output {
    Runtime::builder().start_paused(true).seed(1).build().unwrap().block_on(future)
}

fn letter(bytes: &[u8]) -> (Letter, usize) {
    let frame: Frame = frame(|to| to.extend_from_slice(bytes));
    let length = frame.len();
    (Letter { frame, descriptors: Vec::new() }, length)
}

async fn put(outbox: &Outbox, bytes: &[u8]) -> Result<(), Closed> {
    let (letter, length) = letter(bytes);
    outbox.put(letter, length).await
}

fn try_put(outbox: &Outbox, bytes: &[u8]) -> Result<(), Refused> {
    let (letter, length) = letter(bytes);
    outbox.try_put(letter, length)
}

async fn messages(stream: MemoryStream) -> Vec<Vec<u8>> {
    let mut reader = Reader::new(stream, 1 << 20);
    let mut read = Vec::new();
    while let Some(message) = reader.next().await.unwrap() {
        read.push(message.to_vec());
    }
    read
}

/// Takes so many bytes at a time, and remembers what was sent with descriptors.
#[derive(Default)]
struct Sink {
    bytes: RefCell<Vec<u8>>,
    piece: usize,
    with: RefCell<Vec<(usize, i32)>>,
    sends: Cell<usize>,
}

impl Socket for Sink {
    async fn receive(&self, _: &mut [u8], _: usize, _: &mut VecDeque<OwnedFd>) -> io::Result<usize> {
        unreachable!("a sink is only written")
    }

    async fn send(&self, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<usize> {
        yield_now().await;
        self.sends.set(self.sends.get() + 1);
        let count = bytes.len().min(self.piece);
        let at = self.bytes.borrow().len();
        self.with.borrow_mut().extend(descriptors.iter().map(|descriptor| (at, descriptor.as_raw_fd())));
        self.bytes.borrow_mut().extend_from_slice(&bytes[..count]);
        Ok(count)
    }
}

#[test]
fn room_is_bounded_in_bytes_and_in_count() {
    let (outbox, mut outgoing) = outbox(10 * MIN_FRAME_COST);
    for _ in 0..10 {
        try_put(&outbox, b"short").unwrap();
    }
    assert_eq!(try_put(&outbox, b"short"), Err(Refused::Full), "so many short ones");
    for _ in 0..10 {
        assert!(outgoing.try_next().is_some());
    }
    try_put(&outbox, &[0; 8 * MIN_FRAME_COST]).unwrap();
    assert_eq!(try_put(&outbox, &[0; 2 * MIN_FRAME_COST]), Err(Refused::Full), "so many bytes");
    try_put(&outbox, b"short").unwrap();
    assert!(outgoing.try_next().is_some());
    assert_eq!(try_put(&outbox, &[0; 1_000_000]), Err(Refused::Full), "a long one goes alone");
    assert!(outgoing.try_next().is_some());
    try_put(&outbox, &[0; 1_000_000]).unwrap();
    assert_eq!(try_put(&outbox, b"x"), Err(Refused::Full));
    drop(outgoing);
    assert_eq!(try_put(&outbox, b"x"), Err(Refused::Closed));
    assert_eq!(run(put(&outbox, b"x")), Err(Closed));
}

#[test]
fn a_reader_that_is_slow_holds_the_writer_up_and_loses_nothing() {
    run(async {
        let (near, far) = duplex(100);
        let (outbox, outgoing) = outbox(4 * MIN_FRAME_COST);
        let writing = spawn(async move { outgoing.write_to(&near).await });
        let sent = Rc::new(Cell::new(0));
        let count = sent.clone();
        let sending = spawn(async move {
            for number in 0..50_u8 {
                put(&outbox, &[number; 100]).await.unwrap();
                count.set(count.get() + 1);
            }
        });
        settle().await;
        assert_eq!(sent.get(), 4, "as many as there is room for, what is being written included");
        let read = messages(far).await;
        assert_eq!(read, (0..50).map(|number| [number; 100]).collect::<Vec<_>>());
        sending.await.unwrap();
        writing.await.unwrap().unwrap();
    });
}

/// A task is cancelled at each of its suspension points in turn, while it sends; what arrives is what the others sent, and
/// of its own messages the first few, each whole.
#[test]
fn a_sender_that_is_cancelled_anywhere_leaves_no_half_message() {
    let mut points = 0;
    loop {
        let finished = run(async {
            let (near, far) = duplex(64);
            let (outbox, outgoing) = outbox(2 * MIN_FRAME_COST);
            spawn(async move { outgoing.write_to(&near).await.unwrap() }).detach();
            let victim = outbox.clone();
            let mut sending = Some(Box::pin(async move {
                for _ in 0..5 {
                    put(&victim, &[1; 90]).await.unwrap();
                }
            }));
            let mut pending = 0;
            let cancelled = poll_fn(move |context| {
                if pending == points {
                    sending = None;
                    return Poll::Ready(true);
                }
                pending += 1;
                sending.as_mut().unwrap().as_mut().poll(context).map(|()| false)
            });
            let other = async {
                for _ in 0..5 {
                    put(&outbox, &[2; 70]).await.unwrap();
                }
                drop(outbox);
            };
            let (cancelled, (), read) = join!(cancelled, other, messages(far));
            let of_victim = read.iter().filter(|message| **message == [1; 90]).count();
            assert_eq!(read.iter().filter(|message| **message == [2; 70]).count(), 5);
            assert_eq!(read.len(), 5 + of_victim);
            assert!(cancelled || of_victim == 5);
            !cancelled
        });
        if finished {
            break;
        }
        points += 1;
    }
    assert!(points > 3, "{points} points");
}

#[test]
fn short_messages_that_wait_are_written_together() {
    run(async {
        let sink = Rc::new(Sink { piece: 1 << 20, ..Sink::default() });
        let (outbox, outgoing) = outbox(1 << 20);
        let mut expected = Vec::new();
        for number in 0..100_u8 {
            put(&outbox, &[number; 20]).await.unwrap();
            expected.extend_from_slice(&frame(|to| to.extend_from_slice(&[number; 20])));
        }
        let long = vec![7; 100_000];
        put(&outbox, &long).await.unwrap();
        expected.extend_from_slice(&frame(|to| to.extend_from_slice(&long)));
        drop(outbox);
        outgoing.write_to(&*sink).await.unwrap();
        assert_eq!(*sink.bytes.borrow(), expected);
        assert_eq!(sink.sends.get(), 2);
    });
}

#[test]
fn descriptors_go_with_the_first_byte_of_their_message_and_are_closed_after() {
    run(async {
        for piece in [1, 7, 1000] {
            let sink = Sink { piece, ..Sink::default() };
            let (outbox, outgoing) = outbox(1 << 20);
            let (mine, watched) = std::os::unix::net::UnixStream::pair().unwrap();
            let number = watched.as_fd().as_raw_fd();
            outbox.send(&ToWorker::Hurry, Vec::new()).await.unwrap();
            outbox.try_send(&ToWorker::Adopt { listener: 1, key: 1 }, vec![watched.into()]).unwrap();
            outbox.send(&ToWorker::Hurry, Vec::new()).await.unwrap();
            let sink = Rc::new(sink);
            let socket = sink.clone();
            spawn(async move { outgoing.write_to(&*socket).await }).detach();
            outbox.flush().await.unwrap();
            let place = frame(|to| super::super::codec::Wire::put(&ToWorker::Hurry, to)).len();
            assert_eq!(*sink.with.borrow(), [(place, number)]);
            let mut end = [0; 1];
            assert_eq!(io::Read::read(&mut &mine, &mut end).unwrap(), 0, "ours is closed");
        }
    });
}

#[test]
fn flush_waits_for_what_was_put_before_or_says_that_it_cannot_be_written() {
    run(async {
        let (near, far) = duplex(8);
        let (outbox, outgoing) = outbox(1 << 10);
        let writing = spawn(async move { outgoing.write_to(&near).await });
        outbox.send(&ToSupervisor::Ending { forced: 3 }, Vec::new()).await.unwrap();
        let flushing = spawn({
            let outbox = outbox.clone();
            async move { outbox.flush().await }
        });
        settle().await;
        assert!(!flushing.is_finished());
        let mut reader = Reader::new(far, 100);
        assert!(reader.next().await.unwrap().is_some());
        assert_eq!(flushing.await.unwrap(), Ok(()));
        outbox.send(&ToSupervisor::Ending { forced: 3 }, Vec::new()).await.unwrap();
        drop(reader);
        assert_eq!(outbox.flush().await, Err(Closed));
        assert!(writing.await.unwrap().is_err());
    });
}

#[test]
#[cfg_attr(miri, ignore = "hundreds of simulations")]
fn many_senders_of_one_connection_keep_their_own_order_under_every_seed() {
    Sim::new().seeds(200).run(|| async {
        let (near, far) = duplex(50);
        let (outbox, outgoing) = outbox(3 * MIN_FRAME_COST);
        spawn(async move { outgoing.write_to(&near).await.unwrap() }).detach();
        for sender in 0..4_u8 {
            let outbox = outbox.clone();
            spawn(async move {
                for number in 0..10_u8 {
                    put(&outbox, &[sender, number]).await.unwrap();
                }
            })
            .detach();
        }
        drop(outbox);
        let read = messages(far).await;
        for sender in 0..4 {
            let numbers = read.iter().filter(|message| message[0] == sender).map(|message| message[1]);
            assert!(numbers.eq(0..10));
        }
    });
}
