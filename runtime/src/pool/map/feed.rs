//! Items to jobs: where a map takes from.

use super::super::job::{Job, OwnedJob};
use std::fmt;

/// Gives an item to a pool.
pub(crate) type Submit<A, T> = Box<dyn FnMut(A) -> Job<T> + Send>;

/// The items of a map, and the pool that they go to.
pub(super) struct Feed<I: Iterator, T: Send + 'static> {
    items: I,
    is_exhausted: bool,
    submit: Submit<I::Item, T>,
    /// The most jobs that are submitted and not yet given.
    buffer: usize,
}

impl<I: Iterator, T: Send + 'static> Feed<I, T> {
    pub(super) fn new(items: I, workers: usize, submit: Submit<I::Item, T>) -> Self {
        // One for each worker, and one more that it can begin at once.
        Self { items, is_exhausted: false, submit, buffer: workers.saturating_mul(2).max(1) }
    }

    #[track_caller]
    pub(super) fn set_buffer(&mut self, jobs: usize) {
        assert!(jobs > 0, "a map with a buffer of 0 jobs would never do one: use at least 1");
        self.buffer = jobs;
    }

    /// The job of the next item, if there is one and `open` jobs leave room for it.
    ///
    /// # Panics
    /// With a panic of the items, and then there are no more.
    pub(super) fn next_job(&mut self, open: usize) -> Option<OwnedJob<T>> {
        if self.is_exhausted || open >= self.buffer {
            return None;
        }
        self.is_exhausted = true; // unless they say otherwise, also by a panic
        let item = self.items.next()?;
        self.is_exhausted = false;
        Some((self.submit)(item).owned())
    }

    /// How many items there are still.
    pub(super) fn size_hint(&self) -> (usize, Option<usize>) {
        if self.is_exhausted { (0, Some(0)) } else { self.items.size_hint() }
    }
}

impl<I: Iterator, T: Send + 'static> fmt::Debug for Feed<I, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed")
            .field("is_exhausted", &self.is_exhausted)
            .field("buffer", &self.buffer)
            .finish_non_exhaustive()
    }
}
