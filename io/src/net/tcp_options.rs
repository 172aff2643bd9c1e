//! Addresses and options of a TCP connection: they wait for nothing, so they work on any thread.

use super::{connection::sealed::Connected, forward::forward, tcp_stream::TcpStream};
use socket2::{SockRef, TcpKeepalive};
use std::{io, net::SocketAddr, time::Duration};

forward!(addresses, [] TcpStream, SocketAddr, |self| self.connection());

impl TcpStream {
    /// Whether small writes are sent at once rather than collected (`TCP_NODELAY`).
    ///
    /// # Errors
    /// What the system says.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.connection().get_ref().nodelay()
    }

    /// Sets [`nodelay`](Self::nodelay).
    ///
    /// # Errors
    /// What the system says.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.connection().get_ref().set_nodelay(nodelay)
    }

    /// Whether the peer is probed while the connection is idle (`SO_KEEPALIVE`): if it does not answer, operations fail with
    /// `TimedOut`. Without that a peer that has vanished is noticed by who sends it something, and by who waits for it never.
    ///
    /// # Errors
    /// What the system says.
    pub fn keepalive(&self) -> io::Result<bool> {
        SockRef::from(self).keepalive()
    }

    /// Sets [`keepalive`](Self::keepalive), with the system's own times: on Linux the first probe is two hours away.
    ///
    /// # Errors
    /// What the system says.
    pub fn set_keepalive(&self, keepalive: bool) -> io::Result<()> {
        SockRef::from(self).set_keepalive(keepalive)
    }

    /// Switches [`keepalive`](Self::keepalive) on, with the first probe after `idle`, and further ones every `interval`.
    ///
    /// # Errors
    /// What the system says, such as `InvalidInput` for a time of less than a second.
    ///
    /// ```
    /// # use runtime_io::net::{TcpListener, TcpStream};
    /// # let reactor = runtime_io::Reactor::new()?;
    /// # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
    /// # executor.block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// use std::time::Duration;
    /// let database = TcpStream::connect(listener.local_addr()?).await?;
    /// assert!(!database.keepalive()?);
    /// database.set_keepalive_times(Duration::from_secs(60), Duration::from_secs(10))?;
    /// assert!(database.keepalive()?);
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn set_keepalive_times(&self, idle: Duration, interval: Duration) -> io::Result<()> {
        SockRef::from(self).set_tcp_keepalive(&keepalive_times(idle, interval))
    }

    /// What closing does with bytes not yet sent (`SO_LINGER`).
    ///
    /// # Errors
    /// What the system says.
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        SockRef::from(self).linger()
    }

    /// Sets [`linger`](Self::linger). `Some(ZERO)` makes closing a reset that throws them away; a longer time makes
    /// closing block the whole thread, so prefer [`graceful_close`](Self::graceful_close).
    ///
    /// # Errors
    /// What the system says.
    pub fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        SockRef::from(self).set_linger(linger)
    }

    /// How many routers a packet may pass (IPv4's time to live).
    ///
    /// # Errors
    /// What the system says.
    pub fn ttl(&self) -> io::Result<u32> {
        self.connection().get_ref().ttl()
    }

    /// Sets [`ttl`](Self::ttl).
    ///
    /// # Errors
    /// What the system says.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.connection().get_ref().set_ttl(ttl)
    }

    /// Takes the error that the system holds for this socket, if any.
    ///
    /// # Errors
    /// What the system says.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.connection().get_ref().take_error()
    }
}

/// The interval where the system can be told.
pub(super) fn keepalive_times(idle: Duration, interval: Duration) -> TcpKeepalive {
    let times = TcpKeepalive::new().with_time(idle);
    #[cfg(not(target_os = "openbsd"))]
    let times = times.with_interval(interval);
    #[cfg(target_os = "openbsd")]
    let _ = interval;
    times
}
