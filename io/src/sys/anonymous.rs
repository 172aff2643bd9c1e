//! Files without a name, which live as long as somebody has them open: in memory, and sealed, where the system has that.

use std::{ffi::CStr, fs::File, io, os::fd::BorrowedFd};

/// Its length stays as it is.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) const LENGTH: Seals = libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_SEAL;
/// It stays as it is.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) const CONTENT: Seals = LENGTH | libc::F_SEAL_WRITE;

/// Elsewhere there are no seals.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) const LENGTH: Seals = 0;
/// Elsewhere there are no seals.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) const CONTENT: Seals = 0;

/// What nobody may do with a file any more, as bits.
pub(crate) type Seals = libc::c_int;

/// A new file; the name is there for whoever looks at the process.
#[cfg(any(target_os = "linux", target_os = "android"))]
#[expect(unsafe_code, reason = "std has nothing of it")]
pub(crate) fn create(name: &CStr) -> io::Result<File> {
    use std::os::fd::FromRawFd;

    const FLAGS: libc::c_uint = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
    let open = |flags| {
        // SAFETY: it reads the name.
        match unsafe { libc::memfd_create(name.as_ptr(), flags) } {
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
    Ok(unsafe { File::from_raw_fd(fd) })
}

/// Has nobody do with a file what the seals say, from now on.
#[cfg(any(target_os = "linux", target_os = "android"))]
#[expect(unsafe_code, reason = "fcntl has no safe wrapper in std")]
pub(crate) fn seal(file: BorrowedFd<'_>, seals: Seals) -> io::Result<()> {
    use std::os::fd::AsRawFd;

    // SAFETY: S1; F_ADD_SEALS takes an integer.
    match unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, seals) } {
        0.. => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Whether a file has all these seals. Files that know none have none.
#[cfg(any(target_os = "linux", target_os = "android"))]
#[expect(unsafe_code, reason = "fcntl has no safe wrapper in std")]
pub(crate) fn is_sealed(file: BorrowedFd<'_>, seals: Seals) -> bool {
    use std::os::fd::AsRawFd;

    // SAFETY: S1; F_GET_SEALS takes no argument.
    let there = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GET_SEALS) };
    there >= 0 && there & seals == seals
}

/// A new file, of a name that nobody can guess, and that is gone at once.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn create(name: &CStr) -> io::Result<File> {
    use std::{
        env,
        fs::{self, OpenOptions},
        hash::{BuildHasher, Hasher, RandomState},
        os::unix::fs::OpenOptionsExt,
    };

    let unknown = RandomState::new().build_hasher().finish();
    let path = env::temp_dir().join(format!("{}-{unknown:016x}", name.to_string_lossy()));
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
    fs::remove_file(path)?;
    Ok(file)
}

/// Only those have the file whom we gave it.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
#[expect(clippy::unnecessary_wraps, reason = "Linux may refuse")]
pub(crate) fn seal(_file: BorrowedFd<'_>, _seals: Seals) -> io::Result<()> {
    Ok(())
}

/// Only those have the file whom they gave it who made it.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn is_sealed(_file: BorrowedFd<'_>, _seals: Seals) -> bool {
    true
}
