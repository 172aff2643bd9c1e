//! WebSocket for handlers of axum and of hyper (feature `websocket`), without tokio: the connection of a request becomes a
//! channel for messages, which a task of this runtime holds.
//!
//! In axum [`WebSocketUpgrade`] is an extractor:
//!
//! ```ignore (axum is no dependency of this crate)
//! use axum::{Router, response::IntoResponse, routing::any};
//! use futures_lite::StreamExt;
//! use runtime::{http::websocket::WebSocketUpgrade, net::TcpListener};
//!
//! async fn echo(upgrade: WebSocketUpgrade) -> impl IntoResponse {
//!     upgrade.on_upgrade(async |mut socket| {
//!         while let Some(Ok(message)) = socket.next().await {
//!             if message.is_text() && socket.send(message).await.is_err() {
//!                 break;
//!             }
//!         }
//!     })
//! }
//!
//! let router = Router::new().route("/echo", any(echo)); // not only GET: in HTTP/2 it is CONNECT
//! runtime::http::serve(TcpListener::bind("127.0.0.1:8080").await?, router).await?;
//! ```
//!
//! Elsewhere it is made [of a request](WebSocketUpgrade::of).
//!
//! # Strangers
//!
//! Any page that a browser shows may open a WebSocket to any server, and the browser sends the user's cookies along. A server
//! that goes by cookies compares the header `origin` with its own name before it upgrades.
//!
//! A message has 1 MiB at most unless [said otherwise](WebSocketUpgrade::max_message_size), and what a peer does not take is not
//! kept without limit, answers to its pings included. Whoever never sends anything is not noticed by itself: ping such peers now
//! and then, and put a limit on the time until something comes back.
//!
//! # Clients, and servers without HTTP
//!
//! The crate `async-tungstenite` works on our streams as they are, plain or under TLS: `client_async(url, stream)` and
//! `accept_async(stream)`. So does `tungstenite` itself in greenlets.

mod ending;
mod opening;
mod refusal;
mod upgrade;
mod upgraded;

pub use async_tungstenite::tungstenite::{
    self, Error, Message,
    protocol::{CloseFrame, WebSocketConfig, frame::coding::CloseCode},
};
pub use refusal::UpgradeRefused;
pub use upgrade::WebSocketUpgrade;
pub use upgraded::Upgraded;

/// A channel for messages, both ways: a `Stream` of them, with the methods `send`, `close` and `split`.
///
/// Pings are answered while it is read, and so is the peer's [`Close`](Message::Close): who stops reading there leaves a peer
/// without an answer, which takes that for an accident. The stream of messages ends when both sides have said that they are done,
/// or with an error if the peer has just gone.
pub type WebSocket = async_tungstenite::WebSocketStream<Upgraded>;
