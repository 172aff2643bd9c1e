//! A limit of time around a wait, kept by a timer of the executor.

use crate::observer;
use pin_project_lite::pin_project;
use std::{
    error::Error,
    fmt,
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

/// The time limit was reached first. Nothing was taken, and nothing is left behind.
///
/// It converts into an [`io::Error`] of kind [`TimedOut`](io::ErrorKind::TimedOut).
///
/// ```
/// use runtime_sync::Elapsed;
/// assert_eq!(Elapsed.to_string(), "the time limit is over");
/// assert_eq!(std::io::Error::from(Elapsed).kind(), std::io::ErrorKind::TimedOut);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Elapsed;

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the time limit is over")
    }
}

impl Error for Elapsed {}

impl From<Elapsed> for io::Error {
    fn from(elapsed: Elapsed) -> Self {
        Self::new(io::ErrorKind::TimedOut, elapsed)
    }
}

pin_project! {
    /// A wait with a limit. The timer is made when the wait is first found pending.
    #[derive(Debug)]
    pub(crate) struct Timed<W> {
        #[pin]
        wait: W,
        limit: Duration,
        timer: Option<Timer>,
    }
}

struct Timer(Pin<Box<dyn Future<Output = ()> + Send>>);

impl<W> Timed<W> {
    pub(crate) fn new(limit: Duration, wait: W) -> Self {
        Self { wait, limit, timer: None }
    }
}

impl<W: Unpin> Timed<W> {
    /// What waited, once it is over.
    pub(crate) fn wait(self: Pin<&mut Self>) -> &mut W {
        self.project().wait.get_mut()
    }
}

impl<W: Future> Future for Timed<W> {
    type Output = Result<W::Output, Elapsed>;

    /// What is done in time counts as in time, even if the limit has been reached since.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Poll::Ready(output) = this.wait.poll(cx) {
            return Poll::Ready(Ok(output));
        }
        let is_first_look = this.timer.is_none();
        let timer = this.timer.get_or_insert_with(|| Timer::start(*this.limit));
        ready!(timer.0.as_mut().poll(cx));
        if is_first_look {
            // The wait may have given way for the budget's sake only: it looks again in a poll with a fresh one.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Err(Elapsed))
    }
}

impl Timer {
    fn start(limit: Duration) -> Self {
        let Some(observer) = observer::observer() else {
            panic!(
                "a wait with a time limit needs the timers of this crate's runtime, and none was ever started: call \
                 it inside `runtime::run(async {{ … }})`, or put your own executor's timeout around the wait \
                 without limit"
            )
        };
        Self(observer.sleep(limit))
    }
}

impl fmt::Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Timer")
    }
}
