//! The board: who holds, who waits, and who is dead, in words of memory that processes share.
//!
//! Any process may be killed between any two instructions, and nobody cleans up after it but those who come next. So the board
//! has no count that could be half-done: what is free is computed from who has what. The rules:
//!
//! - **B1** A *member* is one process that has the board open: a slot, which the system takes back from the dead
//!   ([`Ground::is_claimed`]), and an incarnation, one more each time that the slot is taken. Both together are its name
//!   ([`Who`]). A name whose slot is nobody's, or has another incarnation by now, is dead, and stays so.
//! - **B2** Whatever is on the board is on *record* for one member: a seat, permits, the lock, the guard. A record of the dead
//!   means nothing and may be erased by anybody who has the guard.
//! - **B3** Records are changed under the *guard*, a word with the name of who is inside. Whoever finds a dead name in it puts
//!   his own there, by compare-and-swap, and repairs. Two words change without it: the lock's own, from free to held and
//!   back while nobody waits, and a seat, from GRANTED to FREE, by its owner.
//! - **B4** What one does to the records of another is **one** store, of one seat's state: WAITING or PARKED becomes GRANTED,
//!   REFUSED or WAITING. To the records of its own a member may do several, as its death erases all of them. To what is
//!   nobody's (flags, totals, rounds) one, and everything that follows from it is computed ([`settle`](Machine::settle)),
//!   which may be begun again as often as one likes.
//! - **B5** Permits that are free = their total − what members have on record − what seats were GRANTED. Of a lock, the word says
//!   who has it, except while a seat is GRANTED: then that seat has it.
//! - **B6** Who waits is served by the order of tickets, and before whoever comes. So the lock's word says CLOSED
//!   as long as somebody waits: then it is taken and given back under the guard only.
//! - **B7** A wake may be lost with who owes it. Therefore nobody sleeps for longer than [`LOOK`] before he looks at his seat, and
//!   whether those who have something are alive.
//! - **B8** Nothing that is read is trusted: a name, an index, a state that means nothing is as good as dead, free or lost. No walk
//!   is longer than the board. Who writes there at will can have others wait for ever, or be told nonsense, and nothing worse.

mod barrier;
mod condition;
mod event;
mod guard;
mod lock;
mod repair;
mod seat;
mod semaphore;

#[cfg(all(test, not(miri)))]
mod explorer;

pub(super) use seat::{Outcome, Seat};

use std::{fmt, io, time::Duration};

/// How long somebody may lie dead before those who wait for him notice: twenty looks a second cost nothing that can be measured.
pub(super) const LOOK: Duration = Duration::from_millis(50);

/// Processes that can have one board open: as many as the largest machines have cores.
pub(super) const MEMBERS: usize = 256;

/// Threads and tasks that can wait at one board: a few per process.
pub(super) const SEATS: usize = 1_024;

/// What a board is made of, with the words that others write: the real thing, or a stage on which members die.
pub(super) trait Ground {
    fn load(&self, word: usize) -> u32;
    fn store(&self, word: usize, value: u32);
    /// Compare-and-swap.
    fn replace(&self, word: usize, from: u32, to: u32) -> Result<(), u32>;
    /// Takes the seat of a member, unless it is somebody's.
    fn claim(&self, slot: usize) -> io::Result<bool>;
    /// Whether somebody else than this member has the seat.
    fn is_claimed(&self, slot: usize) -> bool;
    /// Gives it up, if that takes more than closing the file.
    fn leave(&self, slot: usize);
    /// Sleeps while the word has that value, at most as long as that.
    fn wait(&self, word: usize, value: u32, limit: Duration);
    fn wake(&self, word: usize, count: u32);
}

/// The name of a member; 0 is nobody's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Who(u32);

impl Who {
    pub(super) const NOBODY: Self = Self(0);
    /// Beside a name. In the guard: somebody sleeps until it is free. In the lock: somebody waits, or did (B6).
    const MARK: u32 = 1 << 31;
    const SLOT_BITS: u32 = 9;
    const INCARNATIONS: u32 = 1 << (31 - Self::SLOT_BITS);

    fn new(slot: usize, incarnation: u32) -> Self {
        let incarnation = incarnation % Self::INCARNATIONS;
        Self((incarnation << Self::SLOT_BITS) | (slot as u32 + 1))
    }

    /// The name in a word, without the mark.
    fn in_word(word: u32) -> Self {
        Self(word & !Self::MARK)
    }

    fn slot(self) -> Option<usize> {
        let slot = (self.0 & ((1 << Self::SLOT_BITS) - 1)) as usize;
        slot.checked_sub(1).filter(|&slot| slot < MEMBERS)
    }

    fn incarnation(self) -> u32 {
        self.0 >> Self::SLOT_BITS
    }
}

/// Where what is. The first word says what the memory is for.
mod at {
    use super::{MEMBERS, SEATS};

    pub(super) const KIND: usize = 0;
    pub(super) const GUARD: usize = 1;
    /// Who has the lock, and whether it is closed.
    pub(super) const HOLDER: usize = 2;
    /// Permits, or parties of a barrier.
    pub(super) const TOTAL: usize = 3;
    /// The most permits there may be.
    pub(super) const BOUND: usize = 4;
    /// Whether somebody died with the lock, and nobody has said since that all is well.
    pub(super) const ORPHANED: usize = 5;
    /// Whether the event is set.
    pub(super) const SET: usize = 6;
    /// Whether the barrier is broken.
    pub(super) const BROKEN: usize = 7;
    /// Of the barrier.
    pub(super) const ROUND: usize = 8;
    pub(super) const NEXT_TICKET: usize = 9;
    /// Slots and seats from here on were never used: hints, so that walks are short.
    pub(super) const MEMBERS_USED: usize = 10;
    pub(super) const SEATS_USED: usize = 11;

    const FIRST_MEMBER: usize = 16;
    const FIRST_SEAT: usize = FIRST_MEMBER + 4 * MEMBERS;
    pub(super) const END: usize = FIRST_SEAT + 4 * SEATS;

    pub(super) const fn incarnation(slot: usize) -> usize {
        FIRST_MEMBER + 4 * slot
    }

    /// Rung when a seat of the member changes whose owner does not sleep at it.
    pub(super) const fn bell(slot: usize) -> usize {
        FIRST_MEMBER + 4 * slot + 1
    }

    /// Permits that the member has.
    pub(super) const fn held(slot: usize) -> usize {
        FIRST_MEMBER + 4 * slot + 2
    }

    /// For systems that take no seat back from the dead.
    pub(super) const fn mark(slot: usize) -> usize {
        FIRST_MEMBER + 4 * slot + 3
    }

    pub(super) const fn state(seat: usize) -> usize {
        FIRST_SEAT + 4 * seat
    }

    pub(super) const fn owner(seat: usize) -> usize {
        FIRST_SEAT + 4 * seat + 1
    }

    pub(super) const fn ticket(seat: usize) -> usize {
        FIRST_SEAT + 4 * seat + 2
    }

    /// Permits that are asked for; the round of a barrier.
    pub(super) const fn wanted(seat: usize) -> usize {
        FIRST_SEAT + 4 * seat + 3
    }
}

/// Words of a board.
pub(super) const WORDS: usize = at::END;

/// The word of a member that systems need which take no seat back from the dead.
pub(super) fn mark_of(slot: usize) -> usize {
    at::mark(slot.min(MEMBERS - 1))
}

/// What a board is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One has it, others wait: also with conditions.
    Lock,
    /// As many have it as there are permits.
    Semaphore,
    /// All wait until it is set.
    Event,
    /// So many wait for each other.
    Barrier,
}

impl Kind {
    /// In the first word: another layout gets other words.
    fn word(self) -> u32 {
        0x5EA7_0100 | self as u32
    }
}

/// Why something cannot be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// All seats are taken.
    Full,
    /// More permits than there may be.
    TooMany,
    /// The barrier is broken.
    Broken,
}

/// The board as one member has it.
pub(super) struct Machine<G: Ground> {
    ground: G,
    kind: Kind,
    me: Who,
    slot: usize,
}

impl<G: Ground> Machine<G> {
    /// Writes on a board that nobody else has yet.
    pub(super) fn prepare(ground: &G, kind: Kind, total: u32, bound: u32) {
        ground.store(at::TOTAL, total);
        ground.store(at::BOUND, bound);
        ground.store(at::KIND, kind.word());
    }

    /// Joins those who have the board.
    pub(super) fn join(ground: G, kind: Kind) -> io::Result<Self> {
        if ground.load(at::KIND) != kind.word() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "this memory is shared for something else",
            ));
        }
        for slot in 0..MEMBERS {
            if ground.claim(slot)? {
                let incarnation = ground.load(at::incarnation(slot)).wrapping_add(1) % Who::INCARNATIONS;
                // Whoever had the slot is dead for all from now on (B1).
                ground.store(at::incarnation(slot), incarnation);
                let machine = Self { ground, kind, me: Who::new(slot, incarnation), slot };
                machine.move_in();
                return Ok(machine);
            }
        }
        Err(io::Error::new(
            io::ErrorKind::QuotaExceeded,
            format!("{MEMBERS} processes share this already, which is all it has room for"),
        ))
    }

    /// What the former owner of the slot had is nobody's, before this member has anything.
    fn move_in(&self) {
        let mut inside = self.enter();
        if inside.machine.used(at::MEMBERS_USED, MEMBERS) <= self.slot {
            self.ground.store(at::MEMBERS_USED, self.slot as u32 + 1);
        }
        self.ground.store(at::held(self.slot), 0);
        inside.repair();
        inside.settle();
    }

    pub(super) fn ground(&self) -> &G {
        &self.ground
    }

    /// How often this member's bell was rung.
    pub(super) fn rung(&self) -> u32 {
        self.ground.load(at::bell(self.slot))
    }

    /// Sleeps until it was rung more often, or for that long. Gives whether it was not.
    pub(super) fn sleep_until_rung(&self, rung: u32, limit: Duration) -> bool {
        self.ground.wait(at::bell(self.slot), rung, limit);
        self.rung() == rung
    }

    /// How much of a table is in use, and never more than there is of it.
    fn used(&self, hint: usize, limit: usize) -> usize {
        (self.ground.load(hint) as usize).min(limit)
    }

    fn seats(&self) -> std::ops::Range<usize> {
        0..self.used(at::SEATS_USED, SEATS)
    }

    fn members(&self) -> std::ops::Range<usize> {
        0..self.used(at::MEMBERS_USED, MEMBERS)
    }
}

impl<G: Ground> Drop for Machine<G> {
    /// What is still on record was forgotten, and is as that of the dead.
    fn drop(&mut self) {
        self.ground.leave(self.slot);
    }
}

impl<G: Ground> fmt::Debug for Machine<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Board").field("kind", &self.kind).field("member", &self.slot).finish_non_exhaustive()
    }
}
