//! The two halves of a connection, for two futures or two tasks.

use super::tcp_stream::TcpStream;
use std::{
    error::Error,
    fmt,
    io::{self, IoSlice, IoSliceMut},
    net::{Shutdown, SocketAddr},
    sync::Arc,
};

/// The reading half of a borrowed [`TcpStream`]; see [`split`](TcpStream::split).
#[derive(Debug)]
pub struct ReadHalf<'a>(pub(super) &'a TcpStream);

/// The writing half of a borrowed [`TcpStream`]; see [`split`](TcpStream::split).
#[derive(Debug)]
pub struct WriteHalf<'a>(pub(super) &'a TcpStream);

/// The reading half of a [`TcpStream`]; see [`into_split`](TcpStream::into_split).
#[derive(Debug)]
pub struct OwnedReadHalf {
    pub(super) stream: Arc<TcpStream>,
}

/// The writing half of a [`TcpStream`]; see [`into_split`](TcpStream::into_split). Dropping it ends our side of the
/// connection, so the peer reads an end; [`forget`](Self::forget) does not.
#[derive(Debug)]
pub struct OwnedWriteHalf {
    pub(super) stream: Arc<TcpStream>,
    shutdown_on_drop: bool,
}

/// Forwards the methods of a half.
macro_rules! forward {
    (reading, $half:ty, |$self:ident| $stream:expr) => {
        impl $half {
            /// See [`TcpStream::read`].
            ///
            /// # Errors
            /// As there.
            ///
            /// # Cancel safety
            /// Dropped before it is ready, it has read nothing.
            #[inline]
            pub fn read<'b>(
                &'b $self,
                buf: &'b mut [u8],
            ) -> impl Future<Output = io::Result<usize>> + 'b {
                $stream.read(buf)
            }

            /// See [`TcpStream::read_exact`].
            ///
            /// # Errors
            /// As there.
            ///
            /// # Cancel safety
            /// None, as there.
            #[inline]
            pub fn read_exact<'b>(
                &'b $self,
                buf: &'b mut [u8],
            ) -> impl Future<Output = io::Result<()>> + 'b {
                $stream.read_exact(buf)
            }

            /// See [`TcpStream::read_vectored`].
            ///
            /// # Errors
            /// As there.
            ///
            /// # Cancel safety
            /// Dropped before it is ready, it has read nothing.
            pub fn read_vectored<'b>(
                &'b $self,
                bufs: &'b mut [IoSliceMut<'_>],
            ) -> impl Future<Output = io::Result<usize>> + 'b {
                $stream.read_vectored(bufs)
            }

            /// See [`TcpStream::peek`].
            ///
            /// # Errors
            /// As there.
            ///
            /// # Cancel safety
            /// Dropping it loses nothing.
            pub fn peek<'b>(
                &'b $self,
                buf: &'b mut [u8],
            ) -> impl Future<Output = io::Result<usize>> + 'b {
                $stream.peek(buf)
            }

            /// See [`TcpStream::readable`].
            ///
            /// # Errors
            /// As there.
            ///
            /// # Cancel safety
            /// Dropping it loses nothing.
            pub fn readable(&$self) -> impl Future<Output = io::Result<()>> {
                $stream.readable()
            }

            /// See [`TcpStream::try_read`].
            ///
            /// # Errors
            /// As there.
            pub fn try_read(&$self, buf: &mut [u8]) -> io::Result<usize> {
                $stream.try_read(buf)
            }

            forward!(addresses, |$self| $stream);
        }
    };
    (writing, $half:ty, |$self:ident| $stream:expr) => {
        impl $half {
            /// See [`TcpStream::write`].
            ///
            /// # Errors
            /// As there.
            ///
            /// # Cancel safety
            /// Dropped before it is ready, it has written nothing.
            #[inline]
            pub fn write<'b>(
                &'b $self,
                buf: &'b [u8],
            ) -> impl Future<Output = io::Result<usize>> + 'b {
                $stream.write(buf)
            }

            /// See [`TcpStream::write_all`].
            ///
            /// # Errors
            /// As there.
            ///
            /// # Cancel safety
            /// None, as there.
            #[inline]
            pub fn write_all<'b>(
                &'b $self,
                buf: &'b [u8],
            ) -> impl Future<Output = io::Result<()>> + 'b {
                $stream.write_all(buf)
            }

            /// See [`TcpStream::write_vectored`].
            ///
            /// # Errors
            /// As there.
            ///
            /// # Cancel safety
            /// Dropped before it is ready, it has written nothing.
            pub fn write_vectored<'b>(
                &'b $self,
                bufs: &'b [IoSlice<'_>],
            ) -> impl Future<Output = io::Result<usize>> + 'b {
                $stream.write_vectored(bufs)
            }

            /// See [`TcpStream::writable`].
            ///
            /// # Errors
            /// As there.
            ///
            /// # Cancel safety
            /// Dropping it loses nothing.
            pub fn writable(&$self) -> impl Future<Output = io::Result<()>> {
                $stream.writable()
            }

            /// See [`TcpStream::try_write`].
            ///
            /// # Errors
            /// As there.
            pub fn try_write(&$self, buf: &[u8]) -> io::Result<usize> {
                $stream.try_write(buf)
            }

            /// Ends our side: the peer reads what was written, then an end. See [`TcpStream::shutdown`].
            ///
            /// # Errors
            /// As there.
            pub fn shutdown(&$self) -> io::Result<()> {
                $stream.shutdown(Shutdown::Write)
            }

            forward!(addresses, |$self| $stream);
        }
    };
    (addresses, |$self:ident| $stream:expr) => {
        /// See [`TcpStream::peer_addr`].
        ///
        /// # Errors
        /// As there.
        pub fn peer_addr(&$self) -> io::Result<SocketAddr> {
            $stream.peer_addr()
        }

        /// See [`TcpStream::local_addr`].
        ///
        /// # Errors
        /// As there.
        pub fn local_addr(&$self) -> io::Result<SocketAddr> {
            $stream.local_addr()
        }
    };
}

forward!(reading, ReadHalf<'_>, |self| self.0);
forward!(writing, WriteHalf<'_>, |self| self.0);
forward!(reading, OwnedReadHalf, |self| self.stream);
forward!(writing, OwnedWriteHalf, |self| self.stream);

impl OwnedReadHalf {
    pub(super) fn new(stream: Arc<TcpStream>) -> Self {
        Self { stream }
    }

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
    pub fn reunite(self, writer: OwnedWriteHalf) -> Result<TcpStream, ReuniteError> {
        if !Arc::ptr_eq(&self.stream, &writer.stream) {
            return Err(ReuniteError(self, writer));
        }
        drop(self);
        let stream = writer.into_stream();
        Ok(Arc::try_unwrap(stream).expect("two halves own one stream, and one of them is gone"))
    }
}

impl OwnedWriteHalf {
    pub(super) fn new(stream: Arc<TcpStream>) -> Self {
        Self { stream, shutdown_on_drop: true }
    }

    fn into_stream(mut self) -> Arc<TcpStream> {
        self.shutdown_on_drop = false;
        Arc::clone(&self.stream)
    }

    /// Drops the half and leaves our side of the connection open, until the reading half is dropped too.
    pub fn forget(self) {
        drop(self.into_stream());
    }
}

impl Drop for OwnedWriteHalf {
    fn drop(&mut self) {
        if self.shutdown_on_drop {
            // It fails if the connection is gone, which is what we want.
            let _ = self.stream.shutdown(Shutdown::Write);
        }
    }
}

/// The halves given to [`OwnedReadHalf::reunite`] come from different connections. Here they are.
#[derive(Debug)]
pub struct ReuniteError(pub OwnedReadHalf, pub OwnedWriteHalf);

impl fmt::Display for ReuniteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the two halves come from different connections")
    }
}

impl Error for ReuniteError {}
