//! Servers of HTTP/1 and HTTP/2 (feature `http`), for `axum`, `tower` and `hyper`.
//!
//! ```
//! use hyper::{Request, Response, body::Incoming, service::service_fn};
//! use runtime::{http, net::{TcpListener, TcpStream}};
//! use std::{cell::Cell, convert::Infallible, rc::Rc};
//!
//! # #[runtime::main]
//! # async fn main() -> std::io::Result<()> {
//! let visits = Rc::new(Cell::new(0)); // as nothing here has to be `Send`
//! let handler = service_fn(move |_: Request<Incoming>| {
//!     visits.set(visits.get() + 1);
//!     let visit = visits.get();
//!     async move { Ok::<_, Infallible>(Response::new(format!("visit {visit}"))) }
//! });
//!
//! let listener = TcpListener::bind("127.0.0.1:0").await?;
//! # let address = listener.local_addr()?;
//! # let serving = runtime::spawn(async move {
//! http::serve(listener, handler).await?;
//! # std::io::Result::Ok(())
//! # });
//! # let client = TcpStream::connect(address).await?;
//! # client.write_all(b"GET / HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n").await?;
//! # let mut reply = String::new();
//! # runtime::io::AsyncReadExt::read_to_string(&mut &client, &mut reply).await?;
//! # assert!(reply.ends_with("visit 1"));
//! # drop(serving);
//! # Ok(())
//! # }
//! ```
//!
//! In the place of `handler` may stand an `axum::Router`, or any service of `tower`. A router makes its routes ready for each
//! request, unless its `with_state(())` has done so once.
//!
//! - **Connections** are those of a [`net::Server`](crate::net::Server), in whose tasks HTTP is spoken: what it says of
//!   accepting, descriptors, counting and draining holds. [`Serve::server`] is a handle of it.
//! - **Limits** are on: of connections, of the bytes and fields of a header, of the time for a header, for the next request,
//!   and for taking a reply, of requests at once; see [`Serve`](Serve#limits).
//!   Bodies that do not come are for [`RequestBodyTimeout`].
//! - **Requests** of HTTP/1 that do not name one host are answered 400, as RFC 9112 wants it, and not shown to the service.
//! - **Versions** are told apart by what a client says first, or by what was agreed on with TLS.
//! - **Errors** end their connection only, as do panics of handlers: those are reported as any task's are. On HTTP/2 a panic
//!   ends its stream only. Who prefers a reply with status 500 takes `CatchPanicLayer` of `tower-http`.
//! - **The end** loses no request that has begun: [`Serve::with_graceful_shutdown`], in a worker of a [`cluster`](crate::cluster)
//!   by itself.
//!   Where a client may still be sending, as with HTTP/2 it always may, the connection ends by
//!   [`graceful_close`](crate::net::TcpStream::graceful_close), so that what was written last can be read.
//! - **Upgrades**: [`upgrade()`]. For WebSocket there is more, in `http::websocket` (feature `websocket`).
//!
//! A client is `hyper::client::conn`, on any of our streams, with [`hyper::LocalExecutor`](crate::hyper::LocalExecutor)
//! for HTTP/2.
//!
//! Why not `hyper-util`: its connections wait for the first bytes of a client without a deadline, put a layer between HTTP and
//! the socket to give them back, and are as large as those of both versions together.

// `serve.rs` is the server and `settings.rs` what it is told; `connection.rs` the task of a connection, `life.rs` how far
// that is, by the tickets of `service.rs` and the parts of replies in `parts.rs`; `app.rs` and `listener.rs` are what users bring
// along.
mod app;
mod authority;
mod body_timeout;
mod connection;
mod error;
mod life;
mod listener;
mod parts;
mod serve;
mod service;
mod settings;
mod upgrade;
#[cfg(feature = "websocket")]
pub mod websocket;

pub use self::{
    app::App,
    body_timeout::{RequestBodyTimeout, TimeoutBody},
    life::ConnectInfo,
    listener::{Listener, Version},
    serve::{Serve, serve},
    upgrade::upgrade,
};

type BoxError = Box<dyn std::error::Error + Send + Sync>;
