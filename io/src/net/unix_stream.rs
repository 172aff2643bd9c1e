//! A Unix connection: bytes, and descriptors beside them, between processes of one machine.

use super::{
    connection::{ByteStream, Connection, Got, Transport, sealed::Connected},
    forward::forward,
    linger::GRACEFUL_CLOSE_TIME,
    share::Tally,
    split::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf},
    unix_connect,
};
use crate::{knowledge::Knowledge, pulse::Pulse, sys};
use runtime_executor::time::Duration;
use socket2::{SockRef, Type};
use std::{
    fmt,
    io::{self, IoSlice, IoSliceMut},
    net::Shutdown,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
        unix::net::{self, SocketAddr},
    },
    path::Path,
    sync::Arc,
};

/// A Unix connection, named by a path or made as a pair.
///
/// It reads and writes as a [`TcpStream`](super::TcpStream) does, and has its halves. Descriptors can be sent along;
/// see [`send_with_fds`](Self::send_with_fds). Those that come with bytes that are simply read are closed by the system.
///
/// ```
/// use runtime_io::net::UnixStream;
/// # let reactor = runtime_io::Reactor::new()?;
/// # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
/// # executor.block_on(async {
/// let (ours, theirs) = UnixStream::pair()?;
/// ours.write_all(b"ping").await?;
/// let mut buf = [0; 4];
/// theirs.read_exact(&mut buf).await?;
/// assert_eq!(&buf, b"ping");
/// # std::io::Result::Ok(())
/// # })?;
/// # std::io::Result::Ok(())
/// ```
pub struct UnixStream {
    connection: Connection<net::UnixStream>,
}

impl UnixStream {
    /// Connects to the listener at `path`. If its queue is full, waits until there is room, as a connect that blocks
    /// would; the system tells nobody when that is, so it looks again after 1 ms, 2 ms and so on up to every 50 ms.
    ///
    /// # Errors
    /// `NotFound` if there is nothing at `path`, `ConnectionRefused` if nobody listens there any more,
    /// `PermissionDenied`, or a [`HandleError`](crate::HandleError). The message names the path.
    ///
    /// # Cancel safety
    /// Dropped while it waits, it closes the socket.
    pub async fn connect(path: impl AsRef<Path>) -> io::Result<Self> {
        let connected = unix_connect::connect(path.as_ref(), Type::STREAM).await?;
        Self::from_nonblocking(connected.into(), None)
    }

    /// Two ends of one connection without a name.
    ///
    /// # Errors
    /// If the process or the system has no descriptor left.
    pub fn pair() -> io::Result<(Self, Self)> {
        let (one, other) = net::UnixStream::pair()?;
        Ok((Self::from_std(one)?, Self::from_std(other)?))
    }

    /// Wraps a connection of the standard library, perhaps an inherited one, and makes it non-blocking.
    ///
    /// # Errors
    /// If the system refuses that.
    pub fn from_std(stream: net::UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Self::from_nonblocking(stream, None)
    }

    pub(super) fn from_nonblocking(stream: net::UnixStream, tally: Option<Tally>) -> io::Result<Self> {
        Ok(Self { connection: Connection::new(stream, Knowledge::UNIX, tally)? })
    }

    pub(super) fn watch(&mut self, pulse: Arc<Pulse>) {
        self.connection.watch(pulse);
    }

    /// Takes the connection out, to hand it to another runtime or process, or to blocking code. It is non-blocking
    /// still.
    pub fn into_std(self) -> net::UnixStream {
        self.connection.into_inner()
    }

    /// The connection as the standard library has it; see [`TcpStream::as_std`](super::TcpStream::as_std).
    pub fn as_std(&self) -> &net::UnixStream {
        self.connection.get_ref()
    }

    /// Ends one side of the connection or both; see [`TcpStream::shutdown`](super::TcpStream::shutdown).
    ///
    /// # Errors
    /// As there.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.connection.shutdown(how)
    }

    /// Ends our side, then reads and forgets what the peer still sends until it has ended its side too; see
    /// [`TcpStream::graceful_close`](super::TcpStream::graceful_close).
    ///
    /// # Errors
    /// As there.
    ///
    /// # Cancel safety
    /// Dropped while it waits, it closes the connection at once.
    pub async fn graceful_close(self) -> io::Result<()> {
        self.graceful_close_within(GRACEFUL_CLOSE_TIME).await
    }

    /// [`graceful_close`](Self::graceful_close) with another limit of time.
    ///
    /// # Errors
    /// As there.
    ///
    /// # Cancel safety
    /// Dropped while it waits, it closes the connection at once.
    pub async fn graceful_close_within(self, limit: Duration) -> io::Result<()> {
        self.connection.graceful_close(limit).await
    }

    /// Splits into halves that borrow the connection, for two futures in one task.
    pub fn split(&mut self) -> (ReadHalf<'_, Self>, WriteHalf<'_, Self>) {
        (ReadHalf(self), WriteHalf(self))
    }

    /// Splits into halves of their own, for two tasks. Dropping the writing half ends our side of the connection.
    pub fn into_split(self) -> (OwnedReadHalf<Self>, OwnedWriteHalf<Self>) {
        OwnedWriteHalf::pair(self)
    }

    /// Takes the error that the system holds for this socket, if any.
    ///
    /// # Errors
    /// What the system says.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.connection.get_ref().take_error()
    }

    /// Who connected; asked by who connected, who listened. It is as the system saw them at that moment.
    ///
    /// The ends of a [`pair`](Self::pair) name the process that **made** it, for ever, whoever has them now and whatever
    /// rights it has given up since: so this says nothing about a worker process to which one end was passed on.
    ///
    /// # Errors
    /// What the system says.
    ///
    /// ```
    /// use runtime_io::net::UnixStream;
    /// # let reactor = runtime_io::Reactor::new()?;
    /// # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
    /// # executor.block_on(async {
    /// let (ours, _theirs) = UnixStream::pair()?;
    /// assert_eq!(ours.peer_cred()?.user(), runtime_io::owner::own_user());
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn peer_cred(&self) -> io::Result<Credentials> {
        sys::user::of_peer(self.as_fd()).map(Credentials)
    }
}

forward!(reading, [] UnixStream, |self| self.connection);
forward!(writing, [] UnixStream, |self| self.connection);
forward!(addresses, [] UnixStream, SocketAddr, |self| self.connection);

/// Who is at the other end of a Unix connection, or has sent a message; see [`UnixStream::peer_cred`] and
/// [`UnixMessage`](super::UnixMessage).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Credentials(pub(super) sys::user::Peer);

impl Credentials {
    /// The number of the effective user.
    pub fn user(&self) -> u32 {
        self.0.user
    }

    /// The number of the effective group.
    pub fn group(&self) -> u32 {
        self.0.group
    }

    /// The number of the process, where the system tells it (Linux), and if it can be seen from this namespace. The
    /// process may have ended since, and its number may be another's.
    pub fn process(&self) -> Option<u32> {
        self.0.process
    }
}

impl Transport for net::UnixStream {
    type Address = SocketAddr;

    #[inline]
    fn read(&self, buf: &mut [u8]) -> io::Result<Got> {
        self.read_vectored(&mut [IoSliceMut::new(buf)])
    }

    #[cfg(any(feature = "hyper", feature = "tokio-io"))]
    #[inline]
    fn read_uninit(&self, buf: &mut [std::mem::MaybeUninit<u8>]) -> io::Result<Got> {
        let (bytes, is_unhindered) = sys::socket::receive_uninit(self.as_fd(), buf)?;
        Ok(Got { bytes, is_unhindered })
    }

    #[inline]
    fn read_vectored(&self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<Got> {
        let (bytes, is_unhindered) = sys::socket::receive(self.as_fd(), bufs)?;
        Ok(Got { bytes, is_unhindered })
    }

    fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        sys::socket::peek(self.as_fd(), buf)
    }

    /// The standard library's `write` may raise SIGPIPE here.
    #[inline]
    fn write(&self, buf: &[u8]) -> io::Result<usize> {
        SockRef::from(self).send_with_flags(buf, sys::socket::NO_SIGNAL)
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.shutdown(how)
    }

    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.peer_addr()
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.local_addr()
    }
}

impl ByteStream for UnixStream {}

impl Connected for UnixStream {
    type Transport = net::UnixStream;

    #[inline]
    fn connection(&self) -> &Connection<net::UnixStream> {
        &self.connection
    }
}

impl AsFd for UnixStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.connection.as_fd()
    }
}

impl AsRawFd for UnixStream {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl TryFrom<OwnedFd> for UnixStream {
    type Error = io::Error;

    /// Wraps the descriptor of a connected Unix socket, and makes it non-blocking.
    fn try_from(fd: OwnedFd) -> io::Result<Self> {
        Self::from_std(fd.into())
    }
}

impl From<UnixStream> for OwnedFd {
    fn from(stream: UnixStream) -> Self {
        stream.into_std().into()
    }
}

impl fmt::Debug for UnixStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.connection.fmt(f)
    }
}
