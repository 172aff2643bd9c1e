//! Listeners that are opened for others.

use super::{share::Place, tcp_listener, unix_path};
use socket2::Type;
use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

/// Opens a listener for others to accept from: a supervisor's, which hands out duplicates and keeps this one, so that the
/// connections in its queue outlive whoever accepts them. Options and backlog are those of
/// [`TcpListener::bind`](super::TcpListener::bind); a path is treated as by
/// [`UnixListener::bind`](super::UnixListener::bind).
///
/// With `reuseport` several sockets may be opened for one address, each with a queue of its own, between which the kernel
/// distributes the connections; all of them must be opened so. Paths know no such thing, and are opened once.
///
/// # Errors
/// What the system says, such as `AddrInUse` or `PermissionDenied`; the message names the place.
///
/// ```
/// use runtime_io::net::share::{self, Place};
/// use std::os::fd::AsFd;
/// let place = Place::Tcp("127.0.0.1:0".parse().unwrap());
/// let opened = share::open(&place, false)?;
/// let for_a_worker = opened.as_fd().try_clone_to_owned()?;
/// assert_ne!(opened.place()?, place); // the system has chosen a port
/// # drop(for_a_worker);
/// # std::io::Result::Ok(())
/// ```
pub fn open(place: &Place, reuseport: bool) -> io::Result<Opened> {
    match place {
        Place::Tcp(address) => {
            let socket = tcp_listener::open(*address, reuseport)
                .map_err(|error| tcp_listener::explain(*address, &error))?;
            Ok(Opened { claim: None, fd: socket.into() })
        }
        Place::Unix(path) => {
            let (socket, claim) = unix_path::claim(path, Type::STREAM)?;
            Ok(Opened { claim: Some(claim), fd: socket.into() })
        }
    }
}

/// A listener that was [`open`]ed for others. Dropping it closes this descriptor, and removes the path if it is one and
/// still ours; whoever has a duplicate goes on.
#[derive(Debug)]
pub struct Opened {
    /// Dropped first; see there.
    claim: Option<unix_path::Claim>,
    fd: OwnedFd,
}

impl Opened {
    /// Where it listens; the port is the one that the system chose.
    ///
    /// # Errors
    /// What the system says.
    pub fn place(&self) -> io::Result<Place> {
        super::share::place_of(&self.fd)
    }

    /// The descriptor alone. A path stays when that is closed.
    pub fn into_fd(self) -> OwnedFd {
        if let Some(claim) = self.claim {
            claim.forget();
        }
        self.fd
    }
}

impl AsFd for Opened {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
