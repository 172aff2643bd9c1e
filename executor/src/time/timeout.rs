//! `timeout`: a limit of time around any future. How several limits agree is in `group/limit.rs`.

use std::{
    future::{Future, IntoFuture},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use pin_project_lite::pin_project;
use runtime_sync::Elapsed;

use super::{Instant, Sleep, sleep, sleep_until};
use crate::group::limit::poll_limited;

/// Gives `future` at most `duration` to complete.
///
/// The future is polled first, so a result that is there counts, even if the time is over as well; and one that is
/// ready at once costs no timer. The time counts from the first poll, as with [`sleep`]; also if it is zero the future
/// is polled once. A future that keeps using up the budget of its task cannot keep the limit from being noticed.
///
/// Limits nest, also with a [`CancelScope`](crate::task::CancelScope): where several are over at once the outermost
/// reports, and nothing between them runs any more. So `timeout(a, async { timeout(b, f).await; g().await })` does not
/// begin `g` when `a` and `b` end together.
///
/// A limit that moves is one that is [rescheduled](Timeout::reschedule) by whoever polls it, or a
/// [`timeout_scope`](super::timeout_scope), of which the future itself and others may move the end.
///
/// # Errors
/// [`Elapsed`] if the time was over first; the future is dropped when the `Timeout` is.
///
/// # Panics
/// When the future is pending outside a runtime.
///
/// # Cancel safety
/// Dropping it drops the future and stops the timer; it is as safe as the future.
///
/// ```
/// use runtime_executor::{Executor, time::{self, Clock, Elapsed}};
/// use std::{future::pending, time::Duration};
///
/// Executor::builder().clock(Clock::paused()).build().block_on(async {
///     let second = Duration::from_secs(1);
///     assert_eq!(time::timeout(second, async { 7 }).await, Ok(7));
///     let late: Result<(), Elapsed> = time::timeout(second, pending()).await;
///     assert!(late.is_err());
/// });
/// ```
#[cfg_attr(feature = "tracing", track_caller)]
pub fn timeout<F: IntoFuture>(duration: Duration, future: F) -> Timeout<F::IntoFuture> {
    Timeout { future: future.into_future(), delay: sleep(duration) }
}

/// Gives `future` until `deadline` to complete. As [`timeout`] in all else; also if the deadline has passed the future
/// is polled once.
///
/// # Errors
/// [`Elapsed`] if the deadline passed first.
///
/// # Panics
/// When the future is pending outside a runtime.
///
/// # Cancel safety
/// Dropping it drops the future and stops the timer; it is as safe as the future.
///
/// ```
/// use runtime_executor::{Executor, time::{self, Clock, Instant}};
/// use std::{future::pending, time::Duration};
///
/// Executor::builder().clock(Clock::paused()).build().block_on(async {
///     // One deadline for several steps.
///     let deadline = Instant::now() + Duration::from_secs(10);
///     assert_eq!(time::timeout_at(deadline, async { "connected" }).await, Ok("connected"));
///     assert!(time::timeout_at(deadline, pending::<()>()).await.is_err());
///     assert_eq!(Instant::now(), deadline);
/// });
/// ```
#[cfg_attr(feature = "tracing", track_caller)]
pub fn timeout_at<F: IntoFuture>(deadline: Instant, future: F) -> Timeout<F::IntoFuture> {
    Timeout { future: future.into_future(), delay: sleep_until(deadline) }
}

pin_project! {
    /// The future of [`timeout`] and [`timeout_at`].
    ///
    /// ```
    /// use runtime_executor::{Executor, time};
    /// use std::{future::ready, time::Duration};
    ///
    /// let limited = time::timeout(Duration::from_secs(1), ready("done"));
    /// assert_eq!(Executor::builder().build().block_on(limited), Ok("done"));
    /// ```
    #[derive(Debug)]
    #[must_use = "a timeout does nothing unless it is awaited"]
    pub struct Timeout<F> {
        #[pin]
        future: F,
        delay: Sleep,
    }
}

impl<F> Timeout<F> {
    /// The future under the limit.
    ///
    /// ```
    /// use runtime_executor::time;
    /// use std::{future::ready, time::Duration};
    /// let limited = time::timeout(Duration::from_secs(1), ready(7));
    /// assert_eq!(format!("{:?}", limited.get_ref()), format!("{:?}", ready(7)));
    /// ```
    pub fn get_ref(&self) -> &F {
        &self.future
    }

    /// The future under the limit, to change.
    ///
    /// ```
    /// use runtime_executor::{Executor, time};
    /// use std::{future::ready, time::Duration};
    /// let mut limited = time::timeout(Duration::from_secs(1), ready(7));
    /// *limited.get_mut() = ready(8);
    /// assert_eq!(Executor::builder().build().block_on(limited), Ok(8));
    /// ```
    pub fn get_mut(&mut self) -> &mut F {
        &mut self.future
    }

    /// The future without its limit.
    ///
    /// ```
    /// use runtime_executor::{Executor, time};
    /// use std::{future::ready, time::Duration};
    /// let limited = time::timeout(Duration::from_secs(1), ready(7));
    /// assert_eq!(Executor::builder().build().block_on(limited.into_inner()), 7);
    /// ```
    pub fn into_inner(self) -> F {
        self.future
    }

    /// When the time is over; `None` as for [`Sleep::deadline`].
    ///
    /// ```
    /// use runtime_executor::time::{self, Instant};
    /// use std::{future::ready, time::Duration};
    /// let deadline = Instant::now() + Duration::from_secs(1);
    /// assert_eq!(time::timeout_at(deadline, ready(())).deadline(), Some(deadline));
    /// ```
    pub fn deadline(&self) -> Option<Instant> {
        self.delay.deadline()
    }

    /// Moves the end to `deadline`, earlier or later, or with `None` takes the limit away (`asyncio.Timeout.reschedule`).
    /// Also after the time was over: the future is still there, and can be given another chance.
    ///
    /// ```
    /// use runtime_executor::{Executor, time::{self, Clock, Instant}};
    /// use std::{pin::pin, time::Duration};
    ///
    /// Executor::builder().clock(Clock::paused()).build().block_on(async {
    ///     let start = Instant::now();
    ///     let second = Duration::from_secs(1);
    ///     let mut download = pin!(time::timeout(second, time::sleep(5 * second)));
    ///     assert!(download.as_mut().await.is_err());
    ///     download.as_mut().reschedule(Some(start + 4 * second)); // "wait a little longer"
    ///     assert!(download.as_mut().await.is_err());
    ///     download.as_mut().reschedule(None); // "take your time"
    ///     assert!(download.await.is_ok());
    ///     assert_eq!(start.elapsed(), 5 * second);
    /// });
    /// ```
    pub fn reschedule(self: Pin<&mut Self>, deadline: Option<Instant>) {
        let delay = self.project().delay;
        match deadline {
            Some(deadline) => delay.reset(deadline),
            None => delay.reset_after(Duration::MAX),
        }
    }
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, Elapsed>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if this.delay.elapse_if_due() {
            return poll_last(this.future, cx);
        }
        if let Poll::Ready(output) = this.future.poll(cx) {
            return Poll::Ready(Ok(output));
        }
        if this.delay.is_never() {
            return Poll::Pending;
        }
        // Not `Sleep::poll`: that asks for budget, and a future that uses it all up would then never time out.
        this.delay.poll_elapsed(cx).map(|()| Err(Elapsed))
    }
}

/// The time is over, and the future has its last poll.
#[cold]
fn poll_last<F: Future>(future: Pin<&mut F>, cx: &mut Context<'_>) -> Poll<Result<F::Output, Elapsed>> {
    let limited = poll_limited(true, future, cx);
    if let Poll::Ready(output) = limited.polled {
        return Poll::Ready(Ok(output));
    }
    if limited.is_doomed {
        // An outer limit will report, in this very poll. Unless somebody in between keeps us beyond its end: then we are
        // to be asked again.
        cx.waker().wake_by_ref();
    }
    if limited.is_doomed || limited.is_held { Poll::Pending } else { Poll::Ready(Err(Elapsed)) }
}
