//! What can go wrong with a message.

use super::peer::Peer;
use std::{error::Error, fmt};

/// Why a message was not sent.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// The receiver is gone: the worker has ended.
    Gone(Peer),
    /// This worker is cut off: the supervisor is gone.
    Disconnected,
    /// The message is longer than messages may be.
    TooLong {
        /// Its length, in bytes.
        bytes: usize,
        /// The limit, in bytes.
        most: usize,
    },
    /// The value cannot be serialised, says its implementation of `Serialize`, or postcard, which for example wants to know
    /// the length of a sequence beforehand.
    Unserialisable(String),
}

/// Why a channel gives no message now.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecvError {
    /// Here so many broadcasts are missing, since they came faster than they were received. What is received next is what
    /// came after them.
    Lagged(u64),
    /// A message that is none of this channel's type. Its sender may run another version of the program.
    Unreadable {
        /// Who has sent it.
        from: Peer,
        /// What is wrong with it.
        why: String,
    },
    /// No message will come: the supervisor is gone.
    Closed,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone(peer) => write!(f, "{peer} is gone"),
            Self::Disconnected => f.write_str("the supervisor is gone, and with it everybody else"),
            Self::TooLong { bytes, most } => {
                write!(f, "a message of {bytes} bytes is too long: the limit is {most}")
            }
            Self::Unserialisable(why) => write!(f, "the message cannot be serialised: {why}"),
        }
    }
}

impl Error for SendError {}

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lagged(count) => {
                write!(f, "{count} broadcasts were missed: they came faster than they were received")
            }
            Self::Unreadable { from, why } => {
                write!(f, "a message from {from} is not of this channel's type: {why}")
            }
            Self::Closed => f.write_str("the supervisor is gone, so no message will come"),
        }
    }
}

impl Error for RecvError {}
