//! One macro: streams and their halves say the same things, and say them in one place.

/// Forwards methods to a [`Connection`](super::connection::Connection), with a reference to their description at
/// `TcpStream`.
macro_rules! forward {
    (reading, [$($generics:tt)*] $type:ty, |$self:ident| $connection:expr) => {
        impl<$($generics)*> $type {
            /// See [`TcpStream::read`](crate::net::TcpStream::read).
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
                $connection.read(buf)
            }

            /// See [`TcpStream::read_pooled`](crate::net::TcpStream::read_pooled).
            ///
            /// # Errors
            /// As there.
            ///
            /// # Cancel safety
            /// Dropped before it is ready, it has read nothing.
            pub fn read_pooled(
                &$self,
                room: usize,
            ) -> impl Future<Output = io::Result<crate::io::Buffer>> {
                $connection.read_pooled(room)
            }

            /// See [`TcpStream::read_exact`](crate::net::TcpStream::read_exact).
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
                $connection.read_exact(buf)
            }

            /// See [`TcpStream::read_vectored`](crate::net::TcpStream::read_vectored).
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
                $connection.read_vectored(bufs)
            }

            /// See [`TcpStream::peek`](crate::net::TcpStream::peek).
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
                $connection.peek(buf)
            }

            /// See [`TcpStream::readable`](crate::net::TcpStream::readable).
            ///
            /// # Errors
            /// As there.
            ///
            /// # Cancel safety
            /// Dropping it loses nothing.
            pub fn readable(&$self) -> impl Future<Output = io::Result<()>> {
                $connection.readable()
            }

            /// See [`TcpStream::try_read`](crate::net::TcpStream::try_read).
            ///
            /// # Errors
            /// As there.
            pub fn try_read(&$self, buf: &mut [u8]) -> io::Result<usize> {
                $connection.try_read(buf)
            }
        }
    };
    (writing, [$($generics:tt)*] $type:ty, |$self:ident| $connection:expr) => {
        impl<$($generics)*> $type {
            /// See [`TcpStream::write`](crate::net::TcpStream::write).
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
                $connection.write(buf)
            }

            /// See [`TcpStream::write_all`](crate::net::TcpStream::write_all).
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
                $connection.write_all(buf)
            }

            /// See [`TcpStream::write_vectored`](crate::net::TcpStream::write_vectored).
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
                $connection.write_vectored(bufs)
            }

            /// See [`TcpStream::writable`](crate::net::TcpStream::writable).
            ///
            /// # Errors
            /// As there.
            ///
            /// # Cancel safety
            /// Dropping it loses nothing.
            pub fn writable(&$self) -> impl Future<Output = io::Result<()>> {
                $connection.writable()
            }

            /// See [`TcpStream::try_write`](crate::net::TcpStream::try_write).
            ///
            /// # Errors
            /// As there.
            pub fn try_write(&$self, buf: &[u8]) -> io::Result<usize> {
                $connection.try_write(buf)
            }
        }
    };
    (addresses, [$($generics:tt)*] $type:ty, $address:ty, |$self:ident| $connection:expr) => {
        impl<$($generics)*> $type {
            /// The peer's address.
            ///
            /// # Errors
            /// `NotConnected` if the peer has reset the connection.
            pub fn peer_addr(&$self) -> io::Result<$address> {
                $connection.peer_addr()
            }

            /// Our own address.
            ///
            /// # Errors
            /// What the system says.
            pub fn local_addr(&$self) -> io::Result<$address> {
                $connection.local_addr()
            }
        }
    };
}

pub(super) use forward;
