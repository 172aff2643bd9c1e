//! How far a connection is: whether it has requests, since when not, and who is told.
//!
//! Each request has a ticket, from when its header is there until its reply has been handed over whole: with the service's
//! future at first, then with the body of the reply. So nothing is asked of services and bodies, and whatever becomes of them
//! (given up, panicked, reset by the peer), the ticket comes back.

use super::{listener::Version, upgrade::Continuation};
use crate::{cluster, net::Deadlines};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Body, Frame, Incoming, SizeHint},
    service::Service,
    upgrade::OnUpgrade,
};
use pin_project_lite::pin_project;
use std::{
    cell::{Cell, RefCell},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

/// Requests after which a worker of a cluster is told of them: it only wants to know when it has served enough.
const REPORTED: u64 = 64;

/// One connection.
pub(super) struct Life {
    deadlines: Deadlines,
    version: Cell<Version>,
    /// Requests that have come, ever.
    requests: Cell<u64>,
    /// Those that are not answered yet.
    pending: Cell<usize>,
    /// What the handler of the last request wants to be done with the connection afterwards, if the client has asked for that.
    continuation: RefCell<Option<Continuation>>,
    /// Whether that client has asked for a tunnel.
    is_tunnel: Cell<bool>,
}

impl Life {
    pub(super) fn new(deadlines: Deadlines) -> Self {
        Self {
            deadlines,
            version: Cell::new(Version::Http1),
            requests: Cell::new(0),
            pending: Cell::new(0),
            continuation: RefCell::default(),
            is_tunnel: Cell::new(false),
        }
    }

    pub(super) fn speaks(&self, version: Version) {
        self.version.set(version);
    }

    pub(super) fn requests(&self) -> u64 {
        self.requests.get()
    }

    pub(super) fn is_idle(&self) -> bool {
        self.pending.get() == 0
    }

    /// Whatever it does from now on, it has only so long as a connection may be quiet.
    pub(super) fn hurry(&self) {
        self.deadlines.header_received();
    }

    /// It is no connection of HTTP any more.
    pub(super) fn lift_deadlines(&self) {
        self.deadlines.lift();
    }

    pub(super) fn continuation(&self) -> Option<Continuation> {
        self.continuation.take()
    }

    /// A client wants to go on in another protocol.
    fn prepare(&self, request: &mut Request<Incoming>) {
        let continuation = Continuation::default();
        let before = self.continuation.replace(Some(continuation.clone()));
        drop(before);
        self.is_tunnel.set(request.method() == Method::CONNECT);
        request.extensions_mut().insert(continuation);
    }

    /// The reply says whether it does. `hyper` does not look at it: it would give the connection away at its end, whatever the
    /// reply to that request was.
    #[inline]
    fn replied(&self, status: StatusCode) {
        let has_agreed =
            || status == StatusCode::SWITCHING_PROTOCOLS || (self.is_tunnel.get() && status.is_success());
        if self.continuation.borrow().is_some() && !has_agreed() {
            let refused = self.continuation.take();
            drop(refused);
        }
    }

    fn begin(self: &Rc<Self>) -> Ticket {
        let requests = self.requests.get() + 1;
        self.requests.set(requests);
        self.pending.set(self.pending.get() + 1);
        // With HTTP/2 this is said once: bytes come at any time there, pings for instance, and do not begin a request.
        if self.version.get() == Version::Http1 || requests == 1 {
            self.deadlines.working();
        }
        if requests.is_multiple_of(REPORTED) {
            cluster::served(REPORTED);
        }
        Ticket(Rc::clone(self))
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        cluster::served(self.requests.get() % REPORTED);
    }
}

/// A request that is not answered yet.
pub(super) struct Ticket(Rc<Life>);

impl Drop for Ticket {
    #[inline]
    fn drop(&mut self) {
        let life = &self.0;
        life.pending.set(life.pending.get() - 1);
        if life.version.get() == Version::Http1 {
            life.deadlines.next_request();
        }
    }
}

/// Who has sent a request, if the server was told to say so: [`with_connect_info`](super::Serve::with_connect_info). Among the
/// extensions of requests.
///
/// This is not `axum`'s type of the same name, which can only be made there; see
/// [`with_connect_info`](super::Serve::with_connect_info).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ConnectInfo<P>(pub P);

/// The service of one connection, with a ticket for each request.
pub(super) struct Ticketed<S, P> {
    service: S,
    /// Which requests are to show.
    peer: Option<P>,
    life: Rc<Life>,
}

impl<S, P: Clone + Send + Sync + 'static> Ticketed<S, P> {
    pub(super) fn new(service: S, peer: Option<P>, life: Rc<Life>) -> Self {
        Self { service, peer, life }
    }

    #[inline]
    fn equip(&self, request: &mut Request<Incoming>) {
        if let Some(peer) = &self.peer {
            request.extensions_mut().insert(ConnectInfo(peer.clone()));
        }
        // A stream of HTTP/2 is not the connection.
        if self.life.version.get() == Version::Http1 && request.extensions().get::<OnUpgrade>().is_some() {
            self.life.prepare(request);
        }
    }
}

impl<S, B, P> Service<Request<Incoming>> for Ticketed<S, P>
where
    S: Service<Request<Incoming>, Response = Response<B>>,
    P: Clone + Send + Sync + 'static,
{
    type Response = Response<Reply<B>>;
    type Error = S::Error;
    type Future = Answering<S::Future>;

    #[inline]
    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let ticket = self.life.begin();
        self.equip(&mut request);
        Answering { future: self.service.call(request), ticket: Some(ticket) }
    }
}

pin_project! {
    /// A request until the head of its reply is there.
    pub(super) struct Answering<F> {
        #[pin]
        future: F,
        ticket: Option<Ticket>,
    }
}

impl<F, B, E> Future for Answering<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<Reply<B>>, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.future.poll(context))?;
        let ticket = this.ticket.take();
        if let Some(Ticket(life)) = &ticket {
            life.replied(response.status());
        }
        Poll::Ready(Ok(response.map(|body| Reply { body, _ticket: ticket })))
    }
}

pin_project! {
    /// The body of a reply. Dropped when it was handed over.
    pub(super) struct Reply<B> {
        #[pin]
        body: B,
        _ticket: Option<Ticket>,
    }
}

impl<B: Body> Body for Reply<B> {
    type Data = B::Data;
    type Error = B::Error;

    #[inline]
    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        self.project().body.poll_frame(context)
    }

    #[inline]
    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    #[inline]
    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
