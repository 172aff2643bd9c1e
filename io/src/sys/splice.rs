//! splice(2): bytes go from one socket to another by way of a pipe, and their pages are passed on instead of copied.

#![expect(unsafe_code, reason = "no safe wrapper in std")]

use super::pipe;
use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    ptr,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

/// What a pipe of ours holds, in bytes: 64 pages of any length, so some 90 KiB in the pieces of a network with small
/// packets. A bigger one would be cheaper per byte still, and longer in the hands of one pair.
pub(crate) const CAPACITY: usize = 256 * 1024;

/// How many pipes this process has for splicing at most, two descriptors each. So pairs that are stuck hold 32 MiB of the
/// kernel's memory at most; whoever finds none copies.
const MOST: usize = 128;

static PIPES: AtomicUsize = AtomicUsize::new(0);

/// Both ends of a pipe, and what it holds.
#[derive(Debug)]
pub(crate) struct Pipe {
    reader: OwnedFd,
    writer: OwnedFd,
    held: usize,
}

impl Pipe {
    /// A new one, unless there are too many, or descriptors are short.
    pub(crate) fn open() -> Option<Self> {
        let counted = PIPES.fetch_update(Relaxed, Relaxed, |pipes| (pipes < MOST).then_some(pipes + 1));
        counted.ok()?;
        let Ok((reader, writer)) = pipe::pipe() else {
            PIPES.fetch_sub(1, Relaxed);
            return None;
        };
        // SAFETY: S1; F_SETPIPE_SZ takes an integer. Where it is refused the pipe is a smaller one.
        unsafe { libc::fcntl(writer.as_raw_fd(), libc::F_SETPIPE_SZ, CAPACITY as libc::c_int) };
        Some(Self { reader, writer, held: 0 })
    }

    /// How many bytes are in it.
    pub(crate) fn held(&self) -> usize {
        self.held
    }

    /// Takes what a socket has, while it is empty itself: so `WouldBlock` is about the socket. 0 is the end, or a byte of
    /// urgent data, beyond which it does not go.
    pub(crate) fn fill_from(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        debug_assert_eq!(self.held, 0);
        let n = splice(socket, self.writer.as_fd(), CAPACITY)?;
        self.held = n;
        Ok(n)
    }

    /// Gives a socket what it takes.
    pub(crate) fn drain_into(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        let n = splice(self.reader.as_fd(), socket, self.held)?;
        self.held -= n;
        Ok(n)
    }

    /// Copies some of what it holds, for a writer that does not splice after all.
    pub(crate) fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            // SAFETY: S1; it writes into the buffer, and no more than its length.
            let n = unsafe { libc::read(self.reader.as_raw_fd(), buf.as_mut_ptr().cast(), buf.len()) };
            match usize::try_from(n).map_err(|_| io::Error::last_os_error()) {
                Ok(n) => {
                    self.held -= n;
                    return Ok(n);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        PIPES.fetch_sub(1, Relaxed);
    }
}

fn splice(from: BorrowedFd<'_>, to: BorrowedFd<'_>, most: usize) -> io::Result<usize> {
    let flags = libc::SPLICE_F_MOVE | libc::SPLICE_F_NONBLOCK;
    // SAFETY: S1 for both; neither has an offset.
    let n = unsafe {
        libc::splice(from.as_raw_fd(), ptr::null_mut(), to.as_raw_fd(), ptr::null_mut(), most, flags)
    };
    usize::try_from(n).map_err(|_| io::Error::last_os_error())
}

/// Whether an error says that these descriptors, or this kernel, do not splice, or not now. The sockets have no part in it.
pub(crate) fn is_refusal(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EINVAL | libc::ENOSYS | libc::EOPNOTSUPP | libc::EPERM | libc::ENOMEM | libc::EBADF)
    )
}
