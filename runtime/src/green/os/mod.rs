//! `std::os`, as far as it waits: Unix sockets.

mod net;

/// `std::os::fd`, which waits for nothing.
pub use std::os::fd;

/// `std::os::unix`.
pub mod unix {
    /// `std::os::unix::net`, parking only the greenlet; see [`green::net`](crate::green::net).
    pub mod net {
        pub use crate::green::os::net::{
            datagram::UnixDatagram,
            listener::{Incoming, UnixListener},
            stream::UnixStream,
        };
        pub use std::os::unix::net::SocketAddr;
    }
}
