//! A Unix socket that accepts connections which keep packets apart.

use super::{
    acceptor::{Accepted, Acceptor, Incoming},
    share::Tally,
    unix_path::{self, Claim},
    unix_seqpacket::{UnixSeqpacket, check_kind},
};
use crate::source::WaiterId;
use socket2::{Socket, Type};
use std::{
    fmt, io,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
        unix::net::SocketAddr,
    },
    path::Path,
    task::{Context, Poll},
};

/// Accepts Unix connections that keep packets apart.
///
/// Like [`UnixListener`](super::UnixListener) it waits rather than fails when the process runs out of descriptors, replaces a
/// path that was left behind, and removes its own. Unlike that it is never asked of a supervisor: in a cluster one worker
/// can bind a path, and its connections end with it. A service that is to outlive its workers listens for streams.
///
/// ```
/// # #[cfg(not(target_vendor = "apple"))] {
/// use runtime_io::net::{UnixSeqpacket, UnixSeqpacketListener};
/// # let reactor = runtime_io::Reactor::new()?;
/// # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
/// # executor.block_on(async {
/// # let path = std::env::temp_dir().join(format!("unix-seqpacket-{}", std::process::id()));
/// let listener = UnixSeqpacketListener::bind(&path)?;
/// let client = UnixSeqpacket::connect(&path).await?;
/// let (server, _peer) = listener.accept().await?;
/// client.send(b"hello").await?;
/// assert_eq!(server.recv(&mut [0; 64]).await?, 5);
/// # std::io::Result::Ok(())
/// # })?;
/// # }
/// # std::io::Result::Ok(())
/// ```
pub struct UnixSeqpacketListener {
    /// What `bind` has made. Dropped first; see there.
    claim: Option<Claim>,
    acceptor: Acceptor<UnixSeqpacket>,
}

impl UnixSeqpacketListener {
    /// Makes a socket at `path` and listens; about the path see [`UnixListener::bind`](super::UnixListener::bind).
    ///
    /// # Errors
    /// As there.
    pub fn bind(path: impl AsRef<Path>) -> io::Result<Self> {
        let (socket, claim) = unix_path::claim(path.as_ref(), Type::SEQPACKET)?;
        Ok(Self::wrap(socket.into(), Some(claim)))
    }

    /// [`bind`](Self::bind) with permissions of the path (such as `0o600`) instead of those that the umask leaves. Nobody can
    /// connect before they are set.
    ///
    /// # Errors
    /// As there.
    pub fn bind_with_mode(path: impl AsRef<Path>, mode: u32) -> io::Result<Self> {
        let (socket, claim) = unix_path::claim_for(path.as_ref(), Type::SEQPACKET, Some(mode))?;
        Ok(Self::wrap(socket.into(), Some(claim)))
    }

    fn wrap(fd: OwnedFd, claim: Option<Claim>) -> Self {
        Self { claim, acceptor: Acceptor::new(fd.into(), None) }
    }

    /// Waits for the next connection. Peers seldom have a name, so their address is mostly unnamed;
    /// [`UnixSeqpacket::peer_cred`] says more.
    ///
    /// # Errors
    /// What `accept` says about the listener itself, or a [`HandleError`](crate::HandleError).
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it has accepted nothing.
    pub async fn accept(&self) -> io::Result<(UnixSeqpacket, SocketAddr)> {
        self.acceptor.accept().await
    }

    /// Takes a connection that the kernel has queued.
    ///
    /// # Errors
    /// `WouldBlock` if there is none; otherwise as for [`accept`](Self::accept), and of a process without descriptors that it
    /// has none.
    pub fn try_accept(&self) -> io::Result<(UnixSeqpacket, SocketAddr)> {
        self.acceptor.try_accept()
    }

    /// [`accept`](Self::accept) for hand-written futures: of all tasks that ask, the last is woken.
    ///
    /// # Errors
    /// As for `accept`.
    pub fn poll_accept(&self, context: &mut Context<'_>) -> Poll<io::Result<(UnixSeqpacket, SocketAddr)>> {
        self.acceptor.poll_accept(&mut WaiterId::shared(), context)
    }

    /// The connections as they come, without end.
    pub fn incoming(&self) -> Incoming<'_, UnixSeqpacket> {
        Incoming(self.acceptor.accept())
    }

    /// Makes every `accept` fail, from any thread; see [`TcpListener::close`](super::TcpListener::close).
    pub fn close(&self) {
        self.acceptor.close();
    }

    /// The address it listens on.
    ///
    /// # Errors
    /// What the system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.acceptor.io().get_ref().local_addr()
    }

    /// Takes the error that the system holds for this socket, if any.
    ///
    /// # Errors
    /// What the system says.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.acceptor.io().get_ref().take_error()
    }
}

impl Accepted for UnixSeqpacket {
    /// The calls are the same for every kind of Unix listener.
    type Listener = mio::net::UnixListener;
    type Address = SocketAddr;

    #[inline]
    fn accept(listener: &mio::net::UnixListener) -> io::Result<(OwnedFd, SocketAddr)> {
        let (socket, peer) = listener.accept()?;
        Ok((socket.into(), peer))
    }

    #[inline]
    fn from_accepted(socket: OwnedFd, _no_supervisor_counts: Option<Tally>) -> io::Result<Self> {
        Self::from_nonblocking(socket.into())
    }
}

impl AsFd for UnixSeqpacketListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.acceptor.io().as_fd()
    }
}

impl AsRawFd for UnixSeqpacketListener {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl TryFrom<OwnedFd> for UnixSeqpacketListener {
    type Error = io::Error;

    /// Wraps the descriptor of a listening Unix socket for packets, perhaps an inherited one, and makes it non-blocking. Its
    /// path is left alone.
    fn try_from(fd: OwnedFd) -> io::Result<Self> {
        check_kind(fd.as_fd())?;
        let socket = Socket::from(fd);
        socket.set_nonblocking(true)?;
        Ok(Self::wrap(socket.into(), None))
    }
}

impl From<UnixSeqpacketListener> for OwnedFd {
    /// Takes the listener out, to hand it to another runtime or process. It is non-blocking still, and its path stays.
    fn from(listener: UnixSeqpacketListener) -> Self {
        if let Some(claim) = listener.claim {
            claim.forget();
        }
        listener.acceptor.into_inner().into()
    }
}

impl fmt::Debug for UnixSeqpacketListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = self.local_addr().ok();
        f.debug_struct("UnixSeqpacketListener")
            .field("fd", &self.as_raw_fd())
            .field("local", &address)
            .finish()
    }
}
