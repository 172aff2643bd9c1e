//! The socket of an endpoint: one task receives from it, and each connection sends by it.

use quinn::{
    AsyncUdpSocket, UdpPoller,
    udp::{RecvMeta, Transmit, UdpSocketState},
};
use runtime::net::UdpSocket;
use std::{
    fmt,
    future::Future,
    io::{self, IoSliceMut},
    net::{self, SocketAddr},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
};

/// Datagrams through our reactor, by `quinn`'s own system calls: these send and receive several at a time.
#[derive(Debug)]
pub(crate) struct Socket {
    io: UdpSocket,
    /// What the system can do.
    calls: UdpSocketState,
    /// Whether the last attempt to send found no room. Only the runtime's thread looks at it.
    is_full: AtomicBool,
}

impl Socket {
    pub(crate) fn new(socket: net::UdpSocket) -> io::Result<Self> {
        let calls = UdpSocketState::new((&socket).into())?;
        Ok(Self { io: UdpSocket::from_std(socket)?, calls, is_full: AtomicBool::new(false) })
    }
}

impl AsyncUdpSocket for Socket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(Room { socket: self, wait: None })
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        let sent = self.io.as_async_fd().try_write_with(|socket| self.calls.send(socket.into(), transmit));
        if sent.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock) {
            self.is_full.store(true, Relaxed);
        }
        sent
    }

    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        self.io.as_async_fd().poll_read_with(context, |socket| self.calls.recv(socket.into(), bufs, meta))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        self.calls.max_gso_segments()
    }

    fn max_receive_segments(&self) -> usize {
        self.calls.gro_segments()
    }

    fn may_fragment(&self) -> bool {
        self.calls.may_fragment()
    }
}

/// One connection's wait for room. All of them may wait, and all are woken: so each has a future of its own, and not the
/// one place that the `poll_…` methods of a socket share.
struct Room {
    socket: Arc<Socket>,
    wait: Option<Wait>,
}

type Wait = Pin<Box<dyn Future<Output = io::Result<()>> + Send + Sync>>;

impl UdpPoller for Room {
    /// Asked before everything that is sent, and there nearly always is room: the selector is not asked to report it before
    /// somebody has found none. Otherwise it would report it for each datagram that has left.
    fn poll_writable(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { socket, wait } = &mut *self;
        if socket.is_full.load(Relaxed) {
            let own = wait.get_or_insert_with(|| {
                let socket = Arc::clone(socket);
                Box::pin(async move { socket.io.writable().await })
            });
            ready!(own.as_mut().poll(context))?;
            socket.is_full.store(false, Relaxed);
        }
        *wait = None;
        Poll::Ready(Ok(()))
    }
}

impl fmt::Debug for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Room").field("socket", &self.socket).field("waits", &self.wait.is_some()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use runtime::{
        join_all, spawn,
        time::{Duration, timeout},
    };
    use std::{error::Error, future::poll_fn, net::Ipv4Addr};

    /// A loopback device always has room, so it is pretended that it had none: the wait for it is real.
    #[runtime::test]
    async fn all_connections_that_wait_for_room_are_woken() -> Result<(), Box<dyn Error>> {
        let socket = Arc::new(Socket::new(net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?)?);
        for _ in 0..2 {
            socket.is_full.store(true, Relaxed);
            let waits = [(); 3].map(|()| {
                let mut room = Arc::clone(&socket).create_io_poller();
                spawn(async move { poll_fn(|context| room.as_mut().poll_writable(context)).await })
            });
            for wait in timeout(Duration::from_secs(60), join_all(waits)).await? {
                wait??;
            }
            assert!(!socket.is_full.load(Relaxed));
        }
        Ok(())
    }

    /// Where nothing says that there is none: and the selector is not asked, as nothing waits.
    #[runtime::test]
    async fn room_is_taken_for_granted() -> Result<(), Box<dyn Error>> {
        let socket = Arc::new(Socket::new(net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?)?);
        let mut room = Arc::clone(&socket).create_io_poller();
        poll_fn(|context| {
            assert!(room.as_mut().poll_writable(context).is_ready());
            Poll::Ready(())
        })
        .await;
        assert_eq!(runtime::inspect::stats().sources, 0);
        Ok(())
    }
}
