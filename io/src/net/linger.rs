//! The orderly end of a connection whose peer may still be sending.
//!
//! Closing a socket with unread input makes TCP send a reset, which destroys what the peer has not read of our
//! reply. So: say that we are done, read what still comes and forget it, close when the peer has closed too
//! (RFC 9112 §9.6; nginx calls it lingering close).

use super::tcp_stream::{GRACEFUL_CLOSE_BYTES, TcpStream};
use crate::registration::Step;
use std::{
    io::{self, Read},
    net::Shutdown,
};

/// Bytes read and forgotten at once. They are on the stack, and only while there are any.
const SINK: usize = 8 * 1024;

impl TcpStream {
    /// Says that no more will be written, then reads until the peer has said the same.
    pub(super) async fn drain_to_end(&self) -> io::Result<()> {
        match self.shutdown(Shutdown::Write) {
            // The peer was faster: it has closed or reset the connection.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => return Ok(()),
            other => other?,
        }
        let mut drained: usize = 0;
        let forget = move |mut stream: &std::net::TcpStream| {
            let n = stream.read(&mut [0; SINK])?;
            drained = drained.saturating_add(n);
            match n {
                0 => Ok(Step::Done(())),
                _ if drained > GRACEFUL_CLOSE_BYTES => Err(io::Error::new(
                    io::ErrorKind::QuotaExceeded,
                    format!("the peer went on sending: {drained} bytes after the end of our side"),
                )),
                SINK => Ok(Step::Again),
                _ => Ok(Step::AgainAfterShort),
            }
        };
        self.io().reading(forget).await
    }
}
