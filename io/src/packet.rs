//! Packets between processes, for upper floors: Unix sockets that keep packets apart (`SOCK_SEQPACKET`), without a tie to a
//! reactor, and files without a name for what is too long for a packet.
//!
//! Whether a call waits is said by the call, not by the open file, which others may share: so who has nothing else to do can
//! wait in the call itself.

use crate::sys::{ancillary, anonymous, file, packet, socket};
use socket2::{Domain, SockRef, Socket, Type};
use std::{
    io::{self, IoSlice, Write},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

/// More descriptors do not go with one packet (Linux: `SCM_MAX_FD`).
pub const MAX_DESCRIPTORS: usize = ancillary::MAX_FDS;

/// Whether a call waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Patience {
    /// It fails with `WouldBlock` if it would have to.
    Never,
    /// It waits with the thread, unless the open file is non-blocking.
    Forever,
}

impl Patience {
    fn flags(self) -> libc::c_int {
        match self {
            Self::Never => libc::MSG_DONTWAIT,
            Self::Forever => 0,
        }
    }
}

/// Two ends of a connection for packets; calls on them wait if they are told to.
///
/// ```
/// # #[cfg(not(target_vendor = "apple"))] {
/// use runtime_io::packet::{self, Patience};
/// use std::{io::IoSlice, os::fd::AsFd};
///
/// let (ours, theirs) = packet::pair()?;
/// let parts = [IoSlice::new(b"one "), IoSlice::new(b"packet")];
/// packet::send(ours.as_fd(), &parts, &[theirs.as_fd()], Patience::Never)?;
///
/// let (mut head, mut body) = ([0; 4], Vec::with_capacity(64));
/// let received = packet::receive(theirs.as_fd(), &mut head, &mut body, Patience::Forever)?;
/// assert_eq!((&head, &body[..]), (b"one ", &b"packet"[..]));
/// assert_eq!((received.bytes, received.descriptors.len()), (10, 1));
/// # }
/// # std::io::Result::Ok(())
/// ```
///
/// # Errors
/// `Unsupported` where the system has no such sockets (Apple's); or if no descriptors are left.
pub fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    if cfg!(target_vendor = "apple") {
        let sentence = "this system has no sockets that keep packets apart (SOCK_SEQPACKET)";
        return Err(io::Error::new(io::ErrorKind::Unsupported, sentence));
    }
    let (one, other) = Socket::pair(Domain::UNIX, Type::SEQPACKET, None)?;
    for end in [&one, &other] {
        // Others than Linux begin with a few kilobytes.
        if !cfg!(any(target_os = "linux", target_os = "android")) {
            end.set_send_buffer_size(SEND_BUFFER_BYTES)?;
            end.set_recv_buffer_size(SEND_BUFFER_BYTES)?;
        }
        socket::spare_sigpipe(end.as_fd())?;
    }
    Ok((one.into(), other.into()))
}

/// About what Linux gives to each socket. FreeBSD does not give more than 2 MiB.
const SEND_BUFFER_BYTES: usize = 200 * 1024;

/// Fails unless a descriptor is a Unix socket for packets.
///
/// # Errors
/// `InvalidInput`, or what the system says.
pub fn check(fd: BorrowedFd<'_>) -> io::Result<()> {
    let socket = SockRef::from(&fd);
    if socket.local_addr()?.domain() == Domain::UNIX && socket.r#type()? == Type::SEQPACKET {
        return Ok(());
    }
    let sentence = "this is no Unix socket for packets (SOCK_SEQPACKET)";
    Err(io::Error::new(io::ErrorKind::InvalidInput, sentence))
}

/// Ends a direction of the connection, or both, for everybody who has one of its ends.
///
/// # Errors
/// What the system says.
pub fn shutdown(socket: BorrowedFd<'_>, how: std::net::Shutdown) -> io::Result<()> {
    SockRef::from(&socket).shutdown(how)
}

/// Sends one packet, which should not be empty, as the end looks like that: all of it, or nothing.
///
/// # Errors
/// `WouldBlock`; `BrokenPipe` if the other end is gone; `EMSGSIZE` if it is longer than the system takes; `ETOOMANYREFS` if
/// too many descriptors are on their way already; and what else the system says.
pub fn send(
    socket: BorrowedFd<'_>,
    parts: &[IoSlice<'_>],
    descriptors: &[BorrowedFd<'_>],
    patience: Patience,
) -> io::Result<()> {
    match ancillary::send_parts(socket, parts, descriptors, None, patience.flags()) {
        Ok(_) => Ok(()),
        Err(error) if socket::is_full(&error) => Err(io::ErrorKind::WouldBlock.into()),
        Err(error) => Err(error),
    }
}

/// Whether a packet can be received; the end is none.
///
/// # Errors
/// What the system says.
pub fn is_there_any(socket: BorrowedFd<'_>) -> io::Result<bool> {
    match socket::peek_now(socket, &mut [0]) {
        Ok(bytes) => Ok(bytes > 0),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether a packet was refused because it is longer than the system takes.
pub fn is_too_long(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EMSGSIZE)
}

/// Whether a packet was refused because too many descriptors are on their way and nobody has received them.
pub fn are_too_many_on_their_way(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ETOOMANYREFS)
}

/// What came with a packet.
#[derive(Debug)]
#[non_exhaustive]
pub struct Received {
    /// How many bytes, those of the head included. 0 is the end.
    pub bytes: usize,
    /// The packet was longer than there was room for, and the rest of it is lost.
    pub is_cut: bool,
    /// The descriptors that came with it. They close on `exec`, and may be anything.
    pub descriptors: Vec<OwnedFd>,
    /// There were more, and this process could not open them.
    pub are_descriptors_lost: bool,
}

/// Receives one packet, or the end: the first bytes into `head`, the others into the capacity that `body` has left, behind what
/// it holds.
///
/// # Errors
/// `WouldBlock`; `ConnectionReset`, once, if the other end was closed with packets in it that nobody had received: what it had
/// sent before can be received all the same; and what else the system says.
pub fn receive(
    socket: BorrowedFd<'_>,
    head: &mut [u8],
    body: &mut Vec<u8>,
    patience: Patience,
) -> io::Result<Received> {
    let received = packet::receive(socket, head, body, patience.flags())?;
    Ok(Received {
        bytes: received.bytes,
        is_cut: received.cut,
        descriptors: received.fds,
        are_descriptors_lost: received.truncated,
    })
}

/// Puts bytes into a file without a name, in memory where the system has such files, that nobody can change any more.
///
/// ```
/// use runtime_io::packet::{load, store};
/// # use std::os::fd::AsFd;
/// let stored = store(&[b"much ", b"more"])?;
/// assert_eq!(load(stored.as_fd(), 9)?, b"much more");
/// assert!(load(stored.as_fd(), 8).is_err());
/// # std::io::Result::Ok(())
/// ```
///
/// # Errors
/// If the system has no memory or descriptors left.
pub fn store(parts: &[&[u8]]) -> io::Result<OwnedFd> {
    let mut file = anonymous::create(c"runtime-packet")?;
    for part in parts {
        file.write_all(part)?;
    }
    anonymous::seal(file.as_fd(), anonymous::CONTENT)?;
    Ok(file.into())
}

/// Reads what [`store`] has put into a file, which has to be of that length. It is never mapped, so nobody can take it away
/// meanwhile.
///
/// # Errors
/// `InvalidData` if it is no such file or not of that length, and then no memory was asked for; `OutOfMemory`; or what the
/// system says.
pub fn load(stored: BorrowedFd<'_>, len: usize) -> io::Result<Vec<u8>> {
    let refused = |what| Err(io::Error::new(io::ErrorKind::InvalidData, what));
    let status = file::status(stored)?;
    if !status.is_regular || !anonymous::is_sealed(stored, anonymous::CONTENT) {
        return refused("what came with a packet is no file of ours");
    }
    if status.size != len as u64 {
        return refused("the file that came with a packet has another length than it says");
    }
    let mut bytes = Vec::new();
    file::read_to_end(stored, &mut bytes, Some(0), len as u64)?;
    if bytes.len() != len {
        return refused("the file that came with a packet has lost bytes while it was read");
    }
    Ok(bytes)
}
