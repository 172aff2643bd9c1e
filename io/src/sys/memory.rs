//! Memory that processes share, and nobody can take away under us.
//!
//! - **M1** What is mapped is a memory file of exactly the length that is mapped, sealed against any change of length before
//!   (elsewhere than on Linux, an unlinked file to which only those have access whom we gave it).
//! - **M2** It stays mapped as long as the program.
//! - **M3** Every process only ever uses it as an array of atomics; all bit patterns are valid.

#![expect(unsafe_code, reason = "mmap has no safe wrapper")]

use super::anonymous;
use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    ptr, slice,
    sync::atomic::AtomicU64,
};

/// Maps so many cells of a file that [`check`] has found to be as long.
fn map(fd: BorrowedFd<'_>, cells: usize) -> io::Result<&'static [AtomicU64]> {
    let bytes = bytes(cells)?;
    // SAFETY: S1; a new mapping wherever the system likes, of as much as the file has (M1).
    let at = unsafe {
        libc::mmap(
            ptr::null_mut(),
            bytes,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED,
            fd.as_raw_fd(),
            0,
        )
    };
    if at == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: M1, M2, M3; a mapping begins with a page, so it is aligned.
    Ok(unsafe { slice::from_raw_parts(at.cast::<AtomicU64>(), cells) })
}

fn bytes(cells: usize) -> io::Result<usize> {
    let bytes = cells.checked_mul(size_of::<AtomicU64>()).filter(|&bytes| bytes > 0);
    bytes.ok_or_else(|| io::ErrorKind::InvalidInput.into())
}

/// Makes a file with so many zeroes in memory, and maps it.
pub(crate) fn create(cells: usize) -> io::Result<(OwnedFd, &'static [AtomicU64])> {
    let file = anonymous::create(c"runtime-shared")?;
    file.set_len(bytes(cells)? as u64)?;
    anonymous::seal(file.as_fd(), anonymous::LENGTH)?;
    let cells = map(file.as_fd(), cells)?;
    Ok((file.into(), cells))
}

/// Maps what another process has made.
pub(crate) fn open(fd: OwnedFd, cells: usize) -> io::Result<(OwnedFd, &'static [AtomicU64])> {
    let file = std::fs::File::from(fd);
    let bytes = bytes(cells)? as u64;
    if !anonymous::is_sealed(file.as_fd(), anonymous::LENGTH) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the shared memory is not sealed"));
    }
    if file.metadata()?.len() != bytes {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the shared memory has another length"));
    }
    let cells = map(file.as_fd(), cells)?;
    Ok((file.into(), cells))
}
