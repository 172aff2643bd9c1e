//! `join_all` and `try_join_all`: any number of futures of one type, side by side in one task.

use super::children::Children;
use std::{
    fmt,
    ops::ControlFlow::{Break, Continue},
    pin::Pin,
    task::{Context, Poll, ready},
};

/// Waits for all futures of `iter`, side by side in this task, and gives their outputs in the order of the
/// input (`asyncio.gather` with `return_exceptions=True`, `gevent.joinall`). Never cancels: every future runs to
/// its end, whatever the others give. Dropping it drops those that are not done.
///
/// The futures may borrow from the caller. Handles of spawned tasks are futures too. Each is polled when it woke, and
/// for no other reason, so that the cost of many is linear.
///
/// ```
/// use runtime_executor::{Executor, join_all, spawn, time::{Clock, sleep}};
/// use std::time::Duration;
///
/// Executor::builder().clock(Clock::paused()).build().block_on(async {
///     let words = ["three", "one", "two"];
///     let lengths = join_all(words.iter().map(async |word| {
///         sleep(Duration::from_millis(word.len() as u64)).await;
///         word.len()
///     }));
///     assert_eq!(lengths.await, [5, 3, 3]);
///
///     let outcomes = join_all([spawn(async { 1 }), spawn(async { panic!() })]).await;
///     assert!(outcomes[0].is_ok() && outcomes[1].is_err());
/// });
/// ```
///
/// # Panics
/// When polled outside a runtime, or if a child panics: the panic goes on to the caller and the other children
/// are dropped with this future.
///
/// # Cancel safety
/// Dropping it drops every child that is not done, and the outputs of those that are.
pub fn join_all<I>(iter: I) -> JoinAll<I::Item>
where
    I: IntoIterator,
    I::Item: Future,
{
    JoinAll { children: Children::new(iter) }
}

/// The future of [`join_all`].
#[must_use = "futures do nothing unless awaited"]
pub struct JoinAll<F: Future> {
    children: Children<F>,
}

impl<F: Future> Future for JoinAll<F> {
    type Output = Vec<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let children = &mut self.children;
        ready!(children.poll("join_all", context, |_, output| Continue(Some(output))));
        let outputs = children.take_outputs();
        Poll::Ready(outputs.map(|output| output.expect("JoinAll was polled after it was done")).collect())
    }
}

impl<F: Future> fmt::Debug for JoinAll<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (children, left) = (self.children.len(), self.children.left());
        f.debug_struct("JoinAll").field("children", &children).field("left", &left).finish()
    }
}

/// Waits for all futures of `iter` as [`join_all`] does, but no longer than until the first of them fails
/// (`asyncio.gather`): then the others are dropped, and only after that the error is given.
///
/// A future that is dropped is cancelled, with all it holds. A *handle* of a spawned task that is dropped is not: its
/// task goes on alone. To have tasks cancelled by the failure of a sibling, spawn them into a task group.
///
/// ```
/// use runtime_executor::{Executor, time::{Clock, Instant, sleep}, try_join_all};
/// use std::time::Duration;
///
/// Executor::builder().clock(Clock::paused()).build().block_on(async {
///     let start = Instant::now();
///     let fetch = async |id: u64| {
///         sleep(Duration::from_secs(id)).await;
///         if id == 13 { Err("unlucky") } else { Ok(id * id) }
///     };
///     assert_eq!(try_join_all([3, 1, 2].map(&fetch)).await, Ok(vec![9, 1, 4]));
///     assert_eq!(start.elapsed(), Duration::from_secs(3));
///     assert_eq!(try_join_all([60, 13].map(&fetch)).await, Err("unlucky"));
///     assert_eq!(start.elapsed(), Duration::from_secs(16));
/// });
/// ```
///
/// # Errors
/// The first error, in the order of time; of several in one turn that of whoever woke first. Errors after it are never
/// made, as nobody is polled any more.
///
/// # Panics
/// As [`join_all`].
///
/// # Cancel safety
/// As [`join_all`]: outputs of children that are done go with it.
pub fn try_join_all<I, T, E>(iter: I) -> TryJoinAll<I::Item>
where
    I: IntoIterator,
    I::Item: Future<Output = Result<T, E>>,
{
    TryJoinAll { children: Children::new(iter), has_failed: false }
}

/// The future of [`try_join_all`].
#[must_use = "futures do nothing unless awaited"]
pub struct TryJoinAll<F: Future> {
    children: Children<F>,
    has_failed: bool,
}

impl<F: Future<Output = Result<T, E>>, T, E> Future for TryJoinAll<F> {
    type Output = Result<Vec<T>, E>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        assert!(!self.has_failed, "TryJoinAll was polled after it was done");
        let mut failed = None;
        ready!(self.children.poll("try_join_all", context, |_, output| match output {
            Ok(value) => Continue(Some(Ok(value))),
            Err(error) => {
                failed = Some(error);
                Break(())
            }
        }));
        if let Some(error) = failed {
            self.has_failed = true;
            self.children.clear();
            return Poll::Ready(Err(error));
        }
        let outputs = self.children.take_outputs();
        Poll::Ready(outputs.map(|output| output.expect("TryJoinAll was polled after it was done")).collect())
    }
}

impl<F: Future> fmt::Debug for TryJoinAll<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (children, left) = (self.children.len(), self.children.left());
        f.debug_struct("TryJoinAll").field("children", &children).field("left", &left).finish()
    }
}
