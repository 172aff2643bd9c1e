//! What differs between systems in making sockets and writing to them. No `unsafe`: `socket2` has it.

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::{
    io::{self, IoSlice},
    net::TcpStream,
};

/// A TCP socket that neither blocks nor survives `exec`.
pub(crate) fn tcp(domain: Domain) -> io::Result<Socket> {
    #[cfg(any(
        target_os = "android",
        target_os = "dragonfly",
        target_os = "freebsd",
        target_os = "illumos",
        target_os = "linux",
        target_os = "netbsd",
        target_os = "openbsd",
    ))]
    return Socket::new(domain, Type::STREAM.nonblocking(), Some(Protocol::TCP));
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
        let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    }
}

/// Keeps writes to a connection that is gone from killing the process with SIGPIPE. Elsewhere each write says so
/// itself; Apple's systems know it only as a property of the socket.
pub(crate) fn spare_sigpipe(_stream: &TcpStream) -> io::Result<()> {
    #[cfg(target_vendor = "apple")]
    SockRef::from(_stream).set_nosigpipe(true)?;
    Ok(())
}

/// `writev` would raise SIGPIPE; `sendmsg` can be told not to.
pub(crate) fn send_vectored(stream: &TcpStream, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
    #[cfg(target_vendor = "apple")]
    const FLAGS: libc::c_int = 0;
    #[cfg(not(target_vendor = "apple"))]
    const FLAGS: libc::c_int = libc::MSG_NOSIGNAL;
    // More slices than the system takes at once are an error, not a short write.
    let bufs = &bufs[..bufs.len().min(MAX_SLICES)];
    SockRef::from(stream).send_vectored_with_flags(bufs, FLAGS)
}

/// `IOV_MAX` of Linux and the BSDs; POSIX promises only 16, but no system we build for has less than this.
const MAX_SLICES: usize = 1024;

/// The error of an operation that went on in the background, such as `connect`.
pub(crate) fn is_in_progress(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EINPROGRESS | libc::EINTR))
}

/// Whether `accept` failed for want of descriptors or memory. The connection is still in the queue then.
pub(crate) fn is_exhausted(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM))
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
