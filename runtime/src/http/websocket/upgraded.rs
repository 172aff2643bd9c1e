//! What `hyper` hands over, as a stream of ours.

use crate::{
    io::{AsyncRead, AsyncWrite},
    sync::shared::oneshot,
};
use ::hyper::rt::{Read, ReadBuf};
use std::{
    fmt,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

/// A connection after `hyper` is done with it, with the traits of `futures-io`: for WebSocket, and for whatever else a
/// connection may be upgraded to.
pub struct Upgraded {
    /// `None` while it is dropped.
    connection: Option<::hyper::upgrade::Upgraded>,
    /// Who wants it back then.
    lender: Option<oneshot::Sender<Self>>,
}

impl Upgraded {
    /// One that comes back when it is dropped, if that is still waited for.
    pub(super) fn lent(connection: ::hyper::upgrade::Upgraded) -> (Self, oneshot::Receiver<Self>) {
        let (lender, returned) = oneshot::channel();
        (Self { connection: Some(connection), lender: Some(lender) }, returned)
    }

    fn connection(&mut self) -> Pin<&mut ::hyper::upgrade::Upgraded> {
        Pin::new(self.connection.as_mut().expect("it is not dropped yet"))
    }
}

impl From<::hyper::upgrade::Upgraded> for Upgraded {
    fn from(connection: ::hyper::upgrade::Upgraded) -> Self {
        Self { connection: Some(connection), lender: None }
    }
}

impl Drop for Upgraded {
    fn drop(&mut self) {
        if let (Some(connection), Some(lender)) = (self.connection.take(), self.lender.take()) {
            let _ = lender.send(Self::from(connection));
        }
    }
}

impl fmt::Debug for Upgraded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Upgraded").field(&self.connection).finish()
    }
}

impl AsyncRead for Upgraded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut buf = ReadBuf::new(buf);
        ready!(self.connection().poll_read(context, buf.unfilled()))?;
        Poll::Ready(Ok(buf.filled().len()))
    }
}

macro_rules! delegate {
    ($($name:ident($($argument:ident: $type:ty),*) -> $output:ty => $theirs:ident;)*) => {
        impl AsyncWrite for Upgraded {$(
            fn $name(mut self: Pin<&mut Self>, context: &mut Context<'_>, $($argument: $type),*) -> Poll<io::Result<$output>> {
                ::hyper::rt::Write::$theirs(self.connection(), context, $($argument),*)
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
