//! Why a packet was not sent or not received.

use super::MAX_DESCRIPTORS;
use runtime_io::packet::are_too_many_on_their_way;
use std::{error::Error, fmt, io};

/// Why a packet was not sent or not received.
#[derive(Debug)]
pub(crate) enum PacketError {
    /// Nobody has the other end any more, or it was shut down.
    Closed,
    /// There is no packet, or no room for one, and whoever asked did not want to wait.
    WouldBlock,
    /// There was none within the limit.
    TimedOut,
    /// A packet is longer than this end allows.
    TooLong {
        /// How long it is.
        bytes: u64,
        /// How long it may be.
        most: usize,
    },
    /// More descriptors than the system takes with one packet.
    TooManyDescriptors {
        /// How many.
        count: usize,
    },
    /// Descriptors that came with a packet could not be opened here, so the packet is lost.
    DescriptorsLost,
    /// What came is no packet of ours.
    Malformed(&'static str),
    /// The file of a long packet is not what it says, or cannot be read.
    Unloadable(io::Error),
    /// What the system says; or a [`HandleError`](runtime_io::HandleError).
    Io(io::Error),
}

impl PacketError {
    /// Whether it concerns one packet that came, and the next is as good as ever.
    pub(crate) fn is_of_one_packet(&self) -> bool {
        matches!(
            self,
            Self::TooLong { .. } | Self::DescriptorsLost | Self::Malformed(_) | Self::Unloadable(_)
        )
    }
}

impl fmt::Display for PacketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("nobody has the other end any more"),
            Self::WouldBlock => f.write_str("it would have to be waited for"),
            Self::TimedOut => f.write_str("it did not come within the time"),
            Self::TooLong { bytes, most } => {
                write!(f, "a message of {bytes} bytes is longer than the {most} that are allowed: allow more, or send less at once")
            }
            Self::TooManyDescriptors { count } => write!(
                f,
                "a message with {count} descriptors, and no more than {MAX_DESCRIPTORS} go with one: send fewer at once"
            ),
            Self::DescriptorsLost => f.write_str(
                "descriptors came with a message, and this process can open no more (see its limit of open files): the \
                 message is lost",
            ),
            Self::Malformed(why) => write!(f, "what came is no message of this program: {why}"),
            Self::Unloadable(error) => write!(f, "a long message cannot be read: {error}"),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl Error for PacketError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Io(error) | Self::Unloadable(error) => error.source(),
            _ => None,
        }
    }
}

impl From<io::Error> for PacketError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => Self::Closed,
            io::ErrorKind::WouldBlock => Self::WouldBlock,
            _ if are_too_many_on_their_way(&error) => Self::WouldBlock,
            _ => Self::Io(error),
        }
    }
}

impl From<PacketError> for io::Error {
    fn from(error: PacketError) -> Self {
        match error {
            PacketError::Io(error) | PacketError::Unloadable(error) => error,
            PacketError::Closed => io::ErrorKind::BrokenPipe.into(),
            PacketError::WouldBlock => io::ErrorKind::WouldBlock.into(),
            PacketError::TimedOut => io::ErrorKind::TimedOut.into(),
            error => Self::new(io::ErrorKind::InvalidData, error.to_string()),
        }
    }
}
