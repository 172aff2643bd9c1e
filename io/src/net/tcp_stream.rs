//! A TCP connection.

use super::{
    connection::{ByteStream, Connection, Got, Transport, sealed::Connected},
    share::Tally,
    split::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf},
};
use crate::{knowledge::Knowledge, pulse::Pulse};
use std::{
    fmt,
    io::{self, IoSlice, IoSliceMut, Read, Write},
    net::{self, Shutdown, SocketAddr},
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
    sync::Arc,
};

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
    connection: Connection<net::TcpStream>,
}

impl TcpStream {
    /// Wraps a connection of the standard library, and makes it non-blocking.
    ///
    /// # Errors
    /// If the system refuses that.
    pub fn from_std(stream: net::TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Self::from_nonblocking(stream, None)
    }

    pub(super) fn from_nonblocking(stream: net::TcpStream, tally: Option<Tally>) -> io::Result<Self> {
        Ok(Self { connection: Connection::new(stream, Knowledge::TCP, tally)? })
    }

    pub(super) fn into_connection(self) -> Connection<net::TcpStream> {
        self.connection
    }

    pub(super) fn watch(&mut self, pulse: Arc<Pulse>) {
        self.connection.watch(pulse);
    }

    /// Takes the connection out, to hand it to another runtime or to blocking code. It is non-blocking still.
    pub fn into_std(self) -> net::TcpStream {
        self.connection.into_inner()
    }

    /// The connection as the standard library has it, for options that have no method here. It is non-blocking: what it does
    /// would fail with `WouldBlock` where this type waits.
    ///
    /// ```
    /// # use runtime_io::net::{TcpListener, TcpStream};
    /// # let reactor = runtime_io::Reactor::new()?;
    /// # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
    /// # executor.block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// use std::io::Read;
    /// let client = TcpStream::connect(listener.local_addr()?).await?;
    /// let nothing_yet = client.as_std().read(&mut [0; 16]).unwrap_err();
    /// assert_eq!(nothing_yet.kind(), std::io::ErrorKind::WouldBlock);
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn as_std(&self) -> &net::TcpStream {
        self.connection.get_ref()
    }

    /// Reads some bytes, as soon as there are any. 0 is the end: the peer has shut down its side (or `buf` is
    /// empty).
    ///
    /// # Errors
    /// What `recv` says, such as `ConnectionReset`; or a [`HandleError`](crate::HandleError).
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it has read nothing.
    ///
    /// ```
    /// # use runtime_io::net::{Shutdown, TcpListener, TcpStream};
    /// # let reactor = runtime_io::Reactor::new()?;
    /// # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
    /// # executor.block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// # let client = TcpStream::connect(listener.local_addr()?).await?;
    /// # let (server, _) = listener.accept().await?;
    /// client.write_all(b"some bytes").await?;
    /// let mut buf = [0; 4];
    /// let n = server.read(&mut buf).await?;
    /// assert_eq!(&buf[..n], b"some");
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    #[inline]
    pub fn read<'a>(&'a self, buf: &'a mut [u8]) -> impl Future<Output = io::Result<usize>> + 'a {
        self.connection.read(buf)
    }

    /// Reads some bytes, as soon as there are any, into a buffer of the runtime's pool with room for at least `room` bytes.
    /// An empty one is the end. While nothing is there no buffer is held, so idle connections need none; the buffer goes
    /// back when it is dropped.
    ///
    /// # Errors
    /// As for [`read`](Self::read).
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it has read nothing.
    ///
    /// ```
    /// # use runtime_io::net::{Shutdown, TcpListener, TcpStream};
    /// # let reactor = runtime_io::Reactor::new()?;
    /// # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
    /// # executor.block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// # let client = TcpStream::connect(listener.local_addr()?).await?;
    /// # let (server, _) = listener.accept().await?;
    /// # client.write_all(b"echo").await?;
    /// # client.shutdown(Shutdown::Write)?;
    /// loop {
    ///     let bytes = server.read_pooled(16 * 1024).await?;
    ///     if bytes.is_empty() {
    ///         break;
    ///     }
    ///     server.write_all(&bytes).await?;
    /// }
    /// # let mut echo = [0; 4];
    /// # client.read_exact(&mut echo).await?;
    /// # assert_eq!(&echo, b"echo");
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn read_pooled(&self, room: usize) -> impl Future<Output = io::Result<crate::io::Buffer>> {
        self.connection.read_pooled(room)
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
        self.connection.read_exact(buf)
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
        self.connection.read_vectored(bufs)
    }

    /// Reads some bytes and leaves them where they are.
    ///
    /// # Errors
    /// As for [`read`](Self::read).
    ///
    /// # Cancel safety
    /// Dropping it loses nothing.
    pub fn peek<'a>(&'a self, buf: &'a mut [u8]) -> impl Future<Output = io::Result<usize>> + 'a {
        self.connection.peek(buf)
    }

    /// Writes some bytes, at least one unless `buf` is empty.
    ///
    /// # Errors
    /// What `send` says, such as `BrokenPipe` or `ConnectionReset`; or a [`HandleError`](crate::HandleError). That the system
    /// has no memory (`ENOBUFS`, `ENOMEM`) is none: a stream tries again ten times a second, and so does a read.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it has written nothing.
    ///
    /// ```
    /// # use runtime_io::net::{Shutdown, TcpListener, TcpStream};
    /// # let reactor = runtime_io::Reactor::new()?;
    /// # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
    /// # executor.block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// # let client = TcpStream::connect(listener.local_addr()?).await?;
    /// # let (server, _) = listener.accept().await?;
    /// let n = client.write(b"as much as there is room for").await?;
    /// assert!(n > 0);
    /// # drop(server);
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    #[inline]
    pub fn write<'a>(&'a self, buf: &'a [u8]) -> impl Future<Output = io::Result<usize>> + 'a {
        self.connection.write(buf)
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
        self.connection.write_all(buf)
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
        self.connection.write_vectored(bufs)
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
        self.connection.readable()
    }

    /// Waits until there is room to write, or an error to learn.
    ///
    /// # Errors
    /// As for [`readable`](Self::readable).
    ///
    /// # Cancel safety
    /// Dropping it loses nothing.
    pub fn writable(&self) -> impl Future<Output = io::Result<()>> {
        self.connection.writable()
    }

    /// [`read`](Self::read) without waiting.
    ///
    /// # Errors
    /// `WouldBlock` if nothing is known or found to be there; otherwise as for `read`.
    pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.connection.try_read(buf)
    }

    /// [`write`](Self::write) without waiting.
    ///
    /// # Errors
    /// `WouldBlock` if there is no room; otherwise as for `write`.
    pub fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
        self.connection.try_write(buf)
    }

    /// Ends one side of the connection or both, at once, and wakes the tasks that wait for it: their reads return 0
    /// and their writes fail.
    ///
    /// # Errors
    /// `NotConnected` if the connection is gone already. Doing it twice is no mistake.
    ///
    /// ```
    /// # use runtime_io::net::{Shutdown, TcpListener, TcpStream};
    /// # let reactor = runtime_io::Reactor::new()?;
    /// # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
    /// # executor.block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// # let client = TcpStream::connect(listener.local_addr()?).await?;
    /// # let (server, _) = listener.accept().await?;
    /// client.write_all(b"request").await?;
    /// client.shutdown(Shutdown::Write)?;
    /// let mut buf = [0; 16];
    /// assert_eq!(server.read(&mut buf).await?, 7);
    /// assert_eq!(server.read(&mut buf).await?, 0); // the end of the request
    /// server.write_all(b"reply").await?;
    /// assert_eq!(client.read(&mut buf).await?, 5);
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.connection.shutdown(how)
    }

    /// Splits into halves that borrow the connection, for two futures in one task.
    pub fn split(&mut self) -> (ReadHalf<'_>, WriteHalf<'_>) {
        (ReadHalf(self), WriteHalf(self))
    }

    /// Splits into halves of their own, for two tasks. Dropping the writing half ends our side of the connection.
    ///
    /// ```
    /// # use runtime_io::net::{Shutdown, TcpListener, TcpStream};
    /// # let reactor = runtime_io::Reactor::new()?;
    /// # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
    /// # executor.block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// # let client = TcpStream::connect(listener.local_addr()?).await?;
    /// # let (server, _) = listener.accept().await?;
    /// let (reader, writer) = server.into_split();
    /// let copying = runtime_executor::spawn(async move {
    ///     let mut buf = [0; 1024];
    ///     loop {
    ///         match reader.read(&mut buf).await? {
    ///             0 => return std::io::Result::Ok(()),
    ///             n => writer.write_all(&buf[..n]).await?,
    ///         }
    ///     }
    /// });
    /// client.write_all(b"echo").await?;
    /// client.read_exact(&mut [0; 4]).await?;
    /// drop(client);
    /// copying.await.unwrap()?;
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        OwnedWriteHalf::pair(self)
    }
}

impl Transport for net::TcpStream {
    type Address = SocketAddr;

    #[inline]
    fn read(&self, buf: &mut [u8]) -> io::Result<Got> {
        // Urgent data may be in the way: that is announced with an event.
        Ok(Got { bytes: (&mut &*self).read(buf)?, is_unhindered: true })
    }

    #[cfg(any(feature = "hyper", feature = "tokio-io"))]
    #[inline]
    fn read_uninit(&self, buf: &mut [std::mem::MaybeUninit<u8>]) -> io::Result<Got> {
        Ok(Got { bytes: socket2::SockRef::from(self).recv(buf)?, is_unhindered: true })
    }

    fn read_vectored(&self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<Got> {
        Ok(Got { bytes: (&mut &*self).read_vectored(bufs)?, is_unhindered: true })
    }

    fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.peek(buf)
    }

    #[inline]
    fn write(&self, buf: &[u8]) -> io::Result<usize> {
        (&mut &*self).write(buf)
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

impl ByteStream for TcpStream {}

impl Connected for TcpStream {
    type Transport = net::TcpStream;

    #[inline]
    fn connection(&self) -> &Connection<net::TcpStream> {
        &self.connection
    }
}

impl AsFd for TcpStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.connection.as_fd()
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
        self.connection.fmt(f)
    }
}
