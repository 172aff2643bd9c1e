//! How the connection of a WebSocket ends once nobody talks on it any more.
//!
//! Whoever closes a socket in which something is left unread, or to which the peer is still sending, has TCP throw away what the
//! peer has not taken yet: the last messages, and why this was the end.

use super::Upgraded;
use crate::{
    io::{AsyncRead, AsyncWriteExt},
    net::{GRACEFUL_CLOSE_BYTES, GRACEFUL_CLOSE_TIME},
    time::timeout,
};
use std::{
    future::poll_fn,
    io,
    pin::Pin,
    task::{Poll, ready},
};

/// Bytes read and forgotten at once. They are on the stack, and only while there are any.
const SINK: usize = 8 << 10;

/// Ends our side, then reads and forgets what the peer still sends until it has ended its side too, within the limits of
/// [`TcpStream::graceful_close`](crate::net::TcpStream::graceful_close).
pub(super) async fn close(connection: Upgraded) {
    // That the peer does not close, or throws the rest away, is no failure of ours.
    let _ = timeout(GRACEFUL_CLOSE_TIME, drain_to_end(connection)).await;
}

async fn drain_to_end(mut connection: Upgraded) -> io::Result<()> {
    connection.close().await?;
    let mut forgotten = 0;
    poll_fn(|context| {
        let mut sink = [0; SINK];
        while forgotten < GRACEFUL_CLOSE_BYTES {
            match ready!(Pin::new(&mut connection).poll_read(context, &mut sink))? {
                0 => break,
                bytes => forgotten += bytes,
            }
        }
        Poll::Ready(Ok(()))
    })
    .await
}
