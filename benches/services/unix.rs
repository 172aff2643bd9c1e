//! Echo on Unix stream sockets, 64 connections.

use std::env;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;

use async_io::Async;
use futures_lite::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::serving::{Client, announce};
use super::{Row, Work};
use crate::peers::ours::Ours;
use crate::peers::smol::Smol;
use crate::peers::tokio_local_runtime::TokioLocalRuntime;
use crate::peers::{ECHO_BUFFER_BYTES, Peer};

const CONNECTIONS: usize = 64;
/// Bytes of a message.
const SIZE: usize = 64;

pub(super) const ECHO: Row = Row {
    name: "unix_echo",
    title: "Unix stream echo, 64 B × 64 connections (µs)",
    what: "Unix stream echo",
    operations: 200_000,
    window: CONNECTIONS as u64,
    work: Work::Served {
        contenders: &[(Ours::NAME, ours), (TokioLocalRuntime::NAME, tokio), (Smol::NAME, smol)],
        connect: |serving| {
            let connect = |_| UnixStream::connect(&serving.address).expect("connect");
            Box::new(Clients((0..CONNECTIONS).map(connect).collect()))
        },
    },
};

fn bound() -> (UnixListener, PathBuf) {
    let path = env::temp_dir().join(format!("runtime-bench-{}", std::process::id()));
    let listener = UnixListener::bind(&path).expect("bind");
    listener.set_nonblocking(true).expect("O_NONBLOCK");
    (listener, path)
}

/// The path has done its work when all are connected.
fn accepted(path: &PathBuf, connections: &mut usize) {
    *connections += 1;
    if *connections == CONNECTIONS {
        std::fs::remove_file(path).expect("our path");
    }
}

fn ours() {
    Ours::run(async {
        let (listener, path) = bound();
        let listener = runtime::net::UnixListener::from_std(listener).expect("a listener");
        announce(path.display());
        let mut connections = 0;
        loop {
            let (stream, _) = listener.accept().await.expect("accept");
            accepted(&path, &mut connections);
            Ours::spawn_detached(async move {
                let mut buffer = vec![0; ECHO_BUFFER_BYTES];
                while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                    stream.write_all(&buffer[..read]).await.expect("write");
                }
            });
        }
    });
}

fn tokio() {
    TokioLocalRuntime::run(async {
        let (listener, path) = bound();
        let listener = tokio::net::UnixListener::from_std(listener).expect("a listener");
        announce(path.display());
        let mut connections = 0;
        loop {
            let (mut stream, _) = listener.accept().await.expect("accept");
            accepted(&path, &mut connections);
            TokioLocalRuntime::spawn_detached(async move {
                let mut buffer = vec![0; ECHO_BUFFER_BYTES];
                while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                    stream.write_all(&buffer[..read]).await.expect("write");
                }
            });
        }
    });
}

fn smol() {
    Smol::run(async {
        let (listener, path) = bound();
        let listener = Async::new_nonblocking(listener).expect("a listener");
        announce(path.display());
        let mut connections = 0;
        loop {
            let (mut stream, _) = listener.accept().await.expect("accept");
            accepted(&path, &mut connections);
            Smol::spawn_detached(async move {
                let mut buffer = vec![0; ECHO_BUFFER_BYTES];
                while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                    stream.write_all(&buffer[..read]).await.expect("write");
                }
            });
        }
    });
}

/// Each sends one, and then all wait for theirs.
struct Clients(Vec<UnixStream>);

impl Client for Clients {
    fn exchange(&mut self, operations: u64) {
        for round in 0..operations / CONNECTIONS as u64 {
            let mut message = [0xa5; SIZE];
            message[..8].copy_from_slice(&round.to_le_bytes());
            for (index, mut stream) in self.0.iter().enumerate() {
                message[8] = u8::try_from(index).expect("few clients");
                stream.write_all(&message).expect("write");
            }
            // The last one first: when it has its answer all have.
            for (index, mut stream) in self.0.iter().enumerate().rev() {
                message[8] = u8::try_from(index).expect("few clients");
                let mut answer = [0; SIZE];
                stream.read_exact(&mut answer).expect("an answer");
                assert_eq!(answer, message, "the echo differs");
            }
        }
    }
}
