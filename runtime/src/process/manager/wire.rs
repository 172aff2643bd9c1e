//! What the proxies and the manager's process tell each other.
//!
//! A *line* is a connection about one object, and one conversation: an [`Ask`], then the [`Answer`]. Who does not want to wait
//! any longer says [`Withdraw`](Ask::Withdraw) and closes the line, so no late answer is ever taken for another's. What an
//! ask gives a process to hold (a lock, an item that it has yet to receive) is held by the line, and ends with it: whether it
//! was let go, its task was cancelled or its process killed.
//!
//! Values travel and are kept as they were encoded, as *parcels*: the manager's process reads none of them. In a packet stand
//! an ask or an answer and behind it the parcels; descriptors that are in the values go beside it.

use crate::process::packet::Packet;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{fmt, os::fd::OwnedFd, rc::Rc};

/// From a proxy. Answered once, unless it says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Ask {
    /// The descriptor that comes with it is another line of this object. Not answered.
    Open,
    /// Whoever waits for an answer wants none any more, and whoever holds something lets it go. Not answered; nothing
    /// may follow it.
    Withdraw,
    /// Of the manager itself: makes an object with these parcels in it. The descriptor is its root, the line by which
    /// proxies [open](Self::Open) others.
    New {
        /// What object.
        kind: Kind,
    },
    /// Of the manager itself: it ends, now.
    Shutdown,

    /// Of a list, dict or queue: the [`Number`](Answer::Number) of items. Of the manager itself: of objects.
    Len,
    /// Of a list or dict: everything. Of a list also the number of changes so far.
    All,
    /// Of a list: these parcels instead of what is there, if it has seen so many changes, or [`No`](Answer::No).
    Replace {
        /// What [`All`](Self::All) said.
        changes: u64,
    },
    /// Of a list or dict.
    Clear,
    /// Of a list: one item.
    Item {
        /// Which.
        at: u64,
    },
    /// Of a list: another item in its place; answered by the former.
    SetItem {
        /// Which.
        at: u64,
    },
    /// Of a list: these parcels at its end.
    Extend,
    /// Of a list: one more before that one.
    Insert {
        /// Which; its length for the end.
        at: u64,
    },
    /// Of a list: takes an item out.
    Remove {
        /// Which.
        at: u64,
    },
    /// Of a list: takes the last item out.
    Pop,
    /// Of a list: the number of the first that is equal to this parcel, or [`No`](Answer::No).
    Find,
    /// Of a list: how many are equal to this parcel.
    Count,

    /// Of a dict: the value of a key, or [`No`](Answer::No).
    Look,
    /// Of a dict: key, value, key, value …; answered by the former value of the last key.
    Update,
    /// Of a dict: takes out the value of a key, or [`No`](Answer::No).
    Take,
    /// Of a dict: takes out the entry that was put in last, or [`No`](Answer::No).
    TakeLast,
    /// Of a dict: the value of a key; if there is none, that one is put in first.
    SetDefault,
    /// Of a dict: whether there is such a key.
    Has,
    /// Of a dict.
    Keys,
    /// Of a dict.
    Values,
    /// Of a dict: the value of a key, if there is one, and the number of its last change.
    Inspect,
    /// Of a dict: another value for a key, or none, if that was its last change; or [`No`](Answer::No).
    Revise {
        /// What [`Inspect`](Self::Inspect) said.
        changes: u64,
    },

    /// Of locks and semaphores: this line takes that many, and holds them until it says [`Release`](Self::Release) or
    /// [`LetGo`](Self::LetGo), or ends. [`Granted`](Answer::Granted), or [`No`](Answer::No).
    Acquire {
        /// How many.
        many: u64,
        /// Which task asks; an `RLock` lets it in again.
        by: Owner,
        /// Whether it waits.
        wait: bool,
    },
    /// Gives back what this line holds.
    Release,
    /// Gives back what this line holds. Not answered.
    LetGo,
    /// What this line holds is gone for good: the permits are no one's any more.
    Forget,
    /// Of a semaphore: that many more.
    AddPermits {
        /// How many.
        many: u64,
    },
    /// What a holder that died has left is in order again. Not answered.
    Mend,
    /// How many are free.
    Permits,
    /// Of a condition: this line lets go, waits for a notification, and takes the lock again.
    Wait,
    /// The time of whoever waits on this line is up: a condition takes the lock again, a barrier breaks. What is waited
    /// for is answered, and this is not.
    TimeIsUp,
    /// Of a condition: to whoever waits longest.
    Notify {
        /// How many of them.
        many: u64,
    },

    /// Of an event.
    Set,
    /// Of an event.
    Unset,
    /// Of an event: [`Is`](Answer::Is).
    IsSet,
    /// Of an event: answered when it is set.
    WaitSet,

    /// Of a barrier: answered when all have arrived, by the [`Number`](Answer::Number) of those who were first; or
    /// [`Broken`](Answer::Broken).
    Arrive,
    /// Of a barrier: breaks it.
    Abort,
    /// Of a barrier: makes it anew.
    Reset,
    /// Of a barrier: how many wait, or [`Broken`](Answer::Broken).
    Waiting,

    /// Of a queue: [`Done`](Answer::Done), [`No`](Answer::No) (full), or [`Closed`](Answer::Closed).
    Put {
        /// Whether it waits.
        wait: bool,
    },
    /// Of a queue: an item, which is followed by [`Took`](Self::Took); [`No`](Answer::No) (empty), or
    /// [`Closed`](Answer::Closed).
    Get {
        /// Whether it waits.
        wait: bool,
    },
    /// The item has arrived. Not answered. If the line ends without it, the item goes back.
    Took,
    /// Of a queue: an item that was taken has been dealt with.
    TaskDone,
    /// Of a queue: answered when all have been.
    Join,
    /// Of a queue: takes no more items.
    Close,
    /// Of a queue: [`Is`](Answer::Is).
    IsFull,
}

/// What objects there are. Of thirteen types, some differ only on the proxies' side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
    /// A list; also an array, or a value.
    List,
    /// A dict, or a namespace.
    Dict,
    /// Locks and semaphores.
    Permits {
        /// How many there are.
        many: u64,
        /// How many there may be.
        most: Option<u64>,
        /// Whether a task that has some gets more at once.
        reentrant: bool,
    },
    /// An event.
    Event,
    /// A barrier.
    Barrier {
        /// For so many.
        parties: u64,
    },
    /// A queue.
    Queue {
        /// Of so many items.
        most: Option<u64>,
    },
}

/// From the manager.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Answer {
    /// It is done. Parcels that were asked for come with it.
    Done,
    /// There is no such thing, or not now.
    No,
    /// A question of yes or no.
    Is {
        /// Yes.
        yes: bool,
    },
    /// A number.
    Number {
        /// It.
        number: u64,
    },
    /// What was asked for is held by this line now.
    Granted {
        /// A former holder died with it, and what it left has not been mended.
        abandoned: bool,
        /// By a condition: it was notified, and its time was not up.
        notified: bool,
    },
    /// The queue is closed.
    Closed,
    /// The barrier is broken.
    Broken,
    /// It is not done.
    Refused {
        /// Why not.
        why: Refusal,
    },
    /// The line is closed, or never was one.
    Declined {
        /// Why.
        why: Refusal,
    },
}

/// Why something is not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Refusal {
    /// That is no question for this object, or not now.
    Nonsense,
    /// No more connections.
    Lines {
        /// There are this many.
        most: u64,
    },
    /// The list is too short.
    OutOfRange {
        /// It has this length.
        len: u64,
    },
    /// More permits than the semaphore began with.
    OverRelease,
    /// A key with a descriptor in it: a duplicate would be another key.
    KeyWithDescriptor,
    /// The answer is longer than a message may be.
    TooLong {
        /// It has this length, in bytes.
        bytes: u64,
        /// The limit.
        most: u64,
    },
    /// The system's refusal.
    System {
        /// What it said.
        what: String,
    },
}
/// A task, or a thread in no task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Owner {
    pub(crate) pid: u32,
    pub(crate) task: u64,
}

/// A value, as it was encoded. Clones share it.
#[derive(Clone)]
pub(crate) struct Parcel {
    pub(crate) bytes: Rc<[u8]>,
    pub(crate) descriptors: Rc<[OwnedFd]>,
}

impl PartialEq for Parcel {
    /// What has descriptors is equal to nothing: who knows what they are?
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes && self.descriptors.is_empty() && other.descriptors.is_empty()
    }
}

impl fmt::Debug for Parcel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.bytes.escape_ascii().to_string())
    }
}

/// The packet of an ask with these values.
pub(crate) fn ask(ask: Ask, values: impl IntoIterator<Item = Packet>) -> Packet {
    let mut packet = Packet::from(encode(&ask));
    for Packet { bytes, descriptors } in values {
        put_part(&bytes, descriptors.len(), &mut packet.bytes);
        packet.descriptors.extend(descriptors);
    }
    packet
}

/// The packet of an answer.
///
/// # Errors
/// If a descriptor cannot be duplicated.
pub(crate) fn answer(answer: &Answer, parcels: &[Parcel]) -> std::io::Result<Packet> {
    let mut bytes = encode(answer);
    bytes.reserve(parcels.iter().map(|parcel| parcel.bytes.len() + 9).sum());
    let mut packet = Packet::from(bytes);
    for parcel in parcels {
        put_part(&parcel.bytes, parcel.descriptors.len(), &mut packet.bytes);
        for descriptor in &*parcel.descriptors {
            packet.descriptors.push(descriptor.try_clone()?);
        }
    }
    Ok(packet)
}

fn encode(head: &impl Serialize) -> Vec<u8> {
    postcard::to_extend(head, Vec::with_capacity(64)).expect("it is made of numbers and strings")
}

fn put_part(bytes: &[u8], descriptors: usize, to: &mut Vec<u8>) {
    to.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
    to.push(u8::try_from(descriptors).expect("no packet has as many as 256"));
    to.extend_from_slice(bytes);
}

/// What a packet begins with, each parcel behind it as `part` makes it of bytes and descriptors, and the next descriptor, if
/// more have come. `None` if it is no such packet.
pub(crate) fn take_apart<H: DeserializeOwned, P>(
    packet: Packet,
    mut part: impl FnMut(&[u8], Vec<OwnedFd>) -> P,
) -> Option<(H, Vec<P>, Option<OwnedFd>)> {
    let mut descriptors = packet.descriptors.into_iter();
    let (head, mut rest) = postcard::take_from_bytes(&packet.bytes).ok()?;
    let mut parts = Vec::new();
    while !rest.is_empty() {
        let (len, behind) = rest.split_first_chunk()?;
        let (&count, behind) = behind.split_first()?;
        let len = usize::try_from(u64::from_le_bytes(*len)).ok()?;
        let (bytes, behind) = behind.split_at_checked(len)?;
        let own: Vec<OwnedFd> = descriptors.by_ref().take(count.into()).collect();
        if own.len() < usize::from(count) {
            return None;
        }
        parts.push(part(bytes, own));
        rest = behind;
    }
    Some((head, parts, descriptors.next()))
}
