//! Flags of a descriptor, whatever it leads to.

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd},
};

/// Sets `O_NONBLOCK`, which belongs to the open file and so to everybody who shares it.
#[expect(unsafe_code, reason = "fcntl has no safe wrapper in std")]
pub(crate) fn set_nonblocking(fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: S1; F_GETFL takes no argument.
    let flags = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) };
    if flags < 0 {
        return Err(io::Error::last_os_error());
    }
    if flags & libc::O_NONBLOCK != 0 {
        return Ok(());
    }
    // SAFETY: S1; F_SETFL takes the integer that F_GETFL gave.
    match unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, flags | libc::O_NONBLOCK) } {
        0.. => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Fails with `EBADF` unless the descriptor is open: poll(2) takes a closed one, and mio hides what it says of it.
#[cfg(mio_unsupported_force_poll_poll)]
#[expect(unsafe_code, reason = "fcntl has no safe wrapper in std")]
pub(crate) fn check_open(fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: S1; F_GETFD takes no argument.
    if unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFD) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Sets `FD_CLOEXEC`, which belongs to this descriptor alone.
#[cfg(target_vendor = "apple")]
#[expect(unsafe_code, reason = "fcntl has no safe wrapper in std")]
pub(crate) fn set_close_on_exec(fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: S1; F_SETFD takes an integer.
    match unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC) } {
        0.. => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
