//! What `hyper` hands over, as a stream of ours.

use crate::io::{AsyncRead, AsyncWrite};
use ::hyper::rt::{Read, ReadBuf};
use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

/// A connection after `hyper` is done with it, with the traits of `futures-io`: for WebSocket, and for whatever else a
/// connection may be upgraded to.
#[derive(Debug)]
pub struct Upgraded(::hyper::upgrade::Upgraded);

impl From<::hyper::upgrade::Upgraded> for Upgraded {
    fn from(upgraded: ::hyper::upgrade::Upgraded) -> Self {
        Self(upgraded)
    }
}

impl AsyncRead for Upgraded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut buf = ReadBuf::new(buf);
        ready!(Pin::new(&mut self.0).poll_read(context, buf.unfilled()))?;
        Poll::Ready(Ok(buf.filled().len()))
    }
}

macro_rules! delegate {
    ($($name:ident($($argument:ident: $type:ty),*) -> $output:ty => $theirs:ident;)*) => {
        impl AsyncWrite for Upgraded {$(
            fn $name(mut self: Pin<&mut Self>, context: &mut Context<'_>, $($argument: $type),*) -> Poll<io::Result<$output>> {
                ::hyper::rt::Write::$theirs(Pin::new(&mut self.0), context, $($argument),*)
            }
        )*}
    };
}

delegate! {
    poll_write(buf: &[u8]) -> usize => poll_write;
    poll_write_vectored(bufs: &[IoSlice<'_>]) -> usize => poll_write_vectored;
    poll_flush() -> () => poll_flush;
    poll_close() -> () => poll_shutdown;
}
