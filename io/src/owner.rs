//! What an inspector needs of the system: who asks, and the signal by which a person at the terminal does.

use crate::sys::{quit, user};
use std::{
    io,
    os::{fd::AsFd, unix::net::UnixStream},
};

/// The effective user of this process.
///
/// ```
/// # use std::os::unix::fs::MetadataExt;
/// # if cfg!(target_os = "linux") {
/// assert_eq!(runtime_io::owner::own_user(), std::fs::metadata("/proc/self")?.uid());
/// # }
/// # std::io::Result::Ok(())
/// ```
pub fn own_user() -> u32 {
    user::own()
}

/// The user at the other end of a named socket: of who connected, at that time, or of who listened. Of a socket pair it
/// is who made it, whoever has the other end now.
///
/// # Errors
/// If the socket is not connected.
///
/// ```
/// let (socket, _peer) = std::os::unix::net::UnixStream::pair()?;
/// assert_eq!(runtime_io::owner::user_of(&socket)?, runtime_io::owner::own_user());
/// # std::io::Result::Ok(())
/// ```
pub fn user_of(socket: &UnixStream) -> io::Result<u32> {
    Ok(user::of_peer(socket.as_fd())?.user)
}

/// A socket on which a byte arrives for every SIGQUIT (^\ at the terminal) from now on, which then no longer ends the
/// process. `None` if the signal has a handler already, or is ignored: that is left as it is.
/// Once the socket is dropped, the next SIGQUIT ends the process as ever.
///
/// # Errors
/// If the system has no descriptors left.
pub fn catch_quit() -> io::Result<Option<UnixStream>> {
    quit::catch()
}
