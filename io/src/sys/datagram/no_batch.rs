//! Several datagrams with one call, where the system has nothing of the kind: one after the other.

use super::{Arrival, receive, send_one};
use std::{
    io::{self, IoSliceMut},
    net::SocketAddr,
    os::fd::BorrowedFd,
};

/// Receives one datagram: an error behind it would have to be kept for the next call.
pub(crate) fn receive_many<T: From<Arrival>>(
    socket: BorrowedFd<'_>,
    bufs: &mut [IoSliceMut<'_>],
    arrivals: &mut [T],
) -> io::Result<(usize, bool)> {
    let (Some(buf), Some(arrival)) = (bufs.first_mut(), arrivals.first_mut()) else { return Ok((0, false)) };
    *arrival = receive(socket, buf)?.into();
    Ok((1, false))
}

/// Sends as many of `count` datagrams as there is room for.
pub(crate) fn send_many<'a>(
    socket: BorrowedFd<'_>,
    count: usize,
    datagram: impl Fn(usize) -> (&'a [u8], Option<SocketAddr>),
) -> io::Result<usize> {
    for number in 0..count.min(super::BATCH) {
        let (bytes, to) = datagram(number);
        match send_one(socket, bytes, to) {
            Ok(_) => {}
            Err(error) if number == 0 => return Err(error),
            // Whoever sends the rest is told, or finds that it has passed.
            Err(_) => return Ok(number),
        }
    }
    Ok(count.min(super::BATCH))
}

/// Sends bytes as datagrams of `segment` bytes each, the last perhaps shorter; gives how many bytes were taken.
pub(crate) fn send_segmented(
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    segment: usize,
    to: Option<SocketAddr>,
) -> io::Result<usize> {
    if bytes.len() <= segment {
        return send_one(socket, bytes, to);
    }
    let chunk = |number| bytes.chunks(segment).nth(number).unwrap_or_default();
    let sent = send_many(socket, bytes.chunks(segment).len(), |number| (chunk(number), to))?;
    Ok(bytes.len().min(sent * segment))
}

pub(super) fn segment_in(_control: &[u8]) -> Option<usize> {
    None
}

pub(crate) fn coalesces(_socket: BorrowedFd<'_>) -> io::Result<bool> {
    Ok(false)
}

pub(crate) fn set_coalesces(_socket: BorrowedFd<'_>, on: bool) -> io::Result<()> {
    if on { Err(io::ErrorKind::Unsupported.into()) } else { Ok(()) }
}
