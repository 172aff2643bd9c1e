//! What those who use a queue have to know of each other, in memory that they share: how many items are under way, and who waits.
//!
//! The items themselves lie in a socket, which the system keeps right whoever dies when. Memory is another matter: between a
//! system call and the note of it somebody may be killed. So nothing here is a count that such a death would leave wrong for
//! ever. For each item that may be in the queue there is a *place*:
//!
//! ```text
//!         claim            sent
//!  free --------> claimed -----> sent
//!    ^               │            │
//!    │  give_back, take, or look_after
//!    └───────────────┴────────────┘
//! ```
//!
//! Who puts an item claims a place, sends the item with the name of the claim (the number of the place, and a stamp that no other
//! claim has) in one attempt that does not wait, and says so. Who takes it frees the place, if it has that stamp still.
//!
//! - Killed between claim and attempt: the place stays claimed, and nothing would free it. As a claim lasts for one system
//!   call, whoever waits for a place takes away one that has not changed for [`PATIENCE`].
//! - Killed after the attempt: the item arrives, and its receiver frees the place.
//! - Killed between receiving and freeing: the place stays sent. Items come out in the order in which they went in; so whatever
//!   was seen *sent* has been received when the queue is then found empty, or when an item has been received that was claimed
//!   later.
//!
//! Should somebody only have been stopped when his place was taken away, there is an item more than there should be, until it is
//! taken; its name fits no more, so it frees nothing that is not its own.

use runtime_executor::time::{Duration, Instant};
use runtime_io::host::SharedMemory;
use std::{
    io,
    os::fd::{BorrowedFd, OwnedFd},
    sync::atomic::{AtomicU64, Ordering::SeqCst},
};

/// More items do not fit into a socket's buffer, as Linux has them, whose packets take some 800 bytes of it at least.
pub(super) const MAX_PLACES: usize = 1024;

/// A claim lasts for one system call that does not wait. Who takes longer is dead, or was stopped.
const PATIENCE: Duration = Duration::from_secs(1);

/// How often who waits looks whether somebody has died, of whose death nobody would tell.
pub(super) const LOOK: Duration = Duration::from_millis(100);

// Counts lie in cache lines of their own, as each is written by others.
const WAITING: usize = 0;
const JOINING: usize = 8;
const TAKEN: usize = 16;
const DONE: usize = 24;
const STAMPS: usize = 32;
const NEWEST_TAKEN: usize = 40;
const PLACES: usize = 48;

const FREE: u64 = 0;
const CLAIMED: u64 = 1;
const SENT: u64 = 2;
/// Bits of a place: its state, and above that the stamp of its last claim.
const STATE_BITS: u32 = 2;
const STATE: u64 = (1 << STATE_BITS) - 1;

/// Bits of a name: the number of its place, and above that the stamp.
const NUMBER_BITS: u32 = 12;

/// A claim, as it goes with the item.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Name(u64);

impl Name {
    fn new(number: usize, stamp: u64) -> Self {
        Self(stamp << NUMBER_BITS | number as u64)
    }

    pub(super) fn from_tag(tag: u64) -> Self {
        Self(tag)
    }

    pub(super) fn tag(self) -> u64 {
        self.0
    }

    fn number(self) -> usize {
        (self.0 & ((1 << NUMBER_BITS) - 1)) as usize
    }

    fn stamp(self) -> u64 {
        self.0 >> NUMBER_BITS
    }

    /// The place in that state.
    fn place(self, state: u64) -> u64 {
        self.stamp() << STATE_BITS | state
    }
}

/// The shared memory of a queue.
#[derive(Debug)]
pub(super) struct Board {
    memory: SharedMemory,
}

impl Board {
    /// With so many places.
    pub(super) fn create(places: usize) -> io::Result<Self> {
        Ok(Self { memory: SharedMemory::create(PLACES + places)? })
    }

    /// That of a queue which another process has made.
    pub(super) fn from_fd(fd: OwnedFd, places: usize) -> io::Result<Self> {
        if !(1..=MAX_PLACES).contains(&places) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(Self { memory: SharedMemory::from_fd(fd, PLACES + places)? })
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.memory.fd()
    }

    fn cell(&self, index: usize) -> &AtomicU64 {
        &self.memory.cells()[index]
    }

    /// Its places.
    pub(super) fn places(&self) -> &[AtomicU64] {
        &self.memory.cells()[PLACES..]
    }

    /// Claims a place for an item that will be sent at once; `None` if none is free.
    pub(super) fn claim(&self) -> Option<Name> {
        let places = self.places();
        let stamp = self.cell(STAMPS).fetch_add(1, SeqCst).wrapping_add(1);
        // They are freed in about the order in which they were claimed.
        let first = stamp as usize % places.len();
        (first..places.len()).chain(0..first).find_map(|number| {
            let place = places[number].load(SeqCst);
            if place & STATE != FREE {
                return None;
            }
            let name = Name::new(number, stamp);
            places[number].compare_exchange(place, name.place(CLAIMED), SeqCst, SeqCst).ok()?;
            Some(name)
        })
    }

    fn change(&self, name: Name, from: u64, to: u64) -> bool {
        let place = self.places().get(name.number());
        place.is_some_and(|place| {
            place.compare_exchange(name.place(from), name.place(to), SeqCst, SeqCst).is_ok()
        })
    }

    /// The item is under way.
    pub(super) fn sent(&self, name: Name) {
        self.change(name, CLAIMED, SENT);
    }

    /// It was not sent.
    pub(super) fn give_back(&self, name: Name) {
        self.change(name, CLAIMED, FREE);
    }

    /// The item of that place was received. Whether somebody waits for one.
    pub(super) fn take(&self, name: Name) -> bool {
        // First, so that an item is never on neither account.
        self.cell(TAKEN).fetch_add(1, SeqCst);
        // Its sender may not have come to say that it is sent, and may come to it between our two looks.
        if [SENT, CLAIMED, SENT].into_iter().any(|state| self.change(name, state, FREE)) {
            self.cell(NEWEST_TAKEN).fetch_max(name.stamp(), SeqCst);
        }
        self.cell(WAITING).load(SeqCst) > 0
    }

    /// How many places are not free.
    pub(super) fn used(&self) -> usize {
        self.places().iter().filter(|place| place.load(SeqCst) & STATE != FREE).count()
    }

    /// An item that was taken is done with; `false` if all were. How many wait to hear that all are, if all are.
    pub(super) fn done(&self) -> Option<u64> {
        let done = self.cell(DONE);
        let mut before = done.load(SeqCst);
        loop {
            if before >= self.cell(TAKEN).load(SeqCst) {
                return None;
            }
            match done.compare_exchange(before, before.wrapping_add(1), SeqCst, SeqCst) {
                Ok(_) => break,
                Err(now) => before = now,
            }
        }
        let joining = self.cell(JOINING).load(SeqCst);
        Some(if joining > 0 && self.unfinished() == 0 { joining } else { 0 })
    }

    /// Items that were put, and are not done with.
    pub(super) fn unfinished(&self) -> u64 {
        // In this order nothing is missed: what is done was taken before, and what is taken is so before its place is free.
        let done = self.cell(DONE).load(SeqCst);
        let used = self.used() as u64;
        self.cell(TAKEN).load(SeqCst).saturating_add(used).saturating_sub(done)
    }

    /// Notes that somebody waits for a place, until it is dropped.
    pub(super) fn wait(&self) -> Noted<'_> {
        Noted::new(self.cell(WAITING))
    }

    /// Notes that somebody waits until all is done, until it is dropped.
    pub(super) fn join(&self) -> Noted<'_> {
        Noted::new(self.cell(JOINING))
    }

    /// Frees the places of those who have died, as far as can be told now; `is_empty` is asked whether the socket is.
    pub(super) fn look_after(&self, memory: &mut Remembered, is_empty: impl FnOnce() -> bool) {
        let places = || self.places().iter().map(|place| place.load(SeqCst)).enumerate();
        let seen: Vec<(usize, u64)> = places().filter(|(_, place)| place & STATE != FREE).collect();
        let free = |&(number, place): &(usize, u64)| {
            let _ = self.places()[number].compare_exchange(place, place & !STATE, SeqCst, SeqCst);
        };
        let (sent, claimed): (Vec<_>, Vec<_>) =
            seen.into_iter().partition(|(_, place)| place & STATE == SENT);
        let is_later = |stamp| self.cell(NEWEST_TAKEN).load(SeqCst) > stamp;
        if is_empty() {
            sent.iter().for_each(free);
            memory.sent.clear();
        } else if memory.sent.is_empty() || is_later(memory.before) {
            memory.sent.iter().for_each(free);
            // Read after the places: who gets a later stamp sends later.
            memory.before = self.cell(STAMPS).load(SeqCst);
            memory.sent = sent;
        }
        let now = Instant::now();
        memory.claimed.retain(|(claim, _)| claimed.contains(claim));
        for claim in claimed {
            match memory.claimed.iter().find(|(known, _)| *known == claim) {
                Some((_, since)) if now.saturating_duration_since(*since) >= PATIENCE => free(&claim),
                Some(_) => {}
                None => memory.claimed.push((claim, now)),
            }
        }
    }
}

/// What somebody who waits has seen at his last look: numbers and places.
#[derive(Default, Debug)]
pub(super) struct Remembered {
    /// Since when.
    claimed: Vec<((usize, u64), Instant)>,
    sent: Vec<(usize, u64)>,
    /// The newest stamp at that time.
    before: u64,
}

/// One more in a count of those who wait. Who is killed stays in it, and is told in vain.
#[derive(Debug)]
pub(super) struct Noted<'b>(&'b AtomicU64);

impl<'b> Noted<'b> {
    fn new(count: &'b AtomicU64) -> Self {
        count.fetch_add(1, SeqCst);
        Self(count)
    }
}

impl Drop for Noted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}
