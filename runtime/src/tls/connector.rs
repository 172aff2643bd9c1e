//! The side of the client.

use super::{HANDSHAKE_TIME, TlsStream, handshake};
use ::rustls::{ClientConfig, pki_types::ServerName};
use ::tokio::io::{AsyncRead, AsyncWrite};
use std::{fmt, io, sync::Arc, time::Duration};
use tokio_rustls::TlsConnector;

/// Makes a [`TlsStream`] of a connection to a server. Clones are cheap, mean the same, and share the sessions that shorten
/// later handshakes with the same server.
///
/// ```no_run
/// use runtime::{net::TcpStream, tls::{Connector, TlsStream, rustls::{ClientConfig, RootCertStore}}};
///
/// async fn connect(trusted: RootCertStore) -> std::io::Result<TlsStream<TcpStream>> {
///     let mut config = ClientConfig::builder().with_root_certificates(trusted).with_no_client_auth();
///     config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
///     let stream = TcpStream::connect("example.org:443").await?;
///     let stream = Connector::new(config).connect("example.org", stream).await?;
///     println!("HTTP/2: {}", stream.session().alpn_protocol() == Some(b"h2"));
///     Ok(stream)
/// }
/// ```
#[derive(Clone)]
pub struct Connector {
    connector: TlsConnector,
    limit: Duration,
}

impl Connector {
    /// Handshakes as the configuration says, each in [`HANDSHAKE_TIME`] at most.
    pub fn new(config: impl Into<Arc<ClientConfig>>) -> Self {
        Self { connector: TlsConnector::from(config.into()), limit: HANDSHAKE_TIME }
    }

    /// How long a handshake may take, from when [`connect`](Self::connect) is awaited.
    ///
    /// # Panics
    /// If it is zero.
    #[track_caller]
    pub fn handshake_timeout(mut self, limit: Duration) -> Self {
        handshake::refuse_zero(limit);
        self.limit = limit;
        self
    }

    /// What the handshakes are done by.
    pub fn config(&self) -> &Arc<ClientConfig> {
        self.connector.config()
    }

    /// Does the handshake with the server at the other end of `stream`, which has to prove that it is `server`: a name, or
    /// an IP address, as it stands in a URL.
    ///
    /// # Errors
    /// - Kind [`InvalidInput`](io::ErrorKind::InvalidInput): there can be no server of that name.
    /// - Kind [`TimedOut`](io::ErrorKind::TimedOut) with a [`HandshakeTimedOut`](super::HandshakeTimedOut) inside: it took too
    ///   long.
    /// - Kind [`InvalidData`](io::ErrorKind::InvalidData) with a [`rustls::Error`](::rustls::Error) inside: this is not the
    ///   server, the two could not agree, or this is no TLS. The server has been told.
    /// - Kind [`UnexpectedEof`](io::ErrorKind::UnexpectedEof): the server has closed the connection.
    /// - Whatever else the stream says.
    ///
    /// # Panics
    /// When it waits outside of a runtime.
    ///
    /// # Cancel safety
    /// Dropping it gives up the handshake, and drops the stream.
    pub async fn connect<S>(&self, server: &str, stream: S) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let name = server_name(server)?;
        let connected = handshake::within(self.limit, self.connector.connect(name, stream)).await?;
        Ok(TlsStream::new(connected.into()))
    }
}

/// In URLs addresses of the sixth version stand in brackets, which belong to the URL.
fn server_name(server: &str) -> io::Result<ServerName<'static>> {
    let bare = server.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(server);
    match ServerName::try_from(bare) {
        Ok(name) => Ok(name.to_owned()),
        Err(_) => {
            let what = format!("{server:?} is neither the name of a host nor an IP address");
            Err(io::Error::new(io::ErrorKind::InvalidInput, what))
        }
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").field("handshake_timeout", &self.limit).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_named_as_in_urls() {
        let name = |server| server_name(server).map(|name| format!("{name:?}"));
        assert_eq!(name("example.org").unwrap(), r#"DnsName("example.org")"#);
        assert_eq!(name("127.0.0.1").unwrap(), name("127.0.0.1").unwrap());
        assert_eq!(name("[::1]").unwrap(), name("::1").unwrap());
        for nobody in ["", "[", "[::1", "a b", "http://example.org", "example.org:443"] {
            let error = name(nobody).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{nobody}");
            assert!(error.to_string().contains(nobody));
        }
    }
}
