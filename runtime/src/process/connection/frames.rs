//! Messages on a stream of bytes: each with its length before it and, between ends that share a key, its [`Seal`] behind it.
//!
//! ```text
//! length (u32, little end)  bytes…  seal (32 bytes, over the number of the message, its length and its bytes)
//! ```
//!
//! No I/O is done here: an [`Outbox`] says what is to be written, an [`Inbox`] where to read to.

use super::handshake::{SEAL_BYTES, Seal};
use std::{error::Error, fmt};

/// The length.
pub(super) const HEAD_BYTES: usize = 4;

/// So much is read at once while it is not known how long the next message is.
const CHUNK_BYTES: usize = 16 * 1024;

/// What was begun to be written. A sender that gives up in the middle of a message leaves the rest of it here, and the next
/// goes on with it: so the other end never loses count.
#[derive(Debug)]
pub(super) struct Outbox {
    bytes: Vec<u8>,
    written: usize,
    /// Of the other end.
    limit: u32,
    seal: Option<Seal>,
}

impl Outbox {
    /// For messages of at most so many bytes.
    pub(super) fn new(limit: u32, seal: Option<Seal>) -> Self {
        Self { bytes: Vec::new(), written: 0, limit, seal }
    }

    /// Fails if the other end takes no message of that length, [`HEAD_BYTES`] of room before it not counted.
    pub(super) fn check(&self, message: &[u8]) -> Result<(), FrameError> {
        let bytes = u32::try_from(message.len() - HEAD_BYTES).unwrap_or(u32::MAX);
        if bytes <= self.limit { Ok(()) } else { Err(FrameError::TooLong { bytes, most: self.limit }) }
    }

    /// Puts a message in, of which the first [`HEAD_BYTES`] are room for its length. The one before must be written.
    ///
    /// # Panics
    /// If it is longer than [`check`](Self::check) allows.
    pub(super) fn put(&mut self, mut message: Vec<u8>) {
        debug_assert!(self.rest().is_empty(), "the message before is still being written");
        let length = u32::try_from(message.len() - HEAD_BYTES).expect("a message is shorter than 4 GiB");
        message[..HEAD_BYTES].copy_from_slice(&length.to_le_bytes());
        if let Some(seal) = &mut self.seal {
            let seal = seal.make(&message);
            message.extend_from_slice(&seal);
        }
        (self.bytes, self.written) = (message, 0);
    }

    /// Forgets a message of which nothing was written: it was not sent. `false` if something was.
    pub(super) fn take_back(&mut self) -> bool {
        if self.written > 0 || self.bytes.is_empty() {
            return false;
        }
        self.bytes = Vec::new();
        if let Some(seal) = &mut self.seal {
            seal.take_back();
        }
        true
    }

    /// What is still to be written.
    pub(super) fn rest(&self) -> &[u8] {
        &self.bytes[self.written..]
    }

    /// So much more of it was written.
    pub(super) fn has_written(&mut self, bytes: usize) {
        self.written += bytes;
        if self.rest().is_empty() {
            (self.bytes, self.written) = (Vec::new(), 0);
        }
    }
}

/// What was read and is not yet taken out.
#[derive(Debug)]
pub(super) struct Inbox {
    /// Filled up to `filled`; what is behind that is room.
    bytes: Vec<u8>,
    filled: usize,
    /// Up to here it was taken out.
    taken: usize,
    limit: u32,
    seal: Option<Seal>,
    /// Nothing that comes after what was wrong can be believed.
    is_broken: bool,
}

impl Inbox {
    /// For messages of at most so many bytes.
    pub(super) fn new(limit: u32, seal: Option<Seal>) -> Self {
        Self { bytes: Vec::new(), filled: 0, taken: 0, limit, seal, is_broken: false }
    }

    /// Takes out the next message, if all of it is there: its bytes, behind [`HEAD_BYTES`] of others.
    ///
    /// # Errors
    /// If what came is no message that this end takes. Then nothing else is either.
    pub(super) fn take(&mut self) -> Result<Option<Vec<u8>>, FrameError> {
        if self.is_broken {
            return Err(FrameError::Broken);
        }
        let taken = self.take_whole();
        self.is_broken = taken.is_err();
        taken
    }

    fn take_whole(&mut self) -> Result<Option<Vec<u8>>, FrameError> {
        let Some((message, all)) = self.lengths()? else { return Ok(None) };
        let there = &self.bytes[self.taken..self.filled];
        if there.len() < all {
            return Ok(None);
        }
        if let Some(seal) = &mut self.seal
            && !seal.fits(&there[..message], &there[message..all])
        {
            return Err(FrameError::Forged);
        }
        if self.taken == 0 && self.filled == all && all > CHUNK_BYTES {
            // It alone is there, and long: no copy.
            let mut bytes = std::mem::take(&mut self.bytes);
            bytes.truncate(message);
            self.filled = 0;
            return Ok(Some(bytes));
        }
        let bytes = there[..message].to_vec();
        self.taken += all;
        if self.taken == self.filled {
            (self.taken, self.filled) = (0, 0);
        }
        Ok(Some(bytes))
    }

    /// Of the message at the front, if its length is there: how many bytes it has with its head, and with its seal too.
    fn lengths(&self) -> Result<Option<(usize, usize)>, FrameError> {
        let Some(head) = self.bytes[self.taken..self.filled].first_chunk() else { return Ok(None) };
        let length = u32::from_le_bytes(*head);
        if length > self.limit {
            return Err(FrameError::TooLong { bytes: length, most: self.limit });
        }
        let message = HEAD_BYTES + length as usize;
        Ok(Some((message, message + if self.seal.is_some() { SEAL_BYTES } else { 0 })))
    }

    /// Where to read to: never empty. It grows with what has come, not with what was announced, and ends with a message that
    /// is longer than a chunk.
    pub(super) fn room(&mut self) -> &mut [u8] {
        // `take` has told if there is something wrong with it.
        let all = self.lengths().ok().flatten().map_or(0, |(_, all)| all);
        self.bytes.copy_within(self.taken..self.filled, 0);
        (self.taken, self.filled) = (0, self.filled - self.taken);
        let end = if all > CHUNK_BYTES { all.min(2 * self.filled.max(CHUNK_BYTES)) } else { CHUNK_BYTES };
        if self.bytes.len() < end || self.bytes.len() > 2 * end {
            self.bytes.resize(end, 0);
        }
        &mut self.bytes[self.filled..end]
    }

    /// So much was read into the room.
    pub(super) fn has_read(&mut self, bytes: usize) {
        self.filled += bytes;
    }

    /// Whether a message has begun and not ended.
    pub(super) fn is_within(&self) -> bool {
        self.filled > self.taken
    }
}

/// What came over a stream is no message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum FrameError {
    /// It is announced to be longer than it may be.
    TooLong { bytes: u32, most: u32 },
    /// It is not from who has the key, or not the one that should come.
    Forged,
    /// There was something wrong before.
    Broken,
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { bytes, most } => {
                write!(f, "a message of {bytes} bytes was announced, and no more than {most} are allowed")
            }
            Self::Forged => f.write_str("a message was changed on its way, or is not from the peer"),
            Self::Broken => f.write_str("something was wrong with an earlier message"),
        }
    }
}

impl Error for FrameError {}
