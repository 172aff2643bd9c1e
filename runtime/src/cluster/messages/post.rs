//! What travels on the data sockets.
//!
//! Everything goes through the supervisor, which knows from whose socket it has read a message and writes that into it, so
//! nobody can pretend to be somebody else. The payload is opaque to it.

use super::peer::{Peer, WorkerId};
use crate::cluster::wire::{
    MAX_NAME_BYTES,
    codec::{Bytes, Malformed, Wire, put_counted},
    frame::{Frame, begin, frame},
};

/// What a message of users needs besides its payload, at most, in bytes: a tag, a peer, and a name with its length.
pub(crate) const OVERHEAD_BYTES: usize = 1 + 13 + 4 + MAX_NAME_BYTES;

/// To the router, from a post office.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ToRouter<'a> {
    /// For one.
    Direct { to: Peer, channel: &'a str, payload: &'a [u8] },
    /// For everybody else.
    Broadcast { channel: &'a str, payload: &'a [u8] },
    /// So many direct messages of that sender were taken from that channel: there is room for others.
    Took { of: Peer, channel: &'a str, count: u32 },
}

/// From the router, to a post office.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FromRouter<'a> {
    /// Who the receiver is. The first of all; not told to the supervisor.
    You(WorkerId),
    /// That worker is there from now on. Comes before anything that it has sent.
    Joined(WorkerId),
    /// That worker is gone. Comes after all that it has sent.
    Left(WorkerId),
    /// A message that was sent to the receiver alone.
    Direct { from: Peer, channel: &'a str, payload: &'a [u8] },
    /// A message that was sent to everybody.
    Broadcast { from: Peer, channel: &'a str, payload: &'a [u8] },
    /// Here so many broadcasts are missing: the receiver was too slow.
    Lagged { channel: &'a str, count: u64 },
    /// [`ToRouter::Took`], as the sender hears it.
    Took { by: Peer, channel: &'a str, count: u32 },
    /// A message could not be delivered: there is nobody of that name.
    Gone(Peer),
}

/// The beginning of a frame of [`ToRouter::Direct`], to which the payload is appended.
pub(crate) fn begin_direct(to: Peer, channel: &str) -> Vec<u8> {
    let mut bytes = begin();
    head(&mut bytes, 1, Some(to), channel);
    bytes
}

/// The beginning of a frame of [`ToRouter::Broadcast`], to which the payload is appended.
pub(crate) fn begin_broadcast(channel: &str) -> Vec<u8> {
    let mut bytes = begin();
    head(&mut bytes, 2, None, channel);
    bytes
}

fn head(bytes: &mut Vec<u8>, tag: u8, peer: Option<Peer>, channel: &str) {
    bytes.push(tag);
    if let Some(peer) = peer {
        peer.put(bytes);
    }
    put_counted(channel.as_bytes(), bytes);
}

fn name<'a>(from: &mut Bytes<'a>) -> Result<&'a str, Malformed> {
    let name = from.text()?;
    if (1..=MAX_NAME_BYTES).contains(&name.len()) {
        Ok(name)
    } else {
        Err(Malformed::Invalid("a channel's name that is empty or too long"))
    }
}

fn ended<T>(message: T, from: &Bytes<'_>) -> Result<T, Malformed> {
    match from.0.len() {
        0 => Ok(message),
        more => Err(Malformed::Trailing(more)),
    }
}

impl<'a> ToRouter<'a> {
    /// The message that these bytes are.
    pub(crate) fn decode(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let from = &mut Bytes(bytes);
        let message = match u8::take(from)? {
            1 => Self::Direct { to: Peer::take(from)?, channel: name(from)?, payload: from.rest() },
            2 => Self::Broadcast { channel: name(from)?, payload: from.rest() },
            3 => Self::Took { of: Peer::take(from)?, channel: name(from)?, count: u32::take(from)? },
            tag => return Err(Malformed::UnknownTag { of: "a message to the router", tag }),
        };
        ended(message, from)
    }

    /// Its frame.
    pub(crate) fn frame(&self) -> Frame {
        frame(|bytes| match *self {
            Self::Direct { to, channel, payload } => {
                head(bytes, 1, Some(to), channel);
                bytes.extend_from_slice(payload);
            }
            Self::Broadcast { channel, payload } => {
                head(bytes, 2, None, channel);
                bytes.extend_from_slice(payload);
            }
            Self::Took { of, channel, count } => {
                head(bytes, 3, Some(of), channel);
                count.put(bytes);
            }
        })
    }
}

impl<'a> FromRouter<'a> {
    /// The message that these bytes are.
    pub(crate) fn decode(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let from = &mut Bytes(bytes);
        let message = match u8::take(from)? {
            1 => Self::You(Wire::take(from)?),
            2 => Self::Joined(Wire::take(from)?),
            3 => Self::Left(Wire::take(from)?),
            4 => Self::Direct { from: Peer::take(from)?, channel: name(from)?, payload: from.rest() },
            5 => Self::Broadcast { from: Peer::take(from)?, channel: name(from)?, payload: from.rest() },
            6 => Self::Lagged { channel: name(from)?, count: u64::take(from)? },
            7 => Self::Took { by: Peer::take(from)?, channel: name(from)?, count: u32::take(from)? },
            8 => Self::Gone(Wire::take(from)?),
            tag => return Err(Malformed::UnknownTag { of: "a message from the router", tag }),
        };
        ended(message, from)
    }

    /// Its frame.
    pub(crate) fn frame(&self) -> Frame {
        frame(|bytes| match *self {
            Self::You(worker) => tagged(bytes, 1, &worker),
            Self::Joined(worker) => tagged(bytes, 2, &worker),
            Self::Left(worker) => tagged(bytes, 3, &worker),
            Self::Direct { from, channel, payload } => {
                head(bytes, 4, Some(from), channel);
                bytes.extend_from_slice(payload);
            }
            Self::Broadcast { from, channel, payload } => {
                head(bytes, 5, Some(from), channel);
                bytes.extend_from_slice(payload);
            }
            Self::Lagged { channel, count } => {
                head(bytes, 6, None, channel);
                count.put(bytes);
            }
            Self::Took { by, channel, count } => {
                head(bytes, 7, Some(by), channel);
                count.put(bytes);
            }
            Self::Gone(peer) => tagged(bytes, 8, &peer),
        })
    }
}

fn tagged(bytes: &mut Vec<u8>, tag: u8, value: &impl Wire) {
    bytes.push(tag);
    value.put(bytes);
}
