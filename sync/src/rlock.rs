//! `RLock`: a lock that lets its holder in again.

use crate::{
    flavour::{Flavour, Guarded, Local, Tally},
    observer::{self, Holder, Kind, Owner, Wait, observer},
    timed::{Elapsed, Timed},
    wait_list::{Attempt, LazyList, Queued, Turn, WaitList, Woken},
};
use std::{
    cell::Cell,
    fmt,
    future::Future,
    mem,
    ops::Deref,
    panic::Location,
    pin::Pin,
    ptr,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

/// Mutual exclusion of tasks, re-entrant: the task that holds it may acquire it again, and others get in once all its
/// guards are dropped, in the order in which they asked.
///
/// As one task may have several guards, they give access to the value by `&T` only; put a [`Cell`] or `RefCell` in it
/// to change something, or in the thread-safe flavour, where the value must be `Sync`, atomics.
///
/// A guard counts for the task that acquired it, whoever drops it. Prefer a [`Lock`](crate::Lock) where you can, and
/// hand its guard down: with this one, whoever is called finds the value half-changed by its caller.
///
/// # Which task
/// In this crate's runtime, the one that runs. Under another executor a task is known by its waker: where that is
/// another one from poll to poll, or for each future inside a `FuturesUnordered`, the lock is not re-entrant.
///
/// ```
/// use futures_lite::future::block_on;
/// use runtime_sync::RLock;
/// use std::cell::Cell;
///
/// let balance = RLock::new(Cell::new(100));
/// let deposit = async |amount| {
///     let balance = balance.acquire().await;
///     balance.set(balance.get() + amount);
/// };
/// block_on(async {
///     let _both_or_none = balance.acquire().await;
///     deposit(1).await; // enters again
///     deposit(2).await;
///     assert_eq!(balance.count(), 1);
/// });
/// assert_eq!(balance.into_inner().get(), 103);
/// ```
pub struct RLock<T: ?Sized, F: Flavour = Local> {
    entry: F::Guarded<Entry>,
    tally: F::Tally,
    created: &'static Location<'static>,
    value: T,
}

/// Who is in, and who waits.
#[derive(Debug)]
struct Entry {
    held: Held,
    list: LazyList,
}

/// ```text
///            acquire                    acquire again, one of several guards is dropped
///   Nobody ────────────▶ By…(task, 1) ◀────────────────────────────────────────────────▶ By…(task, n)
///     ▲ ▲    the last guard │  ▲
///     │ │     is dropped:   │  │ the heir takes notice
///     │ └─── nobody waits ──┤  │
///     │                     ▼  │
///     │   somebody waits: Handed ◀─┐ the heir is dropped, and somebody waits
///     │                     │ └────┘
///     └─────────────────────┘ the heir is dropped, and nobody waits
/// ```
#[derive(Debug)]
enum Held {
    Nobody,
    /// It was granted to the head of the queue, whose name is known once it takes notice.
    Handed,
    /// By a task that the executor has a name for, with so many guards.
    ByName(Holder, u32),
    /// By a task that is known by its waker, of which a clone is kept as long: otherwise the next task's could come to
    /// lie at the same address, and be taken for it.
    ByWaker(Waker, &'static Location<'static>, u32),
}

/// Whoever asks for the lock.
struct Visitor {
    owner: Owner,
    /// Whether the executor has that name for it; or else it is the waker's.
    is_named: bool,
    asked: &'static Location<'static>,
    /// Kept if it becomes the holder and has no name.
    waker: Cell<Option<Waker>>,
}

impl<T, F: Flavour> RLock<T, F> {
    /// A lock that nobody holds, around `value`.
    ///
    /// The line of this call is remembered: reports name the lock by it.
    #[track_caller]
    pub fn new(value: T) -> Self {
        let entry = Entry { held: Held::Nobody, list: LazyList::default() };
        Self { entry: F::Guarded::new(entry), tally: F::Tally::new(), created: Location::caller(), value }
    }

    /// The value; needs no lock, as nobody else can have one.
    pub fn into_inner(self) -> T {
        self.value
    }
}

impl<T: ?Sized, F: Flavour> RLock<T, F> {
    /// Waits until no other task holds the lock, and takes it; passes at once if this task holds it.
    ///
    /// # Cancel safety
    /// Dropping it gives the place in the queue up; a lock that had reached it goes to the next.
    #[inline]
    #[track_caller]
    pub fn acquire(&self) -> Acquire<'_, T, F> {
        Acquire { lock: self, turn: Turn::new(), asked: Location::caller() }
    }

    /// Takes the lock if nobody holds it and nobody waits for it, or if the running task holds it. Outside of this
    /// crate's runtime nobody knows which task that is, and it is not re-entrant.
    ///
    /// ```
    /// let lock = runtime_sync::RLock::new(());
    /// let guard = lock.try_acquire().expect("nobody has it");
    /// assert!(lock.locked());
    /// drop(guard);
    /// assert!(!lock.locked());
    /// ```
    #[track_caller]
    pub fn try_acquire(&self) -> Option<RLockGuard<'_, T, F>> {
        let visitor = Visitor::running(Location::caller());
        let is_in = self.entry.with(|entry| entry.enter(&visitor));
        is_in.then(|| RLockGuard::new(self, visitor.owner))
    }

    /// [`acquire`](RLock::acquire), for at most `limit`.
    ///
    /// # Errors
    /// [`Elapsed`] after that time; the place in the queue is given up.
    ///
    /// # Panics
    /// If it has to wait and no runtime of ours runs on this thread: there is no timer. Wrap `acquire` in your
    /// executor's timeout then.
    ///
    /// # Cancel safety
    /// As [`acquire`](RLock::acquire).
    #[track_caller]
    pub fn acquire_timeout(
        &self,
        limit: Duration,
    ) -> impl Future<Output = Result<RLockGuard<'_, T, F>, Elapsed>> {
        Timed::new(limit, self.acquire())
    }

    /// Whether somebody holds the lock.
    pub fn locked(&self) -> bool {
        self.entry.with(|entry| !matches!(entry.held, Held::Nobody))
    }

    /// How many guards its holder has; 0 if nobody holds it.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// let lock = runtime_sync::RLock::new(());
    /// let outer = lock.acquire().await;
    /// let inner = lock.acquire().await;
    /// assert_eq!(lock.count(), 2);
    /// # });
    /// ```
    pub fn count(&self) -> usize {
        self.entry.with(|entry| entry.held.guards().map_or(0, |guards| *guards as usize))
    }

    /// The value; needs no lock, as nobody else can have one.
    pub fn get_mut(&mut self) -> &mut T {
        &mut self.value
    }

    fn holder(&self) -> Option<Holder> {
        self.entry.with(|entry| entry.held.holder())
    }

    fn describe(&self, asked: &'static Location<'static>, holder: Option<Holder>) -> Wait {
        let address = ptr::from_ref(self).addr();
        Wait { kind: Kind::RLock, created: self.created, asked, address, holder }
    }

    /// Tells whoever watches over the tasks that `owner` has one guard more, or less.
    fn report(&self, owner: Owner, change: i32) {
        if let Some(observer) = observer() {
            observer.holds(owner, Kind::RLock, self.created, change);
        }
    }
}

impl Queued for Entry {
    type Which = ();

    #[inline]
    fn list(&mut self, (): ()) -> &mut WaitList {
        self.list.list(())
    }
}

impl Entry {
    /// Lets a visitor in, if nobody is in and nobody waits, or it is in already.
    fn enter(&mut self, visitor: &Visitor) -> bool {
        if matches!(self.held, Held::Nobody) {
            self.admit(visitor);
            return true;
        }
        self.enter_again(visitor)
    }

    /// Lets a visitor in that is in already.
    fn enter_again(&mut self, visitor: &Visitor) -> bool {
        let is_in = match &self.held {
            Held::Nobody | Held::Handed => false,
            Held::ByName(holder, _) => visitor.is_named && holder.owner == visitor.owner,
            Held::ByWaker(waker, ..) => !visitor.is_named && Owner::of(waker) == visitor.owner,
        };
        if is_in && let Some(guards) = self.held.guards() {
            *guards = guards.checked_add(1).expect("fewer than 2^32 guards of one lock are alive");
        }
        is_in
    }

    /// It is this visitor's.
    fn admit(&mut self, visitor: &Visitor) {
        let since = visitor.asked;
        self.held = match visitor.waker.take() {
            None => Held::ByName(Holder { owner: visitor.owner, since }, 1),
            Some(waker) => Held::ByWaker(waker, since, 1),
        };
    }

    /// One guard is gone. If it was the last, the next is let in; what was kept is to be dropped once this is
    /// released.
    fn leave(&mut self) -> (Option<Holder>, Option<(Held, Option<Woken>)>) {
        let holder = self.held.holder();
        let guards = self.held.guards().expect("whose guard is gone holds the lock");
        *guards -= 1;
        let is_last = *guards == 0;
        (holder, is_last.then(|| self.hand_over()))
    }

    /// Nobody is in any more: the next may.
    fn hand_over(&mut self) -> (Held, Option<Woken>) {
        let next = self.list.get().and_then(|list| list.grant_front(0));
        let held = if next.is_some() { Held::Handed } else { Held::Nobody };
        (mem::replace(&mut self.held, held), next)
    }
}

impl Held {
    fn holder(&self) -> Option<Holder> {
        match self {
            Self::Nobody | Self::Handed => None,
            Self::ByName(holder, _) => Some(*holder),
            Self::ByWaker(waker, since, _) => Some(Holder { owner: Owner::of(waker), since }),
        }
    }

    fn guards(&mut self) -> Option<&mut u32> {
        match self {
            Self::Nobody | Self::Handed => None,
            Self::ByName(_, guards) | Self::ByWaker(_, _, guards) => Some(guards),
        }
    }
}

impl Visitor {
    /// Whoever polls.
    fn asking(cx: &Context<'_>, asked: &'static Location<'static>) -> Self {
        let owner = Owner::asking(cx);
        if observer().is_some() && owner != Owner::UNKNOWN {
            return Self { owner, is_named: true, asked, waker: Cell::new(None) };
        }
        let waker = cx.waker().clone();
        Self { owner: Owner::of(&waker), is_named: false, asked, waker: Cell::new(Some(waker)) }
    }

    /// Whoever runs on this thread.
    fn running(asked: &'static Location<'static>) -> Self {
        let owner = Owner::running();
        Self { owner, is_named: owner != Owner::UNKNOWN, asked, waker: Cell::new(None) }
    }
}

/// What [`RLock::acquire`] returns.
#[must_use = "a future does nothing until it is awaited"]
pub struct Acquire<'a, T: ?Sized, F: Flavour = Local> {
    lock: &'a RLock<T, F>,
    turn: Turn,
    asked: &'static Location<'static>,
}

impl<'a, T: ?Sized, F: Flavour> Future for Acquire<'a, T, F> {
    type Output = RLockGuard<'a, T, F>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { lock, turn, asked } = self.get_mut();
        if !turn.is_waiting() && !observer::pay(lock.tally.count(), cx) {
            return Poll::Pending;
        }
        let visitor = Visitor::asking(cx, asked);
        if turn.is_waiting() && lock.entry.with(|entry| entry.enter_again(&visitor)) {
            // Another future of this task got it meanwhile. While that is so nobody in the queue is granted anything.
            turn.leave(&lock.entry, (), |_, granted| debug_assert!(granted.is_none()));
            return Poll::Ready(RLockGuard::new(lock, visitor.owner));
        }
        let holder = Cell::new(None);
        let others_wait = ready!(turn.poll(
            &lock.entry,
            (),
            cx,
            || lock.describe(asked, holder.get()),
            |entry| {
                if entry.enter(&visitor) {
                    return Attempt::Done(false);
                }
                holder.set(entry.held.holder());
                Attempt::Wait(0)
            },
            |entry, _| {
                entry.admit(&visitor);
                entry.list.len() > 0
            },
        ));
        let guard = RLockGuard::new(lock, visitor.owner);
        if others_wait {
            // Some may be of this very task, and were polled before: they may come in now.
            cx.waker().wake_by_ref();
        }
        Poll::Ready(guard)
    }
}

impl<T: ?Sized, F: Flavour> Drop for Acquire<'_, T, F> {
    fn drop(&mut self) {
        let left = self.turn.leave(&self.lock.entry, (), |entry, granted| granted.map(|_| entry.hand_over()));
        if let Some((_, Some(next))) = left {
            next.wake();
        }
    }
}

/// One of the guards of the task that holds the lock; others get in once all are dropped.
///
/// It gives a `&T` and no more. It may be dropped, or used if `T` allows, wherever it is sent.
#[must_use = "the lock is released as soon as its guards are dropped"]
pub struct RLockGuard<'a, T: ?Sized, F: Flavour = Local> {
    // Sent and shared as the lock is, which has a plain `T` in it: `T: Sync` in the shared flavour. That the owner is one
    // task is not relied upon: nothing keeps an executor from polling with one waker on two threads.
    lock: &'a RLock<T, F>,
}

impl<'a, T: ?Sized, F: Flavour> RLockGuard<'a, T, F> {
    fn new(lock: &'a RLock<T, F>, owner: Owner) -> Self {
        let guard = Self { lock };
        lock.report(owner, 1);
        guard
    }
}

impl<T: ?Sized, F: Flavour> Deref for RLockGuard<'_, T, F> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.lock.value
    }
}

impl<T: ?Sized, F: Flavour> Drop for RLockGuard<'_, T, F> {
    fn drop(&mut self) {
        let (holder, left) = self.lock.entry.with(Entry::leave);
        self.lock.report(holder.map_or(Owner::UNKNOWN, |holder| holder.owner), -1);
        if let Some((_, Some(next))) = left {
            next.wake();
        }
    }
}

impl<T: Default, F: Flavour> Default for RLock<T, F> {
    #[track_caller]
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T, F: Flavour> From<T> for RLock<T, F> {
    #[track_caller]
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: ?Sized, F: Flavour> fmt::Debug for RLock<T, F> {
    /// Not the value: that would need the lock.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RLock")
            .field("count", &self.count())
            .field("held_since", &self.holder().map(|holder| holder.since))
            .field("waiters", &self.entry.with(|entry| entry.list.len()))
            .field("created", &self.created)
            .finish_non_exhaustive()
    }
}

impl<T: ?Sized, F: Flavour> fmt::Debug for Acquire<'_, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acquire").field("asked", &self.asked).field("waits", &self.turn.is_waiting()).finish()
    }
}

impl<T: ?Sized + fmt::Debug, F: Flavour> fmt::Debug for RLockGuard<'_, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
