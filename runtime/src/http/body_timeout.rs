//! Bodies of requests that do not come: for how long a handler waits for them.
//!
//! Only whoever asks for a body knows that it is waited for, and `hyper` tells nobody, so the connection cannot see to it: this
//! goes around a service. It is not so by default, since there are streams that have nothing to say for hours, such as those of
//! gRPC, and because services may insist on [`Incoming`](hyper::body::Incoming).

use super::BoxError;
use crate::time::{Duration, Instant, Sleep, sleep, sleep_until};
use hyper::{
    Request,
    body::{Body, Frame, SizeHint},
    service,
};
use pin_project_lite::pin_project;
use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tower_service::Service;

/// A service whose requests have bodies that are waited for only so long. It goes around services of `tower` and of `hyper`, for
/// all versions of HTTP, and inside of others too, such as a single route.
///
/// ```
/// use hyper::{Request, Response, body::{Body, Incoming}, service::service_fn};
/// use runtime::{http::{self, RequestBodyTimeout, TimeoutBody}, net::{TcpListener, TcpStream}, time::Duration};
/// use std::{convert::Infallible, future::poll_fn, pin::pin};
///
/// # #[runtime::main]
/// # async fn main() -> std::io::Result<()> {
/// let handler = service_fn(async |request: Request<TimeoutBody<Incoming>>| {
///     let mut body = pin!(request.into_body());
///     while let Some(frame) = poll_fn(|context| body.as_mut().poll_frame(context)).await {
///         if let Err(error) = frame {
///             return Ok::<_, Infallible>(Response::new(error.to_string()));
///         }
///     }
///     Ok(Response::new("all of it".to_owned()))
/// });
/// // 60 s for each part that is asked for, as with nginx.
/// let handler = RequestBodyTimeout::new(handler, Duration::from_secs(60));
///
/// let listener = TcpListener::bind("127.0.0.1:0").await?;
/// # let address = listener.local_addr()?;
/// # let serving = runtime::spawn(async move {
/// http::serve(listener, handler).await?;
/// # std::io::Result::Ok(())
/// # });
/// # let client = TcpStream::connect(address).await?;
/// # client.write_all(b"POST / HTTP/1.1\r\nhost: here\r\nconnection: close\r\ncontent-length: 5\r\n\r\n12345").await?;
/// # let mut reply = String::new();
/// # runtime::io::AsyncReadExt::read_to_string(&mut &client, &mut reply).await?;
/// # assert!(reply.ends_with("all of it"), "{reply}");
/// # drop(serving);
/// # Ok(())
/// # }
/// ```
///
/// Of `axum` a whole router is put into one; a single route has it as a layer:
/// `.layer(tower::layer::layer_fn(|route| RequestBodyTimeout::new(route, limit)))`.
///
/// Where one part is late, the body gives an [`io::Error`] of kind [`TimedOut`](io::ErrorKind::TimedOut), and has ended. What the
/// handler makes of that is its own; the connection of HTTP/1 is not used for a further request, as the rest of the body is not
/// waited for.
///
/// Whoever sends a byte now and then is never late for a part; for them there is [`total`](Self::total).
#[derive(Clone, Copy, Debug)]
pub struct RequestBodyTimeout<S> {
    service: S,
    limits: Limits,
}

#[derive(Clone, Copy, Debug)]
struct Limits {
    part: Duration,
    total: Option<Duration>,
}

impl<S> RequestBodyTimeout<S> {
    /// Has `service` wait at most `limit` for each part of a body, from when it asks for that.
    pub fn new(service: S, limit: Duration) -> Self {
        Self { service, limits: Limits { part: limit, total: None } }
    }

    /// Has it wait at most until `limit` after it had to wait first, whatever comes. What is there already is given to it even
    /// then.
    #[must_use]
    pub fn total(mut self, limit: Duration) -> Self {
        self.limits.total = Some(limit);
        self
    }
}

impl<S, B> service::Service<Request<B>> for RequestBodyTimeout<S>
where
    S: service::Service<Request<TimeoutBody<B>>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    #[inline]
    fn call(&self, request: Request<B>) -> S::Future {
        self.service.call(request.map(|body| TimeoutBody::new(body, self.limits)))
    }
}

impl<S, B> Service<Request<B>> for RequestBodyTimeout<S>
where
    S: Service<Request<TimeoutBody<B>>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    #[inline]
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(context)
    }

    #[inline]
    fn call(&mut self, request: Request<B>) -> S::Future {
        let limits = self.limits;
        self.service.call(request.map(|body| TimeoutBody::new(body, limits)))
    }
}

pin_project! {
    /// The body of a request, by [`RequestBodyTimeout`]. Its errors are those of the body within, or an
    /// [`io::Error`] of kind [`TimedOut`](io::ErrorKind::TimedOut), after which it has ended.
    #[derive(Debug)]
    pub struct TimeoutBody<B> {
        #[pin]
        body: B,
        limits: Limits,
        // Set while a part is waited for.
        wait: Option<Sleep>,
        // Set when one was waited for first, if there is a limit in all.
        deadline: Option<Instant>,
        is_over: bool,
    }
}

impl<B> TimeoutBody<B> {
    fn new(body: B, limits: Limits) -> Self {
        Self { body, limits, wait: None, deadline: None, is_over: false }
    }
}

impl<B: Body<Error: Into<BoxError>>> Body for TimeoutBody<B> {
    type Data = B::Data;
    type Error = BoxError;

    #[inline]
    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        let this = self.project();
        if *this.is_over {
            return Poll::Ready(None);
        }
        if let Poll::Ready(frame) = this.body.poll_frame(context) {
            *this.wait = None;
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let wait = this.wait.get_or_insert_with(|| this.limits.wait(this.deadline));
        ready!(Pin::new(wait).poll(context));
        *this.is_over = true;
        *this.wait = None;
        Poll::Ready(Some(Err(this.limits.error(*this.deadline))))
    }

    #[inline]
    fn is_end_stream(&self) -> bool {
        self.is_over || self.body.is_end_stream()
    }

    #[inline]
    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Limits {
    /// Until when the next part is waited for.
    fn wait(&self, deadline: &mut Option<Instant>) -> Sleep {
        let Some(total) = self.total else { return sleep(self.part) };
        let now = Instant::now();
        let deadline = *deadline.get_or_insert(now + total);
        sleep_until(deadline.min(now + self.part))
    }

    #[cold]
    fn error(&self, deadline: Option<Instant>) -> BoxError {
        let is_total = deadline.is_some_and(|deadline| Instant::now() >= deadline);
        let sentence = match self.total {
            Some(total) if is_total => format!("the body was not there within {total:?}"),
            _ => format!("nothing of the body has come for {:?}", self.part),
        };
        io::Error::new(io::ErrorKind::TimedOut, sentence).into()
    }
}
