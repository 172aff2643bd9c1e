//! What can go wrong with an object of a manager.

use super::wire::Refusal;
use crate::process::{
    LockError,
    luggage::{DecodeError, EncodeError},
    packet::PacketError,
};
use std::{error::Error, fmt, io};

/// Why an object of a manager did not do what it was asked to.
#[derive(Debug)]
#[non_exhaustive]
pub enum ManagerError {
    /// The manager's process has ended, and all its objects with it.
    Gone,
    /// The time limit was reached first.
    Elapsed,
    /// The list or array is too short: it has this length.
    OutOfRange {
        /// Its length.
        len: usize,
    },
    /// The queue is closed: it takes no more items, and has none left to give.
    Closed,
    /// There is no room in the queue now.
    Full,
    /// There is no item in the queue now.
    Empty,
    /// The barrier is broken or was reset: not all who should have come will.
    Broken,
    /// The semaphore would have more permits than it began with, or than can be counted; or more items of a queue would be
    /// done than were put.
    OverRelease,
    /// The message is longer than this manager's may be.
    TooLong {
        /// Its length, in bytes.
        bytes: u64,
        /// The limit, in bytes; see [`ManagerBuilder::max_message`](super::ManagerBuilder::max_message).
        most: u64,
    },
    /// The manager has as many connections as it may.
    TooManyConnections {
        /// The limit; see [`ManagerBuilder::max_connections`](super::ManagerBuilder::max_connections).
        most: u64,
    },
    /// The value cannot be serialised, or it is a key and has a descriptor in it (of a proxy, a pipe, a file).
    Unserialisable(String),
    /// What came is no value of the type of this proxy.
    Unreadable(String),
    /// What the system says; or a [`HandleError`](runtime_io::HandleError).
    Io(io::Error),
}

impl fmt::Display for ManagerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => f.write_str("the manager's process has ended, and its objects with it"),
            Self::Elapsed => f.write_str("the time limit was reached first"),
            Self::OutOfRange { len } => write!(f, "it has only {len} items"),
            Self::Closed => f.write_str("the queue is closed"),
            Self::Full => f.write_str("there is no room in the queue"),
            Self::Empty => f.write_str("there is nothing in the queue"),
            Self::Broken => f.write_str("the barrier is broken: not all who should have come will"),
            Self::OverRelease => f.write_str("more was given back than was taken"),
            Self::TooLong { bytes, most } => write!(
                f,
                "a message of {bytes} bytes is too long: this manager's may have {most} (see `ManagerBuilder::max_message`)"
            ),
            Self::TooManyConnections { most } => write!(
                f,
                "the manager has {most} connections already, and may have no more: drop proxies, or allow it more (see \
                 `ManagerBuilder::max_connections`, and the system's limit of open files)"
            ),
            Self::Unserialisable(why) => write!(f, "the value cannot be serialised: {why}"),
            Self::Unreadable(why) => write!(f, "what came is no value of this type: {why}"),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl Error for ManagerError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        if let Self::Io(error) = self { error.source() } else { None }
    }
}

impl From<PacketError> for ManagerError {
    fn from(error: PacketError) -> Self {
        match error {
            PacketError::Closed => Self::Gone,
            PacketError::TimedOut => Self::Elapsed,
            PacketError::TooLong { bytes, most } => Self::TooLong { bytes, most: most as u64 },
            PacketError::Io(error) => Self::Io(error),
            PacketError::TooManyDescriptors { .. } => Self::Unserialisable(error.to_string()),
            other => Self::Unreadable(other.to_string()),
        }
    }
}

impl From<io::Error> for ManagerError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<EncodeError> for ManagerError {
    fn from(error: EncodeError) -> Self {
        Self::Unserialisable(error.0)
    }
}

impl From<DecodeError> for ManagerError {
    fn from(error: DecodeError) -> Self {
        Self::Unreadable(error.0)
    }
}

impl From<Refusal> for ManagerError {
    fn from(why: Refusal) -> Self {
        match why {
            Refusal::Nonsense => Self::Unreadable("the manager did not understand the question".to_owned()),
            Refusal::Lines { most } => Self::TooManyConnections { most },
            Refusal::OutOfRange { len } => Self::OutOfRange { len: usize::try_from(len).unwrap_or(usize::MAX) },
            Refusal::OverRelease => Self::OverRelease,
            Refusal::KeyWithDescriptor => Self::Unserialisable(
                "a key must not have a descriptor in it (of a proxy, a pipe, a file): its duplicate would be another key"
                    .to_owned(),
            ),
            Refusal::TooLong { bytes, most } => Self::TooLong { bytes, most },
            Refusal::System { what } => Self::Io(io::Error::other(what)),
        }
    }
}

/// So that `?` takes it to where the system's errors go.
impl From<ManagerError> for io::Error {
    fn from(error: ManagerError) -> Self {
        match error {
            ManagerError::Io(error) => error,
            other => Self::other(other),
        }
    }
}

/// An item was not put into a [`ManagedQueue`](super::ManagedQueue), and comes back.
pub struct ManagedPutError<T> {
    /// The item.
    pub item: T,
    /// Why not.
    pub why: ManagerError,
}

impl<T> ManagedPutError<T> {
    /// The item.
    pub fn into_inner(self) -> T {
        self.item
    }
}

impl<T> fmt::Debug for ManagedPutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManagedPutError").field("why", &self.why).finish_non_exhaustive()
    }
}

impl<T> fmt::Display for ManagedPutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.why.fmt(f)
    }
}

impl<T> Error for ManagedPutError<T> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.why.source()
    }
}

impl<T> From<ManagedPutError<T>> for ManagerError {
    fn from(error: ManagedPutError<T>) -> Self {
        error.why
    }
}

/// Of a lock: it is had, but its former holder died with it; or it is not had. As of a [`Lock`](crate::process::Lock).
pub type ManagedLockError<G = super::ManagedLockGuard> = LockError<G, ManagerError>;

impl<G> From<ManagerError> for LockError<G, ManagerError> {
    fn from(error: ManagerError) -> Self {
        Self::Failed(error)
    }
}
