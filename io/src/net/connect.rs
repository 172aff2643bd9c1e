//! How a connection comes about: names looked up, addresses tried, patience.

use super::{
    addr::{ToSocketAddrs, sealed::Query},
    attempts::{Attempts, interleaved},
    lookup,
    tcp_socket::TcpSocket,
    tcp_stream::TcpStream,
};
use crate::sys;
use runtime_executor::time::timeout;
use std::{error::Error, fmt, io, net::SocketAddr, time::Duration};

impl TcpStream {
    /// Connects to the first address of `addr` that answers.
    ///
    /// Of a host with several addresses the next is tried when one has failed, and **beside** it when it has not answered
    /// within [`CONNECT_STAGGER`](super::CONNECT_STAGGER); IPv6 and IPv4 take turns, beginning with what the system prefers
    /// (RFC 8305, "Happy Eyeballs"), at most [`MAX_CONNECT_ATTEMPTS`](super::MAX_CONNECT_ATTEMPTS) at once. The first that answers is taken, and the others are closed. A slice of addresses is
    /// tried in its own order, in the same manner.
    ///
    /// # Errors
    /// If a name cannot be resolved, or of the last address that failed; the message says why for each.
    ///
    /// # Cancel safety
    /// Dropped while it waits, it closes every socket that it has opened.
    ///
    /// ```
    /// # use runtime_io::net::{TcpListener, TcpStream};
    /// # let reactor = runtime_io::Reactor::new()?;
    /// # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
    /// # executor.block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// # let port = listener.local_addr()?.port();
    /// let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    /// assert_eq!(stream.peer_addr()?.port(), port);
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn connect(addr: impl ToSocketAddrs) -> io::Result<Self> {
        let query = addr.query()?;
        let is_name = matches!(query, Query::Host(..));
        let mut addresses = lookup::answer(query).await?;
        if addresses.len() == 1
            && let Some(address) = addresses.next()
        {
            let connected = connect_to(address).await;
            return connected.map_err(|error| {
                AddressError::last(Some(AddressError { verb: "connect to", address, error }), "")
            });
        }
        let order = if is_name { interleaved(addresses) } else { addresses.collect() };
        Attempts::new(order, connect_to).await
    }

    /// [`connect`](Self::connect), given up after `limit` for all addresses and the look-up together.
    ///
    /// # Errors
    /// As for `connect`, or `TimedOut`.
    ///
    /// # Cancel safety
    /// Dropped while it waits, it closes the socket.
    ///
    /// ```
    /// # use runtime_io::net::{Shutdown, TcpListener, TcpStream};
    /// # let reactor = runtime_io::Reactor::new()?;
    /// # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
    /// # executor.block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// # let client = TcpStream::connect(listener.local_addr()?).await?;
    /// # let (server, _) = listener.accept().await?;
    /// use std::time::Duration;
    /// let address = listener.local_addr()?;
    /// let stream = TcpStream::connect_timeout(address, Duration::from_secs(3)).await?;
    /// # drop((stream, client, server));
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn connect_timeout(addr: impl ToSocketAddrs, limit: Duration) -> io::Result<Self> {
        timeout(limit, Self::connect(addr)).await.unwrap_or_else(|_| {
            Err(io::Error::new(io::ErrorKind::TimedOut, format!("no connection within {limit:?}")))
        })
    }
}

async fn connect_to(address: SocketAddr) -> io::Result<TcpStream> {
    TcpSocket::for_address(&address)?.connect(address).await
}

/// Which address could not be connected or bound to, and why.
#[derive(Debug)]
pub(super) struct AddressError {
    pub(super) verb: &'static str,
    pub(super) address: SocketAddr,
    pub(super) error: io::Error,
}

impl AddressError {
    /// Whether the address has nothing to do with it: this process, or the system, has no descriptor left, or no memory.
    pub(super) fn is_ours(&self) -> bool {
        sys::socket::is_exhausted(&self.error)
    }

    /// What became of a list of addresses of which none would do.
    pub(super) fn last(last: Option<Self>, none: &'static str) -> io::Error {
        match last {
            Some(last) if last.is_ours() => last.error,
            Some(last) => io::Error::new(last.error.kind(), last),
            None => io::Error::new(io::ErrorKind::InvalidInput, none),
        }
    }
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} {}: {}", self.verb, self.address, self.error)
    }
}

impl Error for AddressError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.error)
    }
}
