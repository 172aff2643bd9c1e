//! `Condvar`: the queue under a [`Condition`](super::Condition), for those who bring a lock of their own.

use crate::{
    flavour::{Flavour, Guarded, Local},
    observer::{Kind, Wait},
    wait_list::{Attempt, LazyList, Queued, Turn, Wakes, wake_all},
};
use std::{
    fmt,
    future::Future,
    mem,
    panic::Location,
    pin::Pin,
    ptr,
    task::{Context, Poll},
};

/// A queue of those who wait to be notified that something has changed, whatever protects it.
///
/// It is what a [`Condition`](super::Condition) is without its lock: for a lock of another kind, and for several
/// conditions on one lock. Mostly a `Condition` is the simpler choice.
///
/// ```
/// use futures_lite::future::{block_on, zip};
/// use runtime_sync::{Lock, condition::Condvar};
///
/// let basket = Lock::new(Vec::new());
/// let filled = <Condvar>::new();
/// let pick = async {
///     let mut apples = basket.acquire().await;
///     while apples.is_empty() {
///         let notification = filled.wait(apples).await;
///         apples = basket.acquire().await;
///         notification.use_up();
///     }
///     apples.pop()
/// };
/// let grow = async {
///     basket.acquire().await.push("apple");
///     filled.notify(1);
/// };
/// assert_eq!(block_on(zip(pick, grow)).0, Some("apple"));
/// ```
pub struct Condvar<F: Flavour = Local> {
    queue: F::Guarded<LazyList>,
    created: &'static Location<'static>,
}

/// Notes of a grant. A notification of one is passed on by whoever does not use it; one of all has reached everybody
/// it was meant for.
const ALL: usize = 0;
const ONE: usize = 1;

impl<F: Flavour> Condvar<F> {
    /// A queue in which nobody waits.
    ///
    /// The line of this call is remembered: reports name the queue by it.
    #[track_caller]
    pub fn new() -> Self {
        Self::created_at(Location::caller())
    }

    pub(crate) fn created_at(created: &'static Location<'static>) -> Self {
        Self { queue: F::Guarded::new(LazyList::new()), created }
    }

    /// Queues, drops `guard`, and waits to be notified. In this order: whoever has what the guard held finds the waiter
    /// in the queue. Nothing happens before the first poll.
    ///
    /// # Cancel safety
    /// A notification that had reached it goes to whoever waits longest then. The guard is dropped, or was.
    #[track_caller]
    pub fn wait<G>(&self, guard: G) -> Waiting<'_, G, F> {
        self.wait_from(guard, Location::caller())
    }

    pub(crate) fn wait_from<G>(&self, guard: G, asked: &'static Location<'static>) -> Waiting<'_, G, F> {
        Waiting { condvar: self, guard: Some(guard), turn: Turn::new(), asked }
    }

    /// Notifies as many as `waiters`, those who wait longest.
    pub fn notify(&self, waiters: usize) {
        let mut wakes = Wakes::default();
        self.queue.with(|queue| {
            if let Some(list) = queue.get() {
                (0..waiters.min(list.len())).for_each(|_| wakes.push(list.grant_front(ONE)));
            }
        });
        wakes.wake();
    }

    /// Notifies all who wait now.
    pub fn notify_all(&self) {
        let woken = self.queue.with(|queue| queue.get().map(|list| list.grant_all(ALL)));
        wake_all(woken.unwrap_or_default());
    }

    /// How many wait.
    pub fn waiters(&self) -> usize {
        self.queue.with(|queue| queue.len())
    }

    pub(crate) fn created(&self) -> &'static Location<'static> {
        self.created
    }

    fn describe(&self, asked: &'static Location<'static>) -> Wait {
        let address = ptr::from_ref(self).addr();
        Wait { kind: Kind::Condition, created: self.created, asked, address, holder: None }
    }
}

#[cfg(not(loom))]
impl Condvar<crate::flavour::Shared> {
    /// [`new`](Condvar::new) for a `static`.
    ///
    /// ```
    /// use runtime_sync::{condition::Condvar, flavour::Shared};
    /// static CHANGED: Condvar<Shared> = Condvar::const_new();
    /// assert_eq!(CHANGED.waiters(), 0);
    /// ```
    #[track_caller]
    pub const fn const_new() -> Self {
        Self { queue: crate::primitives::Mutex::new(LazyList::new()), created: Location::caller() }
    }
}

/// What [`Condvar::wait`] returns.
#[must_use = "a future does nothing until it is awaited"]
pub struct Waiting<'a, G, F: Flavour = Local> {
    condvar: &'a Condvar<F>,
    /// Until the first poll.
    guard: Option<G>,
    turn: Turn,
    asked: &'static Location<'static>,
}

impl<'a, G, F: Flavour> Waiting<'a, G, F> {
    /// Waits no longer. It may have been notified all the same. The guard is dropped, or was.
    pub fn give_up(mut self) -> Option<Notification<'a, F>> {
        let condvar = self.condvar;
        let note = self.turn.leave(&condvar.queue, (), |_, note| note)?;
        Some(Notification { condvar, note })
    }
}

impl<G, F: Flavour> Unpin for Waiting<'_, G, F> {}

impl<'a, G, F: Flavour> Future for Waiting<'a, G, F> {
    type Output = Notification<'a, F>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { condvar, guard, turn, asked } = self.get_mut();
        let describe = || condvar.describe(asked);
        let notified = turn.poll(&condvar.queue, (), cx, describe, |_| Attempt::Wait(0), |_, note| note);
        drop(guard.take());
        notified.map(|note| Notification { condvar, note })
    }
}

impl<G, F: Flavour> Drop for Waiting<'_, G, F> {
    fn drop(&mut self) {
        let next = self.turn.leave(&self.condvar.queue, (), |queue, note| {
            note.filter(|note| *note == ONE).and_then(|_| queue.list(()).grant_front(ONE))
        });
        if let Some(next) = next {
            next.wake();
        }
    }
}

/// A notification that reached a waiter. Dropped before it is [used up](Notification::use_up), it goes to the next.
#[must_use = "dropping it passes the notification on"]
pub struct Notification<'a, F: Flavour = Local> {
    condvar: &'a Condvar<F>,
    note: usize,
}

impl<F: Flavour> Notification<'_, F> {
    /// It served its purpose: whoever was notified has the lock again.
    pub fn use_up(self) {
        mem::forget(self);
    }
}

impl<F: Flavour> Drop for Notification<'_, F> {
    fn drop(&mut self) {
        if self.note == ONE {
            self.condvar.notify(1);
        }
    }
}

impl<F: Flavour> Default for Condvar<F> {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

impl<F: Flavour> fmt::Debug for Condvar<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Condvar").field("waiters", &self.waiters()).field("created", &self.created).finish()
    }
}

impl<G, F: Flavour> fmt::Debug for Waiting<'_, G, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiting")
            .field("asked", &self.asked)
            .field("waits", &self.turn.is_waiting())
            .finish_non_exhaustive()
    }
}

impl<F: Flavour> fmt::Debug for Notification<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notification").field("is_for_one", &(self.note == ONE)).finish()
    }
}
