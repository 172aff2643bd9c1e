//! Stories of copying between sockets when there is plenty: that splice(2) does it shows in the time it takes, and
//! nowhere else. (`io/src/io/splicing.rs` has those that look whether it was used.)

mod support;

use futures_lite::future::{poll_once, zip};
use runtime_executor::{Park, settle, spawn, spawn_blocking, task::yield_now};
use runtime_io::{
    io::{CopyStep, copy, copy_bidirectional},
    net::{Shutdown, TcpStream},
};
use socket2::SockRef;
use std::{
    io::{ErrorKind, Write},
    time::Duration,
};
use support::{
    pair, pair_with_std, pattern, read_to_end, run, run_with,
    sys::{in_forked_child, make_sigpipe_deadly},
    until_waiting,
};

/// Enough to be in full flow for a while.
const PLENTY: usize = 2 << 20;

/// More than finds room in between.
const TOO_MUCH: usize = 24 << 20;

async fn send(stream: &TcpStream, bytes: &[u8]) {
    stream.write_all(bytes).await.unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
}

#[test]
fn plenty_arrives_whole_both_ways_and_then_the_ends() {
    run(async {
        let (client, mut a) = pair().await;
        let (mut b, server) = pair().await;
        let proxy = spawn(async move { copy_bidirectional(&mut a, &mut b).await });
        let (there, back) = (pattern(PLENTY), pattern(PLENTY + 12_345));
        let talks = async |stream: &TcpStream, says: &[u8], hears: &[u8]| {
            let ((), heard) = zip(send(stream, says), read_to_end(stream)).await;
            assert!(heard.unwrap() == hears, "bytes were lost, doubled or moved");
        };
        zip(talks(&client, &there, &back), talks(&server, &back, &there)).await;
        assert_eq!(proxy.await.unwrap().unwrap(), (PLENTY as u64, PLENTY as u64 + 12_345));
    });
}

#[test]
fn bursts_and_single_bytes_take_turns() {
    run(async {
        let (client, a) = pair().await;
        let (b, server) = pair().await;
        let copying = spawn(async move { copy(&a, &b).await });
        let burst = pattern(600_000);
        for _ in 0..20 {
            for sent in [&burst[..], b"x", &burst[..70_000], b"yz"] {
                let mut received = vec![0; sent.len()];
                let (written, read) = zip(client.write_all(sent), server.read_exact(&mut received)).await;
                written.and(read).unwrap();
                assert!(received == sent, "bytes were lost, doubled or moved");
            }
        }
        drop(client);
        assert_eq!(copying.await.unwrap().unwrap(), 20 * 670_003);
    });
}

/// splice stops before the urgent byte and has nothing more, or says that this is the end.
#[test]
fn urgent_data_in_full_flow_is_no_end() {
    run(async {
        let (a, mut client) = pair_with_std().await;
        let (b, server) = pair().await;
        let sent = pattern(PLENTY);
        let expected = sent.clone();
        let sending = spawn_blocking(move || {
            for part in sent.chunks(PLENTY / 16) {
                client.write_all(part).unwrap();
                SockRef::from(&client).send_out_of_band(b"!").unwrap();
            }
        });
        let copying = spawn(async move { copy(a, b).await });
        let received = read_to_end(&server).await.unwrap();
        assert!(without(&received, b'!', &expected), "bytes were lost, doubled or moved");
        sending.await.unwrap();
        assert_eq!(copying.await.unwrap().unwrap(), received.len() as u64);
    });
}

/// The same at rest: the urgent byte comes first when more is expected, and no other event will tell of what is behind it.
#[test]
fn an_urgent_byte_at_the_head_hides_nothing() {
    run(async {
        let (a, mut client) = pair_with_std().await;
        let (b, server) = pair().await;
        SockRef::from(&a).set_recv_buffer_size(1 << 20).unwrap();
        let mut burst = vec![1; 128 * 1024];
        client.write_all(&burst).unwrap();
        while a.peek(&mut burst).await.unwrap() < burst.len() {
            yield_now().await;
        }
        let mut copying = copy(a, b);
        assert!(poll_once(&mut copying).await.is_none());
        assert_eq!(copying.copied(), 128 * 1024, "half of it was spliced, and more is expected");
        SockRef::from(&client).send_out_of_band(b"!").unwrap();
        client.write_all(b"behind").unwrap();
        let copying = spawn(copying);
        server.read_exact(&mut burst).await.unwrap();
        let mut behind = [0; 6];
        server.read_exact(&mut behind).await.unwrap();
        assert_eq!(&behind, b"behind");
        drop(client);
        assert_eq!(copying.await.unwrap().unwrap(), 128 * 1024 + 6);
    });
}

/// splice cannot be told to raise no signal, so it is not used then.
#[test]
fn where_sigpipe_is_deadly_a_writer_that_has_ended_is_an_error() {
    let status = in_forked_child(|| {
        make_sigpipe_deadly();
        run(async {
            let (a, mut client) = pair_with_std().await;
            let (b, server) = pair().await;
            SockRef::from(&a).set_recv_buffer_size(1 << 20).unwrap();
            let mut burst = vec![1; 128 * 1024];
            client.write_all(&burst).unwrap();
            while a.peek(&mut burst).await.unwrap() < burst.len() {
                yield_now().await;
            }
            let mut copying = copy(&a, &b);
            assert!(poll_once(&mut copying).await.is_none());
            b.shutdown(Shutdown::Write).unwrap();
            client.write_all(&burst).unwrap();
            assert_eq!(copying.await.unwrap_err().kind(), ErrorKind::BrokenPipe);
            drop(server);
        });
        7
    });
    assert_eq!(status, 7);
}

/// Whether `received` is `expected`, but for marks in between: an urgent byte that is followed by another is an ordinary
/// one.
fn without(received: &[u8], mark: u8, expected: &[u8]) -> bool {
    let mut expected = expected.iter().peekable();
    received.iter().all(|byte| expected.next_if_eq(&byte).is_some() || *byte == mark)
        && expected.peek().is_none()
}

#[test]
fn a_reset_in_full_flow_is_no_end() {
    run(async {
        for _ in 0..10 {
            let (mut a, mut client) = pair_with_std().await;
            let (mut b, server) = pair().await;
            let sending = spawn_blocking(move || {
                client.write_all(&vec![1; PLENTY]).unwrap();
                SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
            });
            let receiving = spawn(async move { read_to_end(&server).await.map(|bytes| bytes.len() as u64) });
            let error = copy_bidirectional(&mut a, &mut b).await.unwrap_err();
            assert_eq!((error.step(), error.kind()), (CopyStep::ReadA, ErrorKind::ConnectionReset));
            drop(b);
            assert_eq!(receiving.await.unwrap().unwrap(), error.copied().0, "what was counted had been sent");
            sending.await.unwrap();
        }
    });
}

#[test]
fn a_receiver_that_goes_away_in_full_flow_is_told() {
    run(async {
        let (client, mut a) = pair().await;
        let (mut b, server) = pair().await;
        let sending = spawn(async move { client.write_all(&vec![1; PLENTY]).await });
        let leaving = spawn(async move {
            server.read_exact(&mut vec![0; PLENTY / 2]).await.unwrap();
            SockRef::from(&server).set_linger(Some(Duration::ZERO)).unwrap();
        });
        let error = copy_bidirectional(&mut a, &mut b).await.unwrap_err();
        let gone = [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe];
        assert!(gone.contains(&error.kind()), "{error}");
        assert!([CopyStep::WriteB, CopyStep::ReadB].contains(&error.step()), "{error}");
        assert!(error.copied().0 >= PLENTY as u64 / 2);
        drop(a);
        let _ = sending.await.unwrap(); // it may all have found room in between
        leaving.await.unwrap();
    });
}

#[test]
fn a_receiver_that_stalls_gets_the_rest_later() {
    run_with(|reactor| async move {
        let (client, a) = pair().await;
        let (b, server) = pair().await;
        let sent = pattern(TOO_MUCH);
        let expected = sent.clone();
        let sending = spawn(async move { send(&client, &sent).await });
        let copying = spawn(async move { copy(a, b).await });
        // Until everything in between is full, and the sender waits for room as the copy does.
        until_waiting(&reactor, 2).await;
        settle().await;
        assert!(!sending.is_finished() && !copying.is_finished());
        let mut head = vec![0; 1000];
        server.read_exact(&mut head).await.unwrap();
        settle().await;
        head.extend(read_to_end_of(server, copying, expected.len() as u64).await);
        assert!(head == expected, "bytes were lost, doubled or moved");
        sending.await.unwrap();
    });
}

/// The copy ends when all of it is read, and so does its writer.
async fn read_to_end_of(
    server: TcpStream,
    copying: runtime_executor::JoinHandle<std::io::Result<u64>>,
    expected: u64,
) -> Vec<u8> {
    let rest = read_to_end(&server).await.unwrap();
    assert_eq!(copying.await.unwrap().unwrap(), expected);
    rest
}

#[test]
fn one_that_is_dropped_in_full_flow_leaves_nothing_to_the_next() {
    run_with(|reactor| async move {
        for round in 0..3_u8 {
            let (client, mut a) = pair().await;
            let (mut b, server) = pair().await;
            let sending = spawn(async move { client.write_all(&vec![round; TOO_MUCH]).await.unwrap() });
            let mut copying = copy_bidirectional(&mut a, &mut b);
            let mut copied = (0, 0);
            while reactor.waiters() != 3 || copying.copied() != copied {
                copied = copying.copied();
                assert!(poll_once(&mut copying).await.is_none());
                settle().await;
            }
            let (copied, _) = copied;
            assert!(copied > 0);
            drop(copying);
            drop(b);
            let received = read_to_end(&server).await.unwrap();
            assert_eq!(received.len() as u64, copied, "what was counted is what arrives");
            assert!(received.iter().all(|byte| *byte == round), "bytes of another pair");
            sending.cancel();
        }
    });
}
