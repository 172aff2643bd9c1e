//! Datagrams: messages that arrive whole, or not at all, in any order.

mod messages;
mod options;
mod polling;

pub use messages::Datagram;

use super::{addr::ToSocketAddrs, connect::AddressError, lookup::lookup_host};
use crate::{
    async_fd::AsyncFd,
    operation::Operation,
    registration::Step,
    source::{Direction, Reading, Writing},
    sys,
};
use std::{
    fmt, io,
    net::{self, SocketAddr},
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
};

/// A UDP socket.
///
/// Each `send` is one datagram, and each `recv` takes one. On the way datagrams may be lost, doubled or overtake each
/// other; nobody tells. All methods take `&self`, so one task may receive while another sends.
///
/// - **One peer or many.** A bound socket has many: [`send_to`](Self::send_to) and [`recv_from`](Self::recv_from).
///   [`connect`](Self::connect) settles on one: [`send`](Self::send) and [`recv`](Self::recv), and datagrams from
///   elsewhere are dropped by the system.
/// - **Too long.** A datagram that is longer than the buffer it is received into is cut, and the rest is lost. `recv` and
///   `recv_from` do not tell, as in the standard library. A buffer of 65,535 bytes takes any.
/// - **Nobody there.** If a host says (by ICMP) that nobody receives at the port, a *connected* socket reports it once, as
///   [`ConnectionRefused`](io::ErrorKind::ConnectionRefused) from whichever operation comes next, and is as good as
///   before. An unconnected socket hears nothing.
/// - **No room.** `send` waits while the socket's own buffer is full. If the system is out of memory, or a network device's
///   queue is full and says so, the send fails with `ENOBUFS` or `ENOMEM` and nothing was sent: no event tells when there
///   is room again, so it is the caller's to drop the datagram, as a router would, or to try again later.
///
/// The handle is `Send` and `Sync`: see [the module](crate::net) for where it can be used.
///
/// ```
/// use runtime_io::net::UdpSocket;
/// # let reactor = runtime_io::Reactor::new()?;
/// # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
/// # executor.block_on(async {
/// let server = UdpSocket::bind("127.0.0.1:0").await?;
/// let client = UdpSocket::bind("127.0.0.1:0").await?;
/// client.connect(server.local_addr()?).await?;
///
/// client.send(b"what time is it?").await?;
/// let mut buf = [0; 1500];
/// let (n, peer) = server.recv_from(&mut buf).await?;
/// assert_eq!(&buf[..n], b"what time is it?");
/// server.send_to(b"late", peer).await?;
/// assert_eq!(client.recv(&mut buf).await?, 4);
/// # std::io::Result::Ok(())
/// # })?;
/// # std::io::Result::Ok(())
/// ```
pub struct UdpSocket {
    io: AsyncFd<net::UdpSocket>,
}

impl UdpSocket {
    /// Opens a socket at the first address of `addr` that is free. Port 0 lets the system choose; `"0.0.0.0:0"` and
    /// `"[::]:0"` are for clients.
    ///
    /// In a worker of a cluster too it is the worker's own. For workers that share a port see `SO_REUSEPORT` in socket(7), and
    /// [`from_std`](Self::from_std): the system then gives each peer a worker, and what is queued at one that dies is lost.
    ///
    /// # Errors
    /// If a name cannot be resolved, or such as `AddrInUse`, `AddrNotAvailable` or `PermissionDenied` of the last address
    /// tried; the message names it.
    ///
    /// # Cancel safety
    /// Dropped while it looks a name up, it has opened nothing.
    pub async fn bind(addr: impl ToSocketAddrs) -> io::Result<Self> {
        let mut last = None;
        for address in lookup_host(addr).await? {
            match sys::socket::bound_datagram(address) {
                Ok(socket) => return Ok(Self::from_nonblocking(socket.into())),
                Err(error) => last = Some(AddressError { verb: "bind to", address, error }),
            }
        }
        Err(AddressError::last(last, "there is no address to bind to"))
    }

    /// Wraps a socket of the standard library, perhaps an inherited one, and makes it non-blocking. So do options that
    /// must be set before `bind`, such as `SO_REUSEPORT`, come in, by way of a `socket2::Socket`.
    ///
    /// # Errors
    /// If the system refuses that.
    ///
    /// ```
    /// use runtime_io::net::UdpSocket;
    /// let socket = std::net::UdpSocket::bind("127.0.0.1:0")?;
    /// let socket = UdpSocket::from_std(socket)?;
    /// assert_ne!(socket.local_addr()?.port(), 0);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn from_std(socket: net::UdpSocket) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self::from_nonblocking(socket))
    }

    fn from_nonblocking(socket: net::UdpSocket) -> Self {
        // A datagram always comes short of the buffer: only `EAGAIN` means that there is no other.
        Self { io: AsyncFd::new_nonblocking(socket) }
    }

    /// Takes the socket out, to hand it to another runtime or to blocking code. It is non-blocking still.
    pub fn into_std(self) -> net::UdpSocket {
        self.io.into_inner()
    }

    /// The socket as what it is built on: for operations that this type does not have, done on the descriptor when it is
    /// ready for them.
    ///
    /// ```
    /// # use runtime_io::net::UdpSocket;
    /// # let reactor = runtime_io::Reactor::new()?;
    /// # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
    /// # executor.block_on(async {
    /// let socket = UdpSocket::bind("127.0.0.1:0").await?;
    /// socket.send_to(b"to myself", socket.local_addr()?).await?;
    /// let mut buf = [0; 16];
    /// // Looks at the next datagram, with whatever system call one likes.
    /// let n = socket.as_async_fd().read_with(|socket| socket.peek(&mut buf)).await?;
    /// assert_eq!(&buf[..n], b"to myself");
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn as_async_fd(&self) -> &AsyncFd<net::UdpSocket> {
        &self.io
    }

    /// Settles on one peer, the first address of `addr` that there is a way to: [`send`](Self::send) goes there, and
    /// nothing else is received any more. Nothing is sent yet, so nobody need be there. A socket may connect again.
    ///
    /// Datagrams that had arrived before from others are received still; a client that cares connects before anybody
    /// can know its port, or looks where they come from.
    ///
    /// # Errors
    /// If a name cannot be resolved, or such as `NetworkUnreachable` of the last address tried; the message names it.
    ///
    /// # Cancel safety
    /// Dropped while it looks a name up, it has changed nothing.
    pub async fn connect(&self, addr: impl ToSocketAddrs) -> io::Result<()> {
        let mut last = None;
        for address in lookup_host(addr).await? {
            match self.io.get_ref().connect(address) {
                Ok(()) => return Ok(()),
                Err(error) => last = Some(AddressError { verb: "connect to", address, error }),
            }
        }
        Err(AddressError::last(last, "there is no address to connect to"))
    }

    /// Receives one datagram from the peer this socket is connected to, or from anybody. An empty one is 0 bytes, and no
    /// end: there is none.
    ///
    /// # Errors
    /// `ConnectionRefused` if something that was sent has found nobody, after which the socket goes on; or a
    /// [`HandleError`](crate::HandleError).
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it has received nothing.
    ///
    /// ```
    /// # use runtime_io::net::UdpSocket;
    /// # let reactor = runtime_io::Reactor::new()?;
    /// # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
    /// # executor.block_on(async {
    /// # let server = UdpSocket::bind("127.0.0.1:0").await?;
    /// use std::{io::ErrorKind, time::Duration};
    /// let client = UdpSocket::bind("127.0.0.1:0").await?;
    /// client.connect(server.local_addr()?).await?;
    /// # drop(server);
    /// client.send(b"anybody there?").await?;
    /// let mut buf = [0; 1500];
    /// let patience = Duration::from_secs(3); // datagrams get lost: a client needs some
    /// match runtime_executor::time::timeout(patience, client.recv(&mut buf)).await {
    ///     Ok(Ok(n)) => println!("{n} bytes"),
    ///     Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused => println!("nobody there"),
    ///     Ok(Err(error)) => return Err(error),
    ///     Err(_) => println!("no answer"),
    /// }
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    #[inline]
    pub fn recv<'a>(&'a self, buf: &'a mut [u8]) -> impl Future<Output = io::Result<usize>> + 'a {
        self.reading(move |socket| socket.recv(buf))
    }

    /// Sends one datagram to the peer this socket is connected to; returns its length.
    ///
    /// # Errors
    /// `EDESTADDRREQ` if it is not connected; `ConnectionRefused` if something sent earlier has found nobody: **this**
    /// datagram was not sent then; `EMSGSIZE` if it is longer than a datagram can be; `ENOBUFS` or `ENOMEM` if the
    /// system had no room for it; or a [`HandleError`](crate::HandleError).
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it has sent nothing.
    #[inline]
    pub fn send<'a>(&'a self, bytes: &'a [u8]) -> impl Future<Output = io::Result<usize>> + 'a {
        self.writing(move |socket| socket.send(bytes))
    }

    /// Receives one datagram, and tells from whom.
    ///
    /// # Errors
    /// As for [`recv`](Self::recv).
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it has received nothing.
    ///
    /// ```
    /// # use runtime_io::net::UdpSocket;
    /// # let reactor = runtime_io::Reactor::new()?;
    /// # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
    /// # executor.block_on(async {
    /// let server = UdpSocket::bind("127.0.0.1:0").await?;
    /// # let client = UdpSocket::bind("127.0.0.1:0").await?;
    /// # client.send_to(b"echo", server.local_addr()?).await?;
    /// let mut buf = vec![0; 65_535];
    /// let (n, peer) = server.recv_from(&mut buf).await?;
    /// server.send_to(&buf[..n], peer).await?;
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    #[inline]
    pub fn recv_from<'a>(
        &'a self,
        buf: &'a mut [u8],
    ) -> impl Future<Output = io::Result<(usize, SocketAddr)>> + 'a {
        self.reading(move |socket| socket.recv_from(buf))
    }

    /// Sends one datagram to an address; returns its length. Names are not looked up here, once per datagram; do that with
    /// [`lookup_host`](super::lookup_host), once.
    ///
    /// # Errors
    /// As for [`send`](Self::send), or such as `NetworkUnreachable`; `PermissionDenied` if it is a
    /// [`broadcast`](Self::set_broadcast) address and that is not allowed.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it has sent nothing.
    #[inline]
    pub fn send_to<'a>(
        &'a self,
        bytes: &'a [u8],
        to: impl Into<SocketAddr>,
    ) -> impl Future<Output = io::Result<usize>> + 'a {
        let to = to.into();
        self.writing(move |socket| socket.send_to(bytes, to))
    }

    /// [`recv`](Self::recv) that leaves the datagram where it is.
    ///
    /// # Errors
    /// As for `recv`.
    ///
    /// # Cancel safety
    /// Dropping it loses nothing.
    pub fn peek<'a>(&'a self, buf: &'a mut [u8]) -> impl Future<Output = io::Result<usize>> + 'a {
        self.reading(move |socket| socket.peek(buf))
    }

    /// [`recv_from`](Self::recv_from) that leaves the datagram where it is. With an empty buffer it tells who has sent
    /// something.
    ///
    /// # Errors
    /// As for `recv`.
    ///
    /// # Cancel safety
    /// Dropping it loses nothing.
    pub fn peek_from<'a>(
        &'a self,
        buf: &'a mut [u8],
    ) -> impl Future<Output = io::Result<(usize, SocketAddr)>> + 'a {
        self.reading(move |socket| socket.peek_from(buf))
    }

    /// Waits until there is a datagram, or an error to learn. With [`try_recv`](Self::try_recv) it needs no buffer while
    /// it waits.
    ///
    /// # Errors
    /// A [`HandleError`](crate::HandleError), or what the selector says.
    ///
    /// # Cancel safety
    /// Dropping it loses nothing.
    ///
    /// ```
    /// # use runtime_io::net::UdpSocket;
    /// # let reactor = runtime_io::Reactor::new()?;
    /// # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
    /// # executor.block_on(async {
    /// let socket = UdpSocket::bind("127.0.0.1:0").await?;
    /// # socket.send_to(b"hello", socket.local_addr()?).await?;
    /// socket.readable().await?;
    /// let mut buf = [0; 1500];
    /// let (n, _peer) = socket.try_recv_from(&mut buf)?;
    /// assert_eq!(&buf[..n], b"hello");
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn readable(&self) -> impl Future<Output = io::Result<()>> {
        self.io.readable()
    }

    /// Waits until there is room to send, or an error to learn.
    ///
    /// # Errors
    /// As for [`readable`](Self::readable).
    ///
    /// # Cancel safety
    /// Dropping it loses nothing.
    pub fn writable(&self) -> impl Future<Output = io::Result<()>> {
        self.io.writable()
    }

    #[inline]
    fn reading<'a, R, F>(
        &'a self,
        mut op: F,
    ) -> Operation<'a, Reading, net::UdpSocket, impl FnMut(&net::UdpSocket) -> io::Result<Step<R>> + 'a>
    where
        F: FnMut(&net::UdpSocket) -> io::Result<R> + 'a,
    {
        self.io.reading(move |socket| op(socket).map(Step::Done))
    }

    #[inline]
    fn writing<'a, R, F>(
        &'a self,
        mut op: F,
    ) -> Operation<'a, Writing, net::UdpSocket, impl FnMut(&net::UdpSocket) -> io::Result<Step<R>> + 'a>
    where
        F: FnMut(&net::UdpSocket) -> io::Result<R> + 'a,
    {
        self.io.writing(move |socket| op(socket).map(Step::Done))
    }

    #[inline]
    fn attempt<R>(
        &self,
        direction: Direction,
        mut op: impl FnMut(&net::UdpSocket) -> io::Result<R>,
    ) -> io::Result<R> {
        self.io.try_op(direction, |socket| op(socket).map(Step::Done))
    }
}

impl AsFd for UdpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.io.as_fd()
    }
}

impl AsRawFd for UdpSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl TryFrom<OwnedFd> for UdpSocket {
    type Error = io::Error;

    /// Wraps the descriptor of a UDP socket, and makes it non-blocking.
    fn try_from(fd: OwnedFd) -> io::Result<Self> {
        Self::from_std(fd.into())
    }
}

impl TryFrom<net::UdpSocket> for UdpSocket {
    type Error = io::Error;

    /// [`from_std`](Self::from_std).
    fn try_from(socket: net::UdpSocket) -> io::Result<Self> {
        Self::from_std(socket)
    }
}

impl From<UdpSocket> for OwnedFd {
    fn from(socket: UdpSocket) -> Self {
        socket.into_std().into()
    }
}

impl fmt::Debug for UdpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.io.get_ref().fmt(f)
    }
}
