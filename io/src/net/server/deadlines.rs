//! Deadlines of connections: how long a peer may keep its handler waiting.
//!
//! Here is what users see of them; who looks at the time is in `overseer.rs`.

use super::{Server, listener::Listener};
use crate::{
    net::ByteStream,
    pulse::{Phase, Pulse},
};
use std::{error::Error, fmt, io, sync::Arc, time::Duration};

/// # Deadlines
///
/// A peer that sends one byte a minute, or takes none of its reply, would keep its handler for ever. A server of bytes cannot
/// know how long is too long, so each of these is off until it is set, and then costs next to nothing: one timer for all
/// connections, about a hundred bytes for each, and one stored byte for a read or a write.
///
/// Whoever is overdue is cut: its handler is cancelled, and with it goes the connection. That is counted
/// ([`stats`](Server::stats)), and [`on_error`](Server::on_error) gets an error of kind
/// [`TimedOut`](io::ErrorKind::TimedOut) with an [`Overdue`] inside. Nobody is cut early; a cut may come late by an eighth of the
/// shortest deadline or two. Set them before the server is served: connections that were accepted while there was no
/// deadline have none.
impl<L: Listener> Server<L> {
    /// How long a client has, from when it is accepted, until its handler says [`Deadlines::header_received`]: in all, not
    /// from byte to byte, or a client that sends one each second would never be late. The same time holds for each later
    /// request that the handler announces by [`Deadlines::next_request`]. nginx gives 60 s, hyper 30.
    ///
    /// With this set, a handler that never says so is cut when the time is over.
    ///
    /// ```
    /// use runtime_io::net::{Deadlines, Server, TcpStream};
    /// # use runtime_executor::{Executor, spawn, time::{Clock, Duration, advance}};
    /// # let reactor = runtime_io::Reactor::new()?;
    /// # let executor = Executor::builder().park(reactor.clone()).extension(reactor).clock(Clock::paused()).build();
    /// # executor.block_on(async {
    /// let server = Server::bind("127.0.0.1:0").await?
    ///     .header_timeout(Duration::from_secs(10)) // for a whole header
    ///     .idle_timeout(Duration::from_secs(75)) // for the next request to begin, among others
    ///     .write_timeout(Duration::from_secs(30)) // for the client to take some of its reply
    ///     .on_error(|peer, error| eprintln!("{peer:?}: {error}"));
    /// # let slow = TcpStream::connect(server.local_addr()?).await?;
    /// # let control = server.clone();
    /// # let serving = spawn(async move {
    /// server.serve(async |stream: TcpStream, _peer| {
    ///     let deadlines = Deadlines::of(&stream);
    ///     loop {
    ///         let mut header = [0; 16];
    ///         stream.read_exact(&mut header).await?;
    ///         deadlines.header_received();
    ///         stream.write_all(&header).await?;
    ///         deadlines.next_request();
    ///     }
    ///     # #[expect(unreachable_code)]
    ///     # std::io::Result::Ok(())
    /// }).await?;
    /// # std::io::Result::Ok(())
    /// # });
    /// # while control.connections() == 0 { runtime_executor::task::yield_now().await; }
    /// # advance(Duration::from_secs(12)).await;
    /// # assert_eq!(slow.read(&mut [0]).await?, 0);
    /// # assert_eq!(control.stats().header_timeouts, 1);
    /// # drop(serving);
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Panics
    /// If it is zero.
    #[track_caller]
    pub fn header_timeout(self, limit: Duration) -> Self {
        refuse_zero(limit);
        self.shared.overseer.set_limits(|limits| limits.header = Some(limit));
        self
    }

    /// How long a connection may be quiet: no byte read, none written. That is how long a client may take to begin its next
    /// request, or to go on with one. A handler that works for longer without a word says so by [`Deadlines::touch`], or once by
    /// [`Deadlines::working`]. nginx gives 75 s.
    ///
    /// # Panics
    /// If it is zero.
    #[track_caller]
    pub fn idle_timeout(self, limit: Duration) -> Self {
        refuse_zero(limit);
        self.shared.overseer.set_limits(|limits| limits.idle = Some(limit));
        self
    }

    /// How long a write may wait for room while none of it gets through: the peer does not take what it is sent. The
    /// connection is then reset, so that the kernel does not keep offering it the rest. nginx gives 60 s.
    ///
    /// A `poll_write` that is given up cannot say so, and counts as waiting until there is room.
    ///
    /// There is room again when a good part of the kernel's buffer is free; a peer that takes less than that in this time
    /// counts as one that takes nothing.
    ///
    /// # Panics
    /// If it is zero.
    #[track_caller]
    pub fn write_timeout(self, limit: Duration) -> Self {
        refuse_zero(limit);
        self.shared.overseer.set_limits(|limits| limits.write = Some(limit));
        self
    }
}

#[track_caller]
fn refuse_zero(limit: Duration) {
    assert!(!limit.is_zero(), "a deadline of 0 would cut everybody: leave it out to have none");
}

/// By which a handler tells its [`Server`] how far it is with the requests of a connection.
///
/// It may be kept beside the stream: by whoever has the halves of it, or has wrapped it. Of a connection that has no
/// deadlines, such as one that no server has accepted, all of this does nothing; so a handler works in any case.
///
/// ```
/// use runtime_io::net::{Deadlines, TcpStream};
///
/// async fn handle(stream: TcpStream) -> std::io::Result<()> {
///     let deadlines = Deadlines::of(&stream);
///     let mut header = [0; 4];
///     stream.read_exact(&mut header).await?;
///     deadlines.header_received();
///     stream.write_all(b"hello").await
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Deadlines(Option<Arc<Pulse>>);

impl Deadlines {
    /// The deadlines of a connection.
    pub fn of(stream: &impl ByteStream) -> Self {
        Self(stream.connection().io().pulse().cloned())
    }

    /// The header of the request is there: [`header_timeout`](Server::header_timeout) is met.
    #[inline]
    pub fn header_received(&self) {
        self.enter(Phase::Serving);
    }

    /// The header of the request is there, as with [`header_received`](Self::header_received), and now the peer is not who keeps
    /// the connection quiet: a reply is being worked out, or waits for news. [`idle_timeout`](Server::idle_timeout) does not
    /// hold until [`next_request`](Self::next_request) or `header_received`; [`write_timeout`](Server::write_timeout) does.
    #[inline]
    pub fn working(&self) {
        self.enter(Phase::Working);
    }

    /// The next request may come. Until it does, [`idle_timeout`](Server::idle_timeout) holds alone; from the first byte that
    /// is read, [`header_timeout`](Server::header_timeout) holds too.
    #[inline]
    pub fn next_request(&self) {
        self.enter(Phase::Between);
    }

    /// Something goes on, though nothing is read or written: [`idle_timeout`](Server::idle_timeout) begins anew.
    #[inline]
    pub fn touch(&self) {
        if let Some(pulse) = &self.0 {
            pulse.touch();
        }
    }

    /// From now on the connection has no deadlines. There is no way back. For protocols that take over, with pings of their
    /// own, and for a handler that closes gracefully by itself.
    pub fn lift(&self) {
        self.enter(Phase::Lifted);
    }

    #[inline]
    fn enter(&self, phase: Phase) {
        if let Some(pulse) = &self.0 {
            pulse.enter(phase);
        }
    }
}

/// Which deadline a connection was cut for, and how long it was. Inside an [`io::Error`] of kind
/// [`TimedOut`](io::ErrorKind::TimedOut). A handler that keeps a deadline of its protocol by itself may fail with one: it is
/// then counted as if the server had cut the connection.
///
/// ```
/// use runtime_io::net::Overdue;
/// use std::{io, time::Duration};
///
/// let error = io::Error::from(Overdue::Idle(Duration::from_secs(75)));
/// assert_eq!(error.kind(), io::ErrorKind::TimedOut);
/// assert_eq!(error.to_string(), "nothing was read or written for 75s");
/// let overdue = error.get_ref().and_then(|inner| inner.downcast_ref());
/// assert_eq!(overdue, Some(&Overdue::Idle(Duration::from_secs(75))));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Overdue {
    /// [`header_timeout`](Server::header_timeout).
    Header(Duration),
    /// [`idle_timeout`](Server::idle_timeout).
    Idle(Duration),
    /// [`write_timeout`](Server::write_timeout).
    Write(Duration),
}

impl fmt::Display for Overdue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(limit) => write!(f, "the header of a request was not there within {limit:?}"),
            Self::Idle(limit) => write!(f, "nothing was read or written for {limit:?}"),
            Self::Write(limit) => write!(f, "a write has waited for {limit:?}, and the peer takes nothing"),
        }
    }
}

impl Error for Overdue {}

impl From<Overdue> for io::Error {
    fn from(overdue: Overdue) -> Self {
        Self::new(io::ErrorKind::TimedOut, overdue)
    }
}
