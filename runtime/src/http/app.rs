//! What can be served: the services of `tower`, of `hyper`, and what makes one for each connection.
//!
//! Which of the three a type is, is found by its traits; `M` below only keeps the three apart for the compiler.

use super::BoxError;
use hyper::{
    Request, Response,
    body::{Body, Incoming},
    service,
};
use pin_project_lite::pin_project;
use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};
use tower_service::Service;

/// What [`serve`](super::serve) can serve. Sealed; these are all there are:
///
/// - a service of `tower` that is `Clone`, such as an `axum::Router`. It is cloned for each request, and asked whether it is
///   ready;
/// - a service of `hyper`, such as a function within [`service_fn`](hyper::service::service_fn);
/// - a service of `tower` that is `Clone` and makes such a service for each connection, of the address of its peer: such as
///   what `axum`'s `into_make_service_with_connect_info::<SocketAddr>()` gives. `axum`'s own extractor `ConnectInfo` then
///   finds the address.
///
/// Nothing has to be `Send`, other than `axum` itself demands.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is nothing that `http::serve` can serve",
    note = "it takes a tower service from `Request<Incoming>` to a `Response` that is `Clone`, such as an `axum::Router`; a \
            hyper service, such as `service_fn(handler)`; or a tower service that makes one of the peer's address"
)]
pub trait App<P, M>: sealed::Connect<P, M> {}

impl<A, P, M> App<P, M> for A where A: sealed::Connect<P, M> {}

/// A service of `tower`, of requests.
#[derive(Debug)]
pub struct OfRequests(());

/// A service of `tower`, of connections.
#[derive(Debug)]
pub struct OfConnections(());

/// A service of `hyper`.
#[derive(Debug)]
pub struct OfHyper(());

pub(super) mod sealed {
    use super::*;

    pub trait Connect<P, M>: 'static {
        type Body: Body<Data: 'static, Error: Into<BoxError>> + 'static;
        type Error: Into<BoxError>;
        type Service: service::Service<
                Request<Incoming>,
                Response = Response<Self::Body>,
                Error = Self::Error,
                Future: 'static,
            > + 'static;

        /// The service of one connection.
        fn connect(self: &Rc<Self>, peer: &P) -> impl Future<Output = Result<Self::Service, BoxError>>;
    }
}

impl<S, B, P> sealed::Connect<P, OfHyper> for S
where
    S: service::Service<Request<Incoming>, Response = Response<B>, Error: Into<BoxError>, Future: 'static>
        + 'static,
    B: Body<Data: 'static, Error: Into<BoxError>> + 'static,
{
    type Body = B;
    type Error = S::Error;
    type Service = Rc<S>;

    async fn connect(self: &Rc<Self>, _: &P) -> Result<Rc<S>, BoxError> {
        Ok(Rc::clone(self))
    }
}

impl<S, B, P> sealed::Connect<P, OfRequests> for S
where
    S: Service<Request<Incoming>, Response = Response<B>, Error: Into<BoxError>, Future: 'static>
        + Clone
        + 'static,
    B: Body<Data: 'static, Error: Into<BoxError>> + 'static,
{
    type Body = B;
    type Error = S::Error;
    type Service = Tower<S>;

    async fn connect(self: &Rc<Self>, _: &P) -> Result<Tower<S>, BoxError> {
        Ok(Tower(S::clone(self)))
    }
}

impl<M, S, B, P> sealed::Connect<P, OfConnections> for M
where
    M: Service<P, Response = S, Error: Into<BoxError>> + Clone + 'static,
    P: Clone,
    S: Service<Request<Incoming>, Response = Response<B>, Error: Into<BoxError>, Future: 'static>
        + Clone
        + 'static,
    B: Body<Data: 'static, Error: Into<BoxError>> + 'static,
{
    type Body = B;
    type Error = S::Error;
    type Service = Tower<S>;

    async fn connect(self: &Rc<Self>, peer: &P) -> Result<Tower<S>, BoxError> {
        let mut make = M::clone(self);
        poll_fn(|context| make.poll_ready(context)).await.map_err(Into::into)?;
        make.call(peer.clone()).await.map(Tower).map_err(Into::into)
    }
}

/// A service of `tower` as one of `hyper`: cloned for each request, as it may want to be asked first.
#[derive(Clone)]
pub struct Tower<S>(S);

impl<S> fmt::Debug for Tower<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tower").finish_non_exhaustive()
    }
}

impl<S, Q> service::Service<Q> for Tower<S>
where
    S: Service<Q> + Clone,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Call<S, Q>;

    #[inline]
    fn call(&self, request: Q) -> Call<S, Q> {
        Call { state: State::Asking { service: self.0.clone(), request: Some(request) } }
    }
}

pin_project! {
    /// One request: first the service is asked whether it is ready, then called.
    #[must_use = "the service is not called unless this is awaited"]
    pub struct Call<S: Service<Q>, Q> {
        #[pin]
        state: State<S, Q>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S: Service<Q>, Q> {
        Asking { service: S, request: Option<Q> },
        Called { #[pin] future: S::Future },
    }
}

impl<S: Service<Q>, Q> Future for Call<S, Q> {
    type Output = Result<S::Response, S::Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let future = match state.as_mut().project() {
                StateProjection::Called { future } => return future.poll(context),
                StateProjection::Asking { service, request } => {
                    ready!(service.poll_ready(context))?;
                    service.call(request.take().expect("it is called once"))
                }
            };
            state.set(State::Called { future });
        }
    }
}

impl<S: Service<Q>, Q> fmt::Debug for Call<S, Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").finish_non_exhaustive()
    }
}
