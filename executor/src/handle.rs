//! The front of a runtime for other threads.

use crate::{
    inbox::Call,
    registry::{Access, RuntimeId},
    task::{self, JoinError},
};
use pin_project_lite::pin_project;
use runtime_sync::shared::oneshot;
use std::{
    fmt,
    panic::{AssertUnwindSafe, Location, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
};

/// Reaches a runtime from any thread: `Send + Sync + Clone`.
///
/// ```
/// use runtime_executor::{Executor, Handle};
///
/// Executor::builder().build().block_on(async {
///     let handle = Handle::current();
///     let answer = std::thread::scope(|s| {
///         // `spawn_blocking` would be the usual way to such a thread.
///         s.spawn(|| handle.spawn(|| async { 6 * 7 })).join().unwrap()
///     });
///     assert_eq!(answer.await.unwrap(), 42);
/// });
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Handle {
    access: Access,
}

impl Handle {
    pub(crate) fn new(access: Access) -> Self {
        Self { access }
    }

    /// The runtime that runs on this thread.
    ///
    /// # Panics
    /// If none does.
    #[track_caller]
    pub fn current() -> Self {
        crate::current::expect("Handle::current", |core| Self::new(core.access()))
    }

    /// Which runtime.
    pub fn runtime(&self) -> RuntimeId {
        self.access.runtime()
    }

    /// Starts a task on that runtime's thread. The future is made over there, so only the closure and the value
    /// must be `Send`; the task itself may hold anything. Dropping what this returns detaches the task.
    ///
    /// If the runtime has ended, or ends before the task does, the outcome is a cancelled [`JoinError`].
    #[track_caller]
    pub fn spawn<F, M>(&self, make_future: M) -> SharedJoinHandle<F::Output>
    where
        M: FnOnce() -> F + Send + 'static,
        F: Future + 'static,
        F::Output: Send + 'static,
    {
        let spawned_at = Location::caller();
        let (sender, receiver) = oneshot::channel();
        let start = move || {
            task::Builder::new()
                .spawn_from(spawned_at, async move {
                    let outcome = CatchPanic { future: async move { make_future().await } }.await;
                    // Nobody may be listening any more: then the task was detached.
                    if let Err(Err(error)) = sender.send(outcome) {
                        error.report_unobserved();
                    }
                })
                .detach();
        };
        // Refused or dropped unread, the closure takes the sender along, which the receiver sees.
        let _ = self.runtime().send(Call::Run(Box::new(start)));
        SharedJoinHandle { receiver, spawned_at }
    }

    /// Has the running `block_on` return at the end of its turn: `try_block_on` with
    /// [`Stopped`](crate::Stopped), `block_on` by a panic that says so. Between two runs it is meant for the next;
    /// a run that is done within the turn keeps its output.
    pub fn stop(&self) {
        // A runtime that is gone has stopped.
        let _ = self.runtime().send(Call::Stop);
    }
}

/// The output of a task on another thread's runtime; await it anywhere, or wait for it with
/// [`blocking_join`](SharedJoinHandle::blocking_join).
pub struct SharedJoinHandle<T> {
    receiver: oneshot::Receiver<Result<T, JoinError>>,
    spawned_at: &'static Location<'static>,
}

impl<T> SharedJoinHandle<T> {
    /// Blocks this thread until the task has ended. Not for a thread that runs a runtime: its tasks would stall.
    ///
    /// # Errors
    /// [`JoinError`] as from awaiting.
    pub fn blocking_join(self) -> Result<T, JoinError> {
        self.receiver.blocking_recv().unwrap_or_else(|_| Err(lost(self.spawned_at)))
    }
}

pin_project! {
    /// Turns a panic of the running task into the error that its handle elsewhere will see.
    struct CatchPanic<F> {
        #[pin]
        future: F,
    }
}

impl<F: Future> Future for CatchPanic<F> {
    type Output = Result<F::Output, JoinError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let future = self.project().future;
        match catch_unwind(AssertUnwindSafe(|| future.poll(context))) {
            Ok(polled) => polled.map(Ok),
            Err(payload) => Poll::Ready(Err(JoinError::panicked(task::running_label(), payload))),
        }
    }
}

/// The task never came to be, or its runtime ended under it.
fn lost(spawned_at: &'static Location<'static>) -> JoinError {
    JoinError::cancelled(task::error::Label {
        noun: "task",
        id: task::TaskId(0),
        name: Some("remote".into()),
        spawned_at,
    })
}

impl<T> Future for SharedJoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let received = std::task::ready!(Pin::new(&mut self.receiver).poll(context));
        Poll::Ready(received.unwrap_or_else(|_| Err(lost(self.spawned_at))))
    }
}

impl<T> fmt::Debug for SharedJoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedJoinHandle").field("spawned_at", &self.spawned_at).finish_non_exhaustive()
    }
}
