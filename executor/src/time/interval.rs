//! `interval`: a tick every so often.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_core::Stream;

use super::{Instant, Sleep, sleep_until};
use crate::current;

/// A tick delivered up to this late counts as in time, lest the millisecond that the kernel rounds to make
/// [`MissedTickPolicy::Delay`] lose a millisecond each time.
const IN_TIME: Duration = Duration::from_millis(5);

/// Ticks at once and then every `period`.
///
/// Ticks are due at multiples of the period from now, whatever the work between them takes; what happens if it takes
/// longer than a period is the [`MissedTickPolicy`], which is to catch up unless said otherwise.
///
/// # Panics
/// If `period` is zero. Its ticks panic outside a runtime.
///
/// ```
/// use runtime_executor::{Executor, time::{self, Clock, Instant}};
/// use std::time::Duration;
///
/// Executor::builder().clock(Clock::paused()).build().block_on(async {
///     let start = Instant::now();
///     let mut every_second = time::interval(Duration::from_secs(1));
///     for second in 0..3 {
///         every_second.tick().await;
///         assert_eq!(start.elapsed(), Duration::from_secs(second));
///     }
/// });
/// ```
#[track_caller]
pub fn interval(period: Duration) -> Interval {
    interval_at(Instant::now(), period)
}

/// Ticks at `start` and then every `period`. As [`interval`] in all else.
///
/// # Panics
/// If `period` is zero. Its ticks panic outside a runtime.
///
/// ```
/// use runtime_executor::{Executor, time::{self, Clock, Instant}};
/// use std::time::Duration;
///
/// Executor::builder().clock(Clock::paused()).build().block_on(async {
///     let start = Instant::now() + Duration::from_secs(10);
///     let mut interval = time::interval_at(start, Duration::from_secs(1));
///     assert_eq!(interval.tick().await, start);
///     assert_eq!(interval.tick().await, start + Duration::from_secs(1));
/// });
/// ```
#[track_caller]
pub fn interval_at(start: Instant, period: Duration) -> Interval {
    assert!(
        !period.is_zero(),
        "an interval of zero would tick without end: give it a period, or use `task::yield_now` to let others run"
    );
    Interval { period, policy: MissedTickPolicy::default(), next: start, delay: sleep_until(start) }
}

/// What an [`Interval`] does if a tick was asked for so late that the following one would have been due.
///
/// A period of 10 ms, and the work after the second tick takes 25 ms (times of delivery):
///
/// ```text
/// due      0    10    20    30    40    50
/// Burst    0    10          35,35 40    50
/// Delay    0    10          35    45    55
/// Skip     0    10          35    40    50
/// ```
///
/// ```
/// use runtime_executor::{Executor, time::{self, Clock, Instant, MissedTickPolicy}};
/// use std::time::Duration;
///
/// Executor::builder().clock(Clock::paused()).build().block_on(async {
///     let start = Instant::now();
///     let mut interval = time::interval(Duration::from_millis(10));
///     interval.set_missed_tick_policy(MissedTickPolicy::Skip);
///     interval.tick().await;
///     time::sleep(Duration::from_millis(25)).await;
///     interval.tick().await; // the one that was due at 10
///     interval.tick().await;
///     assert_eq!(start.elapsed(), Duration::from_millis(30));
/// });
/// ```
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum MissedTickPolicy {
    /// Makes up for missed ticks at once, one after the other: the number of ticks is right.
    #[default]
    Burst,
    /// Starts anew from the late tick: the distance of ticks is right. Up to 5 ms late counts as in time.
    Delay,
    /// Leaves missed ticks out: every tick but the late one is at its time.
    Skip,
}

impl MissedTickPolicy {
    /// When to tick after the tick that was due at `due` and delivered at `now`.
    fn following(self, due: Instant, now: Instant, period: Duration) -> Instant {
        let late = now.duration_since(due);
        match self {
            Self::Delay if late > IN_TIME => now + period,
            Self::Skip if late >= period => now + period - remainder(late, period),
            Self::Burst | Self::Delay | Self::Skip => due + period,
        }
    }
}

/// How far `time` is beyond a multiple of `period`.
fn remainder(time: Duration, period: Duration) -> Duration {
    let nanos = time.as_nanos() % period.as_nanos();
    let second = 1_000_000_000;
    Duration::new((nanos / second) as u64, (nanos % second) as u32)
}

/// Ticks; see [`interval`]. Also a [`Stream`], without end.
///
/// As a [`Sleep`], it need not be pinned and may be sent and dropped anywhere.
///
/// ```
/// use runtime_executor::{Executor, time::{self, Clock}};
/// use std::time::Duration;
///
/// Executor::builder().clock(Clock::paused()).build().block_on(async {
///     let mut interval = time::interval(Duration::from_secs(1));
///     let first = interval.tick().await;
///     let second = interval.tick().await;
///     assert_eq!(second - first, Duration::from_secs(1));
/// });
/// ```
#[derive(Debug)]
pub struct Interval {
    period: Duration,
    policy: MissedTickPolicy,
    next: Instant,
    /// Until `next`, once it has been waited for.
    delay: Sleep,
}

impl Interval {
    /// Waits for the next tick, and gives the time at which it was due.
    ///
    /// # Panics
    /// Outside a runtime, or under another one than where it was waited for before.
    ///
    /// # Cancel safety
    /// Dropping the future loses no tick.
    ///
    /// ```
    /// use runtime_executor::{Executor, time};
    /// use std::time::Duration;
    /// Executor::builder().build().block_on(async {
    ///     time::interval(Duration::from_secs(60)).tick().await; // the first one comes at once
    /// });
    /// ```
    pub async fn tick(&mut self) -> Instant {
        poll_fn(|cx| self.poll_tick(cx)).await
    }

    /// The next tick, if it is due; otherwise wakes the task once it is.
    ///
    /// # Panics
    /// Outside a runtime, or under another one than where it was waited for before.
    ///
    /// ```
    /// use runtime_executor::{Executor, time};
    /// use std::{future::poll_fn, time::Duration};
    /// Executor::builder().build().block_on(async {
    ///     let mut interval = time::interval(Duration::from_secs(60));
    ///     poll_fn(|cx| interval.poll_tick(cx)).await;
    ///     poll_fn(|cx| { assert!(interval.poll_tick(cx).is_pending()); std::task::Poll::Ready(()) }).await;
    /// });
    /// ```
    pub fn poll_tick(&mut self, cx: &mut Context<'_>) -> Poll<Instant> {
        // A tick that is due need not wait for the loop to find out.
        let is_due = !self.delay.is_started()
            && current::expect("waiting for the tick of an interval", |core| core.timers().clock().now())
                >= self.next;
        if !is_due {
            ready!(self.delay.poll_elapsed(cx));
        }
        ready!(current::poll_budget(cx));
        let due = self.next;
        self.next = self.policy.following(due, Instant::now(), self.period);
        self.delay.reset(self.next);
        Poll::Ready(due)
    }

    /// Makes the next tick come one period from now.
    ///
    /// ```
    /// use runtime_executor::{Executor, time::{self, Clock, Instant}};
    /// use std::time::Duration;
    /// Executor::builder().clock(Clock::paused()).build().block_on(async {
    ///     let mut interval = time::interval(Duration::from_secs(10));
    ///     interval.tick().await;
    ///     time::sleep(Duration::from_secs(7)).await;
    ///     interval.reset();
    ///     let now = Instant::now();
    ///     assert_eq!(interval.tick().await, now + Duration::from_secs(10));
    /// });
    /// ```
    pub fn reset(&mut self) {
        self.reset_after(self.period);
    }

    /// Makes the next tick come `after` from now, and the others every period after it; zero: at once.
    ///
    /// ```
    /// use runtime_executor::{Executor, time::{self, Clock, Instant}};
    /// use std::time::Duration;
    /// Executor::builder().clock(Clock::paused()).build().block_on(async {
    ///     let start = Instant::now();
    ///     let mut interval = time::interval(Duration::from_secs(10));
    ///     interval.reset_after(Duration::from_secs(3));
    ///     assert_eq!(interval.tick().await - start, Duration::from_secs(3));
    ///     assert_eq!(interval.tick().await - start, Duration::from_secs(13));
    /// });
    /// ```
    pub fn reset_after(&mut self, after: Duration) {
        self.reset_at(Instant::now() + after);
    }

    /// Makes the next tick come at `deadline`, and the others every period after it.
    ///
    /// ```
    /// use runtime_executor::{Executor, time::{self, Clock, Instant}};
    /// use std::time::Duration;
    /// Executor::builder().clock(Clock::paused()).build().block_on(async {
    ///     let mut interval = time::interval(Duration::from_secs(10));
    ///     let deadline = Instant::now() + Duration::from_secs(1);
    ///     interval.reset_at(deadline);
    ///     assert_eq!(interval.tick().await, deadline);
    /// });
    /// ```
    pub fn reset_at(&mut self, deadline: Instant) {
        self.next = deadline;
        self.delay.reset(deadline);
    }

    /// The time between ticks.
    ///
    /// ```
    /// use runtime_executor::time;
    /// use std::time::Duration;
    /// assert_eq!(time::interval(Duration::from_secs(1)).period(), Duration::from_secs(1));
    /// ```
    pub fn period(&self) -> Duration {
        self.period
    }

    /// What it does about missed ticks.
    ///
    /// ```
    /// use runtime_executor::time::{self, MissedTickPolicy};
    /// use std::time::Duration;
    /// assert_eq!(time::interval(Duration::from_secs(1)).missed_tick_policy(), MissedTickPolicy::Burst);
    /// ```
    pub fn missed_tick_policy(&self) -> MissedTickPolicy {
        self.policy
    }

    /// Says what to do about missed ticks.
    ///
    /// ```
    /// use runtime_executor::time::{self, MissedTickPolicy};
    /// use std::time::Duration;
    /// let mut interval = time::interval(Duration::from_secs(1));
    /// interval.set_missed_tick_policy(MissedTickPolicy::Delay);
    /// assert_eq!(interval.missed_tick_policy(), MissedTickPolicy::Delay);
    /// ```
    pub fn set_missed_tick_policy(&mut self, policy: MissedTickPolicy) {
        self.policy = policy;
    }
}

impl Stream for Interval {
    type Item = Instant;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Instant>> {
        self.poll_tick(cx).map(Some)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (usize::MAX, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When the tick after one that was due at 100 ms and delivered at `delivered` comes, in milliseconds.
    fn following(policy: MissedTickPolicy, delivered: u64) -> u64 {
        let zero = Instant::now();
        let at = |ms| zero + Duration::from_millis(ms);
        let next = policy.following(at(100), at(delivered), Duration::from_millis(10));
        u64::try_from((next - zero).as_millis()).unwrap()
    }

    #[test]
    fn policies_differ_only_in_what_follows_a_late_tick() {
        use MissedTickPolicy::{Burst, Delay, Skip};
        let delivered = [100, 104, 107, 110, 125, 139];
        assert_eq!(delivered.map(|at| following(Burst, at)), [110, 110, 110, 110, 110, 110]);
        assert_eq!(delivered.map(|at| following(Delay, at)), [110, 110, 117, 120, 135, 149]);
        assert_eq!(delivered.map(|at| following(Skip, at)), [110, 110, 110, 120, 130, 140]);
    }

    #[test]
    fn the_end_of_time_is_no_obstacle() {
        let now = Instant::now();
        for policy in [MissedTickPolicy::Burst, MissedTickPolicy::Delay, MissedTickPolicy::Skip] {
            assert_eq!(policy.following(now, now, Duration::MAX), now + Duration::MAX);
        }
        let first = now - Duration::MAX;
        let next = MissedTickPolicy::Skip.following(first, now, Duration::from_nanos(3));
        assert!(next > now && next <= now + Duration::from_nanos(3));
    }
}
