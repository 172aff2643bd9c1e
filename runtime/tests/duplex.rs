//! A connection in memory without a network: it behaves as a socket pair does.
#![cfg(feature = "macros")]

use runtime::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    join, join_all,
    net::Shutdown,
    spawn,
    testing::{MemoryStream, duplex, settle},
    time::{sleep, timeout},
};
use std::{io::ErrorKind, rc::Rc, time::Duration};

const SECOND: Duration = Duration::from_secs(1);

#[runtime::test(start_paused = true)]
async fn a_full_connection_holds_the_writer_until_somebody_reads() {
    let (writer, reader) = duplex(4);
    let writing = spawn(async move {
        writer.write_all(b"abcdefgh").await.unwrap();
        writer
    });
    settle().await;
    assert!(!writing.is_finished());
    let mut buf = [0; 16];
    assert_eq!(reader.peek(&mut buf).await.unwrap(), 4, "looking makes no room");
    settle().await;
    assert_eq!(reader.read(&mut buf[..3]).await.unwrap(), 3);
    settle().await;
    assert_eq!(reader.read(&mut buf[3..]).await.unwrap(), 4, "one byte of before and three of after");
    settle().await;
    assert_eq!(reader.read(&mut buf[7..]).await.unwrap(), 1);
    assert_eq!(&buf[..8], b"abcdefgh");
    drop(writing.await.unwrap());
    assert_eq!(reader.read(&mut buf).await.unwrap(), 0);
}

#[runtime::test(start_paused = true)]
async fn nothing_to_read_and_no_room_to_write_would_block() {
    let (one, other) = duplex(2);
    let mut buf = [0; 4];
    assert_eq!(one.try_read(&mut buf).unwrap_err().kind(), ErrorKind::WouldBlock);
    assert_eq!(one.try_read(&mut []).unwrap(), 0, "for nothing there is always enough");
    assert_eq!(one.try_write(b"abc").unwrap(), 2);
    assert_eq!(one.try_write(b"c").unwrap_err().kind(), ErrorKind::WouldBlock);
    assert_eq!(one.try_write(b"").unwrap(), 0);
    assert!(timeout(SECOND, one.writable()).await.is_err());
    other.readable().await.unwrap();
    assert_eq!(other.try_read(&mut buf).unwrap(), 2);
    one.writable().await.unwrap();
    assert!(timeout(SECOND, other.readable()).await.is_err());
}

#[runtime::test(start_paused = true)]
async fn one_direction_ends_and_the_other_goes_on() {
    let (one, other) = duplex(16);
    one.write_all(b"last words").await.unwrap();
    one.shutdown(Shutdown::Write).unwrap();
    one.shutdown(Shutdown::Write).unwrap();
    assert_eq!(one.write(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
    let mut buf = [0; 16];
    assert_eq!(other.read(&mut buf).await.unwrap(), 10);
    assert_eq!(other.read(&mut buf).await.unwrap(), 0);
    assert_eq!(other.read(&mut buf).await.unwrap(), 0, "an end stays the end");
    other.write_all(b"an answer").await.unwrap();
    assert_eq!(one.read(&mut buf).await.unwrap(), 9);
    // Those who wait learn of it.
    let one = Rc::new(one);
    let reading = spawn({
        let one = Rc::clone(&one);
        async move { one.read(&mut [0]).await.unwrap() }
    });
    settle().await;
    one.shutdown(Shutdown::Both).unwrap();
    assert_eq!(reading.await.unwrap(), 0);
    assert_eq!(other.read_exact(&mut buf).await.unwrap_err().kind(), ErrorKind::UnexpectedEof);
}

#[runtime::test(start_paused = true)]
async fn an_end_that_is_dropped_is_learned_by_all_who_wait_at_the_other() {
    let (one, other) = duplex(1);
    let other = Rc::new(other);
    other.write_all(b"x").await.unwrap();
    let (reader, writer) = (Rc::clone(&other), Rc::clone(&other));
    let reading = spawn(async move { reader.read(&mut [0]).await.unwrap() });
    let writing = spawn(async move { writer.write(b"y").await.unwrap_err().kind() });
    settle().await;
    assert!(!reading.is_finished() && !writing.is_finished());
    drop(one);
    assert_eq!(reading.await.unwrap(), 0);
    assert_eq!(writing.await.unwrap(), ErrorKind::BrokenPipe);
}

#[runtime::test(start_paused = true)]
async fn several_tasks_may_read_one_end() {
    let (one, other) = duplex(16);
    let other = Rc::new(other);
    let readers: Vec<_> = (0..3)
        .map(|_| {
            let other = Rc::clone(&other);
            spawn(async move {
                let mut buf = [0];
                other.read_exact(&mut buf).await.unwrap();
                buf[0]
            })
        })
        .collect();
    settle().await;
    one.write_all(b"abc").await.unwrap();
    let mut got: Vec<_> = join_all(readers).await.into_iter().map(Result::unwrap).collect();
    got.sort_unstable();
    assert_eq!(got, b"abc");
}

#[runtime::test(start_paused = true)]
async fn a_read_that_is_dropped_has_read_nothing() {
    let (one, other) = duplex(16);
    for n in 0..100_u8 {
        let mut buf = [0; 2];
        let (late, early) = join!(timeout(SECOND, other.read(&mut buf)), async {
            sleep(if n % 2 == 0 { SECOND } else { SECOND / 2 }).await;
            one.write(&[n]).await
        });
        assert_eq!(early.unwrap(), 1);
        if late.is_err() {
            assert_eq!(other.read(&mut buf).await.unwrap(), 1);
        }
        assert_eq!(buf, [n, 0]);
    }
}

#[runtime::test(start_paused = true)]
async fn an_end_that_is_always_ready_gives_way() {
    let (one, other) = duplex(100_000);
    one.write_all(&[0; 50_000]).await.unwrap();
    let reading = spawn(async move {
        for _ in 0..50_000 {
            other.read_exact(&mut [0]).await.unwrap();
        }
    });
    runtime::task::yield_now().await;
    assert!(!reading.is_finished(), "50,000 reads in one poll");
    reading.await.unwrap();
}

async fn through_the_traits(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> String {
    stream.write_all(b"traits").await.unwrap();
    stream.close().await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

#[runtime::test(start_paused = true)]
async fn the_traits_are_there_also_for_references_and_halves() {
    let (one, other) = duplex(16);
    let (there, back) = join!(through_the_traits(one), through_the_traits(&other));
    assert_eq!((there.as_str(), back.as_str()), ("traits", "traits"));
    let (one, other) = duplex(16);
    let (mut reader, mut writer) = other.into_split();
    let copying = async {
        runtime::io::copy(&mut reader, &mut writer).await.unwrap();
        drop(writer);
    };
    assert_eq!(join!(through_the_traits(one), copying).0, "traits");
}

/// Two runtimes on two threads, and neither knows of the other.
#[test]
fn the_ends_may_be_on_different_threads() {
    fn is_send_and_sync<T: Send + Sync>(_: &T) {}
    let (one, other) = duplex(7);
    is_send_and_sync(&one);
    std::thread::scope(|scope| {
        scope.spawn(|| runtime::run(async move { one.write_all(&[1; 10_000]).await.unwrap() }));
        runtime::run(async move {
            let mut all = Vec::new();
            (&other).read_to_end(&mut all).await.unwrap();
            assert_eq!(all, [1; 10_000]);
        });
    });
}

#[test]
#[should_panic(expected = "a capacity of 0 bytes")]
fn a_connection_without_room_is_refused() {
    let _: (MemoryStream, MemoryStream) = duplex(0);
}
