//! Stories of reads into buffers of the runtime's pool.

mod support;

use futures_lite::future::poll_once;
use runtime_executor::spawn;
use runtime_io::net::{Shutdown, UnixStream};
use std::io::{ErrorKind, Write};
use support::{pair, pair_with_std, pattern, run, run_with, until_waiting};

#[test]
fn what_arrives_lies_in_a_buffer_and_the_end_in_an_empty_one() {
    run(async {
        let (client, server) = pair().await;
        client.write_all(b"hello").await.unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(&server.read_pooled(1).await.unwrap()[..], b"hello", "all that there is room for");
        assert!(server.read_pooled(1).await.unwrap().is_empty());
        assert!(server.read_pooled(1).await.unwrap().is_empty());
    });
}

#[test]
fn a_long_text_arrives_whole_through_any_size() {
    run(async {
        let sent = pattern(1_000_000);
        for room in [1, 4097, 64 * 1024, 200_000] {
            let (client, server) = pair().await;
            let writing = spawn({
                let sent = sent.clone();
                async move { client.write_all(&sent).await.unwrap() }
            });
            let mut received = Vec::new();
            loop {
                let bytes = server.read_pooled(room).await.unwrap();
                if bytes.is_empty() {
                    break;
                }
                received.extend_from_slice(&bytes);
            }
            assert!(received == sent, "bytes were lost, doubled or moved");
            writing.await.unwrap();
        }
    });
}

#[test]
fn a_read_that_is_dropped_has_read_nothing() {
    run_with(|reactor| async move {
        let (ours, mut theirs) = pair_with_std().await;
        assert!(poll_once(ours.read_pooled(100)).await.is_none());
        until_waiting(&reactor, 0).await;
        theirs.write_all(b"kept").unwrap();
        assert_eq!(&ours.read_pooled(100).await.unwrap()[..], b"kept");
    });
}

#[test]
fn halves_and_unix_streams_have_it_too() {
    run(async {
        let (one, other) = UnixStream::pair().unwrap();
        one.write_all(b"unix").await.unwrap();
        assert_eq!(&other.read_pooled(100).await.unwrap()[..], b"unix");
        let (reader, writer) = other.into_split();
        one.write_all(b"half").await.unwrap();
        assert_eq!(&reader.read_pooled(100).await.unwrap()[..], b"half");
        drop((reader, writer));
        assert_eq!(one.write(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
    });
}
