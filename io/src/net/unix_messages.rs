//! Unix sockets that keep messages apart: what [`UnixDatagram`](super::UnixDatagram) and
//! [`UnixSeqpacket`](super::UnixSeqpacket) have in common. Their methods are described where users find them.

use super::{
    passing::{check_count, check_received},
    unix_connect::Pauses,
    unix_stream::Credentials,
};
use crate::{
    async_fd::AsyncFd,
    knowledge::Knowledge,
    registration::Step,
    source::{Direction, WaiterId},
    sys::{
        ancillary,
        socket::{EDGES_FOR_ROOM, NO_SIGNAL, is_full, spare_sigpipe},
    },
};
use socket2::{SockAddr, SockRef};
use std::{
    fmt, io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::net::SocketAddr,
    },
    task::{Context, Poll},
};

/// A message that was received, and what came with it. Its bytes lie in the buffer that was given for them.
///
/// ```
/// use runtime_io::net::UnixDatagram;
/// use std::os::fd::AsFd;
/// # let reactor = runtime_io::Reactor::new()?;
/// # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
/// # executor.block_on(async {
/// let (ours, theirs) = UnixDatagram::pair()?;
/// let (reader, _writer) = std::io::pipe()?;
/// ours.send_with_fds(b"a pipe", &[reader.as_fd()]).await?;
///
/// let mut buf = [0; 4];
/// let message = theirs.recv_msg(&mut buf, 1).await?;
/// assert_eq!((&buf[..message.len], message.is_truncated), (&b"a pi"[..], true));
/// assert_eq!(message.fds.len(), 1);
/// assert!(message.from.is_unnamed());
/// # std::io::Result::Ok(())
/// # })?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct UnixMessage {
    /// How many bytes lie in the buffer.
    pub len: usize,
    /// The message was longer than the buffer, and the rest of it is lost.
    pub is_truncated: bool,
    /// The sender's address, which is unnamed if it has bound its socket to nothing.
    pub from: SocketAddr,
    /// The descriptors that came with it, no more than were expected. They close on `exec`, and may be anything: check
    /// what they are.
    pub fds: Vec<OwnedFd>,
    /// Who has sent it, if the receiving socket was told to ask (`set_passcred`, on Linux), as the system saw the sender
    /// at that moment.
    pub credentials: Option<Credentials>,
}

/// A socket for messages, and its tie to a reactor.
pub(super) struct Messages<S: AsFd> {
    io: AsyncFd<S>,
}

impl<S: AsFd> Messages<S> {
    /// Wraps a socket that is non-blocking already.
    pub(super) fn new(socket: S) -> io::Result<Self> {
        spare_sigpipe(socket.as_fd())?;
        // A message ends a read early, so a short one does not mean that nothing is left.
        Ok(Self { io: AsyncFd::of_kind(socket, Knowledge::OTHER) })
    }

    pub(super) fn into_inner(self) -> S {
        self.io.into_inner()
    }

    #[inline]
    pub(super) fn io(&self) -> &AsyncFd<S> {
        &self.io
    }

    #[inline]
    pub(super) fn get_ref(&self) -> &S {
        self.io.get_ref()
    }

    /// Sends to the peer.
    #[inline]
    pub(super) async fn send(&self, buf: &[u8]) -> io::Result<usize> {
        self.send_when_told(|socket| send_step(socket, buf)).await
    }

    pub(super) fn try_send(&self, buf: &[u8]) -> io::Result<usize> {
        self.io.try_op(Direction::Write, |socket| send_step(socket, buf).map(Step::Done))
    }

    pub(super) fn poll_send(&self, context: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.io.poll_op(Direction::Write, &mut WaiterId::shared(), context, |socket| {
            send_step(socket, buf).map(Step::Done)
        })
    }

    /// Sends to the peer.
    pub(super) async fn send_with_fds(&self, buf: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<usize> {
        self.send_when_told(|socket| send_parcel(socket, buf, fds, None)).await
    }

    /// Calls `op` again whenever the system says that there may be room: the socket's own, or its peer's.
    #[inline]
    async fn send_when_told(&self, mut op: impl FnMut(&S) -> io::Result<usize>) -> io::Result<usize> {
        if EDGES_FOR_ROOM {
            self.io.writing(|socket| op(socket).map(Step::Done)).await
        } else {
            self.send_patiently(op).await
        }
    }

    /// Calls `op` again after a pause, while somebody who is not our peer has no room.
    ///
    /// A socket is writable as long as it has room itself, whatever is the matter with the receiver's queue, so there may
    /// be no event to wait for. And on Linux the very attempt makes one: the message that is not delivered gives its room
    /// back. Whoever tried again at each event would never come to rest.
    pub(super) async fn send_patiently(
        &self,
        mut op: impl FnMut(&S) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let mut pauses = Pauses::new();
        loop {
            // That our peer's queue is full, or was, says nothing of this one.
            self.io.presume_ready(Direction::Write);
            let attempt = self.io.writing(|socket| match op(socket) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Step::Done(None)),
                done => done.map(|n| Step::Done(Some(n))),
            });
            match attempt.await? {
                Some(n) => return Ok(n),
                None => pauses.next().await,
            }
        }
    }

    pub(super) fn recv_msg<'a>(
        &'a self,
        buf: &'a mut [u8],
        max_fds: usize,
    ) -> impl Future<Output = io::Result<UnixMessage>> + 'a {
        self.io.reading(move |socket| receive_step(socket, buf, max_fds))
    }

    pub(super) fn try_recv_msg(&self, buf: &mut [u8], max_fds: usize) -> io::Result<UnixMessage> {
        self.io.try_op(Direction::Read, |socket| receive_step(socket, buf, max_fds))
    }
}

#[inline]
fn send_step<S: AsFd>(socket: &S, buf: &[u8]) -> io::Result<usize> {
    sent(SockRef::from(socket).send_with_flags(buf, NO_SIGNAL))
}

/// Sends a message and descriptors beside it, to the peer or to an address.
pub(super) fn send_parcel<S: AsFd>(
    socket: &S,
    buf: &[u8],
    fds: &[BorrowedFd<'_>],
    to: Option<&SockAddr>,
) -> io::Result<usize> {
    check_count(fds)?;
    sent(ancillary::send(socket.as_fd(), buf, fds, to))
}

/// What became of an attempt to send: a queue that is full is waited for, whoever's it is.
#[inline]
pub(super) fn sent(result: io::Result<usize>) -> io::Result<usize> {
    match result {
        Err(error) if is_full(&error) => Err(io::ErrorKind::WouldBlock.into()),
        done => done,
    }
}

fn receive_step<S: AsFd>(socket: &S, buf: &mut [u8], max_fds: usize) -> io::Result<Step<UnixMessage>> {
    let (received, from) = ancillary::receive_message(socket.as_fd(), buf, max_fds)?;
    check_received(&received, max_fds)?;
    Ok(Step::Done(UnixMessage {
        len: received.bytes,
        is_truncated: received.cut,
        from: unix_address(&from),
        fds: received.fds,
        credentials: received.sender.map(Credentials),
    }))
}

/// An address as the standard library has it, unnamed if it has none. A path that it cannot hold (Linux takes one byte more) is no name.
pub(super) fn unix_address(address: &SockAddr) -> SocketAddr {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if let Some(name) = address.as_abstract_namespace() {
        #[cfg(target_os = "android")]
        use std::os::android::net::SocketAddrExt;
        #[cfg(target_os = "linux")]
        use std::os::linux::net::SocketAddrExt;
        if let Ok(address) = SocketAddr::from_abstract_name(name) {
            return address;
        }
    }
    let path = address.as_pathname().and_then(|path| SocketAddr::from_pathname(path).ok());
    path.unwrap_or_else(unnamed)
}

fn unnamed() -> SocketAddr {
    SocketAddr::from_pathname("").expect("the empty path is what no name looks like")
}

impl<S: AsFd> AsFd for Messages<S> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.io.as_fd()
    }
}

impl<S: AsFd + fmt::Debug> fmt::Debug for Messages<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get_ref().fmt(f)
    }
}
