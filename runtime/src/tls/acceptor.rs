//! The side of the server.

use super::{HANDSHAKE_TIME, TlsStream, handshake};
use ::rustls::ServerConfig;
use ::tokio::io::{AsyncRead, AsyncWrite};
use std::{fmt, io, sync::Arc, time::Duration};
use tokio_rustls::TlsAcceptor;

/// Makes a [`TlsStream`] of a connection that a client has opened. Clones are cheap and mean the same.
///
/// Servers of HTTP say in the configuration which versions they speak, `h2` before `http/1.1`, by
/// [`alpn_protocols`](ServerConfig::alpn_protocols): browsers speak HTTP/2 to nobody who does not offer it.
///
/// A certificate can be renewed while the server runs: a
/// [`ResolvesServerCert`](::rustls::server::ResolvesServerCert) is asked for it at each handshake.
///
/// ```no_run
/// use runtime::tls::{Acceptor, rustls::{self, ServerConfig, pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject}}};
/// use std::time::Duration;
///
/// fn acceptor() -> Result<Acceptor, Box<dyn std::error::Error>> {
///     let chain = CertificateDer::pem_file_iter("chain.pem")?.collect::<Result<_, _>>()?;
///     let key = PrivateKeyDer::from_pem_file("key.pem")?;
///     let mut config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key)?;
///     config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
///     Ok(Acceptor::new(config).handshake_timeout(Duration::from_secs(5)))
/// }
/// ```
#[derive(Clone)]
pub struct Acceptor {
    acceptor: TlsAcceptor,
    limit: Duration,
}

impl Acceptor {
    /// Handshakes as the configuration says, each in [`HANDSHAKE_TIME`] at most.
    pub fn new(config: impl Into<Arc<ServerConfig>>) -> Self {
        Self { acceptor: TlsAcceptor::from(config.into()), limit: HANDSHAKE_TIME }
    }

    /// How long a handshake may take, from when [`accept`](Self::accept) is awaited.
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
    pub fn config(&self) -> &Arc<ServerConfig> {
        self.acceptor.config()
    }

    /// Does the handshake with the client at the other end of `stream`.
    ///
    /// # Errors
    /// - Kind [`TimedOut`](io::ErrorKind::TimedOut) with a [`HandshakeTimedOut`](super::HandshakeTimedOut) inside: it took too
    ///   long.
    /// - Kind [`InvalidData`](io::ErrorKind::InvalidData) with a [`rustls::Error`](::rustls::Error) inside: the two could not
    ///   agree, or this is no TLS. The client has been told.
    /// - Kind [`UnexpectedEof`](io::ErrorKind::UnexpectedEof): the client has left.
    /// - Whatever else the stream says.
    ///
    /// # Panics
    /// When it waits outside of a runtime.
    ///
    /// # Cancel safety
    /// Dropping it gives up the handshake, and drops the stream.
    pub async fn accept<S>(&self, stream: S) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let accepted = handshake::within(self.limit, self.acceptor.accept(stream)).await?;
        Ok(TlsStream::new(accepted.into()))
    }
}

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acceptor").field("handshake_timeout", &self.limit).finish_non_exhaustive()
    }
}
