//! Who runs this process, and who is at the other end of a socket.

#![expect(unsafe_code, reason = "std tells neither")]

use std::{
    io,
    os::{fd::AsRawFd, unix::net::UnixStream},
};

/// The effective user of this process.
pub(crate) fn own() -> u32 {
    // SAFETY: it only tells, and cannot fail.
    unsafe { libc::geteuid() }
}

/// The effective user of the process that connected, at that time.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn of_peer(socket: &UnixStream) -> io::Result<u32> {
    let mut peer = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut length = size_of::<libc::ucred>() as libc::socklen_t;
    // SAFETY: S1; it writes the struct it is given, which is as long as it is told.
    let failed = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut peer).cast(),
            &raw mut length,
        )
    };
    if failed != 0 { Err(io::Error::last_os_error()) } else { Ok(peer.uid) }
}

/// The effective user of the process that connected, at that time.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn of_peer(socket: &UnixStream) -> io::Result<u32> {
    let (mut user, mut group) = (0, 0);
    // SAFETY: S1; it writes the two numbers.
    if unsafe { libc::getpeereid(socket.as_raw_fd(), &raw mut user, &raw mut group) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(user)
}
