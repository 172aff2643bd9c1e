//! A request to open a WebSocket: what may be set before it is answered, and the answer.

use super::{UpgradeRefused, Upgraded, WebSocket, WebSocketConfig, ending, opening::Opening};
use crate::http::upgrade::{Continuation, upgrade};
use ::hyper::{
    Request, Response, StatusCode,
    body::Bytes,
    header::{CONNECTION, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_PROTOCOL, UPGRADE},
    http::{Extensions, request::Parts},
    upgrade::OnUpgrade,
};
use async_tungstenite::tungstenite::protocol::Role;
use axum_core::extract::FromRequestParts;
use http_body_util::Empty;

/// The longest message unless said otherwise: as the `websockets` library of Python has it. A peer may have so much memory
/// taken for what it sends.
const MAX_MESSAGE: usize = 1 << 20;
/// What is kept for a peer that takes nothing, beside one message: without a limit, answers to all its pings. A message that is
/// sent has to fit in as well, hence so much.
const MAX_UNSENT: usize = 16 << 20;
/// What is allocated for reading as soon as a WebSocket is open, even if it is never read: with the 128 KiB that tungstenite
/// takes otherwise, 10,000 idle peers would cost more than a gigabyte. A longer message grows the buffer as it comes.
const READ_BUFFER: usize = 4 << 10;

/// A request to open a WebSocket, which has been checked. An extractor of axum; elsewhere [of a request](Self::of).
///
/// The answer to the client is what [`on_upgrade`](Self::on_upgrade) returns. Dropping it instead leaves the request to be
/// answered otherwise.
///
/// HTTP/1.1, and HTTP/2 where the server offers it (`enable_connect_protocol` of hyper's builder).
#[derive(Debug)]
pub struct WebSocketUpgrade {
    /// What of the request's extensions is the right to its connection.
    right: Extensions,
    opening: Opening,
    chosen: Option<HeaderValue>,
    config: WebSocketConfig,
}

impl WebSocketUpgrade {
    /// Checks the request, and takes from it the right to the connection.
    ///
    /// ```
    /// use hyper::{Request, Response, body::{Bytes, Incoming}, server::conn::http1, service::service_fn};
    /// use runtime::{http::websocket::{Message, WebSocketUpgrade}, io::duplex};
    /// use futures_lite::StreamExt;
    /// use std::convert::Infallible;
    ///
    /// async fn greet(mut request: Request<Incoming>) -> Result<Response<http_body_util::Full<Bytes>>, Infallible> {
    ///     Ok(match WebSocketUpgrade::of(&mut request) {
    ///         Ok(upgrade) => upgrade
    ///             .on_upgrade(async |mut socket| {
    ///                 let _ = socket.send("hello".into()).await;
    ///                 let _ = socket.close(None).await;
    ///             })
    ///             .map(|_| Default::default()),
    ///         Err(refused) => refused.response(),
    ///     })
    /// }
    ///
    /// # #[runtime::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let (client, server) = duplex(1024);
    /// runtime::spawn(http1::Builder::new().serve_connection(server, service_fn(greet)).with_upgrades()).detach();
    ///
    /// let (mut socket, _) = async_tungstenite::client_async("ws://localhost/", client).await?;
    /// assert_eq!(socket.next().await.unwrap()?, Message::text("hello"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If this is no such request. It is untouched then.
    pub fn of<B>(request: &mut Request<B>) -> Result<Self, UpgradeRefused> {
        let opening =
            Opening::read(request.method(), request.version(), request.headers(), request.extensions())?;
        Self::new(opening, request.extensions_mut())
    }

    fn new(opening: Opening, extensions: &mut Extensions) -> Result<Self, UpgradeRefused> {
        let mut right = Extensions::new();
        right.insert(extensions.remove::<OnUpgrade>().ok_or(UpgradeRefused::Connection)?);
        if let Some(continuation) = extensions.remove::<Continuation>() {
            right.insert(continuation);
        }
        let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER);
        Ok(Self { right, opening, chosen: None, config }.max_message_size(MAX_MESSAGE))
    }

    /// What this server can speak above WebSocket, the best first. The first of these that the client has offered is
    /// [agreed on](Self::protocol); if there is none, the client is told of none, and may leave.
    pub fn protocols<'a>(mut self, ours: impl IntoIterator<Item = &'a str>) -> Self {
        let chosen = ours.into_iter().find(|ours| self.opening.offered.iter().any(|theirs| theirs == ours));
        self.chosen =
            chosen.map(|name| HeaderValue::from_str(name).expect("the client has sent it in a header"));
        self
    }

    /// What has been agreed on of the [`protocols`](Self::protocols).
    pub fn protocol(&self) -> Option<&str> {
        self.chosen.as_ref().and_then(|chosen| chosen.to_str().ok())
    }

    /// How many bytes a message may have, in however many parts it comes; 1 MiB unless said otherwise. A longer one is an
    /// error at the reader, [`Error::Capacity`](super::Error::Capacity), who may still tell the peer so by
    /// [`close`](super::WebSocket::close).
    ///
    /// What we send may be 16 MiB longer. A message that has no room beside what the peer has not taken yet is an error too,
    /// [`Error::WriteBufferFull`](super::Error::WriteBufferFull).
    pub fn max_message_size(mut self, bytes: usize) -> Self {
        // A frame is read as a whole before the message that it belongs to is looked at.
        let config = self.config.max_message_size(Some(bytes)).max_frame_size(Some(bytes));
        self.config = config.max_write_buffer_size(MAX_UNSENT.saturating_add(bytes));
        self
    }

    /// All that can be set, in place of what is set.
    pub fn config(mut self, config: WebSocketConfig) -> Self {
        self.config = config;
        self
    }

    /// Answers that the connection is now a WebSocket, and gives it to `handler` when that has been sent; if the client has
    /// left by then, the handler is never called. When it ends without [`close`](super::WebSocket::close) the client sees the
    /// connection end. A client that is still sending then gets what was sent to it all the same, as by
    /// [`graceful_close`](crate::net::TcpStream::graceful_close).
    ///
    /// Under [`serve`](super::super::serve) it runs in the task of the connection, as [`upgrade`](super::super::upgrade())
    /// describes: a WebSocket counts as a connection of the server, which waits for it when it drains, and cuts it at the end.
    /// It may keep `Rc` and local locks across its `.await`s, which the handler of a request in axum must not.
    ///
    /// # Panics
    /// Outside of a runtime.
    pub fn on_upgrade<F>(mut self, handler: F) -> Response<Empty<Bytes>>
    where
        F: AsyncFnOnce(WebSocket) + 'static,
    {
        let config = self.config;
        // A stream of HTTP/2 ends without harm to what was sent on it.
        let is_whole_connection = self.opening.accept.is_some();
        let _ = upgrade(&mut self.right, async move |connection| {
            let (connection, mut returned) = Upgraded::lent(connection);
            handler(WebSocket::from_raw_socket(connection, Role::Server, Some(config)).await).await;
            match returned.try_recv() {
                Ok(connection) if is_whole_connection => ending::close(connection).await,
                // Or the handler has given it to somebody else.
                _ => {}
            }
        });
        let mut response = Response::new(Empty::new());
        let headers = response.headers_mut();
        if let Some(chosen) = self.chosen {
            headers.insert(SEC_WEBSOCKET_PROTOCOL, chosen);
        }
        if let Some(accept) = self.opening.accept {
            headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
            headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        }
        response
    }
}

impl<S: Sync> FromRequestParts<S> for WebSocketUpgrade {
    type Rejection = UpgradeRefused;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, UpgradeRefused> {
        let opening = Opening::read(&parts.method, parts.version, &parts.headers, &parts.extensions)?;
        Self::new(opening, &mut parts.extensions)
    }
}
