//! Errors that name the path, with what the system said as their source.

use std::{
    error::Error,
    fmt, io,
    path::{Path, PathBuf},
};

#[derive(Debug)]
struct Explained {
    action: &'static str,
    path: PathBuf,
    error: io::Error,
}

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} {}: {}", self.action, self.path.display(), self.error)
    }
}

impl Error for Explained {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.error)
    }
}

/// The same error, of the same kind, in a sentence: cannot *do this* to *this path*.
#[cold]
pub(super) fn explain(action: &'static str, path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), Explained { action, path: path.to_owned(), error })
}
