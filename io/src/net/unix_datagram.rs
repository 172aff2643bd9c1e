//! A Unix socket for datagrams.

use super::{
    unix_messages::{Messages, UnixMessage, send_parcel, sent},
    unix_path::{self, Claim},
};
use crate::{
    registration::Step,
    source::{Direction, WaiterId},
    sys,
};
use socket2::Type;
use std::{
    fmt, io,
    net::Shutdown,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
        unix::net::{self, SocketAddr},
    },
    path::Path,
    task::{Context, Poll},
};

/// A Unix socket for datagrams: messages between processes of one machine, none of which is lost, doubled or overtaken.
///
/// Each `send` is one message, and each `recv` takes one, whole or truncated. A receiver that does not keep up makes its
/// senders wait. Descriptors can be sent along; those that come with a message that is simply received are closed by the
/// system.
///
/// ```
/// use runtime_io::net::UnixDatagram;
/// # let reactor = runtime_io::Reactor::new()?;
/// # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
/// # executor.block_on(async {
/// # let folder = std::env::temp_dir();
/// # let path = |name| folder.join(format!("unix-datagram-{name}-{}", std::process::id()));
/// let server = UnixDatagram::bind(path("server"))?;
/// let client = UnixDatagram::bind(path("client"))?;
/// client.send_to(b"ping", path("server")).await?;
///
/// let mut buf = [0; 64];
/// let (n, from) = server.recv_from(&mut buf).await?;
/// assert_eq!(&buf[..n], b"ping");
/// server.send_to_addr(b"pong", &from).await?;
/// assert_eq!(client.recv(&mut buf).await?, 4);
///
/// drop(server); // and its path is gone
/// assert!(!path("server").exists());
/// # std::io::Result::Ok(())
/// # })?;
/// # std::io::Result::Ok(())
/// ```
pub struct UnixDatagram {
    /// What `bind` has made. Dropped first; see there.
    claim: Option<Claim>,
    messages: Messages<net::UnixDatagram>,
}

impl UnixDatagram {
    /// Makes a socket that receives at `path`. Who may send is said by the permissions of the path, so by the umask and
    /// the folder it is in.
    ///
    /// A socket that another process left there is replaced, if nobody receives on it any more; one that is in use is not,
    /// and neither is anything else at that path. When the socket is dropped, the path is removed, unless it leads to
    /// something else by then.
    ///
    /// # Errors
    /// `AddrInUse` if the path is taken, `InvalidInput` if it is empty, has a zero byte inside or is too long (107 bytes on
    /// Linux), or what the system says; the message names the path.
    pub fn bind(path: impl AsRef<Path>) -> io::Result<Self> {
        let (socket, claim) = unix_path::claim(path.as_ref(), Type::DGRAM)?;
        Self::wrap(OwnedFd::from(socket).into(), Some(claim))
    }

    /// A socket without a name: it can send, and nobody can answer it.
    ///
    /// # Errors
    /// If the process or the system has no descriptor left.
    pub fn unbound() -> io::Result<Self> {
        Self::wrap(OwnedFd::from(sys::socket::unix(Type::DGRAM)?).into(), None)
    }

    /// Two sockets without names that are each other's peers.
    ///
    /// # Errors
    /// If the process or the system has no descriptor left.
    pub fn pair() -> io::Result<(Self, Self)> {
        let (one, other) = net::UnixDatagram::pair()?;
        Ok((Self::from_std(one)?, Self::from_std(other)?))
    }

    /// Wraps a socket of the standard library, perhaps an inherited one, and makes it non-blocking. Its path is left alone.
    ///
    /// # Errors
    /// If the system refuses that.
    pub fn from_std(socket: net::UnixDatagram) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Self::wrap(socket, None)
    }

    fn wrap(socket: net::UnixDatagram, claim: Option<Claim>) -> io::Result<Self> {
        Ok(Self { claim, messages: Messages::new(socket)? })
    }

    /// Takes the socket out, to hand it to another runtime or process, or to blocking code. It is non-blocking still, and
    /// its path stays.
    pub fn into_std(self) -> net::UnixDatagram {
        if let Some(claim) = self.claim {
            claim.forget();
        }
        self.messages.into_inner()
    }

    /// The socket as the standard library has it; see [`TcpStream::as_std`](super::TcpStream::as_std).
    pub fn as_std(&self) -> &net::UnixDatagram {
        self.messages.get_ref()
    }

    /// Makes the socket at `path` the peer: [`send`](Self::send) goes there, and only what comes from there is received.
    /// May be called again, for another peer.
    ///
    /// # Errors
    /// `NotFound` if there is nothing at `path`, `ConnectionRefused` if nobody receives there any more,
    /// `PermissionDenied` also if that socket has another peer. The message names the path.
    pub fn connect(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let path = path.as_ref();
        let connected = self.messages.get_ref().connect(path);
        connected.map_err(|error| unix_path::explain("connect to", path, &error))
    }

    /// [`connect`](Self::connect) to an address, such as a sender's.
    ///
    /// # Errors
    /// As there; the message names no path.
    pub fn connect_addr(&self, addr: &SocketAddr) -> io::Result<()> {
        self.messages.get_ref().connect_addr(addr)
    }

    /// Sends one message to the peer, when there is room for it. No bytes are a message too.
    ///
    /// # Errors
    /// `NotConnected` without a peer, `ConnectionRefused` if it is gone, `EMSGSIZE` if the message is longer than the system
    /// takes (on Linux the socket's send buffer, some 200 kB); or a [`HandleError`](crate::HandleError).
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it has sent nothing.
    #[inline]
    pub async fn send(&self, buf: &[u8]) -> io::Result<usize> {
        self.messages.send(buf).await
    }

    /// Sends one message, if there is room for it.
    ///
    /// # Errors
    /// `WouldBlock`, or as for [`send`](Self::send).
    pub fn try_send(&self, buf: &[u8]) -> io::Result<usize> {
        self.messages.try_send(buf)
    }

    /// [`send`](Self::send) for hand-written futures: of all tasks that ask, the last is woken.
    ///
    /// # Errors
    /// As there.
    pub fn poll_send(&self, context: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.messages.poll_send(context, buf)
    }

    /// Sends one message to the socket at `path`, when there is room for it.
    ///
    /// The system does not tell when a receiver that is not our peer has room again, so this looks again after 1 ms, 2 ms
    /// and so on up to every 50 ms. Whoever sends much to one receiver should [`connect`](Self::connect) to it, and hear of
    /// room at once. (For the same reason there is no `poll_send_to`: the pause lies in the future.)
    ///
    /// # Errors
    /// As for [`connect`](Self::connect) and [`send`](Self::send); the message names the path.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it has sent nothing.
    pub async fn send_to(&self, buf: &[u8], path: impl AsRef<Path>) -> io::Result<usize> {
        let path = path.as_ref();
        let sending = self.messages.send_patiently(|socket| sent(socket.send_to(buf, path)));
        sending.await.map_err(|error| name(path, error))
    }

    /// [`send_to`](Self::send_to) an address, such as a sender's.
    ///
    /// # Errors
    /// As there; the message names no path.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it has sent nothing.
    pub async fn send_to_addr(&self, buf: &[u8], addr: &SocketAddr) -> io::Result<usize> {
        self.messages.send_patiently(|socket| sent(socket.send_to_addr(buf, addr))).await
    }

    /// Sends one message to the socket at `path`, if there is room for it.
    ///
    /// # Errors
    /// `WouldBlock`, or as for [`send_to`](Self::send_to).
    pub fn try_send_to(&self, buf: &[u8], path: impl AsRef<Path>) -> io::Result<usize> {
        let path = path.as_ref();
        let io = self.messages.io();
        // That one receiver's queue was full says nothing of another's.
        io.presume_ready(Direction::Write);
        let sent = io.try_op(Direction::Write, |socket| sent(socket.send_to(buf, path)).map(Step::Done));
        sent.map_err(|error| name(path, error))
    }

    /// Sends one message to the peer, and beside it duplicates of `fds`, 253 at most. The receiver must expect them, with
    /// [`recv_msg`](Self::recv_msg); those of a message that is merely received are closed.
    ///
    /// # Errors
    /// `InvalidInput` for more than 253 descriptors, `ETOOMANYREFS` if too many are on their way already, or as for
    /// [`send`](Self::send).
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it has sent neither bytes nor descriptors.
    pub async fn send_with_fds(&self, buf: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<usize> {
        self.messages.send_with_fds(buf, fds).await
    }

    /// [`send_with_fds`](Self::send_with_fds) to the socket at `path`.
    ///
    /// # Errors
    /// As there and for [`send_to`](Self::send_to).
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it has sent neither bytes nor descriptors.
    ///
    /// ```
    /// use runtime_io::net::UnixDatagram;
    /// use std::{io::Write, os::fd::AsFd};
    /// # let reactor = runtime_io::Reactor::new()?;
    /// # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
    /// # executor.block_on(async {
    /// # let path = std::env::temp_dir().join(format!("unix-datagram-fds-{}", std::process::id()));
    /// let log = UnixDatagram::bind(&path)?;
    /// let (reader, mut writer) = std::io::pipe()?;
    /// UnixDatagram::unbound()?.send_with_fds_to(b"read this", &[reader.as_fd()], &path).await?;
    ///
    /// let message = log.recv_msg(&mut [0; 64], 1).await?;
    /// assert_eq!((message.len, message.fds.len()), (9, 1));
    /// # writer.write_all(b"!")?;
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn send_with_fds_to(
        &self,
        buf: &[u8],
        fds: &[BorrowedFd<'_>],
        path: impl AsRef<Path>,
    ) -> io::Result<usize> {
        let path = path.as_ref();
        let send = async {
            let to = unix_path::address(path)?;
            self.messages.send_patiently(|socket| send_parcel(socket, buf, fds, Some(&to))).await
        };
        send.await.map_err(|error| name(path, error))
    }

    /// Takes one message. One that is longer than `buf` is cut, and the rest is lost: [`recv_msg`](Self::recv_msg) tells.
    /// 0 is an empty message (or an empty `buf`); of a peer that is gone nothing is heard.
    ///
    /// # Errors
    /// What `recv` says, or a [`HandleError`](crate::HandleError).
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it has received nothing.
    pub fn recv<'a>(&'a self, buf: &'a mut [u8]) -> impl Future<Output = io::Result<usize>> + 'a {
        self.messages.io().reading(move |socket: &net::UnixDatagram| socket.recv(buf).map(Step::Done))
    }

    /// Takes one message, if there is one; see [`recv`](Self::recv).
    ///
    /// # Errors
    /// `WouldBlock`, or as there.
    pub fn try_recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.messages.io().try_op(Direction::Read, |socket| socket.recv(buf).map(Step::Done))
    }

    /// [`recv`](Self::recv) for hand-written futures: of all tasks that ask, the last is woken.
    ///
    /// # Errors
    /// As there.
    pub fn poll_recv(&self, context: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let io = self.messages.io();
        io.poll_op(Direction::Read, &mut WaiterId::shared(), context, |socket| {
            socket.recv(buf).map(Step::Done)
        })
    }

    /// Takes one message, and who sent it; see [`recv`](Self::recv). A sender that has bound its socket to nothing has no
    /// name, and cannot be answered.
    ///
    /// # Errors
    /// As there.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it has received nothing.
    pub fn recv_from<'a>(
        &'a self,
        buf: &'a mut [u8],
    ) -> impl Future<Output = io::Result<(usize, SocketAddr)>> + 'a {
        self.messages.io().reading(move |socket: &net::UnixDatagram| socket.recv_from(buf).map(Step::Done))
    }

    /// Takes one message and who sent it, if there is one; see [`recv_from`](Self::recv_from).
    ///
    /// # Errors
    /// `WouldBlock`, or as for [`recv`](Self::recv).
    pub fn try_recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.messages.io().try_op(Direction::Read, |socket| socket.recv_from(buf).map(Step::Done))
    }

    /// [`recv_from`](Self::recv_from) for hand-written futures: of all tasks that ask, the last is woken.
    ///
    /// # Errors
    /// As there.
    pub fn poll_recv_from(
        &self,
        context: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        let io = self.messages.io();
        io.poll_op(Direction::Read, &mut WaiterId::shared(), context, |socket| {
            socket.recv_from(buf).map(Step::Done)
        })
    }

    /// Takes one message and all that came with it: who sent it, the descriptors beside it, of which `max_fds` are expected
    /// at most, and whether it was longer than `buf`.
    ///
    /// # Errors
    /// [`DescriptorsLost`](super::DescriptorsLost) inside the [`io::Error`] if more came than were expected, or this process
    /// can open no more. All that came are closed then, and that message is lost; the next is as good as ever. Otherwise as
    /// for [`recv`](Self::recv).
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it has received nothing.
    pub fn recv_msg<'a>(
        &'a self,
        buf: &'a mut [u8],
        max_fds: usize,
    ) -> impl Future<Output = io::Result<UnixMessage>> + 'a {
        self.messages.recv_msg(buf, max_fds)
    }

    /// [`recv_msg`](Self::recv_msg), if there is a message.
    ///
    /// # Errors
    /// `WouldBlock`, or as there.
    pub fn try_recv_msg(&self, buf: &mut [u8], max_fds: usize) -> io::Result<UnixMessage> {
        self.messages.try_recv_msg(buf, max_fds)
    }

    /// Waits until there is a message; see [`AsyncFd::readable`](crate::AsyncFd::readable).
    ///
    /// # Errors
    /// As there.
    ///
    /// # Cancel safety
    /// Dropping it loses nothing.
    pub fn readable(&self) -> impl Future<Output = io::Result<()>> {
        self.messages.io().readable()
    }

    /// Waits until there is room for a message to the peer; see [`AsyncFd::writable`](crate::AsyncFd::writable).
    ///
    /// # Errors
    /// As there.
    ///
    /// # Cancel safety
    /// Dropping it loses nothing.
    pub fn writable(&self) -> impl Future<Output = io::Result<()>> {
        self.messages.io().writable()
    }

    /// Has the system say with each message who sent it: [`UnixMessage::credentials`]. Unlike what is said of a connection,
    /// which is as old as that, this is true of the process that has called `send`. Messages sent before may say nobody.
    ///
    /// # Errors
    /// What the system says.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub fn set_passcred(&self, pass: bool) -> io::Result<()> {
        socket2::SockRef::from(self).set_passcred(pass)
    }

    /// Ends one side or both. A peer that still sends is told `BrokenPipe`.
    ///
    /// # Errors
    /// What the system says, such as `NotConnected`.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.messages.get_ref().shutdown(how)
    }

    /// Our own address.
    ///
    /// # Errors
    /// What the system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.messages.get_ref().local_addr()
    }

    /// The peer's address.
    ///
    /// # Errors
    /// `NotConnected` if there is none.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.messages.get_ref().peer_addr()
    }

    /// Takes the error that the system holds for this socket, if any.
    ///
    /// # Errors
    /// What the system says.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.messages.get_ref().take_error()
    }
}

/// What the system says about a path, with the path. Of what we say ourselves the path is not to blame.
fn name(path: &Path, error: io::Error) -> io::Error {
    if error.get_ref().is_some() || error.kind() == io::ErrorKind::WouldBlock {
        return error;
    }
    unix_path::explain("send to", path, &error)
}

impl AsFd for UnixDatagram {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.messages.as_fd()
    }
}

impl AsRawFd for UnixDatagram {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl TryFrom<OwnedFd> for UnixDatagram {
    type Error = io::Error;

    /// Wraps the descriptor of a Unix socket for datagrams, and makes it non-blocking.
    fn try_from(fd: OwnedFd) -> io::Result<Self> {
        Self::from_std(fd.into())
    }
}

impl From<UnixDatagram> for OwnedFd {
    fn from(socket: UnixDatagram) -> Self {
        socket.into_std().into()
    }
}

impl fmt::Debug for UnixDatagram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.messages.fmt(f)
    }
}
