//! Memory that processes share, and nobody can take away under us.
//!
//! - **M1** What is mapped is a memory file of exactly the length that is mapped, sealed against any change of length before
//!   (elsewhere than on Linux, an unlinked file to which only those have access whom we gave it).
//! - **M2** It stays mapped as long as the program.
//! - **M3** Every process only ever uses it as an array of atomics; all bit patterns are valid.

#![expect(unsafe_code, reason = "mmap has no safe wrapper")]

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd, OwnedFd},
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
    let file = file::create()?;
    file.set_len(bytes(cells)? as u64)?;
    let fd = OwnedFd::from(file);
    file::seal(&fd)?;
    let cells = map(std::os::fd::AsFd::as_fd(&fd), cells)?;
    Ok((fd, cells))
}

/// Maps what another process has made.
pub(crate) fn open(fd: OwnedFd, cells: usize) -> io::Result<(OwnedFd, &'static [AtomicU64])> {
    let file = std::fs::File::from(fd);
    let bytes = bytes(cells)? as u64;
    file::check_seals(&file)?;
    if file.metadata()?.len() != bytes {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the shared memory has another length"));
    }
    let fd = OwnedFd::from(file);
    let cells = map(std::os::fd::AsFd::as_fd(&fd), cells)?;
    Ok((fd, cells))
}

#[cfg(any(target_os = "linux", target_os = "android"))]
mod file {
    use super::{AsRawFd, OwnedFd, io};
    use std::{fs::File, os::fd::FromRawFd};

    const SEALS: libc::c_int = libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_SEAL;

    pub(super) fn create() -> io::Result<File> {
        const FLAGS: libc::c_uint = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
        let open = |flags| {
            // SAFETY: it reads the name, which is there for whoever looks at the process.
            match unsafe { libc::memfd_create(c"runtime-shared".as_ptr(), flags) } {
                fd @ 0.. => Ok(fd),
                _ => Err(io::Error::last_os_error()),
            }
        };
        // Nobody is to execute it, on which some administrators insist. Kernels before 6.3 do not know the flag.
        let fd = open(FLAGS | libc::MFD_NOEXEC_SEAL).or_else(|error| match error.raw_os_error() {
            Some(libc::EINVAL) => open(FLAGS),
            _ => Err(error),
        })?;
        // SAFETY: the call has opened it for us.
        Ok(File::from(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    pub(super) fn seal(fd: &OwnedFd) -> io::Result<()> {
        // SAFETY: S1; F_ADD_SEALS takes an integer.
        match unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_ADD_SEALS, SEALS) } {
            0.. => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// Before it is mapped: a file that somebody can shorten would end us with SIGBUS.
    pub(super) fn check_seals(file: &File) -> io::Result<()> {
        // SAFETY: S1; F_GET_SEALS takes no argument.
        let seals = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GET_SEALS) };
        // Files that know no seals refuse to tell.
        if seals < 0 || seals & SEALS != SEALS {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the shared memory is not sealed"));
        }
        Ok(())
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod file {
    use super::{OwnedFd, io};
    use std::{
        env,
        fs::{self, File, OpenOptions},
        hash::{BuildHasher, Hasher, RandomState},
        os::unix::fs::OpenOptionsExt,
    };

    /// A file of a name that nobody can guess, and that is gone at once.
    pub(super) fn create() -> io::Result<File> {
        let name = format!("runtime-shared-{:016x}", RandomState::new().build_hasher().finish());
        let path = env::temp_dir().join(name);
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
        fs::remove_file(path)?;
        Ok(file)
    }

    #[expect(clippy::unnecessary_wraps, reason = "Linux may refuse")]
    pub(super) fn seal(_fd: &OwnedFd) -> io::Result<()> {
        Ok(())
    }

    #[expect(clippy::unnecessary_wraps, reason = "Linux may refuse")]
    pub(super) fn check_seals(_file: &File) -> io::Result<()> {
        Ok(())
    }
}
