//! Addresses and options of a TCP connection: they wait for nothing, so they work on any thread.

use super::{connection::sealed::Connected, forward::forward, tcp_stream::TcpStream};
use socket2::SockRef;
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
