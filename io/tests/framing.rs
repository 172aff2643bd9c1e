//! Stories of frames on streams: whole whatever pieces they come in, limited in length, and with an end.
#![cfg(feature = "codec")]

mod support;

use futures_lite::future::poll_once;
use runtime_executor::{settle, spawn, task::yield_now};
use runtime_io::{
    io::{ErrorKind, codec, duplex},
    net::Shutdown,
};
use support::{pair, run};

#[test]
fn frames_arrive_whole_whatever_pieces_they_come_in() {
    run(async {
        for capacity in [1, 3, 1000] {
            let (one, other) = duplex(capacity);
            let sending = spawn(async move {
                let mut frames = codec::frames(one, 10_000);
                for n in 0..50_usize {
                    frames.send(&vec![n as u8; n * n][..]).await.unwrap();
                }
                frames.close().await.unwrap();
                assert!(frames.next().await.is_none());
            });
            let mut frames = codec::frames(other, 10_000);
            for n in 0..50_usize {
                assert_eq!(frames.next().await.unwrap().unwrap(), vec![n as u8; n * n]);
            }
            assert!(frames.next().await.is_none());
            drop(frames);
            sending.await.unwrap();
        }
    });
}

#[test]
fn a_frame_that_would_be_too_long_is_refused_before_there_is_room_for_it() {
    run(async {
        let (one, other) = duplex(100);
        one.write_all(&u32::MAX.to_be_bytes()).await.unwrap();
        let mut frames = codec::frames(other, 1000);
        assert_eq!(frames.next().await.unwrap().unwrap_err().kind(), ErrorKind::InvalidData);
        assert!(frames.next().await.is_none(), "nobody knows where the next begins");
        let error = frames.send(&[0; 1001][..]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    });
}

#[test]
fn a_line_that_never_ends_takes_no_memory_and_the_next_is_read() {
    run(async {
        let (one, other) = pair().await;
        let sending = spawn(async move {
            for _ in 0..100 {
                one.write_all(&[b'x'; 10_000]).await.unwrap();
            }
            one.write_all("\nshort\n".as_bytes()).await.unwrap();
        });
        let mut lines = codec::lines(other, 100);
        let error = lines.next().await.unwrap().unwrap_err();
        assert!(matches!(error, codec::LinesCodecError::MaxLineLengthExceeded), "{error}");
        let next = loop {
            // tokio-util says so once more, as an end that is none, before it goes on.
            if let Some(next) = lines.next().await {
                break next;
            }
        };
        assert_eq!(next.unwrap(), "short");
        sending.await.unwrap();
    });
}

#[test]
fn a_stream_that_ends_within_a_frame_is_an_error() {
    run(async {
        let (one, other) = duplex(100);
        one.write_all(&[0, 0, 0, 10, 1, 2, 3]).await.unwrap();
        one.shutdown(Shutdown::Write);
        let mut frames = codec::frames(other, 100);
        let error = frames.next().await.unwrap().unwrap_err();
        assert!(error.to_string().contains("bytes remaining"), "{error}");
    });
}

#[test]
fn giving_up_on_the_next_frame_loses_no_part_of_it() {
    run(async {
        let (one, other) = duplex(100);
        let mut lines = codec::lines(other, 100);
        for part in ["in ", "three ", "parts"] {
            one.write_all(part.as_bytes()).await.unwrap();
            assert!(poll_once(lines.next()).await.is_none());
        }
        one.write_all(b"\n").await.unwrap();
        assert_eq!(lines.next().await.unwrap().unwrap(), "in three parts");
    });
}

#[test]
fn what_is_fed_goes_out_together_when_it_is_flushed() {
    run(async {
        let (one, other) = duplex(100);
        let mut lines = codec::lines(one, 100);
        for word in ["each", "a", "line"] {
            lines.feed(word).await.unwrap();
        }
        settle().await;
        let mut buf = [0; 100];
        assert_eq!(other.try_read(&mut buf).unwrap_err().kind(), ErrorKind::WouldBlock);
        lines.flush().await.unwrap();
        assert_eq!(other.try_read(&mut buf).unwrap(), 12);
        assert_eq!(&buf[..12], b"each\na\nline\n");
    });
}

#[test]
fn a_peer_that_does_not_read_holds_the_sender() {
    run(async {
        let (one, other) = duplex(100);
        let sending = spawn(async move {
            let mut frames = codec::frames(one, 100_000);
            frames.send(&[1; 50_000][..]).await.unwrap();
        });
        settle().await;
        assert!(!sending.is_finished());
        let mut received = vec![0; 50_004];
        other.read_exact(&mut received).await.unwrap();
        sending.await.unwrap();
    });
}

#[test]
fn a_buffer_full_of_frames_lets_others_have_their_turn() {
    run(async {
        let (one, other) = duplex(10_000);
        one.write_all(&[b'\n'; 5000]).await.unwrap();
        drop(one);
        let counting = spawn(async move {
            let mut lines = codec::lines(other, 10);
            let mut count = 0;
            while let Some(line) = lines.next().await {
                assert_eq!(line.unwrap(), "");
                count += 1;
            }
            count
        });
        yield_now().await;
        assert!(!counting.is_finished(), "5000 frames in one poll");
        assert_eq!(counting.await.unwrap(), 5000);
    });
}
