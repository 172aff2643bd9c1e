//! Permits, and a fair queue for them: the one state machine under locks, semaphores and readers-writer locks.
//!
//! A lock is one permit. A readers-writer lock is as many as there may be readers; a writer asks for all. Releasing
//! hands over to the head of the queue, so nobody barges past it, and a head that asks for many is not starved by
//! those behind who ask for few. After tokio's batch semaphore in spirit; the queue and the fast path are ours.
//!
//! ```text
//! word = permits that are free << 2 | CLOSED | QUEUE
//! ```
//!
//! While QUEUE is not set, taking and returning are one compare-and-swap. While it is, both go through the queue's
//! lock, and a permit that is free is one that the head of the queue cannot use yet.

#[cfg(not(loom))]
use crate::{
    flavour::Shared,
    primitives::{AtomicUsize, Mutex},
};
use crate::{
    flavour::{Flavour, Guarded, Tally, Word},
    observer::{self, Holder, Wait},
    wait_list::{Attempt, LazyList, Queued, Turn, Wakes, wake_all},
};
#[cfg(not(loom))]
use std::sync::atomic::AtomicU8;
use std::task::{Context, Poll};

/// Somebody waits, or waited: permits go through the queue.
const QUEUE: usize = 1;
/// No more permits are given out.
const CLOSED: usize = 2;
const SHIFT: u32 = 2;

/// The most permits there can be.
pub(crate) const MAX_PERMITS: usize = usize::MAX >> (SHIFT + 1);

/// A grant of permits says how many; this one, that there will never be any.
const REFUSED: usize = usize::MAX;

/// The permits of one primitive.
#[derive(Debug)]
pub(crate) struct Permits<F: Flavour> {
    word: F::Word,
    queue: F::Guarded<LazyList>,
    tally: F::Tally,
}

/// There will be no more permits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IsClosed;

impl<F: Flavour> Permits<F> {
    pub(crate) fn new(permits: usize) -> Self {
        debug_assert!(permits <= MAX_PERMITS);
        Self {
            word: F::Word::new(permits << SHIFT),
            queue: F::Guarded::new(LazyList::new()),
            tally: F::Tally::new(),
        }
    }

    /// Permits that are free. While somebody waits, they wait for the head of the queue.
    pub(crate) fn free(&self) -> usize {
        self.word.load() >> SHIFT
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.word.load() & CLOSED != 0
    }

    /// Futures that wait.
    pub(crate) fn waiters(&self) -> usize {
        self.queue.with(|queue| queue.len())
    }

    /// Tells those who look on that what is held was made into something else.
    pub(crate) fn note_holder(&self, holder: Option<Holder>) {
        if self.word.load() & QUEUE != 0 {
            self.queue.with(|queue| queue.get().map(|list| list.note_holder(holder)));
        }
    }

    /// Takes `wanted`, if nobody waits and that many are free; `None` if not.
    #[inline]
    pub(crate) fn try_take(&self, wanted: usize) -> Option<Result<(), IsClosed>> {
        let mut word = self.word.load();
        loop {
            if word & (QUEUE | CLOSED) != 0 || word >> SHIFT < wanted {
                return if word & CLOSED == 0 { None } else { Some(Err(IsClosed)) };
            }
            match self.word.replace(word, word - (wanted << SHIFT)) {
                Ok(()) => return Some(Ok(())),
                Err(found) => word = found,
            }
        }
    }

    /// Polls for `wanted` permits. Of one future, always with the same number and the same `turn`.
    #[inline]
    pub(crate) fn poll_take(
        &self,
        wanted: usize,
        turn: &mut Turn,
        cx: &Context<'_>,
        describe: impl Fn() -> Wait,
    ) -> Poll<Result<(), IsClosed>> {
        if !turn.is_waiting()
            && let Some(taken) = self.try_take(wanted)
        {
            if taken.is_ok() && !observer::pay(self.tally.count(), cx) {
                self.give_back(wanted);
                return Poll::Pending;
            }
            return Poll::Ready(taken);
        }
        self.poll_queue(wanted, turn, cx, describe)
    }

    #[inline(never)]
    fn poll_queue(
        &self,
        wanted: usize,
        turn: &mut Turn,
        cx: &Context<'_>,
        describe: impl Fn() -> Wait,
    ) -> Poll<Result<(), IsClosed>> {
        turn.poll(
            &self.queue,
            (),
            cx,
            describe,
            |_| self.take_or_queue(wanted),
            |_, note| if note == REFUSED { Err(IsClosed) } else { Ok(()) },
        )
    }

    /// Under the queue's lock: one more attempt, or the word says from now on that somebody waits.
    fn take_or_queue(&self, wanted: usize) -> Attempt<Result<(), IsClosed>> {
        let mut word = self.word.load();
        loop {
            let is_free = word & QUEUE == 0 && word >> SHIFT >= wanted;
            let next = match (word & CLOSED, is_free) {
                (0, true) => word - (wanted << SHIFT),
                (0, false) => word | QUEUE,
                _ => return Attempt::Done(Err(IsClosed)),
            };
            match self.word.replace(word, next) {
                Ok(()) if is_free => return Attempt::Done(Ok(())),
                Ok(()) => return Attempt::Wait(wanted),
                Err(found) => word = found,
            }
        }
    }

    /// For a future that is dropped: gives up its place, or the permits that had reached it.
    #[inline]
    pub(crate) fn cancel(&self, turn: &mut Turn) {
        if turn.is_waiting() {
            self.leave(turn);
        }
    }

    #[cold]
    fn leave(&self, turn: &mut Turn) {
        let wakes = turn.leave(&self.queue, (), |queue, granted| {
            let mut wakes = Wakes::default();
            let permits = granted.filter(|permits| *permits != REFUSED).unwrap_or(0);
            self.hand_out(queue, permits, &mut wakes);
            wakes
        });
        wakes.wake();
    }

    /// Returns permits: to the head of the queue, or to those that are free.
    #[inline]
    pub(crate) fn give_back(&self, permits: usize) {
        let mut word = self.word.load();
        while word & QUEUE == 0 {
            match self.word.replace(word, word + (permits << SHIFT)) {
                Ok(()) => return,
                Err(found) => word = found,
            }
        }
        self.give_to_queue(permits);
    }

    #[inline(never)]
    fn give_to_queue(&self, permits: usize) {
        let mut wakes = Wakes::default();
        self.queue.with(|queue| self.hand_out(queue, permits, &mut wakes));
        wakes.wake_those();
    }

    /// Under the queue's lock: grants as many from the head on as can be served with what is free and `returned`.
    #[inline(always)]
    fn hand_out(&self, queue: &mut LazyList, returned: usize, wakes: &mut Wakes) {
        let list = queue.list(());
        let word = self.word.load();
        let mut free = (word >> SHIFT) + returned;
        while let Some(wanted) = list.front().filter(|wanted| *wanted <= free) {
            free -= wanted;
            wakes.push(list.grant_front(wanted));
        }
        if word & QUEUE == 0 {
            // Nobody waits, so the others do not come through here: add to what they made of it.
            self.add(returned);
        } else {
            let bits = if list.is_empty() { word & CLOSED } else { word & CLOSED | QUEUE };
            self.word.store(free << SHIFT | bits);
        }
    }

    fn add(&self, permits: usize) {
        let mut word = self.word.load();
        while let Err(found) = self.word.replace(word, word + (permits << SHIFT)) {
            word = found;
        }
    }

    /// Gives out no more permits, and tells all that wait. Those that are out may be returned.
    pub(crate) fn close(&self) {
        let woken = self.queue.with(|queue| {
            let mut word = self.word.load();
            while let Err(found) = self.word.replace(word, word & !QUEUE | CLOSED) {
                word = found;
            }
            queue.get().map_or_else(Vec::new, |list| list.grant_all(REFUSED))
        });
        wake_all(woken);
    }
}

#[cfg(not(loom))]
impl Permits<Shared> {
    /// [`new`](Permits::new) for a `static`.
    pub(crate) const fn const_new(permits: usize) -> Self {
        Self {
            word: AtomicUsize::new(permits << SHIFT),
            queue: Mutex::new(LazyList::new()),
            tally: AtomicU8::new(0),
        }
    }
}
