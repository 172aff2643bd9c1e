//! `shield`: work that goes on though nobody waits for it any more.

use crate::task::{Builder, JoinHandle};
use std::{
    fmt,
    panic::{Location, resume_unwind},
    pin::Pin,
    task::{Context, Poll, ready},
};

/// Starts `future` as a task of its own and waits for it, in such a way that only the waiting can be cancelled
/// (`asyncio.shield`): if what this returns is dropped, half-way or unpolled, the task goes on to its end.
///
/// For what must not be left half done: a commit, a reply that is half written, a clean-up. Three things to know:
///
/// - The *caller* is not shielded. Where a cancelled task awaits the shield, it ends; what comes after that line is not
///   run. Put all that belongs together into the shielded future.
/// - Nobody learns what became of it once the waiting was cancelled, except of a panic, which is reported as that of any
///   detached task. Unlike asyncio's, the task is not collected when nobody refers to it.
/// - The end of the runtime is not held up: tasks that are left when main returns are cancelled, this one too, unless
///   the runtime waits for its tasks ([`OnExit::Wait`](crate::OnExit::Wait)).
///
/// ```
/// use runtime_executor::{Executor, task, time::{Clock, sleep, timeout}};
/// use std::{cell::Cell, rc::Rc, time::Duration};
///
/// Executor::builder().clock(Clock::paused()).build().block_on(async {
///     let committed = Rc::new(Cell::new(false));
///     let commit = {
///         let committed = committed.clone();
///         async move {
///             sleep(Duration::from_secs(2)).await;
///             committed.set(true);
///         }
///     };
///     assert!(timeout(Duration::from_secs(1), task::shield(commit)).await.is_err());
///     assert!(!committed.get());
///     sleep(Duration::from_secs(1)).await;
///     assert!(committed.get());
/// });
/// ```
///
/// # Panics
/// If no runtime runs on this thread. If the future panics while somebody waits, the panic goes on there.
///
/// # Cancel safety
/// Dropping it detaches the task. It can also be polled by `&mut`, and awaited again after a time limit.
#[track_caller]
pub fn shield<F>(future: F) -> Shield<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    Shield { handle: Some(Builder::new().spawn_from(Location::caller(), future)) }
}

/// The future of [`shield`].
pub struct Shield<T: 'static> {
    /// None once the task was cancelled.
    handle: Option<JoinHandle<T>>,
}

impl<T: 'static> Future for Shield<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let Some(handle) = &mut self.handle else { return Poll::Pending };
        let error = match ready!(Pin::new(handle).poll(context)) {
            Ok(output) => return Poll::Ready(output),
            Err(error) => error,
        };
        if let Ok(payload) = error.try_into_panic() {
            resume_unwind(payload);
        }
        // Only the end of the runtime cancels it, and that cancels whoever waits here as well.
        self.handle = None;
        Poll::Pending
    }
}

impl<T: 'static> fmt::Debug for Shield<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Shield").field(&self.handle).finish()
    }
}
