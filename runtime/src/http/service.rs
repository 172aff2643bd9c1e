//! The service of one connection: it hands out the tickets of [`Life`], and refuses what no service is to see.

use super::{
    authority,
    life::{ConnectInfo, Life, Ticket},
    listener::Version,
    parts::Handing,
};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Body, Frame, Incoming, SizeHint},
    header::{CONNECTION, HeaderValue},
    service::Service,
    upgrade::OnUpgrade,
};
use pin_project_lite::pin_project;
use std::{
    marker::PhantomData,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

/// The service of one connection, with a ticket for each request.
pub(super) struct Ticketed<S, P, H> {
    service: S,
    /// Which requests are to show.
    peer: Option<P>,
    life: Rc<Life>,
    handing: PhantomData<H>,
}

impl<S, P: Clone + Send + Sync + 'static, H> Ticketed<S, P, H> {
    pub(super) fn new(service: S, peer: Option<P>, life: Rc<Life>) -> Self {
        Self { service, peer, life, handing: PhantomData }
    }

    #[inline]
    fn equip(&self, request: &mut Request<Incoming>) {
        if let Some(peer) = &self.peer {
            request.extensions_mut().insert(ConnectInfo(peer.clone()));
        }
        // A stream of HTTP/2 is not the connection.
        if self.life.version() == Version::Http1 && request.extensions().get::<OnUpgrade>().is_some() {
            self.life.prepare(request);
        }
    }
}

impl<S, B, P, H> Service<Request<Incoming>> for Ticketed<S, P, H>
where
    S: Service<Request<Incoming>, Response = Response<B>>,
    B: Body,
    P: Clone + Send + Sync + 'static,
    H: Handing,
{
    type Response = Response<Reply<B, H>>;
    type Error = S::Error;
    type Future = Answering<S::Future, H>;

    #[inline]
    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let ticket = Some(self.life.begin(request.method() == Method::CONNECT));
        let answer = if self.life.version() == Version::Http1 && !authority::is_named(&request) {
            self.life.refuse();
            Answer::Refused
        } else {
            self.equip(&mut request);
            Answer::Called { future: self.service.call(request) }
        };
        Answering { answer, ticket, handing: PhantomData }
    }
}

pin_project! {
    /// A request until the head of its reply is there.
    pub(super) struct Answering<F, H> {
        #[pin]
        answer: Answer<F>,
        ticket: Option<Ticket>,
        handing: PhantomData<H>,
    }
}

pin_project! {
    #[project = AnswerProjection]
    enum Answer<F> {
        Called { #[pin] future: F },
        /// The service is not called.
        Refused,
    }
}

impl<F, B, E, H> Future for Answering<F, H>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<Reply<B, H>>, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = match this.answer.project() {
            AnswerProjection::Called { future } => ready!(future.poll(context))?.map(Some),
            AnswerProjection::Refused => bad_request(),
        };
        let ticket = this.ticket.take().expect("it is answered once");
        ticket.replied(response.status());
        Poll::Ready(Ok(response.map(|body| Reply { body, ticket, handing: PhantomData })))
    }
}

/// The answer to who cannot be answered, and then is not listened to.
#[cold]
fn bad_request<B>() -> Response<Option<B>> {
    let mut response = Response::new(None);
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

pin_project! {
    /// The body of a reply. Dropped when it was handed over.
    pub(super) struct Reply<B, H> {
        #[pin]
        body: Option<B>,
        ticket: Ticket,
        handing: PhantomData<H>,
    }
}

impl<B: Body, H: Handing> Body for Reply<B, H> {
    type Data = H::Part<B::Data>;
    type Error = B::Error;

    #[inline]
    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, B::Error>>> {
        let this = self.project();
        let Some(body) = this.body.as_pin_mut() else { return Poll::Ready(None) };
        let frame = ready!(body.poll_frame(context));
        Poll::Ready(frame.map(|frame| frame.map(|frame| H::hand(frame, this.ticket))))
    }

    #[inline]
    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    #[inline]
    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or(SizeHint::with_exact(0), Body::size_hint)
    }
}
