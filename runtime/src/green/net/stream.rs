//! A TCP connection, read and written in blocking style.

use super::addresses::ToSocketAddrs;
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
    net::{Shutdown, SocketAddr},
    os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd},
    time::Duration,
};

/// [`std::net::TcpStream`], parking only the greenlet.
///
/// Reading and writing take `&TcpStream` too, so one greenlet may read while another writes; with
/// [`try_clone`](Self::try_clone) each has its own. What the runtime knows of the connection is kept: once a short read has
/// shown that nothing is left, the next one waits without a system call.
///
/// ```
/// use runtime::green::{io::{Read, Write}, net::{TcpListener, TcpStream}};
///
/// #[runtime::main]
/// fn main() -> std::io::Result<()> {
///     let listener = TcpListener::bind("127.0.0.1:0")?;
///     let mut client = TcpStream::connect(listener.local_addr()?)?;
///     let (mut server, _) = listener.accept()?;
///     client.write_all(b"ping")?;
///     let mut ping = [0; 4];
///     server.read_exact(&mut ping)?;
///     assert_eq!(&ping, b"ping");
///     Ok(())
/// }
/// ```
pub struct TcpStream {
    socket: net::TcpStream,
    manner: Manner,
}

impl TcpStream {
    /// Connects to the first address of `addr` that answers, as [`net::TcpStream::connect`](crate::net::TcpStream::connect)
    /// does: beside one that does not answer at once, the next is tried.
    ///
    /// # Errors
    /// If a name cannot be resolved, or of the last address that failed.
    #[track_caller]
    pub fn connect<A: ToSocketAddrs>(addr: A) -> io::Result<Self> {
        let addresses = addr.to_socket_addrs()?.collect::<Vec<_>>();
        if greenlet::is_inside() {
            return greenlet::wait(net::TcpStream::connect(&*addresses)).map(Self::from);
        }
        Self::from_std(std::net::TcpStream::connect(&*addresses)?)
    }

    /// [`connect`](Self::connect) to one address, given up after `timeout`.
    ///
    /// # Errors
    /// `TimedOut`; `InvalidInput` for a timeout of zero; or as for `connect`.
    #[track_caller]
    pub fn connect_timeout(addr: &SocketAddr, timeout: Duration) -> io::Result<Self> {
        if greenlet::is_inside() && !timeout.is_zero() {
            return greenlet::wait(net::TcpStream::connect_timeout(addr, timeout)).map(Self::from);
        }
        Self::from_std(std::net::TcpStream::connect_timeout(addr, timeout)?)
    }

    /// Wraps a connection of the standard library, with its timeouts, and makes it non-blocking for everybody who shares it.
    ///
    /// # Errors
    /// If the system refuses that.
    pub fn from_std(stream: std::net::TcpStream) -> io::Result<Self> {
        let manner = Manner::default();
        manner.set_limit(Side::Read, stream.read_timeout()?)?;
        manner.set_limit(Side::Write, stream.write_timeout()?)?;
        Ok(Self { socket: net::TcpStream::from_std(stream)?, manner })
    }

    /// Takes the connection out. It is non-blocking still.
    pub fn into_std(self) -> std::net::TcpStream {
        self.socket.into_std()
    }

    /// Another handle to the same connection, with the same timeouts. Each has a descriptor.
    ///
    /// # Errors
    /// If the process has no descriptor left.
    pub fn try_clone(&self) -> io::Result<Self> {
        let socket = net::TcpStream::from_std(duplicate(&self.socket)?)?;
        Ok(Self { socket, manner: self.manner.share() })
    }

    /// Reads without taking what is read. Parks while there is nothing.
    ///
    /// # Errors
    /// As for reading.
    #[track_caller]
    pub fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        parked!(self, Read, self.socket.peek(buf), self.socket.as_std().peek(buf))
    }

    /// Ends one side of the connection or both; who waits for it learns of it.
    ///
    /// # Errors
    /// `NotConnected` if the connection is gone already.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.socket.shutdown(how)
    }
}

limits!(TcpStream);
as_std! {
    TcpStream, std::net::TcpStream, |self| self.socket.as_std();
    fn peer_addr() -> SocketAddr;
    fn local_addr() -> SocketAddr;
    fn nodelay() -> bool;
    fn set_nodelay(nodelay: bool) -> ();
    fn ttl() -> u32;
    fn set_ttl(ttl: u32) -> ();
    fn take_error() -> Option<io::Error>;
}
read_write!(TcpStream);
descriptor!(TcpStream, std::net::TcpStream, |self| self.socket);
into_descriptor!(TcpStream);

impl From<net::TcpStream> for TcpStream {
    /// One and the same connection for `async` code and for greenlets.
    fn from(socket: net::TcpStream) -> Self {
        Self { socket, manner: Manner::default() }
    }
}

impl From<TcpStream> for net::TcpStream {
    fn from(stream: TcpStream) -> Self {
        stream.socket
    }
}
