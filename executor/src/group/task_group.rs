//! `TaskGroup`: tasks that end together.

use super::{
    GroupError, Outcome, Refused, StartError, Started,
    member::Member,
    run::{Run, Shared},
    start::Starting,
};
use crate::{
    current,
    task::{self, JoinHandle},
};
use runtime_sync::oneshot;
use std::{any::Any, fmt, panic::Location, rc::Rc};

/// Tasks that belong together: none of them outlives [`run`](TaskGroup::run), and the first that fails ends them all.
/// Trio's nursery, asyncio's `TaskGroup`.
///
/// ```
/// use runtime_executor::{Executor, task::TaskGroup, time::{Clock, Instant, sleep}};
/// use std::time::Duration;
///
/// async fn measure(name: &str) -> Result<usize, std::num::ParseIntError> {
///     sleep(Duration::from_secs(1)).await;
///     name.parse()
/// }
///
/// # let executor = Executor::builder().clock(Clock::paused()).build();
/// # executor.block_on(async {
/// let start = Instant::now();
/// let sum = TaskGroup::run(async |group| {
///     let two = group.spawn(measure("2"));
///     let three = group.spawn(measure("3"));
///     // In here a handle gives a value or nothing: who awaits a child that fails is cancelled with the group.
///     Ok(two.await.unwrap() + three.await.unwrap())
/// });
/// assert_eq!(sum.await.unwrap(), 5);
/// assert_eq!(start.elapsed(), Duration::from_secs(1));
/// # });
/// ```
///
/// What ends a group early (it *aborts*):
///
/// - **An error** of a child, or of the body. All other children and the body are cancelled: they are not polled again,
///   and dropped at their next turn. Only a child that had been woken before, and has run before, still has this one
///   turn; if it fails in it, that error counts too. The group waits for all, and gives [`GroupError`] with every error.
/// - **A panic** of a child or of the body, likewise; it goes on in whoever awaits the group, once all are gone, and
///   comes before errors. Further panics are reported by the panic hook only.
/// - **[`cancel`](TaskGroup::cancel)**, which gives a [`GroupError`] without errors.
/// - **Dropping the future of `run`.** The body is dropped at once. The children get no further turn but the one in
///   which they are dropped; that one comes in the order of waking, so before the turn of any task that is woken
///   later, and before the loop sleeps.
///
/// A child that is cancelled alone, by its [`JoinHandle`], is no error. A cancelled group takes no more children, so that
/// one whose children spawn children can always be stopped. Children that have ended are freed at once, unless somebody
/// keeps the handle: a group may run for ever.
///
/// The group itself is a handle of one word; a clone lets a child add siblings, also while the group waits for the last
/// ones.
pub struct TaskGroup<E: 'static> {
    pub(super) shared: Rc<Shared<E>>,
}

impl<E: 'static> TaskGroup<E> {
    /// Runs `body`, then waits for all children. The body is polled in place, so it may borrow from the caller;
    /// children may not (see [`scope`](crate::task::scope) for those that do).
    ///
    /// # Errors
    /// [`GroupError`] if the body or a child failed, or the group was cancelled. With an error type that any error
    /// turns into, such as `Box<dyn Error>`, `?` is all that is needed; else see
    /// [`GroupError::into_first`].
    ///
    /// # Panics
    /// With the first panic of a child or the body, when all have been dropped. When polled outside a runtime.
    ///
    /// # Cancel safety
    /// Dropping it cancels the children, as said above.
    ///
    /// If the group fails in the very turn in which a time limit or a [`CancelScope`](crate::task::CancelScope) around
    /// it ends, the error is returned, and the cancellation reaches the next `.await`.
    pub async fn run<T, B>(body: B) -> Result<T, GroupError<E>>
    where
        B: AsyncFnOnce(Self) -> Result<T, E>,
    {
        let runtime = current::expect("TaskGroup::run", |core| core.id());
        let group = Self { shared: Rc::new(Shared::new(runtime)) };
        Run::new(body(group.clone()), group).await
    }

    /// Starts a child; it has its first turn as any task has. Its handle gives the value, or says "cancelled": when the
    /// child failed, the error is with the group. Dropping the handle changes nothing for the group.
    ///
    /// A group that has ended or aborts takes no more children: `future` is dropped here, and the handle says cancelled.
    ///
    /// # Panics
    /// In another runtime than the group's.
    #[inline]
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<<F::Output as Outcome<E>>::Value>
    where
        F: Future<Output: Outcome<E>> + 'static,
    {
        self.spawn_with(task::Builder::new(), Location::caller(), future)
    }

    /// Starts a child, as [`spawn`](TaskGroup::spawn), or gives the future back.
    ///
    /// ```
    /// use runtime_executor::{Executor, task::TaskGroup};
    /// Executor::builder().build().block_on(async {
    ///     let mut leaked = None;
    ///     TaskGroup::<()>::run(async |group| {
    ///         leaked = Some(group);
    ///         Ok(())
    ///     }).await.unwrap();
    ///     let refused = leaked.unwrap().try_spawn(async {}).unwrap_err();
    ///     assert!(refused.to_string().contains("takes no more children"));
    /// });
    /// ```
    ///
    /// # Errors
    /// [`Refused`] if the group has ended or aborts.
    ///
    /// # Panics
    /// In another runtime than the group's.
    #[track_caller]
    pub fn try_spawn<F>(&self, future: F) -> Result<JoinHandle<<F::Output as Outcome<E>>::Value>, Refused<F>>
    where
        F: Future<Output: Outcome<E>> + 'static,
    {
        if self.is_open() { Ok(self.spawn(future)) } else { Err(Refused(future)) }
    }

    #[inline]
    #[track_caller]
    pub(crate) fn spawn_with<F>(
        &self,
        builder: task::Builder,
        spawned_at: &'static Location<'static>,
        future: F,
    ) -> JoinHandle<<F::Output as Outcome<E>>::Value>
    where
        F: Future<Output: Outcome<E>> + 'static,
    {
        let group = &*self.shared;
        if !self.takes_children() {
            return current::expect("TaskGroup::spawn", |core| {
                builder.spawn_refused(core, spawned_at, future)
            });
        }
        current::expect("TaskGroup::spawn", |core| {
            group.enter();
            let handle = builder.spawn_on(core, spawned_at, Member::new(future, Rc::clone(&self.shared)));
            group.entered(core, handle.key());
            handle
        })
    }

    /// Asked before anything is made ready for the child: that would all be in memory otherwise.
    #[inline]
    #[track_caller]
    fn takes_children(&self) -> bool {
        current::expect("TaskGroup::spawn", |core| {
            assert!(
                self.shared.runtime == core.id(),
                "a TaskGroup takes children only in the runtime that it runs in: use `Handle::spawn` for another one"
            );
            self.is_open() && !core.is_closing()
        })
    }

    /// Starts a child that has to get ready, and waits until it says so: `nursery.start` of Trio.
    ///
    /// ```
    /// use runtime_executor::{Executor, task::TaskGroup};
    ///
    /// async fn serve() -> Result<(), String> {
    /// #   Ok(())
    /// }
    ///
    /// # let executor = Executor::builder().build();
    /// # executor.block_on(async {
    /// TaskGroup::run(async |group| {
    ///     let port = group.start(async |started| {
    ///         let port = 8080; // bind …
    ///         started.set(port);
    ///         serve().await
    ///     });
    ///     assert_eq!(port.await.unwrap(), 8080);
    ///     Ok(())
    /// })
    /// .await
    /// .unwrap();
    /// # });
    /// ```
    ///
    /// # Errors
    /// [`StartError`]: what the child failed with before it was ready, which the group does not see; or the child ended
    /// without being ready; or it was cancelled. Once it is ready its errors are the group's.
    ///
    /// # Cancel safety
    /// Dropping it before the child is ready cancels the child.
    ///
    /// # Panics
    /// In another runtime than the group's.
    pub async fn start<V, C, F>(&self, child: C) -> Result<V, StartError<E>>
    where
        V: 'static,
        C: FnOnce(Started<V>) -> F,
        F: Future<Output: Outcome<E>> + 'static,
    {
        let (report, reported) = oneshot::channel();
        let starting = Starting::new(report);
        let child = child(starting.started());
        let handle = CancelOnDrop(Some(self.spawn(starting.run(child))));
        let outcome = reported.await;
        handle.detach();
        outcome.unwrap_or(Err(StartError::Cancelled))
    }

    /// As [`task::defer`](crate::task::defer), and the group waits for the cleanup, also when it aborts. A panic in it is
    /// reported, and is not the group's.
    ///
    /// ```
    /// use runtime_executor::{Executor, task::{GroupError, TaskGroup, yield_now}};
    /// use std::{cell::Cell, rc::Rc};
    ///
    /// # Executor::builder().build().block_on(async {
    /// let said_goodbye = Rc::new(Cell::new(false));
    /// let goodbye = said_goodbye.clone();
    /// let outcome: Result<(), GroupError<&str>> = TaskGroup::run(async |group| {
    ///     let _cleanup = group.defer(async move {
    ///         yield_now().await;
    ///         goodbye.set(true);
    ///     });
    ///     Err("failed")
    /// })
    /// .await;
    /// assert!(outcome.is_err() && said_goodbye.get());
    /// # });
    /// ```
    ///
    /// # Panics
    /// If no runtime runs on this thread.
    #[track_caller]
    pub fn defer<F>(&self, cleanup: F) -> task::Defer<F::IntoFuture>
    where
        F: IntoFuture<Output = (), IntoFuture: 'static>,
    {
        let group = Rc::clone(&self.shared);
        let enter = move || -> Box<dyn Any> { Box::new(Stay::new(group)) };
        task::Defer::new(cleanup.into_future(), Location::caller(), Some(Box::new(enter)))
    }

    /// Cancels all children and the body; `run` then gives a [`GroupError`] without errors, unless there were errors
    /// before. False: the group has ended, or aborts already.
    ///
    /// Whoever calls it from within the group goes on until its next `.await`.
    pub fn cancel(&self) -> bool {
        self.shared.abort()
    }

    /// Whether it takes children: it has neither ended nor begun to abort.
    pub fn is_open(&self) -> bool {
        self.shared.is_open()
    }

    /// How many children have not ended yet.
    pub fn len(&self) -> usize {
        self.shared.len()
    }

    /// Whether no child is left.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What a group waits for, and does not cancel.
struct Stay<E>(Rc<Shared<E>>);

impl<E> Stay<E> {
    fn new(group: Rc<Shared<E>>) -> Self {
        group.enter();
        Self(group)
    }
}

impl<E> Drop for Stay<E> {
    fn drop(&mut self) {
        self.0.leave();
    }
}

/// Cancels a task when dropped.
pub(super) struct CancelOnDrop<T: 'static>(pub(super) Option<JoinHandle<T>>);

impl<T> CancelOnDrop<T> {
    pub(super) fn detach(mut self) {
        self.0 = None;
    }
}

impl<T> Drop for CancelOnDrop<T> {
    fn drop(&mut self) {
        if let Some(handle) = &self.0 {
            handle.cancel();
        }
    }
}

impl<E> Clone for TaskGroup<E> {
    fn clone(&self) -> Self {
        Self { shared: Rc::clone(&self.shared) }
    }
}

impl<E> fmt::Debug for TaskGroup<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskGroup").field("children", &self.len()).field("is_open", &self.is_open()).finish()
    }
}
