//! A network in memory, for the programs of a [`Sim`](super::Sim): sockets that behave as the kernel's do, on a network
//! that behaves as badly as it may.
//!
//! [`TcpListener`] and [`TcpStream`] have the names and methods of those in [`runtime::net`](crate::net), so a program
//! changes over with one line:
//!
//! ```
//! #[cfg(not(test))]
//! use runtime::net::{TcpListener, TcpStream};
//! #[cfg(test)]
//! use runtime::testing::net::{TcpListener, TcpStream};
//! # let _ = |_: TcpListener, _: TcpStream| ();
//! ```
//!
//! or is generic over [`AsyncRead`](crate::io::AsyncRead) and [`AsyncWrite`](crate::io::AsyncWrite). What may go wrong is
//! bounded by a [`Network`]; what does, in which run, the seed chooses. Within a connection bytes arrive in order, and
//! each once, whatever happens: in pieces, late, or, after a reset, no more.
//!
//! ```
//! use runtime::{io::copy, spawn, testing::{Sim, net::{Network, TcpListener, TcpStream}}};
//! use std::time::Duration;
//!
//! let bad = Network::new().splits(0.9).short_reads(0.9).delay(Duration::ZERO..=Duration::from_secs(1));
//! Sim::new().seeds(20).network(bad).run(|| async {
//!     let listener = TcpListener::bind("10.0.0.1:7").await?;
//!     spawn(async move {
//!         let (stream, _) = listener.accept().await?;
//!         copy(&stream, &mut &stream).await // echoes until the client ends its side
//!     })
//!     .detach();
//!     let client = TcpStream::connect("10.0.0.1:7").await?;
//!     client.write_all(b"hello, hello").await?;
//!     let mut echo = [0; 12];
//!     client.read_exact(&mut echo).await?;
//!     assert_eq!(&echo, b"hello, hello");
//!     std::io::Result::Ok(())
//! });
//! ```
//!
//! Every IP address is a host of its own. There are no routes and no names but `localhost`'s numbers; whoever does not
//! say where he [connects from](MemoryStream::connect_from) is on 127.0.0.1. A partition lies between two hosts.

#[cfg(any(feature = "hyper", feature = "tokio-io"))]
mod bridge;
mod connection;
mod faults;
mod hosts;
mod link;
mod listener;
mod shared;
mod stream;

pub use faults::Network;
pub use listener::TcpListener;
pub use stream::{MemoryStream, OwnedReadHalf, OwnedWriteHalf, duplex};

pub use MemoryStream as TcpStream;

pub(super) use hosts::Hosts;

use crate::time::Instant;
use std::net::IpAddr;

/// From now on nothing gets through between two hosts, until they are [healed](heal). What was on its way is late, not
/// lost; so are attempts to connect.
///
/// ```
/// use runtime::{spawn, testing::{Sim, net::{TcpListener, TcpStream, heal, partition}}, time::{sleep, timeout}};
/// use std::{net::IpAddr, time::Duration};
///
/// Sim::new().run(|| async {
///     let (here, there): (IpAddr, IpAddr) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
///     let listener = TcpListener::bind((there, 80)).await?;
///     let client = TcpStream::connect_from(here, (there, 80)).await?;
///     let (server, _) = listener.accept().await?;
///     client.write_all(b"x").await?;
///     partition(here, there);
///     let mut buf = [0; 1];
///     if timeout(Duration::from_secs(60), server.read(&mut buf)).await.is_err() {
///         heal(here, there);
///         server.read_exact(&mut buf).await?;
///     } // otherwise it had arrived before
///     assert_eq!(&buf, b"x");
///     std::io::Result::Ok(())
/// });
/// ```
///
/// # Panics
/// Outside a simulation.
#[track_caller]
pub fn partition(one: impl Into<IpAddr>, other: impl Into<IpAddr>) {
    let hosts = Hosts::current().unwrap_or_else(|error| panic!("{error}"));
    hosts.link(one.into(), other.into()).cut(Instant::now());
}

/// Lets everything through again between two hosts, now and later, also what the seed has cut or was to cut.
///
/// # Panics
/// Outside a simulation.
#[track_caller]
pub fn heal(one: impl Into<IpAddr>, other: impl Into<IpAddr>) {
    let hosts = Hosts::current().unwrap_or_else(|error| panic!("{error}"));
    hosts.link(one.into(), other.into()).heal(Instant::now());
}
