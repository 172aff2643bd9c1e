//! The guard: a lock for a few hundred instructions, which the dead do not keep.

use super::{Ground, LOOK, Machine, Who, at};
use std::hint;

/// Attempts before one sleeps. Whoever is inside leaves within a fraction of this, if he runs.
const SPINS: u32 = 100;

/// The proof that the guard is held, and what is owed when it is left: words, and how many to wake there.
#[derive(Debug)]
pub(super) struct Inside<'a, G: Ground> {
    pub(super) machine: &'a Machine<G>,
    wakes: Vec<(usize, u32)>,
}

impl<G: Ground> Machine<G> {
    pub(super) fn enter(&self) -> Inside<'_, G> {
        let is_heir = self.ground.replace(at::GUARD, 0, self.me.0).is_err() && self.wait_for_guard();
        let mut inside = Inside { machine: self, wakes: Vec::new() };
        if is_heir {
            inside.repair();
            inside.settle();
        }
        inside
    }

    /// Gives whether it was taken from somebody dead.
    #[cold]
    fn wait_for_guard(&self) -> bool {
        let mut spins = 0;
        // Who has slept once does not know whether others still do.
        let mut mark = 0;
        loop {
            let found = self.ground.load(at::GUARD);
            let inside = Who::in_word(found);
            if inside == Who::NOBODY {
                if self.ground.replace(at::GUARD, found, self.me.0 | mark | found).is_ok() {
                    return false;
                }
            } else if spins < SPINS {
                spins += 1;
                hint::spin_loop();
            } else if self.is_dead(inside) {
                if self.ground.replace(at::GUARD, found, self.me.0 | Who::MARK).is_ok() {
                    return true;
                }
            } else {
                let marked = found | Who::MARK;
                if found == marked || self.ground.replace(at::GUARD, found, marked).is_ok() {
                    self.ground.wait(at::GUARD, marked, LOOK);
                    mark = Who::MARK;
                }
            }
        }
    }

    /// Asks the system only about names that could be somebody's.
    pub(super) fn is_dead(&self, who: Who) -> bool {
        if who == self.me {
            return false;
        }
        who.slot().is_none_or(|slot| {
            self.ground.load(at::incarnation(slot)) != who.incarnation() || !self.ground.is_claimed(slot)
        })
    }
}

impl<G: Ground> Inside<'_, G> {
    pub(super) fn owe_wake(&mut self, word: usize, count: u32) {
        self.wakes.push((word, count));
    }
}

impl<G: Ground> Drop for Inside<'_, G> {
    fn drop(&mut self) {
        let ground = &self.machine.ground;
        let mut found = self.machine.me.0;
        // At most one more turn, as only the mark is set by others; who writes at will gets his wish.
        while let Err(other) = ground.replace(at::GUARD, found, 0) {
            if Who::in_word(other) != self.machine.me {
                break;
            }
            found = other;
        }
        if found & Who::MARK != 0 {
            ground.wake(at::GUARD, 1);
        }
        for (word, count) in self.wakes.drain(..) {
            ground.wake(word, count);
        }
    }
}
