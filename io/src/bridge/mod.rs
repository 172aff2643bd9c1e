//! The traits by which other libraries use streams, on our own types: who wants a `tokio::io::AsyncRead` or a
//! `hyper::rt::Read` is given a [`TcpStream`](crate::net::TcpStream), and nothing lies between.
//!
//! Sockets read into memory that nobody has written yet, which is what both traits hand out: to zero it first would cost
//! more than some reads do. The other streams are bridged by their `futures-io` traits, and have it zeroed.
//!
//! The only room outside of `sys` with `unsafe` code. Its invariants:
//!
//! - **B1** What `Connection::poll_read_uninit` says that it has read, the kernel has written, from the beginning of the room
//!   on. So that much is initialized.
//! - **B2** Only whole reads of the kernel write into the room: nothing that was initialized ceases to be.
//! - **B3** What was zeroed is initialized, and as long as it was asserted to be.
#![expect(unsafe_code, reason = "buffers that nobody has written yet")]

#[cfg(feature = "hyper")]
pub mod hyper;
#[cfg(feature = "tokio-io")]
mod tokio;

/// A foreign trait for writing, by the `futures-io` trait that the type has; these traits all look alike. The literal says
/// whether several buffers go in one system call. For streams of upper floors too.
#[doc(hidden)]
#[macro_export]
macro_rules! __bridge_writes {
    ($trait:path, [$($generics:tt)*] $type:ty, $is_vectored:literal) => {
        impl<$($generics)*> $trait for $type {
            #[inline]
            fn poll_write(
                self: ::std::pin::Pin<&mut Self>,
                context: &mut ::std::task::Context<'_>,
                buf: &[u8],
            ) -> ::std::task::Poll<::std::io::Result<usize>> {
                $crate::io::AsyncWrite::poll_write(self, context, buf)
            }

            #[inline]
            fn poll_write_vectored(
                self: ::std::pin::Pin<&mut Self>,
                context: &mut ::std::task::Context<'_>,
                bufs: &[::std::io::IoSlice<'_>],
            ) -> ::std::task::Poll<::std::io::Result<usize>> {
                $crate::io::AsyncWrite::poll_write_vectored(self, context, bufs)
            }

            fn is_write_vectored(&self) -> bool {
                $is_vectored
            }

            #[inline]
            fn poll_flush(
                self: ::std::pin::Pin<&mut Self>,
                context: &mut ::std::task::Context<'_>,
            ) -> ::std::task::Poll<::std::io::Result<()>> {
                $crate::io::AsyncWrite::poll_flush(self, context)
            }

            /// Ends our side; the peer's may go on.
            fn poll_shutdown(
                self: ::std::pin::Pin<&mut Self>,
                context: &mut ::std::task::Context<'_>,
            ) -> ::std::task::Poll<::std::io::Result<()>> {
                $crate::io::AsyncWrite::poll_close(self, context)
            }
        }
    };
}
