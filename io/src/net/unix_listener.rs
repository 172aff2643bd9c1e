//! A Unix socket that accepts connections.

use super::{
    acceptor::{Accepted, Acceptor, Incoming},
    share::{self, Place, Shared, Tally},
    unix_path::{self, Claim},
    unix_stream::UnixStream,
};
use crate::source::WaiterId;
use socket2::Type;
use std::{
    fmt, io,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
        unix::net::{self, SocketAddr},
    },
    path::{self, Path},
    task::{Context, Poll},
};

/// Accepts Unix connections.
///
/// Like [`TcpListener`](super::TcpListener) it waits rather than fails when the process runs out of descriptors.
///
/// ```
/// use runtime_io::net::{UnixListener, UnixStream};
/// # let reactor = runtime_io::Reactor::new()?;
/// # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
/// # executor.block_on(async {
/// # let path = std::env::temp_dir().join(format!("unix-listener-{}", std::process::id()));
/// let listener = UnixListener::bind(&path).await?;
/// let client = UnixStream::connect(&path).await?;
/// let (server, _peer) = listener.accept().await?;
/// client.write_all(b"hello").await?;
/// server.read_exact(&mut [0; 5]).await?;
///
/// drop(listener); // and the path is gone
/// assert!(!path.exists());
/// # std::io::Result::Ok(())
/// # })?;
/// # std::io::Result::Ok(())
/// ```
pub struct UnixListener {
    /// What `bind` has made. Dropped first; see there.
    claim: Option<Claim>,
    acceptor: Acceptor<UnixStream>,
}

impl UnixListener {
    /// Makes a socket at `path` and listens. Who may connect is said by the permissions of the path, so by the umask and
    /// the folder it is in.
    ///
    /// A socket that another process left there is replaced, if a connection to it is refused; one on which a process
    /// listens is not, and neither is anything else at that path. When the listener is dropped, the path is removed, unless
    /// it leads to something else by then.
    ///
    /// In a worker of a cluster the supervisor makes the socket, and this is the worker's share of it.
    ///
    /// # Errors
    /// `AddrInUse` if the path is taken, `InvalidInput` if it is empty, has a zero byte inside or is too long (107 bytes on
    /// Linux), or what the system says; the message names the path.
    ///
    /// # Cancel safety
    /// Dropped while it waits for a supervisor, it leaves nothing.
    pub async fn bind(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref();
        // Only the empty path has no absolute form, and that is refused below.
        let asked = share::ask(|| Place::Unix(path::absolute(path).unwrap_or_default()));
        match asked {
            Some(asked) => {
                let shared = asked.await.and_then(Self::from_shared);
                shared.map_err(|error| unix_path::explain("listen on", path, &error))
            }
            None => {
                let (socket, claim) = unix_path::claim(path, Type::STREAM)?;
                let listener = mio::net::UnixListener::from(OwnedFd::from(socket));
                Ok(Self { claim: Some(claim), acceptor: Acceptor::new(listener, None) })
            }
        }
    }

    fn from_shared(shared: Shared) -> io::Result<Self> {
        let (fd, share) = shared.into_parts(true)?;
        Ok(Self { claim: None, acceptor: Acceptor::new(fd.into(), Some(share)) })
    }

    /// Wraps a listener of the standard library, perhaps an inherited one, and makes it non-blocking. Its path is left
    /// alone.
    ///
    /// # Errors
    /// If the system refuses that.
    pub fn from_std(listener: net::UnixListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let listener = mio::net::UnixListener::from_std(listener);
        Ok(Self { claim: None, acceptor: Acceptor::new(listener, None) })
    }

    /// Takes the listener out, to hand it to another runtime or process. It is non-blocking still, and its path stays.
    pub fn into_std(self) -> net::UnixListener {
        if let Some(claim) = self.claim {
            claim.forget();
        }
        OwnedFd::from(self.acceptor.into_inner()).into()
    }

    /// Waits for the next connection. Peers seldom have a name, so their address is mostly unnamed;
    /// [`UnixStream::peer_cred`] says more.
    ///
    /// # Errors
    /// What `accept` says about the listener itself, or a [`HandleError`](crate::HandleError).
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it has accepted nothing.
    pub async fn accept(&self) -> io::Result<(UnixStream, SocketAddr)> {
        self.acceptor.accept().await
    }

    /// Takes a connection that the kernel has queued, whatever is known of its events.
    ///
    /// # Errors
    /// `WouldBlock` if there is none, or none for this worker of a cluster; otherwise as for [`accept`](Self::accept), and
    /// of a process without descriptors that it has none.
    pub fn try_accept(&self) -> io::Result<(UnixStream, SocketAddr)> {
        self.acceptor.try_accept()
    }

    /// [`accept`](Self::accept) for hand-written futures: of all tasks that ask, the last is woken.
    ///
    /// # Errors
    /// As for `accept`.
    pub fn poll_accept(&self, context: &mut Context<'_>) -> Poll<io::Result<(UnixStream, SocketAddr)>> {
        self.acceptor.poll_accept(&mut WaiterId::shared(), context)
    }

    /// The last connections, before the listener is closed; see [`Acceptor::accept_now`].
    pub(super) fn accept_now(&self) -> io::Result<(UnixStream, SocketAddr)> {
        self.acceptor.accept_now()
    }

    /// The connections as they come, without end.
    pub fn incoming(&self) -> Incoming<'_, UnixStream> {
        Incoming(self.acceptor.accept())
    }

    /// Makes every `accept` fail, from any thread; see [`TcpListener::close`](super::TcpListener::close).
    pub fn close(&self) {
        self.acceptor.close();
    }

    /// Whether no connection will be accepted any more; see [`TcpListener::is_paused`](super::TcpListener::is_paused).
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

    /// Takes the error that the system holds for this socket, if any.
    ///
    /// # Errors
    /// What the system says.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.acceptor.io().get_ref().take_error()
    }
}

impl Accepted for UnixStream {
    type Listener = mio::net::UnixListener;
    type Address = SocketAddr;

    #[inline]
    fn accept(listener: &mio::net::UnixListener) -> io::Result<(OwnedFd, SocketAddr)> {
        let (stream, peer) = listener.accept()?;
        Ok((stream.into(), peer))
    }

    #[inline]
    fn from_accepted(socket: OwnedFd, tally: Option<Tally>) -> io::Result<Self> {
        Self::from_nonblocking(socket.into(), tally)
    }
}

impl AsFd for UnixListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.acceptor.io().as_fd()
    }
}

impl AsRawFd for UnixListener {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl TryFrom<OwnedFd> for UnixListener {
    type Error = io::Error;

    /// Wraps the descriptor of a listening Unix socket, and makes it non-blocking.
    fn try_from(fd: OwnedFd) -> io::Result<Self> {
        Self::from_std(fd.into())
    }
}

impl From<UnixListener> for OwnedFd {
    fn from(listener: UnixListener) -> Self {
        listener.into_std().into()
    }
}

impl fmt::Debug for UnixListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.acceptor.io().get_ref().fmt(f)
    }
}
