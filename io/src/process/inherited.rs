//! Descriptors that this process was given by who started it.

use crate::sys;
use std::{
    io,
    os::fd::{OwnedFd, RawFd},
};

/// What a descriptor leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A socket.
    Socket,
    /// An end of a pipe.
    Pipe,
    /// A file, also one in memory.
    File,
}

/// Takes a descriptor that this process was given by who started it, by its number. Programs that this process starts do not
/// get it from now on. To be called early, and once for each: only what nobody has taken or opened here is given.
///
/// # Errors
/// `EBADF` if it is not open; `InvalidInput` if it is a standard descriptor, was opened here or taken before (it does not
/// survive `exec`), or leads to something else.
///
/// ```
/// use runtime_io::process::{Kind, take_inherited};
/// use std::os::fd::AsRawFd;
/// let (socket, _peer) = std::os::unix::net::UnixStream::pair()?;
/// assert!(take_inherited(socket.as_raw_fd(), Kind::Socket).is_err(), "it has an owner here");
/// # std::io::Result::Ok(())
/// ```
pub fn take_inherited(number: RawFd, kind: Kind) -> io::Result<OwnedFd> {
    sys::descriptor::take_inherited(number, |mode| {
        mode == match kind {
            Kind::Socket => libc::S_IFSOCK,
            Kind::Pipe => libc::S_IFIFO,
            Kind::File => libc::S_IFREG,
        }
    })
}
