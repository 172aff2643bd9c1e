//! Tasks that take turns to end: what a future needs that owns a stack, whose destructors may have to wait.

use super::{builder::Builder, handle::JoinHandle};
use crate::current;
use std::{
    panic::Location,
    pin::Pin,
    task::{Context, Poll},
};

/// A future that is told to end where others are dropped: its task, once cancelled, takes its turns by
/// [`poll_cancel`](PollCancel::poll_cancel) until that is ready. Spawned by
/// [`Builder::spawn_gradual`](super::Builder::spawn_gradual).
///
/// A runtime that ends gives such tasks the grace period of cleanups ([`task::defer`](super::defer)), and drops what is
/// left of them.
///
/// ```
/// use runtime_executor::{Executor, task::{self, PollCancel, yield_now}};
/// use std::{future::pending, panic::Location, pin::Pin, task::{Context, Poll}};
///
/// /// Counts to three before it goes.
/// struct Reluctant(u32);
///
/// impl Future for Reluctant {
///     type Output = u32;
///     fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<u32> {
///         Poll::Pending
///     }
/// }
///
/// impl PollCancel for Reluctant {
///     fn poll_cancel(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<u32>> {
///         self.0 += 1;
///         context.waker().wake_by_ref();
///         if self.0 == 3 { Poll::Ready(Some(3)) } else { Poll::Pending }
///     }
/// }
///
/// Executor::builder().build().block_on(async {
///     let task = task::Builder::new().spawn_gradual(Location::caller(), Reluctant(0));
///     yield_now().await;
///     assert_eq!(task.cancel_and_wait().await.unwrap(), 3);
/// });
/// ```
pub trait PollCancel: Future {
    /// What reports call such a task.
    const NOUN: &'static str = "task";

    /// A step towards the end. Ready: with a value, the task is finished with it nevertheless; without one, it counts as
    /// cancelled. The future is dropped then. Polled again when woken, and never by `poll` any more.
    fn poll_cancel(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Output>>;
}

impl Builder {
    /// Starts a task that takes turns to end, on behalf of a caller further up.
    ///
    /// # Panics
    /// As [`spawn`](crate::spawn).
    #[track_caller]
    pub fn spawn_gradual<F>(self, spawned_at: &'static Location<'static>, future: F) -> JoinHandle<F::Output>
    where
        F: PollCancel + 'static,
        F::Output: 'static,
    {
        current::expect("spawn", |core| self.spawn_gradual_on(core, spawned_at, future))
    }
}
