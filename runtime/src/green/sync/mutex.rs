//! `Mutex`: [`std::sync::Mutex`] over the shared lock of `runtime::sync`.

use super::poison::{Poison, Watch};
use crate::{
    green::waiting::wait,
    sync::shared::{Lock, LockGuard},
};
use std::{
    fmt,
    marker::PhantomData,
    ops::{Deref, DerefMut},
    panic::{RefUnwindSafe, UnwindSafe},
    sync::{LockResult, TryLockError, TryLockResult},
};

/// [`std::sync::Mutex`], whose [`lock`](Mutex::lock) suspends the greenlet.
///
/// ```
/// use runtime::green::{sync::Mutex, thread};
///
/// static VISITS: Mutex<u32> = Mutex::new(0);
///
/// # runtime::run(runtime::greenlet::run(|| {
/// let visitors: Vec<_> = (0..3)
///     .map(|_| {
///         thread::spawn(|| {
///             let mut visits = VISITS.lock().unwrap();
///             thread::yield_now(); // the others wait for the lock meanwhile
///             *visits += 1;
///         })
///     })
///     .collect();
/// visitors.into_iter().for_each(|visitor| visitor.join().unwrap());
/// assert_eq!(*VISITS.lock().unwrap(), 3);
/// # }));
/// ```
pub struct Mutex<T: ?Sized> {
    poison: Poison,
    lock: Lock<T>,
}

impl<T: ?Sized> UnwindSafe for Mutex<T> {}
impl<T: ?Sized> RefUnwindSafe for Mutex<T> {}

impl<T> Mutex<T> {
    /// See [`std::sync::Mutex::new`]. The line of this call is remembered: reports name the lock by it.
    #[track_caller]
    pub const fn new(value: T) -> Self {
        Self { poison: Poison::none(), lock: Lock::const_new(value) }
    }

    /// See [`std::sync::Mutex::into_inner`].
    ///
    /// # Errors
    /// If it is poisoned; the error has the value.
    pub fn into_inner(self) -> LockResult<T> {
        let Self { poison, lock } = self;
        poison.check(lock.into_inner())
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Takes the lock, as soon as all have had it who asked before. See [`std::sync::Mutex::lock`].
    ///
    /// # Errors
    /// If it is poisoned; the error has the guard.
    ///
    /// # Panics
    /// Where it cannot wait (see the [module](super)) and the lock is in use.
    #[inline]
    #[track_caller]
    pub fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
        let guard = match self.lock.try_acquire() {
            Some(guard) => guard,
            None => wait("`Mutex::lock`", self.lock.acquire()),
        };
        self.guard(guard)
    }

    /// Takes the lock if nobody has it and nobody waits for it. See [`std::sync::Mutex::try_lock`].
    ///
    /// # Errors
    /// If somebody does, or if it is poisoned; that error has the guard.
    #[inline]
    #[track_caller]
    pub fn try_lock(&self) -> TryLockResult<MutexGuard<'_, T>> {
        let guard = self.lock.try_acquire().ok_or(TryLockError::WouldBlock)?;
        Ok(self.guard(guard)?)
    }

    /// See [`std::sync::Mutex::is_poisoned`].
    pub fn is_poisoned(&self) -> bool {
        self.poison.is_there()
    }

    /// See [`std::sync::Mutex::clear_poison`].
    pub fn clear_poison(&self) {
        self.poison.clear();
    }

    /// See [`std::sync::Mutex::get_mut`].
    ///
    /// # Errors
    /// If it is poisoned; the error has the reference.
    pub fn get_mut(&mut self) -> LockResult<&mut T> {
        self.poison.check(self.lock.get_mut())
    }

    #[inline]
    pub(super) fn guard<'a>(&'a self, guard: LockGuard<'a, T>) -> LockResult<MutexGuard<'a, T>> {
        self.poison.check(MutexGuard { watch: self.poison.watch(), mutex: self, guard, stays: PhantomData })
    }

    /// For who released the lock for a while.
    pub(super) fn lock_again(&self) -> LockGuard<'_, T> {
        wait("`Condvar::wait`", self.lock.acquire())
    }
}

/// Holds the lock of a [`Mutex`]. See [`std::sync::MutexGuard`].
#[must_use = "if unused the Mutex will immediately unlock"]
pub struct MutexGuard<'a, T: ?Sized> {
    /// First: it poisons before the lock is released.
    #[expect(dead_code, reason = "it is there to be dropped")]
    watch: Watch<'a>,
    guard: LockGuard<'a, T>,
    mutex: &'a Mutex<T>,
    /// Not `Send`, as the standard library's is not: unwinding is a matter of one thread.
    stays: PhantomData<std::sync::MutexGuard<'a, ()>>,
}

impl<'a, T: ?Sized> MutexGuard<'a, T> {
    pub(super) fn mutex(&self) -> &'a Mutex<T> {
        self.mutex
    }
}

impl<T: ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.guard
    }
}

impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.guard
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T> From<T> for Mutex<T> {
    #[track_caller]
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: Default> Default for Mutex<T> {
    #[track_caller]
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Mutex<T> {
    /// With the value, if nobody has the lock.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Mutex");
        match self.lock.try_acquire() {
            Some(guard) => debug.field("data", &&*guard),
            None => debug.field("data", &format_args!("<locked>")),
        };
        debug.field("poisoned", &self.is_poisoned()).finish_non_exhaustive()
    }
}
