//! Who runs this process, and who is at the other end of a socket.

#![expect(unsafe_code, reason = "std tells neither")]

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd},
};

/// The effective user of this process.
pub(crate) fn own() -> u32 {
    // SAFETY: it only tells, and cannot fail.
    unsafe { libc::geteuid() }
}

/// A process as the system saw it when a socket was connected, or something was sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Peer {
    /// The effective user.
    pub(crate) user: u32,
    /// The effective group.
    pub(crate) group: u32,
    /// Where the system tells it.
    pub(crate) process: Option<u32>,
}

/// Who connected or, seen from there, who listened; of a socket pair, who made it.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn of_peer(socket: BorrowedFd<'_>) -> io::Result<Peer> {
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
    if failed != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(peer.into())
}

#[cfg(any(target_os = "linux", target_os = "android"))]
impl From<libc::ucred> for Peer {
    fn from(peer: libc::ucred) -> Self {
        // 0: a process of a namespace that cannot be seen from here.
        let process = u32::try_from(peer.pid).ok().filter(|pid| *pid != 0);
        Self { user: peer.uid, group: peer.gid, process }
    }
}

/// Who connected or, seen from there, who listened; of a socket pair, who made it.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn of_peer(socket: BorrowedFd<'_>) -> io::Result<Peer> {
    let (mut user, mut group) = (0, 0);
    // SAFETY: S1; it writes the two numbers.
    if unsafe { libc::getpeereid(socket.as_raw_fd(), &raw mut user, &raw mut group) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(Peer { user, group, process: None })
}
