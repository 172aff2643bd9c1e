//! Where connections come from, and what must happen before they speak HTTP.

use crate::{
    net::{self, TcpListener, TcpStream, UnixListener, UnixStream},
    time::{Duration, sleep},
};
use futures_lite::future::poll_once;
use hyper::rt::{Read, Write};
use std::io;

/// What an HTTP/2 client says first, if it knows beforehand that the server speaks HTTP/2 (RFC 9113 §3.4). To a server of
/// HTTP/1 it is a request of no known method.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Pauses while the preface has come in part, which no client does on purpose: from so short that nobody notices...
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);
/// ...to so long that nobody can keep us busy with it.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The two ways in which HTTP is spoken on a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Version {
    /// HTTP/1.0 and HTTP/1.1: one request after the other.
    Http1,
    /// HTTP/2: many at once.
    Http2,
}

/// What [`serve`](super::serve) can accept connections from: a [`TcpListener`], a [`UnixListener`], or either of them with
/// something between its sockets and HTTP, such as TLS.
///
/// The sockets are accepted by a [`net::Server`], one after the other; all that follows is done in the task of each
/// connection, so a slow handshake keeps nobody waiting, and has to be done within
/// [`header_timeout`](super::Serve::header_timeout).
pub trait Listener: 'static {
    /// What sockets are accepted from.
    type Sockets: net::Listener<Peer: Send + Sync>;
    /// What is the same for all handshakes, such as certificates.
    type Terms: 'static;
    /// A connection that HTTP can be spoken on.
    type Stream: Read + Write + Unpin + Send + 'static;

    /// Takes it apart.
    fn into_parts(self) -> (Self::Sockets, Self::Terms);

    /// Makes a connection of an accepted socket.
    ///
    /// # Errors
    /// If the peer does not keep to the protocol, or goes away. The socket is then closed.
    fn handshake(
        terms: &Self::Terms,
        socket: <Self::Sockets as net::Listener>::Stream,
    ) -> impl Future<Output = io::Result<Self::Stream>>;

    /// Finds out what is spoken on the connection: because it was agreed on, or by what the client says first, which must be
    /// there to be read afterwards.
    ///
    /// # Errors
    /// If the connection is gone.
    fn version(stream: &Self::Stream) -> impl Future<Output = io::Result<Version>>;

    /// Whether there is, at the end of a connection of HTTP/1, something that nobody has read. Does not wait.
    fn has_unread(stream: &Self::Stream) -> impl Future<Output = bool>;

    /// Ends a connection whose peer may still be sending, and must have the chance to read the last reply. That has
    /// been written, and our side of the stream shut down; see [`TcpStream::graceful_close`].
    ///
    /// # Errors
    /// Whatever; that the peer does not close, or throws the rest away, is no failure of ours.
    fn close(stream: Self::Stream) -> impl Future<Output = io::Result<()>>;
}

impl Listener for TcpListener {
    type Sockets = Self;
    type Terms = ();
    type Stream = TcpStream;

    fn into_parts(self) -> (Self, ()) {
        (self, ())
    }

    async fn handshake((): &(), socket: TcpStream) -> io::Result<TcpStream> {
        // Replies are written whole; what is written in parts, such as events, is not to wait for the peer's word that it has
        // got the part before. Of no account if the connection is gone already.
        let _ = socket.set_nodelay(true);
        Ok(socket)
    }

    fn version(stream: &TcpStream) -> impl Future<Output = io::Result<Version>> {
        by_preface(async |buf: &mut [u8]| stream.peek(buf).await)
    }

    async fn has_unread(stream: &TcpStream) -> bool {
        matches!(poll_once(stream.peek(&mut [0])).await, Some(Ok(1)))
    }

    fn close(stream: TcpStream) -> impl Future<Output = io::Result<()>> {
        stream.graceful_close()
    }
}

impl Listener for UnixListener {
    type Sockets = Self;
    type Terms = ();
    type Stream = UnixStream;

    fn into_parts(self) -> (Self, ()) {
        (self, ())
    }

    async fn handshake((): &(), socket: UnixStream) -> io::Result<UnixStream> {
        Ok(socket)
    }

    fn version(stream: &UnixStream) -> impl Future<Output = io::Result<Version>> {
        by_preface(async |buf: &mut [u8]| stream.peek(buf).await)
    }

    async fn has_unread(stream: &UnixStream) -> bool {
        matches!(poll_once(stream.peek(&mut [0])).await, Some(Ok(1)))
    }

    fn close(stream: UnixStream) -> impl Future<Output = io::Result<()>> {
        stream.graceful_close()
    }
}

/// HTTP/2 if the client begins by its preface. It is only looked at, so that whoever serves the connection has the stream as
/// it is.
async fn by_preface(peek: impl AsyncFn(&mut [u8]) -> io::Result<usize>) -> io::Result<Version> {
    let mut pause = SHORTEST_PAUSE;
    loop {
        let mut first = [0; PREFACE.len()];
        let length = peek(&mut first).await?;
        if length == PREFACE.len() && first == *PREFACE {
            return Ok(Version::Http2);
        }
        // No byte is the end, of which HTTP/1 knows what to make.
        if length == 0 || first[..length] != PREFACE[..length] {
            return Ok(Version::Http1);
        }
        // What is there already would be peeked at again and again.
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    /// What is made of a client whose bytes have come so far at each look.
    fn made_of(looks: &[&[u8]]) -> Version {
        let looks: Vec<Vec<u8>> = looks.iter().map(|bytes| bytes.to_vec()).collect();
        let executor = runtime_executor::Executor::builder().clock(crate::time::Clock::paused()).build();
        executor.block_on(async move {
            let next = Cell::new(0);
            by_preface(async |buf: &mut [u8]| {
                let bytes = &looks[next.replace(next.get() + 1)];
                let length = bytes.len().min(buf.len());
                buf[..length].copy_from_slice(&bytes[..length]);
                Ok(length)
            })
            .await
            .unwrap()
        })
    }

    #[test]
    fn the_preface_of_http_2_is_told_from_requests() {
        assert_eq!(made_of(&[PREFACE]), Version::Http2);
        assert_eq!(made_of(&[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n and more of it"]), Version::Http2);
        assert_eq!(made_of(&[b"GET / HTTP/1.1\r\n\r\n"]), Version::Http1);
        assert_eq!(made_of(&[b"PROPFIND / HTTP/1.1\r\n\r\n"]), Version::Http1);
        assert_eq!(made_of(&[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r!"]), Version::Http1);
        assert_eq!(made_of(&[b""]), Version::Http1, "it is gone");
    }

    #[test]
    fn what_comes_in_parts_is_waited_for_as_long_as_it_may_be_the_preface() {
        let parts: Vec<&[u8]> = (1..=PREFACE.len()).map(|length| &PREFACE[..length]).collect();
        assert_eq!(made_of(&parts), Version::Http2);
        assert_eq!(made_of(&[b"P", b"P", b"PO", b"POST"]), Version::Http1);
        assert_eq!(made_of(&[b"PR", b"PRI", b"PRI /"]), Version::Http1);
    }
}
