//! Which files are opened and read on the runtime's own thread: those that are in memory already.
//!
//! A trip to the pool and back costs a dozen microseconds and four or more system calls; to read a small file that is in
//! the page cache costs two microseconds. So the kernel is asked first, in a way in which it never waits for a disk
//! (`sys/page_cache.rs`), and whatever it cannot do so goes to the pool, as does every error, to be told by the
//! ordinary calls.
//!
//! One thing could wait all the same: `open` of a file system that has to ask another machine or process (NFS, FUSE).
//! So a file is opened here only if the pool has opened one in the same folder before and has found that its file
//! system is a local one. If the folder has been mounted over since, one `open` is made in good faith, its device is
//! found to be another, and the folder is forgotten.

use super::{error::explain, known};
use crate::sys::{
    file::{self, Status, status},
    page_cache,
};
use runtime_executor::current;
use std::{
    ffi::{CStr, CString},
    fs::{File, Metadata},
    io,
    os::{
        fd::AsFd,
        unix::{ffi::OsStrExt, fs::MetadataExt},
    },
    path::Path,
    task::{Context, Poll},
};

/// At most so many bytes are copied on the runtime's thread in one call: some 30 µs.
pub(super) const MAX_INLINE: usize = 256 * 1024;

/// So many bytes cost as much of a poll's budget as one operation: 128 of them, 1 MiB, take 0.1 ms or so.
const BYTES_PER_UNIT: usize = 8 * 1024;

/// Called on the pool with what is known of a file that nobody has open.
pub(super) fn learn_of(path: &Path, metadata: &Metadata) {
    if metadata.is_file()
        && known::device(path) != Some(metadata.dev() as libc::dev_t)
        && let Ok(file) = with_c_str(path, page_cache::find)
        && let Ok(status) = status(file.as_fd())
    {
        learn(path, &file, &status);
    }
}

/// Called on the pool with a file that was opened there: whether it is local, which is remembered of its folder.
pub(super) fn learn(path: &Path, file: &File, status: &Status) -> bool {
    if !status.is_regular || !page_cache::is_local(file.as_fd()) {
        return false;
    }
    if known::device(path) != Some(status.device) {
        known::remember(path, status.device);
    }
    true
}

/// What became of an attempt to open.
pub(super) enum Opened {
    /// A regular file on a local file system. It has `O_NONBLOCK` still, which means nothing for it.
    Local(File, Status),
    /// Something else is open now. A FIFO must not be let go, or who writes to it has lost its reader.
    Odd(File, Status),
    /// Nothing was opened.
    No,
}

/// Opens without waiting, if the folder is known.
pub(super) fn open(path: &Path) -> Opened {
    let Some(device) = known::device(path) else { return Opened::No };
    let Ok(file) = with_c_str(path, page_cache::open) else { return Opened::No };
    match status(file.as_fd()) {
        Ok(status) if status.is_regular && status.device == device => Opened::Local(file, status),
        Ok(status) => {
            if status.device != device {
                known::forget(path);
            }
            Opened::Odd(file, status)
        }
        Err(_) => Opened::No,
    }
}

/// What is known about a file, if its folder is known and its name in memory; with `follow` nothing is said of a symbolic
/// link.
pub(super) fn metadata(path: &Path, follow: bool) -> Option<Metadata> {
    let device = known::device(path)?;
    let metadata = with_c_str(path, page_cache::find).ok()?.metadata().ok()?;
    if metadata.dev() as libc::dev_t != device {
        known::forget(path);
    }
    (!follow || !metadata.is_symlink()).then_some(metadata)
}

/// Calls `f` with the path and a zero behind it.
fn with_c_str<T>(path: &Path, f: impl FnOnce(&CStr) -> io::Result<T>) -> io::Result<T> {
    const ROOM: usize = 256;
    let path = path.as_os_str().as_bytes();
    if path.len() >= ROOM {
        return f(&CString::new(path)?);
    }
    let mut room = [0; ROOM];
    room[..path.len()].copy_from_slice(path);
    let path = CStr::from_bytes_with_nul(&room[..=path.len()]).map_err(|_| io::ErrorKind::InvalidInput)?;
    f(path)
}

/// A file that was read in part, or not at all; the pool does the rest.
#[derive(Default)]
pub(super) struct Begun {
    file: Option<(File, Status)>,
    content: Vec<u8>,
}

/// Reads a whole file if it is small and all of it is in memory; otherwise says how far that went.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, Begun> {
    let (file, status) = match open(path) {
        Opened::Local(file, status) => (file, status),
        Opened::Odd(file, status) => return Err(Begun { file: Some((file, status)), content: Vec::new() }),
        Opened::No => return Err(Begun::default()),
    };
    let size = usize::try_from(status.size).unwrap_or(usize::MAX);
    if size > MAX_INLINE {
        return Err(Begun { file: Some((file, status)), content: Vec::new() });
    }
    // A byte more than there should be: a read that leaves it free has met the end.
    let mut content = Vec::with_capacity(size + 1);
    while content.len() < size {
        match page_cache::read_into(file.as_fd(), &mut content, None) {
            Ok(1..) => {}
            _ => break,
        }
    }
    if content.len() == size && size > 0 {
        Ok(content)
    } else {
        Err(Begun { file: Some((file, status)), content })
    }
}

/// On the pool: reads a whole file from where [`read`] has left off.
pub(super) fn read_rest(path: &Path, begun: Begun) -> io::Result<Vec<u8>> {
    let mut content = begun.content;
    let read = match begun.file {
        Some((file, status)) if status.is_regular => {
            let rest = status.size.saturating_sub(content.len() as u64);
            file::read_to_end(file.as_fd(), &mut content, None, rest)
        }
        // Opened without waiting for who writes, so that is left to do.
        Some((file, status)) if status.is_fifo => file::wait_readable(file.as_fd())
            .and_then(|()| page_cache::make_blocking(&file))
            .and_then(|()| file::read_to_end(file.as_fd(), &mut content, None, 0)),
        _ => File::open(path).and_then(|file| {
            let status = status(file.as_fd())?;
            learn(path, &file, &status);
            file::read_to_end(file.as_fd(), &mut content, None, status.size)
        }),
    };
    read.map(|()| content).map_err(|error| explain("read", path, error))
}

/// Takes of a poll's budget what the copying of `bytes` is worth. What is over the budget makes the next operation wait.
pub(super) fn charge(context: &mut Context<'_>, bytes: usize) {
    for _ in 0..bytes / BYTES_PER_UNIT {
        if current::poll_budget(context).is_pending() {
            return;
        }
    }
}

/// The one unit that every operation takes.
pub(super) fn poll_turn(context: &mut Context<'_>) -> Poll<()> {
    current::poll_budget(context)
}
