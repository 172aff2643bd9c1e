//! `Instant`: the standard library's, read from the clock of the current runtime.

use std::{
    ops::{Add, AddAssign, Sub, SubAssign},
    time::{Duration, Instant as StdInstant},
};

use super::clock;
use crate::current;

/// A point in time, as the clock of the current runtime shows it; outside a runtime, as the machine's clock does.
///
/// It has the interface of [`std::time::Instant`], with one difference: `+` and `-` with a [`Duration`] do not panic on
/// overflow but stop at the furthest instant there is, so `Instant::now() + Duration::MAX` is a deadline that never
/// comes. The `checked_` forms tell.
///
/// ```
/// use runtime_executor::{Executor, time::{self, Clock, Instant}};
/// use std::time::Duration;
///
/// Executor::builder().clock(Clock::paused()).build().block_on(async {
///     let start = Instant::now();
///     time::advance(Duration::from_millis(20)).await;
///     assert_eq!(start.elapsed(), Duration::from_millis(20));
///     assert_eq!(start + Duration::from_millis(20), Instant::now());
/// });
/// ```
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(StdInstant);

impl Instant {
    /// The present, by the clock of the runtime that runs on this thread, or by the machine's clock if none does.
    ///
    /// ```
    /// use runtime_executor::time::Instant;
    /// let start = Instant::now();
    /// assert!(Instant::now() >= start);
    /// ```
    #[must_use]
    pub fn now() -> Self {
        current::with(|core| core.timers().clock().now()).unwrap_or_else(|| Self(clock::real_now()))
    }

    /// The same instant as the standard library has it.
    ///
    /// ```
    /// use runtime_executor::time::Instant;
    /// let now = Instant::now();
    /// assert_eq!(Instant::from_std(now.into_std()), now);
    /// ```
    #[must_use]
    pub const fn into_std(self) -> StdInstant {
        self.0
    }

    /// From an instant of the standard library. Mind that [`std::time::Instant::now`] is the real time also while the
    /// runtime's clock is paused.
    ///
    /// ```
    /// use runtime_executor::time::Instant;
    /// let now = Instant::now();
    /// assert_eq!(Instant::from_std(now.into_std()), now);
    /// ```
    #[must_use]
    pub const fn from_std(instant: StdInstant) -> Self {
        Self(instant)
    }

    /// How long ago this was; zero if it is still to come.
    ///
    /// ```
    /// use runtime_executor::time::Instant;
    /// use std::time::Duration;
    /// assert_eq!((Instant::now() + Duration::from_secs(60)).elapsed(), Duration::ZERO);
    /// ```
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        Self::now().duration_since(*self)
    }

    /// The time from `earlier` to this; zero if `earlier` is the later one.
    ///
    /// ```
    /// use runtime_executor::time::Instant;
    /// use std::time::Duration;
    /// let now = Instant::now();
    /// let then = now + Duration::from_secs(1);
    /// assert_eq!(then.duration_since(now), Duration::from_secs(1));
    /// assert_eq!(now.duration_since(then), Duration::ZERO);
    /// ```
    #[must_use]
    pub fn duration_since(&self, earlier: Self) -> Duration {
        self.0.saturating_duration_since(earlier.0)
    }

    /// The time from `earlier` to this; `None` if `earlier` is the later one.
    ///
    /// ```
    /// use runtime_executor::time::Instant;
    /// use std::time::Duration;
    /// let now = Instant::now();
    /// assert_eq!(now.checked_duration_since(now + Duration::from_secs(1)), None);
    /// ```
    #[must_use]
    pub fn checked_duration_since(&self, earlier: Self) -> Option<Duration> {
        self.0.checked_duration_since(earlier.0)
    }

    /// The time from `earlier` to this; zero if `earlier` is the later one. The same as
    /// [`duration_since`](Self::duration_since).
    ///
    /// ```
    /// use runtime_executor::time::Instant;
    /// use std::time::Duration;
    /// let now = Instant::now();
    /// assert_eq!(now.saturating_duration_since(now + Duration::from_secs(1)), Duration::ZERO);
    /// ```
    #[must_use]
    pub fn saturating_duration_since(&self, earlier: Self) -> Duration {
        self.duration_since(earlier)
    }

    /// This much later, or `None` if that cannot be represented.
    ///
    /// ```
    /// use runtime_executor::time::Instant;
    /// use std::time::Duration;
    /// assert_eq!(Instant::now().checked_add(Duration::MAX), None);
    /// ```
    #[must_use]
    pub fn checked_add(&self, duration: Duration) -> Option<Self> {
        self.0.checked_add(duration).map(Self)
    }

    /// This much earlier, or `None` if that cannot be represented.
    ///
    /// ```
    /// use runtime_executor::time::Instant;
    /// use std::time::Duration;
    /// assert_eq!(Instant::now().checked_sub(Duration::MAX), None);
    /// ```
    #[must_use]
    pub fn checked_sub(&self, duration: Duration) -> Option<Self> {
        self.0.checked_sub(duration).map(Self)
    }

    /// This much later, or the last instant there is.
    ///
    /// ```
    /// use runtime_executor::time::Instant;
    /// use std::time::Duration;
    /// let end = Instant::now().saturating_add(Duration::MAX);
    /// assert_eq!(end.saturating_add(Duration::from_secs(1)), end);
    /// ```
    #[must_use]
    pub fn saturating_add(&self, duration: Duration) -> Self {
        self.checked_add(duration).unwrap_or_else(|| self.furthest(StdInstant::checked_add))
    }

    /// This much earlier, or the first instant there is.
    ///
    /// ```
    /// use runtime_executor::time::Instant;
    /// use std::time::Duration;
    /// let beginning = Instant::now().saturating_sub(Duration::MAX);
    /// assert_eq!(beginning.saturating_sub(Duration::from_secs(1)), beginning);
    /// ```
    #[must_use]
    pub fn saturating_sub(&self, duration: Duration) -> Self {
        self.checked_sub(duration).unwrap_or_else(|| self.furthest(StdInstant::checked_sub))
    }

    /// The end of the range in one direction. The standard library does not tell it, so it is approached in steps that
    /// halve, as far as each is possible.
    #[cold]
    fn furthest(self, step: impl Fn(&StdInstant, Duration) -> Option<StdInstant>) -> Self {
        let seconds = (0..64).rev().map(|bit| Duration::from_secs(1 << bit));
        let nanos = (0..30).rev().map(|bit| Duration::from_nanos(1 << bit));
        Self(seconds.chain(nanos).fold(self.0, |at, size| step(&at, size).unwrap_or(at)))
    }
}

/// Stops at the last instant there is.
impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        self.saturating_add(duration)
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, duration: Duration) {
        *self = *self + duration;
    }
}

/// Stops at the first instant there is.
impl Sub<Duration> for Instant {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        self.saturating_sub(duration)
    }
}

impl SubAssign<Duration> for Instant {
    fn sub_assign(&mut self, duration: Duration) {
        *self = *self - duration;
    }
}

/// Zero if the other one is later.
impl Sub for Instant {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        self.duration_since(earlier)
    }
}

impl From<StdInstant> for Instant {
    fn from(instant: StdInstant) -> Self {
        Self::from_std(instant)
    }
}

impl From<Instant> for StdInstant {
    fn from(instant: Instant) -> Self {
        instant.into_std()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_stops_at_the_ends_of_time() {
        let now = Instant::now();
        let second = Duration::from_secs(1);
        let end = now + Duration::MAX;
        assert_eq!(now + second + Duration::MAX, end, "there is one end, from wherever one starts");
        assert_eq!(end.checked_add(Duration::from_nanos(1)), None, "and it is the very last nanosecond");
        let beginning = now - Duration::MAX;
        assert_eq!(now - second - Duration::MAX, beginning);
        assert_eq!(beginning.checked_sub(Duration::from_nanos(1)), None);
        assert!(beginning < now && now < end);
        assert_eq!(beginning - end, Duration::ZERO);
    }

    #[test]
    fn ordinary_arithmetic_is_that_of_the_standard_library() {
        let mut at = Instant::now();
        let start = at;
        at += Duration::from_millis(1500);
        at -= Duration::from_millis(500);
        assert_eq!(at - start, Duration::from_secs(1));
        assert_eq!(start - at, Duration::ZERO);
        assert_eq!(StdInstant::from(at), StdInstant::from(start) + Duration::from_secs(1));
    }
}
