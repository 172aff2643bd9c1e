//! Addresses, options and groups of a UDP socket: they wait for nothing, so they work on any thread.

use super::UdpSocket;
use socket2::SockRef;
use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
};

/// Makes a getter and a setter of an option that `socket2` has.
macro_rules! option {
    ($(#[$doc:meta])* $get:ident, $set:ident: $value:ty = $inner_get:ident, $inner_set:ident) => {
        $(#[$doc])*
        ///
        /// # Errors
        /// What the system says.
        pub fn $get(&self) -> io::Result<$value> {
            SockRef::from(self).$inner_get()
        }

        #[doc = concat!("Sets [`", stringify!($get), "`](Self::", stringify!($get), ").")]
        ///
        /// # Errors
        /// What the system says.
        pub fn $set(&self, value: $value) -> io::Result<()> {
            SockRef::from(self).$inner_set(value)
        }
    };
}

impl UdpSocket {
    /// Our own address.
    ///
    /// # Errors
    /// What the system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.get_ref().local_addr()
    }

    /// The address it is connected to.
    ///
    /// # Errors
    /// `NotConnected` if it is not.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.io.get_ref().peer_addr()
    }

    /// Takes the error that the system holds for this socket, if any: what the next operation would have said.
    ///
    /// # Errors
    /// What the system says.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.io.get_ref().take_error()
    }

    option! {
        /// Whether datagrams may go to a broadcast address, to every host of a network (`SO_BROADCAST`). Off at first.
        broadcast, set_broadcast: bool = broadcast, set_broadcast
    }

    option! {
        /// How many routers a datagram to a single IPv4 host may pass (`IP_TTL`).
        ttl, set_ttl: u32 = ttl_v4, set_ttl_v4
    }

    option! {
        /// How many routers a datagram to a single IPv6 host may pass (`IPV6_UNICAST_HOPS`).
        unicast_hops_v6, set_unicast_hops_v6: u32 = unicast_hops_v6, set_unicast_hops_v6
    }

    #[cfg(not(any(target_os = "solaris", target_os = "illumos")))]
    option! {
        /// The type of service of IPv4 datagrams (`IP_TOS`).
        tos, set_tos: u32 = tos_v4, set_tos_v4
    }

    option! {
        /// Size of the kernel's buffer for datagrams not yet received, in bytes with the kernel's own expenses
        /// (`SO_RCVBUF`). What does not fit is dropped, and nobody is told. Linux doubles what is set, up to a limit
        /// (`net.core.rmem_max`).
        recv_buffer_size, set_recv_buffer_size: usize = recv_buffer_size, set_recv_buffer_size
    }

    option! {
        /// Size of the kernel's buffer for datagrams not yet on their way, in bytes (`SO_SNDBUF`). While it is full,
        /// sending waits. Linux doubles what is set, up to a limit (`net.core.wmem_max`).
        send_buffer_size, set_send_buffer_size: usize = send_buffer_size, set_send_buffer_size
    }

    option! {
        /// Whether what this host sends to an IPv4 group also reaches its own members (`IP_MULTICAST_LOOP`). On at first.
        multicast_loop_v4, set_multicast_loop_v4: bool = multicast_loop_v4, set_multicast_loop_v4
    }

    option! {
        /// Whether what this host sends to an IPv6 group also reaches its own members (`IPV6_MULTICAST_LOOP`). On at
        /// first.
        multicast_loop_v6, set_multicast_loop_v6: bool = multicast_loop_v6, set_multicast_loop_v6
    }

    option! {
        /// How many routers a datagram to an IPv4 group may pass (`IP_MULTICAST_TTL`). 1 at first: none.
        multicast_ttl_v4, set_multicast_ttl_v4: u32 = multicast_ttl_v4, set_multicast_ttl_v4
    }

    option! {
        /// How many routers a datagram to an IPv6 group may pass (`IPV6_MULTICAST_HOPS`). 1 at first: none.
        multicast_hops_v6, set_multicast_hops_v6: u32 = multicast_hops_v6, set_multicast_hops_v6
    }

    /// The address of the interface by which datagrams to IPv4 groups leave (`IP_MULTICAST_IF`);
    /// [`UNSPECIFIED`](Ipv4Addr::UNSPECIFIED) if the system chooses.
    ///
    /// # Errors
    /// What the system says.
    pub fn multicast_interface_v4(&self) -> io::Result<Ipv4Addr> {
        SockRef::from(self).multicast_if_v4()
    }

    /// Sets [`multicast_interface_v4`](Self::multicast_interface_v4).
    ///
    /// # Errors
    /// What the system says, such as `AddrNotAvailable`.
    pub fn set_multicast_interface_v4(&self, interface: Ipv4Addr) -> io::Result<()> {
        SockRef::from(self).set_multicast_if_v4(&interface)
    }

    option! {
        /// The number of the interface by which datagrams to IPv6 groups leave (`IPV6_MULTICAST_IF`); 0 if the system
        /// chooses.
        multicast_interface_v6, set_multicast_interface_v6: u32 = multicast_if_v6, set_multicast_if_v6
    }

    /// Receives what is sent to an IPv4 group from now on, by the interface with this address
    /// ([`UNSPECIFIED`](Ipv4Addr::UNSPECIFIED): the system chooses one).
    ///
    /// A socket that is bound to `0.0.0.0` receives on Linux what is sent to any group that *any* socket of this host has
    /// joined, on the same port. Bind to the group's address to get that group only.
    ///
    /// # Errors
    /// Such as `InvalidInput` if that is no group, `AddrInUse` if it was joined before, `ENODEV` if there is no such
    /// interface, or `ENOBUFS` for more groups than the system allows one socket.
    ///
    /// ```
    /// use runtime_io::net::UdpSocket;
    /// use std::net::Ipv4Addr;
    /// # let reactor = runtime_io::Reactor::new()?;
    /// # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
    /// # executor.block_on(async {
    /// let group = Ipv4Addr::new(239, 255, 41, 7);
    /// let member = UdpSocket::bind("0.0.0.0:0").await?;
    /// member.join_multicast_v4(group, Ipv4Addr::LOCALHOST)?;
    ///
    /// let speaker = UdpSocket::bind("127.0.0.1:0").await?;
    /// speaker.set_multicast_interface_v4(Ipv4Addr::LOCALHOST)?;
    /// speaker.send_to(b"to all", (group, member.local_addr()?.port())).await?;
    /// let mut buf = [0; 16];
    /// assert_eq!(member.recv(&mut buf).await?, 6);
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn join_multicast_v4(&self, group: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        self.io.get_ref().join_multicast_v4(&group, &interface)
    }

    /// Ends what [`join_multicast_v4`](Self::join_multicast_v4) began, for the same group and interface. Closing the
    /// socket does too.
    ///
    /// # Errors
    /// `AddrNotAvailable` if it was not joined.
    pub fn leave_multicast_v4(&self, group: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        self.io.get_ref().leave_multicast_v4(&group, &interface)
    }

    /// Receives what is sent to an IPv6 group from now on, by the interface with this number (0: the system chooses one).
    ///
    /// # Errors
    /// As for [`join_multicast_v4`](Self::join_multicast_v4).
    pub fn join_multicast_v6(&self, group: Ipv6Addr, interface: u32) -> io::Result<()> {
        self.io.get_ref().join_multicast_v6(&group, interface)
    }

    /// Ends what [`join_multicast_v6`](Self::join_multicast_v6) began, for the same group and interface.
    ///
    /// # Errors
    /// `AddrNotAvailable` if it was not joined.
    pub fn leave_multicast_v6(&self, group: Ipv6Addr, interface: u32) -> io::Result<()> {
        self.io.get_ref().leave_multicast_v6(&group, interface)
    }
}
