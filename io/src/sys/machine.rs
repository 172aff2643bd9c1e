//! What a process settles with the system about itself: its processors, its descendants, what others may see of it.

#![expect(unsafe_code, reason = "std asks for none of this")]

use std::io;

#[cfg(any(target_os = "linux", target_os = "android"))]
mod cores {
    use super::io;

    /// Processors that one question can name: four times as many as any Linux is built for today.
    const MAX_CORES: usize = 32_768;
    const BITS: usize = u64::BITS as usize;

    /// The processors that this thread may use, lowest first.
    pub(crate) fn allowed() -> io::Result<Vec<usize>> {
        let mut set = [0_u64; MAX_CORES / BITS];
        // SAFETY: it writes as much as it is told that there is.
        if unsafe { libc::sched_getaffinity(0, size_of_val(&set), (&raw mut set).cast()) } != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok((0..MAX_CORES).filter(|core| set[core / BITS] & 1 << (core % BITS) != 0).collect())
    }

    /// Keeps this thread on one processor.
    pub(crate) fn pin(core: usize) -> io::Result<()> {
        let mut set = [0_u64; MAX_CORES / BITS];
        let word = set.get_mut(core / BITS).ok_or(io::ErrorKind::InvalidInput)?;
        *word = 1 << (core % BITS);
        // SAFETY: it reads as much as it is told that there is.
        match unsafe { libc::sched_setaffinity(0, size_of_val(&set), (&raw const set).cast()) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod cores {
    use super::io;

    /// As many numbers as there are processors.
    pub(crate) fn allowed() -> io::Result<Vec<usize>> {
        std::thread::available_parallelism().map(|cores| (0..cores.get()).collect())
    }

    pub(crate) fn pin(_core: usize) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

pub(crate) use cores::{allowed as allowed_cores, pin};

/// Has descendants whose parent dies become children of this process instead of PID 1's.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn become_subreaper() -> io::Result<()> {
    // SAFETY: it takes a plain number.
    match unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1 as libc::c_ulong, 0, 0, 0) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn become_subreaper() -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Whether others of the same user may trace this process, and whether it leaves a core.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn set_dumpable(is_dumpable: bool) -> io::Result<()> {
    // SAFETY: it takes a plain number.
    match unsafe { libc::prctl(libc::PR_SET_DUMPABLE, libc::c_ulong::from(is_dumpable), 0, 0, 0) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn set_dumpable(_is_dumpable: bool) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Ends this process without a word to anybody in it.
pub(crate) fn exit_now(code: libc::c_int) -> ! {
    // SAFETY: it takes a plain number, and does not return.
    unsafe { libc::_exit(code) }
}
