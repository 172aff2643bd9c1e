//! An event: a word, and those who wait until it is not 0.

use super::{
    Ground, Machine, Refusal, at,
    guard::Inside,
    seat::{GRANTED, Seat, WAITING},
};

impl<G: Ground> Machine<G> {
    pub(crate) fn is_set(&self) -> bool {
        self.ground.load(at::SET) != 0
    }

    /// Lets all pass who wait now, and all who come until it is [cleared](Machine::clear).
    pub(crate) fn set(&self) {
        let mut inside = self.enter();
        self.ground.store(at::SET, 1);
        inside.settle();
    }

    pub(crate) fn clear(&self) {
        let mut inside = self.enter();
        // Whoever set it may have died before he had let all pass.
        inside.settle();
        self.ground.store(at::SET, 0);
    }

    /// A seat to wait at, or none if it is set.
    pub(crate) fn ask_for_event(&self, rings: bool) -> Result<Option<Seat>, Refusal> {
        let mut inside = self.enter();
        if self.is_set() {
            return Ok(None);
        }
        inside.claim(WAITING, 0, 0, rings).map(Some)
    }
}

impl<G: Ground> Inside<'_, G> {
    pub(super) fn settle_event(&mut self) {
        if self.machine.is_set() {
            self.release(GRANTED, |_| true);
        }
    }
}
