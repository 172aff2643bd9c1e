//! What travels beside the bytes of a Unix socket: descriptors (`SCM_RIGHTS`), and who sent them (`SCM_CREDENTIALS`);
//! unix(7), cmsg(3).

#![expect(unsafe_code, reason = "no safe crate receives descriptors")]
#![allow(clippy::unnecessary_cast, reason = "the lengths are narrower on other systems")]

use super::{socket::NO_SIGNAL, user::Peer};
use socket2::{MsgHdr, SockAddr, SockAddrStorage, SockRef};
use std::{
    io::{self, IoSlice},
    mem,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
};

/// More descriptors no system takes with one message (Linux: `SCM_MAX_FD`).
pub(crate) const MAX_FDS: usize = 253;

const FD_BYTES: usize = size_of::<RawFd>();

/// Room for control messages that is taken from the stack: for credentials and six descriptors, or ten without.
const USUAL_CONTROL: usize = 72;

/// What came with a message.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) bytes: usize,
    /// There were more bytes than room for them, in a message that has boundaries.
    pub(crate) cut: bool,
    pub(crate) fds: Vec<OwnedFd>,
    /// There was more beside the bytes than room for it, or the process could not open as many.
    pub(crate) truncated: bool,
    /// Who sent it, if the socket was told to ask.
    pub(crate) sender: Option<Peer>,
}

/// Sends bytes, and descriptors beside the first of them; to an address, unless the socket has a peer.
pub(crate) fn send(
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    fds: &[BorrowedFd<'_>],
    to: Option<&SockAddr>,
) -> io::Result<usize> {
    send_parts(socket, &[IoSlice::new(bytes)], fds, to, 0)
}

/// [`send`] of what lies in several places, with more flags than that has.
pub(crate) fn send_parts(
    socket: BorrowedFd<'_>,
    parts: &[IoSlice<'_>],
    fds: &[BorrowedFd<'_>],
    to: Option<&SockAddr>,
    flags: libc::c_int,
) -> io::Result<usize> {
    let control = written_control(fds);
    let mut message = MsgHdr::new().with_buffers(parts);
    if let Some(to) = to {
        message = message.with_addr(to);
    }
    if !control.is_empty() {
        message = message.with_control(&control);
    }
    SockRef::from(&socket).sendmsg(&message, NO_SIGNAL | flags)
}

/// Receives bytes, and up to `max_fds` descriptors, or a few more: the system rounds the room for them up. None of
/// them survives `exec`.
pub(crate) fn receive(socket: BorrowedFd<'_>, buf: &mut [u8], max_fds: usize) -> io::Result<Received> {
    let room = control_size(max_fds.min(MAX_FDS));
    receive_into(socket, buf, room, None).map(|(received, _)| received)
}

/// [`receive`] with the sender's address, and with who that is if the socket was told to ask.
pub(crate) fn receive_message(
    socket: BorrowedFd<'_>,
    buf: &mut [u8],
    max_fds: usize,
) -> io::Result<(Received, SockAddr)> {
    let room = control_size(max_fds.min(MAX_FDS)) + credentials_size();
    let mut name = SockAddrStorage::zeroed();
    let (received, length) = receive_into(socket, buf, room, Some(&mut name))?;
    // SAFETY: the system has written an address of that length, or nothing over the zeroes.
    Ok((received, unsafe { SockAddr::new(name, length) }))
}

/// Receives a message with `room` bytes for what lies beside its bytes, and gives the length of the sender's address.
fn receive_into(
    socket: BorrowedFd<'_>,
    buf: &mut [u8],
    room: usize,
    name: Option<&mut SockAddrStorage>,
) -> io::Result<(Received, libc::socklen_t)> {
    #[cfg(not(target_vendor = "apple"))]
    const FLAGS: libc::c_int = libc::MSG_CMSG_CLOEXEC;
    #[cfg(target_vendor = "apple")]
    const FLAGS: libc::c_int = 0;

    let mut usual = [0_u8; USUAL_CONTROL];
    let mut large;
    let control = if room <= USUAL_CONTROL {
        &mut usual[..room]
    } else {
        large = vec![0_u8; room];
        &mut large[..]
    };
    let mut slice = libc::iovec { iov_base: buf.as_mut_ptr().cast(), iov_len: buf.len() };
    // SAFETY: all zeroes is a message without anything.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    let mut name_room = 0;
    if let Some(name) = name {
        name_room = name.size_of();
        message.msg_name = (&raw mut *name).cast();
        message.msg_namelen = name_room;
    }
    message.msg_iov = &raw mut slice;
    message.msg_iovlen = 1;
    if !control.is_empty() {
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = control.len() as _;
    }
    // SAFETY: S1; it writes into the buffers and the name, which outlive the call, and no more than their lengths.
    let n = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, FLAGS) };
    let bytes = usize::try_from(n).map_err(|_| io::Error::last_os_error())?;
    let filled = (message.msg_controllen as usize).min(control.len());
    let (fds, sender) = read_control(&control[..filled]);
    #[cfg(target_vendor = "apple")]
    for fd in &fds {
        super::descriptor::close_on_exec(fd.as_raw_fd())?;
    }
    let cut = message.msg_flags & libc::MSG_TRUNC != 0;
    let truncated = message.msg_flags & libc::MSG_CTRUNC != 0;
    // No longer than the room, though the system says how long the name really is.
    Ok((Received { bytes, cut, fds, truncated, sender }, message.msg_namelen.min(name_room)))
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

/// Takes all descriptors out of the control messages that were received, and who sent them.
pub(super) fn read_control(mut control: &[u8]) -> (Vec<OwnedFd>, Option<Peer>) {
    let (mut fds, mut sender) = (Vec::new(), None);
    while control.len() >= size_of::<libc::cmsghdr>() {
        // SAFETY: there are as many bytes, and any will do for integers.
        let header: libc::cmsghdr = unsafe { control.as_ptr().cast::<libc::cmsghdr>().read_unaligned() };
        let end = (header.cmsg_len as usize).min(control.len());
        if end < message_size(0) {
            break;
        }
        let payload = &control[message_size(0)..end];
        match (header.cmsg_level, header.cmsg_type) {
            (libc::SOL_SOCKET, libc::SCM_RIGHTS) => fds.extend(descriptors_in(payload)),
            // Of whoever had the socket before us.
            #[cfg(any(target_os = "linux", target_os = "android"))]
            (libc::SOL_SOCKET, SCM_PIDFD) => descriptors_in(payload).for_each(drop),
            _ => sender = sender.or(credentials_in(&header, payload)),
        }
        // SAFETY: it only computes.
        let next = unsafe { libc::CMSG_SPACE(payload.len() as libc::c_uint) as usize };
        control = control.get(next..).unwrap_or_default();
    }
    (fds, sender)
}

/// A descriptor of the process that has sent a message (`SO_PASSPIDFD`, Linux 6.5). Nobody asks for it here.
#[cfg(any(target_os = "linux", target_os = "android"))]
const SCM_PIDFD: libc::c_int = 4;

/// Takes descriptors out of a control message; one that the system could not open is an error's number, below zero.
fn descriptors_in(payload: &[u8]) -> impl Iterator<Item = OwnedFd> {
    let numbers = payload
        .chunks_exact(FD_BYTES)
        .map(|number| RawFd::from_ne_bytes([number[0], number[1], number[2], number[3]]));
    // SAFETY: S7; the system has just opened it for us.
    numbers.filter(|number| *number >= 0).map(|number| unsafe { OwnedFd::from_raw_fd(number) })
}

/// Bytes of a control message that says who has sent something.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn credentials_size() -> usize {
    // SAFETY: it only computes.
    unsafe { libc::CMSG_SPACE(size_of::<libc::ucred>() as libc::c_uint) as usize }
}

/// Reads who has sent something, if that is what the control message says.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn credentials_in(header: &libc::cmsghdr, payload: &[u8]) -> Option<Peer> {
    let is_theirs = (header.cmsg_level, header.cmsg_type) == (libc::SOL_SOCKET, libc::SCM_CREDENTIALS);
    if !is_theirs || payload.len() < size_of::<libc::ucred>() {
        return None;
    }
    // SAFETY: there are as many bytes, and any will do for integers.
    let sender: libc::ucred = unsafe { payload.as_ptr().cast::<libc::ucred>().read_unaligned() };
    Some(sender.into())
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn credentials_size() -> usize {
    0
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn credentials_in(_header: &libc::cmsghdr, _payload: &[u8]) -> Option<Peer> {
    None
}
