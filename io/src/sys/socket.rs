//! What differs between systems in making sockets, writing to them and looking into them.

use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};
use std::{
    io::{self, IoSlice, IoSliceMut},
    mem,
    net::SocketAddr,
    ops::{Deref, Range},
    os::fd::{AsRawFd, BorrowedFd},
    ptr,
    time::Duration,
};

/// A flag of every write: to a connection that is gone it is an error, never a signal. Apple's systems know it only as a
/// property of the socket; see [`spare_sigpipe`].
#[cfg(target_vendor = "apple")]
pub(crate) const NO_SIGNAL: libc::c_int = 0;
/// A flag of every write: to a connection that is gone it is an error, never a signal.
#[cfg(not(target_vendor = "apple"))]
pub(crate) const NO_SIGNAL: libc::c_int = libc::MSG_NOSIGNAL;

/// Connections the kernel keeps for `accept` while we are busy. More are told to try again; the system's own limit
/// (`net.core.somaxconn` on Linux, often 4096) applies too.
pub(crate) const BACKLOG: i32 = 1024;

/// A TCP socket that neither blocks nor survives `exec`.
pub(crate) fn tcp(domain: Domain) -> io::Result<Socket> {
    open(domain, Type::STREAM, Some(Protocol::TCP))
}

/// A UDP socket at an address, which neither blocks nor survives `exec`.
pub(crate) fn bound_datagram(address: SocketAddr) -> io::Result<Socket> {
    let socket = open(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// A Unix socket that neither blocks nor survives `exec`.
pub(crate) fn unix(kind: Type) -> io::Result<Socket> {
    open(Domain::UNIX, kind, None)
}

/// Two Unix sockets that are each other's peers, and neither block nor survive `exec`.
pub(crate) fn unix_pair(kind: Type) -> io::Result<(Socket, Socket)> {
    let (one, other) = Socket::pair(Domain::UNIX, kind, None)?;
    one.set_nonblocking(true)?;
    other.set_nonblocking(true)?;
    Ok((one, other))
}

fn open(domain: Domain, kind: Type, protocol: Option<Protocol>) -> io::Result<Socket> {
    #[cfg(any(
        target_os = "android",
        target_os = "dragonfly",
        target_os = "freebsd",
        target_os = "illumos",
        target_os = "linux",
        target_os = "netbsd",
        target_os = "openbsd",
    ))]
    return Socket::new(domain, kind.nonblocking(), protocol);
    #[cfg(not(any(
        target_os = "android",
        target_os = "dragonfly",
        target_os = "freebsd",
        target_os = "illumos",
        target_os = "linux",
        target_os = "netbsd",
        target_os = "openbsd",
    )))]
    {
        let socket = Socket::new(domain, kind, protocol)?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    }
}

/// Keeps writes to a connection that is gone from killing the process with SIGPIPE where [`NO_SIGNAL`] cannot.
pub(crate) fn spare_sigpipe(_socket: BorrowedFd<'_>) -> io::Result<()> {
    #[cfg(target_vendor = "apple")]
    SockRef::from(&_socket).set_nosigpipe(true)?;
    Ok(())
}

/// Closing it sends a reset, and keeps nothing of what was not sent. A kind of socket that knows no such thing is closed as
/// ever.
pub(crate) fn reset_when_closed(socket: BorrowedFd<'_>) {
    let _ = SockRef::from(&socket).set_linger(Some(Duration::ZERO));
}

/// `writev` would raise SIGPIPE; `sendmsg` can be told not to. A few bytes in several places, such as the head and the body of
/// a small HTTP response, are put together here: to describe them to the system takes longer than to copy them.
pub(crate) fn send_vectored(socket: BorrowedFd<'_>, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
    let bufs = &bufs[at_once(bufs)];
    let socket = SockRef::from(&socket);
    let mut room = [mem::MaybeUninit::uninit(); FEW_BYTES];
    match put_together(bufs, &mut room) {
        Some(bytes) => socket.send_with_flags(bytes, NO_SIGNAL),
        None => socket.send_vectored_with_flags(bufs, NO_SIGNAL),
    }
}

/// What is rather copied than described: up to here one `send` took 1 to 3 % less than `sendmsg` on Linux, all that the
/// system does for it included.
const FEW_BYTES: usize = 2048;

/// The bytes of all the slices, one behind the other; `None` if they are more than there is room for.
#[expect(unsafe_code, reason = "the room is not zeroed first")]
fn put_together<'a>(bufs: &[IoSlice<'_>], room: &'a mut [mem::MaybeUninit<u8>]) -> Option<&'a [u8]> {
    let mut length = 0;
    for buf in bufs {
        length += buf.len();
        if length > room.len() {
            return None;
        }
    }
    let room = &mut room[..length];
    let mut rest = &mut *room;
    for buf in bufs {
        let (here, behind) = rest.split_at_mut(buf.len());
        // SAFETY: what is initialized may be taken for what need not be.
        here.copy_from_slice(unsafe { &*(ptr::from_ref::<[u8]>(buf) as *const [mem::MaybeUninit<u8>]) });
        rest = behind;
    }
    // SAFETY: the slices are as long as the room together, and all of them were copied into it.
    Some(unsafe { &*(ptr::from_ref(room) as *const [u8]) })
}

/// `IOV_MAX` of Linux and the BSDs; POSIX promises only 16, but no system we build for has less than this.
const MAX_SLICES: usize = 1024;

/// Which of many slices go in one call. More than the system takes are an error there, not a short write or read; and if all that
/// it takes were empty, nothing would be written or read, which is said of a peer that takes no more, or has ended.
pub(crate) fn at_once(bufs: &[impl Deref<Target = [u8]>]) -> Range<usize> {
    let first = bufs.iter().position(|buf| !buf.is_empty()).unwrap_or(0);
    first..bufs.len().min(first + MAX_SLICES)
}

/// Reads from a Unix socket, and says whether nothing was in the way of more. A read ends behind bytes that have descriptors
/// beside them, and, where the receiver wants to know who has written what, between two writers. On Linux it is told then
/// that something was beside the bytes, as we have no room for it: `MSG_CTRUNC`. A plain `recv` would save nothing, and
/// cost one more to find out that nothing is left.
#[expect(unsafe_code, reason = "slices are the system's")]
pub(crate) fn receive(socket: BorrowedFd<'_>, bufs: &mut [IoSliceMut<'_>]) -> io::Result<(usize, bool)> {
    let taken = at_once(bufs);
    let bufs = &mut bufs[taken];
    // SAFETY: these are buffers, borrowed for the call, in the layout of `iovec`.
    unsafe { receive_into(socket, bufs.as_mut_ptr().cast(), bufs.len()) }
}

/// [`receive`] into memory that nobody has written yet.
#[cfg(any(feature = "hyper", feature = "tokio-io"))]
#[expect(unsafe_code, reason = "slices are the system's")]
pub(crate) fn receive_uninit(
    socket: BorrowedFd<'_>,
    buf: &mut [mem::MaybeUninit<u8>],
) -> io::Result<(usize, bool)> {
    let mut slice = libc::iovec { iov_base: buf.as_mut_ptr().cast(), iov_len: buf.len() };
    // SAFETY: this is one buffer, borrowed for the call.
    unsafe { receive_into(socket, &raw mut slice, 1) }
}

/// # Safety
/// There are so many slices, each of memory that may be written for as long as the call takes.
#[expect(unsafe_code, reason = "socket2 hides the flag")]
unsafe fn receive_into(
    socket: BorrowedFd<'_>,
    slices: *mut libc::iovec,
    count: usize,
) -> io::Result<(usize, bool)> {
    // SAFETY: all zeroes is a message without anything.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    message.msg_iov = slices;
    message.msg_iovlen = count as _;
    // SAFETY: S1; it writes into the slices, as the caller allows, and no more than their lengths.
    let n = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, 0) };
    let bytes = usize::try_from(n).map_err(|_| io::Error::last_os_error())?;
    Ok((bytes, message.msg_flags & libc::MSG_CTRUNC == 0))
}

/// Reads what has arrived and leaves it there.
pub(crate) fn peek(socket: BorrowedFd<'_>, buf: &mut [u8]) -> io::Result<usize> {
    recv(socket, buf, libc::MSG_PEEK)
}

/// [`peek`] that does not wait, whatever the flags of the open file say.
pub(crate) fn peek_now(socket: BorrowedFd<'_>, buf: &mut [u8]) -> io::Result<usize> {
    recv(socket, buf, libc::MSG_PEEK | libc::MSG_DONTWAIT)
}

/// Reads what has arrived, and does not wait, whatever the flags of the open file say.
pub(crate) fn recv_now(socket: BorrowedFd<'_>, buf: &mut [u8]) -> io::Result<usize> {
    recv(socket, buf, libc::MSG_DONTWAIT)
}

#[expect(unsafe_code, reason = "std has no flags for it")]
fn recv(socket: BorrowedFd<'_>, buf: &mut [u8], flags: libc::c_int) -> io::Result<usize> {
    // SAFETY: S1; it writes into the buffer, and no more than its length.
    let n = unsafe { libc::recv(socket.as_raw_fd(), buf.as_mut_ptr().cast(), buf.len(), flags) };
    usize::try_from(n).map_err(|_| io::Error::last_os_error())
}

/// Whether a message was refused because the receiver has no room, or not we, and it may have some later: Linux says
/// `EAGAIN`, the BSDs say `ENOBUFS` of somebody else's queue.
pub(crate) fn is_full(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
        || !EDGES_FOR_ROOM && error.raw_os_error() == Some(libc::ENOBUFS)
}

/// Whether the system tells who is connected to a receiver of messages when that has room again.
pub(crate) const EDGES_FOR_ROOM: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// Writes what there is room for, and does not wait, whatever the flags of the open file say.
pub(crate) fn send_now(socket: BorrowedFd<'_>, buf: &[u8]) -> io::Result<usize> {
    spare_sigpipe(socket)?;
    SockRef::from(&socket).send_with_flags(buf, NO_SIGNAL | libc::MSG_DONTWAIT)
}

/// The address at which a socket listens for streams. An error says why it does not.
pub(crate) fn listening_at(socket: BorrowedFd<'_>) -> io::Result<SockAddr> {
    let refused = |what: &str| Err(io::Error::new(io::ErrorKind::InvalidData, what));
    let socket = SockRef::from(&socket);
    match socket.r#type() {
        Ok(kind) if kind == Type::STREAM => {}
        Ok(_) => return refused("the socket is not one for streams"),
        Err(error) if error.raw_os_error() == Some(libc::ENOTSOCK) => return refused("it is no socket"),
        Err(error) => return Err(error),
    }
    #[cfg(any(target_os = "android", target_os = "freebsd", target_os = "linux"))]
    if !socket.is_listener()? {
        return refused("the socket does not listen");
    }
    socket.local_addr()
}

/// The error of an operation that went on in the background, such as `connect`.
pub(crate) fn is_in_progress(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EINPROGRESS | libc::EINTR))
}

/// Whether `accept` failed for want of descriptors or memory. The connection is still in the queue then.
pub(crate) fn is_exhausted(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM))
}

/// Whether the system had no memory for a message. Nothing was sent or taken then.
pub(crate) fn is_short_of_memory(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOBUFS | libc::ENOMEM))
}

/// Whether `accept` failed because this is no listener, or none any more.
pub(crate) fn is_no_listener(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EBADF | libc::EINVAL | libc::ENOTSOCK | libc::EOPNOTSUPP))
}

/// Whether `accept` failed for one connection that is gone, and the next may be fine. Linux hands errors of the
/// network that were pending on the new socket to whoever accepts it (accept(2), "Error handling").
pub(crate) fn is_one_connections_fault(error: &io::Error) -> bool {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if error.raw_os_error() == Some(libc::ENONET) {
        return true;
    }
    match error.raw_os_error() {
        Some(
            libc::ECONNABORTED
            | libc::ECONNRESET
            | libc::EPROTO
            | libc::EPERM
            | libc::ENETDOWN
            | libc::ENOPROTOOPT
            | libc::EHOSTDOWN
            | libc::EHOSTUNREACH
            | libc::ENETUNREACH,
        ) => true,
        Some(_) => false,
        // BSDs give a socket without an address when the peer has reset it already; mio refuses that address.
        None => error.kind() == io::ErrorKind::InvalidInput,
    }
}
