//! A TCP socket that is neither connected nor listening yet: the place for options that must come first.

use super::{
    connection::sealed::Connected, tcp_listener::TcpListener, tcp_options::keepalive_times,
    tcp_stream::TcpStream,
};
use crate::{registration::Step, source::Direction, sys};
use socket2::{Domain, Socket};
use std::{
    fmt, io,
    net::SocketAddr,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
    time::Duration,
};

/// A TCP socket before it connects or listens.
///
/// [`TcpStream::connect`] and [`TcpListener::bind`] suffice unless an option has to be set first.
///
/// ```
/// use runtime_io::net::{TcpSocket, TcpStream};
/// # let reactor = runtime_io::Reactor::new()?;
/// # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
/// # executor.block_on(async {
/// let socket = TcpSocket::new_v4()?;
/// socket.set_reuseaddr(true)?;
/// socket.set_recv_buffer_size(64 * 1024)?;
/// socket.bind("127.0.0.1:0".parse().unwrap())?;
/// let listener = socket.listen(128)?;
///
/// let client = TcpSocket::new_v4()?;
/// client.set_nodelay(true)?;
/// let client: TcpStream = client.connect(listener.local_addr()?).await?;
/// assert!(client.nodelay()?);
/// # std::io::Result::Ok(())
/// # })?;
/// # std::io::Result::Ok(())
/// ```
pub struct TcpSocket {
    socket: Socket,
}

/// Makes a getter and a setter of an option that `socket2` has.
macro_rules! option {
    ($(#[$doc:meta])* $get:ident, $set:ident: $value:ty = $inner_get:ident, $inner_set:ident) => {
        $(#[$doc])*
        ///
        /// # Errors
        /// What the system says.
        pub fn $get(&self) -> io::Result<$value> {
            self.socket.$inner_get()
        }

        #[doc = concat!("Sets [`", stringify!($get), "`](Self::", stringify!($get), ").")]
        ///
        /// # Errors
        /// What the system says.
        pub fn $set(&self, value: $value) -> io::Result<()> {
            self.socket.$inner_set(value)
        }
    };
}

impl TcpSocket {
    /// A socket for IPv4.
    ///
    /// # Errors
    /// If the process or the system has no descriptor left.
    pub fn new_v4() -> io::Result<Self> {
        Ok(Self { socket: sys::socket::tcp(Domain::IPV4)? })
    }

    /// A socket for IPv6.
    ///
    /// # Errors
    /// If the process or the system has no descriptor left, or the system knows no IPv6.
    pub fn new_v6() -> io::Result<Self> {
        Ok(Self { socket: sys::socket::tcp(Domain::IPV6)? })
    }

    pub(super) fn for_address(address: &SocketAddr) -> io::Result<Self> {
        Ok(Self { socket: sys::socket::tcp(Domain::for_address(*address))? })
    }

    /// Gives it a local address. Port 0 lets the system choose.
    ///
    /// # Errors
    /// Such as `AddrInUse`, `AddrNotAvailable` or `PermissionDenied`.
    pub fn bind(&self, address: SocketAddr) -> io::Result<()> {
        self.socket.bind(&address.into())
    }

    /// Listens. The kernel keeps up to `backlog` connections (and no more than its own limit) until they are
    /// accepted.
    ///
    /// # Errors
    /// Such as `AddrInUse`.
    pub fn listen(self, backlog: i32) -> io::Result<TcpListener> {
        self.socket.listen(backlog)?;
        Ok(TcpListener::from_nonblocking(self.socket.into()))
    }

    /// Connects.
    ///
    /// # Errors
    /// Such as `ConnectionRefused`, `TimedOut` (after the system's own patience of minutes) or a
    /// [`HandleError`](crate::HandleError).
    ///
    /// # Cancel safety
    /// Dropped while it waits, it closes the socket.
    pub async fn connect(self, address: SocketAddr) -> io::Result<TcpStream> {
        let under_way = match self.socket.connect(&address.into()) {
            Ok(()) => false,
            // An interrupted connect goes on by itself (POSIX), as one that would block does.
            Err(error) if sys::socket::is_in_progress(&error) => true,
            Err(error) => return Err(error),
        };
        let stream = TcpStream::from_nonblocking(self.socket.into(), None)?;
        if under_way {
            // Not earlier: before it connects, a socket counts as hung up.
            stream.connection().io().register(Direction::Write)?;
            stream.connection().io().writing(connect_step).await??;
        }
        Ok(stream)
    }

    option! {
        /// Whether an address in `TIME_WAIT` may be bound (`SO_REUSEADDR`).
        reuseaddr, set_reuseaddr: bool = reuse_address, set_reuse_address
    }

    #[cfg(all(unix, not(any(target_os = "solaris", target_os = "illumos"))))]
    option! {
        /// Whether several sockets may listen on the same address, each with a queue of its own (`SO_REUSEPORT`).
        /// When one of them is closed the connections in its queue are lost.
        reuseport, set_reuseport: bool = reuse_port, set_reuse_port
    }

    option! {
        /// Whether small writes are sent at once rather than collected (`TCP_NODELAY`).
        nodelay, set_nodelay: bool = tcp_nodelay, set_tcp_nodelay
    }

    option! {
        /// Whether idle connections are probed (`SO_KEEPALIVE`).
        keepalive, set_keepalive: bool = keepalive, set_keepalive
    }

    /// Probes idle connections: after `idle`, then every `interval`. Switches [`keepalive`](Self::keepalive) on.
    ///
    /// # Errors
    /// What the system says.
    pub fn set_keepalive_times(&self, idle: Duration, interval: Duration) -> io::Result<()> {
        self.socket.set_tcp_keepalive(&keepalive_times(idle, interval))
    }

    option! {
        /// Size of the kernel's buffer for bytes not yet read, in bytes (`SO_RCVBUF`). Linux doubles what is set.
        recv_buffer_size, set_recv_buffer_size: usize = recv_buffer_size, set_recv_buffer_size
    }

    option! {
        /// Size of the kernel's buffer for bytes not yet acknowledged, in bytes (`SO_SNDBUF`). Linux doubles what
        /// is set.
        send_buffer_size, set_send_buffer_size: usize = send_buffer_size, set_send_buffer_size
    }

    option! {
        /// What closing does with bytes not yet sent (`SO_LINGER`); see
        /// [`TcpStream::set_linger`](TcpStream::set_linger).
        linger, set_linger: Option<Duration> = linger, set_linger
    }

    option! {
        /// How many routers an IPv4 packet may pass (`IP_TTL`).
        ttl, set_ttl: u32 = ttl_v4, set_ttl_v4
    }

    #[cfg(not(any(target_os = "solaris", target_os = "illumos")))]
    option! {
        /// The type of service of IPv4 packets (`IP_TOS`).
        tos, set_tos: u32 = tos_v4, set_tos_v4
    }

    /// Uses one network interface only (`SO_BINDTODEVICE`); `None` for any. Needs a privilege on older kernels.
    ///
    /// # Errors
    /// What the system says.
    #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
    pub fn bind_device(&self, interface: Option<&str>) -> io::Result<()> {
        self.socket.bind_device(interface.map(str::as_bytes))
    }

    /// The address it was bound to.
    ///
    /// # Errors
    /// What the system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        let address = self.socket.local_addr()?.as_socket();
        address.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "not an Internet address"))
    }
}

/// Looks whether a connection under way has arrived. That it has failed, be it for want of memory, is no reason to look again.
fn connect_step(stream: &std::net::TcpStream) -> io::Result<Step<io::Result<()>>> {
    if let Some(error) = stream.take_error()? {
        return Ok(Step::Done(Err(error)));
    }
    match stream.peer_addr() {
        Ok(_) => Ok(Step::Done(Ok(()))),
        // The event was for something else.
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Err(io::ErrorKind::WouldBlock.into()),
        Err(error) => Err(error),
    }
}

impl AsFd for TcpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsRawFd for TcpSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

impl From<TcpSocket> for OwnedFd {
    fn from(socket: TcpSocket) -> Self {
        socket.socket.into()
    }
}

impl fmt::Debug for TcpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpSocket").field("fd", &self.socket.as_raw_fd()).finish()
    }
}
