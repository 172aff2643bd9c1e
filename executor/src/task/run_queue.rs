//! Who runs next: first in, first out, and no memory of its own.

use super::raw::{Queued, TaskRef};
use std::cell::Cell;

/// A run queue: tickets linked through the tasks' headers, so it needs no memory and never grows.
#[derive(Default)]
pub(crate) struct RunQueue {
    first: Cell<Option<Queued>>,
    /// Valid, as a queued task lives (T3). Only with `first`.
    last: Cell<Option<TaskRef>>,
}

impl RunQueue {
    #[inline]
    pub(crate) fn push(&self, queued: Queued) {
        match self.last.replace(Some(queued.task())) {
            Some(last) => last.set_next(queued),
            None => self.first.set(Some(queued)),
        }
    }

    #[inline]
    pub(crate) fn pop(&self) -> Option<Queued> {
        let first = self.first.take()?;
        match first.task().take_next() {
            None => self.last.set(None),
            next => self.first.set(next),
        }
        Some(first)
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.last.get().is_none()
    }

    /// The last in the queue.
    #[inline]
    pub(crate) fn last(&self) -> Option<TaskRef> {
        self.last.get()
    }
}

impl Drop for RunQueue {
    fn drop(&mut self) {
        while self.pop().is_some() {}
    }
}
