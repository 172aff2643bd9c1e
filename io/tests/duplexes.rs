//! Stories of connections in memory: they behave as a pair of sockets does, without any.

mod support;

use futures_lite::{AsyncReadExt, AsyncWriteExt, future::poll_once};
use runtime_executor::{settle, spawn, task::yield_now};
use runtime_io::{
    io::{DuplexStream, duplex},
    net::Shutdown,
};
use std::{io::ErrorKind, rc::Rc, thread};
use support::{pattern, run};

#[test]
fn a_full_connection_holds_the_writer_until_somebody_reads() {
    run(async {
        let (writer, reader) = duplex(4);
        let writing = spawn(async move {
            writer.write_all(b"abcdefgh").await.unwrap();
            writer
        });
        settle().await;
        assert!(!writing.is_finished());
        let mut buf = [0; 16];
        assert_eq!(reader.read(&mut buf[..3]).await.unwrap(), 3);
        settle().await;
        assert_eq!(reader.read(&mut buf[3..]).await.unwrap(), 4, "one byte of before and three of after");
        settle().await;
        assert_eq!(reader.read(&mut buf[7..]).await.unwrap(), 1);
        assert_eq!(&buf[..8], b"abcdefgh");
        drop(writing.await.unwrap());
        assert_eq!(reader.read(&mut buf).await.unwrap(), 0);
    });
}

#[test]
fn what_cannot_be_done_at_once_would_block() {
    run(async {
        let (one, other) = duplex(2);
        let mut buf = [0; 4];
        assert_eq!(other.try_read(&mut buf).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert_eq!(other.try_read(&mut []).unwrap(), 0, "for nothing there is always enough");
        assert_eq!(one.try_write(b"abc").unwrap(), 2);
        assert_eq!(one.try_write(b"c").unwrap_err().kind(), ErrorKind::WouldBlock);
        assert_eq!(one.try_write(b"").unwrap(), 0);
        assert_eq!(other.try_read(&mut buf).unwrap(), 2);
        assert_eq!(one.try_write(b"c").unwrap(), 1);
    });
}

#[test]
fn one_direction_ends_and_the_other_goes_on() {
    run(async {
        let (one, other) = duplex(16);
        one.write_all(b"last words").await.unwrap();
        one.shutdown(Shutdown::Write);
        one.shutdown(Shutdown::Write);
        assert_eq!(one.write(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        let mut buf = [0; 16];
        assert_eq!(other.read(&mut buf).await.unwrap(), 10);
        assert_eq!(other.read(&mut buf).await.unwrap(), 0);
        assert_eq!(other.read(&mut buf).await.unwrap(), 0, "an end stays the end");
        other.write_all(b"an answer").await.unwrap();
        assert_eq!(one.read(&mut buf).await.unwrap(), 9);
        let one = Rc::new(one);
        let reading = spawn({
            let one = Rc::clone(&one);
            async move { one.read(&mut [0]).await.unwrap() }
        });
        settle().await;
        one.shutdown(Shutdown::Read);
        assert_eq!(reading.await.unwrap(), 0);
        assert_eq!(other.write(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        assert_eq!(other.read_exact(&mut buf).await.unwrap_err().kind(), ErrorKind::UnexpectedEof);
    });
}

#[test]
fn an_end_that_is_dropped_is_learned_by_all_who_wait_at_the_other() {
    run(async {
        let (one, other) = duplex(1);
        let other = Rc::new(other);
        other.write_all(b"x").await.unwrap();
        let (reader, second, writer) = (Rc::clone(&other), Rc::clone(&other), Rc::clone(&other));
        let reading = spawn(async move { reader.read(&mut [0]).await.unwrap() });
        let reading_too = spawn(async move { second.read(&mut [0]).await.unwrap() });
        let writing = spawn(async move { writer.write(b"y").await.unwrap_err().kind() });
        settle().await;
        assert!(!reading.is_finished() && !reading_too.is_finished() && !writing.is_finished());
        drop(one);
        assert_eq!(reading.await.unwrap(), 0);
        assert_eq!(reading_too.await.unwrap(), 0);
        assert_eq!(writing.await.unwrap(), ErrorKind::BrokenPipe);
    });
}

#[test]
fn what_a_dropped_end_has_written_can_still_be_read() {
    run(async {
        let (one, other) = duplex(16);
        one.write_all(b"farewell").await.unwrap();
        drop(one);
        let mut buf = [0; 8];
        other.read_exact(&mut buf).await.unwrap();
        assert_eq!(&buf, b"farewell");
    });
}

#[test]
fn a_read_that_is_dropped_has_read_nothing() {
    run(async {
        let (one, other) = duplex(16);
        let mut lost = [0; 4];
        assert!(poll_once(other.read(&mut lost)).await.is_none());
        one.write_all(b"kept").await.unwrap();
        let mut buf = [0; 4];
        assert_eq!(other.read(&mut buf).await.unwrap(), 4);
        assert_eq!((&lost, &buf), (&[0; 4], b"kept"));
    });
}

#[test]
fn an_end_that_is_always_ready_gives_way() {
    run(async {
        let (one, other) = duplex(100_000);
        one.write_all(&[0; 50_000]).await.unwrap();
        let reading = spawn(async move {
            for _ in 0..50_000 {
                other.read_exact(&mut [0]).await.unwrap();
            }
        });
        yield_now().await;
        assert!(!reading.is_finished(), "50,000 reads in one poll");
        reading.await.unwrap();
    });
}

async fn through_the_traits(
    mut stream: impl futures_lite::AsyncRead + futures_lite::AsyncWrite + Unpin,
) -> String {
    stream.write_all(b"traits").await.unwrap();
    stream.close().await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

#[test]
fn the_traits_are_there_also_for_references() {
    run(async {
        let (one, other) = duplex(16);
        let one = spawn(through_the_traits(one));
        assert_eq!(through_the_traits(&other).await, "traits");
        assert_eq!(one.await.unwrap(), "traits");
    });
}

/// Neither needs a runtime: here they have one, and none.
#[test]
fn the_ends_may_be_on_different_threads() {
    fn is_send_and_sync(_: &(impl Send + Sync)) {}
    let (one, other): (DuplexStream, _) = duplex(7);
    is_send_and_sync(&one);
    let sent = pattern(10_000);
    thread::scope(|scope| {
        scope.spawn(|| futures_lite::future::block_on(one.write_all(&sent)).unwrap());
        run(async {
            let mut received = vec![0; sent.len()];
            other.read_exact(&mut received).await.unwrap();
            assert!(received == sent, "bytes were lost, doubled or moved");
        });
    });
}

#[test]
#[should_panic(expected = "a capacity of 0 bytes")]
fn a_connection_without_room_is_refused() {
    let _ = duplex(0);
}
