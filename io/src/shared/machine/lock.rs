//! A lock: one word, as long as nobody waits.
//!
//! ```text
//!   HOLDER:            0 ◀──────────────▶ name             nobody waits; one compare-and-swap
//!                      │ ▲                 │  ▲
//!    somebody waits:   ▼ │                 ▼  │            under the guard
//!                    CLOSED ◀───────── name|CLOSED
//!                         │  given back     ▲
//!                         └────────────────┘ a seat is GRANTED; its owner writes his name, then frees the seat
//! ```

use super::{
    Ground, Machine, Refusal, Who, at,
    guard::Inside,
    seat::{GRANTED, Seat, WAITING},
};

/// Nobody has the lock, and it is not free for all.
const CLOSED: u32 = Who::MARK;

impl<G: Ground> Machine<G> {
    /// Takes the lock if it is free and nobody waits.
    #[inline]
    pub(crate) fn try_lock(&self) -> bool {
        self.ground.replace(at::HOLDER, 0, self.me.0).is_ok()
    }

    /// Whether somebody has the lock, or it is about to be somebody's.
    pub(crate) fn is_locked(&self) -> bool {
        self.ground.load(at::HOLDER) != 0
    }

    /// Takes a seat in the queue for the lock, which may be granted at once.
    pub(crate) fn ask_for_lock(&self, rings: bool) -> Result<Seat, Refusal> {
        let mut inside = self.enter();
        let seat = inside.claim(WAITING, 1, 1, rings)?;
        inside.settle();
        Ok(seat)
    }

    /// Gives the lock back, to whoever is first.
    #[inline]
    pub(crate) fn unlock(&self) {
        if self.ground.replace(at::HOLDER, self.me.0, 0).is_err() {
            self.hand_over();
        }
    }

    #[cold]
    fn hand_over(&self) {
        let mut inside = self.enter();
        inside.give_lock_back();
    }

    /// Whether somebody died with the lock since it was last [mended](Machine::mend).
    #[inline]
    pub(crate) fn is_orphaned(&self) -> bool {
        self.ground.load(at::ORPHANED) != 0
    }

    /// What the lock protects is in order again.
    pub(crate) fn mend(&self) {
        self.ground.store(at::ORPHANED, 0);
    }
}

impl<G: Ground> Inside<'_, G> {
    pub(super) fn give_lock_back(&mut self) {
        let ground = &self.machine.ground;
        if Who::in_word(ground.load(at::HOLDER)) == self.machine.me {
            ground.store(at::HOLDER, CLOSED);
        }
        self.settle_lock();
    }

    pub(super) fn settle_lock(&mut self) {
        let ground = &self.machine.ground;
        loop {
            // Before the word is read: its owner writes that first and frees the seat then.
            if self.first(GRANTED).is_some() {
                return;
            }
            let first = self.first(WAITING);
            let word = ground.load(at::HOLDER);
            let next = match (first, Who::in_word(word)) {
                (None, who) => who.0,
                (Some(_), who) => who.0 | CLOSED,
            };
            if word != next && ground.replace(at::HOLDER, word, next).is_err() {
                continue; // somebody took or gave back the lock that was not closed
            }
            if let (Some(first), CLOSED) = (first, next) {
                self.turn_to(first, GRANTED);
            }
            return;
        }
    }
}
