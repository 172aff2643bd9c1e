//! A listener whose connections are under TLS, for `http::serve`.

use super::{Acceptor, TlsStream};
use crate::http;
use ::tokio::io::{AsyncRead, AsyncWrite};
use std::io;

/// A listener of HTTP under TLS: `http::serve` takes it like any other.
///
/// Which version of HTTP is spoken has been agreed on in the handshake: HTTP/2 if the configuration of the [`Acceptor`]
/// offers `h2` by ALPN and the client wants it, HTTP/1 otherwise. Handshakes are done side by side, each in the task of its
/// connection.
///
/// ```no_run
/// use hyper::{Request, Response, body::Incoming, service::service_fn};
/// use runtime::{http, net::TcpListener, tls::{Acceptor, Listener, rustls::ServerConfig}};
/// use std::convert::Infallible;
///
/// async fn serve(mut config: ServerConfig) -> std::io::Result<()> {
///     config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
///     let listener = Listener::new(TcpListener::bind("0.0.0.0:443").await?, Acceptor::new(config));
///     let hello = async |_: Request<Incoming>| Ok::<_, Infallible>(Response::new("hello".to_owned()));
///     http::serve(listener, service_fn(hello)).await?;
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct Listener<L> {
    listener: L,
    acceptor: Acceptor,
}

impl<L: http::Listener> Listener<L> {
    /// Connections of `listener`, once `acceptor` is done with them.
    pub fn new(listener: L, acceptor: Acceptor) -> Self {
        Self { listener, acceptor }
    }
}

impl<L> http::Listener for Listener<L>
where
    L: http::Listener<Stream: AsyncRead + AsyncWrite>,
{
    type Sockets = L::Sockets;
    type Terms = (L::Terms, Acceptor);
    type Stream = TlsStream<L::Stream>;

    fn into_parts(self) -> (L::Sockets, Self::Terms) {
        let (sockets, terms) = self.listener.into_parts();
        (sockets, (terms, self.acceptor))
    }

    async fn handshake(
        (terms, acceptor): &Self::Terms,
        socket: <L::Sockets as crate::net::Listener>::Stream,
    ) -> io::Result<Self::Stream> {
        acceptor.accept(L::handshake(terms, socket).await?).await
    }

    async fn version(stream: &Self::Stream) -> io::Result<http::Version> {
        let is_http2 = stream.session().alpn_protocol() == Some(b"h2");
        Ok(if is_http2 { http::Version::Http2 } else { http::Version::Http1 })
    }

    /// What was deciphered and not read does no harm; what is still in the socket has the connection reset.
    fn has_unread(stream: &Self::Stream) -> impl Future<Output = bool> {
        L::has_unread(stream.get_ref())
    }

    /// That this was all has been said by the shutdown before.
    fn close(stream: Self::Stream) -> impl Future<Output = io::Result<()>> {
        L::close(stream.into_inner())
    }
}
