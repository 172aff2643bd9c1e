//! Flags of a descriptor, whatever it leads to.

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd},
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// Sets `O_NONBLOCK`, which belongs to the open file and so to everybody who shares it.
pub(crate) fn set_nonblocking(fd: BorrowedFd<'_>) -> io::Result<()> {
    let flags = flags(fd)?;
    set_flags(fd, flags, flags | libc::O_NONBLOCK)
}

/// Takes `O_NONBLOCK` away, from everybody who shares the open file.
pub(crate) fn set_blocking(fd: BorrowedFd<'_>) -> io::Result<()> {
    let flags = flags(fd)?;
    set_flags(fd, flags, flags & !libc::O_NONBLOCK)
}

/// What a descriptor was opened for: to read from it, to write to it, or both.
pub(crate) fn access(fd: BorrowedFd<'_>) -> io::Result<(bool, bool)> {
    let mode = flags(fd)? & libc::O_ACCMODE;
    Ok((mode == libc::O_RDONLY || mode == libc::O_RDWR, mode == libc::O_WRONLY || mode == libc::O_RDWR))
}

#[expect(unsafe_code, reason = "fcntl has no safe wrapper in std")]
fn flags(fd: BorrowedFd<'_>) -> io::Result<libc::c_int> {
    // SAFETY: S1; F_GETFL takes no argument.
    match unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) } {
        flags @ 0.. => Ok(flags),
        _ => Err(io::Error::last_os_error()),
    }
}

#[expect(unsafe_code, reason = "fcntl has no safe wrapper in std")]
fn set_flags(fd: BorrowedFd<'_>, before: libc::c_int, flags: libc::c_int) -> io::Result<()> {
    if flags == before {
        return Ok(());
    }
    // SAFETY: S1; F_SETFL takes an integer, made from what F_GETFL gave.
    match unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, flags) } {
        0.. => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Fails with `WouldBlock` unless the descriptor is ready for what is asked, has hung up or failed.
pub(crate) fn check_ready(fd: BorrowedFd<'_>, events: libc::c_short) -> io::Result<()> {
    match poll_now(fd, events)? {
        0 => Err(io::ErrorKind::WouldBlock.into()),
        _ => Ok(()),
    }
}

/// What poll(2) says of a descriptor now.
#[expect(unsafe_code, reason = "std has nothing of it")]
pub(super) fn poll_now(fd: BorrowedFd<'_>, events: libc::c_short) -> io::Result<libc::c_short> {
    loop {
        let mut asked = libc::pollfd { fd: fd.as_raw_fd(), events, revents: 0 };
        // SAFETY: S1; it writes the one struct it is given, and does not wait.
        if unsafe { libc::poll(&raw mut asked, 1, 0) } >= 0 {
            return Ok(asked.revents);
        }
        let error = io::Error::last_os_error();
        // It is interrupted by signals although it does not wait.
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// Waits with the thread until a descriptor is ready for what is asked, has hung up or failed; whether it is, within `limit`.
///
/// # Errors
/// `Interrupted`, too: how much of the limit is left then only a clock knows.
pub(crate) fn poll_for(
    fd: BorrowedFd<'_>,
    events: libc::c_short,
    limit: Option<Duration>,
) -> io::Result<bool> {
    poll(&mut [libc::pollfd { fd: fd.as_raw_fd(), events, revents: 0 }], limit)
}

/// Waits until any of the descriptors is; see [`poll_for`].
///
/// # Errors
/// As there.
pub(crate) fn poll_any(
    fds: &[BorrowedFd<'_>],
    events: libc::c_short,
    limit: Option<Duration>,
) -> io::Result<bool> {
    let asked = fds.iter().map(|fd| libc::pollfd { fd: fd.as_raw_fd(), events, revents: 0 });
    poll(&mut asked.collect::<Vec<_>>(), limit)
}

#[expect(unsafe_code, reason = "std has nothing of it")]
fn poll(asked: &mut [libc::pollfd], limit: Option<Duration>) -> io::Result<bool> {
    // Rounded up, or a limit of less than a millisecond would not wait at all. What is longer than poll(2) can wait ends
    // early, as if it were ready: whoever then finds nothing asks again.
    let milliseconds = limit.map(|limit| limit.as_nanos().div_ceil(1_000_000));
    let patience = milliseconds.map_or(-1, |limit| i32::try_from(limit).unwrap_or(i32::MAX));
    // SAFETY: S1; it reads and writes the structs it is given, and as many as it is told.
    match unsafe { libc::poll(asked.as_mut_ptr(), asked.len() as libc::nfds_t, patience) } {
        0 => Ok(milliseconds.is_some_and(|limit| i32::try_from(limit).is_err())),
        1.. => Ok(true),
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

/// Has a descriptor closed on `exec`, which concerns nobody else who has the open file. A number will do: if it is not
/// open, that is an error.
#[expect(unsafe_code, reason = "fcntl has no safe wrapper in std")]
pub(crate) fn close_on_exec(number: RawFd) -> io::Result<()> {
    // SAFETY: S8; F_SETFD takes an integer.
    match unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) } {
        0.. => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Takes a descriptor that survived the `exec` of this program, if `is_kind` says so of its type, and that nobody here has
/// an owner for: the standard library opens everything with `FD_CLOEXEC`, and so do we.
#[expect(unsafe_code, reason = "std takes any number on trust")]
pub(crate) fn take_inherited(
    number: RawFd,
    is_kind: impl FnOnce(libc::mode_t) -> bool,
) -> io::Result<OwnedFd> {
    // Two who ask for the same number come one after the other.
    static TAKING: Mutex<()> = Mutex::new(());
    let _taking = TAKING.lock().unwrap_or_else(PoisonError::into_inner);
    // SAFETY: F_GETFD only asks, and refuses a number that is no descriptor.
    let flags = unsafe { libc::fcntl(number, libc::F_GETFD) };
    if flags < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: all zeroes is a valid value.
    let mut status: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: it writes the struct it is given.
    if unsafe { libc::fstat(number, &raw mut status) } != 0 {
        return Err(io::Error::last_os_error());
    }
    if number <= libc::STDERR_FILENO
        || flags & libc::FD_CLOEXEC != 0
        || !is_kind(status.st_mode & libc::S_IFMT)
    {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "this descriptor was not passed on to this process",
        ));
    }
    // SAFETY: it is open, and F_SETFD takes an integer.
    if unsafe { libc::fcntl(number, libc::F_SETFD, flags | libc::FD_CLOEXEC) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it is open, and without an owner: it came through `exec`, and whoever takes it sets the flag.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Makes `number` stand for the open file of `by`, whatever it stood for.
#[expect(unsafe_code, reason = "a standard descriptor has no owner")]
pub(crate) fn replace(number: RawFd, by: OwnedFd) -> io::Result<()> {
    if by.as_raw_fd() == number {
        let _ = by.into_raw_fd();
        return Ok(());
    }
    // SAFETY: both are numbers, and `by` is open; a standard descriptor has no owner who could lose it.
    match unsafe { libc::dup2(by.as_raw_fd(), number) } {
        0.. => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Another descriptor for the open file that a number stands for, not below `lowest`, and closed on `exec`.
#[expect(unsafe_code, reason = "what was inherited has no owner yet")]
pub(crate) fn duplicate(number: RawFd, lowest: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: S8; F_DUPFD_CLOEXEC takes an integer.
    match unsafe { libc::fcntl(number, libc::F_DUPFD_CLOEXEC, lowest) } {
        // SAFETY: S8; the system has just opened it for us.
        duplicate @ 0.. => Ok(unsafe { OwnedFd::from_raw_fd(duplicate) }),
        _ => Err(io::Error::last_os_error()),
    }
}
