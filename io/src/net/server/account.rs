//! What a server has to tell: its counts, and how its end went.

use runtime_executor::time::Instant;
use std::{fmt, net::SocketAddr};

/// What a [`Server`](super::Server) has counted since it was made.
///
/// ```
/// # use runtime_io::net::{Server, TcpStream};
/// # use runtime_executor::{spawn, time::Duration};
/// # let reactor = runtime_io::Reactor::new()?;
/// # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
/// # executor.block_on(async {
/// let server = Server::bind("127.0.0.1:0").await?;
/// let serving = spawn(server.serve(async |stream, _peer| stream.write_all(b"hello").await));
/// let client = TcpStream::connect(server.local_addr()?).await?;
/// client.read_exact(&mut [0; 5]).await?;
/// server.drain(Duration::from_secs(10)).await;
/// let stats = server.stats();
/// assert_eq!((stats.accepted, stats.finished, stats.failed, stats.open()), (1, 1, 0, 0));
/// # serving.await.unwrap()?;
/// # std::io::Result::Ok(())
/// # })?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct ServerStats {
    /// Connections that were accepted.
    pub accepted: u64,
    /// Handlers that have ended as they should.
    pub finished: u64,
    /// Handlers that have ended with an error.
    pub failed: u64,
    /// Handlers that have panicked.
    pub panicked: u64,
    /// Handlers that were cancelled otherwise: by the deadline of [`drain`](super::Server::drain), [`abort_clients`](super::Server::abort_clients), or the end of
    /// [`serve`](super::Server::serve).
    pub cancelled: u64,
    /// Handlers that were cancelled because of [`header_timeout`](super::Server::header_timeout).
    pub header_timeouts: u64,
    /// Handlers that were cancelled because of [`idle_timeout`](super::Server::idle_timeout).
    pub idle_timeouts: u64,
    /// Handlers that were cancelled because of [`write_timeout`](super::Server::write_timeout).
    pub write_timeouts: u64,
    /// Attempts to accept that have failed, and were made anew. Want of descriptors is not among them: `accept` waits.
    pub accept_errors: u64,
}

impl ServerStats {
    /// Connections that are open: accepted, and their handlers have not been dropped yet.
    pub fn open(&self) -> u64 {
        let overdue = self.header_timeouts + self.idle_timeouts + self.write_timeouts;
        self.accepted - self.finished - self.failed - self.panicked - self.cancelled - overdue
    }
}

/// How the end of a [`Server`](super::Server) went. The counts are exact: every connection that was open when it stopped
/// accepting, or that its last sweep found in the kernel's queue, is in one of them.
///
/// ```
/// # use runtime_io::net::{Server, TcpStream};
/// # use runtime_executor::{spawn, task::yield_now, time::Duration};
/// # let reactor = runtime_io::Reactor::new()?;
/// # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
/// # executor.block_on(async {
/// let server = Server::bind("127.0.0.1:0").await?.name("session");
/// let serving = spawn(server.serve(async |_stream, _peer| std::future::pending::<()>().await));
/// let client = TcpStream::connect(server.local_addr()?).await?;
/// while server.connections() == 0 {
///     yield_now().await;
/// }
/// let drained = server.drain(Duration::ZERO).await;
/// assert_eq!((drained.finished, drained.forced.len()), (0, 1));
/// let straggler = &drained.forced[0];
/// assert_eq!(straggler.peer, client.local_addr()?);
/// assert_eq!(straggler.name, format!("session {}", straggler.peer));
/// # serving.await.unwrap()?;
/// # std::io::Result::Ok(())
/// # })?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Drained<P = SocketAddr> {
    /// Handlers that came to their own end: a value, an error or a panic.
    pub finished: u64,
    /// Those that were cancelled.
    pub forced: Vec<Straggler<P>>,
}

impl<P> Default for Drained<P> {
    fn default() -> Self {
        Self { finished: 0, forced: Vec::new() }
    }
}

/// A connection whose handler was cancelled while its server ended.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Straggler<P = SocketAddr> {
    /// Whom it was with.
    pub peer: P,
    /// The name of its task.
    pub name: String,
    /// When it was accepted.
    pub since: Instant,
}

impl<P> fmt::Display for Straggler<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, connected for {:.1?}", self.name, self.since.elapsed())
    }
}

impl<P> fmt::Display for Drained<P> {
    /// One line, and one for each straggler.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} connections finished, {} were cut", self.finished, self.forced.len())?;
        self.forced.iter().try_for_each(|straggler| write!(f, "\n  {straggler}"))
    }
}
