//! The `futures-io` traits on connections and their halves.
//!
//! They share one place for a waker per direction, so the last task to poll is the one that is woken. Tasks that
//! read the same connection use the `async` methods, where everyone is.

use super::{
    split::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf},
    tcp_stream::{TcpStream, read_step, read_vectored_step, write_step, write_vectored_step},
};
use crate::source::{Direction, WaiterId};
use futures_io::{AsyncRead, AsyncWrite};
use std::{
    io::{self, IoSlice, IoSliceMut},
    net::Shutdown,
    pin::Pin,
    task::{Context, Poll},
};

impl TcpStream {
    fn close_as_trait(&self) -> Poll<io::Result<()>> {
        Poll::Ready(match self.shutdown(Shutdown::Write) {
            // The peer has reset the connection, or we have closed it before: there is nothing left to end.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            other => other,
        })
    }
}

macro_rules! reading {
    ($type:ty, |$self:ident| $stream:expr) => {
        impl AsyncRead for $type {
            #[inline]
            fn poll_read(
                $self: Pin<&mut Self>,
                context: &mut Context<'_>,
                buf: &mut [u8],
            ) -> Poll<io::Result<usize>> {
                let io = $stream.io();
                io.poll_op(Direction::Read, &mut WaiterId::shared(), context, |stream| read_step(stream, buf))
            }

            fn poll_read_vectored(
                $self: Pin<&mut Self>,
                context: &mut Context<'_>,
                bufs: &mut [IoSliceMut<'_>],
            ) -> Poll<io::Result<usize>> {
                let io = $stream.io();
                io.poll_op(Direction::Read, &mut WaiterId::shared(), context, |stream| {
                    read_vectored_step(stream, bufs)
                })
            }
        }
    };
}

macro_rules! writing {
    ($type:ty, |$self:ident| $stream:expr) => {
        impl AsyncWrite for $type {
            #[inline]
            fn poll_write(
                $self: Pin<&mut Self>,
                context: &mut Context<'_>,
                buf: &[u8],
            ) -> Poll<io::Result<usize>> {
                let io = $stream.io();
                io.poll_op(Direction::Write, &mut WaiterId::shared(), context, |stream| {
                    write_step(stream, buf)
                })
            }

            fn poll_write_vectored(
                $self: Pin<&mut Self>,
                context: &mut Context<'_>,
                bufs: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                let io = $stream.io();
                io.poll_op(Direction::Write, &mut WaiterId::shared(), context, |stream| {
                    write_vectored_step(stream, bufs)
                })
            }

            /// Nothing is buffered on this side of the system.
            fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }

            /// Ends our side of the connection; the peer's may go on.
            fn poll_close($self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                $stream.close_as_trait()
            }
        }
    };
}

reading!(TcpStream, |self| self);
writing!(TcpStream, |self| self);
reading!(&TcpStream, |self| self);
writing!(&TcpStream, |self| self);
reading!(ReadHalf<'_>, |self| self.0);
writing!(WriteHalf<'_>, |self| self.0);
reading!(OwnedReadHalf, |self| self.stream);
writing!(OwnedWriteHalf, |self| self.stream);
