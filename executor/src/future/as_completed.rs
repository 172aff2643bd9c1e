//! `as_completed`: outputs in the order in which they come.

use super::children::Children;
use futures_core::Stream;
use std::{
    fmt,
    future::poll_fn,
    ops::ControlFlow::Break,
    pin::Pin,
    task::{Context, Poll, ready},
};

/// Runs all futures of `iter` side by side in this task and gives each output when it is there, with the number of its
/// future in the input (`asyncio.as_completed`, `gevent.iwait`, `imap_unordered`).
///
/// They come in the order in which their futures woke to give them; who is ready at the first poll, in the order of the
/// input. Each future is polled when it woke, and for no other reason, so that the cost of many is linear; and it is
/// dropped as soon as it is done.
///
/// The futures run only while somebody awaits [`next`](AsCompleted::next). Between two calls they stand still: if they
/// hold or are granted a lock then, nobody gets it. Handles of spawned tasks are the way out, as their tasks go on.
///
/// ```
/// use runtime_executor::{Executor, spawn, task, time::{Clock, sleep}};
/// use std::time::Duration;
///
/// Executor::builder().clock(Clock::paused()).build().block_on(async {
///     let jobs = [30, 10, 20].map(|millis| spawn(async move {
///         sleep(Duration::from_millis(millis)).await;
///         millis
///     }));
///     let mut finished = task::as_completed(jobs);
///     let mut order = Vec::new();
///     while let Some((index, outcome)) = finished.next().await {
///         order.push((index, outcome.unwrap()));
///     }
///     assert_eq!(order, [(1, 10), (2, 20), (0, 30)]);
/// });
/// ```
///
/// # Panics
/// When polled outside a runtime, or if a future panics: the panic goes on to the caller.
///
/// # Cancel safety
/// Dropping what [`next`](AsCompleted::next) gives loses nothing. Dropping the `AsCompleted` drops the futures that
/// are not done; handles among them are detached.
pub fn as_completed<I>(iter: I) -> AsCompleted<I::Item>
where
    I: IntoIterator,
    I::Item: Future,
{
    AsCompleted { children: Children::new(iter) }
}

/// The outputs of [`as_completed`], also as a [`Stream`].
#[must_use = "futures do nothing unless awaited"]
pub struct AsCompleted<F: Future> {
    children: Children<F>,
}

impl<F: Future> AsCompleted<F> {
    /// The next output and the number of its future; `None` when all were given.
    ///
    /// # Panics
    /// As [`as_completed`] says.
    ///
    /// # Cancel safety
    /// Safe: an output is given or stays where it is.
    pub async fn next(&mut self) -> Option<(usize, F::Output)> {
        poll_fn(|context| self.poll_done(context)).await
    }

    /// How many are still to come.
    ///
    /// ```
    /// use runtime_executor::{Executor, task};
    /// use std::future::ready;
    ///
    /// Executor::builder().build().block_on(async {
    ///     let mut numbers = task::as_completed([ready(1), ready(2)]);
    ///     assert_eq!(numbers.next().await, Some((0, 1)));
    ///     assert_eq!(numbers.remaining(), 1);
    /// });
    /// ```
    pub fn remaining(&self) -> usize {
        self.children.left()
    }

    fn poll_done(&mut self, context: &mut Context<'_>) -> Poll<Option<(usize, F::Output)>> {
        if self.children.left() == 0 {
            return Poll::Ready(None);
        }
        let mut done = None;
        ready!(self.children.poll("as_completed", context, |index, output| {
            done = Some((index, output));
            Break(())
        }));
        Poll::Ready(done)
    }
}

impl<F: Future> Stream for AsCompleted<F> {
    type Item = (usize, F::Output);

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_done(context)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.remaining(), Some(self.remaining()))
    }
}

impl<F: Future> fmt::Debug for AsCompleted<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsCompleted").field("remaining", &self.remaining()).finish_non_exhaustive()
    }
}
