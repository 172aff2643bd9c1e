//! The task of one connection: a handshake, a first look, then HTTP until one of the two ends it.

use super::{
    app::sealed::Connect,
    error,
    life::Life,
    listener::{Listener, Version},
    parts::{AtOnce, OneByOne},
    service::Ticketed,
    settings::{Settings, Streams},
};
use crate::{
    net::{self, Deadlines, Overdue, Server},
    time::{Duration, sleep},
};
use futures_lite::future::or;
use hyper::{
    Request, Response,
    body::{Body, Incoming},
    server::conn::{http1, http2},
    service::Service,
};
use std::{
    future::poll_fn,
    io,
    pin::{Pin, pin},
    rc::Rc,
    task::Poll,
};

/// While the server drains, somebody who has just connected has so long to send a request: more than its way takes round the
/// world, and little of the time that draining has.
const FIRST_REQUEST: Duration = Duration::from_secs(1);
/// How often a connection of HTTP/2 is looked at, in the time that it may be idle, or take nothing.
const LOOKS: u32 = 4;

type Sockets<L> = <L as Listener>::Sockets;
type Socket<L> = <Sockets<L> as net::Listener>::Stream;
pub(super) type Peer<L> = <Sockets<L> as net::Listener>::Peer;

/// What the connections of a server have in common.
pub(super) struct Host<L: Listener, A> {
    pub(super) app: Rc<A>,
    pub(super) terms: L::Terms,
    pub(super) settings: Settings,
    pub(super) server: Server<L::Sockets>,
}

impl<L: Listener, A> Host<L, A> {
    /// Serves one connection to its end.
    pub(super) async fn converse<M>(&self, socket: Socket<L>, peer: Peer<L>) -> io::Result<()>
    where
        A: Connect<Peer<L>, M>,
    {
        let life = Rc::new(Life::new(Deadlines::of(&socket)));
        let mut farewell = pin!(self.farewell(&life));
        let nobody = async {
            farewell.as_mut().await;
            Ok(None)
        };
        let (stream, version) = match or(self.arrive(socket), nobody).await {
            Ok(Some(arrived)) => arrived,
            Ok(None) => return Ok(()),
            // Somebody may have only looked whether anybody listens.
            Err(error) => return error::unless_left(error),
        };
        life.speaks(version);
        let service = self.app.connect(&peer).await.map_err(io::Error::other)?;
        let peer = self.settings.has_connect_info.then_some(peer);
        match version {
            Version::Http1 => {
                let service = Ticketed::new(service, peer, Rc::clone(&life));
                self.converse_one_by_one(stream, service, &life, farewell).await
            }
            Version::Http2 => {
                let service = Ticketed::new(service, peer, Rc::clone(&life));
                // Rarely and large: the others are not to have the room for it.
                Box::pin(self.converse_at_once(stream, service, &life, farewell)).await
            }
        }
    }

    /// Until HTTP is spoken.
    async fn arrive(&self, socket: Socket<L>) -> io::Result<Option<(L::Stream, Version)>> {
        let stream = L::handshake(&self.terms, socket).await?;
        let version = match self.settings.version {
            Some(version) => version,
            None => L::version(&stream).await?,
        };
        Ok(Some((stream, version)))
    }

    /// Comes when the connection is to be ended as soon as it has no request: the server drains. A client that has just
    /// connected is given the time for its first one.
    async fn farewell(&self, life: &Life) {
        self.server.draining().await;
        // Requests come in polls of this very task.
        let first = poll_fn(|_| if life.requests() > 0 { Poll::Ready(()) } else { Poll::Pending });
        or(first, sleep(FIRST_REQUEST)).await;
    }

    /// HTTP/1.
    async fn converse_one_by_one<S, B>(
        &self,
        stream: L::Stream,
        service: Ticketed<S, Peer<L>, OneByOne>,
        life: &Life,
        farewell: Pin<&mut impl Future<Output = ()>>,
    ) -> io::Result<()>
    where
        S: Service<Request<Incoming>, Response = Response<B>, Error: Into<super::BoxError>>,
        B: Body<Error: Into<super::BoxError>> + 'static,
    {
        let mut connection = self.settings.http1.serve_connection(stream, service).with_upgrades();
        let end = |connection: Pin<&mut http1::UpgradeableConnection<_, _>>| connection.graceful_shutdown();
        let outcome = until_end(Pin::new(&mut connection), end, farewell).await;
        life.lift_deadlines();
        if let Some(parts) = connection.into_parts() {
            // It is ours still.
            drop(parts.service);
            if outcome.is_err() || L::has_unread(&parts.io).await {
                // That the peer does not close, or throws the rest away, is no failure of ours.
                let _ = L::close(parts.io).await;
            }
        } else if let Some(work) = life.continuation().and_then(|continuation| continuation.take()) {
            work.await;
        }
        if life.has_erred() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a request does not name one host"));
        }
        error::worth_telling(outcome)
    }

    /// HTTP/2.
    async fn converse_at_once<S, B>(
        &self,
        mut stream: L::Stream,
        service: Ticketed<S, Peer<L>, AtOnce>,
        life: &Life,
        farewell: Pin<&mut impl Future<Output = ()>>,
    ) -> io::Result<()>
    where
        S: Service<Request<Incoming>, Response = Response<B>, Error: Into<super::BoxError>, Future: 'static>,
        B: Body<Data: 'static, Error: Into<super::BoxError>> + 'static,
    {
        let Settings { idle_timeout, write_timeout, .. } = self.settings;
        let leaving = async {
            or(farewell, until_it_lasts(idle_timeout, || life.is_idle().then(|| life.requests()))).await;
            life.leave();
        };
        let stuck = async {
            until_it_lasts(write_timeout, || life.progress_owed()).await;
            Err(io::Error::from(Overdue::Write(write_timeout)))
        };
        let spoken = async {
            // It is lent, as `hyper` does not give it back.
            let connection = pin!(self.settings.http2.serve_connection(&mut stream, service));
            let end = |connection: Pin<&mut http2::Connection<_, _, Streams>>| connection.graceful_shutdown();
            Ok(until_end(connection, end, pin!(leaving)).await)
        };
        let outcome: hyper::Result<()> = or(spoken, stuck).await?;
        life.lift_deadlines();
        // Whoever has vanished is not waited for. From others something is always on its way, such as windows for what they
        // have not read yet.
        if !outcome.as_ref().is_err_and(hyper::Error::is_timeout) {
            let _ = L::close(stream).await;
        }
        error::worth_telling(outcome)
    }
}

/// Polls a connection until it has ended, and asks it to end when `farewell` comes.
async fn until_end<C>(
    mut connection: Pin<&mut C>,
    end: impl Fn(Pin<&mut C>),
    mut farewell: Pin<&mut impl Future<Output = ()>>,
) -> C::Output
where
    C: Future,
{
    let mut is_asked = false;
    poll_fn(|context| {
        loop {
            // What has come already is taken in first: a request may be among it.
            if let Poll::Ready(outcome) = connection.as_mut().poll(context) {
                return Poll::Ready(outcome);
            }
            if is_asked || farewell.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            is_asked = true;
            end(connection.as_mut());
        }
    })
    .await
}

/// Waits until `state` has said the same for `limit`, or a little longer, and not `None`. It notices by looking, so requests cost
/// no reading of the clock.
async fn until_it_lasts(limit: Duration, state: impl Fn() -> Option<u64>) {
    let (mut looks, mut seen) = (0, None);
    // The first look that finds it begins the time.
    while looks <= LOOKS {
        sleep(limit / LOOKS).await;
        let now = state();
        looks = match now {
            None => 0,
            Some(_) if now == seen => looks + 1,
            Some(_) => 1,
        };
        seen = now;
    }
}
