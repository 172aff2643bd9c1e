//! TERM and INT: who is waited for, who is cut, and what the exit code says of it.

use super::{
    protocol::{Command, Reply, Request},
    under_test::{UnderTest, until},
};
use crate::journal::Record;
use nix::sys::signal::{Signal, killpg};
use runtime::{net::TcpStream, time::Instant};
use std::{net::TcpListener, os::unix::process::ExitStatusExt, time::Duration};

/// A connection whose request is being carried out, for so long.
async fn lingering(cluster: &UnderTest, id: u64, milliseconds: u64) -> TcpStream {
    let stream = TcpStream::connect(cluster.address).await.expect("somebody listens");
    let request = Request { id, command: Command::Linger, argument: milliseconds };
    request.write(&stream).await.expect("it is connected");
    until("the request has arrived", || {
        cluster.journal().iter().any(|(_, record)| *record == Record::Executed(id)).then_some(())
    })
    .await;
    stream
}

pub(crate) fn in_flight() {
    runtime::run(async {
        let mut cluster = UnderTest::start("in-flight", "").await;
        cluster.until_serving(2).await;
        let streams = [lingering(&cluster, 1, 400).await, lingering(&cluster, 2, 300).await];
        cluster.signal(Signal::SIGTERM);
        for (stream, id) in streams.into_iter().zip(1..) {
            let reply = Reply::read(&stream).await.expect("what is in flight is finished");
            let end = stream.read(&mut [0]).await.expect("an orderly end");
            assert_eq!((reply.id, reply.is_last, end), (id, true, 0));
        }
        assert_eq!(cluster.ended().await.code(), Some(0), "{}", cluster.log());
        TcpListener::bind(cluster.address).expect("the address is free again");
    });
}

/// Three requests outlast the grace period: they are cut, and counted to the one.
pub(crate) fn deadline() {
    runtime::run(async {
        let mut cluster = UnderTest::start("deadline", "grace_ms=300").await;
        cluster.until_serving(2).await;
        let mut streams = Vec::new();
        for id in 1..=3 {
            streams.push(lingering(&cluster, id, 60_000).await);
        }
        let began = Instant::now();
        cluster.signal(Signal::SIGTERM);
        assert_eq!(cluster.ended().await.code(), Some(124), "{}", cluster.log());
        assert!(began.elapsed() >= Duration::from_millis(300), "they had their time");
        assert!(began.elapsed() < Duration::from_secs(10), "and no more than that");
        let log = cluster.log();
        assert!(log.contains("3 connections cut"), "the log does not say how many were cut:\n{log}");
    });
}

pub(crate) fn second_signal() {
    runtime::run(async {
        let mut cluster = UnderTest::start("hurry", "grace_ms=60000").await;
        cluster.until_serving(2).await;
        let _stream = lingering(&cluster, 1, 60_000).await;
        cluster.signal(Signal::SIGTERM);
        until("the stop has begun", || cluster.log().contains("stop").then_some(())).await;
        let began = Instant::now();
        cluster.signal(Signal::SIGTERM);
        // It was to be cut, so that it was is no failure.
        assert_eq!(cluster.ended().await.code(), Some(0), "{}", cluster.log());
        assert!(began.elapsed() < Duration::from_secs(10), "the grace period was a minute");
        assert!(cluster.log().contains("1 open connection"), "but it is told:\n{}", cluster.log());
    });
}

/// As a terminal or a service manager does it: all processes get the signal at once. It is one graceful stop all the same.
pub(crate) fn group() {
    runtime::run(async {
        for signal in [Signal::SIGTERM, Signal::SIGINT] {
            let mut cluster = UnderTest::start("group", "").await;
            cluster.until_serving(2).await;
            // A fast stop cuts what is in flight; a graceful one waits for it.
            let stream = lingering(&cluster, 1, if signal == Signal::SIGTERM { 300 } else { 60_000 }).await;
            killpg(cluster.supervisor(), signal).expect("it leads a group of its own");
            if signal == Signal::SIGTERM {
                let reply = Reply::read(&stream).await.expect("what is in flight is finished");
                assert_eq!(reply.id, 1);
            }
            // A server waits for its client's end.
            drop(stream);
            let status = cluster.ended().await;
            assert_eq!((status.signal(), status.code()), (None, Some(0)), "it has ended by itself");
        }
    });
}
