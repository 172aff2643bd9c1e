//! The owner's view of a task.

use super::{TaskId, TaskKey, error::JoinError, joined::Joined};
use crate::{
    current,
    inbox::Call,
    registry::{self, Access},
    time::{Elapsed, timeout},
};
use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

/// Owns a task's output. Awaiting it gives `Result<T, JoinError>`; dropping it detaches the task, which goes on.
///
/// It stays on its thread, like the task: `T` need not be `Send`.
///
/// ```
/// use runtime_executor::{Executor, spawn};
///
/// Executor::builder().build().block_on(async {
///     let handle = spawn(async { 42 });
///     assert_eq!(handle.await.unwrap(), 42);
/// });
/// ```
///
/// # Cancel safety
/// Polling `&mut handle` and dropping that borrow loses nothing: the task goes on, the output stays. A handle
/// that has given its output panics when polled again.
pub struct JoinHandle<T: 'static> {
    joined: Joined<T>,
}

impl<T: 'static> JoinHandle<T> {
    pub(super) fn new(joined: Joined<T>) -> Self {
        Self { joined }
    }

    #[inline]
    pub(crate) fn key(&self) -> TaskKey {
        let task = self.joined.task();
        TaskKey { key: task.key(), id: task.id() }
    }

    /// That the task may end without a turn is nothing to tell of.
    pub(crate) fn excuse(&self) {
        self.joined.task().excuse();
    }

    /// The task's number.
    pub fn id(&self) -> TaskId {
        self.joined.task().id()
    }

    /// The task's name, if it was given one.
    pub fn name(&self) -> Option<String> {
        self.joined.task().label().name
    }

    /// Lets the task go on alone. Should it panic, that is reported on standard error.
    pub fn detach(self) {}

    /// Whether it has ended: with a value, by a panic, or cancelled.
    pub fn is_finished(&self) -> bool {
        self.joined.is_finished()
    }

    /// Asks for the task's end. Its future is dropped by the loop at the task's next turn, never inside this
    /// call; a task that has not run yet never will. False: it has ended already, nothing changes.
    ///
    /// A task that cancels itself still finishes if the running poll completes it.
    ///
    /// ```
    /// use runtime_executor::{Executor, spawn};
    ///
    /// Executor::builder().build().block_on(async {
    ///     let handle = spawn(async { unreachable!("cancelled before its first poll") });
    ///     assert!(handle.cancel());
    ///     let error: runtime_executor::task::JoinError = handle.await.map(|()| ()).unwrap_err();
    ///     assert!(error.is_cancelled());
    /// });
    /// ```
    pub fn cancel(&self) -> bool {
        self.joined.task().cancel()
    }

    /// Cancels, and waits until the future has been dropped.
    ///
    /// # Errors
    /// [`JoinError`] says cancelled in the usual case, or with what the future panicked. `Ok` if the task had
    /// finished before.
    ///
    /// # Cancel safety
    /// The request stands even if this future is dropped (or never polled).
    pub fn cancel_and_wait(self) -> Self {
        self.cancel();
        self
    }

    /// Waits for the end of the task, but no longer than `limit`; the task goes on either way, and the handle
    /// stays good for another try.
    ///
    /// ```
    /// use runtime_executor::{Executor, spawn, time::{Clock, sleep}};
    /// use std::time::Duration;
    ///
    /// Executor::builder().clock(Clock::paused()).build().block_on(async {
    ///     let mut handle = spawn(async { sleep(Duration::from_secs(3)).await; 42 });
    ///     assert!(handle.join_timeout(Duration::from_secs(2)).await.is_err());
    ///     assert_eq!(handle.join_timeout(Duration::from_secs(2)).await.unwrap().unwrap(), 42);
    /// });
    /// ```
    ///
    /// # Errors
    /// [`Elapsed`] if the time ran out first; inside, [`JoinError`] as from awaiting the handle.
    pub async fn join_timeout(&mut self, limit: Duration) -> Result<Result<T, JoinError>, Elapsed> {
        timeout(limit, self).await
    }

    /// Calls `f` with the outcome when the task ends, before anyone who awaits it goes on; several are called
    /// in the order of registration, and a panic in one does not reach the others or the task. If the task has
    /// ended already, `f` is called at once.
    ///
    /// ```
    /// use runtime_executor::{Executor, spawn};
    /// use std::{cell::Cell, rc::Rc};
    ///
    /// Executor::builder().build().block_on(async {
    ///     let seen = Rc::new(Cell::new(0));
    ///     let handle = spawn(async { 42 });
    ///     handle.on_done({
    ///         let seen = seen.clone();
    ///         move |outcome| seen.set(*outcome.as_ref().unwrap())
    ///     });
    ///     handle.await.unwrap();
    ///     assert_eq!(seen.get(), 42);
    /// });
    /// ```
    ///
    /// # Panics
    /// If this handle has given its output already.
    #[track_caller]
    pub fn on_done(&self, f: impl FnOnce(&Result<T, JoinError>) + 'static) {
        self.joined.on_done(f);
    }

    /// How many clones of the task's waker are held, by anybody on any thread. Waits of this crate (on a handle, a
    /// timer, a socket) hold none, so zero means: only the runtime itself can still wake the task. `None` if its
    /// runtime does not run on this thread now.
    ///
    /// The wakers that a former task of the same slot left behind count too.
    ///
    /// ```
    /// use runtime_executor::{Executor, spawn, task::yield_now};
    /// use std::{future::poll_fn, task::Poll};
    ///
    /// Executor::builder().build().block_on(async {
    ///     let (sender, receiver) = std::sync::mpsc::channel();
    ///     let handle = spawn(poll_fn(move |cx| {
    ///         sender.send(cx.waker().clone()).unwrap();
    ///         Poll::<()>::Pending
    ///     }));
    ///     yield_now().await;
    ///     assert_eq!(handle.waker_count(), Some(1));
    ///     std::thread::spawn(move || drop(receiver)).join().unwrap();
    ///     assert_eq!(handle.waker_count(), Some(0));
    /// });
    /// ```
    pub fn waker_count(&self) -> Option<usize> {
        let key = self.joined.task().key();
        current::with(|core| core.is_home_of(key).then(|| core.waker_count(key.slot()))).flatten()
    }

    /// Waits for the end, and leaves the output where it is.
    #[doc(hidden)]
    pub fn poll_finished(&self, context: &mut Context<'_>) -> Poll<()> {
        self.joined.poll_finished(context)
    }

    /// Whoever waits for the end does so no more.
    #[doc(hidden)]
    pub fn forget_waiter(&self) {
        self.joined.forget_waiter();
    }

    /// Whether it has ended by a panic or was cancelled, and its output is still there.
    #[doc(hidden)]
    pub fn has_failed(&self) -> bool {
        self.joined.has_failed()
    }

    /// A handle for cancelling only, which any thread may use.
    pub fn cancel_handle(&self) -> CancelHandle {
        let task = self.joined.task();
        let key = task.key();
        // While the task is alive, so is its runtime; afterwards there is nothing to cancel.
        let access = if self.is_finished() { None } else { registry::access(key.runtime()) };
        CancelHandle { access, slot: key.slot(), id: task.id() }
    }
}

impl<T: 'static> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.joined.poll(context)
    }
}

impl<T: 'static> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JoinHandle({}, finished: {})", self.joined.task().label(), self.is_finished())
    }
}

/// Cancels a task from anywhere: `Send + Sync + Clone`, and it keeps nothing alive.
///
/// ```
/// use runtime_executor::{Executor, spawn};
///
/// Executor::builder().build().block_on(async {
///     let handle = spawn(std::future::pending::<()>());
///     let cancel = handle.cancel_handle();
///     std::thread::scope(|s| {
///         s.spawn(|| cancel.cancel());
///     });
///     assert!(handle.await.unwrap_err().is_cancelled());
/// });
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CancelHandle {
    access: Option<Access>,
    slot: u32,
    id: TaskId,
}

impl CancelHandle {
    /// Asks for the end of the task, as [`JoinHandle::cancel`]. On another thread the request travels, and
    /// arrives before the runtime sleeps again; on a task that has ended it does nothing.
    pub fn cancel(&self) {
        let Some(runtime) = self.access.as_ref().map(Access::runtime) else { return };
        let at_home = current::with(|core| {
            core.id() == runtime && {
                core.cancel_task(self.slot, self.id);
                true
            }
        });
        if at_home != Some(true) {
            // A runtime that is gone has cancelled all its tasks.
            let _ = runtime.send(Call::Cancel { slot: self.slot, task: self.id });
        }
    }

    /// Which task.
    pub fn id(&self) -> TaskId {
        self.id
    }
}
