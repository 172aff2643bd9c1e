//! Datagrams, in blocking style.

use super::addresses::ToSocketAddrs;
use crate::{
    green::{
        options::{as_std, descriptor, into_descriptor, limits},
        parked::{Manner, Side, duplicate, parked},
    },
    net,
};
use std::{
    fmt, io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd},
};

/// [`std::net::UdpSocket`], parking only the greenlet.
///
/// ```
/// use runtime::green::net::UdpSocket;
///
/// #[runtime::main]
/// fn main() -> std::io::Result<()> {
///     let server = UdpSocket::bind("127.0.0.1:0")?;
///     let client = UdpSocket::bind("127.0.0.1:0")?;
///     client.send_to(b"ping", server.local_addr()?)?;
///     let mut buffer = [0; 1500];
///     let (n, peer) = server.recv_from(&mut buffer)?;
///     assert_eq!((&buffer[..n], peer), (&b"ping"[..], client.local_addr()?));
///     Ok(())
/// }
/// ```
pub struct UdpSocket {
    socket: net::UdpSocket,
    manner: Manner,
}

impl UdpSocket {
    /// Opens a socket at the first address of `addr` that is free.
    ///
    /// # Errors
    /// If a name cannot be resolved, or of the last address tried, such as `AddrInUse`.
    #[track_caller]
    pub fn bind<A: ToSocketAddrs>(addr: A) -> io::Result<Self> {
        let addresses = addr.to_socket_addrs()?.collect::<Vec<_>>();
        Self::from_std(std::net::UdpSocket::bind(&*addresses)?)
    }

    /// Wraps a socket of the standard library, with its timeouts, and makes it non-blocking for everybody who shares it.
    ///
    /// # Errors
    /// If the system refuses that.
    pub fn from_std(socket: std::net::UdpSocket) -> io::Result<Self> {
        let manner = Manner::default();
        manner.set_limit(Side::Read, socket.read_timeout()?)?;
        manner.set_limit(Side::Write, socket.write_timeout()?)?;
        Ok(Self { socket: net::UdpSocket::from_std(socket)?, manner })
    }

    /// Takes the socket out. It is non-blocking still.
    pub fn into_std(self) -> std::net::UdpSocket {
        self.socket.into_std()
    }

    /// Another handle to the same socket, with the same timeouts. Each has a descriptor.
    ///
    /// # Errors
    /// If the process has no descriptor left.
    pub fn try_clone(&self) -> io::Result<Self> {
        let socket = net::UdpSocket::from_std(duplicate(&self.socket)?)?;
        Ok(Self { socket, manner: self.manner.share() })
    }

    fn std(&self) -> &std::net::UdpSocket {
        self.socket.as_async_fd().get_ref()
    }

    /// Settles on one peer, the first address of `addr` that there is a way to.
    ///
    /// # Errors
    /// If a name cannot be resolved, or of the last address tried.
    #[track_caller]
    pub fn connect<A: ToSocketAddrs>(&self, addr: A) -> io::Result<()> {
        let addresses = addr.to_socket_addrs()?.collect::<Vec<_>>();
        self.std().connect(&*addresses)
    }

    /// Receives a datagram, and tells from whom.
    ///
    /// # Errors
    /// What the system says, such as `ConnectionRefused` of an earlier datagram.
    #[track_caller]
    pub fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        parked!(self, Read, self.socket.recv_from(buf), self.std().recv_from(buf))
    }

    /// [`recv_from`](Self::recv_from) that leaves the datagram where it is.
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn peek_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        parked!(self, Read, self.socket.peek_from(buf), self.std().peek_from(buf))
    }

    /// Receives a datagram from the peer that this is [`connect`](Self::connect)ed to, or from anybody.
    ///
    /// # Errors
    /// As for [`recv_from`](Self::recv_from).
    #[track_caller]
    pub fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        parked!(self, Read, self.socket.recv(buf), self.std().recv(buf))
    }

    /// [`recv`](Self::recv) that leaves the datagram where it is.
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        parked!(self, Read, self.socket.peek(buf), self.std().peek(buf))
    }

    /// Sends a datagram to the first address of `addr`.
    ///
    /// # Errors
    /// If a name cannot be resolved, or what the system says.
    #[track_caller]
    pub fn send_to<A: ToSocketAddrs>(&self, buf: &[u8], addr: A) -> io::Result<usize> {
        let Some(to) = addr.to_socket_addrs()?.next() else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "there is no address to send to"));
        };
        parked!(self, Write, self.socket.send_to(buf, to), self.std().send_to(buf, to))
    }

    /// Sends a datagram to the peer that this is [`connect`](Self::connect)ed to.
    ///
    /// # Errors
    /// What the system says, such as `ConnectionRefused` of an earlier datagram.
    #[track_caller]
    pub fn send(&self, buf: &[u8]) -> io::Result<usize> {
        parked!(self, Write, self.socket.send(buf), self.std().send(buf))
    }
}

limits!(UdpSocket);
as_std! {
    UdpSocket, std::net::UdpSocket, |self| self.std();
    fn peer_addr() -> SocketAddr;
    fn local_addr() -> SocketAddr;
    fn broadcast() -> bool;
    fn set_broadcast(broadcast: bool) -> ();
    fn multicast_loop_v4() -> bool;
    fn set_multicast_loop_v4(looped: bool) -> ();
    fn multicast_ttl_v4() -> u32;
    fn set_multicast_ttl_v4(ttl: u32) -> ();
    fn multicast_loop_v6() -> bool;
    fn set_multicast_loop_v6(looped: bool) -> ();
    fn join_multicast_v4(group: &Ipv4Addr, interface: &Ipv4Addr) -> ();
    fn join_multicast_v6(group: &Ipv6Addr, interface: u32) -> ();
    fn leave_multicast_v4(group: &Ipv4Addr, interface: &Ipv4Addr) -> ();
    fn leave_multicast_v6(group: &Ipv6Addr, interface: u32) -> ();
    fn ttl() -> u32;
    fn set_ttl(ttl: u32) -> ();
    fn take_error() -> Option<io::Error>;
}
descriptor!(UdpSocket, std::net::UdpSocket, |self| self.socket);
into_descriptor!(UdpSocket);

impl From<net::UdpSocket> for UdpSocket {
    fn from(socket: net::UdpSocket) -> Self {
        Self { socket, manner: Manner::default() }
    }
}

impl From<UdpSocket> for net::UdpSocket {
    fn from(socket: UdpSocket) -> Self {
        socket.socket
    }
}
