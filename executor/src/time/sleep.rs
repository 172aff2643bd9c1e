//! `sleep`: the timer as a future.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use super::{
    Instant,
    timers::{Timers, nanos},
    trace::Trace,
    wheel::{FOREVER, Key, When},
};
use crate::{RuntimeId, core::Core, current};

/// Waits for `duration`: never less, and more by no more than the tasks that happen to run then take (and the
/// millisecond to which the kernel is asked to wake us).
///
/// The time counts from the first poll, which is when `.await` is reached. That costs no look at the clock: the
/// deadline is set from the one the loop takes anyway, at the end of its turn. For a time that counts from now, use
/// [`sleep_until`]`(Instant::now() + duration)`.
///
/// `Duration::ZERO` waits for the next turn of the loop; [`Duration::MAX`], or anything above 292 years, for ever.
/// To start a sleep and to drop it again each take some nanoseconds, however many there are.
///
/// # Panics
/// When polled outside a runtime, or under another runtime than the one it was first polled under.
///
/// # Cancel safety
/// Dropping it stops the timer.
///
/// ```
/// use runtime_executor::{Executor, time::{self, Clock, Instant}};
/// use std::time::Duration;
///
/// Executor::builder().clock(Clock::paused()).build().block_on(async {
///     let start = Instant::now();
///     time::sleep(Duration::from_millis(250)).await;
///     assert_eq!(start.elapsed(), Duration::from_millis(250));
/// });
/// ```
#[cfg_attr(feature = "tracing", track_caller)]
pub fn sleep(duration: Duration) -> Sleep {
    Sleep { deadline: None, state: State::After(duration), trace: Trace::here() }
}

/// Waits until `deadline`; not at all if it has passed.
///
/// # Panics
/// When polled outside a runtime, or under another runtime than the one it was first polled under.
///
/// # Cancel safety
/// Dropping it stops the timer.
///
/// ```
/// use runtime_executor::{Executor, time::{self, Clock, Instant}};
/// use std::time::Duration;
///
/// Executor::builder().clock(Clock::paused()).build().block_on(async {
///     let deadline = Instant::now() + Duration::from_secs(5);
///     time::sleep_until(deadline).await;
///     assert_eq!(Instant::now(), deadline);
///     time::sleep_until(deadline).await; // at once
///     assert_eq!(Instant::now(), deadline);
/// });
/// ```
#[cfg_attr(feature = "tracing", track_caller)]
pub fn sleep_until(deadline: Instant) -> Sleep {
    Sleep { deadline: Some(deadline), state: State::At, trace: Trace::here() }
}

/// The future of [`sleep`] and [`sleep_until`].
///
/// A few plain integers that name a timer of the runtime: it need not be pinned, and may be sent to, and dropped on,
/// any thread. It can be used again and again with [`reset`](Self::reset).
///
/// ```
/// use runtime_executor::{Executor, time::{self, Clock, Instant}};
/// use std::time::Duration;
///
/// Executor::builder().clock(Clock::paused()).build().block_on(async {
///     let start = Instant::now();
///     let mut idle = time::sleep(Duration::from_secs(30));
///     for _ in 0..3 {
///         (&mut idle).await;
///         idle.reset_after(Duration::from_secs(30));
///     }
///     assert_eq!(start.elapsed(), Duration::from_secs(90));
/// });
/// ```
#[must_use = "a sleep does nothing unless it is awaited"]
pub struct Sleep {
    /// Set from the beginning if the sleep is until an instant, else when it has elapsed.
    deadline: Option<Instant>,
    state: State,
    trace: Trace,
}

/// ```text
/// After, At ──first poll──> Started ──the timer fired, and a poll found it──> Elapsed
///     └───── the deadline has passed: at once, or for ever: never ────────────────^
///     reset leads from any of them to After or At; or from Started to Started, with the timer moved
/// ```
#[derive(Copy, Clone)]
enum State {
    After(Duration),
    At,
    /// The timer of that key, on that runtime.
    Started {
        index: u32,
        sequence: u64,
        runtime: RuntimeId,
    },
    Elapsed,
}

impl Sleep {
    /// When it elapses. `None` while that is not known: it has not been polled yet, or is polled for the first time in
    /// this very turn of the loop, or was started by [`sleep`] and is asked for on another thread; and if it is never.
    ///
    /// ```
    /// use runtime_executor::time::{self, Instant};
    /// use std::time::Duration;
    /// let deadline = Instant::now() + Duration::from_secs(5);
    /// assert_eq!(time::sleep_until(deadline).deadline(), Some(deadline));
    /// assert_eq!(time::sleep(Duration::from_secs(5)).deadline(), None);
    /// ```
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline.or_else(|| self.with_timer(Timers::deadline).flatten())
    }

    /// Whether the time has come.
    ///
    /// ```
    /// use runtime_executor::{Executor, time};
    /// use std::time::Duration;
    /// Executor::builder().build().block_on(async {
    ///     let mut sleep = time::sleep(Duration::from_millis(1));
    ///     assert!(!sleep.is_elapsed());
    ///     (&mut sleep).await;
    ///     assert!(sleep.is_elapsed());
    /// });
    /// ```
    pub fn is_elapsed(&self) -> bool {
        match self.state {
            State::Elapsed => true,
            State::Started { .. } => self.with_timer(Timers::is_fired).unwrap_or(false),
            State::After(_) | State::At => false,
        }
    }

    /// Makes it elapse at `deadline` instead, whether or not it has elapsed already. Earlier and later cost the same: a
    /// few nanoseconds, no look at the clock.
    ///
    /// The task that polled a sleep which has not elapsed yet need not poll it again to be woken. A sleep that moves to
    /// another runtime must be reset first, and be polled there.
    ///
    /// ```
    /// use runtime_executor::{Executor, time::{self, Clock, Instant}};
    /// use std::time::Duration;
    ///
    /// Executor::builder().clock(Clock::paused()).build().block_on(async {
    ///     let start = Instant::now();
    ///     let mut sleep = time::sleep(Duration::from_secs(1));
    ///     sleep.reset(start + Duration::from_secs(7));
    ///     (&mut sleep).await;
    ///     assert_eq!(start.elapsed(), Duration::from_secs(7));
    /// });
    /// ```
    pub fn reset(&mut self, deadline: Instant) {
        self.restart(Some(deadline), State::At);
    }

    /// Makes it elapse `duration` from now instead; as with [`sleep`], "now" is the end of this turn of the loop, or
    /// the next poll if it is not waiting.
    ///
    /// ```
    /// use runtime_executor::{Executor, time::{self, Clock, Instant}};
    /// use std::time::Duration;
    ///
    /// Executor::builder().clock(Clock::paused()).build().block_on(async {
    ///     let start = Instant::now();
    ///     let mut idle = time::sleep(Duration::from_secs(1));
    ///     (&mut idle).await;
    ///     idle.reset_after(Duration::from_secs(2));
    ///     idle.await;
    ///     assert_eq!(start.elapsed(), Duration::from_secs(3));
    /// });
    /// ```
    pub fn reset_after(&mut self, duration: Duration) {
        self.restart(None, State::After(duration));
    }

    fn restart(&mut self, deadline: Option<Instant>, state: State) {
        let former = std::mem::replace(&mut self.state, state);
        self.deadline = deadline;
        let State::Started { index, sequence, runtime } = former else { return };
        let key = Key { index, sequence };
        let moved = current::with(|core| {
            let when = self.when(core.timers())?;
            (core.id() == runtime).then(|| core.timers().restart(key, when))?
        });
        match moved.flatten() {
            Some(Key { index, sequence }) => self.state = State::Started { index, sequence, runtime },
            None => stop(runtime, key),
        }
    }

    /// What to ask of the wheel; `None` if the timer was started already or is over.
    #[inline]
    fn when(&self, timers: &Timers) -> Option<When> {
        match (self.state, self.deadline) {
            (State::After(duration), _) => Some(When::After(nanos(duration))),
            (State::At, Some(deadline)) => Some(timers.at(deadline)),
            _ => None,
        }
    }

    /// Asks the timers of this thread about a timer that is started there.
    fn with_timer<R>(&self, ask: impl FnOnce(&Timers, Key) -> R) -> Option<R> {
        let State::Started { index, sequence, runtime } = self.state else { return None };
        current::with(|core| (core.id() == runtime).then(|| ask(core.timers(), Key { index, sequence })))
            .flatten()
    }

    /// Whether it will never elapse, so that a timeout need not start it.
    #[inline]
    pub(crate) fn is_never(&self) -> bool {
        matches!(self.state, State::After(duration) if nanos(duration) >= FOREVER)
    }

    /// Whether a timer runs, or ran and has not been looked at.
    pub(super) fn is_started(&self) -> bool {
        matches!(self.state, State::Started { .. })
    }

    /// Whether its time has come by the clock of this turn, even if it has not fired yet. Elapses then, so that all who
    /// ask in one turn are told the same.
    #[inline]
    pub(super) fn elapse_if_due(&mut self) -> bool {
        !matches!(self.state, State::After(_)) && self.elapse_if_due_now()
    }

    #[inline(never)] // a limit around what is ready at once never comes here
    fn elapse_if_due_now(&mut self) -> bool {
        let is_due = match self.state {
            State::Elapsed => return true,
            State::After(_) => return false,
            State::At => current::with(|core| {
                let timers = core.timers();
                self.when(timers).is_none_or(|when| timers.is_past(when))
            }),
            State::Started { .. } => self.with_timer(Timers::is_due),
        };
        if is_due != Some(true) {
            return false;
        }
        self.deadline = self.deadline();
        if let State::Started { index, sequence, runtime } =
            std::mem::replace(&mut self.state, State::Elapsed)
        {
            stop(runtime, Key { index, sequence });
            self.trace.polled(true);
        }
        true
    }

    /// Ready once elapsed, again and again. Takes nothing from the budget of the task.
    #[inline]
    pub(crate) fn poll_elapsed(&mut self, cx: &Context<'_>) -> Poll<()> {
        match self.state {
            State::Elapsed => Poll::Ready(()),
            State::Started { index, sequence, runtime } => {
                let key = Key { index, sequence };
                let polled =
                    current::with(|core| (core.id() == runtime).then(|| core.timers().poll(key, cx)));
                let Some(Some(polled)) = polled else { refuse_to_poll_elsewhere() };
                self.trace.polled(polled.is_ready());
                let deadline = ready!(polled);
                self.deadline.get_or_insert(deadline);
                self.state = State::Elapsed;
                Poll::Ready(())
            }
            State::After(_) | State::At => current::expect("polling a timer", |core| self.start(core, cx)),
        }
    }

    /// After, At -> Started, or Elapsed if the deadline has passed.
    fn start(&mut self, core: &Core, cx: &Context<'_>) -> Poll<()> {
        let timers = core.timers();
        let Some(when) = self.when(timers) else { return Poll::Ready(()) };
        if timers.is_past(when) {
            self.state = State::Elapsed;
            return Poll::Ready(());
        }
        let Key { index, sequence } = timers.start(when, cx);
        self.trace.begin(if let State::After(duration) = self.state { Some(duration) } else { None });
        self.state = State::Started { index, sequence, runtime: core.id() };
        Poll::Pending
    }
}

#[cold]
fn refuse_to_poll_elsewhere() -> ! {
    panic!(
        "this timer runs on the runtime it was first polled under, and is polled elsewhere: await it there, or call \
         `Sleep::reset` before taking it to another runtime"
    )
}

/// Forgets a timer: here, or by mail if its runtime is not the current one. A runtime that is gone has forgotten it.
fn stop(runtime: RuntimeId, key: Key) {
    let here = current::with(|core| {
        core.id() == runtime && {
            core.timers().cancel(key);
            true
        }
    });
    if here != Some(true) {
        let forget = move || {
            current::with(|core| core.timers().cancel(key));
        };
        // Refused only if the runtime is gone, and its timers with it.
        runtime.post(forget).ok();
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        ready!(self.poll_elapsed(cx));
        // Else a loop over deadlines that have passed would never let others run.
        current::poll_budget(cx)
    }
}

impl Drop for Sleep {
    #[inline]
    fn drop(&mut self) {
        if let State::Started { index, sequence, runtime } = self.state {
            stop(runtime, Key { index, sequence });
        }
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep")
            .field("deadline", &self.deadline())
            .field("is_elapsed", &self.is_elapsed())
            .finish_non_exhaustive()
    }
}

const _: () = {
    const fn can_move_freely<T: Send + Sync + Unpin>() {}
    can_move_freely::<Sleep>();
    assert!(
        size_of::<Sleep>() <= 40 + size_of::<Trace>(),
        "a sleep is part of every task that waits with a limit"
    );
};
