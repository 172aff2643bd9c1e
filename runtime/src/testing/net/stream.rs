//! One end of a connection in memory.

use super::{
    connection::{Connection, Direction, Side},
    hosts,
    shared::Shared,
};
use crate::{
    io::{AsyncRead, AsyncWrite},
    net::{Shutdown, ToSocketAddrs},
};
use std::{
    fmt,
    future::poll_fn,
    io::{self, ErrorKind},
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

/// One end of a connection in memory: of a [`duplex`] pair, or on the simulated network, where it stands for
/// [`net::TcpStream`](crate::net::TcpStream) and is called [`net::TcpStream`](super::TcpStream) too.
///
/// It has that one's methods, reads and writes through `&self`, implements the `futures-io` traits, and fails as the
/// kernel does: the end of the stream is `Ok(0)`; a connection that is gone gives `ConnectionReset` once, then `Ok(0)` to
/// readers and `BrokenPipe` to writers. Dropping an end with unread bytes in it resets the connection, on the simulated
/// network.
///
/// ```
/// use runtime::testing::duplex;
///
/// runtime::run(async {
///     let (one, other) = duplex(16);
///     one.write_all(b"ping").await?;
///     let mut buf = [0; 4];
///     other.read_exact(&mut buf).await?;
///     assert_eq!(&buf, b"ping");
///     drop(one);
///     assert_eq!(other.read(&mut buf).await?, 0);
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
pub struct MemoryStream {
    shared: Arc<Shared>,
    side: Side,
    addresses: Option<Addresses>,
}

/// Where a connection on the network leads from and to.
#[derive(Clone, Copy)]
pub(super) struct Addresses {
    pub(super) local: SocketAddr,
    pub(super) peer: SocketAddr,
}

/// Two ends of a connection in memory that takes `capacity` bytes in each direction before the other end has read some.
/// Nothing delays it and nothing goes wrong; the ends may be used in any executor, also on different threads.
///
/// # Panics
/// On a capacity of 0.
///
/// ```
/// use runtime::{io::{AsyncReadExt, AsyncWriteExt}, spawn, testing::duplex};
///
/// runtime::run(async {
///     let (mut client, mut server) = duplex(4);
///     let echo = spawn(async move {
///         let mut request = Vec::new();
///         server.read_to_end(&mut request).await?;
///         server.write_all(&request).await
///     });
///     client.write_all(b"more than fits").await?; // goes on as the server reads
///     client.close().await?; // our side; the answer can still come
///     let mut answer = String::new();
///     client.read_to_string(&mut answer).await?;
///     assert_eq!(answer, "more than fits");
///     echo.await.unwrap()
/// })?;
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn duplex(capacity: usize) -> (MemoryStream, MemoryStream) {
    assert!(capacity > 0, "a connection with a capacity of 0 bytes could carry nothing: use at least 1");
    MemoryStream::pair(Shared::new(Connection::new(capacity, None)), None)
}

impl MemoryStream {
    /// Both ends; the addresses are those of the first.
    pub(super) fn pair(shared: Arc<Shared>, addresses: Option<Addresses>) -> (Self, Self) {
        let turned = addresses.map(|Addresses { local, peer }| Addresses { local: peer, peer: local });
        let other = Self { shared: Arc::clone(&shared), side: 1, addresses: turned };
        (Self { shared, side: 0, addresses }, other)
    }

    /// Connects on the network of the simulation that runs on this thread, from the host 127.0.0.1; of several addresses
    /// it takes the first that answers.
    ///
    /// # Errors
    /// `ConnectionRefused` if nobody listens there; `TimedOut` after two minutes, if nothing gets through or the
    /// listener accepts nobody; an error that says so outside a simulation.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, the other side may see a connection that ends at once.
    ///
    /// ```
    /// use runtime::{spawn, testing::{Sim, net::{TcpListener, TcpStream}}};
    ///
    /// Sim::new().run(|| async {
    ///     let listener = TcpListener::bind("10.0.0.1:80").await?;
    ///     let server = spawn(async move {
    ///         let (stream, _) = listener.accept().await?;
    ///         stream.write_all(b"welcome").await
    ///     });
    ///     let client = TcpStream::connect("10.0.0.1:80").await?;
    ///     let mut welcome = [0; 7];
    ///     client.read_exact(&mut welcome).await?;
    ///     assert_eq!(&welcome, b"welcome");
    ///     server.await.unwrap()
    /// });
    /// ```
    pub async fn connect(addr: impl ToSocketAddrs) -> io::Result<Self> {
        hosts::connect(None, addr).await
    }

    /// [`connect`](Self::connect) from another host, so that the two can be [partitioned](super::partition).
    ///
    /// # Errors
    /// As there.
    ///
    /// # Cancel safety
    /// As there.
    pub async fn connect_from(host: IpAddr, addr: impl ToSocketAddrs) -> io::Result<Self> {
        hosts::connect(Some(host), addr).await
    }

    /// Reads some bytes, as soon as there are any. 0 is the end (or `buf` is empty).
    ///
    /// # Errors
    /// `ConnectionReset`, once, when the connection is gone and what had arrived is read.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it has read nothing.
    pub async fn read(&self, buf: &mut [u8]) -> io::Result<usize> {
        poll_fn(|context| self.poll_read_some(context, buf, false)).await
    }

    /// Reads some bytes and leaves them where they are.
    ///
    /// # Errors
    /// As for [`read`](Self::read).
    ///
    /// # Cancel safety
    /// Dropping it loses nothing.
    pub async fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        poll_fn(|context| self.poll_read_some(context, buf, true)).await
    }

    /// Reads until `buf` is full.
    ///
    /// # Errors
    /// `UnexpectedEof` if the end comes first; otherwise as for [`read`](Self::read).
    ///
    /// # Cancel safety
    /// None: dropped before it is ready, it may have read some bytes, and how many is lost.
    pub async fn read_exact(&self, mut buf: &mut [u8]) -> io::Result<()> {
        while !buf.is_empty() {
            match self.read(buf).await? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                n => buf = &mut buf[n..],
            }
        }
        Ok(())
    }

    /// Writes some bytes, at least one unless `buf` is empty.
    ///
    /// # Errors
    /// `ConnectionReset`, once, or `BrokenPipe` when the connection, or our side of it, is gone.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it has written nothing.
    pub async fn write(&self, buf: &[u8]) -> io::Result<usize> {
        poll_fn(|context| self.poll_write_some(context, buf)).await
    }

    /// Writes all of `buf`.
    ///
    /// # Errors
    /// As for [`write`](Self::write).
    ///
    /// # Cancel safety
    /// None: dropped before it is ready, it may have written some bytes, and how many is lost.
    pub async fn write_all(&self, mut buf: &[u8]) -> io::Result<()> {
        while !buf.is_empty() {
            let n = self.write(buf).await?;
            buf = &buf[n..];
        }
        Ok(())
    }

    /// Waits until there is something to read, or an end or error to learn.
    ///
    /// # Errors
    /// None; it is a `Result` for the sake of [`TcpStream`](crate::net::TcpStream).
    ///
    /// # Cancel safety
    /// Dropping it loses nothing.
    pub async fn readable(&self) -> io::Result<()> {
        poll_fn(|context| {
            let side = self.side;
            self.shared.poll(side, Direction::Read, context, |connection, _, _| {
                connection.is_readable(side).then_some(Ok(()))
            })
        })
        .await
    }

    /// Waits until there is room to write, or an error to learn.
    ///
    /// # Errors
    /// None, as for [`readable`](Self::readable).
    ///
    /// # Cancel safety
    /// Dropping it loses nothing.
    pub async fn writable(&self) -> io::Result<()> {
        poll_fn(|context| {
            let side = self.side;
            self.shared.poll(side, Direction::Write, context, |connection, _, _| {
                connection.is_writable(side).then_some(Ok(()))
            })
        })
        .await
    }

    /// [`read`](Self::read) without waiting.
    ///
    /// # Errors
    /// `WouldBlock` if nothing is there; otherwise as for `read`.
    pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.shared.attempt(|connection, _, woken| connection.read(self.side, buf, false, woken));
        read.unwrap_or_else(|| Err(ErrorKind::WouldBlock.into()))
    }

    /// [`write`](Self::write) without waiting.
    ///
    /// # Errors
    /// `WouldBlock` if there is no room; otherwise as for `write`.
    pub fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
        let written =
            self.shared.attempt(|connection, now, woken| connection.write(self.side, buf, now, woken));
        written.unwrap_or_else(|| Err(ErrorKind::WouldBlock.into()))
    }

    /// Ends one side of the connection or both: the peer reads the end after what was sent, our own writes fail; our
    /// reads give what has arrived, then 0.
    ///
    /// # Errors
    /// `NotConnected` if the connection is gone already. Doing it twice is no mistake.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.shared.attempt(|connection, now, woken| {
            if connection.is_dead(self.side) {
                return Err(ErrorKind::NotConnected.into());
            }
            if how != Shutdown::Read {
                connection.end_writing(self.side, now, woken);
            }
            if how != Shutdown::Write {
                connection.end_reading(self.side, woken);
            }
            Ok(())
        })
    }

    /// Splits into halves, for two tasks. Dropping the writing half ends our side of the connection.
    ///
    /// ```
    /// use runtime::testing::duplex;
    /// runtime::run(async {
    ///     let (one, other) = duplex(16);
    ///     let (reader, writer) = one.into_split();
    ///     writer.write_all(b"bye").await?;
    ///     drop(writer);
    ///     let mut buf = [0; 16];
    ///     assert_eq!((other.read(&mut buf).await?, other.read(&mut buf).await?), (3, 0));
    ///     other.write_all(b"so long").await?; // the other direction is still there
    ///     assert_eq!(reader.read(&mut buf).await?, 7);
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        let stream = Arc::new(self);
        (OwnedReadHalf { stream: Arc::clone(&stream) }, OwnedWriteHalf { stream })
    }

    /// The address of this end.
    ///
    /// # Errors
    /// `AddrNotAvailable` for one of a [`duplex`] pair.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.addresses.ok_or(ErrorKind::AddrNotAvailable)?.local)
    }

    /// The address of the other end.
    ///
    /// # Errors
    /// As [`local_addr`](Self::local_addr).
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.addresses.ok_or(ErrorKind::AddrNotAvailable)?.peer)
    }

    /// Does nothing: no byte waits for another here.
    ///
    /// # Errors
    /// None.
    pub fn set_nodelay(&self, _nodelay: bool) -> io::Result<()> {
        Ok(())
    }

    /// Resets the connection, before it is dropped.
    pub(super) fn reset(&self) {
        self.shared.attempt(|connection, now, _| connection.reset(self.side, now));
    }

    fn poll_read_some(
        &self,
        context: &mut Context<'_>,
        buf: &mut [u8],
        keep: bool,
    ) -> Poll<io::Result<usize>> {
        self.shared.poll(self.side, Direction::Read, context, |connection, _, woken| {
            connection.read(self.side, buf, keep, woken)
        })
    }

    fn poll_write_some(&self, context: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.shared.poll(self.side, Direction::Write, context, |connection, now, woken| {
            connection.write(self.side, buf, now, woken)
        })
    }

    fn close_as_trait(&self) -> Poll<io::Result<()>> {
        // A connection that is gone has nothing left to end.
        let _ = self.shutdown(Shutdown::Write);
        Poll::Ready(Ok(()))
    }
}

impl Drop for MemoryStream {
    fn drop(&mut self) {
        self.shared.attempt(|connection, now, woken| connection.leave(self.side, now, woken));
    }
}

impl fmt::Debug for MemoryStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("MemoryStream");
        if let Some(Addresses { local, peer }) = self.addresses {
            debug.field("addr", &local).field("peer", &peer);
        }
        debug.finish_non_exhaustive()
    }
}

/// The reading half of a [`MemoryStream`]; see [`into_split`](MemoryStream::into_split). It has the methods of the whole.
#[derive(Debug)]
pub struct OwnedReadHalf {
    stream: Arc<MemoryStream>,
}

/// The writing half of a [`MemoryStream`]; see [`into_split`](MemoryStream::into_split). Dropping it ends our side of the
/// connection, so the peer reads an end.
#[derive(Debug)]
pub struct OwnedWriteHalf {
    stream: Arc<MemoryStream>,
}

impl std::ops::Deref for OwnedReadHalf {
    type Target = MemoryStream;

    fn deref(&self) -> &MemoryStream {
        &self.stream
    }
}

impl std::ops::Deref for OwnedWriteHalf {
    type Target = MemoryStream;

    fn deref(&self) -> &MemoryStream {
        &self.stream
    }
}

impl Drop for OwnedWriteHalf {
    fn drop(&mut self) {
        // A connection that is gone has nothing left to end.
        let _ = self.stream.shutdown(Shutdown::Write);
    }
}

macro_rules! reading {
    ($($type:ty),*) => {$(
        impl AsyncRead for $type {
            fn poll_read(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
                buf: &mut [u8],
            ) -> Poll<io::Result<usize>> {
                self.poll_read_some(context, buf, false)
            }
        }
    )*};
}

macro_rules! writing {
    ($($type:ty),*) => {$(
        impl AsyncWrite for $type {
            fn poll_write(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
                buf: &[u8],
            ) -> Poll<io::Result<usize>> {
                self.poll_write_some(context, buf)
            }

            fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }

            /// Ends our side of the connection; the peer's may go on.
            fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.close_as_trait()
            }
        }
    )*};
}

reading!(MemoryStream, &MemoryStream, OwnedReadHalf);
writing!(MemoryStream, &MemoryStream, OwnedWriteHalf);
