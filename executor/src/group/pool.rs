//! `TaskPool`: at most so many tasks at once, and whoever wants more waits.

use crate::{
    core::Core,
    current,
    task::{self, JoinHandle, PollCancel, TaskKey, Whom},
};
use pin_project_lite::pin_project;
use runtime_sync::{Event, Semaphore};
use slab::Slab;
use std::{
    cell::RefCell,
    fmt,
    panic::Location,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

/// Runs at most so many tasks at once; whoever wants one more waits until there is room. `gevent.pool.Pool`.
///
/// A semaphore limits as well, but for each job there is a task that waits for its permit; here the jobs that wait need
/// no task yet.
///
/// ```
/// use runtime_executor::{Executor, task::TaskPool, time::{Clock, Instant, sleep}};
/// use std::time::Duration;
///
/// # Executor::builder().clock(Clock::paused()).build().block_on(async {
/// let start = Instant::now();
/// let pool = TaskPool::new(3);
/// let squares = pool.map(1..=6u64, |n| async move {
///     sleep(Duration::from_secs(1)).await;
///     n * n
/// });
/// let squares: Vec<u64> = squares.await.into_iter().map(|square| square.unwrap()).collect();
/// assert_eq!(squares, [1, 4, 9, 16, 25, 36]);
/// assert_eq!(start.elapsed(), Duration::from_secs(2));
/// # });
/// ```
///
/// The tasks are tasks like any other: a [`JoinHandle`] gives the outcome, a panic stays with its task. They belong to the
/// pool: dropping it cancels them. To let them finish call [`join`](TaskPool::join) first.
pub struct TaskPool {
    shared: Rc<Shared>,
}

struct Shared {
    limit: usize,
    room: Rc<Semaphore>,
    /// Tasks that have not been dropped yet; `None` while one is being made.
    tasks: RefCell<Slab<Option<TaskKey>>>,
    /// Set while no task is there.
    idle: Event,
}

/// Why [`TaskPool::try_spawn`] did not start a task: the future comes back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum TrySpawnError<F> {
    /// As many tasks run as may.
    Full(F),
    /// The pool was closed.
    Closed(F),
}

impl<F> TrySpawnError<F> {
    /// The future.
    pub fn into_inner(self) -> F {
        match self {
            Self::Full(future) | Self::Closed(future) => future,
        }
    }
}

impl<F> fmt::Debug for TrySpawnError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "Full(..)",
            Self::Closed(_) => "Closed(..)",
        })
    }
}

impl<F> fmt::Display for TrySpawnError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "the pool is full: as many of its tasks run as may",
            Self::Closed(_) => "the pool was closed, and takes no more tasks",
        })
    }
}

impl<F> std::error::Error for TrySpawnError<F> {}

impl TaskPool {
    /// For at most `limit` tasks at once.
    ///
    /// # Panics
    /// On 0, with which no task would ever run.
    #[track_caller]
    pub fn new(limit: usize) -> Self {
        assert!(limit > 0, "a pool of 0 tasks would never run any: use at least 1");
        let idle = Event::new();
        idle.set();
        let room = Rc::new(Semaphore::new(limit));
        Self { shared: Rc::new(Shared { limit, room, tasks: RefCell::default(), idle }) }
    }

    /// Waits for room, then starts a task; first come, first served.
    ///
    /// A closed pool takes no more: `future` is dropped, and the handle says cancelled.
    ///
    /// # Panics
    /// If no runtime runs on this thread.
    ///
    /// # Cancel safety
    /// Dropping it before it is done drops `future`, which was not started.
    #[track_caller]
    #[expect(clippy::async_yields_async, reason = "waits for room, and gives the handle")]
    pub fn spawn<F>(&self, future: F) -> impl Future<Output = JoinHandle<F::Output>> + use<'_, F>
    where
        F: Future + 'static,
    {
        let spawned_at = Location::caller();
        let place = self.reserve();
        async move {
            match place.await {
                Some(place) => place.spawn_from(task::Builder::new(), spawned_at, future),
                None => current::expect("TaskPool::spawn", |core| {
                    task::Builder::new().spawn_refused(core, spawned_at, future)
                }),
            }
        }
    }

    /// Waits for room, first come, first served, and keeps it for a task to come: to ask for work only when there is room
    /// for it. `None` if the pool was closed.
    ///
    /// ```
    /// use runtime_executor::{Executor, task::TaskPool};
    /// Executor::builder().build().block_on(async {
    ///     let pool = TaskPool::new(1);
    ///     let place = pool.reserve().await.unwrap();
    ///     assert!(pool.try_spawn(async {}).is_err(), "it is full already");
    ///     assert_eq!(place.spawn(async { 42 }).await.unwrap(), 42);
    /// });
    /// ```
    ///
    /// # Cancel safety
    /// Dropping it gives its turn to the next.
    #[track_caller]
    pub fn reserve(&self) -> impl Future<Output = Option<Place<'_>>> {
        // Here, as reports name the line that waits.
        let room = Rc::clone(&self.shared.room).acquire_owned(1);
        async move { Some(Place { pool: self, permit: room.await.ok()? }) }
    }

    /// Keeps room for a task to come, if there is some now and nobody waits for it.
    ///
    /// ```
    /// use runtime_executor::task::TaskPool;
    /// let pool = TaskPool::new(1);
    /// let place = pool.try_reserve();
    /// assert!(place.is_some() && pool.try_reserve().is_none());
    /// ```
    pub fn try_reserve(&self) -> Option<Place<'_>> {
        let permit = Rc::clone(&self.shared.room).try_acquire_owned(1).ok()?;
        Some(Place { pool: self, permit })
    }

    /// Starts a task if there is room now, and nobody waits for it.
    ///
    /// ```
    /// use runtime_executor::{Executor, task::{TaskPool, TrySpawnError}};
    /// Executor::builder().build().block_on(async {
    ///     let pool = TaskPool::new(1);
    ///     let first = pool.try_spawn(std::future::pending::<()>()).unwrap();
    ///     assert!(matches!(pool.try_spawn(async {}), Err(TrySpawnError::Full(_))));
    ///     # drop(first);
    /// });
    /// ```
    ///
    /// # Errors
    /// [`TrySpawnError`] gives the future back.
    ///
    /// # Panics
    /// If no runtime runs on this thread.
    #[track_caller]
    pub fn try_spawn<F>(&self, future: F) -> Result<JoinHandle<F::Output>, TrySpawnError<F>>
    where
        F: Future + 'static,
    {
        match self.try_reserve() {
            Some(place) => Ok(place.spawn(future)),
            None if self.is_closed() => Err(TrySpawnError::Closed(future)),
            None => Err(TrySpawnError::Full(future)),
        }
    }

    /// Calls `f` for each item, as soon as there is room, runs what it gives as tasks, and gives the outcomes in the order
    /// of the items.
    ///
    /// # Panics
    /// If no runtime runs on this thread. With a panic of `f` or `iter`; that of a task is its outcome.
    ///
    /// # Cancel safety
    /// Dropping it cancels those of its tasks that run.
    pub async fn map<I, M, F>(&self, iter: I, mut f: M) -> Vec<Result<F::Output, task::JoinError>>
    where
        I: IntoIterator,
        M: FnMut(I::Item) -> F,
        F: Future + 'static,
    {
        let mut started = Started(Vec::new());
        for item in iter {
            started.0.push(self.spawn(f(item)).await);
        }
        let mut outcomes = Vec::with_capacity(started.0.len());
        for handle in &mut started.0 {
            outcomes.push(handle.await);
        }
        outcomes
    }

    /// Takes no more tasks; whoever waits for room is refused. What runs goes on.
    pub fn close(&self) {
        self.shared.room.close();
    }

    /// Whether it was closed.
    pub fn is_closed(&self) -> bool {
        self.shared.room.is_closed()
    }

    /// Waits until no task is left. The pool may be used again, unless it was closed.
    ///
    /// # Cancel safety
    /// Dropping it changes nothing.
    pub async fn join(&self) {
        // Somebody may start one between the event and our turn.
        while !self.is_empty() {
            self.shared.idle.wait().await;
        }
    }

    /// Cancels all tasks that run; the pool stays open. They are dropped at their next turn, and
    /// [`join`](TaskPool::join) waits for that.
    pub fn cancel(&self) {
        let keys: Vec<TaskKey> = self.shared.tasks.borrow().iter().filter_map(|(_, key)| *key).collect();
        task::cancel_all(&keys, Whom::All);
    }

    /// How many tasks run.
    pub fn len(&self) -> usize {
        self.shared.tasks.borrow().len()
    }

    /// Whether none runs.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many may run at once.
    pub fn limit(&self) -> usize {
        self.shared.limit
    }
}

impl Drop for TaskPool {
    fn drop(&mut self) {
        self.close();
        self.cancel();
    }
}

impl fmt::Debug for TaskPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskPool")
            .field("tasks", &self.len())
            .field("limit", &self.limit())
            .field("is_closed", &self.is_closed())
            .finish()
    }
}

/// Room for one task of a [`TaskPool`]; dropped, it is given back. See [`TaskPool::reserve`].
#[must_use = "dropping it gives the room back"]
pub struct Place<'a> {
    pool: &'a TaskPool,
    permit: Permit,
}

impl Place<'_> {
    /// Starts a task there.
    ///
    /// # Panics
    /// If no runtime runs on this thread.
    #[track_caller]
    pub fn spawn<F>(self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
    {
        self.spawn_from(task::Builder::new(), Location::caller(), future)
    }

    fn spawn_from<F>(
        self,
        builder: task::Builder,
        spawned_at: &'static Location<'static>,
        future: F,
    ) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
    {
        self.spawn_member(builder, spawned_at, |membership| Member { future, _membership: membership })
    }

    /// Starts what `builder` describes, on behalf of a caller further up. The future keeps its membership itself, where it
    /// is dropped last.
    #[doc(hidden)]
    pub fn spawn_member<F>(
        self,
        builder: task::Builder,
        spawned_at: &'static Location<'static>,
        future: impl FnOnce(Membership) -> F,
    ) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
    {
        self.enrol(|core, membership| {
            let future = future(membership);
            if core.is_closing() {
                return builder.spawn_refused(core, spawned_at, future);
            }
            builder.spawn_on(core, spawned_at, future)
        })
    }

    /// Starts a task that takes turns to end, on behalf of a caller further up.
    ///
    /// # Panics
    /// If no runtime runs on this thread.
    #[doc(hidden)]
    pub fn spawn_gradual<F>(
        self,
        builder: task::Builder,
        spawned_at: &'static Location<'static>,
        future: F,
    ) -> JoinHandle<F::Output>
    where
        F: PollCancel + 'static,
    {
        self.enrol(|core, membership| {
            builder.spawn_gradual_on(core, spawned_at, Member { future, _membership: membership })
        })
    }

    fn enrol<T>(self, spawn: impl FnOnce(&Core, Membership) -> JoinHandle<T>) -> JoinHandle<T> {
        current::expect("TaskPool::spawn", |core| {
            let pool = &self.pool.shared;
            let index = pool.tasks.borrow_mut().insert(None);
            pool.idle.clear();
            let handle = spawn(core, Membership { pool: Rc::clone(pool), index, _permit: self.permit });
            // Refused, it has been dropped, and is in the list no more.
            if !core.is_closing() {
                pool.tasks.borrow_mut()[index] = Some(handle.key());
            }
            handle
        })
    }
}

impl fmt::Debug for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").field("pool", self.pool).finish()
    }
}

type Permit = runtime_sync::semaphore::OwnedPermit;

/// What one `map` has started.
struct Started<T: 'static>(Vec<JoinHandle<T>>);

impl<T> Drop for Started<T> {
    fn drop(&mut self) {
        for handle in &self.0 {
            handle.cancel();
        }
    }
}

pin_project! {
    /// The future of a task.
    struct Member<F> {
        #[pin]
        future: F,
        // Dropped after the future, also if that panics.
        _membership: Membership,
    }
}

/// A task is in the pool's list from when it is made until it has been dropped; then there is room.
#[doc(hidden)]
pub struct Membership {
    pool: Rc<Shared>,
    index: usize,
    _permit: Permit,
}

impl Drop for Membership {
    fn drop(&mut self) {
        let mut tasks = self.pool.tasks.borrow_mut();
        tasks.remove(self.index);
        let was_last = tasks.is_empty();
        drop(tasks);
        if was_last {
            self.pool.idle.set();
        }
    }
}

impl fmt::Debug for Membership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Membership").field("index", &self.index).finish_non_exhaustive()
    }
}

impl<F: Future> Future for Member<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        self.project().future.poll(context)
    }
}

impl<F: PollCancel> PollCancel for Member<F> {
    const NOUN: &'static str = F::NOUN;

    fn poll_cancel(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<F::Output>> {
        self.project().future.poll_cancel(context)
    }
}
