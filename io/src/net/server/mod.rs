//! A server: a listener, a handler for each connection, and an end that loses nobody.
//!
//! `shared.rs` has the books and the life cycle, `serving.rs` the loop that accepts and then drains, `connection.rs` the
//! task of one connection, `overseer.rs` who looks at the time.

mod account;
mod bell;
mod connection;
mod deadlines;
mod listener;
mod outcome;
mod overseer;
mod pool;
mod serving;
mod shared;

pub use account::{Drained, ServerStats, Straggler};
pub use deadlines::{Deadlines, Overdue};
pub use listener::Listener;
pub use outcome::Outcome;

use super::{addr::ToSocketAddrs, tcp_listener::TcpListener, unix_listener::UnixListener};
use crate::sys;
use runtime_executor::time::Instant;
use serving::Serving;
use shared::Shared;
use std::{fmt, io, panic::Location, path::Path, rc::Rc, time::Duration};

/// Connections held at once unless [`Server::max_connections`] says otherwise, if the limit of descriptors allows. A
/// handler is a few hundred bytes, a connection 4 KiB of the kernel's memory: this many cost some 50 MB.
const DEFAULT_MAX_CONNECTIONS: usize = 10_000;

/// Serves connections: each accepted one is given to a handler, which runs as a task of its own. Python's
/// `asyncio.Server`, with limits and an orderly end.
///
/// ```
/// use runtime_io::net::{Server, TcpStream};
/// use runtime_executor::spawn;
/// use std::time::Duration;
/// # let reactor = runtime_io::Reactor::new()?;
/// # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
/// # executor.block_on(async {
/// let server = Server::bind("127.0.0.1:0").await?.max_connections(1_000);
/// let serving = spawn(server.serve(async |stream, _peer| {
///     let mut name = [0; 5];
///     stream.read_exact(&mut name).await?;
///     stream.write_all(&[b"hello ", &name[..]].concat()).await
/// }));
///
/// let client = TcpStream::connect(server.local_addr()?).await?;
/// client.write_all(b"world").await?;
/// let mut reply = [0; 11];
/// client.read_exact(&mut reply).await?;
/// assert_eq!(&reply, b"hello world");
///
/// let drained = server.drain(Duration::from_secs(10)).await;
/// assert!(drained.forced.is_empty());
/// serving.await.unwrap()?;
/// # std::io::Result::Ok(())
/// # })?;
/// # std::io::Result::Ok(())
/// ```
///
/// This value is a handle: clones control the same server, from other tasks and from handlers. It stays on its thread; to
/// stop a server from another one, use [`Handle::spawn`](runtime_executor::Handle::spawn).
///
/// - **Limits.** At most [`max_connections`](Self::max_connections) are open at once. While there are, nothing is accepted:
///   clients wait in the kernel's queue. Want of descriptors is treated alike (see [`TcpListener`]).
/// - **Errors.** What a handler returns or panics with ends its connection, and nothing else. Errors are counted
///   ([`stats`](Self::stats)) and shown to [`on_error`](Self::on_error), panics are reported as any task's are.
/// - **Deadlines.** Off unless set: [`header_timeout`](Self::header_timeout), [`idle_timeout`](Self::idle_timeout) and
///   [`write_timeout`](Self::write_timeout) cut clients that keep their handlers waiting. A server that strangers reach wants
///   all three.
/// - **Pools.** The handlers of several servers, and other work, may share so many places: [`pool`](Self::pool).
/// - **Fairness.** Between 64 accepted connections the other tasks have their turns.
/// - **The end.** [`drain`](Self::drain) stops accepting, takes those in who are in the kernel's queue already, closes the
///   listener, and waits for the handlers. Whoever is left at the deadline is cancelled, and named.
///   Dropping the future of [`serve`](Self::serve) cancels everybody at once.
/// - **In a worker of a cluster** it stops when the worker is to stop, and its handlers have the worker's grace period. Then
///   [`serve`](Self::serve) returns, and there are 50 ms to log whom it has cut.
pub struct Server<L: Listener = TcpListener> {
    shared: Rc<Shared<L>>,
}

impl Server {
    /// Listens on `addr` as [`TcpListener::bind`] does. Clients are queued from now on, and accepted when it is
    /// [served](Self::serve).
    ///
    /// # Errors
    /// As for [`TcpListener::bind`].
    pub async fn bind(addr: impl ToSocketAddrs) -> io::Result<Self> {
        TcpListener::bind(addr).await.map(Self::from_listener)
    }
}

impl Server<UnixListener> {
    /// Listens on the Unix socket `path`, as [`UnixListener::bind`] does.
    ///
    /// ```
    /// # use runtime_io::net::{Server, UnixStream};
    /// # use runtime_executor::{spawn, time::Duration};
    /// # let reactor = runtime_io::Reactor::new()?;
    /// # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
    /// # executor.block_on(async {
    /// # let path = std::env::temp_dir().join(format!("server-{}", std::process::id()));
    /// let server = Server::bind_unix(&path).await?;
    /// let serving = spawn(server.serve(async |stream: UnixStream, _peer| stream.write_all(b"hello").await));
    ///
    /// let client = UnixStream::connect(&path).await?;
    /// client.read_exact(&mut [0; 5]).await?;
    /// server.drain(Duration::from_secs(10)).await;
    /// assert!(!path.exists());
    /// # serving.await.unwrap()?;
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// As for [`UnixListener::bind`].
    pub async fn bind_unix(path: impl AsRef<Path>) -> io::Result<Self> {
        UnixListener::bind(path).await.map(Self::from_listener)
    }
}

impl<L: Listener> Server<L> {
    /// Serves a listener that exists already: one with other options, or an inherited one.
    pub fn from_listener(listener: L) -> Self {
        Self { shared: Rc::new(Shared::new(listener, default_limit())) }
    }

    /// How many connections may be open at once; 10,000 unless said otherwise, or nine tenths of the descriptors that this
    /// process may open, if that is less. May be changed at any time; lowering it ends no connection.
    ///
    /// # Panics
    /// If it is 0.
    #[track_caller]
    pub fn max_connections(self, limit: usize) -> Self {
        assert!(limit > 0, "a server for 0 connections serves nobody: use `drain` or drop it to stop it");
        self.shared.set_limit(limit);
        self
    }

    /// What the tasks of its connections are called in dumps and reports: `name` and the address of the peer. "client"
    /// unless said otherwise.
    pub fn name(self, name: impl Into<String>) -> Self {
        *self.shared.label.borrow_mut() = Some(name.into().into());
        self
    }

    /// Has `f` called with every error that a handler returns, and its peer; and with those of `accept` that are neither a
    /// peer's doing nor want of descriptors, and no peer. Without it errors are only counted: that clients leave is no news.
    ///
    /// ```
    /// # use runtime_io::net::Server;
    /// # let reactor = runtime_io::Reactor::new()?;
    /// # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
    /// # executor.block_on(async {
    /// let server = Server::bind("127.0.0.1:0").await?.on_error(|peer, error| match peer {
    ///     Some(peer) => eprintln!("{peer}: {error}"),
    ///     None => eprintln!("accept: {error}"),
    /// });
    /// # drop(server);
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn on_error(self, f: impl Fn(Option<&L::Peer>, &io::Error) + 'static) -> Self {
        self.shared.set_on_error(Rc::new(f));
        self
    }

    /// Where clients find it.
    ///
    /// # Errors
    /// If the system could not tell when the server was made.
    pub fn local_addr(&self) -> io::Result<L::Peer> {
        self.shared.place.clone().ok_or_else(|| io::Error::other("this listener has no address"))
    }

    /// Accepts connections, and runs `handler` for each in a task of its own, until the server is told to stop; then
    /// drains, and gives the account of it. The future owns all it needs, so it can be spawned.
    ///
    /// The handler may be an `async` closure that uses what it has captured, or a function that returns a future. It gives
    /// nothing, its stream (to be closed gracefully), or either in an [`io::Result`]: see [`Outcome`].
    ///
    /// ```
    /// # use runtime_io::net::{Server, TcpStream};
    /// # use std::{io, net::SocketAddr};
    /// async fn echo(stream: TcpStream, _peer: SocketAddr) -> io::Result<TcpStream> {
    ///     let mut buf = [0; 1024];
    ///     loop {
    ///         match stream.read(&mut buf).await? {
    ///             0 => return Ok(stream),
    ///             n => stream.write_all(&buf[..n]).await?,
    ///         }
    ///     }
    /// }
    /// # let reactor = runtime_io::Reactor::new()?;
    /// # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
    /// # executor.block_on(async {
    /// let server = Server::bind("127.0.0.1:0").await?;
    /// # server.stop_accepting();
    /// server.serve(echo).await?;
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// If the listener cannot go on for good, such as one that was used in another runtime. Its clients have half a
    /// minute to finish before it is returned. Other errors of `accept` are counted, and it is tried again.
    ///
    /// # Panics
    /// If the server is served already: clone it to control it, bind another one to serve in two ways.
    ///
    /// # Cancel safety
    /// Dropping it ends the server: the listener is closed, and all handlers are cancelled. They are dropped at their
    /// tasks' next turns; [`drain`](Self::drain) waits for that.
    #[track_caller]
    pub fn serve<H, O>(&self, handler: H) -> impl Future<Output = io::Result<Drained<L::Peer>>> + use<L, H, O>
    where
        H: AsyncFn(L::Stream, L::Peer) -> O + 'static,
        O: Outcome<L::Stream> + 'static,
    {
        self.serve_from(Location::caller(), handler)
    }

    /// [`serve`](Self::serve) on behalf of a caller further up.
    #[doc(hidden)]
    pub fn serve_from<H, O>(
        &self,
        called_at: &'static Location<'static>,
        handler: H,
    ) -> impl Future<Output = io::Result<Drained<L::Peer>>> + use<L, H, O>
    where
        H: AsyncFn(L::Stream, L::Peer) -> O + 'static,
        O: Outcome<L::Stream> + 'static,
    {
        let shared = Rc::clone(&self.shared);
        async move {
            assert!(
                !shared.is_served(),
                "this server is served already (second `serve` at {called_at}): clone it to control it, bind another \
                 one to serve in two ways"
            );
            Serving::new(shared, handler, called_at).run().await
        }
    }

    /// Stops accepting, and waits until all handlers have ended, for at most `timeout`; then cancels those that are left,
    /// and waits until they have been dropped. The account is the same for all who ask.
    ///
    /// Connections that are in the kernel's queue when this begins are still served, as far as
    /// [`max_connections`](Self::max_connections) and the time allow: their clients believe to be connected.
    ///
    /// A second call hurries the first: the earlier deadline holds. A handler that keeps its connection open for further
    /// requests should look at [`draining`](Self::draining) or [`is_draining`](Self::is_draining) and end it after its next
    /// reply. A handler must not await its own server's drain: it would wait for itself, until the deadline.
    ///
    /// A server that nobody serves has nobody to wait for, and just closes its listener.
    ///
    /// # Cancel safety
    /// The server is stopped, and keeps to the deadline, even if this future is dropped. It does nothing before its first
    /// poll.
    pub async fn drain(&self, timeout: Duration) -> Drained<L::Peer> {
        self.shared.drain(Some(Instant::now() + timeout));
        self.shared.ended.wait().await;
        self.shared.drained()
    }

    /// [`drain`](Self::drain) without a deadline, and without waiting. [`serve`](Self::serve) returns when all handlers
    /// have ended.
    pub fn stop_accepting(&self) {
        self.shared.drain(None);
    }

    /// Cancels the handlers of all connections, and says how many. They are dropped at their tasks' next turns. A server
    /// that is not draining goes on accepting.
    pub fn abort_clients(&self) -> usize {
        self.shared.cancel_all()
    }

    /// How many connections are open: accepted, and their handlers have not been dropped yet.
    pub fn connections(&self) -> usize {
        self.shared.connections()
    }

    /// What it has counted.
    pub fn stats(&self) -> ServerStats {
        self.shared.stats()
    }

    /// Whether it was told to stop: no more connections are accepted, except those of the last sweep.
    pub fn is_draining(&self) -> bool {
        self.shared.is_draining()
    }

    /// Waits until it is told to stop: for handlers that would otherwise wait for the next request of a client.
    ///
    /// ```
    /// # use runtime_io::net::{Server, TcpStream};
    /// # use futures_lite::future::or;
    /// # use runtime_executor::{spawn, time::Duration};
    /// # let reactor = runtime_io::Reactor::new()?;
    /// # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
    /// # executor.block_on(async {
    /// let server = Server::bind("127.0.0.1:0").await?;
    /// let control = server.clone();
    /// let serving = spawn(server.serve(async move |stream, _peer| {
    ///     let stopped = async { control.draining().await; Ok(()) };
    ///     // What waits here has no request: an idle connection can be closed.
    ///     or(stopped, stream.readable()).await?;
    ///     Ok(stream)
    /// }));
    /// let idle = TcpStream::connect(server.local_addr()?).await?;
    /// while server.connections() == 0 {
    ///     runtime_executor::task::yield_now().await;
    /// }
    /// server.stop_accepting();
    /// assert_eq!(idle.read(&mut [0; 1]).await?, 0);
    /// drop(idle);
    /// assert_eq!(serving.await.unwrap()?.finished, 1);
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Cancel safety
    /// Nothing is lost by dropping it.
    pub async fn draining(&self) {
        self.shared.draining.wait().await;
    }
}

/// Nine tenths of the descriptors, so that some are left for files and connections of our own.
fn default_limit() -> usize {
    let descriptors = sys::limits::descriptors().unwrap_or(DEFAULT_MAX_CONNECTIONS);
    DEFAULT_MAX_CONNECTIONS.min(descriptors / 10 * 9).max(1)
}

impl<L: Listener> Clone for Server<L> {
    /// Another handle of the same server.
    fn clone(&self) -> Self {
        Self { shared: Rc::clone(&self.shared) }
    }
}

impl<L: Listener> fmt::Debug for Server<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("local_addr", &self.shared.place)
            .field("connections", &self.connections())
            .field("is_draining", &self.is_draining())
            .finish_non_exhaustive()
    }
}
