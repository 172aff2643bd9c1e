//! What the loop counts as it goes: plain cells, and one group of atomics that another thread may look at.

use std::{
    cell::Cell,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

/// Counted by the loop for [`stats`](super::stats).
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) turns: Counter,
    pub(crate) polls: Polls,
    /// Slots that other threads woke.
    pub(crate) remote_wakes: Counter,
}

/// A number that only grows.
#[derive(Default)]
pub(crate) struct Counter(Cell<u64>);

impl Counter {
    #[inline]
    pub(crate) fn add(&self, count: u64) {
        self.0.set(self.0.get() + count);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.get()
    }
}

/// How late things were, as powers of two: bucket `b` counts what took less than `2^b` nanoseconds and not less than
/// half of that.
pub(crate) struct Lag([Cell<u64>; BUCKETS]);

/// The last one takes whatever is longer than four and a half minutes.
pub(super) const BUCKETS: usize = 40;

impl Default for Lag {
    fn default() -> Self {
        Self([const { Cell::new(0) }; BUCKETS])
    }
}

impl Lag {
    #[inline]
    pub(crate) fn note(&self, nanos: u64) {
        let bucket = (u64::BITS - nanos.leading_zeros()) as usize;
        let count = &self.0[bucket.min(BUCKETS - 1)];
        count.set(count.get() + 1);
    }

    pub(super) fn buckets(&self) -> [u64; BUCKETS] {
        self.0.each_ref().map(Cell::get)
    }
}

/// Polls between two looks at the clock: a look costs about two cheap polls.
const STRIDE: u32 = 15;

/// Counts polls downwards, a stride at a time, as the loop has to know when one is over: so the sum costs nothing.
pub(crate) struct Polls {
    /// Left of this stride.
    left: Cell<u32>,
    /// Before this stride.
    before: Cell<u64>,
}

impl Default for Polls {
    fn default() -> Self {
        Self { left: Cell::new(STRIDE), before: Cell::new(0) }
    }
}

impl Polls {
    /// Counts one. True: it was the last of its stride.
    #[inline]
    pub(crate) fn count_down(&self) -> bool {
        self.left.set(self.left.get() - 1);
        self.left.get() == 0
    }

    /// Begins the next stride, whether or not this one is over.
    #[inline]
    pub(crate) fn begin_stride(&self) {
        self.before.set(self.get());
        self.left.set(STRIDE);
    }

    /// Polls so far, not counting the one that runs.
    pub(crate) fn get(&self) -> u64 {
        self.before.get() + u64::from(STRIDE - self.left.get())
    }
}

/// The loop's signs of life, which any thread may read.
#[derive(Default, Debug)]
pub(crate) struct Pulse {
    /// Times the loop went to sleep. Written by the loop alone.
    sleeps: AtomicU64,
}

impl Pulse {
    /// For the next runtime of this block.
    pub(crate) fn reset(&self) {
        self.sleeps.store(0, Relaxed);
    }

    #[inline]
    pub(crate) fn note_sleep(&self) {
        self.sleeps.store(self.sleeps.load(Relaxed) + 1, Relaxed);
    }

    /// Times the loop went to sleep.
    pub(crate) fn sleeps(&self) -> u64 {
        self.sleeps.load(Relaxed)
    }
}
