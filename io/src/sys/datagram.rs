//! Datagrams with what the system says beside them: whether one was cut, and how several came as one (udp(7)).

#![expect(unsafe_code, reason = "no safe crate tells what comes beside a datagram")]
#![allow(clippy::unnecessary_cast, reason = "the lengths are narrower on other systems")]

use super::socket::NO_SIGNAL;
use socket2::{SockAddr, SockRef};
use std::{
    io, mem,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, SocketAddrV6},
    os::fd::{AsRawFd, BorrowedFd},
    ptr,
};

#[cfg(all(target_os = "linux", any(target_env = "gnu", target_env = "musl")))]
mod batch;
#[cfg(not(all(target_os = "linux", any(target_env = "gnu", target_env = "musl"))))]
#[path = "datagram/no_batch.rs"]
mod batch;

pub(crate) use batch::{coalesces, receive_many, send_many, send_segmented, set_coalesces};

/// Datagrams that one system call takes or gives: a kibibyte or two of stack for each eight, and behind so many the
/// expense of the call no longer shows.
pub(crate) const BATCH: usize = 32;

/// What is known of a datagram that has arrived.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Arrival {
    pub(crate) len: usize,
    pub(crate) from: SocketAddr,
    /// It was longer than the buffer.
    pub(crate) is_cut: bool,
    /// Several came as one, each but the last so long.
    pub(crate) segment: Option<usize>,
}

impl Arrival {
    pub(crate) const NONE: Self = Self {
        len: 0,
        from: SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0)),
        is_cut: false,
        segment: None,
    };
}

/// Where the system writes what it says beside a datagram.
#[repr(C)]
struct Slot {
    /// The longer of the two kinds of address.
    name: libc::sockaddr_in6,
    /// For the length of a segment, and whatever else the socket was told to say.
    control: Control,
}

/// Aligned as the headers of control messages are.
#[repr(C, align(8))]
struct Control([u8; 128]);

impl Slot {
    fn new() -> Self {
        Self {
            // SAFETY: it is made of integers.
            name: unsafe { mem::zeroed() },
            control: Control([0; 128]),
        }
    }

    /// What `recvmsg` is given. It points into the slot and to the buffer, which both must outlive the call.
    fn header(&mut self, buf: *mut libc::iovec) -> libc::msghdr {
        // SAFETY: all zeroes is a message without anything.
        let mut header: libc::msghdr = unsafe { mem::zeroed() };
        header.msg_name = (&raw mut self.name).cast();
        header.msg_namelen = size_of::<libc::sockaddr_in6>() as _;
        header.msg_iov = buf;
        header.msg_iovlen = 1;
        header.msg_control = (&raw mut self.control).cast();
        header.msg_controllen = size_of::<Control>() as _;
        header
    }

    /// Reads what the system has written.
    fn arrival(&self, header: &libc::msghdr, len: usize) -> Arrival {
        let control = &self.control.0[..(header.msg_controllen as usize).min(self.control.0.len())];
        Arrival {
            len,
            from: self.address(),
            is_cut: header.msg_flags & libc::MSG_TRUNC != 0,
            segment: if control.is_empty() { None } else { batch::segment_in(control) },
        }
    }

    /// Who has sent it; nobody if the system does not say, as of a socket that was shut down.
    fn address(&self) -> SocketAddr {
        let name = &self.name;
        match libc::c_int::from(name.sin6_family) {
            libc::AF_INET6 => SocketAddrV6::new(
                name.sin6_addr.s6_addr.into(),
                u16::from_be(name.sin6_port),
                name.sin6_flowinfo,
                name.sin6_scope_id,
            )
            .into(),
            libc::AF_INET => {
                // SAFETY: it is shorter, needs no other alignment, and is made of integers.
                let name: libc::sockaddr_in =
                    unsafe { ptr::from_ref(name).cast::<libc::sockaddr_in>().read() };
                let address = Ipv4Addr::from(name.sin_addr.s_addr.to_ne_bytes());
                SocketAddrV4::new(address, u16::from_be(name.sin_port)).into()
            }
            _ => Arrival::NONE.from,
        }
    }
}

/// Receives one datagram, and what the system says of it.
pub(crate) fn receive(socket: BorrowedFd<'_>, buf: &mut [u8]) -> io::Result<Arrival> {
    let mut slot = Slot::new();
    let mut buf = libc::iovec { iov_base: buf.as_mut_ptr().cast(), iov_len: buf.len() };
    let mut header = slot.header(&raw mut buf);
    // SAFETY: S1; it writes into the buffer and the slot, which outlive the call, and no more than their lengths.
    let n = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut header, 0) };
    let len = usize::try_from(n).map_err(|_| io::Error::last_os_error())?;
    Ok(slot.arrival(&header, len))
}

/// Sends one datagram, to an address unless the socket has a peer.
fn send_one(socket: BorrowedFd<'_>, bytes: &[u8], to: Option<SocketAddr>) -> io::Result<usize> {
    let socket = SockRef::from(&socket);
    match to {
        Some(to) => socket.send_to_with_flags(bytes, &SockAddr::from(to), NO_SIGNAL),
        None => socket.send_with_flags(bytes, NO_SIGNAL),
    }
}
