//! The `futures-io` traits on connections and their halves.
//!
//! They share one place for a waker per direction, so the last task to poll is the one that is woken. Tasks that
//! read the same connection use the `async` methods, where everyone is.

use super::{
    connection::{ByteStream, sealed::Connected},
    split::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf},
    tcp_stream::TcpStream,
    unix_stream::UnixStream,
};
use futures_io::{AsyncRead, AsyncWrite};
use std::{
    io::{self, IoSlice, IoSliceMut},
    pin::Pin,
    task::{Context, Poll},
};

macro_rules! reading {
    ([$($generics:tt)*] $type:ty, |$self:ident| $stream:expr) => {
        impl<$($generics)*> AsyncRead for $type {
            #[inline]
            fn poll_read(
                $self: Pin<&mut Self>,
                context: &mut Context<'_>,
                buf: &mut [u8],
            ) -> Poll<io::Result<usize>> {
                $stream.connection().poll_read(context, buf)
            }

            fn poll_read_vectored(
                $self: Pin<&mut Self>,
                context: &mut Context<'_>,
                bufs: &mut [IoSliceMut<'_>],
            ) -> Poll<io::Result<usize>> {
                $stream.connection().poll_read_vectored(context, bufs)
            }
        }
    };
}

macro_rules! writing {
    ([$($generics:tt)*] $type:ty, |$self:ident| $stream:expr) => {
        impl<$($generics)*> AsyncWrite for $type {
            #[inline]
            fn poll_write(
                $self: Pin<&mut Self>,
                context: &mut Context<'_>,
                buf: &[u8],
            ) -> Poll<io::Result<usize>> {
                $stream.connection().poll_write(context, buf)
            }

            fn poll_write_vectored(
                $self: Pin<&mut Self>,
                context: &mut Context<'_>,
                bufs: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                $stream.connection().poll_write_vectored(context, bufs)
            }

            /// Nothing is buffered on this side of the system.
            fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }

            /// Ends our side of the connection; the peer's may go on.
            fn poll_close($self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                $stream.connection().poll_close()
            }
        }
    };
}

reading!([] TcpStream, |self| self);
writing!([] TcpStream, |self| self);
reading!([] & TcpStream, |self| self);
writing!([] & TcpStream, |self| self);
reading!([] UnixStream, |self| self);
writing!([] UnixStream, |self| self);
reading!([] & UnixStream, |self| self);
writing!([] & UnixStream, |self| self);
reading!([S: ByteStream] ReadHalf<'_, S>, |self| self.0);
writing!([S: ByteStream] WriteHalf<'_, S>, |self| self.0);
reading!([S: ByteStream] OwnedReadHalf<S>, |self| self.stream);
writing!([S: ByteStream] OwnedWriteHalf<S>, |self| self.stream);
