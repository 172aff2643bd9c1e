//! Waiting for one descriptor with the whole thread: for code that runs in no task, so that nobody else is kept from going on.

use crate::sys::descriptor;
use std::{io, os::fd::BorrowedFd, time::Duration};

/// Blocks the thread until the descriptor is readable, has hung up or failed; at most for `limit`, if there is one. Gives
/// whether it is, and not the limit that has passed. Within a task this stops the whole runtime; see
/// [`AsyncFd::readable`](crate::AsyncFd::readable).
///
/// Another reader may be quicker, so what is then tried must not block.
///
/// # Errors
/// `Interrupted` by a signal, or what else poll(2) says.
///
/// ```
/// use std::{io::Write, os::fd::AsFd, time::Duration};
/// let (reader, mut writer) = std::io::pipe()?;
/// assert!(!runtime_io::blocking::readable(reader.as_fd(), Some(Duration::ZERO))?);
/// writer.write_all(b"x")?;
/// assert!(runtime_io::blocking::readable(reader.as_fd(), None)?);
/// # std::io::Result::Ok(())
/// ```
pub fn readable(fd: BorrowedFd<'_>, limit: Option<Duration>) -> io::Result<bool> {
    descriptor::poll_for(fd, libc::POLLIN, limit)
}

/// Blocks the thread until the descriptor is writable, or has failed; see [`readable`].
///
/// # Errors
/// As there.
///
/// ```
/// use std::os::fd::AsFd;
/// let (_reader, writer) = std::io::pipe()?;
/// assert!(runtime_io::blocking::writable(writer.as_fd(), None)?);
/// # std::io::Result::Ok(())
/// ```
pub fn writable(fd: BorrowedFd<'_>, limit: Option<Duration>) -> io::Result<bool> {
    descriptor::poll_for(fd, libc::POLLOUT, limit)
}

/// Blocks the thread until the other end of the descriptor is gone or it has failed; whether it has within `limit`. So it is
/// also a way to pause. See [`readable`].
///
/// # Errors
/// As there.
///
/// ```
/// use std::{os::fd::AsFd, time::Duration};
/// let (reader, writer) = std::io::pipe()?;
/// assert!(!runtime_io::blocking::hung_up(reader.as_fd(), Some(Duration::ZERO))?);
/// drop(writer);
/// assert!(runtime_io::blocking::hung_up(reader.as_fd(), None)?);
/// # std::io::Result::Ok(())
/// ```
pub fn hung_up(fd: BorrowedFd<'_>, limit: Option<Duration>) -> io::Result<bool> {
    descriptor::poll_for(fd, 0, limit)
}

/// Blocks the thread until one of the descriptors is readable, has hung up or failed; see [`readable`]. Which it is shows when
/// they are tried.
///
/// # Errors
/// As there.
///
/// ```
/// use std::{io::Write, os::fd::AsFd, time::Duration};
/// let ((one, _), (other, mut writer)) = (std::io::pipe()?, std::io::pipe()?);
/// assert!(!runtime_io::blocking::any_readable(&[other.as_fd()], Some(Duration::ZERO))?);
/// writer.write_all(b"x")?;
/// assert!(runtime_io::blocking::any_readable(&[one.as_fd(), other.as_fd()], None)?);
/// # std::io::Result::Ok(())
/// ```
pub fn any_readable(fds: &[BorrowedFd<'_>], limit: Option<Duration>) -> io::Result<bool> {
    descriptor::poll_any(fds, libc::POLLIN, limit)
}
