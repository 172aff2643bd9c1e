//! Reads that append to a vector, into memory that nobody has zeroed.

#![expect(unsafe_code, reason = "std zeroes first, or asks a file for its length")]

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd},
};

/// Reads once, as far as there is room, which is made where there is little. 0 bytes are the end.
pub(crate) fn read(fd: BorrowedFd<'_>, all: &mut Vec<u8>) -> io::Result<usize> {
    const LITTLE: usize = 4096;
    if all.capacity() - all.len() < LITTLE {
        // Twice as much as before, at least.
        all.reserve(LITTLE);
    }
    let room = all.spare_capacity_mut();
    // SAFETY: S1; it writes at most so many bytes there.
    let read = unsafe { libc::read(fd.as_raw_fd(), room.as_mut_ptr().cast(), room.len()) };
    let read = usize::try_from(read).map_err(|_| io::Error::last_os_error())?;
    // SAFETY: so many bytes were written, within the capacity.
    unsafe { all.set_len(all.len() + read) };
    Ok(read)
}
