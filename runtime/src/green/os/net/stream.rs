//! A Unix connection, read and written in blocking style.

use crate::{
    green::{
        options::{as_std, descriptor, into_descriptor, limits, read_write},
        parked::{Manner, Side, duplicate, parked},
    },
    greenlet, net,
};
use std::{
    fmt,
    io::{self, IoSlice, IoSliceMut, Read, Write},
    net::Shutdown,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd},
        unix::net::SocketAddr,
    },
    path::Path,
};

/// [`std::os::unix::net::UnixStream`], parking only the greenlet; see
/// [`green::net::TcpStream`](crate::green::net::TcpStream).
///
/// ```
/// use runtime::green::{io::{Read, Write}, os::unix::net::UnixStream};
///
/// #[runtime::main]
/// fn main() -> std::io::Result<()> {
///     let (mut ours, mut theirs) = UnixStream::pair()?;
///     ours.write_all(b"ping")?;
///     let mut ping = [0; 4];
///     theirs.read_exact(&mut ping)?;
///     assert_eq!(&ping, b"ping");
///     Ok(())
/// }
/// ```
pub struct UnixStream {
    socket: net::UnixStream,
    manner: Manner,
}

impl UnixStream {
    /// Connects to the listener at `path`; parks while its queue is full.
    ///
    /// # Errors
    /// `NotFound`, `ConnectionRefused`, or what else the system says.
    #[track_caller]
    pub fn connect<P: AsRef<Path>>(path: P) -> io::Result<Self> {
        if greenlet::is_inside() {
            return greenlet::wait(net::UnixStream::connect(path)).map(Self::from);
        }
        Self::from_std(std::os::unix::net::UnixStream::connect(path)?)
    }

    /// [`connect`](Self::connect) by an address, which may be one without a path.
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn connect_addr(addr: &SocketAddr) -> io::Result<Self> {
        match addr.as_pathname() {
            Some(path) => Self::connect(path),
            None => Self::from_std(std::os::unix::net::UnixStream::connect_addr(addr)?),
        }
    }

    /// Two ends of one connection.
    ///
    /// # Errors
    /// If the process has no descriptor left.
    pub fn pair() -> io::Result<(Self, Self)> {
        let (one, other) = net::UnixStream::pair()?;
        Ok((one.into(), other.into()))
    }

    /// Wraps a connection of the standard library, with its timeouts, and makes it non-blocking for everybody who shares it.
    ///
    /// # Errors
    /// If the system refuses that.
    pub fn from_std(stream: std::os::unix::net::UnixStream) -> io::Result<Self> {
        let manner = Manner::default();
        manner.set_limit(Side::Read, stream.read_timeout()?)?;
        manner.set_limit(Side::Write, stream.write_timeout()?)?;
        Ok(Self { socket: net::UnixStream::from_std(stream)?, manner })
    }

    /// Takes the connection out. It is non-blocking still.
    pub fn into_std(self) -> std::os::unix::net::UnixStream {
        self.socket.into_std()
    }

    /// Another handle to the same connection, with the same timeouts. Each has a descriptor.
    ///
    /// # Errors
    /// If the process has no descriptor left.
    pub fn try_clone(&self) -> io::Result<Self> {
        let socket = net::UnixStream::from_std(duplicate(&self.socket)?)?;
        Ok(Self { socket, manner: self.manner.share() })
    }

    /// Ends one side of the connection or both; who waits for it learns of it.
    ///
    /// # Errors
    /// `NotConnected` if the connection is gone already.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.socket.shutdown(how)
    }
}

limits!(UnixStream);
as_std! {
    UnixStream, std::os::unix::net::UnixStream, |self| self.socket.as_std();
    fn peer_addr() -> SocketAddr;
    fn local_addr() -> SocketAddr;
    fn take_error() -> Option<io::Error>;
}
read_write!(UnixStream);
descriptor!(UnixStream, std::os::unix::net::UnixStream, |self| self.socket);
into_descriptor!(UnixStream);

impl From<net::UnixStream> for UnixStream {
    /// One and the same connection for `async` code and for greenlets.
    fn from(socket: net::UnixStream) -> Self {
        Self { socket, manner: Manner::default() }
    }
}

impl From<UnixStream> for net::UnixStream {
    fn from(stream: UnixStream) -> Self {
        stream.socket
    }
}
