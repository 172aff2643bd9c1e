//! Paths that are names of Unix sockets: taken, found left behind, given up.
//!
//! A path outlives the socket that was bound to it, and keeps the next one from binding. So whoever wants a path that is
//! taken knocks first: if a process listens or receives there, the path is refused; if nobody does, it is stale and
//! removed. Nothing but a socket is ever removed.

use crate::sys;
use socket2::{SockAddr, Socket, Type};
use std::{
    fs::{self, File, Metadata, Permissions},
    io::{self, ErrorKind},
    mem,
    os::{
        fd::AsFd,
        unix::{
            fs::{FileTypeExt, MetadataExt, PermissionsExt},
            net::SocketAddr,
        },
    },
    path::{self, Path, PathBuf},
};

/// How often a path is tried that others take and leave meanwhile.
const TRIES: usize = 3;

/// The address that a path is.
///
/// # Errors
/// `InvalidInput` if it is empty, has a zero byte inside, or is longer than the system takes (107 bytes on Linux).
pub(super) fn address(path: &Path) -> io::Result<SockAddr> {
    if path.as_os_str().is_empty() {
        return Err(io::Error::new(ErrorKind::InvalidInput, "the path is empty"));
    }
    SocketAddr::from_pathname(path)?;
    SockAddr::unix(path)
}

/// An error that names the path.
pub(super) fn explain(what: &str, path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot {what} {}: {error}", path.display()))
}

/// A socket that listens at `path`, or receives there if it is one for datagrams, and the claim to it.
pub(super) fn claim(path: &Path, kind: Type) -> io::Result<(Socket, Claim)> {
    claim_for(path, kind, None)
}

/// [`claim`], with the permissions that the path has from its first moment on, or what the umask leaves of them, and exactly
/// those before anybody can connect.
pub(super) fn claim_for(path: &Path, kind: Type, mode: Option<u32>) -> io::Result<(Socket, Claim)> {
    let what = if kind == Type::DGRAM { "bind to" } else { "listen on" };
    bind(path, kind, mode).map_err(|error| explain(what, path, &error))
}

fn bind(path: &Path, kind: Type, mode: Option<u32>) -> io::Result<(Socket, Claim)> {
    let address = address(path)?;
    let socket = sys::socket::unix(kind)?;
    if let (Some(mode), true) = (mode, cfg!(target_os = "linux")) {
        // Of the permissions of a socket Linux makes those of its path.
        File::from(socket.as_fd().try_clone_to_owned()?).set_permissions(Permissions::from_mode(mode))?;
    }
    let mut tries = 1;
    while let Err(error) = socket.bind(&address) {
        if error.kind() != ErrorKind::AddrInUse || tries == TRIES {
            return Err(error);
        }
        remove_stale(path, &address, kind)?;
        tries += 1;
    }
    let claim = Claim::new(path)?;
    if let Some(mode) = mode {
        fs::set_permissions(path, Permissions::from_mode(mode))?;
    }
    if kind != Type::DGRAM {
        socket.listen(sys::socket::BACKLOG)?;
    }
    // Between these two calls nobody was listening, so that somebody else may have found the path stale.
    match fs::symlink_metadata(path) {
        Ok(found) if Identity::of(&found) == claim.identity => Ok((socket, claim)),
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Err(taken("another process took it at the same time")),
    }
}

fn taken(why: &str) -> io::Error {
    io::Error::new(ErrorKind::AddrInUse, why)
}

/// Removes what is at a path if it is a socket on which nobody listens or receives.
fn remove_stale(path: &Path, address: &SockAddr, kind: Type) -> io::Result<()> {
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !found.file_type().is_socket() {
        return Err(taken("there is something that is no socket"));
    }
    match knock(address, kind) {
        Knock::Live(who) => return Err(taken(who)),
        Knock::Stale => {}
        Knock::Unknown(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Knock::Unknown(error) => {
            let sentence =
                format!("it is taken, and whether by a living process cannot be found out: {error}");
            return Err(io::Error::new(error.kind(), sentence));
        }
    }
    // Not what took its place meanwhile.
    if identity_at(path).is_some_and(|identity| identity == Identity::of(&found)) {
        fs::remove_file(path)
            .or_else(|error| if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) })?;
    }
    Ok(())
}

enum Knock {
    Live(&'static str),
    Stale,
    Unknown(io::Error),
}

/// Finds out whether a process listens or receives. One that listens accepts a connection that ends at once; one that
/// receives notices nothing.
fn knock(address: &SockAddr, kind: Type) -> Knock {
    let live = if kind == Type::DGRAM { "a process receives on it" } else { "a process listens on it" };
    let error = match sys::socket::unix(kind).and_then(|socket| socket.connect(address)) {
        Ok(()) => return Knock::Live(live),
        Err(error) => error,
    };
    match error.raw_os_error() {
        // On Linux nobody who listens refuses: a full queue is `EAGAIN`.
        Some(libc::ECONNREFUSED) => Knock::Stale,
        Some(libc::EAGAIN | libc::EINPROGRESS | libc::EINTR) => Knock::Live(live),
        Some(libc::EPROTOTYPE) => Knock::Live("a socket of another kind is bound to it"),
        // Whoever receives from one peer only lets nobody else connect.
        Some(libc::EPERM) if kind == Type::DGRAM => Knock::Live("a process receives on it, from one peer"),
        _ => Knock::Unknown(error),
    }
}

/// Tells a file from every other that exists at the same time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    fn of(file: &Metadata) -> Self {
        Self { device: file.dev(), inode: file.ino() }
    }
}

fn identity_at(path: &Path) -> Option<Identity> {
    fs::symlink_metadata(path).ok().map(|file| Identity::of(&file))
}

/// A path that we have made. Dropping it removes the path, if what is there is still what we made, and not from a forked
/// child. It must be dropped **before** the socket is closed: until then the kernel gives its inode to no other file, so the
/// comparison can be trusted.
#[derive(Debug)]
pub(super) struct Claim {
    /// Absolute, so that it means the same when the process works elsewhere.
    path: PathBuf,
    identity: Identity,
    fork_depth: u32,
}

impl Claim {
    fn new(path: &Path) -> io::Result<Self> {
        let identity = Identity::of(&fs::symlink_metadata(path)?);
        Ok(Self { path: path::absolute(path)?, identity, fork_depth: sys::fork::depth() })
    }

    fn stands(&self) -> bool {
        identity_at(&self.path) == Some(self.identity)
    }

    /// Leaves the path.
    pub(super) fn forget(mut self) {
        drop(mem::take(&mut self.path));
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let is_forgotten = self.path.as_os_str().is_empty();
        if !is_forgotten && sys::fork::depth() == self.fork_depth && self.stands() {
            let _ = fs::remove_file(&self.path);
        }
    }
}
