//! The two halves of a connection: one sends, one receives.

use super::{
    ConnectionError,
    frames::{HEAD_BYTES, Inbox, Outbox},
};
use crate::process::{
    luggage,
    packet::{Packet, Packets},
};
use runtime_executor::time::{Duration, Instant};
use runtime_io::{
    blocking,
    net::{Shutdown, TcpStream},
    packet,
};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    fmt, io,
    marker::PhantomData,
    os::fd::{AsFd, BorrowedFd},
    sync::Arc,
};

/// How messages travel in one direction.
pub(super) enum Way<Box> {
    Packets(Arc<Packets>),
    Frames(Arc<TcpStream>, Box),
}

/// The half of a [`Connection`](super::Connection) that sends; from [`into_split`](super::Connection::into_split). When it is
/// dropped, the peer finds the end behind what was sent.
pub struct SendHalf<Out> {
    way: Way<Outbox>,
    values: PhantomData<fn(&Out)>,
}

/// The half of a [`Connection`](super::Connection) that receives; from [`into_split`](super::Connection::into_split).
pub struct ReceiveHalf<In> {
    way: Way<Inbox>,
    values: PhantomData<fn() -> In>,
}

impl<Out> SendHalf<Out> {
    pub(super) fn new(way: Way<Outbox>) -> Self {
        Self { way, values: PhantomData }
    }
}

impl<Out: Serialize> SendHalf<Out> {
    /// As [`Connection::send`](super::Connection::send).
    ///
    /// # Errors
    /// As there.
    ///
    /// # Cancel safety
    /// As there.
    pub async fn send(&mut self, value: &Out) -> Result<(), ConnectionError> {
        match &mut self.way {
            Way::Packets(packets) => Ok(packets.send(luggage::encode(value)?).await?),
            Way::Frames(stream, outbox) => {
                let message = message(value, outbox)?;
                write(stream, outbox).await?;
                outbox.put(message);
                let unsent = Unsent(outbox);
                write(stream, unsent.0).await
            }
        }
    }

    /// As [`Connection::blocking_send`](super::Connection::blocking_send).
    ///
    /// # Errors
    /// As there.
    pub fn blocking_send(&mut self, value: &Out) -> Result<(), ConnectionError> {
        #[cfg(feature = "greenlet")]
        if crate::greenlet::is_inside() {
            return crate::greenlet::wait(self.send(value));
        }
        match &mut self.way {
            Way::Packets(packets) => Ok(packets.blocking_send(luggage::encode(value)?, None)?),
            Way::Frames(stream, outbox) => {
                let message = message(value, outbox)?;
                blocking_write(stream, outbox)?;
                outbox.put(message);
                blocking_write(stream, outbox)
            }
        }
    }

    /// As [`Connection::flush`](super::Connection::flush).
    ///
    /// # Errors
    /// As there.
    ///
    /// # Cancel safety
    /// As there.
    pub async fn flush(&mut self) -> Result<(), ConnectionError> {
        match &mut self.way {
            Way::Packets(_) => Ok(()),
            Way::Frames(stream, outbox) => write(stream, outbox).await,
        }
    }
}

/// A value as a stream takes it: with room for its length before it.
fn message<T: Serialize>(value: &T, outbox: &Outbox) -> Result<Vec<u8>, ConnectionError> {
    let Packet { bytes, descriptors } = luggage::encode_behind(vec![0; HEAD_BYTES], value)?;
    if !descriptors.is_empty() {
        let sentence =
            "the value cannot be sent: it has a descriptor, which cannot leave this machine over TCP";
        return Err(ConnectionError::Encode(sentence.to_owned()));
    }
    outbox.check(&bytes)?;
    Ok(bytes)
}

async fn write(stream: &TcpStream, outbox: &mut Outbox) -> Result<(), ConnectionError> {
    while !outbox.rest().is_empty() {
        let written = stream.write(outbox.rest()).await?;
        outbox.has_written(written);
    }
    Ok(())
}

fn blocking_write(stream: &TcpStream, outbox: &mut Outbox) -> Result<(), ConnectionError> {
    while !outbox.rest().is_empty() {
        match stream.try_write(outbox.rest()) {
            Ok(written) => outbox.has_written(written),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                wait_ready(|| blocking::writable(stream.as_fd(), None))?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// `true` unless the limit of a wait has passed; who was interrupted looks again.
fn wait_ready(wait: impl FnOnce() -> io::Result<bool>) -> Result<bool, ConnectionError> {
    match wait() {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(true),
        waited => Ok(waited?),
    }
}

/// Dropped before the first byte is written, it takes the message back.
struct Unsent<'o>(&'o mut Outbox);

impl Drop for Unsent<'_> {
    fn drop(&mut self) {
        self.0.take_back();
    }
}

impl<In> ReceiveHalf<In> {
    pub(super) fn new(way: Way<Inbox>) -> Self {
        Self { way, values: PhantomData }
    }
}

impl<In: DeserializeOwned> ReceiveHalf<In> {
    /// As [`Connection::recv`](super::Connection::recv).
    ///
    /// # Errors
    /// As there.
    ///
    /// # Cancel safety
    /// As there.
    pub async fn recv(&mut self) -> Result<In, ConnectionError> {
        match &mut self.way {
            Way::Packets(packets) => value(packets.recv().await?),
            Way::Frames(stream, inbox) => loop {
                if let Some(value) = taken(inbox)? {
                    return Ok(value);
                }
                let read = stream.read(inbox.room()).await;
                has_read(inbox, read)?;
            },
        }
    }

    /// As [`Connection::try_recv`](super::Connection::try_recv).
    ///
    /// # Errors
    /// As there.
    pub fn try_recv(&mut self) -> Result<In, ConnectionError> {
        match &mut self.way {
            Way::Packets(packets) => value(packets.try_recv()?),
            Way::Frames(stream, inbox) => loop {
                if let Some(value) = taken(inbox)? {
                    return Ok(value);
                }
                let read = stream.try_read(inbox.room());
                has_read(inbox, read)?;
            },
        }
    }

    /// As [`Connection::blocking_recv`](super::Connection::blocking_recv).
    ///
    /// # Errors
    /// As there.
    pub fn blocking_recv(&mut self) -> Result<In, ConnectionError> {
        #[cfg(feature = "greenlet")]
        if crate::greenlet::is_inside() {
            return crate::greenlet::wait(self.recv());
        }
        self.blocking_recv_within(None)
    }

    /// As [`Connection::blocking_recv_timeout`](super::Connection::blocking_recv_timeout).
    ///
    /// # Errors
    /// As there.
    pub fn blocking_recv_timeout(&mut self, limit: Duration) -> Result<In, ConnectionError> {
        #[cfg(feature = "greenlet")]
        if crate::greenlet::is_inside() {
            let received = crate::greenlet::wait(runtime_executor::time::timeout(limit, self.recv()));
            return received.unwrap_or(Err(ConnectionError::TimedOut));
        }
        self.blocking_recv_within(Some(limit))
    }

    fn blocking_recv_within(&mut self, limit: Option<Duration>) -> Result<In, ConnectionError> {
        if let Way::Packets(packets) = &self.way {
            return value(packets.blocking_recv(limit)?);
        }
        let deadline = limit.map(|limit| Instant::now().saturating_add(limit));
        loop {
            match self.try_recv() {
                Err(ConnectionError::WouldBlock) => {}
                received => return received,
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if !wait_ready(|| blocking::readable(self.as_fd(), left))? {
                return Err(ConnectionError::TimedOut);
            }
        }
    }
}

/// The value in a packet.
fn value<T: DeserializeOwned>(packet: Option<Packet>) -> Result<T, ConnectionError> {
    Ok(luggage::decode(packet.ok_or(ConnectionError::Closed)?)?)
}

/// The next value that is there.
fn taken<T: DeserializeOwned>(inbox: &mut Inbox) -> Result<Option<T>, ConnectionError> {
    let Some(bytes) = inbox.take()? else { return Ok(None) };
    Ok(Some(luggage::decode_behind(HEAD_BYTES, Packet::from(bytes))?))
}

/// Notes what a read has brought, or tells the end.
fn has_read(inbox: &mut Inbox, read: io::Result<usize>) -> Result<(), ConnectionError> {
    let gone = |inbox: &Inbox| match inbox.is_within() {
        true => ConnectionError::Truncated,
        false => ConnectionError::Closed,
    };
    match read {
        Ok(0) => Err(gone(inbox)),
        Ok(read) => {
            inbox.has_read(read);
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Err(gone(inbox)),
        Err(error) => Err(error.into()),
    }
}

impl<Out> Drop for SendHalf<Out> {
    fn drop(&mut self) {
        // It fails if the peer has gone, and then there is nobody to tell.
        let _ = match &self.way {
            Way::Packets(packets) => packet::shutdown(packets.as_fd(), Shutdown::Write),
            Way::Frames(stream, _) => stream.shutdown(Shutdown::Write),
        };
    }
}

impl<Box> AsFd for Way<Box> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Packets(packets) => packets.as_fd(),
            Self::Frames(stream, _) => stream.as_fd(),
        }
    }
}

impl<In> AsFd for ReceiveHalf<In> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.way.as_fd()
    }
}

impl<Out> fmt::Debug for SendHalf<Out> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendHalf").field("fd", &self.way.as_fd()).finish_non_exhaustive()
    }
}

impl<In> fmt::Debug for ReceiveHalf<In> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceiveHalf").field("fd", &self.way.as_fd()).finish_non_exhaustive()
    }
}
