//! `Barrier`: so many tasks wait for each other, again and again.

use crate::{
    block::block_on,
    flavour::{Flavour, Guarded, Local, Shared, Tally},
    observer::{self, Kind, Wait},
    timed::{Elapsed, Timed},
    wait_list::{Attempt, LazyList, Queued, Turn, WaitList, Wakes},
};
use std::{
    error::Error,
    fmt,
    future::Future,
    panic::Location,
    pin::Pin,
    ptr,
    task::{Context, Poll},
    time::Duration,
};

/// A fixed number of tasks that wait for each other: all go on once the last has arrived, and then it begins anew.
///
/// After Python's `threading.Barrier`: it can be broken, by [`abort`](Barrier::abort) or a
/// [time limit](Barrier::wait_timeout), and nobody waits for those who will not come; and whoever comes while a
/// round still leaves is counted for the next one once all of it has left.
///
/// ```
/// use futures_lite::future::{block_on, zip};
/// use runtime_sync::Barrier;
///
/// let both_ready = Barrier::new(2);
/// let indices = block_on(zip(both_ready.wait(), both_ready.wait()));
/// assert_eq!(indices, (Ok(0), Ok(1)));
/// ```
pub struct Barrier<F: Flavour = Local> {
    round: F::Guarded<Round>,
    tally: F::Tally,
    parties: usize,
    created: &'static Location<'static>,
}

/// ```text
///              the last arrives               the last leaves
///   filling ────────────────────▶ draining ────────────────────▶ filling
///   (`leaving` is 0)             (they come out; newcomers queue, and may fill the next round at once)
/// ```
#[derive(Debug, Default)]
struct Round {
    /// Who waits for this round to be full, in order; while it drains, those for the next.
    list: LazyList,
    /// Who was let pass and has yet to take notice.
    leaving: usize,
    is_broken: bool,
}

/// The barrier was broken or reset, or was broken before: not all who should have come will.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Broken;

/// A grant is an index; this one, that the barrier is broken.
const BROKEN: usize = usize::MAX;

impl<F: Flavour> Barrier<F> {
    /// A barrier for that many tasks.
    ///
    /// The line of this call is remembered: reports name the barrier by it.
    ///
    /// # Panics
    /// With 0: nobody could ever arrive last.
    #[track_caller]
    pub fn new(parties: usize) -> Self {
        assert!(parties > 0, "a barrier is for at least one task: with 0, nobody could ever arrive last");
        Self {
            round: F::Guarded::new(Round::default()),
            tally: F::Tally::new(),
            parties,
            created: Location::caller(),
        }
    }

    /// Waits until as many as [`parties`](Barrier::parties) wait. The indices of a round are 0, 1, 2 … in the order of
    /// arrival, so that one of them can be told to do what only one should.
    ///
    /// # Errors
    /// [`Broken`] if the barrier is, or if it is broken or reset meanwhile.
    ///
    /// # Cancel safety
    /// Dropping it gives the place up: one more has to come. It does not break the barrier. Once the round is full,
    /// dropping it does not hold the others back.
    #[inline]
    #[track_caller]
    pub fn wait(&self) -> WaitAll<'_, F> {
        WaitAll { barrier: self, turn: Turn::new(), asked: Location::caller() }
    }

    /// [`wait`](Barrier::wait), for at most `limit`. After that it breaks the barrier: the others cannot know whether
    /// this task will come again, and are told so.
    ///
    /// # Errors
    /// [`Broken`], as [`wait`](Barrier::wait), and if the round was not full in time.
    ///
    /// # Panics
    /// If it has to wait and no runtime of ours runs on this thread: there is no timer. Wrap `wait` in your executor's
    /// timeout then, and call [`abort`](Barrier::abort).
    ///
    /// # Cancel safety
    /// As [`wait`](Barrier::wait).
    #[track_caller]
    pub fn wait_timeout(&self, limit: Duration) -> impl Future<Output = Result<usize, Broken>> {
        let mut wait = self.wait();
        async move {
            match Timed::new(limit, &mut wait).await {
                Ok(result) => result,
                Err(Elapsed) => wait.give_up(),
            }
        }
    }

    /// Breaks the barrier: all that wait, and all that come, get [`Broken`], until it is [reset](Barrier::reset).
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use runtime_sync::{Barrier, barrier::Broken};
    /// let barrier = Barrier::new(2);
    /// barrier.abort();
    /// assert_eq!(barrier.wait().await, Err(Broken));
    /// barrier.reset();
    /// assert!(!barrier.is_broken());
    /// # });
    /// ```
    pub fn abort(&self) {
        let wakes = self.round.with(Round::abort);
        wakes.wake();
    }

    /// Begins anew: those who wait for the round to be full get [`Broken`], and the barrier is whole again.
    pub fn reset(&self) {
        let wakes = self.round.with(|round| {
            round.is_broken = false;
            // While a round drains nobody waits in it, and those in the queue are for the next.
            if round.leaving == 0 { round.refuse_all() } else { Wakes::default() }
        });
        wakes.wake();
    }

    /// How many tasks wait for each other here.
    pub fn parties(&self) -> usize {
        self.parties
    }

    /// How many wait in this round; none while the round before still leaves.
    pub fn waiting(&self) -> usize {
        self.round.with(|round| if round.leaving == 0 { round.list.len() } else { 0 })
    }

    /// Whether it is broken.
    pub fn is_broken(&self) -> bool {
        self.round.with(|round| round.is_broken)
    }

    fn describe(&self, asked: &'static Location<'static>) -> Wait {
        let address = ptr::from_ref(self).addr();
        Wait { kind: Kind::Barrier, created: self.created, asked, address, holder: None }
    }
}

impl Barrier<Shared> {
    /// [`new`](Barrier::new) for a `static`.
    ///
    /// # Panics
    /// As [`new`](Barrier::new).
    #[cfg(not(loom))]
    #[track_caller]
    pub const fn const_new(parties: usize) -> Self {
        assert!(parties > 0, "a barrier is for at least one task: with 0, nobody could ever arrive last");
        let round = Round { list: LazyList::new(), leaving: 0, is_broken: false };
        Self {
            round: crate::primitives::Mutex::new(round),
            tally: std::sync::atomic::AtomicU8::new(0),
            parties,
            created: Location::caller(),
        }
    }

    /// [`wait`](Barrier::wait) that blocks this thread. For code outside of any executor: in a task it would stall the
    /// thread with all its tasks.
    ///
    /// # Errors
    /// As [`wait`](Barrier::wait).
    #[track_caller]
    pub fn blocking_wait(&self) -> Result<usize, Broken> {
        block_on(self.wait())
    }
}

impl Queued for Round {
    type Which = ();

    #[inline]
    fn list(&mut self, (): ()) -> &mut WaitList {
        self.list.list(())
    }
}

impl Round {
    fn arrive(&mut self, parties: usize) -> Attempt<(Result<usize, Broken>, Wakes)> {
        if self.is_broken {
            return Attempt::Done((Err(Broken), Wakes::default()));
        }
        let others = parties - 1;
        if self.leaving > 0 || self.list.len() < others {
            return Attempt::Wait(0);
        }
        Attempt::Done((Ok(others), self.let_pass(others)))
    }

    /// One that had this grant is gone.
    fn leave(&mut self, note: usize, parties: usize) -> Wakes {
        if note != BROKEN {
            self.leaving -= 1;
            if self.leaving == 0 && self.list.len() >= parties {
                return self.let_pass(parties);
            }
        }
        Wakes::default()
    }

    /// The round is full: the first so many in the queue pass.
    fn let_pass(&mut self, number: usize) -> Wakes {
        let mut wakes = Wakes::default();
        (0..number).for_each(|index| wakes.push(self.list(()).grant_front(index)));
        self.leaving = number;
        wakes
    }

    fn abort(&mut self) -> Wakes {
        self.is_broken = true;
        self.refuse_all()
    }

    fn refuse_all(&mut self) -> Wakes {
        let mut wakes = Wakes::default();
        if let Some(list) = self.list.get() {
            wakes.extend(list.grant_all(BROKEN));
        }
        wakes
    }
}

fn result(note: usize) -> Result<usize, Broken> {
    if note == BROKEN { Err(Broken) } else { Ok(note) }
}

/// What [`Barrier::wait`] returns.
#[must_use = "a future does nothing until it is awaited"]
pub struct WaitAll<'a, F: Flavour = Local> {
    barrier: &'a Barrier<F>,
    turn: Turn,
    asked: &'static Location<'static>,
}

impl<F: Flavour> Future for WaitAll<'_, F> {
    type Output = Result<usize, Broken>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { barrier, turn, asked } = self.get_mut();
        if !turn.is_waiting() && !observer::pay(barrier.tally.count(), cx) {
            return Poll::Pending;
        }
        let polled = turn.poll(
            &barrier.round,
            (),
            cx,
            || barrier.describe(asked),
            |round| round.arrive(barrier.parties),
            |round, note| (result(note), round.leave(note, barrier.parties)),
        );
        polled.map(|(result, wakes)| {
            wakes.wake();
            result
        })
    }
}

impl<F: Flavour> WaitAll<'_, F> {
    /// The time is over: the barrier breaks, unless the round has become full or was broken just now.
    fn give_up(mut self) -> Result<usize, Broken> {
        let Self { barrier, turn, .. } = &mut self;
        let (note, wakes) = turn.leave(&barrier.round, (), |round, note| {
            let wakes = match note {
                Some(note) => round.leave(note, barrier.parties),
                None => round.abort(),
            };
            (Some(note.unwrap_or(BROKEN)), wakes)
        });
        wakes.wake();
        if let Some(note) = note {
            return result(note);
        }
        // It gave way at its first poll, and never got as far as the queue.
        let (result, wakes) = barrier.round.with(|round| match round.arrive(barrier.parties) {
            Attempt::Done(arrived) => arrived,
            Attempt::Wait(_) => (Err(Broken), round.abort()),
        });
        wakes.wake();
        result
    }
}

impl<F: Flavour> Drop for WaitAll<'_, F> {
    fn drop(&mut self) {
        let Self { barrier, turn, .. } = self;
        let wakes = turn.leave(&barrier.round, (), |round, note| {
            note.map_or_else(Wakes::default, |note| round.leave(note, barrier.parties))
        });
        wakes.wake();
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the barrier is broken")
    }
}

impl Error for Broken {}

impl<F: Flavour> fmt::Debug for Barrier<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Barrier")
            .field("parties", &self.parties)
            .field("waiting", &self.waiting())
            .field("is_broken", &self.is_broken())
            .field("created", &self.created)
            .finish()
    }
}

impl<F: Flavour> fmt::Debug for WaitAll<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitAll").field("asked", &self.asked).field("waits", &self.turn.is_waiting()).finish()
    }
}
