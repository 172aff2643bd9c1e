//! Who runs next: first in, first out, and no memory of its own.

use super::{raw::TaskRef, state::State};
use crate::core::Core;
use std::{cell::Cell, mem::ManuallyDrop};

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
        queued.task().set_last();
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

/// A task's place in the run queue. Dropped without [`run`](Queued::run), the place is given up.
pub(crate) struct Queued(TaskRef);

impl Queued {
    /// For a task that has just been marked as queued.
    #[inline]
    pub(super) fn new(task: TaskRef) -> Self {
        Self(task)
    }

    /// Takes the turn that the ticket is for.
    #[inline]
    pub(crate) fn run(self, core: &Core) {
        let task = self.unqueue(core);
        // It may have ended since: woken during its last poll, by another thread or by itself.
        if task.has(State::FUTURE) {
            task.turn(core);
        } else {
            task.release();
        }
    }

    /// Gives the place up, for a turn or none: the task itself, which its slot keeps alive.
    #[inline]
    pub(crate) fn unqueue(self, core: &Core) -> TaskRef {
        let task = self.into_task();
        task.end_ticket(core.timers().last_reading());
        task
    }

    #[inline]
    pub(crate) fn task(&self) -> TaskRef {
        self.0
    }

    /// Links it into a queue.
    #[inline]
    pub(super) fn into_task(self) -> TaskRef {
        ManuallyDrop::new(self).0
    }

    /// Whether it is this task's.
    #[inline]
    pub(crate) fn is_for(&self, task: TaskRef) -> bool {
        self.0 == task
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        self.0.end_ticket(0);
        self.0.release();
    }
}
