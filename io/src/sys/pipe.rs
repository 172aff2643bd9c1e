//! Pipes and FIFOs: made, named, asked whether anybody can still write.

#![expect(unsafe_code, reason = "what std has of this blocks, or is younger than our oldest compiler")]

use std::{
    ffi::CString,
    io,
    os::{
        fd::{BorrowedFd, FromRawFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::Path,
};

/// A pipe, the end to read from first. Neither end blocks, nor survives `exec`.
#[cfg(not(target_vendor = "apple"))]
pub(crate) fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    pipe_with(0)
}

/// A pipe, the end to read from first. Neither end blocks, nor survives `exec`, but for a moment.
#[cfg(target_vendor = "apple")]
pub(crate) fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends = [0; 2];
    // SAFETY: it writes the two numbers.
    if unsafe { libc::pipe(ends.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let (reader, writer) = owned(ends);
    for end in [&reader, &writer] {
        super::descriptor::close_on_exec(std::os::fd::AsRawFd::as_raw_fd(end))?;
        super::descriptor::set_nonblocking(std::os::fd::AsFd::as_fd(end))?;
    }
    Ok((reader, writer))
}

/// A pipe that keeps writes apart, where the system has such a thing.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn packet_pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    pipe_with(libc::O_DIRECT)
}

/// A pipe that keeps writes apart, where the system has such a thing.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn packet_pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "this system has no pipes that keep packets apart"))
}

#[cfg(not(target_vendor = "apple"))]
fn pipe_with(flags: libc::c_int) -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends = [0; 2];
    // SAFETY: it writes the two numbers.
    if unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC | libc::O_NONBLOCK | flags) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(owned(ends))
}

fn owned(ends: [libc::c_int; 2]) -> (OwnedFd, OwnedFd) {
    // SAFETY: the system has just opened both for us.
    let [reader, writer] = ends.map(|end| unsafe { OwnedFd::from_raw_fd(end) });
    (reader, writer)
}

/// Gives a new FIFO that name.
pub(crate) fn make_fifo(path: &Path, mode: u32) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    // Twelve bits fit.
    let mode = (mode & 0o7777) as libc::mode_t;
    // SAFETY: it reads the name, which ends with a zero.
    match unsafe { libc::mkfifo(path.as_ptr(), mode) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Whether there have been writers to a FIFO since we opened it, and all of them are gone. A read that finds nothing looks
/// the same before the first of them and after the last.
pub(crate) fn have_writers_gone(reader: BorrowedFd<'_>) -> io::Result<bool> {
    Ok(super::descriptor::poll_now(reader, libc::POLLIN)? & libc::POLLHUP != 0)
}
