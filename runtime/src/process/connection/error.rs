//! What can go wrong between two ends.

use super::frames::FrameError;
use crate::process::{
    luggage::{DecodeError, EncodeError},
    packet::PacketError,
};
use std::{error::Error, fmt, io};

/// Why the two ends of a connection did not come together.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Refusal {
    /// The key of the one is not the key of the other. To be told so takes both: who says it may not have it.
    WrongKey,
    /// The client has no key, and the listener wants one.
    KeyMissing,
    /// The client has a key, and the listener knows of none.
    KeyUnwanted,
    /// The process at the other end is of a user who is not allowed.
    User {
        /// Their number.
        user: u32,
    },
    /// What came is not said by a process like this one.
    Stranger,
    /// The other end talks in another version.
    Version,
    /// Nothing came in time.
    Silent,
    /// The other end closed before it was done. A listener does so, without a word, if the user is not allowed.
    Gone,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WrongKey => "the two ends have different keys",
            Self::KeyMissing => "the listener wants a key, and the client has none",
            Self::KeyUnwanted => "the client has a key, and the listener knows of none",
            Self::User { user } => {
                return write!(f, "the other end is a process of user {user}, who is not allowed");
            }
            Self::Stranger => "the other end does not talk as a listener or client of this kind",
            Self::Version => "the other end talks in another version",
            Self::Silent => "the other end said nothing in time",
            Self::Gone => "the other end closed: it may have ended, or does not allow this user",
        })
    }
}

impl Error for Refusal {}

/// A [`Client`](super::Client) did not get a connection.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// One of the two ends refuses the other.
    Refused(Refusal),
    /// Nobody is there, or the system refuses.
    Io(io::Error),
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl Error for ConnectError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Refused(_) => None,
            Self::Io(error) => error.source(),
        }
    }
}

impl From<io::Error> for ConnectError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Refusal> for ConnectError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// A message was not sent, or none was received.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectionError {
    /// The peer has closed the connection, between two messages.
    Closed,
    /// The peer, or the way to it, is gone in the middle of a message, of which nothing is given out.
    Truncated,
    /// Nothing is there, and whoever asked did not want to wait.
    WouldBlock,
    /// Nothing came in time.
    TimedOut,
    /// A message is longer than its receiver takes, or the system. Of one that was to be sent nothing was sent; after one that
    /// came over TCP the connection is of no use.
    TooLong {
        /// How long it is, in bytes.
        bytes: u64,
        /// How long it may be.
        most: usize,
    },
    /// The value cannot become bytes, and nothing was sent.
    Encode(String),
    /// What came is not what is expected. The next message is as good as ever.
    Decode(String),
    /// A message is not from the peer, was changed, left out or repeated on its way: somebody is between. The connection is of no
    /// use any more.
    Forged,
    /// What the system says; or a [`HandleError`](runtime_io::HandleError).
    Io(io::Error),
}

impl fmt::Display for ConnectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the peer has closed the connection"),
            Self::Truncated => f.write_str("the connection ended in the middle of a message"),
            Self::WouldBlock => f.write_str("no message is there"),
            Self::TimedOut => f.write_str("no message came in time"),
            Self::TooLong { bytes, most } => write!(
                f,
                "a message of {bytes} bytes is longer than the {most} that its receiver takes: set max_message there, or send \
                 less at once"
            ),
            Self::Encode(why) | Self::Decode(why) => f.write_str(why),
            Self::Forged => f.write_str("a message was changed on its way, or is not from the peer"),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl Error for ConnectionError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Io(error) => error.source(),
            _ => None,
        }
    }
}

impl From<EncodeError> for ConnectionError {
    fn from(error: EncodeError) -> Self {
        Self::Encode(error.to_string())
    }
}

impl From<DecodeError> for ConnectionError {
    fn from(error: DecodeError) -> Self {
        Self::Decode(error.to_string())
    }
}

impl From<PacketError> for ConnectionError {
    fn from(error: PacketError) -> Self {
        match error {
            PacketError::Closed => Self::Closed,
            PacketError::WouldBlock => Self::WouldBlock,
            PacketError::TimedOut => Self::TimedOut,
            PacketError::TooLong { bytes, most } => Self::TooLong { bytes, most },
            PacketError::Io(error) => Self::Io(error),
            PacketError::TooManyDescriptors { .. } => Self::Encode(error.to_string()),
            other => Self::Decode(other.to_string()),
        }
    }
}

impl From<FrameError> for ConnectionError {
    fn from(error: FrameError) -> Self {
        match error {
            FrameError::TooLong { bytes, most } => {
                Self::TooLong { bytes: bytes.into(), most: usize::try_from(most).unwrap_or(usize::MAX) }
            }
            FrameError::Forged => Self::Forged,
            FrameError::Broken => Self::Io(io::Error::new(io::ErrorKind::InvalidData, error)),
        }
    }
}

/// Of a stream.
impl From<io::Error> for ConnectionError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => Self::Closed,
            io::ErrorKind::WouldBlock => Self::WouldBlock,
            _ => Self::Io(error),
        }
    }
}
