//! The only source of instants: the machine's clock, or one that stands still until it is told to move.
//!
//! Everything else in the workspace asks the clock of its runtime, so that a test can run an hour of timers in a
//! millisecond and see the same order every time.

use std::{cell::Cell, time::Instant as StdInstant};

use super::Instant;

/// Where a runtime gets the time from.
///
/// [`Clock::real`] is the machine's monotonic clock. [`Clock::paused`] starts at the real time and stands still; it
/// moves only by [`advance`](super::advance), or by itself to the next deadline once nothing else can happen (see
/// [`AutoAdvance`]). A running program may switch with [`pause`](super::pause) and [`resume`](super::resume).
///
/// ```
/// use runtime_executor::{Executor, time::{self, Clock, Instant}};
/// use std::time::Duration;
///
/// Executor::builder().clock(Clock::paused()).build().block_on(async {
///     let start = Instant::now();
///     time::sleep(Duration::from_secs(3600)).await; // takes no real time
///     assert_eq!(start.elapsed(), Duration::from_secs(3600));
/// });
/// ```
#[derive(Debug)]
pub struct Clock {
    mode: Cell<Mode>,
    auto_advance: Cell<AutoAdvance>,
}

/// ```text
/// Real ──pause──> Paused ──resume──> Resumed ──pause──> Paused …
/// ```
#[derive(Copy, Clone, Debug)]
enum Mode {
    Real,
    /// Goes on from `base`, which was shown when the real clock showed `since`: time never jumps on resuming.
    Resumed {
        base: StdInstant,
        since: StdInstant,
    },
    Paused {
        now: StdInstant,
    },
}

/// When a paused clock moves by itself to the next deadline, after every task has run as far as it can.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum AutoAdvance {
    /// Only if nothing outside could still wake a task: no blocking job runs and no socket is waited for. The default,
    /// as otherwise a timeout would fire while its answer is on the way.
    #[default]
    WhenIdle,
    /// Even then: for tests that hold sockets open (a listener that waits for the next client counts as waiting) and
    /// know that nothing comes from them.
    Always,
    /// Never: only [`advance`](super::advance) moves it.
    Never,
}

impl Clock {
    /// The machine's monotonic clock.
    ///
    /// ```
    /// use runtime_executor::{Executor, time::{Clock, Instant}};
    /// Executor::builder().clock(Clock::real()).build().block_on(async {
    ///     let start = Instant::now();
    ///     assert!(Instant::now() >= start);
    /// });
    /// ```
    pub fn real() -> Self {
        Self { mode: Cell::new(Mode::Real), auto_advance: Cell::default() }
    }

    /// A clock that shows the present and stands still.
    ///
    /// ```
    /// use runtime_executor::{Executor, time::{Clock, Instant}};
    /// Executor::builder().clock(Clock::paused()).build().block_on(async {
    ///     let start = Instant::now();
    ///     assert_eq!(Instant::now(), start);
    /// });
    /// ```
    pub fn paused() -> Self {
        Self { mode: Cell::new(Mode::Paused { now: real_now() }), auto_advance: Cell::default() }
    }

    /// Says when the clock, while it is paused, moves by itself.
    ///
    /// ```
    /// use runtime_executor::{Executor, time::{self, AutoAdvance, Clock}};
    /// use std::time::Duration;
    ///
    /// let clock = Clock::paused().with_auto_advance(AutoAdvance::Never);
    /// Executor::builder().clock(clock).build().block_on(async {
    ///     let alarm = runtime_executor::spawn(time::sleep(Duration::from_secs(5)));
    ///     time::advance(Duration::from_secs(4)).await;
    ///     assert!(!alarm.is_finished());
    ///     time::advance(Duration::from_secs(1)).await;
    ///     assert!(alarm.is_finished());
    /// });
    /// ```
    #[must_use]
    pub fn with_auto_advance(self, policy: AutoAdvance) -> Self {
        self.auto_advance.set(policy);
        self
    }

    /// What the clock shows.
    ///
    /// ```
    /// use runtime_executor::time::Clock;
    /// let clock = Clock::paused();
    /// assert_eq!(clock.now(), clock.now());
    /// ```
    pub fn now(&self) -> Instant {
        Instant::from_std(match self.mode.get() {
            Mode::Real => real_now(),
            Mode::Resumed { base, since } => base + real_now().saturating_duration_since(since),
            Mode::Paused { now } => now,
        })
    }

    /// Whether the clock stands still.
    ///
    /// ```
    /// use runtime_executor::time::Clock;
    /// assert!(Clock::paused().is_paused() && !Clock::real().is_paused());
    /// ```
    pub fn is_paused(&self) -> bool {
        matches!(self.mode.get(), Mode::Paused { .. })
    }

    pub(crate) fn auto_advance(&self) -> AutoAdvance {
        self.auto_advance.get()
    }

    pub(crate) fn set_auto_advance(&self, policy: AutoAdvance) {
        self.auto_advance.set(policy);
    }

    /// Real, Resumed -> Paused.
    pub(crate) fn pause(&self) {
        let now = self.now().into_std();
        self.mode.set(Mode::Paused { now });
    }

    /// Paused -> Resumed.
    pub(crate) fn resume(&self) {
        let base = self.now().into_std();
        self.mode.set(Mode::Resumed { base, since: real_now() });
    }

    /// Moves a paused clock to `instant`, never backwards.
    pub(crate) fn move_to(&self, instant: Instant) {
        if let Mode::Paused { now } = self.mode.get() {
            self.mode.set(Mode::Paused { now: now.max(instant.into_std()) });
        }
    }
}

/// The real clock.
impl Default for Clock {
    fn default() -> Self {
        Self::real()
    }
}

/// The one place that reads the machine's clock.
#[expect(clippy::disallowed_methods, reason = "this is the home of the clock")]
pub(crate) fn real_now() -> StdInstant {
    StdInstant::now()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_paused_clock_moves_only_forwards_and_only_when_told() {
        let clock = Clock::paused();
        let start = clock.now();
        let later = start + Duration::from_secs(5);
        clock.move_to(later);
        assert_eq!(clock.now(), later);
        clock.move_to(start);
        assert_eq!(clock.now(), later, "time does not go back");
    }

    #[test]
    fn pausing_and_resuming_never_makes_time_jump() {
        let clock = Clock::real();
        let before = clock.now();
        clock.pause();
        let paused = clock.now();
        assert!(paused >= before);
        let moved = paused + Duration::from_secs(3600);
        clock.move_to(moved);
        clock.resume();
        let resumed = clock.now();
        assert!(resumed >= moved, "it goes on from where it was moved to");
        assert!(resumed < moved + Duration::from_secs(600));
        clock.pause();
        assert!(clock.is_paused() && clock.now() >= resumed);
    }

    #[test]
    fn a_real_clock_cannot_be_moved() {
        let clock = Clock::real();
        clock.move_to(clock.now() + Duration::from_secs(3600));
        assert!(clock.now() < Instant::from_std(real_now()) + Duration::from_secs(600));
    }
}
