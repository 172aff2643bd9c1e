//! Connections between processes that were not started by one another: a [`Listener`], its [`Client`]s, and what they trust each
//! other by.
//!
//! ```text
//! Listener ──> Door ──> Pending (handshake, deadline) ──> Connection ──┬─ packets (on a path)
//! Client ──────────────┘                                               └─ frames, sealed (over TCP)
//! ```
//!
//! What either end decides is a machine without I/O: [`handshake`] and [`frames`]. So the forms that wait in a task and those
//! that wait with the thread differ only in how they wait.

mod address;
mod client;
mod error;
mod frames;
mod half;
mod handshake;
mod key;
mod listener;
mod pending;
mod place;
mod terms;
#[cfg(test)]
mod tests;

pub use address::{Address, InvalidAddress, Peer};
pub use client::{Client, ClientBuilder};
pub use error::{ConnectError, ConnectionError, Refusal};
pub use half::{ReceiveHalf, SendHalf};
pub use key::Key;
pub use listener::{Listener, ListenerBuilder};

use crate::process::packet::Packets;
use frames::{Inbox, Outbox};
use half::Way;
use handshake::Agreement;
use pending::Socket;
use runtime_executor::time::Duration;
use runtime_io::net::TcpStream;
use serde::{Serialize, de::DeserializeOwned};
use std::{fmt, io, sync::Arc};

/// A connection to another process, which sends values of type `Out` and receives values of type `In`: from
/// [`Listener::accept`] and [`Client::connect`], which have examples.
///
/// A message is a whole value, of any type that `serde` knows, in the stable format of `postcard`. It arrives as a whole or not
/// at all; and nothing that comes is believed: no more memory is asked for than has come or is allowed, and what is no value of
/// type `In` is an error.
///
/// On a path values may have descriptors in them ([`Descriptor`](super::Descriptor), a queue, a pipe, a [`Key`]…), as in a
/// queue of ours. Over TCP they cannot.
///
/// It may go to another thread until it is awaited first; then it belongs to that runtime. The forms that block can be used
/// anywhere.
pub struct Connection<Out, In = Out> {
    // Dropped first, so that the peer hears of it even if somebody else still has a copy of the other half.
    sending: SendHalf<Out>,
    receiving: ReceiveHalf<In>,
    peer: Peer,
}

impl<Out, In> Connection<Out, In> {
    /// Of two ends that know each other. No runtime has it yet.
    fn new(socket: Socket, peer: Peer, own_limit: u32, agreement: Agreement) -> io::Result<Self> {
        let Agreement { peer_limit, seals } = agreement;
        let (sending, receiving) = match socket {
            Socket::Unix(socket) => {
                let packets = Packets::from_fd(socket.into())?;
                let packets = packets.with_limit(own_limit as usize).with_send_limit(peer_limit as usize);
                let packets = Arc::new(packets);
                (Way::Packets(Arc::clone(&packets)), Way::Packets(packets))
            }
            Socket::Tcp(stream) => {
                let stream = Arc::new(TcpStream::from_std(stream.into_std())?);
                let (sealing, unsealing) = seals.unzip();
                let outbox = Outbox::new(peer_limit, sealing);
                let inbox = Inbox::new(own_limit, unsealing);
                (Way::Frames(Arc::clone(&stream), outbox), Way::Frames(stream, inbox))
            }
        };
        Ok(Self { sending: SendHalf::new(sending), receiving: ReceiveHalf::new(receiving), peer })
    }

    /// Who is at the other end.
    pub fn peer(&self) -> Peer {
        self.peer
    }

    /// Splits it, so that one task sends while another receives. The peer finds the end when the half that sends is dropped.
    pub fn into_split(self) -> (SendHalf<Out>, ReceiveHalf<In>) {
        (self.sending, self.receiving)
    }
}

impl<Out: Serialize, In> Connection<Out, In> {
    /// Sends a value.
    ///
    /// # Errors
    /// [`ConnectionError`]; in particular `Closed` if the peer has closed the connection, and `TooLong` if it takes no messages
    /// of that length: nothing was sent then.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it has sent nothing; except over TCP if a part of it is on its way already: then the rest
    /// goes with the next [`send`](Self::send), or [`flush`](Self::flush).
    pub async fn send(&mut self, value: &Out) -> Result<(), ConnectionError> {
        self.sending.send(value).await
    }

    /// [`send`](Self::send) for code that runs in no task: it waits with the whole thread. In a greenlet only that waits.
    ///
    /// # Errors
    /// As there.
    pub fn blocking_send(&mut self, value: &Out) -> Result<(), ConnectionError> {
        self.sending.blocking_send(value)
    }

    /// Sends the rest of a message whose sending was cancelled, if there is such a thing.
    ///
    /// # Errors
    /// As for [`send`](Self::send).
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it can be called again.
    pub async fn flush(&mut self) -> Result<(), ConnectionError> {
        self.sending.flush().await
    }
}

impl<Out, In: DeserializeOwned> Connection<Out, In> {
    /// Receives the next value.
    ///
    /// # Errors
    /// [`ConnectionError`]; `Closed` at the end, when all that was sent has been received. After `Decode` the next message can
    /// be received.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it has received nothing: what has come of a message stays.
    pub async fn recv(&mut self) -> Result<In, ConnectionError> {
        self.receiving.recv().await
    }

    /// Receives the next value, if all of it is there.
    ///
    /// # Errors
    /// `WouldBlock`, or as [`recv`](Self::recv).
    pub fn try_recv(&mut self) -> Result<In, ConnectionError> {
        self.receiving.try_recv()
    }

    /// [`recv`](Self::recv) for code that runs in no task: it waits with the whole thread. In a greenlet only that waits.
    ///
    /// # Errors
    /// As there.
    pub fn blocking_recv(&mut self) -> Result<In, ConnectionError> {
        self.receiving.blocking_recv()
    }

    /// [`blocking_recv`](Self::blocking_recv) for at most `limit`.
    ///
    /// # Errors
    /// `TimedOut`, or as there.
    pub fn blocking_recv_timeout(&mut self, limit: Duration) -> Result<In, ConnectionError> {
        self.receiving.blocking_recv_timeout(limit)
    }
}

impl<Out, In> fmt::Debug for Connection<Out, In> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("peer", &self.peer).finish_non_exhaustive()
    }
}
