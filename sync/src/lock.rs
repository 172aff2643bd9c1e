//! `Lock`: one task at a time, in the order in which they asked.

#![expect(unsafe_code, reason = "the guard gives access to the value it excludes others from")]

#[cfg(not(loom))]
use crate::flavour::SharedNote;
use crate::{
    block::block_on,
    flavour::{Flavour, Local, Note, Shared, Value},
    observer::{Holder, Kind, Owner, Wait},
    permits::Permits,
    timed::{Elapsed, Timed},
    wait_list::Turn,
};
use std::{
    fmt,
    future::Future,
    marker::PhantomData,
    mem,
    ops::{Deref, DerefMut},
    panic::Location,
    pin::Pin,
    ptr,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

/// Mutual exclusion that may be held across an `await`.
///
/// First come, first served: releasing it hands it to whoever has waited longest, and a task that asks while others
/// wait queues behind them. It is not re-entrant: a task that acquires it twice waits for itself (see
/// [`acquire`](Lock::acquire)); [`RLock`](crate::RLock) is.
///
/// A section without an `await` in it needs no lock on one reactor: nobody else runs meanwhile. A panic while it
/// is held releases it, and does not poison it.
///
/// ```
/// use futures_lite::future::{block_on, zip};
/// use runtime_sync::Lock;
///
/// let account = Lock::new(100);
/// let withdraw = async |amount| {
///     let mut balance = account.acquire().await;
///     if *balance >= amount {
///         *balance -= amount;
///     }
/// };
/// block_on(zip(withdraw(70), withdraw(70)));
/// assert_eq!(account.into_inner(), 30);
/// ```
pub struct Lock<T: ?Sized, F: Flavour = Local> {
    pub(crate) raw: RawLock<F>,
    value: Value<T, F>,
}

/// A lock without what it protects: one permit, and a note of who has it.
pub(crate) struct RawLock<F: Flavour> {
    permits: Permits<F>,
    holder: F::Note,
    created: &'static Location<'static>,
}

impl<F: Flavour> RawLock<F> {
    pub(crate) fn new(created: &'static Location<'static>) -> Self {
        Self { permits: Permits::new(1), holder: F::Note::new(), created }
    }

    #[inline]
    pub(crate) fn poll_acquire(
        &self,
        turn: &mut Turn,
        asked: &'static Location<'static>,
        cx: &Context<'_>,
    ) -> Poll<()> {
        let taken = ready!(self.permits.poll_take(1, turn, cx, || self.describe(asked)));
        debug_assert!(taken.is_ok(), "a lock is never closed");
        self.holder.write(Some(Holder { owner: Owner::of(cx.waker()), since: asked }));
        Poll::Ready(())
    }

    #[inline]
    fn describe(&self, asked: &'static Location<'static>) -> Wait {
        let address = ptr::from_ref(self).addr();
        Wait { kind: Kind::Lock, created: self.created, asked, address, holder: self.holder.read() }
    }

    pub(crate) fn try_acquire(&self, asked: &'static Location<'static>) -> bool {
        let is_acquired = self.permits.try_take(1).is_some();
        if is_acquired {
            self.holder.write(Some(Holder { owner: Owner::running(), since: asked }));
        }
        is_acquired
    }

    pub(crate) fn cancel(&self, turn: &mut Turn) {
        self.permits.cancel(turn);
    }

    #[inline]
    pub(crate) fn release(&self) {
        self.holder.write(None);
        self.permits.give_back(1);
    }

    /// Notes that the guard shares ownership: it may be anywhere.
    fn note_owned(&self) {
        if let Some(Holder { owner, since }) = self.holder.read() {
            let holder = Some(Holder { owner: owner.with_owned_guard(), since });
            self.holder.write(holder);
            self.permits.note_holder(holder);
        }
    }

    pub(crate) fn is_locked(&self) -> bool {
        self.permits.free() == 0
    }

    pub(crate) fn waiters(&self) -> usize {
        self.permits.waiters()
    }

    pub(crate) fn holder(&self) -> Option<Holder> {
        self.holder.read()
    }
}

impl<T, F: Flavour> Lock<T, F> {
    /// A lock that nobody holds, around `value`.
    ///
    /// The line of this call is remembered: reports name the lock by it.
    #[track_caller]
    pub fn new(value: T) -> Self {
        Self { raw: RawLock::new(Location::caller()), value: Value::new(value) }
    }

    /// The value; needs no lock, as nobody else can have one.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized, F: Flavour> Lock<T, F> {
    /// Waits until nobody else holds the lock, and takes it.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// let lock = runtime_sync::Lock::new(1);
    /// *lock.acquire().await += 1;
    /// assert_eq!(*lock.acquire().await, 2); // the first guard is gone
    /// # });
    /// ```
    ///
    /// # Panics
    /// In a task of our runtime that holds this very lock and waits for nothing else: it would wait for ever. Under
    /// another executor, it does; and where the guard may have been handed on, which is so for owned guards and in the
    /// thread-safe flavour, it is reported only. (A borrowed guard leaves its task only if the lock was leaked, or inside of
    /// a boxed future that was polled here before another task got it. It still counts as this task's: hand on an owned
    /// guard then, or spawn that future.)
    ///
    /// # Cancel safety
    /// Dropping it gives the place in the queue up; a lock that had reached it goes to the next.
    #[inline]
    #[track_caller]
    pub fn acquire(&self) -> Acquire<'_, T, F> {
        Acquire { lock: self, turn: Turn::new(), asked: Location::caller() }
    }

    /// Takes the lock if nobody holds it and nobody waits for it.
    ///
    /// ```
    /// let lock = runtime_sync::Lock::new(());
    /// let guard = lock.try_acquire().expect("nobody has it");
    /// assert!(lock.try_acquire().is_none());
    /// drop(guard);
    /// assert!(lock.try_acquire().is_some());
    /// ```
    #[track_caller]
    pub fn try_acquire(&self) -> Option<LockGuard<'_, T, F>> {
        self.raw.try_acquire(Location::caller()).then(|| LockGuard::new(self))
    }

    /// [`acquire`](Lock::acquire), for at most `limit`.
    ///
    /// # Errors
    /// [`Elapsed`] after that time; the place in the queue is given up.
    ///
    /// # Panics
    /// If it has to wait and no runtime of ours runs on this thread: there is no timer. Wrap `acquire` in your
    /// executor's timeout then.
    ///
    /// # Cancel safety
    /// As [`acquire`](Lock::acquire).
    #[track_caller]
    pub fn acquire_timeout(
        &self,
        limit: Duration,
    ) -> impl Future<Output = Result<LockGuard<'_, T, F>, Elapsed>> {
        Timed::new(limit, self.acquire())
    }

    /// Whether somebody holds the lock.
    ///
    /// ```
    /// let lock = runtime_sync::Lock::new(());
    /// let guard = lock.try_acquire();
    /// assert!(lock.locked());
    /// drop(guard);
    /// assert!(!lock.locked());
    /// ```
    pub fn locked(&self) -> bool {
        self.raw.is_locked()
    }

    /// The value; needs no lock, as nobody else can have one.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }
}

/// What [`Lock::acquire`] returns.
#[must_use = "a future does nothing until it is awaited"]
pub struct Acquire<'a, T: ?Sized, F: Flavour = Local> {
    lock: &'a Lock<T, F>,
    turn: Turn,
    asked: &'static Location<'static>,
}

impl<'a, T: ?Sized, F: Flavour> Future for Acquire<'a, T, F> {
    type Output = LockGuard<'a, T, F>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        ready!(this.lock.raw.poll_acquire(&mut this.turn, this.asked, cx));
        Poll::Ready(LockGuard::new(this.lock))
    }
}

impl<T: ?Sized, F: Flavour> Drop for Acquire<'_, T, F> {
    #[inline]
    fn drop(&mut self) {
        self.lock.raw.cancel(&mut self.turn);
    }
}

/// The lock is held while this lives; dropping it releases.
#[must_use = "the lock is released as soon as its guard is dropped"]
pub struct LockGuard<'a, T: ?Sized, F: Flavour = Local> {
    lock: &'a Lock<T, F>,
    /// It gives a `&mut T`, and crosses threads only if that may.
    value: PhantomData<&'a mut T>,
}

impl<'a, T: ?Sized, F: Flavour> LockGuard<'a, T, F> {
    #[inline]
    pub(crate) fn new(lock: &'a Lock<T, F>) -> Self {
        Self { lock, value: PhantomData }
    }

    /// The lock that it holds.
    pub(crate) fn lock(&self) -> &'a Lock<T, F> {
        self.lock
    }
}

impl<T: ?Sized, F: Flavour> Deref for LockGuard<'_, T, F> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: while the guard lives nobody else has the lock's only permit.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T: ?Sized, F: Flavour> DerefMut for LockGuard<'_, T, F> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as in `deref`, and the guard itself is borrowed exclusively.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T: ?Sized, F: Flavour> Drop for LockGuard<'_, T, F> {
    #[inline]
    fn drop(&mut self) {
        self.lock.raw.release();
    }
}

/// A guard that shares ownership of its lock, so that it may be kept or sent anywhere. Dropping it releases.
#[must_use = "the lock is released as soon as its guard is dropped"]
pub struct OwnedLockGuard<T, F: Flavour = Local> {
    lock: F::Pointer<Lock<T, F>>,
    /// As in [`LockGuard`].
    value: PhantomData<T>,
}

impl<T, F: Flavour> OwnedLockGuard<T, F> {
    async fn acquire(lock: F::Pointer<Lock<T, F>>, asked: &'static Location<'static>) -> Self {
        mem::forget(Acquire { lock: &*lock, turn: Turn::new(), asked }.await);
        lock.raw.note_owned();
        Self { lock, value: PhantomData }
    }

    fn try_acquire(lock: F::Pointer<Lock<T, F>>, asked: &'static Location<'static>) -> Option<Self> {
        let is_acquired = lock.raw.try_acquire(asked);
        is_acquired.then(|| {
            lock.raw.note_owned();
            Self { lock, value: PhantomData }
        })
    }
}

impl<T> Lock<T, Local> {
    /// [`acquire`](Lock::acquire) with a guard that shares ownership of the lock instead of borrowing it.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use std::rc::Rc;
    /// let lock = Rc::new(runtime_sync::Lock::new(1));
    /// let guard = Rc::clone(&lock).acquire_owned().await;
    /// assert!(lock.locked());
    /// # });
    /// ```
    ///
    /// # Cancel safety
    /// As [`acquire`](Lock::acquire).
    #[track_caller]
    pub fn acquire_owned(self: Rc<Self>) -> impl Future<Output = OwnedLockGuard<T, Local>> {
        OwnedLockGuard::acquire(self, Location::caller())
    }

    /// [`try_acquire`](Lock::try_acquire) with a guard that shares ownership of the lock.
    #[track_caller]
    pub fn try_acquire_owned(self: Rc<Self>) -> Option<OwnedLockGuard<T, Local>> {
        OwnedLockGuard::try_acquire(self, Location::caller())
    }
}

impl<T> Lock<T, Shared> {
    /// [`acquire`](Lock::acquire) with a guard that shares ownership of the lock instead of borrowing it.
    ///
    /// # Cancel safety
    /// As [`acquire`](Lock::acquire).
    #[track_caller]
    pub fn acquire_owned(self: Arc<Self>) -> impl Future<Output = OwnedLockGuard<T, Shared>> {
        OwnedLockGuard::acquire(self, Location::caller())
    }

    /// [`try_acquire`](Lock::try_acquire) with a guard that shares ownership of the lock.
    #[track_caller]
    pub fn try_acquire_owned(self: Arc<Self>) -> Option<OwnedLockGuard<T, Shared>> {
        OwnedLockGuard::try_acquire(self, Location::caller())
    }
}

#[cfg(not(loom))]
impl<T> Lock<T, Shared> {
    /// [`new`](Lock::new) for a `static`.
    ///
    /// ```
    /// use runtime_sync::shared::Lock;
    /// static ORDERS: Lock<Vec<u32>> = Lock::const_new(Vec::new());
    /// ORDERS.blocking_acquire().push(1);
    /// ```
    #[track_caller]
    pub const fn const_new(value: T) -> Self {
        let created = Location::caller();
        let raw = RawLock { permits: Permits::const_new(1), holder: SharedNote::nobody(), created };
        Self { raw, value: Value::new(value) }
    }
}

impl<T: ?Sized> Lock<T, Shared> {
    /// Blocks this thread until the lock is free, and takes it. For code outside of any executor: in a task it would
    /// stall the thread with all its tasks, the one that holds the lock perhaps among them.
    ///
    /// ```
    /// let lock = runtime_sync::shared::Lock::new(1);
    /// *lock.blocking_acquire() += 1;
    /// assert_eq!(lock.into_inner(), 2);
    /// ```
    #[track_caller]
    pub fn blocking_acquire(&self) -> LockGuard<'_, T, Shared> {
        block_on(self.acquire())
    }
}

impl<T, F: Flavour> Deref for OwnedLockGuard<T, F> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: as in `LockGuard`.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T, F: Flavour> DerefMut for OwnedLockGuard<T, F> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as in `LockGuard`.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T, F: Flavour> Drop for OwnedLockGuard<T, F> {
    fn drop(&mut self) {
        self.lock.raw.release();
    }
}

impl<T: Default, F: Flavour> Default for Lock<T, F> {
    #[track_caller]
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T, F: Flavour> From<T> for Lock<T, F> {
    #[track_caller]
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<F: Flavour> fmt::Debug for RawLock<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawLock")
            .field("locked", &self.is_locked())
            .field("since", &self.holder().map(|holder| holder.since))
            .field("waiters", &self.waiters())
            .field("created", &self.created)
            .finish()
    }
}

impl<T: ?Sized, F: Flavour> fmt::Debug for Lock<T, F> {
    /// Not the value: that would need the lock.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lock")
            .field("locked", &self.locked())
            .field("held_since", &self.raw.holder().map(|holder| holder.since))
            .field("waiters", &self.raw.waiters())
            .field("created", &self.raw.created)
            .finish_non_exhaustive()
    }
}

impl<T: ?Sized, F: Flavour> fmt::Debug for Acquire<'_, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acquire").field("asked", &self.asked).field("waits", &self.turn.is_waiting()).finish()
    }
}

impl<T: ?Sized + fmt::Debug, F: Flavour> fmt::Debug for LockGuard<'_, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: fmt::Debug, F: Flavour> fmt::Debug for OwnedLockGuard<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Display, F: Flavour> fmt::Display for LockGuard<'_, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
