//! Which program: a path, or the very file that was opened.

use std::{
    env, fmt, io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    sync::Arc,
};

/// A program as it was when it was opened: whatever is put at its path later, this starts the same one.
///
/// ```
/// use runtime_io::process::ProgramFile;
/// let this = ProgramFile::current()?;
/// println!("{}", this.path().display());
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone)]
pub struct ProgramFile {
    path: PathBuf,
    /// `None` where the system executes paths only.
    file: Option<Arc<OwnedFd>>,
}

impl ProgramFile {
    /// Opens what is at a path now. On Linux a script (`#!`) cannot be started this way; start it by its path.
    /// Elsewhere the path is noted, and looked at when the program is started.
    ///
    /// # Errors
    /// If there is nothing, or it may not be opened.
    ///
    /// ```
    /// # use runtime_io::process::ProgramFile;
    /// assert!(ProgramFile::open("/no/such/program").is_err());
    /// ```
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref();
        Ok(Self { path: path.into(), file: open(path)? })
    }

    /// The program that this process runs, also if its file has been replaced or removed since.
    ///
    /// # Errors
    /// If the system does not tell (on Linux: `/proc` is not mounted).
    pub fn current() -> io::Result<Self> {
        let path = env::current_exe()?;
        let file = if cfg!(target_os = "linux") { open(Path::new("/proc/self/exe"))? } else { open(&path)? };
        Ok(Self { path, file })
    }

    /// Where it was.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn file(&self) -> Option<&OwnedFd> {
        self.file.as_deref()
    }
}

#[cfg(target_os = "linux")]
fn open(path: &Path) -> io::Result<Option<Arc<OwnedFd>>> {
    use std::{fs::OpenOptions, os::unix::fs::OpenOptionsExt};

    // Nothing is read: a program may be executable and nothing else.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_PATH).open(path)?;
    Ok(Some(Arc::new(file.into())))
}

#[cfg(not(target_os = "linux"))]
fn open(path: &Path) -> io::Result<Option<Arc<OwnedFd>>> {
    path.metadata()?;
    Ok(None)
}

impl fmt::Debug for ProgramFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProgramFile").field("path", &self.path).finish_non_exhaustive()
    }
}

/// A path, to be looked at when the program is started.
impl From<&Path> for ProgramFile {
    fn from(path: &Path) -> Self {
        Self { path: path.into(), file: None }
    }
}

/// A path, to be looked at when the program is started.
impl From<&str> for ProgramFile {
    fn from(path: &str) -> Self {
        Path::new(path).into()
    }
}

/// A path, to be looked at when the program is started.
impl From<PathBuf> for ProgramFile {
    fn from(path: PathBuf) -> Self {
        Self { path, file: None }
    }
}

impl From<&ProgramFile> for ProgramFile {
    fn from(program: &ProgramFile) -> Self {
        program.clone()
    }
}
