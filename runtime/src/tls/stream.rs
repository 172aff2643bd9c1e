//! The stream: what is read has been deciphered and checked, what is written goes out enciphered.
//!
//! The work is done by `tokio-rustls`; here is what it needs to be used like any other stream of ours.

use crate::{
    io::{AsyncBufRead, AsyncRead, AsyncWrite, AsyncWriteExt},
    net::{TcpStream, UnixStream},
};
use ::rustls::CommonState;
use ::tokio::io::{AsyncBufRead as TokioBufRead, AsyncRead as TokioRead, AsyncWrite as TokioWrite, ReadBuf};
use runtime_io::__bridge_writes as writes;
use std::{
    fmt,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio_rustls::TlsStream as Session;

/// A connection on which everything is enciphered. Made by [`Acceptor`](super::Acceptor) and
/// [`Connector`](super::Connector) from any stream.
///
/// It has the traits of `futures-io`, of `tokio::io`, and with feature `hyper` those of `hyper::rt`.
///
/// - **The end.** A peer that has said all says so, by a message of the protocol. Where the connection ends without it,
///   reading fails with kind [`UnexpectedEof`](io::ErrorKind::UnexpectedEof): somebody between the two may have cut it, and
///   what has arrived need not be all. Many a client of HTTP leaves that way, where lengths tell what is whole.
/// - **Writing.** What a write has taken may wait in here for room in the connection, and goes on with the next write.
///   [`flush`](AsyncWriteExt::flush) sees it out, and so does [`close`](AsyncWriteExt::close), which also tells the peer that
///   this was all and ends our side of the connection. To drop the stream tells nobody anything.
/// - **Two tasks.** [`io::split`](crate::io::split) makes two halves.
///
/// # Cancel safety
/// A read that is dropped has read nothing. After a write that is dropped nobody knows how much of it has been sent.
pub struct TlsStream<S> {
    session: Session<S>,
}

impl<S> TlsStream<S> {
    pub(super) fn new(session: Session<S>) -> Self {
        Self { session }
    }

    /// The stream below.
    pub fn get_ref(&self) -> &S {
        self.session.get_ref().0
    }

    /// The stream below. Who reads or writes there breaks the connection.
    pub fn get_mut(&mut self) -> &mut S {
        self.session.get_mut().0
    }

    /// What has been agreed on: the protocol spoken above (`alpn_protocol`), the peer's certificates, the version, the
    /// cipher.
    pub fn session(&self) -> &CommonState {
        self.session.get_ref().1
    }

    /// On the side of the server: the name by which the client has asked for it, if it has told one.
    pub fn server_name(&self) -> Option<&str> {
        match &self.session {
            Session::Server(stream) => stream.get_ref().1.server_name(),
            Session::Client(_) => None,
        }
    }

    pub(super) fn into_inner(self) -> S {
        match self.session {
            Session::Client(stream) => stream.into_inner().0,
            Session::Server(stream) => stream.into_inner().0,
        }
    }
}

macro_rules! graceful_close {
    ($($stream:ident),*) => {$(
        impl TlsStream<$stream> {
            #[doc = concat!(
                "Tells the peer that this was all, then ends the connection as [`", stringify!($stream),
                "::graceful_close`] does: a peer that is still sending gets what was written before. Waits no longer than ",
                "that does, and for a peer that takes nothing as long as that peer likes."
            )]
            ///
            /// # Errors
            /// If not all could be sent.
            ///
            /// # Cancel safety
            /// Dropping it closes the connection.
            pub async fn graceful_close(mut self) -> io::Result<()> {
                self.close().await?;
                self.into_inner().graceful_close().await
            }
        }
    )*};
}

graceful_close!(TcpStream, UnixStream);

impl<S: TokioRead + TokioWrite + Unpin> AsyncRead for TlsStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut buf = ReadBuf::new(buf);
        ready!(Pin::new(&mut self.session).poll_read(context, &mut buf))?;
        Poll::Ready(Ok(buf.filled().len()))
    }
}

/// What has been deciphered is lent out where it is.
impl<S: TokioRead + TokioWrite + Unpin> AsyncBufRead for TlsStream<S> {
    fn poll_fill_buf(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        Pin::new(&mut self.get_mut().session).poll_fill_buf(context)
    }

    fn consume(mut self: Pin<&mut Self>, amount: usize) {
        Pin::new(&mut self.session).consume(amount);
    }
}

impl<S: TokioRead + TokioWrite + Unpin> AsyncWrite for TlsStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.session).poll_write(context, buf)
    }

    /// Several buffers go into one record, as far as they fit.
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.session).poll_write_vectored(context, bufs)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.session).poll_flush(context)
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.session).poll_shutdown(context)
    }
}

impl<S: TokioRead + TokioWrite + Unpin> TokioRead for TlsStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.session).poll_read(context, buf)
    }
}

writes!(TokioWrite, [S: TokioRead + TokioWrite + Unpin] TlsStream<S>, true);

#[cfg(feature = "hyper")]
mod hyper {
    use super::{AsyncBufRead, TlsStream, TokioRead, TokioWrite, writes};
    use ::hyper::rt::{Read, ReadBufCursor, Write};
    use std::{
        io,
        pin::Pin,
        task::{Context, Poll, ready},
    };

    impl<S: TokioRead + TokioWrite + Unpin> Read for TlsStream<S> {
        /// Copies what has been deciphered straight into memory that nobody has written yet.
        fn poll_read(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            mut buf: ReadBufCursor<'_>,
        ) -> Poll<io::Result<()>> {
            let plain = ready!(self.as_mut().poll_fill_buf(context))?;
            let length = plain.len().min(buf.remaining());
            buf.put_slice(&plain[..length]);
            AsyncBufRead::consume(self, length);
            Poll::Ready(Ok(()))
        }
    }

    writes!(Write, [S: TokioRead + TokioWrite + Unpin] TlsStream<S>, true);
}

impl<S: fmt::Debug> fmt::Debug for TlsStream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (stream, session) = self.session.get_ref();
        f.debug_struct("TlsStream")
            .field("stream", stream)
            .field("version", &session.protocol_version())
            .field("alpn_protocol", &session.alpn_protocol().map(String::from_utf8_lossy))
            .finish_non_exhaustive()
    }
}
