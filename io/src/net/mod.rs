//! Sockets.
//!
//! Everything here tries the system call first and waits only if it would block; a socket is registered with the
//! reactor at its first wait. So an accepted or new socket may be moved to another thread and used on that thread's
//! runtime, if it is handed over before its first use; afterwards it belongs to the runtime that used it, and
//! `into_std` and `from_std` take it across.

mod acceptor;
mod addr;
mod attempts;
mod connect;
pub(crate) mod connection;
mod forward;
pub mod inherited;
mod linger;
mod lookup;
mod opened;
mod passing;
mod server;
pub mod share;
mod split;
mod tcp_listener;
mod tcp_options;
mod tcp_socket;
mod tcp_stream;
mod traits;
mod udp_socket;
mod unix_connect;
mod unix_datagram;
mod unix_listener;
mod unix_messages;
mod unix_path;
mod unix_seqpacket;
mod unix_seqpacket_listener;
mod unix_stream;

pub use acceptor::Incoming;
pub use addr::ToSocketAddrs;
pub use attempts::{CONNECT_STAGGER, MAX_CONNECT_ATTEMPTS};
pub use connection::ByteStream;
pub(crate) use connection::{Connection, Transport};
pub use linger::{GRACEFUL_CLOSE_BYTES, GRACEFUL_CLOSE_TIME};
pub use lookup::{Addresses, lookup_host};
pub use passing::DescriptorsLost;
pub use server::{Deadlines, Drained, Listener, Outcome, Overdue, Server, ServerStats, Straggler};
pub use split::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf};
pub use std::net::Shutdown;
pub use tcp_listener::TcpListener;
pub use tcp_socket::TcpSocket;
pub use tcp_stream::TcpStream;
pub use udp_socket::{Datagram, UdpSocket};
pub use unix_datagram::UnixDatagram;
pub use unix_listener::UnixListener;
pub use unix_messages::UnixMessage;
pub use unix_seqpacket::{PacketTruncated, UnixSeqpacket};
pub use unix_seqpacket_listener::UnixSeqpacketListener;
pub use unix_stream::{Credentials, UnixStream};
