//! A TCP socket that accepts connections, one after the other.

use super::{addresses::ToSocketAddrs, stream::TcpStream};
use crate::{
    green::{
        options::{as_std, descriptor, nonblocking},
        parked::{Manner, parked},
    },
    greenlet, net,
};
use std::{
    fmt, io,
    iter::FusedIterator,
    net::SocketAddr,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
    sync::Arc,
};

/// [`std::net::TcpListener`], parking only the greenlet.
///
/// In a greenlet of a cluster's worker `bind` gives the listener that all workers share; see
/// [`net::TcpListener`](crate::net::TcpListener), also for what happens when the process runs out of descriptors.
///
/// ```
/// use runtime::green::net::{TcpListener, TcpStream};
///
/// #[runtime::main]
/// fn main() -> std::io::Result<()> {
///     let listener = TcpListener::bind("127.0.0.1:0")?;
///     let client = TcpStream::connect(listener.local_addr()?)?;
///     let (_server, peer) = listener.accept()?;
///     assert_eq!(peer, client.local_addr()?);
///     Ok(())
/// }
/// ```
pub struct TcpListener {
    /// Clones share it, since the workers of a cluster know it by its descriptor.
    socket: Arc<net::TcpListener>,
    manner: Manner,
}

impl TcpListener {
    /// Listens on the first address of `addr` that can be had.
    ///
    /// # Errors
    /// If a name cannot be resolved, or of the last address tried, such as `AddrInUse`.
    #[track_caller]
    pub fn bind<A: ToSocketAddrs>(addr: A) -> io::Result<Self> {
        let addresses = addr.to_socket_addrs()?.collect::<Vec<_>>();
        if greenlet::is_inside() {
            return greenlet::wait(net::TcpListener::bind(&*addresses)).map(Self::from);
        }
        Self::from_std(std::net::TcpListener::bind(&*addresses)?)
    }

    /// Wraps a listener of the standard library, and makes it non-blocking for everybody who shares it.
    ///
    /// # Errors
    /// If the system refuses that.
    pub fn from_std(listener: std::net::TcpListener) -> io::Result<Self> {
        net::TcpListener::from_std(listener).map(Self::from)
    }

    /// Takes the listener out. It is non-blocking still. If a clone has it still, this is a duplicate.
    ///
    /// # Errors
    /// If the process has no descriptor left for that.
    pub fn into_std(self) -> io::Result<std::net::TcpListener> {
        match Arc::try_unwrap(self.socket) {
            Ok(socket) => Ok(socket.into_std()),
            Err(shared) => Ok(shared.as_fd().try_clone_to_owned()?.into()),
        }
    }

    /// Waits for the next connection.
    ///
    /// # Errors
    /// What the system says of the listener itself.
    #[track_caller]
    pub fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let accepted = parked!(self, Read, self.socket.accept(), self.accept_in_person());
        accepted.map(|(stream, peer)| (TcpStream::from(stream), peer))
    }

    fn accept_in_person(&self) -> io::Result<(net::TcpStream, SocketAddr)> {
        if self.socket.is_paused() {
            // What is in the queue is for others, and would be announced again and again.
            return Err(io::Error::new(io::ErrorKind::NotConnected, "this worker accepts no more: it stops"));
        }
        self.socket.try_accept()
    }

    /// The connections as they come, without end.
    pub fn incoming(&self) -> Incoming<'_> {
        Incoming { listener: self }
    }

    /// Another handle to the same listener.
    ///
    /// # Errors
    /// Never: both have one descriptor.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { socket: Arc::clone(&self.socket), manner: self.manner.share() })
    }
}

nonblocking!(TcpListener);
as_std! {
    TcpListener, std::net::TcpListener, |self| self.socket;
    fn local_addr() -> SocketAddr;
    fn ttl() -> u32;
    fn set_ttl(ttl: u32) -> ();
    fn take_error() -> Option<io::Error>;
}
descriptor!(TcpListener, std::net::TcpListener, |self| self.socket);

impl From<net::TcpListener> for TcpListener {
    fn from(socket: net::TcpListener) -> Self {
        Self { socket: Arc::new(socket), manner: Manner::default() }
    }
}

/// The connections of a listener; see [`TcpListener::incoming`].
#[derive(Debug)]
pub struct Incoming<'a> {
    listener: &'a TcpListener,
}

impl Iterator for Incoming<'_> {
    type Item = io::Result<TcpStream>;

    #[track_caller]
    fn next(&mut self) -> Option<io::Result<TcpStream>> {
        Some(self.listener.accept().map(|(stream, _)| stream))
    }
}

impl FusedIterator for Incoming<'_> {}
