//! How much may be under way between the members of a cluster.

use crate::cluster::wire::{frame::MAX_DATA_BYTES, outbox::MIN_FRAME_COST};

/// A member opens no more channels. With it, the windows bound what others can send him unasked.
pub(crate) const MAX_CHANNELS: usize = 64;

/// What is under way is bounded everywhere, in bytes; a message counts as 256 of them at least, which bounds the number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    /// The longest message. Whoever sends a longer one is told so; whoever announces a longer frame is cut off.
    pub(crate) message: usize,
    /// What one member may have sent to another on one channel, and that one has not taken yet: then sending waits. Both
    /// ends go by it, so it is not to be set but for tests: a mebibyte keeps a sender busy while its receiver has a turn.
    pub(crate) window: usize,
    /// What a member keeps of a channel's broadcasts for its own tasks; more are missed.
    pub(crate) kept: usize,
    /// What waits in a member for the supervisor to take it: then its sending waits.
    pub(crate) outbox: usize,
    /// What waits in the supervisor for one member: direct messages. It is more than the windows of a cluster of 32, so that
    /// nobody waits there but for one who ignores his window, or for many channels that nobody reads.
    pub(crate) port: usize,
    /// What waits in the supervisor for one member: broadcasts; more are missed.
    pub(crate) port_broadcasts: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message: MAX_DATA_BYTES,
            window: 1 << 20,
            kept: 4 << 20,
            outbox: 1 << 20,
            port: 32 << 20,
            port_broadcasts: 8 << 20,
        }
    }
}

impl Limits {
    /// What a message takes of a `room`.
    pub(crate) fn cost(room: usize, bytes: usize) -> usize {
        bytes.max(MIN_FRAME_COST).min(room)
    }
}
