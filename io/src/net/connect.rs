//! How a connection comes about: names looked up, addresses tried in turn, patience.

use super::{addr::ToSocketAddrs, lookup::lookup_host, tcp_socket::TcpSocket, tcp_stream::TcpStream};
use runtime_executor::time::timeout;
use std::{error::Error, fmt, io, net::SocketAddr, time::Duration};

impl TcpStream {
    /// Connects to the first address of `addr` that answers.
    ///
    /// # Errors
    /// If a name cannot be resolved, or of the last address tried; the message names it.
    ///
    /// # Cancel safety
    /// Dropped while it waits, it closes the socket.
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
        let mut last = None;
        for address in lookup_host(addr).await? {
            match TcpSocket::for_address(&address)?.connect(address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = Some(AddressError { verb: "connect to", address, error }),
            }
        }
        Err(AddressError::last(last, "there is no address to connect to"))
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

/// Which address could not be connected or bound to, and why.
#[derive(Debug)]
pub(super) struct AddressError {
    pub(super) verb: &'static str,
    pub(super) address: SocketAddr,
    pub(super) error: io::Error,
}

impl AddressError {
    /// What became of a list of addresses of which none would do.
    pub(super) fn last(last: Option<Self>, none: &'static str) -> io::Error {
        match last {
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
