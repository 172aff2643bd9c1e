//! Replacing a whole file in one step.

use super::job::run_on;
use crate::sys;
use std::{
    fs::{self, File, OpenOptions},
    hash::{BuildHasher, Hasher, RandomState},
    io::{self, ErrorKind, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// Names that are tried for the temporary file. A second one is needed once in 2^64 times.
const TRIES: usize = 8;

/// Writes a whole file so that whoever opens it, also after a crash, finds what was there before or all of the new content, and
/// never a part.
///
/// The content goes to a temporary file in the same folder, under a name that nobody can guess; that is synced,
/// given the permissions of the file that was there (its owner it cannot give), and then its name. If anything fails the temporary
/// file is removed, and the former is as it was. A symbolic link is followed, and stays. Other names of the former file (hard
/// links) keep the former content.
///
/// ```
/// # let executor = runtime_executor::Executor::builder().build();
/// # executor.block_on(async {
/// use runtime_io::fs;
/// let path = std::env::temp_dir().join(format!("settings-{}", std::process::id()));
/// fs::write_atomic(&path, "volume = 10").await?;
/// fs::write_atomic(&path, "volume = 11").await?;
/// assert_eq!(fs::read_to_string(&path).await?, "volume = 11");
/// fs::remove_file(&path).await?;
/// # std::io::Result::Ok(())
/// # })?;
/// # std::io::Result::Ok(())
/// ```
///
/// # Errors
/// As [`write()`](super::write()), or if the folder does not allow new files; the message names the path.
///
/// # Cancel safety
/// Dropped before a thread has begun, it does nothing. Once begun it goes through.
pub async fn write_atomic(path: impl AsRef<Path>, contents: impl AsRef<[u8]>) -> io::Result<()> {
    let contents = contents.as_ref().to_vec();
    run_on("replace", path.as_ref(), move |path| replace(path, &contents)).await
}

fn replace(path: &Path, contents: &[u8]) -> io::Result<()> {
    let (target, permissions) = match fs::canonicalize(path) {
        Ok(target) => {
            let status = fs::metadata(&target)?;
            if !status.is_file() {
                let what = "it is not a regular file, and only those are replaced";
                return Err(io::Error::new(ErrorKind::InvalidInput, what));
            }
            (target, Some(status.permissions()))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => (path.to_owned(), None),
        Err(error) => return Err(error),
    };
    let folder = match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    // Nobody but us reads it until it has the permissions that it is to have.
    let mode = if permissions.is_some() { 0o600 } else { 0o666 };
    let (mut file, temporary) = Temporary::create(folder, mode)?;
    sys::file::spare_sigxfsz(|| file.write_all(contents))?;
    if let Some(permissions) = permissions {
        file.set_permissions(permissions)?;
    }
    file.sync_all()?;
    temporary.rename(&target)?;
    // The name, too, has to survive a crash. It is there in any case, so where folders cannot be synced nothing has failed.
    match File::open(folder).and_then(|folder| folder.sync_all()) {
        Err(error)
            if error.kind() != ErrorKind::InvalidInput && error.kind() != ErrorKind::PermissionDenied =>
        {
            Err(error)
        }
        _ => Ok(()),
    }
}

/// A file that is removed unless it is renamed.
struct Temporary(Option<PathBuf>);

impl Temporary {
    fn create(folder: &Path, mode: u32) -> io::Result<(File, Self)> {
        let mut tries = 1;
        loop {
            // Keyed with randomness of the system, for each anew.
            let number = RandomState::new().build_hasher().finish();
            let path = folder.join(format!(".{number:016x}.tmp"));
            match OpenOptions::new().write(true).create_new(true).mode(mode).open(&path) {
                Ok(file) => return Ok((file, Self(Some(path)))),
                Err(error) if error.kind() == ErrorKind::AlreadyExists && tries < TRIES => tries += 1,
                Err(error) => return Err(error),
            }
        }
    }

    fn rename(mut self, to: &Path) -> io::Result<()> {
        if let Some(from) = &self.0 {
            fs::rename(from, to)?;
        }
        self.0 = None;
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(path) = self.0.take() {
            let _ = fs::remove_file(path);
        }
    }
}
