//! A TCP socket that accepts connections.

use super::{addr::ToSocketAddrs, lookup::lookup_host, tcp_socket::TcpSocket, tcp_stream::TcpStream};
use crate::{
    async_fd::AsyncFd,
    reactor::Reactor,
    registration::{Knowledge, Step},
    source::{Direction, WaiterId},
    sys::socket::{is_exhausted, is_one_connections_fault},
};
use futures_core::Stream;
use runtime_executor::current;
use std::{
    fmt, io,
    net::{self, SocketAddr},
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

/// Connections the kernel keeps for [`accept`](TcpListener::accept) while we are busy. More are told to try again;
/// the system's own limit (`net.core.somaxconn` on Linux, often 4096) applies too.
const BACKLOG: i32 = 1024;

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
    /// mio's listener, since its `accept` makes connections non-blocking in the same system call.
    io: AsyncFd<mio::net::TcpListener>,
}

impl TcpListener {
    /// Listens on the first address of `addr` that can be had. Port 0 lets the system choose one; see
    /// [`local_addr`](Self::local_addr).
    ///
    /// On Unix an address in `TIME_WAIT` is taken over (`SO_REUSEADDR`), so that a server can be restarted at once;
    /// one that another process listens on is refused all the same. For other options see [`TcpSocket`].
    ///
    /// # Errors
    /// If a name cannot be resolved, or of the last address tried, such as `AddrInUse`; the message names it.
    pub async fn bind(addr: impl ToSocketAddrs) -> io::Result<Self> {
        let mut last = None;
        for address in lookup_host(addr).await? {
            match Self::bind_one(address) {
                Ok(listener) => return Ok(listener),
                Err(error) => {
                    let sentence = format!("cannot listen on {address}: {error}");
                    last = Some(io::Error::new(error.kind(), sentence));
                }
            }
        }
        Err(last.unwrap_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, "there is no address to listen on")
        }))
    }

    fn bind_one(address: SocketAddr) -> io::Result<Self> {
        let socket = TcpSocket::for_address(&address)?;
        if cfg!(unix) {
            socket.set_reuseaddr(true)?;
        }
        socket.bind(address)?;
        socket.listen(BACKLOG)
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
        Self { io: AsyncFd::of_kind(listener, Knowledge::OTHER) }
    }

    /// Takes the listener out, to hand it to another runtime or process. It is non-blocking still.
    pub fn into_std(self) -> net::TcpListener {
        OwnedFd::from(self.io.into_inner()).into()
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
        Accept { listener: self, waiter: WaiterId::NONE }.await
    }

    /// [`accept`](Self::accept) for hand-written futures: of all tasks that ask, the last is woken.
    ///
    /// # Errors
    /// As for `accept`.
    pub fn poll_accept(&self, context: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        self.poll_accept_as(&mut WaiterId::shared(), context)
    }

    /// Takes what the kernel has queued, whatever is known of its events: the last connections, before the listener is
    /// closed.
    pub(super) fn accept_now(&self) -> io::Result<(TcpStream, SocketAddr)> {
        loop {
            match accept_step(self.io.get_ref()) {
                Ok(Step::Done((stream, peer))) => {
                    return TcpStream::from_nonblocking(stream).map(|stream| (stream, peer));
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
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
        Incoming(Accept { listener: self, waiter: WaiterId::NONE })
    }

    /// Makes every `accept`, waiting now or begun later, fail with
    /// [`HandleError::Closed`](crate::HandleError::Closed); from any thread. The socket itself is closed with the
    /// last owner of the handle, and until then the kernel goes on queueing connections.
    pub fn close(&self) {
        self.io.close();
    }

    /// The address it listens on.
    ///
    /// # Errors
    /// What the system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.get_ref().local_addr()
    }

    /// How many routers a packet may pass (IPv4's time to live).
    ///
    /// # Errors
    /// What the system says.
    pub fn ttl(&self) -> io::Result<u32> {
        self.io.get_ref().ttl()
    }

    /// Sets [`ttl`](Self::ttl), also for connections accepted later.
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

    fn poll_accept_as(
        &self,
        waiter: &mut WaiterId,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        loop {
            let listener = self.io.as_raw_fd();
            let retry = current::with_extension(|reactor: &Rc<Reactor>| {
                reactor.starved.poll_retry(listener, *waiter, context)
            });
            if let Some(Poll::Pending) = retry {
                return Poll::Pending;
            }
            match ready!(self.io.poll_op(Direction::Read, waiter, context, accept_step)) {
                Ok((stream, peer)) => {
                    return Poll::Ready(TcpStream::from_nonblocking(stream).map(|stream| (stream, peer)));
                }
                Err(error) if is_exhausted(&error) => {
                    let noted = current::with_extension(|reactor: &Rc<Reactor>| {
                        if waiter.is_none() {
                            *waiter = reactor.number_waiter();
                        }
                        reactor.starved.add(listener, *waiter);
                    });
                    if noted.is_none() {
                        return Poll::Ready(Err(error));
                    }
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

fn accept_step(listener: &mio::net::TcpListener) -> io::Result<Step<(net::TcpStream, SocketAddr)>> {
    match listener.accept() {
        Ok((stream, peer)) => Ok(Step::Done((OwnedFd::from(stream).into(), peer))),
        Err(error) if is_one_connections_fault(&error) => Ok(Step::Again),
        Err(error) => Err(error),
    }
}

/// Waits for one connection after the other, as itself.
struct Accept<'a> {
    listener: &'a TcpListener,
    waiter: WaiterId,
}

impl Future for Accept<'_> {
    type Output = io::Result<(TcpStream, SocketAddr)>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { listener, waiter } = &mut *self;
        listener.poll_accept_as(waiter, context)
    }
}

impl Drop for Accept<'_> {
    fn drop(&mut self) {
        if !self.waiter.is_none() {
            self.listener.io.unseat(Direction::Read, self.waiter);
            current::with_extension(|reactor: &Rc<Reactor>| {
                reactor.starved.remove(self.listener.as_raw_fd(), self.waiter);
            });
        }
    }
}

/// The connections of a [`TcpListener`] as they come; see [`incoming`](TcpListener::incoming).
#[must_use = "streams do nothing unless polled"]
pub struct Incoming<'a>(Accept<'a>);

impl Stream for Incoming<'_> {
    type Item = io::Result<TcpStream>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let accepted = ready!(Pin::new(&mut self.0).poll(context));
        Poll::Ready(Some(accepted.map(|(stream, _)| stream)))
    }
}

impl fmt::Debug for Incoming<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Incoming").field(self.0.listener).finish()
    }
}

impl AsFd for TcpListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.io.as_fd()
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
        self.io.get_ref().fmt(f)
    }
}
