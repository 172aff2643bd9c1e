//! Greenlets that belong together: gevent's `Group` and `Pool`, on the tasks' pool.

use super::{
    builder::Builder,
    handle::JoinHandle,
    imap::{Imap, Order},
    wait::wait,
};
use crate::{
    sync::Semaphore,
    task::{JoinError, Place, TaskPool, TrySpawnError},
    time::{Elapsed, timeout},
};
use std::{fmt, ops::Deref, panic::Location, time::Duration};

/// Greenlets that belong together, any number of them (`gevent.pool.Group`): they can be waited for and killed together, and
/// one that panics leaves the others alone. (To have it end them, see [`TaskGroup`](crate::task::TaskGroup).)
///
/// ```
/// use runtime::greenlet::{self, Group};
///
/// #[runtime::main]
/// async fn main() {
///     let greenlet = greenlet::spawn(|| {
///         let group = Group::new();
///         let six = group.spawn(|| 6);
///         let squares: Vec<_> = group.map(1..=3, |n| n * n).into_iter().map(|square| square.unwrap()).collect();
///         group.join();
///         assert_eq!((six.get().unwrap(), squares), (6, vec![1, 4, 9]));
///     });
///     greenlet.await.unwrap();
/// }
/// ```
///
/// They belong to the group: dropping it kills them. To let them finish call [`join`](Group::join) first.
pub struct Group {
    tasks: TaskPool,
}

impl Default for Group {
    fn default() -> Self {
        Self::new()
    }
}

impl Group {
    /// With no greenlet yet.
    pub fn new() -> Self {
        Self { tasks: TaskPool::new(Semaphore::MAX_PERMITS) }
    }

    /// Starts a greenlet, which belongs to the group until it has ended. In a [`Pool`] it waits for room, first come, first
    /// served.
    ///
    /// # Panics
    /// If no runtime runs on this thread; if it has to wait and there is no greenlet to suspend, as
    /// [`greenlet::wait`](super::wait()).
    #[track_caller]
    pub fn spawn<F, T>(&self, f: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + 'static,
        T: 'static,
    {
        self.spawn_from(Builder::new(), Location::caller(), f)
    }

    #[track_caller]
    pub(super) fn spawn_from<F, T>(
        &self,
        builder: Builder,
        spawned_at: &'static Location<'static>,
        f: F,
    ) -> JoinHandle<T>
    where
        F: FnOnce() -> T + 'static,
        T: 'static,
    {
        let place = self.tasks.try_reserve().or_else(|| wait(self.tasks.reserve()));
        spawn_at(place.expect("pools of greenlets are not closed"), builder, spawned_at, f)
    }

    /// Calls `f` for each item in a greenlet of its own, and gives what came of them in the order of the items.
    ///
    /// # Panics
    /// As [`spawn`](Group::spawn), and with a panic of `iter`; one of `f` is the outcome of its item.
    ///
    /// # Cancel safety
    /// If the caller is killed, so are those of these greenlets that run.
    #[track_caller]
    pub fn map<I, F, R>(&self, iter: I, f: F) -> Vec<Result<R, JoinError>>
    where
        I: IntoIterator<Item: 'static>,
        F: Fn(I::Item) -> R + 'static,
        R: 'static,
    {
        self.imap(iter, f).collect()
    }

    /// As [`map`](Group::map), one at a time: an iterator over what comes of the items, in their order.
    ///
    /// Items are asked for when there is room for them, while somebody waits for the next result, and no sooner: who is slow to
    /// ask keeps new ones from being started. Dropping the iterator kills those that run.
    ///
    /// ```
    /// use runtime::greenlet::{self, Pool};
    /// use std::time::Duration;
    ///
    /// #[runtime::main]
    /// async fn main() {
    ///     # runtime::time::pause();
    ///     let greenlet = greenlet::spawn(|| {
    ///         let sleep = |n| {
    ///             greenlet::sleep(Duration::from_secs(n));
    ///             n
    ///         };
    ///         let pool = Pool::new(2);
    ///         let in_order: Vec<u64> = pool.imap([3, 1, 1], sleep).map(|n| n.unwrap()).collect();
    ///         let as_they_come: Vec<u64> = pool.imap_unordered([3, 1, 1], sleep).map(|n| n.unwrap()).collect();
    ///         assert_eq!((in_order, as_they_come), (vec![3, 1, 1], vec![1, 1, 3]));
    ///     });
    ///     greenlet.await.unwrap();
    /// }
    /// ```
    #[track_caller]
    pub fn imap<I, F, R>(&self, iter: I, f: F) -> Imap<'_, I::IntoIter, F, R>
    where
        I: IntoIterator<Item: 'static>,
        F: Fn(I::Item) -> R + 'static,
        R: 'static,
    {
        Imap::new(&self.tasks, Order::OfItems, Location::caller(), iter.into_iter(), f)
    }

    /// As [`imap`](Group::imap), but in the order in which they end.
    #[track_caller]
    pub fn imap_unordered<I, F, R>(&self, iter: I, f: F) -> Imap<'_, I::IntoIter, F, R>
    where
        I: IntoIterator<Item: 'static>,
        F: Fn(I::Item) -> R + 'static,
        R: 'static,
    {
        Imap::new(&self.tasks, Order::OfEnds, Location::caller(), iter.into_iter(), f)
    }

    /// Waits until none is left. One of them must not: it would wait for itself.
    ///
    /// # Panics
    /// If there is no greenlet to suspend, as [`greenlet::wait`](super::wait()).
    #[track_caller]
    pub fn join(&self) {
        wait(self.tasks.join());
    }

    /// Waits until none is left, but no longer than `limit`.
    ///
    /// # Errors
    /// [`Elapsed`] if the time ran out first.
    ///
    /// # Panics
    /// As [`join`](Group::join).
    #[track_caller]
    pub fn join_timeout(&self, limit: Duration) -> Result<(), Elapsed> {
        wait(timeout(limit, self.tasks.join()))
    }

    /// Kills all that run, and waits until their stacks are empty; see [`JoinHandle::kill`]. New ones may be started after
    /// that. If one of them calls this, it unwinds right there.
    ///
    /// # Panics
    /// As [`join`](Group::join).
    #[track_caller]
    pub fn kill(&self) {
        self.tasks.cancel();
        self.join();
    }

    /// Kills all that run, and waits until their stacks are empty, but no longer than `limit`. They are killed either way.
    ///
    /// # Errors
    /// [`Elapsed`] if the time ran out first.
    ///
    /// # Panics
    /// As [`join`](Group::join).
    #[track_caller]
    pub fn kill_timeout(&self, limit: Duration) -> Result<(), Elapsed> {
        self.tasks.cancel();
        self.join_timeout(limit)
    }

    /// How many there are that have not ended.
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group").field("greenlets", &self.len()).finish()
    }
}

/// At most so many greenlets at once (`gevent.pool.Pool`): a [`Group`], with all that it can, in which
/// [`spawn`](Group::spawn) waits for room.
///
/// ```
/// use runtime::{greenlet::{self, Pool}, time::Instant};
/// use std::time::Duration;
///
/// #[runtime::main]
/// async fn main() {
///     # runtime::time::pause();
///     let greenlet = greenlet::spawn(|| {
///         let (start, second) = (Instant::now(), Duration::from_secs(1));
///         let pool = Pool::new(3);
///         let squares = pool.map(1..=6, move |n| {
///             greenlet::sleep(second);
///             n * n
///         });
///         let squares: Vec<i32> = squares.into_iter().map(|square| square.unwrap()).collect();
///         assert_eq!((squares, start.elapsed()), (vec![1, 4, 9, 16, 25, 36], 2 * second));
///     });
///     greenlet.await.unwrap();
/// }
/// ```
pub struct Pool(Group);

impl Pool {
    /// For at most `limit` greenlets at once.
    ///
    /// # Panics
    /// On 0, with which none would ever run.
    #[track_caller]
    pub fn new(limit: usize) -> Self {
        Self(Group { tasks: TaskPool::new(limit) })
    }

    /// Starts a greenlet if there is room now, and nobody waits for it.
    ///
    /// # Errors
    /// [`TrySpawnError`] gives the function back.
    ///
    /// # Panics
    /// If no runtime runs on this thread.
    #[track_caller]
    pub fn try_spawn<F, T>(&self, f: F) -> Result<JoinHandle<T>, TrySpawnError<F>>
    where
        F: FnOnce() -> T + 'static,
        T: 'static,
    {
        match self.0.tasks.try_reserve() {
            Some(place) => Ok(spawn_at(place, Builder::new(), Location::caller(), f)),
            None => Err(TrySpawnError::Full(f)),
        }
    }

    /// Waits for room, calls `f` in a greenlet of the pool, and gives its output.
    ///
    /// # Errors
    /// [`JoinError`]: it was killed, or panicked.
    ///
    /// # Panics
    /// If there is no greenlet to suspend, as [`greenlet::wait`](super::wait()).
    #[track_caller]
    pub fn apply<F, T>(&self, f: F) -> Result<T, JoinError>
    where
        F: FnOnce() -> T + 'static,
        T: 'static,
    {
        self.0.spawn_from(Builder::new(), Location::caller(), f).get()
    }

    /// Waits until there is room. Another one may take it before the caller does.
    ///
    /// # Panics
    /// If there is no greenlet to suspend, as [`greenlet::wait`](super::wait()).
    #[track_caller]
    pub fn wait_available(&self) {
        drop(wait(self.0.tasks.reserve()));
    }

    /// How many may run at once.
    pub fn limit(&self) -> usize {
        self.0.tasks.limit()
    }

    /// How many more have room now. Those that wait for it are not counted.
    pub fn free_count(&self) -> usize {
        self.limit() - self.len()
    }
}

impl Deref for Pool {
    type Target = Group;

    fn deref(&self) -> &Group {
        &self.0
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("greenlets", &self.len()).field("limit", &self.limit()).finish()
    }
}

#[track_caller]
pub(super) fn spawn_at<F, T>(
    place: Place<'_>,
    builder: Builder,
    spawned_at: &'static Location<'static>,
    f: F,
) -> JoinHandle<T>
where
    F: FnOnce() -> T + 'static,
    T: 'static,
{
    let (task, run) = builder.into_parts(f);
    JoinHandle::new(place.spawn_gradual(task, spawned_at, run))
}
