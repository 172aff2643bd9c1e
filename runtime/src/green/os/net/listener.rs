//! A Unix socket that accepts connections, one after the other.

use super::stream::UnixStream;
use crate::{
    green::{
        options::{as_std, descriptor, into_descriptor, nonblocking},
        parked::{Manner, duplicate, parked},
    },
    net,
};
use std::{
    fmt, io,
    iter::FusedIterator,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd},
        unix::net::SocketAddr,
    },
    path::Path,
};

/// [`std::os::unix::net::UnixListener`], parking only the greenlet.
///
/// As there, and unlike [`net::UnixListener`](crate::net::UnixListener), a path that exists is refused, and stays when the
/// listener is dropped; in a worker of a cluster the socket is the worker's own.
///
/// ```
/// use runtime::green::os::unix::net::{UnixListener, UnixStream};
///
/// #[runtime::main]
/// fn main() -> std::io::Result<()> {
///     let path = std::env::temp_dir().join(format!("green-listener-{}", std::process::id()));
///     let listener = UnixListener::bind(&path)?;
///     let _client = UnixStream::connect(&path)?;
///     let (_server, _) = listener.accept()?;
///     std::fs::remove_file(path)
/// }
/// ```
pub struct UnixListener {
    socket: net::UnixListener,
    manner: Manner,
}

impl UnixListener {
    /// Listens at `path`.
    ///
    /// # Errors
    /// `AddrInUse` if there is something at `path`, or what else the system says.
    pub fn bind<P: AsRef<Path>>(path: P) -> io::Result<Self> {
        Self::from_std(std::os::unix::net::UnixListener::bind(path)?)
    }

    /// [`bind`](Self::bind) by an address, which may be one without a path.
    ///
    /// # Errors
    /// As there.
    pub fn bind_addr(addr: &SocketAddr) -> io::Result<Self> {
        Self::from_std(std::os::unix::net::UnixListener::bind_addr(addr)?)
    }

    /// Wraps a listener of the standard library, and makes it non-blocking for everybody who shares it.
    ///
    /// # Errors
    /// If the system refuses that.
    pub fn from_std(listener: std::os::unix::net::UnixListener) -> io::Result<Self> {
        net::UnixListener::from_std(listener).map(Self::from)
    }

    /// Takes the listener out. It is non-blocking still.
    pub fn into_std(self) -> std::os::unix::net::UnixListener {
        self.socket.into_std()
    }

    /// Waits for the next connection.
    ///
    /// # Errors
    /// What the system says of the listener itself.
    #[track_caller]
    pub fn accept(&self) -> io::Result<(UnixStream, SocketAddr)> {
        let accepted = parked!(self, Read, self.socket.accept(), self.socket.try_accept());
        accepted.map(|(stream, peer)| (UnixStream::from(stream), peer))
    }

    /// The connections as they come, without end.
    pub fn incoming(&self) -> Incoming<'_> {
        Incoming { listener: self }
    }

    /// Another handle to the same listener. Each has a descriptor.
    ///
    /// # Errors
    /// If the process has no descriptor left.
    pub fn try_clone(&self) -> io::Result<Self> {
        let socket = net::UnixListener::from_std(duplicate(&self.socket)?)?;
        Ok(Self { socket, manner: self.manner.share() })
    }
}

nonblocking!(UnixListener);
as_std! {
    UnixListener, std::os::unix::net::UnixListener, |self| self.socket;
    fn local_addr() -> SocketAddr;
    fn take_error() -> Option<io::Error>;
}
descriptor!(UnixListener, std::os::unix::net::UnixListener, |self| self.socket);
into_descriptor!(UnixListener);

impl From<net::UnixListener> for UnixListener {
    /// If it has a claim to its path, that goes with it.
    fn from(socket: net::UnixListener) -> Self {
        Self { socket, manner: Manner::default() }
    }
}

/// The connections of a listener; see [`UnixListener::incoming`].
#[derive(Debug)]
pub struct Incoming<'a> {
    listener: &'a UnixListener,
}

impl Iterator for Incoming<'_> {
    type Item = io::Result<UnixStream>;

    #[track_caller]
    fn next(&mut self) -> Option<io::Result<UnixStream>> {
        Some(self.listener.accept().map(|(stream, _)| stream))
    }
}

impl FusedIterator for Incoming<'_> {}

impl<'a> IntoIterator for &'a UnixListener {
    type Item = io::Result<UnixStream>;
    type IntoIter = Incoming<'a>;

    fn into_iter(self) -> Incoming<'a> {
        self.incoming()
    }
}
