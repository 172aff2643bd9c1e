//! A condition at a lock: who is parked gives the lock back, and queues for it again once it is notified.

use super::{
    Ground, Machine, Refusal, SEATS, at,
    guard::Inside,
    seat::{GRANTED, PARKED, Seat, WAITING},
};

impl<G: Ground> Machine<G> {
    /// Gives the lock back, and takes a seat where it waits to be notified, in one.
    pub(crate) fn park(&self, rings: bool) -> Result<Seat, Refusal> {
        let mut inside = self.enter();
        let seat = inside.claim(PARKED, 1, 1, rings)?;
        inside.give_lock_back();
        Ok(seat)
    }

    /// Has so many of those who are parked, the first ones, queue for the lock. Gives how many.
    pub(crate) fn notify(&self, count: usize) -> usize {
        self.enter().notify(count)
    }

    /// Whoever has waited long enough queues for the lock. Gives whether it had not been notified before.
    pub(crate) fn unpark(&self, seat: &Seat) -> bool {
        let mut inside = self.enter();
        let word = self.ground.load(at::state(seat.index()));
        let is_parked = word == seat.turn | PARKED;
        if is_parked {
            inside.turn_to(seat.index(), WAITING);
        }
        inside.settle();
        is_parked
    }

    /// Gives the seat up; a notification that had come goes to the next.
    pub(crate) fn leave_condition(&self, seat: &Seat) {
        let mut inside = self.enter();
        if matches!(inside.withdraw(seat), WAITING | GRANTED) {
            inside.notify(1);
        }
    }
}

impl<G: Ground> Inside<'_, G> {
    fn notify(&mut self, count: usize) -> usize {
        let mut notified = 0;
        while notified < count.min(SEATS)
            && let Some(first) = self.first(PARKED)
        {
            self.turn_to(first, WAITING);
            notified += 1;
        }
        self.settle();
        notified
    }
}
