//! Files: what they are, locks, closing so that errors are told, and writing without being killed for a limit.

#![expect(unsafe_code, reason = "no safe wrapper in std")]

use super::held::Held;
use std::{
    io,
    mem::{self, MaybeUninit},
    os::fd::{AsRawFd, BorrowedFd, IntoRawFd, OwnedFd},
};

/// What `fstat` says, as far as we ask.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Status {
    pub(crate) is_regular: bool,
    pub(crate) is_block_device: bool,
    pub(crate) is_fifo: bool,
    pub(crate) size: u64,
    pub(crate) device: libc::dev_t,
}

/// Asks what is open. Of a file on a local file system it is known without waiting.
pub(crate) fn status(file: BorrowedFd<'_>) -> io::Result<Status> {
    // SAFETY: all zeroes is a valid value.
    let mut status: libc::stat = unsafe { mem::zeroed() };
    // SAFETY: S1; it writes the struct it is given.
    if unsafe { libc::fstat(file.as_raw_fd(), &raw mut status) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let kind = status.st_mode & libc::S_IFMT;
    Ok(Status {
        is_regular: kind == libc::S_IFREG,
        is_block_device: kind == libc::S_IFBLK,
        is_fifo: kind == libc::S_IFIFO,
        size: u64::try_from(status.st_size).unwrap_or(0),
        device: status.st_dev,
    })
}

/// Whether every write goes to the end.
pub(crate) fn appends(file: BorrowedFd<'_>) -> io::Result<bool> {
    // SAFETY: S1; F_GETFL takes no argument.
    match unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GETFL) } {
        flags @ 0.. => Ok(flags & libc::O_APPEND != 0),
        _ => Err(io::Error::last_os_error()),
    }
}

/// One read into the capacity that `buf` has left, behind what it holds: at `offset`, or where the file's own position is.
pub(crate) fn read_into(file: BorrowedFd<'_>, buf: &mut Vec<u8>, offset: Option<u64>) -> io::Result<usize> {
    let spare = buf.spare_capacity_mut();
    let (room, len) = (spare.as_mut_ptr().cast(), spare.len());
    let n = match offset.map(libc::off_t::try_from) {
        // No file reaches there.
        Some(Err(_)) => 0,
        // SAFETY: S1; it writes into memory that is the vector's and holds nothing, and no more than there is of it.
        Some(Ok(offset)) => unsafe { libc::pread(file.as_raw_fd(), room, len, offset) },
        // SAFETY: as above.
        None => unsafe { libc::read(file.as_raw_fd(), room, len) },
    };
    let n = usize::try_from(n).map_err(|_| io::Error::last_os_error())?;
    // SAFETY: so many bytes behind the former length were just written.
    unsafe { buf.set_len(buf.len() + n) };
    Ok(n)
}

/// Reads to the end, of which it is believed that it is so far, behind what `buf` holds.
pub(crate) fn read_to_end(
    file: BorrowedFd<'_>,
    buf: &mut Vec<u8>,
    mut offset: Option<u64>,
    expected: u64,
) -> io::Result<()> {
    // With a byte more than there should be, the end is met without more room.
    buf.try_reserve_exact(usize::try_from(expected).unwrap_or(usize::MAX - 1).saturating_add(1))?;
    prefer_huge_pages(buf.spare_capacity_mut());
    loop {
        if buf.len() == buf.capacity() {
            buf.try_reserve(READ_ON)?;
        }
        match read_into(file, buf, offset) {
            Ok(0) => return Ok(()),
            Ok(n) => offset = offset.map(|offset| offset + n as u64),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Room that is made where there is more than was believed.
const READ_ON: usize = 8 * 1024;

/// Memory that is about to be filled for the first time costs an interruption per page, which for pages of 4 KiB is nine
/// tenths of what it costs to read a large file that is in memory. So the system is asked for pages of 2 MiB.
fn prefer_huge_pages(room: &mut [MaybeUninit<u8>]) {
    const HUGE: usize = 2 << 20;
    let begin = room.as_mut_ptr();
    let skipped = begin.addr().next_multiple_of(HUGE) - begin.addr();
    let len = room.len().saturating_sub(skipped) / HUGE * HUGE;
    if len == 0 {
        return;
    }
    #[cfg(target_os = "linux")]
    // SAFETY: the pages lie within the room, and the advice changes nothing of what is in them. Refused, it does nothing.
    unsafe {
        libc::madvise(begin.wrapping_add(skipped).cast(), len, libc::MADV_HUGEPAGE)
    };
}

/// Waits until there is something to read, or nobody who will write any more.
pub(crate) fn wait_readable(file: BorrowedFd<'_>) -> io::Result<()> {
    let mut asked = libc::pollfd { fd: file.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    loop {
        // SAFETY: S1; it reads and writes the one struct.
        if unsafe { libc::poll(&raw mut asked, 1, -1) } >= 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// What is asked of [`lock`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Lock {
    Exclusive,
    Shared,
    Unlocked,
}

/// flock(2) without waiting: `false` if somebody else holds it.
pub(crate) fn lock(file: BorrowedFd<'_>, lock: Lock) -> io::Result<bool> {
    let operation = match lock {
        Lock::Exclusive => libc::LOCK_EX | libc::LOCK_NB,
        Lock::Shared => libc::LOCK_SH | libc::LOCK_NB,
        Lock::Unlocked => libc::LOCK_UN,
    };
    loop {
        // SAFETY: S1; it takes two integers.
        if unsafe { libc::flock(file.as_raw_fd(), operation) } == 0 {
            return Ok(true);
        }
        match io::Error::last_os_error() {
            error if error.kind() == io::ErrorKind::Interrupted => {}
            error if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            error => return Err(error),
        }
    }
}

/// Closes, and tells what the file system says: some find out only now that they have no room for what was written.
pub(crate) fn close(file: OwnedFd) -> io::Result<()> {
    // SAFETY: it was taken out of its owner and is closed once. Whatever comes back, it is closed (close(2)).
    if unsafe { libc::close(file.into_raw_fd()) } == 0 {
        return Ok(());
    }
    match io::Error::last_os_error() {
        error if error.kind() == io::ErrorKind::Interrupted => Ok(()),
        error => Err(error),
    }
}

/// Has `write`, which lets a file grow, fail with `EFBIG` at the process's limit (`RLIMIT_FSIZE`) rather than end the
/// process by `SIGXFSZ`. Where there is no limit it costs the question.
pub(crate) fn spare_sigxfsz<T>(write: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let mut limits = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: it writes the struct it is given.
    let failed = unsafe { libc::getrlimit(libc::RLIMIT_FSIZE, &raw mut limits) };
    if failed != 0 || limits.rlim_cur == libc::RLIM_INFINITY {
        return write();
    }
    let held = Held::new(libc::SIGXFSZ);
    let written = write();
    if let Err(error) = &written
        && error.raw_os_error() == Some(libc::EFBIG)
    {
        held.forget();
    }
    written
}
