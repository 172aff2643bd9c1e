//! A TCP connection.

use super::{
    addr::ToSocketAddrs,
    lookup::lookup_host,
    split::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf},
    tcp_socket::TcpSocket,
};
use crate::{
    async_fd::AsyncFd,
    registration::{Knowledge, Step},
    source::Direction,
    sys,
};
use runtime_executor::time::timeout;
use socket2::SockRef;
use std::{
    fmt,
    io::{self, IoSlice, IoSliceMut, Read, Write},
    net::{self, Shutdown, SocketAddr},
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
    sync::Arc,
    time::Duration,
};

/// How long [`TcpStream::graceful_close`] waits for the peer's end: nginx's `lingering_time`, ample for a slow
/// client to read its reply, and a bound on how long one that never closes can hold a descriptor.
pub const GRACEFUL_CLOSE_TIME: Duration = Duration::from_secs(30);
/// How many bytes [`TcpStream::graceful_close`] reads and forgets: an upload that was refused may be on its way,
/// but nobody should feed us for nothing.
pub const GRACEFUL_CLOSE_BYTES: usize = 64 << 20;

/// A TCP connection.
///
/// Reading and writing take `&self`, so one task may read while another writes; [`split`](Self::split) and
/// [`into_split`](Self::into_split) make the halves separate values. The `futures-io` traits are implemented too,
/// also for `&TcpStream`. A write to a connection that is gone is an error, never a signal.
///
/// The handle is `Send` and `Sync`: see [the module](crate::net) for where it can be used. Dropping it closes the
/// connection; if the peer may still be sending, [`graceful_close`](Self::graceful_close) keeps the reply intact.
///
/// ```
/// use runtime_io::net::{TcpListener, TcpStream};
/// # let reactor = runtime_io::Reactor::new()?;
/// # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
/// # executor.block_on(async {
/// let listener = TcpListener::bind("127.0.0.1:0").await?;
/// let client = TcpStream::connect(listener.local_addr()?).await?;
/// let (server, _) = listener.accept().await?;
///
/// client.write_all(b"ping").await?;
/// let mut buf = [0; 4];
/// server.read_exact(&mut buf).await?;
/// assert_eq!(&buf, b"ping");
/// # std::io::Result::Ok(())
/// # })?;
/// # std::io::Result::Ok(())
/// ```
pub struct TcpStream {
    io: AsyncFd<net::TcpStream>,
}

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
                Err(error) => last = Some(ConnectError { address, error }),
            }
        }
        Err(match last {
            Some(last) => io::Error::new(last.error.kind(), last),
            None => io::Error::new(io::ErrorKind::InvalidInput, "there is no address to connect to"),
        })
    }

    /// [`connect`](Self::connect), given up after `limit` for all addresses and the look-up together.
    ///
    /// # Errors
    /// As for `connect`, or `TimedOut`.
    ///
    /// # Cancel safety
    /// Dropped while it waits, it closes the socket.
    pub async fn connect_timeout(addr: impl ToSocketAddrs, limit: Duration) -> io::Result<Self> {
        timeout(limit, Self::connect(addr)).await.unwrap_or_else(|_| {
            Err(io::Error::new(io::ErrorKind::TimedOut, format!("no connection within {limit:?}")))
        })
    }

    /// Wraps a connection of the standard library, and makes it non-blocking.
    ///
    /// # Errors
    /// If the system refuses that.
    pub fn from_std(stream: net::TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Self::from_nonblocking(stream)
    }

    pub(super) fn from_nonblocking(stream: net::TcpStream) -> io::Result<Self> {
        sys::socket::spare_sigpipe(&stream)?;
        Ok(Self { io: AsyncFd::of_kind(stream, Knowledge::TCP) })
    }

    /// Takes the connection out, to hand it to another runtime or to blocking code. It is non-blocking still.
    pub fn into_std(self) -> net::TcpStream {
        self.io.into_inner()
    }

    /// Reads some bytes, as soon as there are any. 0 is the end: the peer has shut down its side (or `buf` is
    /// empty).
    ///
    /// # Errors
    /// What `recv` says, such as `ConnectionReset`; or a [`HandleError`](crate::HandleError).
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it has read nothing.
    #[inline]
    pub fn read<'a>(&'a self, buf: &'a mut [u8]) -> impl Future<Output = io::Result<usize>> + 'a {
        self.io.reading(move |stream| read_step(stream, buf))
    }

    /// Reads until `buf` is full.
    ///
    /// # Errors
    /// `UnexpectedEof` if the end comes first; otherwise as for [`read`](Self::read).
    ///
    /// # Cancel safety
    /// None: dropped before it is ready, it may have read some bytes into `buf`, and how many is lost.
    ///
    /// ```
    /// # use runtime_io::net::{TcpListener, TcpStream};
    /// # let reactor = runtime_io::Reactor::new()?;
    /// # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
    /// # executor.block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// # let client = TcpStream::connect(listener.local_addr()?).await?;
    /// # let (server, _) = listener.accept().await?;
    /// client.write_all(&5_u32.to_be_bytes()).await?;
    /// let mut length = [0; 4];
    /// server.read_exact(&mut length).await?;
    /// assert_eq!(u32::from_be_bytes(length), 5);
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    #[inline]
    pub fn read_exact<'a>(&'a self, buf: &'a mut [u8]) -> impl Future<Output = io::Result<()>> + 'a {
        let mut filled = 0;
        self.io.reading(move |mut stream| {
            let room = &mut buf[filled..];
            if room.is_empty() {
                return Ok(Step::Done(()));
            }
            match stream.read(room)? {
                0 => Err(io::ErrorKind::UnexpectedEof.into()),
                n if n == room.len() => Ok(Step::Done(())),
                n => {
                    filled += n;
                    Ok(Step::AgainAfterShort)
                }
            }
        })
    }

    /// Reads some bytes into several buffers, one after the other.
    ///
    /// # Errors
    /// As for [`read`](Self::read).
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it has read nothing.
    pub fn read_vectored<'a>(
        &'a self,
        bufs: &'a mut [IoSliceMut<'_>],
    ) -> impl Future<Output = io::Result<usize>> + 'a {
        self.io.reading(move |stream| read_vectored_step(stream, bufs))
    }

    /// Reads some bytes and leaves them where they are.
    ///
    /// # Errors
    /// As for [`read`](Self::read).
    ///
    /// # Cancel safety
    /// Dropping it loses nothing.
    pub fn peek<'a>(&'a self, buf: &'a mut [u8]) -> impl Future<Output = io::Result<usize>> + 'a {
        // The bytes stay, so even a short look leaves the socket readable.
        self.io.reading(move |stream| stream.peek(buf).map(Step::Done))
    }

    /// Writes some bytes, at least one unless `buf` is empty.
    ///
    /// # Errors
    /// What `send` says, such as `BrokenPipe` or `ConnectionReset`; or a [`HandleError`](crate::HandleError).
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it has written nothing.
    #[inline]
    pub fn write<'a>(&'a self, buf: &'a [u8]) -> impl Future<Output = io::Result<usize>> + 'a {
        self.io.writing(move |stream| write_step(stream, buf))
    }

    /// Writes all of `buf`.
    ///
    /// # Errors
    /// As for [`write`](Self::write).
    ///
    /// # Cancel safety
    /// None: dropped before it is ready, it may have written some bytes, and how many is lost.
    #[inline]
    pub fn write_all<'a>(&'a self, buf: &'a [u8]) -> impl Future<Output = io::Result<()>> + 'a {
        let mut rest = buf;
        self.io.writing(move |mut stream| {
            if rest.is_empty() {
                return Ok(Step::Done(()));
            }
            match stream.write(rest)? {
                0 => Err(io::ErrorKind::WriteZero.into()),
                n if n == rest.len() => Ok(Step::Done(())),
                n => {
                    rest = &rest[n..];
                    Ok(Step::Again)
                }
            }
        })
    }

    /// Writes some bytes of several buffers, one after the other, in one system call.
    ///
    /// # Errors
    /// As for [`write`](Self::write).
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it has written nothing.
    pub fn write_vectored<'a>(
        &'a self,
        bufs: &'a [IoSlice<'_>],
    ) -> impl Future<Output = io::Result<usize>> + 'a {
        self.io.writing(move |stream| write_vectored_step(stream, bufs))
    }

    /// Waits until there is something to read, or an end or error to learn. With [`try_read`](Self::try_read) it
    /// needs no buffer while it waits.
    ///
    /// # Errors
    /// A [`HandleError`](crate::HandleError), or what the selector says.
    ///
    /// # Cancel safety
    /// Dropping it loses nothing.
    ///
    /// ```
    /// # use runtime_io::net::{TcpListener, TcpStream};
    /// # let reactor = runtime_io::Reactor::new()?;
    /// # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
    /// # executor.block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// # let client = TcpStream::connect(listener.local_addr()?).await?;
    /// # let (server, _) = listener.accept().await?;
    /// client.write_all(b"hello").await?;
    /// server.readable().await?; // an idle connection holds no buffer here
    /// let mut buf = [0; 1024];
    /// assert_eq!(server.try_read(&mut buf)?, 5);
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn readable(&self) -> impl Future<Output = io::Result<()>> {
        self.io.readable()
    }

    /// Waits until there is room to write, or an error to learn.
    ///
    /// # Errors
    /// As for [`readable`](Self::readable).
    ///
    /// # Cancel safety
    /// Dropping it loses nothing.
    pub fn writable(&self) -> impl Future<Output = io::Result<()>> {
        self.io.writable()
    }

    /// [`read`](Self::read) without waiting.
    ///
    /// # Errors
    /// `WouldBlock` if nothing is known or found to be there; otherwise as for `read`.
    pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.io.try_op(Direction::Read, |stream| read_step(stream, buf))
    }

    /// [`write`](Self::write) without waiting.
    ///
    /// # Errors
    /// `WouldBlock` if there is no room; otherwise as for `write`.
    pub fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
        self.io.try_op(Direction::Write, |stream| write_step(stream, buf))
    }

    /// Ends one side of the connection or both, at once, and wakes the tasks that wait for it: their reads return 0
    /// and their writes fail.
    ///
    /// # Errors
    /// `NotConnected` if the connection is gone already. Doing it twice is no mistake.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.io.get_ref().shutdown(how)
    }

    /// Ends our side, then reads and forgets what the peer still sends until it has ended its side too, for at most
    /// [`GRACEFUL_CLOSE_TIME`] and [`GRACEFUL_CLOSE_BYTES`]; then closes.
    ///
    /// Closing while input is unread, or still comes, makes TCP send a reset, and the peer then loses what it has
    /// not yet read of our reply. Use this after the last reply to a peer that may still be sending.
    ///
    /// # Errors
    /// `TimedOut` or `QuotaExceeded` if the peer did not end its side in time; `ConnectionReset` if it threw the
    /// connection away. The connection is closed in any case.
    ///
    /// # Cancel safety
    /// Dropped while it waits, it closes the connection at once.
    ///
    /// ```
    /// # use runtime_io::net::{TcpListener, TcpStream};
    /// # let reactor = runtime_io::Reactor::new()?;
    /// # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
    /// # executor.block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// # let client = TcpStream::connect(listener.local_addr()?).await?;
    /// # let (server, _) = listener.accept().await?;
    /// client.write_all(b"GET / HTTP/1.1\r\n\r\nand more that nobody reads").await?;
    /// server.write_all(b"HTTP/1.1 413 Content Too Large\r\n\r\n").await?;
    /// # drop(client);
    /// let _ = server.graceful_close().await;
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn graceful_close(self) -> io::Result<()> {
        self.graceful_close_within(GRACEFUL_CLOSE_TIME).await
    }

    /// [`graceful_close`](Self::graceful_close) with another limit of time.
    ///
    /// # Errors
    /// As for `graceful_close`.
    ///
    /// # Cancel safety
    /// Dropped while it waits, it closes the connection at once.
    pub async fn graceful_close_within(self, limit: Duration) -> io::Result<()> {
        timeout(limit, self.drain_to_end()).await.unwrap_or_else(|_| {
            let sentence = format!("the peer did not end its side within {limit:?}");
            Err(io::Error::new(io::ErrorKind::TimedOut, sentence))
        })
    }

    /// Splits into halves that borrow the connection, for two futures in one task.
    pub fn split(&mut self) -> (ReadHalf<'_>, WriteHalf<'_>) {
        (ReadHalf(self), WriteHalf(self))
    }

    /// Splits into halves of their own, for two tasks. Dropping the writing half ends our side of the connection.
    pub fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        let stream = Arc::new(self);
        (OwnedReadHalf::new(Arc::clone(&stream)), OwnedWriteHalf::new(stream))
    }

    /// The peer's address.
    ///
    /// # Errors
    /// `NotConnected` if the peer has reset the connection.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.io.get_ref().peer_addr()
    }

    /// Our own address.
    ///
    /// # Errors
    /// What the system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.get_ref().local_addr()
    }

    /// Whether small writes are sent at once rather than collected (`TCP_NODELAY`).
    ///
    /// # Errors
    /// What the system says.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.io.get_ref().nodelay()
    }

    /// Sets [`nodelay`](Self::nodelay).
    ///
    /// # Errors
    /// What the system says.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.io.get_ref().set_nodelay(nodelay)
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
        self.io.get_ref().ttl()
    }

    /// Sets [`ttl`](Self::ttl).
    ///
    /// # Errors
    /// What the system says.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.io.get_ref().set_ttl(ttl)
    }

    /// Takes the error that the system holds for this socket, if any.
    ///
    /// # Errors
    /// What the system says.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.io.get_ref().take_error()
    }

    #[inline]
    pub(super) fn io(&self) -> &AsyncFd<net::TcpStream> {
        &self.io
    }
}

#[inline]
pub(super) fn read_step(mut stream: &net::TcpStream, buf: &mut [u8]) -> io::Result<Step<usize>> {
    let n = stream.read(buf)?;
    Ok(short_unless_full(n, buf.len()))
}

/// The end of the stream is no short read: it stays, so that later reads need not wait for an event.
#[inline]
fn short_unless_full(n: usize, room: usize) -> Step<usize> {
    if n < room && n > 0 { Step::Short(n) } else { Step::Done(n) }
}

pub(super) fn read_vectored_step(
    mut stream: &net::TcpStream,
    bufs: &mut [IoSliceMut<'_>],
) -> io::Result<Step<usize>> {
    let room = bufs.iter().map(|buf| buf.len()).sum();
    Ok(short_unless_full(stream.read_vectored(bufs)?, room))
}

/// A short write is tried again rather than taken as a full buffer: only `EAGAIN` makes the kernel promise an event.
#[inline]
pub(super) fn write_step(mut stream: &net::TcpStream, buf: &[u8]) -> io::Result<Step<usize>> {
    stream.write(buf).map(Step::Done)
}

pub(super) fn write_vectored_step(stream: &net::TcpStream, bufs: &[IoSlice<'_>]) -> io::Result<Step<usize>> {
    sys::socket::send_vectored(stream, bufs).map(Step::Done)
}

impl AsFd for TcpStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.io.as_fd()
    }
}

impl AsRawFd for TcpStream {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl TryFrom<OwnedFd> for TcpStream {
    type Error = io::Error;

    /// Wraps the descriptor of a connected TCP socket, and makes it non-blocking.
    fn try_from(fd: OwnedFd) -> io::Result<Self> {
        Self::from_std(fd.into())
    }
}

impl From<TcpStream> for OwnedFd {
    fn from(stream: TcpStream) -> Self {
        stream.into_std().into()
    }
}

impl fmt::Debug for TcpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.io.get_ref().fmt(f)
    }
}

/// Which address could not be connected to, and why.
#[derive(Debug)]
struct ConnectError {
    address: SocketAddr,
    error: io::Error,
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot connect to {}: {}", self.address, self.error)
    }
}

impl std::error::Error for ConnectError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}
