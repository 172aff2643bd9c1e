//! `hyper::rt` (feature `hyper`): streams. Its executor and its timer are a floor above.

use crate::{
    __bridge_writes as writes,
    io::DuplexStream,
    net::{TcpStream, UnixStream, connection::sealed::Connected as _},
};
use ::hyper::rt::{Read, ReadBufCursor, Write};
use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

/// Reads by the `futures-io` trait what `hyper` asks for by its own: for streams of upper floors.
///
/// # Errors
/// What the stream says.
///
/// # Panics
/// If the stream claims to have read more than there was room for.
#[doc(hidden)]
pub fn poll_read(
    stream: Pin<&mut impl futures_io::AsyncRead>,
    context: &mut Context<'_>,
    mut buf: ReadBufCursor<'_>,
) -> Poll<io::Result<()>> {
    let room = buf.initialize_unfilled();
    let length = room.len();
    let read = ready!(stream.poll_read(context, room))?;
    assert!(read <= length, "a stream says that it has read {read} bytes into room for {length}");
    // SAFETY: B3.
    unsafe { buf.advance(read) };
    Poll::Ready(Ok(()))
}

macro_rules! connection_reads {
    ($($type:ty),*) => {$(
        impl Read for $type {
            #[inline]
            fn poll_read(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
                mut buf: ReadBufCursor<'_>,
            ) -> Poll<io::Result<()>> {
                // SAFETY: B2.
                let room = unsafe { buf.as_mut() };
                let read = ready!(self.connection().poll_read_uninit(context, room))?;
                // SAFETY: B1.
                unsafe { buf.advance(read) };
                Poll::Ready(Ok(()))
            }
        }
    )*};
}

connection_reads!(TcpStream, UnixStream);

impl Read for DuplexStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        poll_read(self, context, buf)
    }
}

writes!(Write, [] TcpStream, true);
writes!(Write, [] UnixStream, true);
writes!(Write, [] DuplexStream, false);
