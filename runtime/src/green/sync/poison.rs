//! Poison: the mark on a lock that somebody was unwound in the middle of a change.

use crate::greenlet;
use std::sync::{
    LockResult, PoisonError,
    atomic::{AtomicBool, Ordering::Relaxed},
};

/// Whether a lock is poisoned. What is read of it is ordered by the lock.
#[derive(Debug, Default)]
pub(super) struct Poison(AtomicBool);

impl Poison {
    pub(super) const fn none() -> Self {
        Self(AtomicBool::new(false))
    }

    pub(super) fn is_there(&self) -> bool {
        self.0.load(Relaxed)
    }

    pub(super) fn clear(&self) {
        self.0.store(false, Relaxed);
    }

    /// Watches over a guard that is taken now.
    #[inline]
    pub(super) fn watch(&self) -> Watch<'_> {
        Watch { poison: self, was_unwinding: greenlet::is_unwinding() }
    }

    /// `guard`, or with it the error that the lock is poisoned.
    #[inline]
    pub(super) fn check<G>(&self, guard: G) -> LockResult<G> {
        if self.is_there() { Err(PoisonError::new(guard)) } else { Ok(guard) }
    }
}

/// Poisons when it is dropped by unwinding that began later than it did.
#[derive(Debug)]
pub(super) struct Watch<'a> {
    poison: &'a Poison,
    was_unwinding: bool,
}

impl Drop for Watch<'_> {
    #[inline]
    fn drop(&mut self) {
        if !self.was_unwinding && greenlet::is_unwinding() {
            self.poison.0.store(true, Relaxed);
        }
    }
}
