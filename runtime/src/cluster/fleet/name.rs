//! What the fleet calls its parts.

use std::fmt;

/// One life of a worker, from its launch until it is reaped. Never given twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct LifeId(pub(crate) u64);

/// A worker's place, which outlives it: from 0, lowest first. Whoever takes the place inherits its number, its core and its
/// `SO_REUSEPORT` sockets. For a while two lives may be in one slot: a replacement, and who is replaced.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct SlotId(pub(crate) u32);

/// Lives that run the same program, counted from 0 and up by each attempt to reload. An attempt that fails uses its
/// number up.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Generation(pub(crate) u64);

impl SlotId {
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for LifeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for SlotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
