//! Items to jobs: where a map takes from.

use super::{super::job::Job, super::ticket::Outcome, portion::Portion};
use std::{fmt, mem};

/// So many jobs for each worker are ahead of whoever takes the results: tiny ones are done faster than a reactor turns.
const AHEAD: usize = 64;

/// And so many of chunks, which are not tiny: what a worker does, and what it can go on with.
const CHUNKS_AHEAD: usize = 4;

/// Gives items to a pool.
pub(crate) trait Submit<A, T: Send + 'static>: Send {
    /// As a job of its own.
    fn item(&self, item: A) -> Job<T>;

    /// Many as one job, with an outcome for each.
    fn chunk(&self, items: Vec<A>) -> Job<Vec<Outcome<T>>>;
}

/// The items of a map, and the pool that they go to.
pub(super) struct Feed<I: Iterator, T: Send + 'static> {
    items: I,
    is_exhausted: bool,
    submit: Box<dyn Submit<I::Item, T>>,
    workers: usize,
    /// The most jobs that are submitted and not yet given, if somebody has said so.
    buffer: Option<usize>,
    /// How many items are one job.
    chunk_size: usize,
    /// The beginning of a chunk.
    chunk: Vec<I::Item>,
}

impl<I: Iterator, T: Send + 'static> Feed<I, T> {
    pub(super) fn new(items: I, workers: usize, submit: Box<dyn Submit<I::Item, T>>) -> Self {
        Self { items, is_exhausted: false, submit, workers, buffer: None, chunk_size: 1, chunk: Vec::new() }
    }

    #[track_caller]
    pub(super) fn set_buffer(&mut self, jobs: usize) {
        assert!(jobs > 0, "a map with a buffer of 0 jobs would never do one: use at least 1");
        self.buffer = Some(jobs);
    }

    #[track_caller]
    pub(super) fn set_chunk_size(&mut self, items: usize) {
        assert!(items > 0, "a map with chunks of 0 items would never do one: use at least 1");
        self.chunk_size = items;
    }

    /// The most jobs that may be open.
    fn buffer(&self) -> usize {
        let jobs = (AHEAD / self.chunk_size).max(CHUNKS_AHEAD);
        self.buffer.unwrap_or_else(|| self.workers.saturating_mul(jobs))
    }

    /// The job of the next item or chunk, if there is one and `open` jobs leave room for it.
    ///
    /// # Panics
    /// With a panic of the items, and then there are no more.
    pub(super) fn next_job(&mut self, open: usize) -> Option<Portion<T>> {
        if open >= self.buffer() {
            return None;
        }
        if self.chunk_size == 1 {
            let item = self.next_item()?;
            return Some(Portion::Item(self.submit.item(item).owned()));
        }
        while self.chunk.len() < self.chunk_size
            && let Some(item) = self.next_item()
        {
            self.chunk.push(item);
        }
        let items = mem::take(&mut self.chunk);
        if items.is_empty() {
            return None;
        }
        Some(Portion::Chunk { items: items.len(), job: self.submit.chunk(items).owned() })
    }

    fn next_item(&mut self) -> Option<I::Item> {
        if self.is_exhausted {
            return None;
        }
        self.is_exhausted = true; // unless they say otherwise, also by a panic
        let item = self.items.next()?;
        self.is_exhausted = false;
        Some(item)
    }

    /// How many items there are still.
    pub(super) fn size_hint(&self) -> (usize, Option<usize>) {
        let hint = if self.is_exhausted { (0, Some(0)) } else { self.items.size_hint() };
        super::added(hint, self.chunk.len())
    }
}

impl<I: Iterator, T: Send + 'static> fmt::Debug for Feed<I, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed")
            .field("is_exhausted", &self.is_exhausted)
            .field("buffer", &self.buffer())
            .field("chunk_size", &self.chunk_size)
            .finish_non_exhaustive()
    }
}
