//! What a server asks of a listener, so that one server serves TCP and Unix sockets alike.

use super::super::{
    connection::ByteStream, tcp_listener::TcpListener, tcp_stream::TcpStream, unix_listener::UnixListener,
    unix_stream::UnixStream,
};
use crate::pulse::Pulse;
use std::{
    fmt::{self, Write},
    future::Future,
    io,
    net::SocketAddr,
    os::unix::net::SocketAddr as UnixAddr,
    sync::Arc,
};

/// What a [`Server`](super::Server) can accept from. Sealed: the listeners of this module are all there are.
pub trait Listener: sealed::Accept {
    /// A connection.
    type Stream: ByteStream;
    /// Whom it is with.
    type Peer: Clone + fmt::Debug + 'static;
}

impl Listener for TcpListener {
    type Stream = TcpStream;
    type Peer = SocketAddr;
}

impl Listener for UnixListener {
    type Stream = UnixStream;
    type Peer = UnixAddr;
}

pub(super) mod sealed {
    use super::*;

    /// One connection with the address of its peer.
    pub(crate) type Accepted<L> = io::Result<(<L as Listener>::Stream, <L as Listener>::Peer)>;

    pub trait Accept: fmt::Debug + Sized + 'static {
        /// The next connection.
        fn next(&self) -> impl Future<Output = Accepted<Self>>
        where
            Self: Listener;

        /// What the kernel has in its queue now, whatever is known of the listener; `WouldBlock` if that is nothing, or
        /// for others to take.
        fn next_in_queue(&self) -> Accepted<Self>
        where
            Self: Listener;

        /// Where clients find it.
        fn place(&self) -> io::Result<Self::Peer>
        where
            Self: Listener;

        /// From now on `pulse` is told what is done with the stream.
        fn watch(stream: &mut Self::Stream, pulse: Arc<Pulse>)
        where
            Self: Listener;

        /// Ends a connection whose peer may still be sending.
        fn close(stream: Self::Stream) -> impl Future<Output = io::Result<()>>
        where
            Self: Listener;

        /// About as many bytes as [`write_name`](Accept::write_name) writes.
        const LONGEST_NAME: usize;

        /// Writes a space and the peer as it is named in reports.
        fn write_name(peer: &Self::Peer, name: &mut String)
        where
            Self: Listener;
    }

    impl Accept for TcpListener {
        fn next(&self) -> impl Future<Output = Accepted<Self>> {
            self.accept()
        }

        fn next_in_queue(&self) -> Accepted<Self> {
            self.accept_now()
        }

        fn place(&self) -> io::Result<SocketAddr> {
            self.local_addr()
        }

        fn watch(stream: &mut TcpStream, pulse: Arc<Pulse>) {
            stream.watch(pulse);
        }

        fn close(stream: TcpStream) -> impl Future<Output = io::Result<()>> {
            stream.graceful_close()
        }

        const LONGEST_NAME: usize = " 255.255.255.255:65535".len();

        fn write_name(peer: &SocketAddr, name: &mut String) {
            let _ = write!(name, " {peer}"); // a string takes everything
        }
    }

    impl Accept for UnixListener {
        fn next(&self) -> impl Future<Output = Accepted<Self>> {
            self.accept()
        }

        fn next_in_queue(&self) -> Accepted<Self> {
            self.accept_now()
        }

        fn place(&self) -> io::Result<UnixAddr> {
            self.local_addr()
        }

        fn watch(stream: &mut UnixStream, pulse: Arc<Pulse>) {
            stream.watch(pulse);
        }

        fn close(stream: UnixStream) -> impl Future<Output = io::Result<()>> {
            stream.graceful_close()
        }

        const LONGEST_NAME: usize = " (unnamed)".len();

        fn write_name(peer: &UnixAddr, name: &mut String) {
            let _ = match peer.as_pathname() {
                Some(path) => write!(name, " {}", path.display()),
                None => write!(name, " (unnamed)"),
            };
        }
    }
}
