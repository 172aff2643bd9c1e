//! The orderly end of a connection whose peer may still be sending.
//!
//! Closing a socket with unread input makes TCP send a reset, which destroys what the peer has not read of our
//! reply. So: say that we are done, read what still comes and forget it, close when the peer has closed too
//! (RFC 9112 §9.6; nginx calls it lingering close).

use super::{
    connection::{Connection, Transport},
    tcp_stream::TcpStream,
};
use crate::registration::Step;
use runtime_executor::time::timeout;
use std::{io, net::Shutdown, time::Duration};

/// How long [`TcpStream::graceful_close`] waits for the peer's end: nginx's `lingering_time`, ample for a slow
/// client to read its reply, and a bound on how long one that never closes can hold a descriptor.
pub const GRACEFUL_CLOSE_TIME: Duration = Duration::from_secs(30);
/// How many bytes [`TcpStream::graceful_close`] reads and forgets: an upload that was refused may be on its way,
/// but nobody should feed us for nothing.
pub const GRACEFUL_CLOSE_BYTES: usize = 64 << 20;

/// Bytes read and forgotten at once. They are on the stack, and only while there are any.
const SINK: usize = 8 * 1024;

impl TcpStream {
    /// Ends our side, then reads and forgets what the peer still sends until it has ended its side too, for at most
    /// [`GRACEFUL_CLOSE_TIME`] and [`GRACEFUL_CLOSE_BYTES`]; then closes.
    ///
    /// Closing while input is unread, or still comes, makes TCP send a reset, and the peer then loses what it has
    /// not yet read of our reply. Use this after the last reply to a peer that may still be sending.
    ///
    /// # Errors
    /// `TimedOut` or `QuotaExceeded` if the peer did not end its side in time; `ConnectionReset` if it threw the
    /// connection away. The connection is closed in any case.
    ///
    /// # Cancel safety
    /// Dropped while it waits, it closes the connection at once.
    ///
    /// ```
    /// # use runtime_io::net::{TcpListener, TcpStream};
    /// # let reactor = runtime_io::Reactor::new()?;
    /// # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
    /// # executor.block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// # let client = TcpStream::connect(listener.local_addr()?).await?;
    /// # let (server, _) = listener.accept().await?;
    /// client.write_all(b"GET / HTTP/1.1\r\n\r\nand more that nobody reads").await?;
    /// server.write_all(b"HTTP/1.1 413 Content Too Large\r\n\r\n").await?;
    /// # drop(client);
    /// let _ = server.graceful_close().await;
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn graceful_close(self) -> io::Result<()> {
        self.graceful_close_within(GRACEFUL_CLOSE_TIME).await
    }

    /// [`graceful_close`](Self::graceful_close) with another limit of time.
    ///
    /// # Errors
    /// As for `graceful_close`.
    ///
    /// # Cancel safety
    /// Dropped while it waits, it closes the connection at once.
    pub async fn graceful_close_within(self, limit: Duration) -> io::Result<()> {
        self.into_connection().graceful_close(limit).await
    }
}

impl<S: Transport> Connection<S> {
    /// See [`TcpStream::graceful_close_within`].
    pub(super) async fn graceful_close(self, limit: Duration) -> io::Result<()> {
        timeout(limit, self.drain_to_end()).await.unwrap_or_else(|_| {
            let sentence = format!("the peer did not end its side within {limit:?}");
            Err(io::Error::new(io::ErrorKind::TimedOut, sentence))
        })
    }

    /// Says that no more will be written, then reads until the peer has said the same.
    async fn drain_to_end(&self) -> io::Result<()> {
        match self.shutdown(Shutdown::Write) {
            // The peer was faster: it has closed or reset the connection.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => return Ok(()),
            other => other?,
        }
        let mut drained: usize = 0;
        let forget = move |socket: &S| {
            let got = socket.read(&mut [0; SINK])?;
            drained = drained.saturating_add(got.bytes);
            match got.bytes {
                0 => Ok(Step::Done(())),
                _ if drained > GRACEFUL_CLOSE_BYTES => Err(io::Error::new(
                    io::ErrorKind::QuotaExceeded,
                    format!("the peer went on sending: {drained} bytes after the end of our side"),
                )),
                _ => Ok(got.going_on(SINK)),
            }
        };
        self.io().reading(forget).await
    }
}
