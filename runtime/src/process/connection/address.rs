//! Where one listens and connects, and who is at the other end.

use runtime_io::net::Credentials;
use serde::{Deserialize, Serialize};
use std::{
    error::Error,
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
    str::FromStr,
};

/// Where a [`Listener`](super::Listener) is.
///
/// ```
/// use runtime::process::Address;
/// use std::path::PathBuf;
///
/// let unix: Address = "/run/app/control".parse()?;
/// assert_eq!(unix, Address::Unix(PathBuf::from("/run/app/control")));
/// let tcp: Address = "127.0.0.1:6000".parse()?;
/// assert_eq!(tcp.to_string(), "127.0.0.1:6000");
/// assert!("localhost".parse::<Address>().is_err());
/// # Ok::<(), runtime::process::InvalidAddress>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Address {
    /// A socket in the file system, for processes of this machine.
    Unix(PathBuf),
    /// For processes of other machines; only with a [`Key`](super::Key).
    Tcp(SocketAddr),
}

impl From<PathBuf> for Address {
    fn from(path: PathBuf) -> Self {
        Self::Unix(path)
    }
}

impl From<&PathBuf> for Address {
    fn from(path: &PathBuf) -> Self {
        Self::Unix(path.clone())
    }
}

impl From<&Path> for Address {
    fn from(path: &Path) -> Self {
        Self::Unix(path.to_owned())
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

impl From<&Address> for Address {
    fn from(address: &Address) -> Self {
        address.clone()
    }
}

/// What has a `/` in it is a path, all else an address with its port.
impl FromStr for Address {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        if text.contains('/') {
            return Ok(Self::Unix(text.into()));
        }
        text.parse().map(Self::Tcp).map_err(|_| InvalidAddress(text.to_owned()))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => path.display().fmt(f),
            Self::Tcp(address) => address.fmt(f),
        }
    }
}

/// A text is no [`Address`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InvalidAddress(String);

impl fmt::Display for InvalidAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is neither a path (with a '/') nor an IP address with a port", self.0)
    }
}

impl Error for InvalidAddress {}

/// Who is at the other end of a [`Connection`](super::Connection).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Peer {
    /// A process of this machine, and its user, as the system knew them when it connected or listened.
    Unix(Credentials),
    /// Whoever has the key, and that address.
    Tcp(SocketAddr),
}
