//! Stories of the end of a connection whose peer still sends.

mod support;

use futures_lite::future::zip;
use runtime_executor::{Executor, spawn, time::Clock};
use runtime_io::{Reactor, net::GRACEFUL_CLOSE_TIME};
use std::{
    io::{ErrorKind, Read, Write},
    net::Shutdown,
    time::Duration,
};
use support::{pair, pair_with_std, pattern, read_to_end, run, run_with, until_waiting};

const REPLY: usize = if cfg!(miri) { 4_000 } else { 200_000 };

#[test]
fn a_reply_survives_unread_input() {
    for _ in 0..if cfg!(miri) { 1 } else { 20 } {
        run(async {
            let (client, server) = pair().await;
            let reply = pattern(REPLY);
            client.write_all(&[1; 1000]).await.unwrap();
            server.readable().await.unwrap();
            let serving = async {
                server.write_all(&reply).await.unwrap();
                server.graceful_close().await
            };
            let asking = async {
                // More, that nobody will read.
                client.write_all(&[2; 50_000]).await.unwrap();
                let received = read_to_end(&client).await;
                client.shutdown(Shutdown::Write).unwrap();
                received
            };
            let (closed, received) = zip(serving, asking).await;
            assert!(received.unwrap() == reply, "the reply is not whole");
            closed.unwrap();
        });
    }
}

#[test]
#[cfg_attr(miri, ignore = "Miri does not reset")]
fn without_it_the_reply_is_destroyed() {
    run(async {
        let (client, server) = pair().await;
        client.write_all(&[1; 1000]).await.unwrap();
        server.readable().await.unwrap();
        // Small enough for the buffers, so that all of it is on its way when the socket is closed.
        server.write_all(&pattern(REPLY)).await.unwrap();
        drop(server);
        let error = read_to_end(&client).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    });
}

#[test]
fn a_peer_that_has_gone_already_is_no_trouble() {
    run(async {
        let (client, server) = pair().await;
        drop(client);
        assert_eq!(read_to_end(&server).await.unwrap(), b"");
        server.graceful_close().await.unwrap();
    });
}

#[test]
fn a_peer_that_never_ends_is_given_up_in_time() {
    run_with(|reactor| async move {
        let (ours, _theirs) = pair_with_std().await;
        let error = ours.graceful_close_within(Duration::from_millis(20)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert_eq!((reactor.registered(), reactor_waiters(&reactor)), (0, 0));
    });
}

fn reactor_waiters(reactor: &Reactor) -> usize {
    runtime_executor::Park::waiters(reactor)
}

#[test]
fn the_usual_patience_is_half_a_minute() {
    let reactor = Reactor::new().unwrap();
    let executor =
        Executor::builder().park(reactor.clone()).extension(reactor.clone()).clock(Clock::paused()).build();
    executor.block_on(async {
        let (ours, _theirs) = pair_with_std().await;
        let closing = spawn(ours.graceful_close());
        until_waiting(&reactor, 1).await;
        runtime_executor::time::advance(GRACEFUL_CLOSE_TIME).await;
        assert_eq!(closing.await.unwrap().unwrap_err().kind(), ErrorKind::TimedOut);
    });
}

#[test]
#[cfg_attr(miri, ignore = "too many bytes for Miri")]
fn a_peer_that_feeds_us_for_nothing_is_given_up() {
    run(async {
        let (ours, mut theirs) = pair_with_std().await;
        let feeder = runtime_executor::spawn_blocking(move || {
            let mouthful = vec![0; 1 << 20];
            while theirs.write_all(&mouthful).is_ok() {}
        });
        let error = ours.graceful_close().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::QuotaExceeded, "{error}");
        feeder.await.unwrap();
    });
}

#[test]
#[cfg_attr(miri, ignore = "Miri leaves a blocking read asleep at the end of its stream")]
fn what_was_written_arrives_before_the_end() {
    run(async {
        let (ours, mut theirs) = pair_with_std().await;
        ours.write_all(b"bye").await.unwrap();
        let peer = runtime_executor::spawn_blocking(move || {
            let mut all = Vec::new();
            theirs.read_to_end(&mut all).unwrap();
            all
        });
        ours.graceful_close().await.unwrap();
        assert_eq!(peer.await.unwrap(), b"bye");
    });
}
