//! Stories of reading from a connection: what arrives, what ends it, and what must not be lost.

mod support;

use futures_lite::future::{or, poll_once, zip};
use runtime_executor::{Park, spawn, task::yield_now};
use runtime_io::io::AsyncReadExt;
use std::{
    cell::Cell,
    io::{ErrorKind, IoSliceMut, Write},
    net::Shutdown,
    rc::Rc,
    time::Duration,
};
use support::{pair, pair_with_std, pattern, read_to_end, run, run_with, until_all_woken, until_waiting};

#[test]
fn one_byte_at_a_time_both_ways_arrives_whole() {
    let sent = pattern(if cfg!(miri) { 200 } else { 20_000 });
    let expected = sent.clone();
    run(async move {
        let (client, server) = pair().await;
        let writing = async {
            for byte in sent.chunks(1) {
                assert_eq!(client.write(byte).await.unwrap(), 1);
            }
            client.shutdown(Shutdown::Write).unwrap();
        };
        let reading = async {
            let mut received = Vec::new();
            let mut byte = [0];
            while server.read(&mut byte).await.unwrap() == 1 {
                received.push(byte[0]);
            }
            received
        };
        let ((), received) = zip(writing, reading).await;
        assert!(received == expected, "bytes were lost, doubled or moved");
    });
}

#[test]
fn reading_exactly_spans_pieces_and_notices_the_end() {
    run(async {
        let (ours, mut theirs) = pair_with_std().await;
        let reader = spawn(async move {
            let mut six = [0; 6];
            ours.read_exact(&mut six).await.unwrap();
            assert_eq!(&six, b"abcdef");
            ours.read_exact(&mut six).await.unwrap_err().kind()
        });
        for piece in [&b"ab"[..], b"cd", b"ef", b"gh"] {
            theirs.write_all(piece).unwrap();
            yield_now().await;
        }
        drop(theirs);
        assert_eq!(reader.await.unwrap(), ErrorKind::UnexpectedEof);
    });
}

#[test]
#[cfg_attr(miri, ignore = "Miri has no readv for sockets")]
fn several_buffers_are_filled_in_order() {
    run(async {
        let (ours, mut theirs) = pair_with_std().await;
        theirs.write_all(b"headbody").unwrap();
        ours.readable().await.unwrap();
        let (mut head, mut body) = ([0; 4], [0; 8]);
        let mut bufs = [IoSliceMut::new(&mut head), IoSliceMut::new(&mut body)];
        assert_eq!(ours.read_vectored(&mut bufs).await.unwrap(), 8);
        assert_eq!((&head, &body[..4]), (b"head", &b"body"[..]));
    });
}

#[test]
fn peeking_leaves_the_bytes() {
    run(async {
        let (ours, mut theirs) = pair_with_std().await;
        theirs.write_all(b"look").unwrap();
        let mut buf = [0; 16];
        assert_eq!(ours.peek(&mut buf).await.unwrap(), 4);
        assert_eq!(ours.peek(&mut buf).await.unwrap(), 4);
        assert_eq!(ours.read(&mut buf).await.unwrap(), 4);
        assert_eq!(&buf[..4], b"look");
    });
}

#[test]
fn data_and_the_end_in_one_edge_are_both_seen() {
    run_with(|reactor| async move {
        let (ours, mut theirs) = pair_with_std().await;
        let reader = spawn(async move { read_to_end(&ours).await.unwrap() });
        until_waiting(&reactor, 1).await;
        // Before the reactor's next turn: one event for both.
        theirs.write_all(b"last words").unwrap();
        theirs.shutdown(Shutdown::Write).unwrap();
        assert_eq!(reader.await.unwrap(), b"last words");
    });
}

#[test]
fn the_end_stays_the_end() {
    run(async {
        let (ours, theirs) = pair_with_std().await;
        theirs.shutdown(Shutdown::Write).unwrap();
        let mut buf = [0; 8];
        for _ in 0..3 {
            assert_eq!(ours.read(&mut buf).await.unwrap(), 0);
        }
    });
}

#[test]
#[cfg_attr(miri, ignore = "Miri has no urgent data")]
fn bytes_behind_urgent_data_arrive() {
    run_with(|reactor| async move {
        let (ours, mut theirs) = pair_with_std().await;
        let reader = spawn(async move {
            let mut ten = [0; 10];
            let mut filled = 0;
            while filled < 10 {
                filled += ours.read(&mut ten[filled..]).await.unwrap();
            }
            ten
        });
        until_waiting(&reactor, 1).await;
        theirs.write_all(b"hello").unwrap();
        socket2::SockRef::from(&theirs).send_out_of_band(b"!").unwrap();
        theirs.write_all(b"world").unwrap();
        assert_eq!(&reader.await.unwrap(), b"helloworld");
    });
}

#[test]
fn a_cancelled_read_loses_nothing_and_leaves_nothing() {
    run_with(|reactor| async move {
        let (ours, mut theirs) = pair_with_std().await;
        let mut buf = [0; 8];
        for round in 0..3_u8 {
            assert!(poll_once(ours.read(&mut buf)).await.is_none());
            assert_eq!(reactor.waiters(), 0, "the dropped read still waits");
            theirs.write_all(&[round]).unwrap();
            // The event comes while nobody waits.
            reactor.park(Some(Duration::from_secs(10))).unwrap();
            assert_eq!(ours.read(&mut buf).await.unwrap(), 1);
            assert_eq!(buf[0], round);
        }
    });
}

#[test]
fn a_read_cancelled_after_its_wake_leaves_the_event_to_the_next() {
    run_with(|reactor| async move {
        let (ours, mut theirs) = pair_with_std().await;
        let mut buf = [0; 8];
        {
            let mut read = Box::pin(ours.read(&mut buf));
            assert!(poll_once(&mut read).await.is_none());
            theirs.write_all(b"x").unwrap();
            until_all_woken(&reactor);
        }
        assert_eq!(ours.read(&mut buf).await.unwrap(), 1);
    });
}

#[test]
fn two_tasks_that_read_one_socket_are_both_woken() {
    run_with(|reactor| async move {
        let (ours, mut theirs) = pair_with_std().await;
        let ours = Rc::new(ours);
        let reader = |_| {
            let ours = Rc::clone(&ours);
            spawn(async move {
                let mut byte = [0];
                assert_eq!(ours.read(&mut byte).await.unwrap(), 1);
                byte[0]
            })
        };
        let readers: Vec<_> = (0..5).map(reader).collect();
        until_waiting(&reactor, 5).await;
        theirs.write_all(b"abcde").unwrap();
        let mut got = Vec::new();
        for reader in readers {
            got.push(reader.await.unwrap());
        }
        assert_eq!(got, b"abcde", "each read one, in the order of waiting");
    });
}

#[test]
fn of_two_readers_the_one_that_finds_nothing_waits_on() {
    run_with(|reactor| async move {
        let (ours, mut theirs) = pair_with_std().await;
        let ours = Rc::new(ours);
        let done = Rc::new(Cell::new(0));
        for _ in 0..2 {
            let (ours, done) = (Rc::clone(&ours), Rc::clone(&done));
            let reader = async move {
                let mut all = [0; 64];
                assert_eq!(ours.read(&mut all).await.unwrap(), 1);
                done.set(done.get() + 1);
            };
            spawn(reader).detach();
        }
        for round in 1..=2 {
            until_waiting(&reactor, 3 - round).await;
            theirs.write_all(b"x").unwrap();
            while done.get() < round {
                yield_now().await;
            }
        }
    });
}

#[test]
fn a_socket_that_is_always_ready_yields() {
    run_with(|reactor| async move {
        let (ours, mut theirs) = pair_with_std().await;
        theirs.write_all(&[7; 1000]).unwrap();
        ours.readable().await.unwrap();
        let turns = Rc::new(Cell::new(0));
        let other = spawn({
            let turns = Rc::clone(&turns);
            async move {
                loop {
                    turns.set(turns.get() + 1);
                    yield_now().await;
                }
            }
        });
        let mut byte = [0];
        for _ in 0..1000 {
            ours.read(&mut byte).await.unwrap();
        }
        // 128 operations a turn.
        assert!((7..100).contains(&turns.get()), "{} turns", turns.get());
        other.cancel();
        drop(reactor);
    });
}

#[test]
fn a_task_may_wait_for_more_sockets_than_its_budget_has_units() {
    const SOCKETS: usize = if cfg!(miri) { 20 } else { 300 };
    run_with(|reactor| async move {
        let mut pairs = Vec::new();
        for _ in 0..SOCKETS {
            pairs.push(pair().await);
        }
        let polls = Rc::new(Cell::new(0));
        let counted = Rc::clone(&polls);
        let (ours, theirs): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
        let waiter = spawn(async move {
            let mut bufs = vec![[0; 4]; SOCKETS];
            let mut reads: Vec<_> =
                ours.iter().zip(&mut bufs).map(|(stream, buf)| Box::pin(stream.read(buf))).collect();
            // As `select` over many does: all are polled in one poll of the task.
            std::future::poll_fn(|cx| {
                counted.set(counted.get() + 1);
                let mut ready = reads.iter_mut().map(|read| read.as_mut().poll(cx));
                ready.find(std::task::Poll::is_ready).unwrap_or(std::task::Poll::Pending)
            })
            .await
            .unwrap()
        });
        until_waiting(&reactor, SOCKETS).await;
        let before = polls.get();
        for _ in 0..10 {
            yield_now().await;
        }
        assert_eq!(polls.get(), before, "it waits, rather than wakes itself");
        theirs[SOCKETS - 1].write_all(b"x").await.unwrap();
        assert_eq!(waiter.await.unwrap(), 1);
    });
}

#[test]
fn the_traits_read_the_same_bytes() {
    run(async {
        let (mut client, mut server) = pair().await;
        futures_lite::AsyncWriteExt::write_all(&mut client, b"through the traits").await.unwrap();
        futures_lite::AsyncWriteExt::close(&mut client).await.unwrap();
        let mut text = String::new();
        server.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "through the traits");
    });
}

#[test]
fn trying_does_not_wait() {
    run(async {
        let (ours, mut theirs) = pair_with_std().await;
        let mut buf = [0; 8];
        assert_eq!(ours.try_read(&mut buf).unwrap_err().kind(), ErrorKind::WouldBlock);
        theirs.write_all(b"now").unwrap();
        ours.readable().await.unwrap();
        assert_eq!(ours.try_read(&mut buf).unwrap(), 3);
        assert_eq!(ours.try_read(&mut buf).unwrap_err().kind(), ErrorKind::WouldBlock);
        // What `readable` says next is about what comes next.
        assert!(poll_once(ours.readable()).await.is_none());
        theirs.write_all(b"more").unwrap();
        ours.readable().await.unwrap();
        assert_eq!(ours.try_read(&mut buf).unwrap(), 4);
    });
}

#[test]
fn one_task_reads_while_it_writes() {
    let sent = pattern(if cfg!(miri) { 2_000 } else { 3_000_000 });
    run(async move {
        let (client, server) = pair().await;
        let echo = spawn(async move {
            let mut buf = vec![0; 16 * 1024];
            loop {
                let n = server.read(&mut buf).await.unwrap();
                if n == 0 {
                    break;
                }
                server.write_all(&buf[..n]).await.unwrap();
            }
        });
        let writing = async {
            client.write_all(&sent).await.unwrap();
            client.shutdown(Shutdown::Write).unwrap();
        };
        let ((), echoed) = zip(writing, read_to_end(&client)).await;
        assert!(echoed.unwrap() == sent, "the echo differs");
        echo.await.unwrap();
    });
}

#[test]
fn a_loser_of_a_race_has_read_nothing() {
    run(async {
        let (a, mut to_a) = pair_with_std().await;
        let (b, mut to_b) = pair_with_std().await;
        to_b.write_all(b"b").unwrap();
        let (mut buf_a, mut buf_b) = ([0; 4], [0; 4]);
        let first = or(a.read(&mut buf_a), b.read(&mut buf_b)).await;
        assert_eq!(first.unwrap(), 1);
        assert_eq!(buf_b[0], b'b');
        to_a.write_all(b"a").unwrap();
        assert_eq!(a.read(&mut buf_a).await.unwrap(), 1);
        assert_eq!(buf_a[0], b'a');
    });
}
