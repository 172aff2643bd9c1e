//! `tokio::io` (feature `tokio-io`).

use crate::{
    __bridge_writes as writes,
    fs::File,
    io::{DuplexStream, PipeReader, PipeWriter, Stderr, Stdin, Stdout},
    net::{
        ByteStream, OwnedReadHalf, OwnedWriteHalf, ReadHalf, TcpStream, UnixStream, WriteHalf,
        connection::sealed::Connected as _,
    },
};
use ::tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

macro_rules! connection_reads {
    ([$($generics:tt)*] $type:ty, |$self:ident| $stream:expr) => {
        impl<$($generics)*> AsyncRead for $type {
            #[inline]
            fn poll_read(
                $self: Pin<&mut Self>,
                context: &mut Context<'_>,
                buf: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                // SAFETY: B2.
                let room = unsafe { buf.unfilled_mut() };
                let read = ready!($stream.connection().poll_read_uninit(context, room))?;
                // SAFETY: B1.
                unsafe { buf.assume_init(read) };
                buf.advance(read);
                Poll::Ready(Ok(()))
            }
        }
    };
}

connection_reads!([] TcpStream, |self| self);
connection_reads!([] UnixStream, |self| self);
connection_reads!([S: ByteStream] ReadHalf<'_, S>, |self| self.0);
connection_reads!([S: ByteStream] OwnedReadHalf<S>, |self| self.stream);

macro_rules! reads {
    ($($type:ty),*) => {$(
        impl AsyncRead for $type {
            fn poll_read(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
                buf: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                let read = ready!(futures_io::AsyncRead::poll_read(self, context, buf.initialize_unfilled()))?;
                buf.advance(read);
                Poll::Ready(Ok(()))
            }
        }
    )*};
}

reads!(DuplexStream, File, PipeReader, Stdin);

writes!(AsyncWrite, [] TcpStream, true);
writes!(AsyncWrite, [] UnixStream, true);
writes!(AsyncWrite, [S: ByteStream] WriteHalf<'_, S>, true);
writes!(AsyncWrite, [S: ByteStream] OwnedWriteHalf<S>, true);
writes!(AsyncWrite, [] PipeWriter, true);
writes!(AsyncWrite, [] DuplexStream, false);
writes!(AsyncWrite, [] File, false);
writes!(AsyncWrite, [] Stdout, false);
writes!(AsyncWrite, [] Stderr, false);
