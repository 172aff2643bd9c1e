//! Seats, at which one waits.
//!
//! ```text
//!           claim                   grant                 the owner takes notice
//!   FREE ───────────▶ WAITING ────────────────▶ GRANTED ─────────────────────────▶ FREE
//!     │   park          ▲  │        refuse
//!     ├───────▶ PARKED ─┘  └──────────────────▶ REFUSED ─────────────────────────▶ FREE
//!     │            notify
//!     └◀── withdraw: the owner gives up, or is dead, from wherever it is; what was granted is passed on
//! ```

use super::{Ground, Kind, Machine, Refusal, SEATS, Who, at, guard::Inside};
use std::time::Duration;

/// The low bits of a seat's state; above them its turn, one more each time it is claimed.
pub(super) const STATE: u32 = 7;
pub(super) const FREE: u32 = 0;
pub(super) const WAITING: u32 = 1;
/// At a condition: it waits to be notified before it waits for the lock.
pub(super) const PARKED: u32 = 2;
pub(super) const GRANTED: u32 = 3;
/// There will be nothing for it.
pub(super) const REFUSED: u32 = 4;
/// Its owner sleeps at the member's bell, and not at the seat.
const RINGS: u32 = 8;
const TURN: u32 = 16;

/// A seat that this member has claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "it keeps others from the seat"]
pub(crate) struct Seat {
    index: usize,
    /// The state as it was claimed, but for the bits of [`STATE`].
    pub(super) turn: u32,
    /// How much was asked for, or the place in a barrier's round.
    note: u32,
}

/// What became of a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Granted,
    Refused,
    /// The seat is not ours any more: somebody wrote on the board who should not have.
    Lost,
}

impl Seat {
    /// The place in a barrier's round.
    pub(crate) fn note(&self) -> u32 {
        self.note
    }

    pub(super) fn index(&self) -> usize {
        self.index
    }
}

impl<G: Ground> Machine<G> {
    /// What became of the wait; `None` if it is not over.
    fn outcome(&self, seat: &Seat) -> Option<Outcome> {
        let word = self.ground.load(at::state(seat.index));
        if word & !STATE != seat.turn {
            return Some(Outcome::Lost);
        }
        match word & STATE {
            WAITING | PARKED => None,
            GRANTED => Some(Outcome::Granted),
            REFUSED => Some(Outcome::Refused),
            _ => Some(Outcome::Lost),
        }
    }

    /// Whether whoever has the seat need not wait any longer.
    pub(crate) fn is_over(&self, seat: &Seat) -> bool {
        self.outcome(seat).is_some()
    }

    /// What became of the wait, if it is over; the seat is free then.
    pub(crate) fn poll(&self, seat: &Seat) -> Option<Outcome> {
        let outcome = self.outcome(seat)?;
        match outcome {
            Outcome::Granted => self.take_notice(seat),
            Outcome::Refused => self.ground.store(at::state(seat.index), seat.turn | FREE),
            Outcome::Lost => {}
        }
        Some(outcome)
    }

    /// Sleeps at the seat until something changes, at most as long as that.
    pub(crate) fn sleep(&self, seat: &Seat, limit: Duration) {
        let word = self.ground.load(at::state(seat.index));
        if word & !STATE == seat.turn && matches!(word & STATE, WAITING | PARKED) {
            self.ground.wait(at::state(seat.index), word, limit);
        }
    }

    /// What was granted is this member's, before the seat is anybody's.
    fn take_notice(&self, seat: &Seat) {
        match self.kind {
            Kind::Lock => self.ground.store(at::HOLDER, self.me.0 | Who::MARK),
            Kind::Semaphore => {
                // In between, the permits would be counted twice, and somebody not be served who could be.
                let inside = self.enter();
                let held = self.ground.load(at::held(self.slot)).saturating_add(seat.note);
                self.ground.store(at::held(self.slot), held);
                self.ground.store(at::state(seat.index), seat.turn | FREE);
                drop(inside);
                return;
            }
            Kind::Event | Kind::Barrier => {}
        }
        self.ground.store(at::state(seat.index), seat.turn | FREE);
    }

    /// Gives the seat up. What had been granted goes to the next.
    pub(crate) fn withdraw(&self, seat: &Seat) {
        self.enter().withdraw(seat);
    }

    pub(super) fn owner(&self, seat: usize) -> Who {
        Who(self.ground.load(at::owner(seat)))
    }

    pub(super) fn state(&self, seat: usize) -> u32 {
        self.ground.load(at::state(seat)) & STATE
    }
}

impl<G: Ground> Inside<'_, G> {
    /// Claims a seat and takes a ticket. The state is written last: until then it is free.
    pub(super) fn claim(&mut self, state: u32, wanted: u32, note: u32, rings: bool) -> Result<Seat, Refusal> {
        let ground = &self.machine.ground;
        let used = self.machine.seats().end;
        let free = (0..SEATS.min(used + 1)).find(|&seat| self.machine.state(seat) == FREE);
        let index = free.ok_or(Refusal::Full)?;
        if index == used {
            // Of a seat that was never used the state is FREE, so it is no matter if nothing comes of it.
            ground.store(at::SEATS_USED, index as u32 + 1);
        }
        let ticket = ground.load(at::NEXT_TICKET);
        ground.store(at::NEXT_TICKET, ticket.wrapping_add(1));
        ground.store(at::owner(index), self.machine.me.0);
        ground.store(at::ticket(index), ticket);
        ground.store(at::wanted(index), wanted);
        let turn = (ground.load(at::state(index)) & !(TURN - 1)).wrapping_add(TURN);
        let turn = turn | if rings { RINGS } else { 0 };
        ground.store(at::state(index), turn | state);
        Ok(Seat { index, turn, note })
    }

    /// Gives in what state the seat was; FREE if it was lost.
    pub(super) fn withdraw(&mut self, seat: &Seat) -> u32 {
        let ground = &self.machine.ground;
        let word = ground.load(at::state(seat.index));
        let is_ours = word & !STATE == seat.turn;
        if is_ours {
            ground.store(at::state(seat.index), seat.turn | FREE);
        }
        self.settle();
        if is_ours { word & STATE } else { FREE }
    }

    /// Of those in this state, who came first.
    pub(super) fn first(&self, state: u32) -> Option<usize> {
        let ground = &self.machine.ground;
        let now = ground.load(at::NEXT_TICKET);
        let seats = self.machine.seats().filter(|&seat| self.machine.state(seat) == state);
        // Tickets go round; who has waited longest is furthest from now.
        seats.max_by_key(|&seat| now.wrapping_sub(ground.load(at::ticket(seat))))
    }

    /// The one store to what is another's (B4), and the wake that follows.
    pub(super) fn turn_to(&mut self, seat: usize, state: u32) {
        let ground = &self.machine.ground;
        let word = ground.load(at::state(seat));
        ground.store(at::state(seat), word & !STATE | state);
        if state == WAITING {
            return;
        }
        if word & RINGS == 0 {
            self.owe_wake(at::state(seat), u32::MAX);
        } else if let Some(slot) = self.machine.owner(seat).slot() {
            let bell = at::bell(slot);
            ground.store(bell, ground.load(bell).wrapping_add(1));
            self.owe_wake(bell, u32::MAX);
        }
    }
}
