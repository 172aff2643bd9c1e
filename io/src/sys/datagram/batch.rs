//! Several datagrams with one call, as Linux has it: recvmmsg(2), sendmmsg(2), `UDP_SEGMENT` and `UDP_GRO` (udp(7)).

use super::{Arrival, BATCH, Slot, send_one};
use crate::sys::socket::NO_SIGNAL;
use socket2::{MsgHdr, SockAddr, SockRef};
use std::{
    io::{self, IoSlice, IoSliceMut},
    mem::{self, MaybeUninit},
    net::SocketAddr,
    os::fd::{AsRawFd, BorrowedFd},
    ptr,
};

/// Pieces that the system makes of one send (`UDP_MAX_SEGMENTS`; later kernels take twice as many).
const MOST_SEGMENTS: usize = 64;

/// Bytes of the longest datagram over IPv4: 65,535 with both headers. What is to be divided must fit into one.
const MOST_BYTES: usize = 65_535 - 20 - 8;

/// Receives up to [`BATCH`] datagrams, each into a buffer of its own. Also tells whether nothing is left behind them.
pub(crate) fn receive_many<T: From<Arrival>>(
    socket: BorrowedFd<'_>,
    bufs: &mut [IoSliceMut<'_>],
    arrivals: &mut [T],
) -> io::Result<(usize, bool)> {
    let count = bufs.len().min(arrivals.len()).min(BATCH);
    let mut slots = [const { MaybeUninit::<Slot>::uninit() }; BATCH];
    let mut headers = [const { MaybeUninit::<libc::mmsghdr>::uninit() }; BATCH];
    // The standard library promises that an `IoSliceMut` is an `iovec`.
    let bufs = bufs.as_mut_ptr().cast::<libc::iovec>();
    for (number, (slot, header)) in slots.iter_mut().zip(&mut headers).take(count).enumerate() {
        let msg_hdr = slot.write(Slot::new()).header(bufs.wrapping_add(number));
        header.write(libc::mmsghdr { msg_hdr, msg_len: 0 });
    }
    let places = headers.as_mut_ptr().cast::<libc::mmsghdr>();
    let no_limit = ptr::null_mut();
    // SAFETY: S1; it writes into the buffers and the slots, which outlive the call, and no more than their lengths.
    let n = unsafe { libc::recvmmsg(socket.as_raw_fd(), places, count as _, 0, no_limit) };
    let received = usize::try_from(n).map_err(|_| io::Error::last_os_error())?;
    for (arrival, (slot, header)) in arrivals.iter_mut().zip(slots.iter().zip(&headers)).take(received) {
        // SAFETY: the first `count` were written above.
        let slot = unsafe { slot.assume_init_ref() };
        // SAFETY: the first `count` were written above.
        let header = unsafe { header.assume_init_ref() };
        *arrival = slot.arrival(&header.msg_hdr, header.msg_len as usize).into();
    }
    // It stops early if nothing is left, or at an error, which it keeps for the next call; whatever has come while it ran
    // makes an event.
    Ok((received, received < count))
}

/// Sends up to [`BATCH`] of `count` datagrams; gives how many were taken.
pub(crate) fn send_many<'a>(
    socket: BorrowedFd<'_>,
    count: usize,
    datagram: impl Fn(usize) -> (&'a [u8], Option<SocketAddr>),
) -> io::Result<usize> {
    let count = count.min(BATCH);
    let mut slots = [const { MaybeUninit::<(libc::iovec, SockAddr)>::uninit() }; BATCH];
    let mut headers = [const { MaybeUninit::<libc::mmsghdr>::uninit() }; BATCH];
    for (number, (slot, header)) in slots.iter_mut().zip(&mut headers).take(count).enumerate() {
        let (bytes, to) = datagram(number);
        let slice = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
        // SAFETY: all zeroes is a message without anything.
        let mut msg_hdr: libc::msghdr = unsafe { mem::zeroed() };
        let (slice, name) = slot.write((slice, to.unwrap_or(Arrival::NONE.from).into()));
        if to.is_some() {
            msg_hdr.msg_namelen = name.len();
            msg_hdr.msg_name = name.as_ptr().cast_mut().cast();
        }
        msg_hdr.msg_iov = slice;
        msg_hdr.msg_iovlen = 1;
        header.write(libc::mmsghdr { msg_hdr, msg_len: 0 });
    }
    let places = headers.as_mut_ptr().cast::<libc::mmsghdr>();
    // SAFETY: S1; it reads the bytes and the slots, which outlive the call, and writes the first `count` headers.
    let n = unsafe { libc::sendmmsg(socket.as_raw_fd(), places, count as _, NO_SIGNAL as _) };
    usize::try_from(n).map_err(|_| io::Error::last_os_error())
}

/// Sends bytes as datagrams of `segment` bytes each, the last perhaps shorter; gives how many bytes were taken: all, or
/// those of whole datagrams.
pub(crate) fn send_segmented(
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    segment: usize,
    to: Option<SocketAddr>,
) -> io::Result<usize> {
    let segments = (MOST_BYTES / segment).clamp(1, MOST_SEGMENTS);
    let bytes = &bytes[..bytes.len().min(segments * segment)];
    if bytes.len() <= segment {
        return send_one(socket, bytes, to);
    }
    match send_divided(socket, bytes, segment, to) {
        Err(error) if is_not_divided(&error) => {
            let datagrams = bytes.chunks(segment);
            let chunk = |number| bytes.chunks(segment).nth(number).unwrap_or_default();
            let sent = send_many(socket, datagrams.len(), |number| (chunk(number), to))?;
            Ok(bytes.len().min(sent * segment))
        }
        done => done,
    }
}

/// Has the system, or the device itself, divide the bytes.
fn send_divided(
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    segment: usize,
    to: Option<SocketAddr>,
) -> io::Result<usize> {
    let control = segment_message(segment)?;
    let to = to.map(SockAddr::from);
    let bytes = [IoSlice::new(bytes)];
    let mut message = MsgHdr::new().with_buffers(&bytes).with_control(&control);
    if let Some(to) = &to {
        message = message.with_addr(to);
    }
    SockRef::from(&socket).sendmsg(&message, NO_SIGNAL)
}

/// Whether the kernel or the device cannot divide, or the pieces are longer than the network takes and would have to be
/// divided once more: datagrams sent one by one are.
fn is_not_divided(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EINVAL | libc::EIO | libc::EOPNOTSUPP | libc::ENOPROTOOPT | libc::EMSGSIZE)
    )
}

/// A control message with the length of the pieces.
fn segment_message(segment: usize) -> io::Result<[u8; CONTROL_BYTES]> {
    let segment = u16::try_from(segment).map_err(|_| io::Error::from_raw_os_error(libc::EMSGSIZE))?;
    let mut control = [0; CONTROL_BYTES];
    // SAFETY: it is made of integers.
    let mut header: libc::cmsghdr = unsafe { mem::zeroed() };
    header.cmsg_len = PAYLOAD_AT + size_of::<u16>();
    header.cmsg_level = libc::SOL_UDP;
    header.cmsg_type = libc::UDP_SEGMENT;
    // SAFETY: there is room for a header; nothing asks where it lies.
    unsafe { control.as_mut_ptr().cast::<libc::cmsghdr>().write_unaligned(header) };
    control[PAYLOAD_AT..][..size_of::<u16>()].copy_from_slice(&segment.to_ne_bytes());
    Ok(control)
}

/// Where a control message has its payload. Headers are aligned as a `size_t`, and end so.
// SAFETY: it only computes.
const PAYLOAD_AT: usize = unsafe { libc::CMSG_LEN(0) } as usize;

/// A control message with a short number.
// SAFETY: it only computes.
const CONTROL_BYTES: usize = unsafe { libc::CMSG_SPACE(size_of::<u16>() as libc::c_uint) } as usize;

/// How long each of several datagrams is that came as one, if the control messages say so.
pub(super) fn segment_in(mut control: &[u8]) -> Option<usize> {
    while control.len() >= size_of::<libc::cmsghdr>() {
        // SAFETY: there are as many bytes, and any will do for integers.
        let header: libc::cmsghdr = unsafe { control.as_ptr().cast::<libc::cmsghdr>().read_unaligned() };
        let payload = control.get(PAYLOAD_AT..header.cmsg_len)?;
        if (header.cmsg_level, header.cmsg_type) == (libc::SOL_UDP, libc::UDP_GRO) {
            let segment =
                libc::c_int::from_ne_bytes(payload.get(..size_of::<libc::c_int>())?.try_into().ok()?);
            return usize::try_from(segment).ok().filter(|segment| *segment > 0);
        }
        // SAFETY: it only computes.
        let next = unsafe { libc::CMSG_SPACE(payload.len() as libc::c_uint) } as usize;
        control = control.get(next..)?;
    }
    None
}

/// Whether datagrams of one sender may be handed over several at once.
pub(crate) fn coalesces(socket: BorrowedFd<'_>) -> io::Result<bool> {
    let mut on: libc::c_int = 0;
    let mut length = size_of::<libc::c_int>() as libc::socklen_t;
    let (number, place) = (socket.as_raw_fd(), (&raw mut on).cast());
    // SAFETY: S1; it writes an integer of that length.
    let done = unsafe { libc::getsockopt(number, libc::SOL_UDP, libc::UDP_GRO, place, &raw mut length) };
    if done == 0 { Ok(on != 0) } else { Err(io::Error::last_os_error()) }
}

/// Lets datagrams of one sender be handed over several at once, or not any more.
pub(crate) fn set_coalesces(socket: BorrowedFd<'_>, on: bool) -> io::Result<()> {
    let on = libc::c_int::from(on);
    let length = size_of::<libc::c_int>() as libc::socklen_t;
    let (number, place) = (socket.as_raw_fd(), (&raw const on).cast());
    // SAFETY: S1; it reads an integer of that length.
    let done = unsafe { libc::setsockopt(number, libc::SOL_UDP, libc::UDP_GRO, place, length) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
