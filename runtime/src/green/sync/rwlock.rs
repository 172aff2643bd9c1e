//! `RwLock`: [`std::sync::RwLock`] over the shared one of `runtime::sync`.

use super::poison::{Poison, Watch};
use crate::{green::waiting::wait, sync::shared};
use std::{
    fmt,
    marker::PhantomData,
    ops::{Deref, DerefMut},
    panic::{RefUnwindSafe, UnwindSafe},
    sync::{LockResult, TryLockError, TryLockResult},
};

/// [`std::sync::RwLock`], whose [`read`](RwLock::read) and [`write`](RwLock::write) suspend the greenlet.
///
/// A reader that asks while a writer waits queues behind it, so writers do not starve; and a greenlet that asks for a second
/// read guard while it has one may wait for itself, as the standard library warns.
///
/// ```
/// use runtime::green::sync::RwLock;
///
/// let prices = RwLock::new(vec![3, 4]);
/// assert_eq!(prices.read().unwrap().len() + prices.read().unwrap().len(), 4);
/// prices.write().unwrap().push(5);
/// assert_eq!(prices.into_inner().unwrap(), [3, 4, 5]);
/// ```
pub struct RwLock<T: ?Sized> {
    poison: Poison,
    lock: shared::RwLock<T>,
}

impl<T: ?Sized> UnwindSafe for RwLock<T> {}
impl<T: ?Sized> RefUnwindSafe for RwLock<T> {}

impl<T> RwLock<T> {
    /// See [`std::sync::RwLock::new`]. The line of this call is remembered: reports name the lock by it.
    #[track_caller]
    pub const fn new(value: T) -> Self {
        Self { poison: Poison::none(), lock: shared::RwLock::const_new(value) }
    }

    /// See [`std::sync::RwLock::into_inner`].
    ///
    /// # Errors
    /// If it is poisoned; the error has the value.
    pub fn into_inner(self) -> LockResult<T> {
        let Self { poison, lock } = self;
        poison.check(lock.into_inner())
    }
}

impl<T: ?Sized> RwLock<T> {
    /// Shares the value with others who read, as soon as nobody writes and all had their turn who asked before. See
    /// [`std::sync::RwLock::read`].
    ///
    /// # Errors
    /// If it is poisoned; the error has the guard.
    ///
    /// # Panics
    /// Where it cannot wait (see the [module](super)) and somebody writes, or waits.
    #[inline]
    #[track_caller]
    pub fn read(&self) -> LockResult<RwLockReadGuard<'_, T>> {
        let guard = match self.lock.try_read() {
            Some(guard) => guard,
            None => wait("`RwLock::read`", self.lock.read()),
        };
        self.poison.check(RwLockReadGuard { guard, stays: PhantomData })
    }

    /// See [`std::sync::RwLock::try_read`].
    ///
    /// # Errors
    /// If somebody writes or waits, or if it is poisoned; that error has the guard.
    #[inline]
    #[track_caller]
    pub fn try_read(&self) -> TryLockResult<RwLockReadGuard<'_, T>> {
        let guard = self.lock.try_read().ok_or(TryLockError::WouldBlock)?;
        Ok(self.poison.check(RwLockReadGuard { guard, stays: PhantomData })?)
    }

    /// Has the value alone, as soon as nobody else has it and all had their turn who asked before. See
    /// [`std::sync::RwLock::write`].
    ///
    /// # Errors
    /// If it is poisoned; the error has the guard.
    ///
    /// # Panics
    /// Where it cannot wait (see the [module](super)) and the lock is in use.
    #[inline]
    #[track_caller]
    pub fn write(&self) -> LockResult<RwLockWriteGuard<'_, T>> {
        let guard = match self.lock.try_write() {
            Some(guard) => guard,
            None => wait("`RwLock::write`", self.lock.write()),
        };
        self.poison.check(RwLockWriteGuard { watch: self.poison.watch(), guard, stays: PhantomData })
    }

    /// See [`std::sync::RwLock::try_write`].
    ///
    /// # Errors
    /// If somebody has it or waits, or if it is poisoned; that error has the guard.
    #[inline]
    #[track_caller]
    pub fn try_write(&self) -> TryLockResult<RwLockWriteGuard<'_, T>> {
        let guard = self.lock.try_write().ok_or(TryLockError::WouldBlock)?;
        Ok(self.poison.check(RwLockWriteGuard { watch: self.poison.watch(), guard, stays: PhantomData })?)
    }

    /// See [`std::sync::RwLock::is_poisoned`].
    pub fn is_poisoned(&self) -> bool {
        self.poison.is_there()
    }

    /// See [`std::sync::RwLock::clear_poison`].
    pub fn clear_poison(&self) {
        self.poison.clear();
    }

    /// See [`std::sync::RwLock::get_mut`].
    ///
    /// # Errors
    /// If it is poisoned; the error has the reference.
    pub fn get_mut(&mut self) -> LockResult<&mut T> {
        self.poison.check(self.lock.get_mut())
    }
}

/// Shares a [`RwLock`] with others who read. See [`std::sync::RwLockReadGuard`].
#[must_use = "if unused the RwLock will immediately unlock"]
pub struct RwLockReadGuard<'a, T: ?Sized> {
    guard: shared::RwLockReadGuard<'a, T>,
    /// Not `Send`, as in the standard library.
    stays: PhantomData<std::sync::MutexGuard<'a, ()>>,
}

/// Has a [`RwLock`] alone. See [`std::sync::RwLockWriteGuard`].
#[must_use = "if unused the RwLock will immediately unlock"]
pub struct RwLockWriteGuard<'a, T: ?Sized> {
    /// First: it poisons before the lock is released.
    #[expect(dead_code, reason = "it is there to be dropped")]
    watch: Watch<'a>,
    guard: shared::RwLockWriteGuard<'a, T>,
    /// Not `Send`, as in the standard library.
    stays: PhantomData<std::sync::MutexGuard<'a, ()>>,
}

impl<T: ?Sized> Deref for RwLockReadGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.guard
    }
}

impl<T: ?Sized> Deref for RwLockWriteGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.guard
    }
}

impl<T: ?Sized> DerefMut for RwLockWriteGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.guard
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLockReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLockWriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for RwLockReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for RwLockWriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T> From<T> for RwLock<T> {
    #[track_caller]
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: Default> Default for RwLock<T> {
    #[track_caller]
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLock<T> {
    /// With the value, if nobody writes or waits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("RwLock");
        match self.lock.try_read() {
            Some(guard) => debug.field("data", &&*guard),
            None => debug.field("data", &format_args!("<locked>")),
        };
        debug.field("poisoned", &self.is_poisoned()).finish_non_exhaustive()
    }
}
