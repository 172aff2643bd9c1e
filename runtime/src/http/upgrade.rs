//! Connections that go on in another protocol, such as WebSocket.

use crate::{spawn, task};
use hyper::{
    http::Extensions,
    upgrade::{OnUpgrade, Upgraded},
};
use std::{
    fmt, mem,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
};

/// What is to be done with the connection.
type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Goes on with the connection of a request in another protocol. To be called by the handler of the request, with the
/// extensions of it, before it replies with `101 Switching Protocols` (to a `CONNECT`, with `200 OK`). When that has been
/// sent, `go_on` has the connection; with another reply, it is never called.
///
/// It runs in the connection's own task, so the server still counts it among its connections, waits for it when it drains,
/// cuts it at the deadline of that, and is told of its panics; none of which holds for what a handler spawns by itself. Nothing
/// has to be `Send`. [`header_timeout`](super::Serve::header_timeout) and its kin hold no more. A stream of HTTP/2, which has no
/// connection for itself, goes on in a task of its own; the connection is not closed before it ends.
///
/// False if the client has not asked for anything like that; then nothing happens.
///
/// ```
/// use hyper::{Request, Response, StatusCode, body::Incoming, header, service::service_fn};
/// use runtime::{http, net::{TcpListener, TcpStream}};
/// use std::convert::Infallible;
///
/// /// Tells clients how long what they have sent was, byte by byte.
/// async fn handle(mut request: Request<Incoming>) -> Result<Response<String>, Infallible> {
///     let counts = http::upgrade(request.extensions_mut(), async |upgraded| {
///         // The socket itself, and what of the new protocol was read with the request.
///         let Ok(parts) = upgraded.downcast::<TcpStream>() else { return };
///         let (stream, mut count) = (parts.io, parts.read_buf.len() as u8);
///         let mut buf = [0; 64];
///         while let Ok(length @ 1..) = stream.read(&mut buf).await {
///             count += length as u8;
///         }
///         let _ = stream.write_all(&[count]).await;
///     });
///     let mut response = Response::new(String::new());
///     if counts {
///         *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
///         response.headers_mut().insert(header::UPGRADE, header::HeaderValue::from_static("count"));
///     }
///     Ok(response)
/// }
///
/// # #[runtime::main]
/// # async fn main() -> std::io::Result<()> {
/// let listener = TcpListener::bind("127.0.0.1:0").await?;
/// let address = listener.local_addr()?;
/// runtime::spawn(http::serve(listener, service_fn(handle))).detach();
///
/// let client = TcpStream::connect(address).await?;
/// client.write_all(b"GET / HTTP/1.1\r\nhost: here\r\nconnection: upgrade\r\nupgrade: count\r\n\r\n").await?;
/// client.write_all(b"12345").await?;
/// client.shutdown(std::net::Shutdown::Write)?;
/// let mut reply = Vec::new();
/// runtime::io::AsyncReadExt::read_to_end(&mut &client, &mut reply).await?;
/// assert!(reply.starts_with(b"HTTP/1.1 101 Switching Protocols\r\n"));
/// assert_eq!(reply.last(), Some(&5));
/// # Ok(())
/// # }
/// ```
///
/// # Panics
/// If no runtime runs on this thread.
#[must_use]
pub fn upgrade<F>(extensions: &mut Extensions, go_on: F) -> bool
where
    F: AsyncFnOnce(Upgraded) + 'static,
{
    let Some(coming) = extensions.remove::<OnUpgrade>() else { return false };
    let work = async move {
        // Otherwise it was answered in another way.
        if let Ok(upgraded) = coming.await {
            go_on(upgraded).await;
        }
    };
    match extensions.remove::<Continuation>() {
        Some(continuation) => continuation.set(Box::pin(task::local(work))),
        None => spawn(work).detach(),
    }
    true
}

/// Where a handler leaves what is to be done with its connection. Among the extensions of a request, which insist on `Send`.
#[derive(Clone, Default)]
pub(super) struct Continuation(Arc<Mutex<Option<Work>>>);

impl Continuation {
    fn set(&self, work: Work) {
        let before = self.exchange(Some(work));
        drop(before);
    }

    /// What a handler has left.
    pub(super) fn take(&self) -> Option<Work> {
        self.exchange(None)
    }

    fn exchange(&self, work: Option<Work>) -> Option<Work> {
        mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), work)
    }
}

impl fmt::Debug for Continuation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Continuation").finish_non_exhaustive()
    }
}
