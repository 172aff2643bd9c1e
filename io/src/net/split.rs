//! The two halves of a connection, for two futures or two tasks.

use super::{
    connection::{ByteStream, Transport, sealed::Connected},
    forward::forward,
    tcp_stream::TcpStream,
};
use std::{
    error::Error,
    fmt,
    io::{self, IoSlice, IoSliceMut},
    net::Shutdown,
    sync::Arc,
};

/// The reading half of a borrowed [`TcpStream`]; see [`split`](TcpStream::split).
#[derive(Debug)]
pub struct ReadHalf<'a, S: ByteStream = TcpStream>(pub(crate) &'a S);

/// The writing half of a borrowed [`TcpStream`]; see [`split`](TcpStream::split).
#[derive(Debug)]
pub struct WriteHalf<'a, S: ByteStream = TcpStream>(pub(super) &'a S);

/// The reading half of a [`TcpStream`]; see [`into_split`](TcpStream::into_split).
#[derive(Debug)]
pub struct OwnedReadHalf<S: ByteStream = TcpStream> {
    pub(crate) stream: Arc<S>,
}

/// The writing half of a [`TcpStream`]; see [`into_split`](TcpStream::into_split). Dropping it ends our side of the
/// connection, so the peer reads an end; [`forget`](Self::forget) does not.
#[derive(Debug)]
pub struct OwnedWriteHalf<S: ByteStream = TcpStream> {
    pub(crate) stream: Arc<S>,
    shutdown_on_drop: bool,
}

forward!(reading, [S: ByteStream] ReadHalf<'_, S>, |self| self.0.connection());
forward!(writing, [S: ByteStream] WriteHalf<'_, S>, |self| self.0.connection());
forward!(reading, [S: ByteStream] OwnedReadHalf<S>, |self| self.stream.connection());
forward!(writing, [S: ByteStream] OwnedWriteHalf<S>, |self| self.stream.connection());
forward!(addresses, [S: ByteStream] ReadHalf<'_, S>, Address<S>, |self| self.0.connection());
forward!(addresses, [S: ByteStream] WriteHalf<'_, S>, Address<S>, |self| self.0.connection());
forward!(addresses, [S: ByteStream] OwnedReadHalf<S>, Address<S>, |self| self.stream.connection());
forward!(addresses, [S: ByteStream] OwnedWriteHalf<S>, Address<S>, |self| self.stream.connection());

type Address<S> = <<S as Connected>::Transport as Transport>::Address;

/// Writing halves end one side; see [`TcpStream::shutdown`].
macro_rules! shutdown {
    ($half:ty, |$self:ident| $stream:expr) => {
        impl<S: ByteStream> $half {
            /// Ends our side: the peer reads what was written, then an end. See [`TcpStream::shutdown`].
            ///
            /// # Errors
            /// As there.
            pub fn shutdown(&$self) -> io::Result<()> {
                $stream.connection().shutdown(Shutdown::Write)
            }
        }
    };
}

shutdown!(WriteHalf<'_, S>, |self| self.0);
shutdown!(OwnedWriteHalf<S>, |self| self.stream);

impl<S: ByteStream> OwnedReadHalf<S> {
    /// Puts the halves together again.
    ///
    /// # Errors
    /// Gives both back if they come from different connections.
    ///
    /// ```
    /// # use runtime_io::net::{TcpListener, TcpStream};
    /// # let reactor = runtime_io::Reactor::new()?;
    /// # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
    /// # executor.block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// let stream = TcpStream::connect(listener.local_addr()?).await?;
    /// let (reader, writer) = stream.into_split();
    /// let stream = reader.reunite(writer).expect("they belong together");
    /// # drop(stream);
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn reunite(self, writer: OwnedWriteHalf<S>) -> Result<S, ReuniteError<S>> {
        if !Arc::ptr_eq(&self.stream, &writer.stream) {
            return Err(ReuniteError(self, writer));
        }
        drop(self);
        let stream = Arc::into_inner(writer.into_stream());
        Ok(stream.expect("two halves own one stream, and one of them is gone"))
    }
}

impl<S: ByteStream> OwnedWriteHalf<S> {
    /// Both halves of a stream.
    pub(super) fn pair(stream: S) -> (OwnedReadHalf<S>, Self) {
        let stream = Arc::new(stream);
        (OwnedReadHalf { stream: Arc::clone(&stream) }, Self { stream, shutdown_on_drop: true })
    }

    fn into_stream(mut self) -> Arc<S> {
        self.shutdown_on_drop = false;
        Arc::clone(&self.stream)
    }

    /// Drops the half and leaves our side of the connection open, until the reading half is dropped too.
    pub fn forget(self) {
        drop(self.into_stream());
    }
}

impl<S: ByteStream> Drop for OwnedWriteHalf<S> {
    fn drop(&mut self) {
        if self.shutdown_on_drop {
            // It fails if the connection is gone, which is what we want.
            let _ = self.shutdown();
        }
    }
}

/// The halves given to [`OwnedReadHalf::reunite`] come from different connections. Here they are.
#[derive(Debug)]
pub struct ReuniteError<S: ByteStream = TcpStream>(pub OwnedReadHalf<S>, pub OwnedWriteHalf<S>);

impl<S: ByteStream> fmt::Display for ReuniteError<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the two halves come from different connections")
    }
}

impl<S: ByteStream + fmt::Debug> Error for ReuniteError<S> {}
