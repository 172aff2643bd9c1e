//! What is served, the same for everybody: a text and some JSON, made anew for each request.

use std::convert::Infallible;
use std::future::{Ready, ready};

use axum::{Json, Router, routing::get};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::rt::{Read, Timer, Write, bounds::Http2ServerConnExec};
use hyper::server::conn::{http1, http2};
use hyper::service::{Service, service_fn};
use hyper::{Request, Response};
use serde::Serialize;

const TEXT: &str = "Hello, World!";

#[derive(Serialize)]
struct Message {
    message: &'static str,
}

/// The same two answers by a router.
pub(crate) fn router() -> Router {
    Router::new()
        .route("/plaintext", get(async || TEXT))
        .route("/json", get(async || Json(Message { message: TEXT })))
}

type Answer = Ready<Result<Response<Full<Bytes>>, Infallible>>;

/// The service of the hyper rows.
pub(crate) fn hyper()
-> impl Service<Request<Incoming>, Response = Response<Full<Bytes>>, Error = Infallible, Future = Answer> {
    service_fn(answer)
}

#[expect(clippy::needless_pass_by_value, reason = "as hyper calls it")]
fn answer(request: Request<Incoming>) -> Answer {
    let (kind, body) = match request.uri().path() {
        "/json" => {
            let body = serde_json::to_vec(&Message { message: TEXT }).expect("it can be written");
            ("application/json", Bytes::from(body))
        }
        _ => ("text/plain; charset=utf-8", Bytes::from_static(TEXT.as_bytes())),
    };
    let mut response = Response::new(Full::new(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    ready(Ok(response))
}

/// Serves one connection by HTTP/1. It may gather the answers to requests that have come at once.
pub(crate) async fn http1<I, T>(io: I, timer: T, gathers: bool)
where
    I: Read + Write + Unpin + 'static,
    T: Timer + Send + Sync + 'static,
{
    let mut builder = http1::Builder::new();
    builder.timer(timer).pipeline_flush(gathers);
    // Clients end as they please.
    let _ = builder.serve_connection(io, hyper()).await;
}

/// Serves one connection by HTTP/2.
pub(crate) async fn http2<I, T, E>(io: I, timer: T, executor: E)
where
    I: Read + Write + Unpin + 'static,
    T: Timer + Send + Sync + 'static,
    E: Http2ServerConnExec<Answer, Full<Bytes>>,
{
    let mut builder = http2::Builder::new(executor);
    builder.timer(timer);
    // Clients end as they please.
    let _ = builder.serve_connection(io, hyper()).await;
}
