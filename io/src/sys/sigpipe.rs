//! SIGPIPE, which kills whoever writes to a pipe that nobody reads, unless the program has thought of it.
//!
//! Rust's start-up code has, so in a program with a Rust `main` the signal is ignored. In one with a C `main`, and where
//! somebody gave the signal its meaning back, it is held off during each write and taken out afterwards: on the thread that
//! writes, so that nobody else notices.

#![expect(unsafe_code, reason = "std has nothing about signals")]

use std::{
    io::{self, IoSlice},
    mem,
    os::fd::{AsRawFd, BorrowedFd},
    ptr,
};

/// Whether a write to a pipe that nobody reads would end this process, as things are now.
pub(crate) fn is_deadly() -> bool {
    // SAFETY: all zeroes is a valid value.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    // SAFETY: S4; it is given nothing, and writes the struct.
    let asked = unsafe { libc::sigaction(libc::SIGPIPE, ptr::null(), &raw mut action) };
    asked == 0 && action.sa_sigaction == libc::SIG_DFL
}

/// Writes, and where that would raise SIGPIPE gives the error alone.
pub(crate) fn write_spared(fd: BorrowedFd<'_>, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
    let sigpipe = just_sigpipe();
    // One that was raised before is somebody else's, and held off by them: ours would merge with it.
    if is_pending() {
        return write(fd, bufs);
    }
    // SAFETY: all zeroes is a valid value.
    let mut before: libc::sigset_t = unsafe { mem::zeroed() };
    // SAFETY: it reads the one set and writes the other.
    let held = unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const sigpipe, &raw mut before) };
    if held != 0 {
        return Err(io::Error::from_raw_os_error(held));
    }
    let written = write(fd, bufs);
    let raised = matches!(&written, Err(error) if error.kind() == io::ErrorKind::BrokenPipe) && is_pending();
    if raised {
        let mut number = 0;
        // SAFETY: it reads the set and writes the number. It does not wait: the signal is here, and this thread's own.
        unsafe { libc::sigwait(&raw const sigpipe, &raw mut number) };
    }
    // SAFETY: it reads the set.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, ptr::null_mut()) };
    written
}

fn write(fd: BorrowedFd<'_>, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
    let count = bufs.len().min(super::socket::MAX_SLICES);
    let count = libc::c_int::try_from(count).expect("it is small");
    // SAFETY: S1; an `IoSlice` is an `iovec`, as std promises, and it reads what they name.
    let n = unsafe { libc::writev(fd.as_raw_fd(), bufs.as_ptr().cast(), count) };
    usize::try_from(n).map_err(|_| io::Error::last_os_error())
}

fn just_sigpipe() -> libc::sigset_t {
    // SAFETY: all zeroes is a valid value.
    let mut set: libc::sigset_t = unsafe { mem::zeroed() };
    // SAFETY: it writes the set.
    unsafe { libc::sigemptyset(&raw mut set) };
    // SAFETY: it writes the set.
    unsafe { libc::sigaddset(&raw mut set, libc::SIGPIPE) };
    set
}

fn is_pending() -> bool {
    // SAFETY: all zeroes is a valid value.
    let mut pending: libc::sigset_t = unsafe { mem::zeroed() };
    // SAFETY: it writes the set.
    unsafe { libc::sigpending(&raw mut pending) };
    // SAFETY: it reads the set.
    unsafe { libc::sigismember(&raw const pending, libc::SIGPIPE) == 1 }
}
