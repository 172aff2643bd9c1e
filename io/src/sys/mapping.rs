//! Memory that processes share, for as long as somebody here uses it.
//!
//! - **N1** What is mapped is a memory file of exactly the length that is mapped, sealed against any change of length before
//!   (elsewhere than on Linux, an unlinked file to which only those have access whom we gave it).
//! - **N2** It stays mapped as long as its [`Mapping`], and nothing that borrows from it outlives that; or as long as the
//!   program, if nobody has the [`Mapping`] any more to drop it.
//! - **N3** First come the cells, then the words: no byte is both. Every process uses them as atomics only; all bit patterns are
//!   valid, so whoever else has the memory may write what he likes.

#![expect(unsafe_code, reason = "mmap has no safe wrapper")]

use super::anonymous;
use std::{
    fs::File,
    io,
    mem::ManuallyDrop,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    ptr::{self, NonNull},
    slice,
    sync::atomic::{AtomicU32, AtomicU64},
};

/// So many cells, and after them so many words.
#[derive(Debug)]
pub(crate) struct Mapping {
    at: NonNull<AtomicU64>,
    cells: usize,
    words: usize,
}

// SAFETY: N3; atomics may be used, and unmapped, by any thread.
unsafe impl Send for Mapping {}
// SAFETY: N3.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Makes a file with so many zeroes in memory, and maps it.
    pub(crate) fn create(cells: usize, words: usize) -> io::Result<(OwnedFd, Self)> {
        let file = anonymous::create(c"runtime-shared")?;
        file.set_len(bytes(cells, words)? as u64)?;
        anonymous::seal(file.as_fd(), anonymous::LENGTH)?;
        let mapping = Self::map(file.as_fd(), cells, words)?;
        Ok((file.into(), mapping))
    }

    /// Maps what another process has made.
    pub(crate) fn open(fd: OwnedFd, cells: usize, words: usize) -> io::Result<(OwnedFd, Self)> {
        let file = File::from(fd);
        if !anonymous::is_sealed(file.as_fd(), anonymous::LENGTH) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the shared memory is not sealed"));
        }
        if file.metadata()?.len() != bytes(cells, words)? as u64 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the shared memory has another length"));
        }
        let mapping = Self::map(file.as_fd(), cells, words)?;
        Ok((file.into(), mapping))
    }

    fn map(fd: BorrowedFd<'_>, cells: usize, words: usize) -> io::Result<Self> {
        let bytes = bytes(cells, words)?;
        // SAFETY: S1; a new mapping wherever the system likes, of as much as the file has (N1).
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
        let at = if at == libc::MAP_FAILED { None } else { NonNull::new(at.cast()) };
        at.map(|at| Self { at, cells, words }).ok_or_else(io::Error::last_os_error)
    }

    /// Cells of 64 bits.
    #[inline]
    pub(crate) fn cells(&self) -> &[AtomicU64] {
        // SAFETY: N1, N2, N3; a mapping begins with a page, so it is aligned.
        unsafe { slice::from_raw_parts(self.at.as_ptr(), self.cells) }
    }

    /// The cells, as long as the program runs.
    pub(crate) fn into_static(self) -> &'static [AtomicU64] {
        let this = ManuallyDrop::new(self);
        // SAFETY: N1, N2, N3; as in `cells`, and nobody will unmap it.
        unsafe { slice::from_raw_parts(this.at.as_ptr(), this.cells) }
    }

    /// Words of 32 bits, on which one can wait.
    #[inline]
    pub(crate) fn words(&self) -> &[AtomicU32] {
        // SAFETY: N1; the end of the cells is not behind the end of the mapping.
        let at = unsafe { self.at.as_ptr().add(self.cells) };
        // SAFETY: N1, N2, N3; what is aligned for cells is so for words.
        unsafe { slice::from_raw_parts(at.cast::<AtomicU32>(), self.words) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        let bytes = self.cells * size_of::<AtomicU64>() + self.words * size_of::<AtomicU32>();
        // SAFETY: N2; this is what was mapped.
        unsafe { libc::munmap(self.at.as_ptr().cast(), bytes) };
    }
}

fn bytes(cells: usize, words: usize) -> io::Result<usize> {
    let bytes = cells.checked_mul(size_of::<AtomicU64>());
    let bytes = bytes.and_then(|bytes| bytes.checked_add(words.checked_mul(size_of::<AtomicU32>())?));
    bytes
        .filter(|&bytes| bytes > 0 && isize::try_from(bytes).is_ok())
        .ok_or_else(|| io::ErrorKind::InvalidInput.into())
}
