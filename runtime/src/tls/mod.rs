//! TLS for clients and servers, by `rustls` (feature `tls`): an [`Acceptor`] or a [`Connector`] makes a [`TlsStream`] of any
//! stream.
//!
//! How the two sides prove who they are is said in a configuration of [`rustls`]. Who does the cryptography is said there
//! too: the runtime brings no provider along. A program names one among its own dependencies, for instance
//!
//! ```toml
//! rustls = { version = "0.23", default-features = false, features = ["ring", "std", "tls12"] }
//! ```
//!
//! Where several crates of a program bring a provider each, `ServerConfig::builder` and `ClientConfig::builder` panic because
//! they cannot tell which one is meant; `builder_with_provider` always can.
//!
//! # A server
//!
//! The handshake belongs into the task of the connection. Then one that takes long holds up nobody else, and it counts among
//! the connections of its [`Server`](crate::net::Server), whose limits and whose drain hold for it too.
//!
//! ```no_run
//! use runtime::{io::{AsyncReadExt, AsyncWriteExt}, net::Server, tls::{Acceptor, rustls::ServerConfig}};
//! use std::{io, sync::Arc};
//!
//! async fn serve(config: Arc<ServerConfig>) -> io::Result<()> {
//!     let acceptor = Acceptor::new(config);
//!     let server = Server::bind("127.0.0.1:8443").await?;
//!     server.serve(async move |stream, _peer| {
//!         let mut stream = acceptor.accept(stream).await?;
//!         let mut name = [0; 5];
//!         stream.read_exact(&mut name).await?;
//!         stream.write_all(&name).await?;
//!         stream.graceful_close().await
//!     }).await?;
//!     Ok(())
//! }
//! ```
//!
//! For HTTP under TLS there is a listener that `http::serve` takes, `tls::Listener` (feature `http`).
//!
//! # A client
//!
//! ```no_run
//! use runtime::{io::{AsyncReadExt, AsyncWriteExt}, net::TcpStream, tls::{Connector, rustls::ClientConfig}};
//! use std::{io, sync::Arc};
//!
//! async fn ask(config: Arc<ClientConfig>) -> io::Result<String> {
//!     let stream = TcpStream::connect("example.org:443").await?;
//!     let mut stream = Connector::new(config).connect("example.org", stream).await?;
//!     stream.write_all(b"GET / HTTP/1.0\r\nhost: example.org\r\n\r\n").await?;
//!     stream.flush().await?;
//!     let mut answer = String::new();
//!     stream.read_to_string(&mut answer).await?; // an error, should anybody have cut the answer short
//!     Ok(answer)
//! }
//! ```
//!
//! # In greenlets
//!
//! Code in blocking style uses what `rustls` has for it, over the streams of `green::net`:
//!
#![cfg_attr(feature = "greenlet", doc = "```no_run")]
#![cfg_attr(not(feature = "greenlet"), doc = "```ignore (needs feature greenlet)")]
//! use runtime::{green::net::TcpStream, greenlet, tls::rustls::{ServerConfig, ServerConnection, StreamOwned}};
//! use std::{io::Write, sync::Arc};
//!
//! # fn serve(config: Arc<ServerConfig>, stream: TcpStream) {
//! // Cryptography goes deeper than a greenlet usually does.
//! greenlet::Builder::new().stack_size(256 << 10).spawn(move || {
//!     let mut stream = StreamOwned::new(ServerConnection::new(config).unwrap(), stream);
//!     stream.write_all(b"hello") // with the handshake before it
//! }).detach();
//! # }
//! ```

mod acceptor;
mod connector;
mod handshake;
#[cfg(feature = "http")]
mod listener;
mod stream;

pub use ::rustls;
pub use acceptor::Acceptor;
pub use connector::Connector;
pub use handshake::{HANDSHAKE_TIME, HandshakeTimedOut};
#[cfg(feature = "http")]
pub use listener::Listener;
pub use stream::TlsStream;
