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
    /// Whatever it is.
    Any,
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
    sys::descriptor::take_inherited(number, |mode| match kind {
        Kind::Socket => mode == libc::S_IFSOCK,
        Kind::Pipe => mode == libc::S_IFIFO,
        Kind::File => mode == libc::S_IFREG,
        Kind::Any => true,
    })
}

/// Makes this process' standard output what `stdout` leads to, for all of its threads. What the standard library has buffered
/// for the former one is not flushed by this.
///
/// # Errors
/// What the system says.
///
/// ```no_run
/// use runtime_io::process::replace_stdout;
/// replace_stdout(std::fs::File::create("/tmp/transcript")?.into())?;
/// println!("this is in the file");
/// # std::io::Result::Ok(())
/// ```
pub fn replace_stdout(stdout: OwnedFd) -> io::Result<()> {
    sys::descriptor::replace(libc::STDOUT_FILENO, stdout)
}
