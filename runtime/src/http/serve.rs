//! A server of HTTP: a `net::Server` whose handler speaks it.

use super::{
    app::{App, sealed::Connect},
    connection::{Host, Peer},
    listener::Listener,
    settings::Settings,
};
use crate::net::{Drained, Server};
use futures_lite::future::or;
use std::{
    fmt,
    future::pending,
    io,
    marker::PhantomData,
    mem,
    panic::Location,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

/// Serves what comes in at `listener` with `app`: an `axum::Router` or another service of `tower`, a service of `hyper`, or what
/// makes one for each connection (see [`App`]). The listener is a [`TcpListener`](crate::net::TcpListener), a
/// [`UnixListener`](crate::net::UnixListener), or one of TLS.
///
/// See the [module](super) for what it does, and [`Serve`] for what it can be told.
#[track_caller]
pub fn serve<L, A, M>(listener: L, app: A) -> Serve<L, A, M>
where
    L: Listener,
    A: App<Peer<L>, M>,
{
    let (sockets, terms) = listener.into_parts();
    let called_at = Location::caller();
    let setup = Setup { app, terms, settings: Settings::new(called_at), signal: None, called_at };
    let server = Server::from_listener(sockets);
    Serve { server, stage: Stage::Setup(Box::new(setup)), kind: PhantomData }.with_defaults()
}

/// A server of HTTP, by [`serve`]. It runs when it is awaited, or spawned, until it is told to stop; then it drains, and gives
/// the account of that.
///
/// # Errors
/// As for [`Server::serve`].
///
/// # Cancel safety
/// Dropping it ends the server: the listener is closed, and all connections are cut.
#[must_use = "futures do nothing unless awaited or spawned"]
pub struct Serve<L: Listener, A, M> {
    server: Server<L::Sockets>,
    stage: Stage<L, A>,
    kind: PhantomData<fn() -> M>,
}

/// `Setup` until it is polled first.
enum Stage<L: Listener, A> {
    Setup(Box<Setup<L, A>>),
    Running(Pin<Box<dyn Future<Output = Ended<L>>>>),
    Over,
}

struct Setup<L: Listener, A> {
    app: A,
    terms: L::Terms,
    settings: Settings,
    signal: Option<Pin<Box<dyn Future<Output = ()>>>>,
    /// Where its tasks are said to come from.
    called_at: &'static Location<'static>,
}

type Ended<L> = io::Result<Drained<Peer<L>>>;

/// Nothing in it is pinned: what runs is in a box of its own.
impl<L: Listener, A, M> Unpin for Serve<L, A, M> {}

impl<L: Listener, A, M> Serve<L, A, M> {
    /// Stops when `signal` comes: nothing more is accepted, idle connections are closed, those of HTTP/2 told to go away
    /// (`GOAWAY`), and requests that have begun are answered, as are those of clients that have just connected. What is left
    /// after [`shutdown_timeout`](Self::shutdown_timeout) is cut.
    ///
    /// In a worker of a cluster this happens without a signal, when the worker is to stop.
    ///
    /// ```
    /// use hyper::{Request, Response, body::Incoming, service::service_fn};
    /// use runtime::{http, net::{TcpListener, TcpStream}, sync::oneshot};
    /// use std::convert::Infallible;
    ///
    /// # #[runtime::main]
    /// # async fn main() -> std::io::Result<()> {
    /// let hello = service_fn(async |_: Request<Incoming>| Ok::<_, Infallible>(Response::new("hello".to_owned())));
    /// let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// # let address = listener.local_addr()?;
    /// let (stop, stopped) = oneshot::channel::<()>();
    /// let serving = http::serve(listener, hello).with_graceful_shutdown(async {
    ///     let _ = stopped.await;
    /// });
    /// let serving = runtime::spawn(serving);
    /// # let client = TcpStream::connect(address).await?;
    /// # client.write_all(b"GET / HTTP/1.1\r\nhost: here\r\n\r\n").await?;
    /// # while client.try_read(&mut [0]).is_err() { runtime::task::yield_now().await; }
    /// let _ = stop.send(());
    /// let drained = serving.await.unwrap()?;
    /// assert!(drained.forced.is_empty(), "nobody was cut");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    /// If the server runs already.
    #[track_caller]
    pub fn with_graceful_shutdown(mut self, signal: impl Future<Output = ()> + 'static) -> Self {
        self.setup().signal = Some(Box::pin(signal));
        self
    }

    /// A handle of the server under this: by it the server is told to stop, and asked who is connected and what was counted,
    /// while it runs. [`Server::drain`] of it does what a signal does.
    #[must_use]
    pub fn server(&self) -> Server<L::Sockets> {
        self.server.clone()
    }

    pub(super) fn with_server(
        mut self,
        change: impl FnOnce(Server<L::Sockets>) -> Server<L::Sockets>,
    ) -> Self {
        self.server = change(self.server);
        self
    }

    #[track_caller]
    pub(super) fn settings(&mut self) -> &mut Settings {
        &mut self.setup().settings
    }

    #[track_caller]
    fn setup(&mut self) -> &mut Setup<L, A> {
        match &mut self.stage {
            Stage::Setup(setup) => setup,
            _ => panic!("this server runs already: tell it how before it is polled"),
        }
    }
}

impl<L: Listener, A> Setup<L, A> {
    async fn run<M>(self, server: Server<L::Sockets>) -> Ended<L>
    where
        A: Connect<Peer<L>, M>,
    {
        let Self { app, terms, settings, signal, called_at } = self;
        let grace = settings.shutdown_timeout;
        let host: Host<L, A> = Host { app: Rc::new(app), terms, settings, server: server.clone() };
        let handler = async move |socket, peer| host.converse(socket, peer).await;
        let serving = server.serve_from(called_at, handler);
        let stopping = async {
            match signal {
                None => pending().await,
                Some(signal) => signal.await,
            }
            server.drain(grace).await;
            // The account is given by the other side.
            pending().await
        };
        or(serving, stopping).await
    }
}

impl<L, A, M> Future for Serve<L, A, M>
where
    L: Listener,
    A: App<Peer<L>, M>,
    M: 'static,
{
    type Output = io::Result<Drained<Peer<L>>>;

    /// # Panics
    /// If it is polled after its end.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            match mem::replace(&mut self.stage, Stage::Over) {
                Stage::Setup(setup) => {
                    let running = setup.run(self.server.clone());
                    self.stage = Stage::Running(Box::pin(running));
                }
                Stage::Running(mut running) => {
                    let polled = running.as_mut().poll(context);
                    if polled.is_pending() {
                        self.stage = Stage::Running(running);
                    }
                    return polled;
                }
                Stage::Over => panic!("this server has ended, and was polled again"),
            }
        }
    }
}

impl<L: Listener, A, M> fmt::Debug for Serve<L, A, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serve").field("server", &self.server).finish_non_exhaustive()
    }
}
