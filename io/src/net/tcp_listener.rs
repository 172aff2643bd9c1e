//! A TCP socket that accepts connections.

use super::{
    acceptor::{Accepted, Acceptor, Incoming},
    addr::ToSocketAddrs,
    lookup::lookup_host,
    share::{self, Place, Shared, Tally},
    tcp_socket::TcpSocket,
    tcp_stream::TcpStream,
};
use crate::{source::WaiterId, sys::socket::BACKLOG};
use std::{
    fmt, io,
    net::{self, SocketAddr},
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
    task::{Context, Poll},
};

/// Accepts TCP connections.
///
/// When the process runs out of descriptors, `accept` waits rather than fails: connections stay in the kernel's
/// queue and are accepted as soon as a descriptor of this runtime is closed, or within 100 ms if one comes free
/// elsewhere.
///
/// ```
/// use runtime_io::net::{TcpListener, TcpStream};
/// # let reactor = runtime_io::Reactor::new()?;
/// # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
/// # executor.block_on(async {
/// let listener = TcpListener::bind("127.0.0.1:0").await?;
/// let client = TcpStream::connect(listener.local_addr()?).await?;
/// let (server, peer) = listener.accept().await?;
/// assert_eq!(peer, client.local_addr()?);
/// # drop(server);
/// # std::io::Result::Ok(())
/// # })?;
/// # std::io::Result::Ok(())
/// ```
pub struct TcpListener {
    acceptor: Acceptor<TcpStream>,
}

impl TcpListener {
    /// Listens on the first address of `addr` that can be had. Port 0 lets the system choose one; see
    /// [`local_addr`](Self::local_addr).
    ///
    /// On Unix an address in `TIME_WAIT` is taken over (`SO_REUSEADDR`), so that a server can be restarted at once;
    /// one that another process listens on is refused all the same. For other options see [`TcpSocket`].
    ///
    /// In a worker of a cluster the supervisor makes the socket, and this is the worker's share of it; a [`TcpSocket`] is
    /// the worker's own.
    ///
    /// # Errors
    /// If a name cannot be resolved, or of the last address tried, such as `AddrInUse`; the message names it.
    pub async fn bind(addr: impl ToSocketAddrs) -> io::Result<Self> {
        let mut last = None;
        for address in lookup_host(addr).await? {
            let bound = match share::ask(|| Place::Tcp(address)) {
                Some(asked) => asked.await.and_then(Self::from_shared),
                None => open(address, false),
            };
            match bound {
                Ok(listener) => return Ok(listener),
                Err(error) => last = Some(explain(address, &error)),
            }
        }
        Err(last.unwrap_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, "there is no address to listen on")
        }))
    }

    fn from_shared(shared: Shared) -> io::Result<Self> {
        let (fd, share) = shared.into_parts(false)?;
        Ok(Self { acceptor: Acceptor::new(fd.into(), Some(share)) })
    }

    /// Wraps a listener of the standard library, perhaps an inherited one, and makes it non-blocking.
    ///
    /// # Errors
    /// If the system refuses that.
    pub fn from_std(listener: net::TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Self::from_nonblocking(listener))
    }

    pub(super) fn from_nonblocking(listener: net::TcpListener) -> Self {
        let listener = mio::net::TcpListener::from_std(listener);
        Self { acceptor: Acceptor::new(listener, None) }
    }

    /// Takes the listener out, to hand it to another runtime or process. It is non-blocking still.
    pub fn into_std(self) -> net::TcpListener {
        OwnedFd::from(self.acceptor.into_inner()).into()
    }

    /// Waits for the next connection. A peer that has reset its connection meanwhile is no error here: its stream
    /// says so when it is read.
    ///
    /// # Errors
    /// What `accept` says about the listener itself, or a [`HandleError`](crate::HandleError).
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it has accepted nothing.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        self.acceptor.accept().await
    }

    /// Takes a connection that the kernel has queued, whatever is known of its events.
    ///
    /// # Errors
    /// `WouldBlock` if there is none, or none for this worker of a cluster; otherwise as for [`accept`](Self::accept), and
    /// of a process without descriptors that it has none.
    pub fn try_accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        self.acceptor.try_accept()
    }

    /// [`accept`](Self::accept) for hand-written futures: of all tasks that ask, the last is woken.
    ///
    /// # Errors
    /// As for `accept`.
    pub fn poll_accept(&self, context: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        self.acceptor.poll_accept(&mut WaiterId::shared(), context)
    }

    /// Takes what the kernel has queued, whatever is known of its events: the last connections, before the listener is
    /// closed.
    pub(super) fn accept_now(&self) -> io::Result<(TcpStream, SocketAddr)> {
        self.acceptor.accept_now()
    }

    /// The connections as they come, without end.
    ///
    /// ```
    /// # use runtime_io::net::{TcpListener, TcpStream};
    /// use futures_lite::StreamExt;
    /// # let reactor = runtime_io::Reactor::new()?;
    /// # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
    /// # executor.block_on(async {
    /// let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// let client = TcpStream::connect(listener.local_addr()?).await?;
    /// let mut incoming = listener.incoming();
    /// while let Some(stream) = incoming.next().await {
    ///     assert_eq!(stream?.local_addr()?, client.peer_addr()?);
    /// #   break;
    /// }
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn incoming(&self) -> Incoming<'_> {
        Incoming(self.acceptor.accept())
    }

    /// Makes every `accept`, waiting now or begun later, fail with
    /// [`HandleError::Closed`](crate::HandleError::Closed); from any thread. The socket itself is closed with the
    /// last owner of the handle, and until then the kernel goes on queueing connections.
    pub fn close(&self) {
        self.acceptor.close();
    }

    /// Whether no connection will be accepted any more because this worker of a cluster stops: `accept` waits for ever
    /// then. Before that it returns, if all workers stop, what is in the queue a last time.
    pub fn is_paused(&self) -> bool {
        self.acceptor.is_paused()
    }

    /// The address it listens on.
    ///
    /// # Errors
    /// What the system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.acceptor.io().get_ref().local_addr()
    }

    /// How many routers a packet may pass (IPv4's time to live).
    ///
    /// # Errors
    /// What the system says.
    pub fn ttl(&self) -> io::Result<u32> {
        self.acceptor.io().get_ref().ttl()
    }

    /// Sets [`ttl`](Self::ttl), also for connections accepted later.
    ///
    /// # Errors
    /// What the system says.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.acceptor.io().get_ref().set_ttl(ttl)
    }

    /// Takes the error that the system holds for this socket, if any.
    ///
    /// # Errors
    /// What the system says.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.acceptor.io().get_ref().take_error()
    }
}

/// A listener as [`TcpListener::bind`] makes it.
pub(super) fn open(address: SocketAddr, reuseport: bool) -> io::Result<TcpListener> {
    let socket = TcpSocket::for_address(&address)?;
    if cfg!(unix) {
        socket.set_reuseaddr(true)?;
    }
    if reuseport {
        socket.set_reuseport(true)?;
    }
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// An error that names the address.
pub(super) fn explain(address: SocketAddr, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"))
}

impl Accepted for TcpStream {
    type Listener = mio::net::TcpListener;
    type Address = SocketAddr;

    #[inline]
    fn accept(listener: &mio::net::TcpListener) -> io::Result<(OwnedFd, SocketAddr)> {
        let (stream, peer) = listener.accept()?;
        Ok((stream.into(), peer))
    }

    #[inline]
    fn from_accepted(socket: OwnedFd, tally: Option<Tally>) -> io::Result<Self> {
        Self::from_nonblocking(socket.into(), tally)
    }
}

impl AsFd for TcpListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.acceptor.io().as_fd()
    }
}

impl AsRawFd for TcpListener {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl TryFrom<OwnedFd> for TcpListener {
    type Error = io::Error;

    /// Wraps the descriptor of a listening TCP socket, and makes it non-blocking.
    fn try_from(fd: OwnedFd) -> io::Result<Self> {
        Self::from_std(fd.into())
    }
}

impl From<TcpListener> for OwnedFd {
    fn from(listener: TcpListener) -> Self {
        listener.into_std().into()
    }
}

impl fmt::Debug for TcpListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.acceptor.io().get_ref().fmt(f)
    }
}
