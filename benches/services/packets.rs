//! UDP echo: one socket, one task, and clients that each have one datagram on its way.

use std::io::IoSliceMut;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use async_io::Async;
use runtime::net::Datagram;

use super::serving::{Client, Serving, announce};
use super::{IN_BATCHES, Row, STD, Work};
use crate::peers::Peer;
use crate::peers::ours::Ours;
use crate::peers::smol::Smol;
use crate::peers::tokio_local_runtime::TokioLocalRuntime;

/// Bytes of a datagram.
const SIZE: usize = 64;
/// Datagrams taken and sent by one call, for who can.
const BATCH: usize = 16;

const fn row(
    name: &'static str,
    title: &'static str,
    what: &'static str,
    window: u64,
    connect: Connect,
) -> Row {
    let contenders: &[(&str, fn())] = &[
        (Ours::NAME, ours),
        (IN_BATCHES, ours_many),
        (TokioLocalRuntime::NAME, tokio),
        (Smol::NAME, smol),
        (STD, blocking),
    ];
    Row { name, title, what, operations: 100_000, window, work: Work::Served { contenders, connect } }
}

type Connect = fn(&mut Serving) -> Box<dyn Client>;

pub(super) const ONE: Row = row("udp_one", "UDP echo, 1 client (µs)", "UDP echo, 1 client", 1, |serving| {
    Clients::connect(serving, 1)
});
pub(super) const SIXTEEN: Row =
    row("udp_many", "UDP echo, 16 clients (µs)", "UDP echo, 16 clients", 16, |serving| {
        Clients::connect(serving, 16)
    });

fn ours() {
    Ours::run(async {
        let socket = runtime::net::UdpSocket::bind("127.0.0.1:0").await.expect("bind");
        announce(socket.local_addr().expect("bound"));
        let mut buffer = [0; 2048];
        loop {
            let (length, from) = socket.recv_from(&mut buffer).await.expect("receive");
            socket.send_to(&buffer[..length], from).await.expect("send");
        }
    });
}

/// As many as there are by one call, and their answers by another.
fn ours_many() {
    const ROOM: usize = 2048;
    Ours::run(async {
        let socket = runtime::net::UdpSocket::bind("127.0.0.1:0").await.expect("bind");
        announce(socket.local_addr().expect("bound"));
        let mut memory = vec![0; BATCH * ROOM];
        let mut datagrams = [Datagram::default(); BATCH];
        loop {
            let mut buffers: Vec<_> = memory.chunks_mut(ROOM).map(IoSliceMut::new).collect();
            let count = socket.recv_many(&mut buffers, &mut datagrams).await.expect("receive");
            let answers: Vec<(&[u8], SocketAddr)> = datagrams[..count]
                .iter()
                .zip(&buffers)
                .map(|(datagram, buffer)| (&buffer[..datagram.len()], datagram.from()))
                .collect();
            let mut rest = &answers[..];
            while !rest.is_empty() {
                rest = &rest[socket.send_many_to(rest).await.expect("send")..];
            }
        }
    });
}

/// No runtime at all: what the kernel takes for a datagram and its answer.
fn blocking() {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("bind");
    announce(socket.local_addr().expect("bound"));
    let mut buffer = [0; 2048];
    loop {
        let (length, from) = socket.recv_from(&mut buffer).expect("receive");
        socket.send_to(&buffer[..length], from).expect("send");
    }
}

fn tokio() {
    TokioLocalRuntime::run(async {
        let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.expect("bind");
        announce(socket.local_addr().expect("bound"));
        let mut buffer = [0; 2048];
        loop {
            let (length, from) = socket.recv_from(&mut buffer).await.expect("receive");
            socket.send_to(&buffer[..length], from).await.expect("send");
        }
    });
}

fn smol() {
    Smol::run(async {
        let socket = Async::<UdpSocket>::bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("bind");
        announce(socket.get_ref().local_addr().expect("bound"));
        let mut buffer = [0; 2048];
        loop {
            let (length, from) = socket.recv_from(&mut buffer).await.expect("receive");
            socket.send_to(&buffer[..length], from).await.expect("send");
        }
    });
}

/// Sockets that each send one, and then all wait for theirs.
struct Clients(Vec<UdpSocket>);

impl Clients {
    fn connect(serving: &mut Serving, clients: usize) -> Box<dyn Client> {
        let sockets = (0..clients).map(|_| {
            let socket = UdpSocket::bind("127.0.0.1:0").expect("bind");
            socket.connect(&serving.address).expect("connect");
            // A datagram may be lost in principle. On this interface with so few under way it means a bug.
            socket.set_read_timeout(Some(Duration::from_secs(10))).expect("a limit");
            socket
        });
        Box::new(Clients(sockets.collect()))
    }
}

impl Client for Clients {
    fn exchange(&mut self, operations: u64) {
        let mut answer = [0; 2 * SIZE];
        for round in 0..operations / self.0.len() as u64 {
            let mut message = [0x5a; SIZE];
            message[..8].copy_from_slice(&round.to_le_bytes());
            for (index, socket) in self.0.iter().enumerate() {
                message[8] = u8::try_from(index).expect("few clients");
                assert_eq!(socket.send(&message).expect("send"), SIZE);
            }
            // The last one first: when it has its answer all have.
            for (index, socket) in self.0.iter().enumerate().rev() {
                message[8] = u8::try_from(index).expect("few clients");
                let length = socket.recv(&mut answer).expect("an answer within ten seconds");
                assert_eq!(answer[..length], message, "the echo differs");
            }
        }
    }
}
