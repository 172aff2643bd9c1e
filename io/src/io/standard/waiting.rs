//! Who waits for something that all runtimes of the process share. Kept under a lock of its owner's; wakers are cloned,
//! woken and dropped outside of it, since they may be anybody's code.

use std::{mem, task::Waker};

/// A list of wakers, each with the number of its seat.
#[derive(Debug)]
pub(super) struct Waiting {
    seats: Vec<(u64, Waker)>,
    last: u64,
}

/// The place of one who waits in a list, if any.
#[derive(Default, Debug)]
pub(super) struct Seat(u64);

impl Seat {
    pub(super) const NONE: Self = Self(0);

    pub(super) fn is_none(&self) -> bool {
        self.0 == 0
    }
}

impl Waiting {
    pub(super) const fn new() -> Self {
        Self { seats: Vec::new(), last: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.seats.is_empty()
    }

    /// Takes a place, or keeps it. What it gives is to be dropped without the lock.
    #[must_use = "drop it without the lock"]
    pub(super) fn sit(&mut self, seat: &mut Seat, waker: Waker) -> Option<Waker> {
        if let Some((_, seated)) = self.seats.iter_mut().find(|(number, _)| *number == seat.0) {
            return Some(mem::replace(seated, waker));
        }
        self.last += 1;
        seat.0 = self.last;
        self.seats.push((self.last, waker));
        None
    }

    /// Gives up a place. What it gives is to be dropped without the lock.
    #[must_use = "drop it without the lock"]
    pub(super) fn leave(&mut self, seat: &mut Seat) -> Option<Waker> {
        let number = mem::take(&mut seat.0);
        let place = self.seats.iter().position(|(seated, _)| *seated == number)?;
        Some(self.seats.swap_remove(place).1)
    }

    /// Everybody, to be woken without the lock.
    #[must_use = "they are to be woken"]
    pub(super) fn take_all(&mut self) -> Vec<(u64, Waker)> {
        mem::take(&mut self.seats)
    }
}

/// Wakes those who have waited.
pub(super) fn wake(woken: Vec<(u64, Waker)>) {
    for (_, waker) in woken {
        waker.wake();
    }
}
