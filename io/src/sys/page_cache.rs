//! Opening and reading what the kernel has at hand, or being told at once that it has not: Linux's way to read a file
//! without a thread to wait for the disk.
//!
//! `openat2(2)` with `RESOLVE_CACHED` looks names up in memory only; `preadv2(2)` with `RWF_NOWAIT` copies from the page
//! cache only. Neither can be believed when it refuses: whoever is refused asks again, on a thread that may wait.

#![expect(unsafe_code, reason = "no safe wrapper in std")]

use std::{
    ffi::CStr,
    fs::File,
    io,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd},
};

/// Opens for reading. Neither waits for a name that is not in memory, nor for the other end of a FIFO, nor follows a
/// symbolic link at the end of the path. The file has `O_NONBLOCK`, which means nothing for one that is regular.
///
/// The file system's own `open` is called, and may wait if it has to ask another machine.
pub(crate) fn open(path: &CStr) -> io::Result<File> {
    open_with(path, libc::O_RDONLY | libc::O_NONBLOCK | libc::O_NOCTTY)
}

/// Finds a file, or a symbolic link, to ask about it and no more; the file system hears nothing of it.
pub(crate) fn find(path: &CStr) -> io::Result<File> {
    open_with(path, libc::O_PATH)
}

fn open_with(path: &CStr, flags: libc::c_int) -> io::Result<File> {
    // SAFETY: all zeroes asks for nothing.
    let mut how: libc::open_how = unsafe { std::mem::zeroed() };
    how.flags = u64::from((flags | libc::O_CLOEXEC | libc::O_NOFOLLOW).cast_unsigned());
    how.resolve = libc::RESOLVE_CACHED;
    // SAFETY: it reads the path up to its end, and the struct, whose size it is told.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_openat2,
            libc::AT_FDCWD,
            path.as_ptr(),
            &raw const how,
            size_of::<libc::open_how>(),
        )
    };
    let Ok(fd) = i32::try_from(fd) else { return Err(io::Error::from_raw_os_error(libc::EOVERFLOW)) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call has opened it for us.
    Ok(unsafe { File::from_raw_fd(fd) })
}

/// Takes back the `O_NONBLOCK` that [`open`] has set.
pub(crate) fn make_blocking(file: &File) -> io::Result<()> {
    // SAFETY: S1; F_SETFL takes an integer, and these are the flags that `open` gave but one.
    match unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETFL, libc::O_RDONLY) } {
        0.. => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Reads at `offset` what is in the page cache.
///
/// # Errors
/// `WouldBlock` if nothing is there, and more kinds than anybody can list if this file system cannot say. 0 bytes need
/// not be the end: see the bugs of preadv2(2).
pub(crate) fn read_at(file: BorrowedFd<'_>, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    let Ok(offset) = libc::off_t::try_from(offset) else { return Ok(0) };
    let slice = libc::iovec { iov_base: buf.as_mut_ptr().cast(), iov_len: buf.len() };
    // SAFETY: S1; it writes into the buffer, and no more than its length.
    let n = unsafe { libc::preadv2(file.as_raw_fd(), &raw const slice, 1, offset, libc::RWF_NOWAIT) };
    usize::try_from(n).map_err(|_| io::Error::last_os_error())
}

/// Appends to `buf` what is in the page cache: at `offset`, or at the file's own position, which moves on. At most the
/// capacity that is left.
pub(crate) fn read_into(file: BorrowedFd<'_>, buf: &mut Vec<u8>, offset: Option<u64>) -> io::Result<usize> {
    let Ok(offset) = offset.map_or(Ok(-1), libc::off_t::try_from) else { return Ok(0) };
    let spare = buf.spare_capacity_mut();
    let slice = libc::iovec { iov_base: spare.as_mut_ptr().cast(), iov_len: spare.len() };
    // SAFETY: S1; it writes into memory that is the vector's and holds nothing, and no more than there is of it.
    let n = unsafe { libc::preadv2(file.as_raw_fd(), &raw const slice, 1, offset, libc::RWF_NOWAIT) };
    let n = usize::try_from(n).map_err(|_| io::Error::last_os_error())?;
    // SAFETY: so many bytes behind the former length were just written.
    unsafe { buf.set_len(buf.len() + n) };
    Ok(n)
}

/// Whether a file lies on a file system that asks nobody but this machine's disks and memory. What is not known here is
/// taken for a stranger.
pub(crate) fn is_local(file: BorrowedFd<'_>) -> bool {
    // SAFETY: all zeroes is a valid value.
    let mut status: libc::statfs = unsafe { std::mem::zeroed() };
    // SAFETY: S1; it writes the struct it is given.
    let failed = unsafe { libc::fstatfs(file.as_raw_fd(), &raw mut status) };
    failed == 0 && LOCAL.contains(&(status.f_type as u32))
}

/// Numbers of file systems, without the sign that some systems add.
const LOCAL: [u32; 8] = [
    0x0000_ef53, // ext2, ext3, ext4
    0x5846_5342, // XFS
    0x9123_683e, // Btrfs
    0x0102_1994, // tmpfs
    0xf2f5_2010, // F2FS
    0xca45_1a4e, // bcachefs
    0x2fc1_2fc1, // ZFS
    0x794c_7630, // overlayfs, whose layers are local wherever we have seen it
];
