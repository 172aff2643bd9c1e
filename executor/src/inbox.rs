//! What other threads leave for a runtime: wakes and calls, and the doorbell that interrupts its sleep.
//!
//! One [`Remote`] block per runtime id, never freed and used again by the next runtime of that id, so that a
//! waker which outlives its runtime always finds memory to talk to.
//!
//! ```text
//! foreign thread:  set pending bit -> push under the lock -> doorbell.ring()
//! the loop:        doorbell says NOTIFIED -> reset it -> take all under the lock -> clear pending bits -> act
//! ```
//!
//! I1. A slot whose pending bit is set is in `wakes`, or its setter is about to put it there and then ring.
//! I2. The doorbell is reset before the inbox is emptied: mail pushed after that rings again.

use crate::{
    inspect::Pulse,
    primitives::{AtomicBool, AtomicI32, AtomicU8, Mutex, Ordering, lock},
    task::{TaskId, slots::Out},
};
use std::{sync::OnceLock, task::Waker};
// The pointer around the unparker is not part of any model.
use std::sync::Arc;

/// Mail other than wakes, run on the owner's thread between two polls.
pub(crate) enum Call {
    /// Run this inside the runtime.
    Run(Box<dyn FnOnce() + Send>),
    /// Cancel the task of this number in this slot, if it still lives there.
    Cancel { slot: u32, task: TaskId },
    /// Leave `block_on`.
    Stop,
}

/// The runtime that the mail was for has ended.
///
/// ```
/// use runtime_executor::{Executor, RuntimeId};
/// let executor = Executor::builder().build();
/// let id = executor.block_on(async { RuntimeId::current().unwrap() });
/// drop(executor);
/// assert!(id.post(|| ()).is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuntimeGone;

impl std::fmt::Display for RuntimeGone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the runtime has ended: nothing can be sent to it any more")
    }
}

impl std::error::Error for RuntimeGone {}

/// Tri-state flag between the loop and those who leave mail.
///
/// ```text
/// RUNNING --ring--> NOTIFIED --take / begin_park--> RUNNING
/// RUNNING --begin_park--> PARKING --end_park--> RUNNING
/// PARKING --ring, and the ringer unparks--> NOTIFIED --end_park--> RUNNING
/// ```
///
/// `swap` on both sides: whoever comes second in the order of the one atomic sees the other. Hence either the
/// ringer sees PARKING and unparks, or the loop sees NOTIFIED and does not sleep.
#[derive(Debug)]
pub(crate) struct Doorbell(AtomicU8);

const RUNNING: u8 = 0;
const PARKING: u8 = 1;
const NOTIFIED: u8 = 2;

impl Doorbell {
    fn new() -> Self {
        Self(AtomicU8::new(RUNNING))
    }

    /// After mail was pushed. True: the loop sleeps or is about to, unpark it.
    fn ring(&self) -> bool {
        // Reading NOTIFIED proves that the loop has not reset the bell since our push (I2 and the inbox's lock
        // order us), so it will still look: no need to write the contended line again.
        self.0.load(Ordering::Acquire) != NOTIFIED && self.0.swap(NOTIFIED, Ordering::AcqRel) == PARKING
    }

    /// True: there is mail; the bell is reset, take the mail now.
    #[inline]
    pub(crate) fn take(&self) -> bool {
        self.0.load(Ordering::Relaxed) == NOTIFIED && self.0.swap(RUNNING, Ordering::AcqRel) == NOTIFIED
    }

    /// Whether there is mail, without taking note of it.
    pub(crate) fn has_rung(&self) -> bool {
        self.0.load(Ordering::Acquire) == NOTIFIED
    }

    /// False: there is mail, do not sleep (and take it now).
    pub(crate) fn begin_park(&self) -> bool {
        if self.0.swap(PARKING, Ordering::AcqRel) == NOTIFIED {
            self.0.swap(RUNNING, Ordering::AcqRel);
            return false;
        }
        true
    }

    /// True: mail came during the sleep, take it now.
    pub(crate) fn end_park(&self) -> bool {
        self.0.swap(RUNNING, Ordering::AcqRel) == NOTIFIED
    }
}

/// What is under the lock.
struct Inbox {
    /// Number of the runtime that this block serves now; 0 while it serves none.
    epoch: u64,
    wakes: Vec<u32>,
    calls: Vec<Call>,
    /// Behind a pointer, as cloning a waker runs foreign code and this is under the lock.
    unparker: Option<Arc<Waker>>,
}

/// Per slot, what foreign threads touch.
struct ForeignSlot {
    /// Set when: a foreign thread woke the slot. Means: the wake is on its way (I1). Cleared by the loop.
    pending: AtomicBool,
    /// Waker clones made minus wakers dropped on foreign threads, over all users of the slot.
    clones: AtomicI32,
    /// The same for the waits of this crate that end by waking the slot.
    waiters: AtomicI32,
}

/// Tables indexed by slot grow by chunks that double, so that nothing ever moves. Chunk `k` holds the `2^k` slots
/// from `2^k - 64` on; the first in use is number 6, and 24 bits of slots reach into number 24.
pub(crate) const CHUNKS: usize = 25;
const FIRST_CHUNK: u32 = 64;

/// Chunk and offset of a slot.
#[inline]
pub(crate) fn chunk_of(slot: u32) -> (usize, usize) {
    let n = slot + FIRST_CHUNK;
    let chunk = n.ilog2();
    (chunk as usize, (n ^ (1 << chunk)) as usize)
}

/// How many slots a chunk has.
pub(crate) fn chunk_len(chunk: usize) -> usize {
    1 << chunk
}

/// The side of a runtime that any thread may touch.
pub(crate) struct Remote {
    doorbell: Doorbell,
    pulse: Pulse,
    inbox: Mutex<Inbox>,
    /// Made at the first foreign touch: a program of one thread pays nothing.
    slots: [OnceLock<Box<[ForeignSlot]>>; CHUNKS],
}

impl Remote {
    pub(crate) fn new() -> Self {
        let inbox = Inbox { epoch: 0, wakes: Vec::new(), calls: Vec::new(), unparker: None };
        Self {
            doorbell: Doorbell::new(),
            pulse: Pulse::default(),
            inbox: Mutex::new(inbox),
            slots: [const { OnceLock::new() }; CHUNKS],
        }
    }

    pub(crate) fn doorbell(&self) -> &Doorbell {
        &self.doorbell
    }

    /// The loop's sign of life.
    #[inline]
    pub(crate) fn pulse(&self) -> &Pulse {
        &self.pulse
    }

    /// Begins to serve the runtime numbered `epoch`.
    pub(crate) fn open(&self, epoch: u64, unparker: Waker) {
        let mut inbox = lock(&self.inbox);
        inbox.epoch = epoch;
        self.pulse.reset();
        let before = inbox.unparker.replace(Arc::new(unparker));
        drop(inbox);
        drop(before);
    }

    /// The number of the runtime that it serves now, 0 for none.
    pub(crate) fn epoch(&self) -> u64 {
        lock(&self.inbox).epoch
    }

    /// Ends the service: mail is refused from now on. Gives back what had arrived, to be dropped by the owner.
    pub(crate) fn close(&self) -> Vec<Call> {
        let mut inbox = lock(&self.inbox);
        inbox.epoch = 0;
        let wakes = std::mem::take(&mut inbox.wakes);
        let calls = std::mem::take(&mut inbox.calls);
        let unparker = inbox.unparker.take();
        drop(inbox);
        wakes.into_iter().for_each(|slot| self.acknowledge(slot));
        drop(unparker);
        calls
    }

    fn slot(&self, slot: u32) -> &ForeignSlot {
        let (chunk, offset) = chunk_of(slot);
        let make = |_| ForeignSlot {
            pending: AtomicBool::new(false),
            clones: AtomicI32::new(0),
            waiters: AtomicI32::new(0),
        };
        &self.slots[chunk].get_or_init(|| (0..chunk_len(chunk)).map(make).collect())[offset]
    }

    /// A foreign thread wakes whoever lives in `slot`. Many wakes before the loop looks are one.
    pub(crate) fn wake(&self, slot: u32) {
        let pending = &self.slot(slot).pending;
        if pending.swap(true, Ordering::AcqRel) {
            return; // I1: on its way already; the loop's own swap will see what we wrote before
        }
        let mut inbox = lock(&self.inbox);
        if inbox.epoch == 0 {
            // Under the lock: the next runtime of this block opens after it, so its wakes find the bit clean.
            pending.swap(false, Ordering::AcqRel);
            return;
        }
        inbox.wakes.push(slot);
        drop(inbox);
        self.ring();
    }

    /// Leaves a call for the runtime numbered `epoch`.
    pub(crate) fn post(&self, epoch: u64, call: Call) -> Result<(), RuntimeGone> {
        let mut inbox = lock(&self.inbox);
        if inbox.epoch != epoch {
            drop(inbox); // the refused call is dropped by our caller's frame, outside the lock
            return Err(RuntimeGone);
        }
        inbox.calls.push(call);
        drop(inbox);
        self.ring();
        Ok(())
    }

    /// Whether mail for that runtime would be refused.
    pub(crate) fn is_closed_to(&self, epoch: u64) -> bool {
        lock(&self.inbox).epoch != epoch
    }

    fn ring(&self) {
        if self.doorbell.ring() {
            let unparker = lock(&self.inbox).unparker.clone();
            if let Some(unparker) = unparker {
                unparker.wake_by_ref();
            }
        }
    }

    /// Takes all mail; `wakes` is an empty vector to swap in, so that steady traffic allocates nothing. Each
    /// slot taken must be [acknowledged](Remote::acknowledge) before its task is made ready.
    pub(crate) fn take(&self, wakes: &mut Vec<u32>) -> Vec<Call> {
        debug_assert!(wakes.is_empty());
        let mut inbox = lock(&self.inbox);
        std::mem::swap(&mut inbox.wakes, wakes);
        std::mem::take(&mut inbox.calls)
    }

    /// Throws away requests to stop that were not read.
    pub(crate) fn forget_stops(&self) {
        lock(&self.inbox).calls.retain(|call| !matches!(call, Call::Stop));
    }

    /// Clears the pending bit of a slot taken from the inbox: later wakes are new ones.
    pub(crate) fn acknowledge(&self, slot: u32) {
        self.slot(slot).pending.swap(false, Ordering::AcqRel);
    }

    /// Counts a waker cloned (`1`) or dropped (`-1`) on a foreign thread.
    ///
    /// Release, with the acquire in [`out`](Remote::out): who sees that a waker is gone also sees that it rang before.
    pub(crate) fn count_clones(&self, slot: u32, change: i32) {
        self.slot(slot).clones.fetch_add(change, Ordering::Release);
    }

    /// The same for waiters.
    pub(crate) fn count_waiters(&self, slot: u32, change: i32) {
        self.slot(slot).waiters.fetch_add(change, Ordering::Release);
    }

    /// The foreign half of what is out for `slot`.
    pub(crate) fn out(&self, slot: u32) -> Out {
        let (chunk, offset) = chunk_of(slot);
        let out = |slot: &ForeignSlot| Out {
            clones: slot.clones.load(Ordering::Acquire),
            waiters: slot.waiters.load(Ordering::Acquire),
        };
        self.slots[chunk].get().map(|slots| out(&slots[offset])).unwrap_or_default()
    }
}

#[cfg(all(test, loom))]
#[path = "inbox_loom.rs"]
mod loom_models;
