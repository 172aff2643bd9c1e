//! `timeout_scope`: a limit of time that those within it, and others, may move.

use super::{Elapsed, Instant};
use crate::task::{CancelScope, RunScope};
use pin_project_lite::pin_project;
use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

/// Gives the future that `body` makes `duration` to complete, and gives `body` the [`Deadline`], which it may move
/// (`async with asyncio.timeout(d) as scope: scope.reschedule(…)`). The time counts from this call; [`Duration::MAX`]
/// means no limit for the time being.
///
/// All else is as with [`timeout`](super::timeout()): the future is polled at least once, its completion wins over the end
/// of the time, and of several limits that are over the outermost reports. Under the bonnet it is a
/// [`CancelScope`], which can do more: be cancelled with a reason, and serve several futures.
///
/// ```
/// use runtime_executor::{Executor, time::{self, Clock, Instant, sleep}};
/// use std::time::Duration;
///
/// Executor::builder().clock(Clock::paused()).build().block_on(async {
///     let start = Instant::now();
///     let idle = Duration::from_secs(5);
///     let transfer = time::timeout_scope(idle, async |deadline| {
///         for chunk in 1..=4 {
///             sleep(Duration::from_secs(2 * chunk)).await;
///             deadline.reschedule_after(idle); // something came: the peer is alive
///         }
///     });
///     assert!(transfer.await.is_err());
///     assert_eq!(start.elapsed(), Duration::from_secs(2 + 4 + 5)); // the third took too long
/// });
/// ```
///
/// # Errors
/// [`Elapsed`] if the time was over first, once the future has been dropped.
///
/// # Panics
/// If no runtime runs on this thread.
///
/// # Cancel safety
/// Dropping it drops the future; it is as safe as the future.
pub fn timeout_scope<F: Future>(duration: Duration, body: impl FnOnce(Deadline) -> F) -> TimeoutScope<F> {
    let scope = CancelScope::with_timeout(duration);
    let run = scope.run(body(Deadline { scope: scope.clone() }));
    TimeoutScope { run, scope }
}

/// The end of a [`timeout_scope`], to be looked at and moved by anybody on its thread. Clones mean the same one.
#[derive(Clone, Debug)]
pub struct Deadline {
    scope: CancelScope,
}

impl Deadline {
    /// When the time will be over; `None`: never.
    pub fn when(&self) -> Option<Instant> {
        self.scope.deadline()
    }

    /// Moves the end to `when`, earlier or later; `None` takes the limit away. False: the time is over already, and
    /// nothing changes. Once the scope has ended this means nothing.
    ///
    /// ```
    /// use runtime_executor::{Executor, spawn, time::{self, Clock, Instant, sleep}};
    /// use std::{future::pending, time::Duration};
    ///
    /// Executor::builder().clock(Clock::paused()).build().block_on(async {
    ///     let start = Instant::now();
    ///     let patient = time::timeout_scope(Duration::MAX, |_| pending::<()>());
    ///     let deadline = patient.deadline();
    ///     spawn(async move {
    ///         sleep(Duration::from_secs(1)).await;
    ///         deadline.reschedule(Some(start + Duration::from_secs(3))); // from outside
    ///     });
    ///     assert!(patient.await.is_err());
    ///     assert_eq!(start.elapsed(), Duration::from_secs(3));
    /// });
    /// ```
    pub fn reschedule(&self, when: Option<Instant>) -> bool {
        let is_in_time = !self.has_passed();
        self.scope.set_deadline(when);
        is_in_time
    }

    /// The same, `duration` from now.
    pub fn reschedule_after(&self, duration: Duration) -> bool {
        self.reschedule(Instant::now().checked_add(duration))
    }

    /// Whether the time is over.
    pub fn has_passed(&self) -> bool {
        self.scope.is_cancelled()
    }
}

pin_project! {
    /// The future of [`timeout_scope`].
    #[derive(Debug)]
    #[must_use = "a timeout does nothing unless it is awaited"]
    pub struct TimeoutScope<F> {
        #[pin]
        run: RunScope<F>,
        scope: CancelScope,
    }
}

impl<F> TimeoutScope<F> {
    /// Its end, for others to move.
    pub fn deadline(&self) -> Deadline {
        Deadline { scope: self.scope.clone() }
    }
}

impl<F: Future> Future for TimeoutScope<F> {
    type Output = Result<F::Output, Elapsed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().run.poll(cx).map(|outcome| outcome.map_err(|_| Elapsed))
    }
}
