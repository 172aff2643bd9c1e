//! The traits of other libraries on connections in memory, so that their servers and clients run in simulations: see
//! `runtime_io::bridge`, which does the same for sockets.

use super::MemoryStream;
use runtime_io::__bridge_writes as writes;

#[cfg(feature = "hyper")]
mod hyper {
    use super::{MemoryStream, writes};
    use ::hyper::rt::{Read, ReadBufCursor, Write};
    use std::{
        io,
        pin::Pin,
        task::{Context, Poll},
    };

    impl Read for MemoryStream {
        fn poll_read(
            self: Pin<&mut Self>,
            context: &mut Context<'_>,
            buf: ReadBufCursor<'_>,
        ) -> Poll<io::Result<()>> {
            runtime_io::bridge::hyper::poll_read(self, context, buf)
        }
    }

    writes!(Write, [] MemoryStream, false);
}

#[cfg(feature = "tokio-io")]
mod tokio {
    use super::{MemoryStream, writes};
    use ::tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
    use std::{
        io,
        pin::Pin,
        task::{Context, Poll, ready},
    };

    impl AsyncRead for MemoryStream {
        fn poll_read(
            self: Pin<&mut Self>,
            context: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let read = ready!(crate::io::AsyncRead::poll_read(self, context, buf.initialize_unfilled()))?;
            buf.advance(read);
            Poll::Ready(Ok(()))
        }
    }

    writes!(AsyncWrite, [] MemoryStream, false);
}
