//! `Condition`: a lock whose holder can wait until somebody who changed what it protects says so.

mod condvar;

use crate::{
    block::block_on,
    flavour::{Flavour, Local, Shared},
    lock::{Acquire, Lock, LockGuard},
    timed::{Elapsed, Timed},
    wait_list::Turn,
};
use std::{
    fmt,
    future::Future,
    panic::Location,
    pin::Pin,
    ptr,
    task::{Context, Poll, ready},
    time::Duration,
};

pub use condvar::{Condvar, Notification, Waiting};

/// A lock, and a queue of those who wait for a change of what it protects.
///
/// [`wait`](Condition::wait) takes the guard, releases the lock, and gives the guard back once somebody has called
/// [`notify`](Condition::notify) and the lock is free. In between others may have changed the value again: wait in a
/// loop, or with [`wait_for`](Condition::wait_for), which is one. Nobody returns from `wait` without having been
/// notified, but for a waiter that inherits a notification (see there).
///
/// Those who wait are notified in the order in which they began to wait. A notification when nobody waits does
/// nothing; for a state that stays, see [`Event`](crate::Event).
///
/// ```
/// use futures_lite::future::{block_on, zip};
/// use runtime_sync::Condition;
///
/// let basket = Condition::new(Vec::new());
/// let pick = async {
///     let mut apples = basket.wait_for(basket.lock().await, |apples| !apples.is_empty()).await;
///     apples.pop()
/// };
/// let grow = async {
///     basket.lock().await.push("apple");
///     basket.notify(1);
/// };
/// assert_eq!(block_on(zip(pick, grow)).0, Some("apple"));
/// ```
pub struct Condition<T: ?Sized, F: Flavour = Local> {
    condvar: Condvar<F>,
    lock: Lock<T, F>,
}

impl<T, F: Flavour> Condition<T, F> {
    /// A condition on `value`, whose lock nobody holds.
    ///
    /// The line of this call is remembered: reports name the condition by it.
    #[track_caller]
    pub fn new(value: T) -> Self {
        Self { condvar: Condvar::created_at(Location::caller()), lock: Lock::new(value) }
    }

    /// The value; needs no lock, as nobody else can have one.
    pub fn into_inner(self) -> T {
        self.lock.into_inner()
    }
}

impl<T: ?Sized, F: Flavour> Condition<T, F> {
    /// Waits until nobody else holds the lock, and takes it; see [`Lock::acquire`].
    ///
    /// # Panics
    /// As [`Lock::acquire`].
    ///
    /// # Cancel safety
    /// As [`Lock::acquire`].
    #[inline]
    #[track_caller]
    pub fn lock(&self) -> Acquire<'_, T, F> {
        self.lock.acquire()
    }

    /// Takes the lock if nobody holds it and nobody waits for it.
    #[track_caller]
    pub fn try_lock(&self) -> Option<LockGuard<'_, T, F>> {
        self.lock.try_acquire()
    }

    /// Releases the lock, waits to be notified, and takes the lock again, in its turn.
    ///
    /// Who calls `notify` after this has released the lock does not miss this task.
    ///
    /// # Panics
    /// If `guard` is not a guard of this condition.
    ///
    /// # Cancel safety
    /// When it is dropped the lock stays, or is, released. A notification that had reached it goes to whoever waits
    /// longest then, even if that task began to wait after the notification.
    #[track_caller]
    pub fn wait<'a>(&'a self, guard: LockGuard<'a, T, F>) -> impl Future<Output = LockGuard<'a, T, F>> {
        self.check(&guard);
        self.wait_from(guard, Location::caller())
    }

    async fn wait_from<'a>(
        &'a self,
        guard: LockGuard<'a, T, F>,
        asked: &'static Location<'static>,
    ) -> LockGuard<'a, T, F> {
        let notification = self.condvar.wait_from(guard, asked).await;
        let guard = Reacquire { lock: &self.lock, turn: Turn::new(), asked }.await;
        notification.use_up();
        guard
    }

    /// Waits until `predicate` holds: asks it at once, and again after each notification, always with the lock held.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use futures_lite::future::zip;
    /// let counter = runtime_sync::Condition::new(0);
    /// let three = async { *counter.wait_for(counter.lock().await, |count| *count == 3).await };
    /// let count = async {
    ///     for _ in 0..3 {
    ///         *counter.lock().await += 1;
    ///         counter.notify_all();
    ///     }
    /// };
    /// assert_eq!(zip(three, count).await.0, 3);
    /// # });
    /// ```
    ///
    /// # Panics
    /// As [`wait`](Condition::wait).
    ///
    /// # Cancel safety
    /// As [`wait`](Condition::wait).
    #[track_caller]
    pub fn wait_for<'a>(
        &'a self,
        guard: LockGuard<'a, T, F>,
        mut predicate: impl FnMut(&mut T) -> bool,
    ) -> impl Future<Output = LockGuard<'a, T, F>> {
        self.check(&guard);
        let asked = Location::caller();
        async move {
            let mut guard = guard;
            while !predicate(&mut guard) {
                guard = self.wait_from(guard, asked).await;
            }
            guard
        }
    }

    /// [`wait`](Condition::wait), to be notified within `limit`: whether it was.
    ///
    /// It returns with the lock held in either case, so it may take longer than `limit`, until the lock is free. A
    /// notification that arrives together with the end of the time is used.
    ///
    /// # Panics
    /// As [`wait`](Condition::wait), and if no runtime of ours runs on this thread: there is no timer.
    ///
    /// # Cancel safety
    /// As [`wait`](Condition::wait).
    #[track_caller]
    pub fn wait_timeout<'a>(
        &'a self,
        guard: LockGuard<'a, T, F>,
        limit: Duration,
    ) -> impl Future<Output = (LockGuard<'a, T, F>, bool)> {
        self.check(&guard);
        let asked = Location::caller();
        async move {
            let mut waiting = self.condvar.wait_from(guard, asked);
            let notification = match Timed::new(limit, &mut waiting).await {
                Ok(notification) => Some(notification),
                Err(Elapsed) => waiting.give_up(),
            };
            let guard = Reacquire { lock: &self.lock, turn: Turn::new(), asked }.await;
            (guard, notification.map(Notification::use_up).is_some())
        }
    }

    /// Notifies as many as `waiters`, those who wait longest. It does not need the lock: a change that was made under
    /// it is seen by all who wait.
    pub fn notify(&self, waiters: usize) {
        self.condvar.notify(waiters);
    }

    /// Notifies all who wait now.
    pub fn notify_all(&self) {
        self.condvar.notify_all();
    }

    /// The value; needs no lock, as nobody else can have one.
    pub fn get_mut(&mut self) -> &mut T {
        self.lock.get_mut()
    }

    #[track_caller]
    fn check(&self, guard: &LockGuard<'_, T, F>) {
        assert!(
            ptr::addr_eq(&self.lock, guard.lock()),
            "a condition was asked to wait with the guard of another lock: it takes the guards that its own `lock` \
             returns"
        );
    }
}

impl<T: ?Sized> Condition<T, Shared> {
    /// Blocks this thread until the lock is free, and takes it; see [`Lock::blocking_acquire`].
    #[track_caller]
    pub fn blocking_lock(&self) -> LockGuard<'_, T, Shared> {
        block_on(self.lock())
    }

    /// [`wait`](Condition::wait) that blocks this thread. For code outside of any executor: in a task it would stall
    /// the thread with all its tasks.
    ///
    /// # Panics
    /// As [`wait`](Condition::wait).
    #[track_caller]
    pub fn blocking_wait<'a>(&'a self, guard: LockGuard<'a, T, Shared>) -> LockGuard<'a, T, Shared> {
        block_on(self.wait(guard))
    }
}

/// The second half of a wait: until the lock is free.
struct Reacquire<'a, T: ?Sized, F: Flavour> {
    lock: &'a Lock<T, F>,
    turn: Turn,
    asked: &'static Location<'static>,
}

impl<'a, T: ?Sized, F: Flavour> Future for Reacquire<'a, T, F> {
    type Output = LockGuard<'a, T, F>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { lock, turn, asked } = self.get_mut();
        ready!(lock.raw.poll_acquire(turn, asked, cx));
        Poll::Ready(LockGuard::new(lock))
    }
}

impl<T: ?Sized, F: Flavour> Drop for Reacquire<'_, T, F> {
    fn drop(&mut self) {
        self.lock.raw.cancel(&mut self.turn);
    }
}

impl<T: Default, F: Flavour> Default for Condition<T, F> {
    #[track_caller]
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T: ?Sized, F: Flavour> fmt::Debug for Condition<T, F> {
    /// Not the value: that would need the lock.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Condition")
            .field("waiters", &self.condvar.waiters())
            .field("lock", &&self.lock)
            .field("created", &self.condvar.created())
            .finish()
    }
}
