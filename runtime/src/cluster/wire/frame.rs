//! Frames: messages with their length before them, over a stream of bytes.
//!
//! ```text
//! 4 bytes: how many follow, least significant first, at least 1 | the message
//! ```
//!
//! Reading keeps what has arrived in the [`Reader`], so a read that is dropped loses nothing. Writing belongs to one
//! actor, [`Outgoing`](super::outbox::Outgoing), so that nobody who gives up leaves half a frame in the stream.

use super::{
    codec::{Malformed, Wire, decode},
    socket::Socket,
};
use std::{collections::VecDeque, error::Error, fmt, io, ops::Range, os::fd::OwnedFd};

/// Bytes of the length before each message.
pub(crate) const HEADER_BYTES: usize = 4;

/// The longest control message. None is even a tenth as long, but for paths.
pub(crate) const MAX_CONTROL_BYTES: usize = 64 << 10;

/// The longest message of users, unless they choose another limit.
pub(crate) const MAX_DATA_BYTES: usize = 16 << 20;

/// More descriptors never wait for the messages that they belong to.
pub(crate) const MAX_DESCRIPTORS: usize = 8;

/// A reader has this much room at least: many messages in one system call. It grows as more of a long one arrives.
const CHUNK_BYTES: usize = 8 << 10;

/// Room for a frame to begin with: a short message, with a name in it, is put together without growing.
const SHORT_BYTES: usize = 128;

/// A message that may be accompanied by descriptors.
pub(crate) trait Message: Wire {
    /// By how many.
    fn descriptors(&self) -> usize;
}

/// The bytes of one frame, shared by all to whom it goes.
pub(crate) type Frame = std::rc::Rc<Vec<u8>>;

/// The frame of the message that `put` writes.
///
/// # Panics
/// If it writes 4 GiB.
pub(crate) fn frame(put: impl FnOnce(&mut Vec<u8>)) -> Frame {
    let mut bytes = begin();
    put(&mut bytes);
    finish(bytes)
}

/// The beginning of a frame, for a message to be appended.
pub(crate) fn begin() -> Vec<u8> {
    let mut bytes = Vec::with_capacity(SHORT_BYTES);
    bytes.resize(HEADER_BYTES, 0);
    bytes
}

/// The frame that was begun so, and to which a message was appended.
///
/// # Panics
/// If that is 4 GiB long.
pub(crate) fn finish(mut bytes: Vec<u8>) -> Frame {
    let length = u32::try_from(bytes.len() - HEADER_BYTES).expect("what is sent is far below 4 GiB");
    bytes[..HEADER_BYTES].copy_from_slice(&length.to_le_bytes());
    Frame::new(bytes)
}

/// Why nothing more can be read from a stream of frames.
#[derive(Debug)]
pub(crate) enum ReadError {
    /// The system says so.
    Io(io::Error),
    /// The other end was gone in the middle of a frame.
    Truncated,
    /// A frame claims to be longer than any may be.
    TooLong {
        /// What it claims, in bytes.
        length: usize,
        /// The limit, in bytes.
        most: usize,
    },
    /// A frame without a message.
    Empty,
    /// A frame whose message is none.
    Malformed(Malformed),
    /// Not as many descriptors came with a message as belong to it.
    Descriptors {
        /// So many belong to it.
        expected: usize,
        /// So many came.
        found: usize,
    },
}

/// Reads frames.
pub(crate) struct Reader<S> {
    socket: S,
    /// No message is longer.
    most: usize,
    /// What has arrived and was not given out is in `filled`.
    buffer: Vec<u8>,
    filled: Range<usize>,
    /// Came with bytes that have arrived.
    descriptors: VecDeque<OwnedFd>,
    /// So many may wait there.
    most_descriptors: usize,
}

impl<S: Socket> Reader<S> {
    /// Reads messages of up to `most` bytes from `socket`. Descriptors that come with them are refused.
    pub(crate) fn new(socket: S, most: usize) -> Self {
        Self {
            socket,
            most,
            buffer: Vec::new(),
            filled: 0..0,
            descriptors: VecDeque::new(),
            most_descriptors: 0,
        }
    }

    /// Takes descriptors as well.
    pub(crate) fn with_descriptors(mut self) -> Self {
        self.most_descriptors = MAX_DESCRIPTORS;
        self
    }

    /// The next message, undecoded; `None`: the other end has ended the stream where it may.
    ///
    /// # Errors
    /// [`ReadError`]; nothing more can be read then.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, nothing is lost: what has arrived is kept for the next call.
    pub(crate) async fn next(&mut self) -> Result<Option<&[u8]>, ReadError> {
        let length = loop {
            if let Some(length) = self.length()?
                && self.filled.len() >= HEADER_BYTES + length
            {
                break length;
            }
            if !self.fill().await? {
                return if self.filled.is_empty() { Ok(None) } else { Err(ReadError::Truncated) };
            }
        };
        let start = self.filled.start + HEADER_BYTES;
        self.filled.start = start + length;
        Ok(Some(&self.buffer[start..start + length]))
    }

    /// The next message and the descriptors that belong to it; `None`: the other end has ended the stream where it may.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    ///
    /// # Cancel safety
    /// As [`next`](Self::next).
    pub(crate) async fn next_message<M: Message>(&mut self) -> Result<Option<(M, Vec<OwnedFd>)>, ReadError> {
        let Some(bytes) = self.next().await? else { return Ok(None) };
        let message: M = decode(bytes).map_err(ReadError::Malformed)?;
        let expected = message.descriptors();
        let found = self.descriptors.len();
        // Those of a message come with its first byte, so what is there too many may belong to bytes that are there too.
        if found < expected || found > expected && self.filled.is_empty() {
            return Err(ReadError::Descriptors { expected, found });
        }
        Ok(Some((message, self.descriptors.drain(..expected).collect())))
    }

    /// What the next frame says of its length, once that is there.
    fn length(&self) -> Result<Option<usize>, ReadError> {
        let Some(header) = self.buffer[self.filled.clone()].first_chunk() else { return Ok(None) };
        match usize::try_from(u32::from_le_bytes(*header)).unwrap_or(usize::MAX) {
            0 => Err(ReadError::Empty),
            length if length > self.most => Err(ReadError::TooLong { length, most: self.most }),
            length => Ok(Some(length)),
        }
    }

    /// Reads on; `false`: there is no more.
    async fn fill(&mut self) -> Result<bool, ReadError> {
        self.make_room();
        let free = &mut self.buffer[self.filled.end..];
        let count = self
            .socket
            .receive(free, self.most_descriptors - self.descriptors.len(), &mut self.descriptors)
            .await
            .map_err(ReadError::Io)?;
        self.filled.end += count;
        Ok(count > 0)
    }

    /// Room to read into. It grows with what has arrived, never with what was claimed, and is given back after a long
    /// message.
    fn make_room(&mut self) {
        if self.filled.is_empty() {
            self.filled = 0..0;
            if self.buffer.len() != CHUNK_BYTES {
                self.buffer = vec![0; CHUNK_BYTES];
            }
        } else if self.filled.start > 0 {
            self.buffer.copy_within(self.filled.clone(), 0);
            self.filled = 0..self.filled.len();
        }
        if self.filled.end == self.buffer.len() {
            let all = (2 * self.buffer.len()).min(HEADER_BYTES + self.most.max(CHUNK_BYTES));
            self.buffer.reserve_exact(all - self.buffer.len());
            self.buffer.resize(all, 0);
        }
    }
}

impl<S> fmt::Debug for Reader<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("waiting_bytes", &self.filled.len())
            .field("descriptors", &self.descriptors.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Truncated => f.write_str("the other end was gone in the middle of a message"),
            Self::TooLong { length, most } => {
                write!(f, "a message of {length} bytes was announced, and the limit is {most}")
            }
            Self::Empty => f.write_str("a frame without a message"),
            Self::Malformed(malformed) => write!(f, "bytes that are no message: {malformed}"),
            Self::Descriptors { expected, found } => {
                write!(f, "{found} descriptors came with a message to which {expected} belong")
            }
        }
    }
}

impl Error for ReadError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::Malformed(malformed) => Some(malformed),
            _ => None,
        }
    }
}
