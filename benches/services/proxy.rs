//! A proxy: every connection is joined to one of its own to an echo server, by the runtime's own `copy_bidirectional` or the
//! idiom of its documentation. Only the proxy is measured.

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use async_io::Async;
use futures_lite::future::zip;

use super::serving::{Client, Serving, announce};
use super::{Row, Work};
use crate::common::load::{Load, Shape};
use crate::peers::ours::Ours;
use crate::peers::smol::Smol;
use crate::peers::tokio_local_runtime::TokioLocalRuntime;
use crate::peers::{Peer, raw_mio};

const CONTENDERS: &[(&str, fn())] =
    &[(Ours::NAME, ours), (TokioLocalRuntime::NAME, tokio), (Smol::NAME, smol)];

pub(super) const SMALL: Row = Row {
    name: "proxy_small",
    title: "proxy, 64 B × 64 connections (µs per request)",
    what: "proxied request of 64 B",
    operations: 60_000,
    window: 64,
    work: Work::Served {
        contenders: CONTENDERS,
        connect: |serving| Asking::connect(serving, Shape { connections: 64, size: 64, depth: 1 }),
    },
};
pub(super) const STREAMING: Row = Row {
    name: "proxy_streaming",
    title: "proxy, 64 KiB, 8 connections × 2 (µs per request)",
    what: "proxied request of 64 KiB",
    operations: 10_000,
    window: 16,
    work: Work::Served {
        contenders: CONTENDERS,
        connect: |serving| Asking::connect(serving, Shape { connections: 8, size: 64 * 1024, depth: 2 }),
    },
};

/// Where the proxy finds the server: written to its standard input.
fn backend() -> SocketAddr {
    announce("-");
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).expect("a line");
    line.trim().parse().expect("an address")
}

fn ours() {
    let backend = backend();
    Ours::run(async move {
        let listener = runtime::net::TcpListener::bind("127.0.0.1:0").await.expect("bind");
        println!("{}", listener.local_addr().expect("bound"));
        loop {
            let (mut client, _) = listener.accept().await.expect("accept");
            Ours::spawn_detached(async move {
                let mut server = runtime::net::TcpStream::connect(backend).await.expect("connect");
                client.set_nodelay(true).expect("TCP_NODELAY");
                server.set_nodelay(true).expect("TCP_NODELAY");
                drop(runtime::io::copy_bidirectional(&mut client, &mut server).await);
            });
        }
    });
}

fn tokio() {
    let backend = backend();
    TokioLocalRuntime::run(async move {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bind");
        println!("{}", listener.local_addr().expect("bound"));
        loop {
            let (mut client, _) = listener.accept().await.expect("accept");
            TokioLocalRuntime::spawn_detached(async move {
                let mut server = tokio::net::TcpStream::connect(backend).await.expect("connect");
                client.set_nodelay(true).expect("TCP_NODELAY");
                server.set_nodelay(true).expect("TCP_NODELAY");
                drop(tokio::io::copy_bidirectional(&mut client, &mut server).await);
            });
        }
    });
}

/// smol has no such function; two copies beside each other are what its examples show.
fn smol() {
    let backend = backend();
    Smol::run(async move {
        let listener = Async::<TcpListener>::bind(([127, 0, 0, 1], 0)).expect("bind");
        println!("{}", listener.get_ref().local_addr().expect("bound"));
        loop {
            let (client, _) = listener.accept().await.expect("accept");
            Smol::spawn_detached(async move {
                let server = Async::<TcpStream>::connect(backend).await.expect("connect");
                client.get_ref().set_nodelay(true).expect("TCP_NODELAY");
                server.get_ref().set_nodelay(true).expect("TCP_NODELAY");
                let there = futures_lite::io::copy(&client, &server);
                drop(zip(there, futures_lite::io::copy(&server, &client)).await);
            });
        }
    });
}

/// The client of the echo rows; the server behind the proxy is their floor, on a thread of this process.
struct Asking(Load);

impl Asking {
    #[expect(clippy::disallowed_methods, reason = "a server beside what is measured")]
    fn connect(serving: &mut Serving, shape: Shape) -> Box<dyn Client> {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        listener.set_nonblocking(true).expect("O_NONBLOCK");
        let place = listener.local_addr().expect("bound");
        thread::spawn(move || raw_mio::serve(listener));
        // The first line was only a sign of life: the proxy listens when it knows where to.
        let stdin = serving.stdin.as_mut().expect("piped");
        writeln!(stdin, "{place}").expect("write");
        let address = serving.read_line().parse().expect("an address");
        Box::new(Asking(Load::connect(address, shape)))
    }
}

impl Client for Asking {
    fn exchange(&mut self, operations: u64) {
        self.0.run_count(operations);
    }
}
