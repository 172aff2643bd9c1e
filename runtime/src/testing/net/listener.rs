//! Listening on the simulated network.

use super::{hosts::Hosts, stream::MemoryStream};
use crate::net::{ToSocketAddrs, lookup_host};
use std::{
    collections::VecDeque,
    fmt,
    future::poll_fn,
    io::{self, ErrorKind},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

/// Connections that wait to be accepted; further ones are not answered, as with the kernel.
const BACKLOG: usize = 128;

/// Accepts connections on the network of a simulation, in place of [`net::TcpListener`](crate::net::TcpListener).
///
/// ```
/// use runtime::{spawn, testing::{Sim, net::{TcpListener, TcpStream}}};
///
/// Sim::new().run(|| async {
///     let listener = TcpListener::bind("127.0.0.1:0").await?;
///     let addr = listener.local_addr()?;
///     spawn(async move {
///         let stream = TcpStream::connect(addr).await?;
///         stream.write_all(b"hello").await
///     })
///     .detach();
///     let (stream, peer) = listener.accept().await?;
///     assert_eq!(stream.peer_addr()?, peer);
///     stream.read_exact(&mut [0; 5]).await
/// });
/// ```
pub struct TcpListener {
    addr: SocketAddr,
    backlog: Arc<Backlog>,
}

/// Those who have connected and are not accepted yet.
#[derive(Default)]
pub(super) struct Backlog {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    arrived: VecDeque<(MemoryStream, SocketAddr)>,
    accepting: Vec<Waker>,
    is_closed: bool,
}

impl TcpListener {
    /// Listens on the first of the addresses that is free. Every IP address is a host; `0.0.0.0` is all of them, and port
    /// 0 any that is free.
    ///
    /// # Errors
    /// `AddrInUse` if somebody listens there; an error that says so outside a simulation.
    pub async fn bind(addr: impl ToSocketAddrs) -> io::Result<Self> {
        let hosts = Hosts::current()?;
        let mut last_error = None;
        for addr in lookup_host(addr).await? {
            match hosts.listen(addr) {
                Ok((addr, backlog)) => return Ok(Self { addr, backlog }),
                Err(error) => last_error = Some(error),
            }
        }
        Err(last_error.unwrap_or_else(|| ErrorKind::InvalidInput.into()))
    }

    /// Waits for the next connection.
    ///
    /// # Errors
    /// `NotConnected` once the listener is [closed](Self::close).
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it has accepted nothing.
    pub async fn accept(&self) -> io::Result<(MemoryStream, SocketAddr)> {
        poll_fn(|context| self.poll_accept(context)).await
    }

    /// [`accept`](Self::accept), for those who poll.
    ///
    /// # Errors
    /// As there.
    pub fn poll_accept(&self, context: &mut Context<'_>) -> Poll<io::Result<(MemoryStream, SocketAddr)>> {
        if runtime_executor::current::poll_budget(context).is_pending() {
            return Poll::Pending;
        }
        let waker = context.waker().clone();
        let mut state = self.backlog.state();
        if let Some(arrived) = state.arrived.pop_front() {
            return Poll::Ready(Ok(arrived));
        }
        if state.is_closed {
            return Poll::Ready(Err(ErrorKind::NotConnected.into()));
        }
        state.accepting.push(waker);
        Poll::Pending
    }

    /// Stops listening: those who wait in `accept` get an error, those who connect are refused, and connections that
    /// nobody has accepted are reset.
    pub fn close(&self) {
        if let Ok(hosts) = Hosts::current() {
            hosts.forget(self.addr);
        }
        let mut state = self.backlog.state();
        state.is_closed = true;
        let (arrived, accepting) = (std::mem::take(&mut state.arrived), std::mem::take(&mut state.accepting));
        drop(state);
        arrived.iter().for_each(|(stream, _)| stream.reset());
        accepting.into_iter().for_each(Waker::wake);
    }

    /// Where it listens.
    ///
    /// # Errors
    /// None; it is a `Result` for the sake of [`net::TcpListener`](crate::net::TcpListener).
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.addr)
    }
}

impl Drop for TcpListener {
    fn drop(&mut self) {
        if !self.backlog.state().is_closed {
            self.close();
        }
    }
}

impl fmt::Debug for TcpListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpListener").field("addr", &self.addr).finish()
    }
}

impl Backlog {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn has_room(&self) -> bool {
        self.state().arrived.len() < BACKLOG
    }

    /// Nobody waits in `accept` any more.
    pub(super) fn forget_waiting(&self) {
        let accepting = std::mem::take(&mut self.state().accepting);
        drop(accepting);
    }

    pub(super) fn push(&self, stream: MemoryStream, peer: SocketAddr) {
        let mut state = self.state();
        state.arrived.push_back((stream, peer));
        let accepting = std::mem::take(&mut state.accepting);
        drop(state);
        accepting.into_iter().for_each(Waker::wake);
    }
}
