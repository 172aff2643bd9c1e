//! Packets of Unix sockets, received into room that nobody has to fill first.

#![expect(unsafe_code, reason = "no safe crate receives descriptors, or into memory that holds nothing")]
#![allow(clippy::unnecessary_cast, reason = "the lengths are narrower on other systems")]

use super::ancillary::{Received, read_control};
use std::{
    io,
    mem::{self, MaybeUninit},
    os::fd::{AsRawFd, BorrowedFd},
    slice,
};

/// Room for control messages: for 253 descriptors, more of which no system takes (`SCM_MAX_FD`), and for credentials, should
/// the socket ask for them.
const CONTROL: usize = 1088;

/// Receives a packet: its first bytes into `head`, the others into the capacity that `body` has left, behind what it holds.
/// Whether it waits for one is said by `flags` and by the open file. What it gives counts the bytes of both.
pub(crate) fn receive(
    socket: BorrowedFd<'_>,
    head: &mut [u8],
    body: &mut Vec<u8>,
    flags: libc::c_int,
) -> io::Result<Received> {
    #[cfg(not(target_vendor = "apple"))]
    const CLOSED_ON_EXEC: libc::c_int = libc::MSG_CMSG_CLOEXEC;
    #[cfg(target_vendor = "apple")]
    const CLOSED_ON_EXEC: libc::c_int = 0;

    /// Control messages begin where a `cmsghdr` may lie.
    #[repr(align(16))]
    struct Control([MaybeUninit<u8>; CONTROL]);
    let mut control = Control([MaybeUninit::uninit(); CONTROL]);
    let spare = body.spare_capacity_mut();
    let mut slices = [
        libc::iovec { iov_base: head.as_mut_ptr().cast(), iov_len: head.len() },
        libc::iovec { iov_base: spare.as_mut_ptr().cast(), iov_len: spare.len() },
    ];
    // SAFETY: all zeroes is a message without anything.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    message.msg_iov = slices.as_mut_ptr();
    message.msg_iovlen = slices.len() as _;
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = CONTROL as _;
    // SAFETY: S1; it writes into the head, the spare capacity and the room for control, which outlive the call, and no more
    // than their lengths.
    let n = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, CLOSED_ON_EXEC | flags) };
    let bytes = usize::try_from(n).map_err(|_| io::Error::last_os_error())?;
    let filled = (message.msg_controllen as usize).min(CONTROL);
    // SAFETY: so many bytes of it were just written.
    let control: &[u8] = unsafe { slice::from_raw_parts(control.0.as_ptr().cast(), filled) };
    let (fds, sender) = read_control(control);
    #[cfg(target_vendor = "apple")]
    for fd in &fds {
        super::descriptor::close_on_exec(fd.as_raw_fd())?;
    }
    let behind = body.len() + bytes.saturating_sub(head.len());
    // SAFETY: so many bytes behind the former length were just written.
    unsafe { body.set_len(behind) };
    let cut = message.msg_flags & libc::MSG_TRUNC != 0;
    let truncated = message.msg_flags & libc::MSG_CTRUNC != 0;
    Ok(Received { bytes, cut, fds, truncated, sender })
}
