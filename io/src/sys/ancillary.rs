//! Descriptors that travel beside the bytes of a Unix socket (`SCM_RIGHTS`; unix(7), cmsg(3)).

#![expect(unsafe_code, reason = "no safe crate receives descriptors")]
#![allow(clippy::unnecessary_cast, reason = "the lengths are narrower on other systems")]

use super::socket::NO_SIGNAL;
use socket2::{MsgHdr, SockRef};
use std::{
    io::{self, IoSlice},
    mem,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
};

/// More descriptors no system takes with one message (Linux: `SCM_MAX_FD`).
pub(crate) const MAX_FDS: usize = 253;

const FD_BYTES: usize = size_of::<RawFd>();

/// What came with a message.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) bytes: usize,
    pub(crate) fds: Vec<OwnedFd>,
    /// There was more than room for it, or the process could not open as many.
    pub(crate) truncated: bool,
}

/// Sends bytes, and descriptors beside the first of them.
pub(crate) fn send(socket: BorrowedFd<'_>, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<usize> {
    let control = written_control(fds);
    let bytes = [IoSlice::new(bytes)];
    let message = MsgHdr::new().with_buffers(&bytes).with_control(&control);
    SockRef::from(&socket).sendmsg(&message, NO_SIGNAL)
}

/// Receives bytes, and up to `max_fds` descriptors, or a few more: the system rounds the room for them up. None of
/// them survives `exec`.
pub(crate) fn receive(socket: BorrowedFd<'_>, buf: &mut [u8], max_fds: usize) -> io::Result<Received> {
    #[cfg(not(target_vendor = "apple"))]
    const FLAGS: libc::c_int = libc::MSG_CMSG_CLOEXEC;
    #[cfg(target_vendor = "apple")]
    const FLAGS: libc::c_int = 0;

    let mut control = vec![0_u8; control_size(max_fds.min(MAX_FDS))];
    let mut slice = libc::iovec { iov_base: buf.as_mut_ptr().cast(), iov_len: buf.len() };
    // SAFETY: all zeroes is a message without anything.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    message.msg_iov = &raw mut slice;
    message.msg_iovlen = 1;
    if !control.is_empty() {
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = control.len() as _;
    }
    // SAFETY: S1; it writes into the two buffers, which outlive the call, and no more than their lengths.
    let n = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, FLAGS) };
    let bytes = usize::try_from(n).map_err(|_| io::Error::last_os_error())?;
    let filled = (message.msg_controllen as usize).min(control.len());
    let fds = descriptors_in(&control[..filled]);
    #[cfg(target_vendor = "apple")]
    for fd in &fds {
        super::descriptor::close_on_exec(fd.as_raw_fd())?;
    }
    Ok(Received { bytes, fds, truncated: message.msg_flags & libc::MSG_CTRUNC != 0 })
}

/// Bytes of a control message with so many descriptors, and what lies behind it so that another could follow.
fn control_size(fds: usize) -> usize {
    if fds == 0 {
        return 0;
    }
    // SAFETY: it only computes.
    unsafe { libc::CMSG_SPACE((fds * FD_BYTES) as libc::c_uint) as usize }
}

/// Bytes of a control message with a payload, its header included, without what lies behind it.
fn message_size(payload: usize) -> usize {
    // SAFETY: it only computes.
    unsafe { libc::CMSG_LEN(payload as libc::c_uint) as usize }
}

/// A control message as the system wants it; nothing for no descriptors.
fn written_control(fds: &[BorrowedFd<'_>]) -> Vec<u8> {
    let mut control = vec![0; control_size(fds.len())];
    if control.is_empty() {
        return control;
    }
    // SAFETY: it is made of integers.
    let mut header: libc::cmsghdr = unsafe { mem::zeroed() };
    header.cmsg_len = message_size(fds.len() * FD_BYTES) as _;
    header.cmsg_level = libc::SOL_SOCKET;
    header.cmsg_type = libc::SCM_RIGHTS;
    // SAFETY: the room was counted for a header and more; nothing asks where it lies.
    unsafe { control.as_mut_ptr().cast::<libc::cmsghdr>().write_unaligned(header) };
    for (place, fd) in control[message_size(0)..].chunks_exact_mut(FD_BYTES).zip(fds) {
        place.copy_from_slice(&fd.as_raw_fd().to_ne_bytes());
    }
    control
}

/// Takes all descriptors out of the control messages that were received.
fn descriptors_in(mut control: &[u8]) -> Vec<OwnedFd> {
    let mut fds = Vec::new();
    while control.len() >= size_of::<libc::cmsghdr>() {
        // SAFETY: there are as many bytes, and any will do for integers.
        let header: libc::cmsghdr = unsafe { control.as_ptr().cast::<libc::cmsghdr>().read_unaligned() };
        let end = (header.cmsg_len as usize).min(control.len());
        if end < message_size(0) {
            break;
        }
        if (header.cmsg_level, header.cmsg_type) == (libc::SOL_SOCKET, libc::SCM_RIGHTS) {
            for number in control[message_size(0)..end].chunks_exact(FD_BYTES) {
                let number = RawFd::from_ne_bytes([number[0], number[1], number[2], number[3]]);
                // SAFETY: S7; the system has just opened it for us.
                fds.push(unsafe { OwnedFd::from_raw_fd(number) });
            }
        }
        // SAFETY: it only computes.
        let next = unsafe { libc::CMSG_SPACE((end - message_size(0)) as libc::c_uint) as usize };
        control = control.get(next..).unwrap_or_default();
    }
    fds
}
