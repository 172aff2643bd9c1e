//! Why a value did not go to another process, or did not come from there: the errors of pipes and queues.

use super::{
    luggage::{self, DecodeError, EncodeError},
    packet::{Packet, PacketError},
};
use serde::{Serialize, de::DeserializeOwned};
use std::{error::Error, fmt, io};

/// Why a value was not sent.
#[derive(Debug)]
#[non_exhaustive]
pub enum SendError {
    /// There is no room now, and it was not to be waited for.
    Full,
    /// There was no room within the time limit.
    Elapsed,
    /// It is closed: nobody will receive it.
    Closed,
    /// The value cannot be sent: its `Serialize` fails, it is longer than is allowed, or has too many descriptors.
    Unsendable(String),
    /// What the system says, or a [`HandleError`](runtime_io::HandleError).
    Io(io::Error),
}

/// Why no value was received.
#[derive(Debug)]
#[non_exhaustive]
pub enum RecvError {
    /// None is there now, and it was not to be waited for.
    Empty,
    /// None came within the time limit.
    Elapsed,
    /// It is closed, and everything was received: none will come.
    Closed,
    /// What came is not what is expected: of another type, longer than is allowed, or it needs more descriptors than this
    /// process can open. It is lost, and the next is as good as ever.
    Unreadable(String),
    /// What the system says, or a [`HandleError`](runtime_io::HandleError).
    Io(io::Error),
}

/// Why an item was not put into a queue, and the item.
pub struct PutError<T> {
    /// The item.
    pub item: T,
    /// Why.
    pub why: SendError,
}

/// The packet of a value.
pub(super) fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Packet, SendError> {
    luggage::encode(value).map_err(|error: EncodeError| SendError::Unsendable(error.0))
}

/// The value of a packet, or the end.
pub(super) fn decode<T: DeserializeOwned>(
    received: Result<Option<Packet>, PacketError>,
) -> Result<T, RecvError> {
    let packet = received?.ok_or(RecvError::Closed)?;
    luggage::decode(packet).map_err(|error: DecodeError| RecvError::Unreadable(error.0))
}

impl From<PacketError> for SendError {
    fn from(error: PacketError) -> Self {
        match error {
            PacketError::WouldBlock => Self::Full,
            PacketError::TimedOut => Self::Elapsed,
            PacketError::Closed => Self::Closed,
            PacketError::Io(error) => Self::Io(error),
            unsendable => Self::Unsendable(unsendable.to_string()),
        }
    }
}

impl From<PacketError> for RecvError {
    fn from(error: PacketError) -> Self {
        match error {
            PacketError::WouldBlock => Self::Empty,
            PacketError::TimedOut => Self::Elapsed,
            PacketError::Closed => Self::Closed,
            PacketError::Io(error) => Self::Io(error),
            unreadable => Self::Unreadable(unreadable.to_string()),
        }
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("there is no room now"),
            Self::Elapsed => f.write_str("there was no room within the time limit"),
            Self::Closed => f.write_str("it is closed: nobody will receive it"),
            Self::Unsendable(why) => write!(f, "the value cannot be sent: {why}"),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl Error for SendError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        if let Self::Io(error) = self { error.source() } else { None }
    }
}

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("nothing is there now"),
            Self::Elapsed => f.write_str("nothing came within the time limit"),
            Self::Closed => f.write_str("it is closed, and nothing will come any more"),
            Self::Unreadable(why) => write!(f, "what came is not what is expected, and is lost: {why}"),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl Error for RecvError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        if let Self::Io(error) = self { error.source() } else { None }
    }
}

impl<T> PutError<T> {
    /// The item.
    pub fn into_inner(self) -> T {
        self.item
    }
}

impl<T> fmt::Debug for PutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PutError").field("why", &self.why).finish_non_exhaustive()
    }
}

impl<T> fmt::Display for PutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.why.fmt(f)
    }
}

impl<T> Error for PutError<T> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.why.source()
    }
}
