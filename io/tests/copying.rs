//! Stories of copying, one way and both: what arrives, what ends, who waits, and what is known after a failure.

mod support;

use futures_lite::{AsyncRead, AsyncReadExt, future::poll_once, io::BufWriter};
use runtime_executor::{settle, spawn, task::yield_now};
use runtime_io::io::{self, CopyError, CopyStep, DuplexStream, copy, copy_bidirectional, duplex};
use std::{
    cell::Cell,
    io::ErrorKind,
    net::Shutdown,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};
use support::{pair, pattern, read_to_end, run};

/// What lies between two streams at most, in each direction.
const BETWEEN: u64 = 64 * 1024;

/// Both ends of a proxied connection, and the proxy between them.
struct Proxied {
    client: DuplexStream,
    server: DuplexStream,
    proxy: runtime_executor::JoinHandle<Result<(u64, u64), CopyError>>,
}

fn proxied(capacity: usize) -> Proxied {
    let (client, mut a) = duplex(capacity);
    let (server, mut b) = duplex(capacity);
    let proxy = spawn(async move { copy_bidirectional(&mut a, &mut b).await });
    Proxied { client, server, proxy }
}

#[test]
fn a_question_and_a_long_answer_pass_with_both_ends_of_each() {
    run(async {
        let (client, mut a) = pair().await;
        let (mut b, server) = pair().await;
        let proxy = spawn(async move { copy_bidirectional(&mut a, &mut b).await });
        let question = pattern(300_000);
        let answer = pattern(2_000_000);
        let serving = spawn({
            let (question, answer) = (question.clone(), answer.clone());
            async move {
                let asked = read_to_end(&server).await.unwrap();
                assert!(asked == question, "the question was changed");
                server.write_all(&answer).await.unwrap();
            }
        });
        client.write_all(&question).await.unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        assert!(read_to_end(&client).await.unwrap() == answer, "the answer was changed");
        serving.await.unwrap();
        assert_eq!(proxy.await.unwrap().unwrap(), (300_000, 2_000_000));
    });
}

#[test]
fn both_directions_go_on_at_once_through_little_room() {
    run(async {
        let Proxied { client, server, proxy } = proxied(7);
        let (there, back) = (pattern(20_000), pattern(30_000));
        let speaks = async |end: &DuplexStream, says: &[u8], hears: usize| {
            let writing = async {
                end.write_all(says).await.unwrap();
                end.shutdown(Shutdown::Write);
            };
            let mut heard = vec![0; hears];
            let reading = async {
                end.read_exact(&mut heard).await.unwrap();
                assert_eq!(end.read(&mut [0]).await.unwrap(), 0);
            };
            futures_lite::future::zip(writing, reading).await;
            heard
        };
        let (heard, answered) = futures_lite::future::zip(
            speaks(&server, &back, there.len()),
            speaks(&client, &there, back.len()),
        )
        .await;
        assert!(heard == there && answered == back, "bytes were lost, doubled or moved");
        assert_eq!(proxy.await.unwrap().unwrap(), (20_000, 30_000));
    });
}

#[test]
fn an_end_is_passed_on_while_the_other_direction_goes_on() {
    run(async {
        let Proxied { client, server, proxy } = proxied(100);
        server.shutdown(Shutdown::Write); // says nothing
        assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
        for _ in 0..3 {
            client.write_all(b"still here").await.unwrap();
            let mut buf = [0; 10];
            server.read_exact(&mut buf).await.unwrap();
            assert_eq!(&buf, b"still here");
        }
        assert!(!proxy.is_finished());
        drop(client);
        assert_eq!(server.read(&mut [0]).await.unwrap(), 0);
        assert_eq!(proxy.await.unwrap().unwrap(), (30, 0));
    });
}

#[test]
fn who_never_reads_bounds_what_lies_between() {
    run(async {
        let (client, mut a) = duplex(1 << 20);
        let (server, mut b) = duplex(1000);
        let sent = pattern(1 << 20);
        client.write_all(&sent).await.unwrap();
        client.shutdown(Shutdown::Write);
        let mut copying = copy_bidirectional(&mut a, &mut b);
        for _ in 0..100 {
            assert!(poll_once(&mut copying).await.is_none());
        }
        assert_eq!(copying.copied(), (1000, 0));
        let mut head = [0; 1000];
        server.read_exact(&mut head).await.unwrap();
        assert!(poll_once(&mut copying).await.is_none());
        assert_eq!(copying.copied(), (2000, 0), "only what fits goes on");
        // The other direction does not care.
        server.write_all(b"slow").await.unwrap();
        assert!(poll_once(&mut copying).await.is_none());
        assert_eq!(copying.copied(), (2000, 4));
        drop(copying);
        let left = a.into_rest().await;
        assert!(left >= sent.len() as u64 - 2000 - BETWEEN, "{left} bytes are left");
    });
}

#[test]
fn who_reads_late_gets_everything() {
    run(async {
        let Proxied { client, server, proxy } = proxied(500_000);
        let sent = pattern(1_200_000);
        let writing = spawn({
            let sent = sent.clone();
            async move { client.write_all(&sent).await.unwrap() }
        });
        settle().await;
        assert!(!writing.is_finished(), "somebody has swallowed it");
        let mut received = vec![0; sent.len()];
        for piece in received.chunks_mut(997) {
            server.read_exact(piece).await.unwrap();
        }
        assert!(received == sent, "bytes were lost, doubled or moved");
        drop(server);
        writing.await.unwrap();
        assert_eq!(proxy.await.unwrap().unwrap(), (1_200_000, 0));
    });
}

#[test]
fn a_reset_in_the_middle_is_told_with_what_had_passed() {
    run(async {
        let (client, mut a) = pair().await;
        let (mut b, server) = pair().await;
        let proxy = spawn(async move { copy_bidirectional(&mut a, &mut b).await });
        client.write_all(b"first").await.unwrap();
        let mut buf = [0; 5];
        server.read_exact(&mut buf).await.unwrap();
        server.write_all(b"an answer").await.unwrap();
        client.read_exact(&mut [0; 9]).await.unwrap();
        let client = client.into_std();
        socket2::SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
        drop(client);
        let error = proxy.await.unwrap().unwrap_err();
        assert_eq!((error.step(), error.kind()), (CopyStep::ReadA, ErrorKind::ConnectionReset));
        assert_eq!(error.copied(), (5, 9));
        let told = io::Error::from(error);
        assert_eq!(told.kind(), ErrorKind::ConnectionReset);
        assert!(told.to_string().contains("first stream failed after 5 bytes"), "{told}");
        assert_eq!(server.read(&mut buf).await.unwrap(), 0, "the proxy has dropped its side");
    });
}

/// A server that refuses a request hangs up with most of it unread.
#[test]
fn an_answer_is_delivered_although_the_question_was_not() {
    run(async {
        let Proxied { client, server, proxy } = proxied(100);
        let asking = spawn(async move {
            let asked = client.write_all(&[b'?'; 500]).await;
            let mut answer = Vec::new();
            (&client).read_to_end(&mut answer).await.unwrap();
            (asked.is_err(), answer)
        });
        server.read_exact(&mut [0; 10]).await.unwrap();
        server.write_all(b"413 too long").await.unwrap();
        drop(server);
        let error = proxy.await.unwrap().unwrap_err();
        assert_eq!((error.step(), error.kind()), (CopyStep::WriteB, ErrorKind::BrokenPipe));
        assert_eq!(error.copied().1, 12);
        assert_eq!(asking.await.unwrap(), (true, b"413 too long".to_vec()));
    });
}

#[test]
fn a_failure_of_the_first_stream_is_told_from_one_of_the_second() {
    run(async {
        let (client, a) = duplex(100);
        let (server, mut b) = duplex(100);
        a.shutdown(Shutdown::Write); // so writes to it fail
        server.write_all(b"to nobody").await.unwrap();
        client.write_all(b"delivered all the same").await.unwrap();
        let error = copy_bidirectional(&mut { a }, &mut b).await.unwrap_err();
        assert_eq!((error.step(), error.copied()), (CopyStep::WriteA, (22, 0)));

        let (mut first, _other) = duplex(1);
        let error = copy_bidirectional(&mut first, &mut Faulty).await.unwrap_err();
        assert_eq!((error.step(), error.kind()), (CopyStep::ReadB, ErrorKind::InvalidData));
        assert_eq!(error.into_source().to_string(), "rotten");
    });
}

/// Fails when it is read, and takes nothing.
struct Faulty;

impl AsyncRead for Faulty {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut [u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(io::Error::new(ErrorKind::InvalidData, "rotten")))
    }
}

impl futures_lite::AsyncWrite for Faulty {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(0))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[test]
fn a_writer_that_takes_nothing_is_an_error() {
    run(async {
        let error = copy(&b"some"[..], Faulty).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WriteZero);
    });
}

/// Neither end ever waits, and no operation of ours charges the budget.
#[test]
fn an_endless_pair_lets_others_have_their_turn() {
    run(async {
        let turns = Rc::new(Cell::new(0));
        let endless = spawn(copy(io::repeat(7), io::sink()));
        let other = spawn({
            let turns = Rc::clone(&turns);
            async move {
                for _ in 0..10 {
                    yield_now().await;
                    turns.set(turns.get() + 1);
                }
            }
        });
        other.await.unwrap();
        assert_eq!(turns.get(), 10);
        assert!(!endless.is_finished());
        endless.cancel();
    });
}

/// One turn of the loop carries no more than this of one pair, so the others wait some 100 µs at most.
#[test]
fn a_turn_carries_256_kib() {
    run(async {
        let (near, far) = duplex(1 << 24);
        near.write_all(&vec![1; 1 << 23]).await.unwrap();
        let mut copying = copy(far, io::sink());
        assert!(poll_once(&mut copying).await.is_none());
        assert_eq!(copying.copied(), 256 * 1024);
    });
}

#[test]
fn what_was_not_read_is_left_when_it_is_dropped() {
    run(async {
        let (near, far) = duplex(1 << 20);
        let (taking, _taken) = duplex(10);
        near.write_all(&vec![1; 1 << 20]).await.unwrap();
        let mut copying = copy(&far, taking);
        assert!(poll_once(&mut copying).await.is_none());
        assert_eq!(copying.copied(), 10);
        drop(copying);
        drop(near);
        assert_eq!(
            far.into_rest().await,
            (1 << 20) - BETWEEN,
            "what lay in between is lost, and nothing else"
        );
    });
}

#[test]
fn a_writer_that_holds_back_is_flushed_when_nothing_comes() {
    run(async {
        let (near, far) = duplex(1000);
        let (ours, theirs) = duplex(1000);
        let copying = spawn(copy(far, BufWriter::with_capacity(500, ours)));
        near.write_all(b"do not keep").await.unwrap();
        settle().await;
        let mut buf = [0; 100];
        assert_eq!(theirs.try_read(&mut buf).unwrap(), 11);
        near.write_all(b"this").await.unwrap();
        drop(near);
        assert_eq!(copying.await.unwrap().unwrap(), 15);
        assert_eq!(theirs.try_read(&mut buf).unwrap(), 4);
    });
}

#[test]
fn it_works_under_another_executor() {
    futures_lite::future::block_on(async {
        let (near, far) = duplex(100);
        let (mut ours, theirs) = duplex(100);
        let writing = async {
            near.write_all(&pattern(10_000)).await.unwrap();
            drop(near);
        };
        let mut received = Vec::new();
        let reading = async { (&theirs).read_to_end(&mut received).await.unwrap() };
        let copying = async {
            let n = copy(far, &mut ours).await.unwrap();
            drop(ours);
            n
        };
        let (((), copied), _) =
            futures_lite::future::zip(futures_lite::future::zip(writing, copying), reading).await;
        assert_eq!(copied, 10_000);
        assert!(received == pattern(10_000));
    });
}

trait Rest {
    async fn into_rest(self) -> u64;
}

impl Rest for DuplexStream {
    /// How many bytes can still be read; the other end must be gone, or have ended.
    async fn into_rest(mut self) -> u64 {
        let mut rest = Vec::new();
        self.read_to_end(&mut rest).await.unwrap();
        rest.len() as u64
    }
}
