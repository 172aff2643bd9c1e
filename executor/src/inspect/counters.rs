//! What the loop counts as it goes: plain cells, and one group of atomics that another thread may look at.

use std::{
    cell::Cell,
    sync::{
        Mutex, PoisonError,
        atomic::{
            AtomicBool, AtomicU64,
            Ordering::{Relaxed, SeqCst},
        },
    },
    thread::{self, Thread},
    time::Duration,
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
pub(crate) struct Lag {
    buckets: [Cell<u64>; BUCKETS],
    /// All together, in nanoseconds.
    sum: Cell<u64>,
}

/// The last one takes whatever is longer than four and a half minutes.
pub(super) const BUCKETS: usize = 40;

impl Default for Lag {
    fn default() -> Self {
        Self { buckets: [const { Cell::new(0) }; BUCKETS], sum: Cell::new(0) }
    }
}

impl Lag {
    #[inline]
    pub(crate) fn note(&self, nanos: u64) {
        let bucket = (u64::BITS - nanos.leading_zeros()) as usize;
        let count = &self.buckets[bucket.min(BUCKETS - 1)];
        count.set(count.get() + 1);
        self.sum.set(self.sum.get().saturating_add(nanos));
    }

    pub(super) fn buckets(&self) -> [u64; BUCKETS] {
        self.buckets.each_ref().map(Cell::get)
    }

    pub(super) fn sum(&self) -> Duration {
        Duration::from_nanos(self.sum.get())
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

/// The loop's signs of life, which any thread may read. They change at least every 15 polls.
#[derive(Default, Debug)]
pub(crate) struct Pulse {
    /// Strides begun. Written by the loop alone, as the next one.
    strides: AtomicU64,
    /// Grows when the loop falls asleep, and when it wakes up: odd while it is asleep.
    phase: AtomicU64,
    /// Who is to be told when the loop wakes up. The flag is set while there is somebody.
    dozes: AtomicBool,
    dozing: Mutex<Option<Thread>>,
}

/// A [`Pulse`] at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Beat {
    pub(super) strides: u64,
    pub(super) phase: u64,
}

impl Beat {
    pub(super) fn is_asleep(self) -> bool {
        self.phase % 2 == 1
    }
}

impl Pulse {
    /// For the next runtime of this block.
    pub(crate) fn reset(&self) {
        self.strides.store(0, Relaxed);
        self.phase.store(0, Relaxed);
    }

    #[inline]
    pub(crate) fn note_stride(&self) {
        self.strides.store(self.strides.load(Relaxed) + 1, Relaxed);
    }

    /// The loop falls asleep.
    pub(crate) fn note_sleep(&self) {
        self.phase.store(self.phase.load(Relaxed) + 1, Relaxed);
    }

    /// The loop has woken up.
    pub(crate) fn note_waking(&self) {
        // With the swap of `doze_while`: either we see its flag, or it sees our phase.
        self.phase.fetch_add(1, SeqCst);
        if self.dozes.load(SeqCst) {
            let dozing = self.dozing.lock().unwrap_or_else(PoisonError::into_inner).take();
            self.dozes.store(false, Relaxed);
            if let Some(dozing) = dozing {
                dozing.unpark();
            }
        }
    }

    /// Times the loop fell asleep.
    pub(crate) fn sleeps(&self) -> u64 {
        self.phase.load(Relaxed).div_ceil(2)
    }

    pub(super) fn beat(&self) -> Beat {
        Beat { strides: self.strides.load(Relaxed), phase: self.phase.load(Relaxed) }
    }

    /// Blocks this thread while the loop sleeps on, or until somebody unparks it.
    pub(super) fn doze_while(&self, beat: Beat) {
        *self.dozing.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread::current());
        self.dozes.swap(true, SeqCst);
        if self.phase.load(SeqCst) == beat.phase {
            thread::park();
        }
    }
}
