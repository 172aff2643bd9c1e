//! Paths that are names of Unix sockets.

use socket2::SockAddr;
use std::{io, os::unix::net::SocketAddr, path::Path};

/// The address that a path is.
///
/// # Errors
/// `InvalidInput` if it is empty, has a zero byte inside, or is longer than the system takes (107 bytes on Linux).
pub(super) fn address(path: &Path) -> io::Result<SockAddr> {
    if path.as_os_str().is_empty() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path is empty"));
    }
    SocketAddr::from_pathname(path)?;
    SockAddr::unix(path)
}

/// An error that names the path.
pub(super) fn explain(what: &str, path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot {what} {}: {error}", path.display()))
}
