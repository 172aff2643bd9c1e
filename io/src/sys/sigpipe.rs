//! SIGPIPE, which kills whoever writes to a pipe that nobody reads, unless the program has thought of it.
//!
//! Rust's start-up code has, so in a program with a Rust `main` the signal is ignored. In one with a C `main`, and where
//! somebody gave the signal its meaning back, it is held off during each write and taken out afterwards: on the thread that
//! writes, so that nobody else notices.

#![expect(unsafe_code, reason = "std has nothing about signals")]

use super::held::Held;
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
    let held = Held::new(libc::SIGPIPE);
    let written = write(fd, bufs);
    if matches!(&written, Err(error) if error.kind() == io::ErrorKind::BrokenPipe) {
        held.forget();
    }
    written
}

fn write(fd: BorrowedFd<'_>, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
    let bufs = &bufs[super::socket::at_once(bufs)];
    let count = libc::c_int::try_from(bufs.len()).expect("it is small");
    // SAFETY: S1; an `IoSlice` is an `iovec`, as std promises, and it reads what they name.
    let n = unsafe { libc::writev(fd.as_raw_fd(), bufs.as_ptr().cast(), count) };
    usize::try_from(n).map_err(|_| io::Error::last_os_error())
}
