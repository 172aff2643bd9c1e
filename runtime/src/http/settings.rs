//! What a server of HTTP can be told, and what it does if it is told nothing.

use super::{
    connection::Peer,
    listener::{Listener, Version},
    serve::Serve,
};
use crate::{hyper::Timer, task, time::Duration};
use hyper::{
    rt::Executor,
    server::conn::{http1, http2},
};
use std::{io, panic::Location};

/// How long a header may take: as long as `hyper` gives it. nginx and gunicorn give 60 s.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a connection may wait for its next request: as long as nginx gives it, and longer than the 60 s after which load
/// balancers in front usually close theirs. Whoever closes first never meets a request that was on its way.
const IDLE_TIMEOUT: Duration = Duration::from_secs(75);
/// How long a client may take nothing of its reply, as with nginx.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);
/// Bytes of a header: nginx's four buffers of 8 KiB. Large cookies and tokens fit, and ten thousand of them into memory.
const MAX_HEADER_BYTES: u32 = 32 * 1024;
/// Requests at once on a connection of HTTP/2: `hyper`'s number, twice what RFC 9113 §6.5.2 holds to be the least.
const MAX_STREAMS: u32 = 200;
/// Between two pings on a connection of HTTP/2: often enough for what forgets connections that are quiet (NAT, 5 minutes), and
/// no burden for telephones.
const PING_INTERVAL: Duration = Duration::from_secs(60);
/// How long the answer to a ping may take.
const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// How long clients have once the server was told to stop: as long as a worker of nginx or gunicorn is usually given.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(30);

/// What each connection is served by.
pub(super) struct Settings {
    pub(super) http1: http1::Builder,
    pub(super) http2: http2::Builder<Streams>,
    /// What is spoken, if it is not to be found out.
    pub(super) version: Option<Version>,
    pub(super) idle_timeout: Duration,
    pub(super) write_timeout: Duration,
    pub(super) has_connect_info: bool,
    pub(super) shutdown_timeout: Duration,
}

impl Settings {
    pub(super) fn new(called_at: &'static Location<'static>) -> Self {
        let mut http1 = http1::Builder::new();
        // The server's own deadline holds: it needs no timer for each connection, and no allocation for each request.
        http1.header_read_timeout(None).max_header_size(MAX_HEADER_BYTES as usize);
        let mut http2 = http2::Builder::new(Streams(called_at));
        http2
            .timer(Timer)
            // WebSocket on a stream (RFC 8441). Whoever does not know of it answers as to any other `CONNECT`.
            .enable_connect_protocol()
            .max_header_list_size(MAX_HEADER_BYTES)
            .max_concurrent_streams(MAX_STREAMS)
            .keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_TIMEOUT);
        Self {
            http1,
            http2,
            version: None,
            idle_timeout: IDLE_TIMEOUT,
            write_timeout: WRITE_TIMEOUT,
            has_connect_info: false,
            shutdown_timeout: SHUTDOWN_TIMEOUT,
        }
    }
}

/// Runs each request of HTTP/2 as a task, which is said to come from where the server does.
#[derive(Clone, Copy)]
pub(super) struct Streams(&'static Location<'static>);

impl<F: Future + 'static> Executor<F> for Streams {
    fn execute(&self, stream: F) {
        task::Builder::new().spawn_from(self.0, stream).detach();
    }
}

/// # Limits
///
/// What a stranger could make arbitrarily large or long has a limit, from the beginning, but for the bodies of requests.
/// Deadlines are those of [`net::Server`](crate::net::Server): whoever is overdue is cut,
/// [counted](crate::net::Server::stats) and told to [`on_error`](Self::on_error), never early, and late by an eighth of the
/// shortest of them or two, unless more is said below. `Duration::MAX` is for ever.
///
/// How long a handler may take, and how much of a body it reads, nobody but it can know: see
/// [`time::timeout`](crate::time::timeout), `axum`'s `DefaultBodyLimit`, and the layers of `tower-http`.
///
/// So a body that was announced and does not come is waited for as long as the handler waits, unless the service is put into a
/// [`RequestBodyTimeout`](super::RequestBodyTimeout). It is no default, since it would end the streams of gRPC that have nothing
/// to say for a minute. A server for strangers whose handlers read bodies wants one.
impl<L: Listener, A, M> Serve<L, A, M> {
    pub(super) fn with_defaults(self) -> Self {
        self.name("http")
            .header_timeout(HEADER_TIMEOUT)
            .idle_timeout(IDLE_TIMEOUT)
            .write_timeout(WRITE_TIMEOUT)
    }

    /// How many connections may be open at once; see [`Server::max_connections`](crate::net::Server::max_connections) for
    /// how many that is otherwise, which is 10,000 as a rule. Idle ones cost some 11 kB each, of which `hyper` has 8 for reading.
    ///
    /// # Panics
    /// If it is 0.
    #[track_caller]
    pub fn max_connections(self, limit: usize) -> Self {
        self.with_server(|server| server.max_connections(limit))
    }

    /// How many bytes the header of a request may have, with its first line: 32 KiB. Who sends more is answered 431. It holds
    /// for the trailers of a body too. For HTTP/2 each field counts 32 bytes more.
    ///
    /// # Panics
    /// If the server runs already.
    #[track_caller]
    pub fn max_header_bytes(mut self, limit: u32) -> Self {
        let settings = self.settings();
        settings.http1.max_header_size(limit as usize);
        settings.http2.max_header_list_size(limit);
        self
    }

    /// How many fields the header of a request of HTTP/1 may have: 100. Who sends more is answered 431. To name a number costs
    /// an allocation for each request if it is more than that.
    ///
    /// # Panics
    /// If the server runs already.
    #[track_caller]
    pub fn max_headers(mut self, limit: usize) -> Self {
        self.settings().http1.max_headers(limit);
        self
    }

    /// How many requests a connection of HTTP/2 may have at once: 200. Further ones are refused, as the client has been told.
    ///
    /// # Panics
    /// If the server runs already.
    #[track_caller]
    pub fn max_streams(mut self, limit: u32) -> Self {
        self.settings().http2.max_concurrent_streams(limit);
        self
    }

    /// How long a client has until the header of its first request is there, the handshake of TLS included, and later from the
    /// first byte of a request until its header is there: 30 s, in all, however it sends them.
    ///
    /// # Panics
    /// If it is zero.
    #[track_caller]
    pub fn header_timeout(self, limit: Duration) -> Self {
        self.with_server(|server| server.header_timeout(limit))
    }

    /// How long a connection may wait for its next request: 75 s. One of HTTP/2 is told that it ends (`GOAWAY`), at the latest
    /// after half as long again; then it has as long once more to go, or, if it still sends anything but requests,
    /// [`header_timeout`](Self::header_timeout) from there, as when the server drains. While a request is not answered, or its
    /// reply not taken, nothing of this holds.
    ///
    /// A stream of HTTP/2 that goes on in another protocol does not count as a request, and goes on after `GOAWAY`. A
    /// connection that has had one is cut only when nothing at all is read or written for this time.
    ///
    /// # Panics
    /// If it is zero, or the server runs already.
    #[track_caller]
    pub fn idle_timeout(mut self, limit: Duration) -> Self {
        self.settings().idle_timeout = limit;
        self.with_server(|server| server.idle_timeout(limit))
    }

    /// How long a reply may wait for room while the client takes none of it: 60 s.
    ///
    /// On a connection of HTTP/2, where each stream has a window of its own, this is how long all replies that wait may wait
    /// while nothing of any of them is taken, whatever else the client says. So a stream that is put off, such as a film at its
    /// pause, costs no other stream its life, and lives as long as there are others that go on; alone, it ends by this.
    /// It is noticed at the latest after a quarter as long again. Streams that go on in another protocol are not looked at.
    ///
    /// # Panics
    /// If it is zero, or the server runs already.
    #[track_caller]
    pub fn write_timeout(mut self, limit: Duration) -> Self {
        self.settings().write_timeout = limit;
        self.with_server(|server| server.write_timeout(limit))
    }

    /// Whether a client of HTTP/1 that ends its side of the connection after a request, as `nc -N` does, is answered. Unless
    /// said otherwise it is not: it cannot be told from one that has left, and whose handler is cancelled at once. With this,
    /// handlers run on, and that a client has left is found when something is written to it.
    ///
    /// So a reply that waits for news, such as a stream of events, may be kept for nobody until there is some. Hence the
    /// default, which is that of `hyper` and `axum::serve`. Go answers, and tells the handler.
    ///
    /// # Panics
    /// If the server runs already.
    #[track_caller]
    pub fn half_close(mut self, is_answered: bool) -> Self {
        self.settings().http1.half_close(is_answered);
        self
    }

    /// How often a client of HTTP/2 is asked whether it is still there (`PING`): every 60 s, and it has 20 s to answer. `None`
    /// is for never; then clients that have vanished are found when something is written to them.
    ///
    /// # Panics
    /// If the server runs already.
    #[track_caller]
    pub fn ping_interval(mut self, interval: Option<Duration>) -> Self {
        self.settings().http2.keep_alive_interval(interval);
        self
    }

    /// How long clients have, once the server was told to stop by
    /// [`with_graceful_shutdown`](Self::with_graceful_shutdown): 30 s. In a worker of a cluster the worker's grace holds too.
    ///
    /// # Panics
    /// If the server runs already.
    #[track_caller]
    pub fn shutdown_timeout(mut self, limit: Duration) -> Self {
        self.settings().shutdown_timeout = limit;
        self
    }

    /// Serves nothing but this version, and does not look at what clients say first. Otherwise both are served: whoever begins
    /// by the preface of HTTP/2, or has agreed on it with TLS, is served that.
    ///
    /// # Panics
    /// If the server runs already.
    #[track_caller]
    pub fn only_version(mut self, version: Version) -> Self {
        self.settings().version = Some(version);
        self
    }

    /// Whether requests show who has sent them: a [`ConnectInfo`](super::ConnectInfo) with the peer's address is among their
    /// extensions then, which costs an allocation or two for each.
    ///
    /// With `axum`, `Extension<http::ConnectInfo<SocketAddr>>` is the extractor for this. For handlers that ask for `axum`'s own
    /// `ConnectInfo<SocketAddr>` (its feature `tokio` has that), serve what the router's
    /// `into_make_service_with_connect_info::<SocketAddr>()` gives instead: they find it as everywhere else.
    ///
    /// # Panics
    /// If the server runs already.
    #[track_caller]
    pub fn with_connect_info(mut self) -> Self {
        self.settings().has_connect_info = true;
        self
    }

    /// What the tasks of connections are called in dumps and reports: `name` and the address of the peer. "http" unless said
    /// otherwise.
    pub fn name(self, name: impl Into<String>) -> Self {
        self.with_server(|server| server.name(name))
    }

    /// Has `f` called with every error that has ended a connection, and its peer; and with those of `accept`, and no peer. That
    /// clients leave, in the middle of something too, is no error; what they should not have sent is (of kind
    /// [`InvalidData`](io::ErrorKind::InvalidData)), as is what a service or a body has failed of. Without this, errors are
    /// only counted.
    pub fn on_error(self, f: impl Fn(Option<&Peer<L>>, &io::Error) + 'static) -> Self {
        self.with_server(|server| server.on_error(f))
    }
}
