//! Who sends and receives messages.

use crate::cluster::wire::codec::{Bytes, Malformed, Wire};
use std::fmt;

/// One worker, from its start to its end. Its replacement has the same slot, and is another.
///
/// It can be part of a message: with feature `messages` it implements serde's traits.
///
/// ```
/// use runtime::cluster::WorkerId;
/// use std::collections::BTreeMap;
///
/// let mut seats: BTreeMap<WorkerId, &str> = BTreeMap::new(); // who has which room of a chat, say
/// # let _ = seats.pop_first();
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerId {
    slot: u32,
    life: u64,
}

impl WorkerId {
    pub(crate) fn new(slot: u32, life: u64) -> Self {
        Self { slot, life }
    }

    /// Its place among the workers, counted from 0.
    pub fn slot(self) -> u32 {
        self.slot
    }

    /// No other worker of the cluster has, or had, the same.
    pub fn life(self) -> u64 {
        self.life
    }
}

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "worker {} (life {})", self.slot, self.life)
    }
}

/// From whom a message comes, or to whom it goes. The supervisor writes down who has sent a message, so it can be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Peer {
    /// The process that supervises the workers.
    Supervisor,
    /// One of them.
    Worker(WorkerId),
}

impl From<WorkerId> for Peer {
    fn from(worker: WorkerId) -> Self {
        Self::Worker(worker)
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Supervisor => f.write_str("the supervisor"),
            Self::Worker(worker) => worker.fmt(f),
        }
    }
}

impl Wire for WorkerId {
    fn put(&self, to: &mut Vec<u8>) {
        self.slot.put(to);
        self.life.put(to);
    }

    fn take(from: &mut Bytes<'_>) -> Result<Self, Malformed> {
        Ok(Self { slot: Wire::take(from)?, life: Wire::take(from)? })
    }
}

impl Wire for Peer {
    fn put(&self, to: &mut Vec<u8>) {
        let worker = match self {
            Self::Supervisor => None,
            Self::Worker(worker) => Some(*worker),
        };
        worker.put(to);
    }

    fn take(from: &mut Bytes<'_>) -> Result<Self, Malformed> {
        let worker: Option<WorkerId> = Wire::take(from)?;
        Ok(worker.map_or(Self::Supervisor, Self::Worker))
    }
}

#[cfg(feature = "messages")]
mod as_values {
    use super::{Peer, WorkerId};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    impl Serialize for WorkerId {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            (self.slot, self.life).serialize(serializer)
        }
    }

    impl<'de> Deserialize<'de> for WorkerId {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            Deserialize::deserialize(deserializer).map(|(slot, life)| Self { slot, life })
        }
    }

    impl Serialize for Peer {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            match self {
                Self::Supervisor => None,
                Self::Worker(worker) => Some(worker),
            }
            .serialize(serializer)
        }
    }

    impl<'de> Deserialize<'de> for Peer {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            Option::deserialize(deserializer).map(|worker| worker.map_or(Self::Supervisor, Self::Worker))
        }
    }
}
