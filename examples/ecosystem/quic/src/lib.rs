//! QUIC by `quinn`, on our sockets, tasks and timers.
//!
//! `quinn` has the protocol, and asks a [`quinn::Runtime`] for the rest, which [`Runtime`] is: its tasks are ours, its timers
//! follow our clock, its datagrams go through our reactor, several of them in one system call where Linux can do that.
//!
//! ```
//! use quic::{endpoint, self_signed};
//!
//! # #[runtime::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (for_servers, for_clients) = self_signed("localhost")?;
//! let server = endpoint("127.0.0.1:0".parse()?, Some(for_servers))?;
//! let address = server.local_addr()?;
//! runtime::spawn(async move {
//!     let connection = server.accept().await.expect("somebody comes").await?;
//!     let (mut answer, mut question) = connection.accept_bi().await?;
//!     assert_eq!(question.read_to_end(100).await?, b"ping");
//!     answer.write_all(b"pong").await?;
//!     answer.finish()?;
//!     connection.closed().await; // what is on its way needs somebody who sends it again
//!     Ok::<_, Box<dyn std::error::Error>>(())
//! })
//! .detach();
//!
//! let client = endpoint("127.0.0.1:0".parse()?, None)?;
//! let connection = client.connect_with(for_clients, address, "localhost")?.await?;
//! let (mut question, mut answer) = connection.open_bi().await?;
//! question.write_all(b"ping").await?;
//! question.finish()?;
//! assert_eq!(answer.read_to_end(100).await?, b"pong");
//!
//! connection.close(0_u8.into(), b"thank you");
//! client.wait_idle().await; // until the peer knows of it: otherwise it waits for a while, and gives us up
//! # Ok(())
//! # }
//! ```
//!
//! An endpoint belongs to the runtime in which it was made, and so does the work for its connections. Handles to it, to
//! connections and to streams may be used on other threads all the same: what they are asked for is done at home.

mod socket;

use quinn::{AsyncTimer, AsyncUdpSocket, ClientConfig, Endpoint, EndpointConfig, ServerConfig, rustls};
use runtime::{
    Handle,
    time::{self, Instant, Sleep},
};
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, PrivatePkcs8KeyDer},
};
use std::{
    error::Error,
    future::Future,
    io,
    net::{SocketAddr, UdpSocket},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Instant as StdInstant,
};

/// An endpoint at a local address, for connections that it makes, and, if it is told how to, for those that it accepts.
///
/// # Errors
/// If the address cannot be had.
///
/// # Panics
/// Outside of a runtime.
#[track_caller]
pub fn endpoint(address: SocketAddr, server: Option<ServerConfig>) -> io::Result<Endpoint> {
    Endpoint::new(EndpointConfig::default(), server, UdpSocket::bind(address)?, Arc::new(Runtime::current()))
}

/// A server with a new certificate in the name `name`, and clients that trust this certificate and no other: for tests and
/// first steps. Whoever serves strangers has a certificate that they trust, for [`ServerConfig::with_single_cert`].
///
/// # Errors
/// If `name` is no name that a certificate can have.
pub fn self_signed(name: &str) -> Result<(ServerConfig, ClientConfig), Box<dyn Error>> {
    let certified = rcgen::generate_simple_self_signed([name.to_owned()])?;
    let certificate = CertificateDer::from(certified.cert);
    let key = PrivatePkcs8KeyDer::from(certified.signing_key.serialize_der());
    let server = ServerConfig::with_single_cert(vec![certificate.clone()], key.into())?;
    let mut trusted = RootCertStore::empty();
    trusted.add(certificate)?;
    Ok((server, ClientConfig::with_root_certificates(Arc::new(trusted))?))
}

/// What `quinn` wants of a runtime: for [`Endpoint::new`], where [`endpoint`] will not do.
#[derive(Clone, Debug)]
pub struct Runtime {
    home: Handle,
}

impl Runtime {
    /// The runtime of this thread.
    ///
    /// # Panics
    /// If there is none.
    #[track_caller]
    pub fn current() -> Self {
        Self { home: Handle::current() }
    }
}

impl quinn::Runtime for Runtime {
    fn new_timer(&self, deadline: StdInstant) -> Pin<Box<dyn AsyncTimer>> {
        Box::pin(Timer(time::sleep_until(deadline.into())))
    }

    /// At home, where the socket is, also for who begins a connection on another thread.
    fn spawn(&self, future: Pin<Box<dyn Future<Output = ()> + Send>>) {
        drop(self.home.spawn(move || future));
    }

    fn wrap_udp_socket(&self, socket: UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        Ok(Arc::new(socket::Socket::new(socket)?))
    }

    fn now(&self) -> StdInstant {
        Instant::now().into()
    }
}

/// A timer as `quinn` keeps it: one for each connection, moved again and again.
#[derive(Debug)]
struct Timer(Sleep);

impl AsyncTimer for Timer {
    fn reset(mut self: Pin<&mut Self>, deadline: StdInstant) {
        self.0.reset(deadline.into());
    }

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(context)
    }
}
