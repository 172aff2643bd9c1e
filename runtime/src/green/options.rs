//! What the sockets here say alike, written once: options that wait for nothing are the standard library's own.

/// Methods that are the standard library's.
macro_rules! as_std {
    ($type:ident, $std:ty, |$self:ident| $socket:expr;
     $(fn $name:ident($($argument:ident: $kind:ty),*) -> $result:ty;)*) => {
        impl $type {
            $(
                #[doc = concat!("As [there](", stringify!($std), "::", stringify!($name), ").")]
                ///
                /// # Errors
                /// What the system says.
                pub fn $name(&$self $(, $argument: $kind)*) -> io::Result<$result> {
                    $socket.$name($($argument),*)
                }
            )*
        }
    };
}
pub(super) use as_std;

/// Timeouts and the non-blocking mode, which hold for clones too.
macro_rules! limits {
    ($type:ident) => {
        impl $type {
            /// How long reading waits at most; `None`, as at first, is without end. It then fails with `WouldBlock`, as in
            /// the standard library on Unix.
            ///
            /// # Errors
            /// `InvalidInput` for a timeout of zero.
            pub fn set_read_timeout(&self, timeout: Option<::std::time::Duration>) -> io::Result<()> {
                self.manner.set_limit($crate::green::parked::Side::Read, timeout)
            }

            /// How long writing waits at most; see [`set_read_timeout`](Self::set_read_timeout).
            ///
            /// # Errors
            /// `InvalidInput` for a timeout of zero.
            pub fn set_write_timeout(&self, timeout: Option<::std::time::Duration>) -> io::Result<()> {
                self.manner.set_limit($crate::green::parked::Side::Write, timeout)
            }

            /// See [`set_read_timeout`](Self::set_read_timeout).
            ///
            /// # Errors
            /// Never.
            pub fn read_timeout(&self) -> io::Result<Option<::std::time::Duration>> {
                Ok(self.manner.limit($crate::green::parked::Side::Read))
            }

            /// See [`set_write_timeout`](Self::set_write_timeout).
            ///
            /// # Errors
            /// Never.
            pub fn write_timeout(&self) -> io::Result<Option<::std::time::Duration>> {
                Ok(self.manner.limit($crate::green::parked::Side::Write))
            }
        }
        $crate::green::options::nonblocking!($type);
    };
}
pub(super) use limits;

macro_rules! nonblocking {
    ($type:ident) => {
        impl $type {
            /// Whether what would wait fails with `WouldBlock` instead; also for clones.
            ///
            /// # Errors
            /// Never.
            pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
                self.manner.set_nonblocking(nonblocking);
                Ok(())
            }
        }
    };
}
pub(super) use nonblocking;

/// `Read` and `Write` for a stream and for a reference to one, by operations that park.
macro_rules! read_write {
    ($type:ident) => {
        impl $type {
            #[inline]
            #[track_caller]
            fn do_read(&self, buf: &mut [u8]) -> io::Result<usize> {
                parked!(self, Read, self.socket.read(buf), self.socket.as_std().read(buf))
            }

            #[inline]
            #[track_caller]
            fn do_write(&self, buf: &[u8]) -> io::Result<usize> {
                parked!(self, Write, self.socket.write(buf), self.socket.as_std().write(buf))
            }

            #[track_caller]
            fn do_read_vectored(&self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
                parked!(self, Read, self.socket.read_vectored(bufs), self.socket.as_std().read_vectored(bufs))
            }

            #[track_caller]
            fn do_write_vectored(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
                parked!(self, Write, self.socket.write_vectored(bufs), self.socket.as_std().write_vectored(bufs))
            }
        }

        $crate::green::options::read_write!(@ $type, [] $type);
        $crate::green::options::read_write!(@ $type, ['a] &'a $type);
    };
    (@ $stream:ident, [$($lifetime:lifetime)?] $type:ty) => {
        impl$(<$lifetime>)? Read for $type {
            #[inline]
            fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
                $stream::do_read(self, buf)
            }

            fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
                $stream::do_read_vectored(self, bufs)
            }
        }

        impl$(<$lifetime>)? Write for $type {
            #[inline]
            fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
                $stream::do_write(self, buf)
            }

            fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
                $stream::do_write_vectored(self, bufs)
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
    };
}
pub(super) use read_write;

/// The descriptor, lent and taken.
macro_rules! descriptor {
    ($type:ident, $std:ty, |$self:ident| $socket:expr) => {
        impl AsFd for $type {
            fn as_fd(&$self) -> BorrowedFd<'_> {
                $socket.as_fd()
            }
        }

        impl AsRawFd for $type {
            fn as_raw_fd(&self) -> RawFd {
                self.as_fd().as_raw_fd()
            }
        }

        impl TryFrom<OwnedFd> for $type {
            type Error = io::Error;

            /// Wraps the descriptor of a socket, and makes it non-blocking.
            fn try_from(fd: OwnedFd) -> io::Result<Self> {
                Self::from_std(<$std>::from(fd))
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&$self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                $socket.fmt(f)
            }
        }
    };
}
pub(super) use descriptor;

/// The descriptor, given away.
macro_rules! into_descriptor {
    ($type:ident) => {
        impl IntoRawFd for $type {
            fn into_raw_fd(self) -> RawFd {
                OwnedFd::from(self).into_raw_fd()
            }
        }

        impl From<$type> for OwnedFd {
            /// It is non-blocking still.
            fn from(socket: $type) -> Self {
                socket.into_std().into()
            }
        }
    };
}
pub(super) use into_descriptor;
