//! Seats at an open file that the system takes back from whoever dies.
//!
//! On Linux a seat is a byte of the file, locked by an open file description (`F_OFD_SETLK`, fcntl(2)) that one process has
//! for itself. The lock goes when the last descriptor of that description is closed: with the process, however it ends,
//! before anybody reaps it, and with `exec`. No number of a process is asked for, which may have been given anew or mean
//! nothing in another container.
//!
//! A child that was forked, and runs no other program, has its parent's descriptors, and keeps its parent's seat as long as it
//! has them.
//!
//! Elsewhere the seat has the process' number in it, and is free once there is no such process.

use std::{
    io,
    os::fd::{BorrowedFd, OwnedFd},
    sync::atomic::AtomicU32,
};

pub(crate) use system::{claim, is_claimed, leave, open_own};

#[cfg(target_os = "linux")]
mod system {
    #![expect(unsafe_code, reason = "locks of open file descriptions have no safe wrapper")]

    use super::{AtomicU32, BorrowedFd, OwnedFd, io};
    use std::{fs::OpenOptions, os::fd::AsRawFd};

    /// Opens the file anew, so that the description is nobody else's.
    pub(crate) fn open_own(fd: BorrowedFd<'_>) -> io::Result<OwnedFd> {
        let name = format!("/proc/self/fd/{}", fd.as_raw_fd());
        let opened = OpenOptions::new().read(true).write(true).open(name);
        let file = opened.map_err(|error| {
            io::Error::new(error.kind(), format!("shared memory is opened by way of /proc: {error}"))
        })?;
        Ok(file.into())
    }

    /// Takes the seat, unless somebody has it.
    pub(crate) fn claim(fd: BorrowedFd<'_>, seat: usize, _mark: &AtomicU32) -> io::Result<bool> {
        match lock(fd, libc::F_OFD_SETLK, seat) {
            Ok(_) => Ok(true),
            Err(error) => match error.raw_os_error() {
                Some(libc::EAGAIN | libc::EACCES) => Ok(false),
                _ => Err(error),
            },
        }
    }

    /// Whether somebody else has the seat, or nobody can tell.
    pub(crate) fn is_claimed(fd: BorrowedFd<'_>, seat: usize, _mark: &AtomicU32) -> bool {
        !lock(fd, libc::F_OFD_GETLK, seat).is_ok_and(|kind| kind == libc::F_UNLCK as libc::c_short)
    }

    /// It is left by closing the descriptor.
    pub(crate) fn leave(_mark: &AtomicU32) {}

    fn lock(fd: BorrowedFd<'_>, command: libc::c_int, seat: usize) -> io::Result<libc::c_short> {
        // SAFETY: all zeroes is a valid value, and l_pid has to be 0.
        let mut lock: libc::flock = unsafe { std::mem::zeroed() };
        lock.l_type = libc::F_WRLCK as libc::c_short;
        lock.l_whence = libc::SEEK_SET as libc::c_short;
        lock.l_start = libc::off_t::try_from(seat).unwrap_or(libc::off_t::MAX);
        lock.l_len = 1;
        // SAFETY: S1; both commands read and write the struct.
        match unsafe { libc::fcntl(fd.as_raw_fd(), command, &raw mut lock) } {
            0.. => Ok(lock.l_type),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    #![expect(unsafe_code, reason = "kill has no safe wrapper")]

    use super::{AtomicU32, BorrowedFd, OwnedFd, io};
    use std::{process, sync::atomic::Ordering};

    pub(crate) fn open_own(fd: BorrowedFd<'_>) -> io::Result<OwnedFd> {
        fd.try_clone_to_owned()
    }

    #[expect(clippy::unnecessary_wraps, reason = "Linux may refuse")]
    pub(crate) fn claim(_fd: BorrowedFd<'_>, _seat: usize, mark: &AtomicU32) -> io::Result<bool> {
        let found = mark.load(Ordering::Acquire);
        let is_free = !is_there(found);
        let taken =
            || mark.compare_exchange(found, process::id(), Ordering::AcqRel, Ordering::Relaxed).is_ok();
        Ok(is_free && taken())
    }

    pub(crate) fn is_claimed(_fd: BorrowedFd<'_>, _seat: usize, mark: &AtomicU32) -> bool {
        is_there(mark.load(Ordering::Acquire))
    }

    pub(crate) fn leave(mark: &AtomicU32) {
        // A forked child leaves its parent's alone.
        let _ = mark.compare_exchange(process::id(), 0, Ordering::AcqRel, Ordering::Relaxed);
    }

    /// Whether there is a process of that number, also if it is somebody else's.
    fn is_there(pid: u32) -> bool {
        let Some(pid) = libc::pid_t::try_from(pid).ok().filter(|&pid| pid > 0) else { return false };
        // SAFETY: signal 0 is not sent; it takes plain numbers.
        let found = unsafe { libc::kill(pid, 0) };
        found == 0 || io::Error::last_os_error().raw_os_error() != Some(libc::ESRCH)
    }
}
