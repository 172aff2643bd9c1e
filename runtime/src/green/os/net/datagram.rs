//! Datagrams between processes of one machine, in blocking style.

use crate::{
    green::{
        options::{as_std, descriptor, into_descriptor, limits},
        parked::{Manner, Side, duplicate, parked},
    },
    net,
};
use std::{
    fmt, io,
    net::Shutdown,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd},
        unix::net::SocketAddr,
    },
    path::Path,
};

/// [`std::os::unix::net::UnixDatagram`], parking only the greenlet. As there, and unlike
/// [`net::UnixDatagram`](crate::net::UnixDatagram), a path that exists is refused, and stays.
///
/// ```
/// use runtime::green::os::unix::net::UnixDatagram;
///
/// #[runtime::main]
/// fn main() -> std::io::Result<()> {
///     let (one, other) = UnixDatagram::pair()?;
///     one.send(b"ping")?;
///     let mut buffer = [0; 16];
///     let n = other.recv(&mut buffer)?;
///     assert_eq!(&buffer[..n], b"ping");
///     Ok(())
/// }
/// ```
pub struct UnixDatagram {
    socket: net::UnixDatagram,
    manner: Manner,
}

impl UnixDatagram {
    /// Opens a socket at `path`.
    ///
    /// # Errors
    /// `AddrInUse` if there is something at `path`, or what else the system says.
    pub fn bind<P: AsRef<Path>>(path: P) -> io::Result<Self> {
        Self::from_std(std::os::unix::net::UnixDatagram::bind(path)?)
    }

    /// [`bind`](Self::bind) by an address, which may be one without a path.
    ///
    /// # Errors
    /// As there.
    pub fn bind_addr(addr: &SocketAddr) -> io::Result<Self> {
        Self::from_std(std::os::unix::net::UnixDatagram::bind_addr(addr)?)
    }

    /// A socket without an address: nobody can answer it.
    ///
    /// # Errors
    /// If the process has no descriptor left.
    pub fn unbound() -> io::Result<Self> {
        net::UnixDatagram::unbound().map(Self::from)
    }

    /// Two sockets that have each other as peer.
    ///
    /// # Errors
    /// If the process has no descriptor left.
    pub fn pair() -> io::Result<(Self, Self)> {
        let (one, other) = net::UnixDatagram::pair()?;
        Ok((one.into(), other.into()))
    }

    /// Wraps a socket of the standard library, with its timeouts, and makes it non-blocking for everybody who shares it.
    ///
    /// # Errors
    /// If the system refuses that.
    pub fn from_std(socket: std::os::unix::net::UnixDatagram) -> io::Result<Self> {
        let manner = Manner::default();
        manner.set_limit(Side::Read, socket.read_timeout()?)?;
        manner.set_limit(Side::Write, socket.write_timeout()?)?;
        Ok(Self { socket: net::UnixDatagram::from_std(socket)?, manner })
    }

    /// Takes the socket out. It is non-blocking still.
    pub fn into_std(self) -> std::os::unix::net::UnixDatagram {
        self.socket.into_std()
    }

    /// Another handle to the same socket, with the same timeouts. Each has a descriptor.
    ///
    /// # Errors
    /// If the process has no descriptor left.
    pub fn try_clone(&self) -> io::Result<Self> {
        let socket = net::UnixDatagram::from_std(duplicate(&self.socket)?)?;
        Ok(Self { socket, manner: self.manner.share() })
    }

    /// Settles on the socket at `path` as the peer.
    ///
    /// # Errors
    /// What the system says.
    pub fn connect<P: AsRef<Path>>(&self, path: P) -> io::Result<()> {
        self.socket.as_std().connect(path)
    }

    /// [`connect`](Self::connect) by an address.
    ///
    /// # Errors
    /// What the system says.
    pub fn connect_addr(&self, addr: &SocketAddr) -> io::Result<()> {
        self.socket.as_std().connect_addr(addr)
    }

    /// Receives a datagram, and tells from whom.
    ///
    /// # Errors
    /// What the system says.
    #[track_caller]
    pub fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        parked!(self, Read, self.socket.recv_from(buf), self.socket.as_std().recv_from(buf))
    }

    /// Receives a datagram.
    ///
    /// # Errors
    /// What the system says.
    #[track_caller]
    pub fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        parked!(self, Read, self.socket.recv(buf), self.socket.as_std().recv(buf))
    }

    /// Sends a datagram to the socket at `path`; parks while its queue is full.
    ///
    /// # Errors
    /// What the system says.
    #[track_caller]
    pub fn send_to<P: AsRef<Path>>(&self, buf: &[u8], path: P) -> io::Result<usize> {
        let path = path.as_ref();
        parked!(self, Write, self.socket.send_to(buf, path), self.socket.as_std().send_to(buf, path))
    }

    /// [`send_to`](Self::send_to) by an address.
    ///
    /// # Errors
    /// What the system says.
    #[track_caller]
    pub fn send_to_addr(&self, buf: &[u8], addr: &SocketAddr) -> io::Result<usize> {
        parked!(
            self,
            Write,
            self.socket.send_to_addr(buf, addr),
            self.socket.as_std().send_to_addr(buf, addr)
        )
    }

    /// Sends a datagram to the peer; parks while its queue is full.
    ///
    /// # Errors
    /// What the system says.
    #[track_caller]
    pub fn send(&self, buf: &[u8]) -> io::Result<usize> {
        parked!(self, Write, self.socket.send(buf), self.socket.as_std().send(buf))
    }

    /// Ends one side of the socket or both.
    ///
    /// # Errors
    /// What the system says.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.socket.shutdown(how)
    }
}

limits!(UnixDatagram);
as_std! {
    UnixDatagram, std::os::unix::net::UnixDatagram, |self| self.socket.as_std();
    fn peer_addr() -> SocketAddr;
    fn local_addr() -> SocketAddr;
    fn take_error() -> Option<io::Error>;
}
descriptor!(UnixDatagram, std::os::unix::net::UnixDatagram, |self| self.socket);
into_descriptor!(UnixDatagram);

impl From<net::UnixDatagram> for UnixDatagram {
    fn from(socket: net::UnixDatagram) -> Self {
        Self { socket, manner: Manner::default() }
    }
}

impl From<UnixDatagram> for net::UnixDatagram {
    fn from(socket: UnixDatagram) -> Self {
        socket.socket
    }
}
