//! A Unix connection that keeps packets apart.

use super::{
    unix_connect,
    unix_messages::{Messages, UnixMessage, unix_address},
    unix_stream::Credentials,
};
use crate::{
    registration::Step,
    source::{Direction, WaiterId},
    sys,
};
use socket2::{Domain, SockRef, Socket, Type};
use std::{
    error::Error,
    fmt, io,
    net::Shutdown,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
        unix::net::SocketAddr,
    },
    path::Path,
    task::{Context, Poll},
};

/// A Unix connection that keeps packets apart (`SOCK_SEQPACKET`): as reliable and in order as
/// [`UnixStream`](super::UnixStream), with an end, and each `recv` takes what one `send` has sent.
///
/// **The end and the empty packet** look the same to a receiver: 0 bytes. So `send` refuses to send an empty packet, and a
/// receiver may take 0 bytes for the end, unless the peer is a program of another kind that means something by an empty one.
///
/// **A packet that is longer than the receiver's buffer** loses its rest. `recv` then fails with [`PacketTruncated`], so that
/// nobody takes a part for the whole; the next packet is as good as ever.
///
/// Linux and most BSDs have such sockets; on Apple's systems making one fails.
///
/// ```
/// # #[cfg(not(target_vendor = "apple"))] {
/// use runtime_io::net::UnixSeqpacket;
/// # let reactor = runtime_io::Reactor::new()?;
/// # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
/// # executor.block_on(async {
/// let (ours, theirs) = UnixSeqpacket::pair()?;
/// ours.send(b"first").await?;
/// ours.send(b"second").await?;
/// drop(ours);
///
/// let mut buf = [0; 64];
/// assert_eq!(theirs.recv(&mut buf).await?, 5);
/// assert_eq!(theirs.recv(&mut buf).await?, 6);
/// assert_eq!(theirs.recv(&mut buf).await?, 0); // the end
/// # std::io::Result::Ok(())
/// # })?;
/// # }
/// # std::io::Result::Ok(())
/// ```
pub struct UnixSeqpacket {
    messages: Messages<Socket>,
}

impl UnixSeqpacket {
    /// Connects to the [`UnixSeqpacketListener`](super::UnixSeqpacketListener) at `path`. If its queue is full, waits until
    /// there is room, as [`UnixStream::connect`](super::UnixStream::connect) does.
    ///
    /// # Errors
    /// As there; a listener of another kind is `EPROTOTYPE`.
    ///
    /// # Cancel safety
    /// Dropped while it waits, it closes the socket.
    pub async fn connect(path: impl AsRef<Path>) -> io::Result<Self> {
        let connected = unix_connect::connect(path.as_ref(), Type::SEQPACKET).await?;
        Self::from_nonblocking(connected.into())
    }

    /// [`connect`](Self::connect) with the whole thread, which waits for room in the queue as long as it takes: for code that
    /// runs in no task.
    ///
    /// # Errors
    /// As there.
    pub fn blocking_connect(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::from_nonblocking(unix_connect::blocking_connect(path.as_ref(), Type::SEQPACKET)?)
    }

    /// Two ends of one connection without a name.
    ///
    /// # Errors
    /// If the process or the system has no descriptor left.
    pub fn pair() -> io::Result<(Self, Self)> {
        let (one, other) = sys::socket::unix_pair(Type::SEQPACKET)?;
        Ok((Self::from_nonblocking(one)?, Self::from_nonblocking(other)?))
    }

    pub(super) fn from_nonblocking(socket: Socket) -> io::Result<Self> {
        Ok(Self { messages: Messages::new(socket)? })
    }

    /// Sends one packet, when there is room for it: all of it, or nothing.
    ///
    /// # Errors
    /// `InvalidInput` for an empty packet, `BrokenPipe` if the peer is gone, `EMSGSIZE` if the packet is longer than the
    /// system takes (on Linux the socket's send buffer, some 200 kB); or a [`HandleError`](crate::HandleError).
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it has sent nothing.
    pub async fn send(&self, buf: &[u8]) -> io::Result<usize> {
        refuse_empty(buf)?;
        self.messages.send(buf).await
    }

    /// Sends one packet, if there is room for it.
    ///
    /// # Errors
    /// `WouldBlock`, or as for [`send`](Self::send).
    pub fn try_send(&self, buf: &[u8]) -> io::Result<usize> {
        refuse_empty(buf)?;
        self.messages.try_send(buf)
    }

    /// [`send`](Self::send) for hand-written futures: of all tasks that ask, the last is woken.
    ///
    /// # Errors
    /// As there.
    pub fn poll_send(&self, context: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        refuse_empty(buf)?;
        self.messages.poll_send(context, buf)
    }

    /// Sends one packet, and beside it duplicates of `fds`, 253 at most. The receiver must expect them, with
    /// [`recv_msg`](Self::recv_msg); those of a packet that is merely received are closed.
    ///
    /// # Errors
    /// `InvalidInput` for more than 253 descriptors, `ETOOMANYREFS` if too many are on their way already, or as for
    /// [`send`](Self::send).
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it has sent neither bytes nor descriptors.
    pub async fn send_with_fds(&self, buf: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<usize> {
        refuse_empty(buf)?;
        self.messages.send_with_fds(buf, fds).await
    }

    /// Takes one packet. 0 is the end: the peer has closed the connection or its side of it.
    ///
    /// # Errors
    /// [`PacketTruncated`] inside the [`io::Error`] if the packet was longer than `buf`; what `recv` says, such as
    /// `ConnectionReset` if the peer closed the connection before it had received everything; or a
    /// [`HandleError`](crate::HandleError).
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it has received nothing.
    pub fn recv<'a>(&'a self, buf: &'a mut [u8]) -> impl Future<Output = io::Result<usize>> + 'a {
        self.messages.io().reading(move |socket: &Socket| recv_step(socket, buf))
    }

    /// Takes one packet, if there is one, or the end; see [`recv`](Self::recv).
    ///
    /// # Errors
    /// `WouldBlock`, or as there.
    pub fn try_recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.messages.io().try_op(Direction::Read, |socket| recv_step(socket, buf))
    }

    /// [`recv`](Self::recv) for hand-written futures: of all tasks that ask, the last is woken.
    ///
    /// # Errors
    /// As there.
    pub fn poll_recv(&self, context: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let io = self.messages.io();
        io.poll_op(Direction::Read, &mut WaiterId::shared(), context, |socket| recv_step(socket, buf))
    }

    /// Takes one packet and all that came with it: the descriptors beside it, of which `max_fds` are expected at most, and
    /// whether it was longer than `buf`. The end has 0 bytes, and nothing beside them.
    ///
    /// # Errors
    /// [`DescriptorsLost`](super::DescriptorsLost) inside the [`io::Error`] if more came than were expected, or this process
    /// can open no more. All that came are closed then, and that packet is lost; the next is as good as ever. Otherwise as
    /// for [`recv`](Self::recv), truncation apart.
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

    /// [`recv_msg`](Self::recv_msg), if there is a packet, or the end.
    ///
    /// # Errors
    /// `WouldBlock`, or as there.
    pub fn try_recv_msg(&self, buf: &mut [u8], max_fds: usize) -> io::Result<UnixMessage> {
        self.messages.try_recv_msg(buf, max_fds)
    }

    /// Waits until there is a packet, or the end; see [`AsyncFd::readable`](crate::AsyncFd::readable).
    ///
    /// # Errors
    /// As there.
    ///
    /// # Cancel safety
    /// Dropping it loses nothing.
    pub fn readable(&self) -> impl Future<Output = io::Result<()>> {
        self.messages.io().readable()
    }

    /// Waits until there is room for a packet, or the peer is gone; see [`AsyncFd::writable`](crate::AsyncFd::writable).
    ///
    /// # Errors
    /// As there.
    ///
    /// # Cancel safety
    /// Dropping it loses nothing.
    pub fn writable(&self) -> impl Future<Output = io::Result<()>> {
        self.messages.io().writable()
    }

    /// Has the system say with each packet who sent it: [`UnixMessage::credentials`]. Unlike [`peer_cred`](Self::peer_cred),
    /// which is as old as the connection, this is true of the process that has called `send`. Packets sent before may say
    /// nobody.
    ///
    /// # Errors
    /// What the system says.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub fn set_passcred(&self, pass: bool) -> io::Result<()> {
        self.messages.get_ref().set_passcred(pass)
    }

    /// Who connected; asked by who connected, who listened. See [`UnixStream::peer_cred`](super::UnixStream::peer_cred),
    /// also for what it says of a pair.
    ///
    /// # Errors
    /// What the system says.
    pub fn peer_cred(&self) -> io::Result<Credentials> {
        sys::user::of_peer(self.as_fd()).map(Credentials)
    }

    /// Ends one side of the connection or both: what has been sent arrives, and then the end.
    ///
    /// # Errors
    /// What the system says.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.messages.get_ref().shutdown(how)
    }

    /// Our own address.
    ///
    /// # Errors
    /// What the system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.messages.get_ref().local_addr().map(|address| unix_address(&address))
    }

    /// The peer's address.
    ///
    /// # Errors
    /// What the system says.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.messages.get_ref().peer_addr().map(|address| unix_address(&address))
    }

    /// Takes the error that the system holds for this socket, if any.
    ///
    /// # Errors
    /// What the system says.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.messages.get_ref().take_error()
    }
}

fn refuse_empty(buf: &[u8]) -> io::Result<()> {
    if !buf.is_empty() {
        return Ok(());
    }
    let sentence = "an empty packet looks like the end to its receiver: send at least one byte";
    Err(io::Error::new(io::ErrorKind::InvalidInput, sentence))
}

fn recv_step(socket: &Socket, buf: &mut [u8]) -> io::Result<Step<usize>> {
    let received = sys::ancillary::receive(socket.as_fd(), buf, 0)?;
    if received.cut {
        return Err(PacketTruncated { room: buf.len() }.into());
    }
    Ok(Step::Done(received.bytes))
}

/// A packet was longer than the buffer it was received into, and its rest is lost; its beginning lies in the buffer. It
/// arrives inside an [`io::Error`].
///
/// ```
/// # #[cfg(not(target_vendor = "apple"))] {
/// use runtime_io::net::{PacketTruncated, UnixSeqpacket};
/// # let reactor = runtime_io::Reactor::new()?;
/// # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
/// # executor.block_on(async {
/// let (ours, theirs) = UnixSeqpacket::pair()?;
/// ours.send(b"seven b").await?;
/// let error = theirs.recv(&mut [0; 6]).await.unwrap_err();
/// assert_eq!(error.downcast::<PacketTruncated>().unwrap().room(), 6);
/// # std::io::Result::Ok(())
/// # })?;
/// # }
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PacketTruncated {
    room: usize,
}

impl PacketTruncated {
    /// How many bytes the buffer had room for.
    pub fn room(&self) -> usize {
        self.room
    }
}

impl fmt::Display for PacketTruncated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { room } = self;
        write!(
            f,
            "a packet was longer than the buffer of {room} bytes, and the rest is lost: give it more room"
        )
    }
}

impl Error for PacketTruncated {}

impl From<PacketTruncated> for io::Error {
    fn from(error: PacketTruncated) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}

impl AsFd for UnixSeqpacket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.messages.as_fd()
    }
}

impl AsRawFd for UnixSeqpacket {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

/// Fails unless a descriptor is a Unix socket for packets.
pub(super) fn check_kind(fd: BorrowedFd<'_>) -> io::Result<()> {
    let socket = SockRef::from(&fd);
    let is_unix = socket.local_addr()?.domain() == Domain::UNIX;
    if is_unix && socket.r#type()? == Type::SEQPACKET {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "this is no Unix socket for packets (SOCK_SEQPACKET)"))
}

impl TryFrom<OwnedFd> for UnixSeqpacket {
    type Error = io::Error;

    /// Wraps the descriptor of a connected Unix socket for packets, perhaps an inherited one, and makes it non-blocking.
    fn try_from(fd: OwnedFd) -> io::Result<Self> {
        check_kind(fd.as_fd())?;
        let socket = Socket::from(fd);
        socket.set_nonblocking(true)?;
        Self::from_nonblocking(socket)
    }
}

impl From<UnixSeqpacket> for OwnedFd {
    /// Takes the connection out, to hand it to another runtime or process, or to blocking code. It is non-blocking still.
    fn from(socket: UnixSeqpacket) -> Self {
        socket.messages.into_inner().into()
    }
}

impl fmt::Debug for UnixSeqpacket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnixSeqpacket")
            .field("fd", &self.as_raw_fd())
            .field("local", &self.local_addr().ok())
            .field("peer", &self.peer_addr().ok())
            .finish()
    }
}
