//! `std::net`, parking only the greenlet.
//!
//! What is read or written is tried at once, and only what would block makes the greenlet wait, by the machinery of
//! [`runtime::net`](crate::net): with the same system calls, the same patience when the process runs out of descriptors, and in
//! a worker of a [`cluster`](crate::cluster) with the same shared listeners.
//!
//! Outside greenlets the same calls block their thread. A socket may be used on any thread, and it is cheapest on the runtime
//! where it has first waited; in the greenlets of another each wait costs a registration.
//!
//! The descriptors are non-blocking; [`TcpStream::set_nonblocking`] says how the methods here behave.

mod addresses;
mod listener;
mod stream;
mod udp;

pub use addresses::ToSocketAddrs;
pub use listener::{Incoming, TcpListener};
pub use std::net::{
    AddrParseError, IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, SocketAddrV4, SocketAddrV6,
};
pub use stream::TcpStream;
pub use udp::UdpSocket;
