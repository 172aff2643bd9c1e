//! The guards of `RwLock`, which give access to the value they keep others from.

#![expect(unsafe_code, reason = "a permit says that nobody writes, all permits that nobody else is there")]

use super::{ALL, Read, RwLock, Write};
use crate::{
    flavour::{Flavour, Local, Shared},
    wait_list::Turn,
};
use std::{
    fmt,
    future::Future,
    mem::{self, ManuallyDrop},
    ops::{Deref, DerefMut},
    panic::Location,
    ptr,
    rc::Rc,
    sync::Arc,
};

/// Nobody writes while this lives.
#[must_use = "others may write as soon as the guard is dropped"]
pub struct RwLockReadGuard<'a, T: ?Sized, F: Flavour = Local> {
    lock: &'a RwLock<T, F>,
}

/// Nobody else reads or writes while this lives.
#[must_use = "the lock is released as soon as its guard is dropped"]
pub struct RwLockWriteGuard<'a, T: ?Sized, F: Flavour = Local> {
    // Sent and shared as the lock is: in the shared flavour, if `T` is `Send + Sync`.
    lock: &'a RwLock<T, F>,
}

/// A [`RwLockReadGuard`] that shares ownership of its lock, so that it may be kept or sent anywhere.
#[must_use = "others may write as soon as the guard is dropped"]
pub struct OwnedRwLockReadGuard<T, F: Flavour = Local> {
    lock: F::Pointer<RwLock<T, F>>,
}

/// A [`RwLockWriteGuard`] that shares ownership of its lock, so that it may be kept or sent anywhere.
#[must_use = "the lock is released as soon as its guard is dropped"]
pub struct OwnedRwLockWriteGuard<T, F: Flavour = Local> {
    lock: F::Pointer<RwLock<T, F>>,
}

impl<'a, T: ?Sized, F: Flavour> RwLockReadGuard<'a, T, F> {
    #[inline]
    pub(super) fn new(lock: &'a RwLock<T, F>) -> Self {
        Self { lock }
    }

    /// Goes on as a writer, without letting another in between.
    ///
    /// # Errors
    /// The guard itself, if somebody else reads, or waits: two that waited for each other to stop reading would wait
    /// for ever, so this never waits.
    ///
    /// ```
    /// use runtime_sync::{RwLock, RwLockReadGuard};
    /// let lock = RwLock::new(1);
    /// let read = lock.try_read().unwrap();
    /// let mut write = RwLockReadGuard::try_upgrade(read).expect("nobody else is there");
    /// *write += 1;
    /// ```
    #[track_caller]
    pub fn try_upgrade(guard: Self) -> Result<RwLockWriteGuard<'a, T, F>, Self> {
        let lock = guard.lock;
        if !lock.try_begin_writing(ALL - 1, Location::caller()) {
            return Err(guard);
        }
        mem::forget(guard);
        Ok(RwLockWriteGuard::new(lock))
    }
}

impl<'a, T: ?Sized, F: Flavour> RwLockWriteGuard<'a, T, F> {
    #[inline]
    pub(super) fn new(lock: &'a RwLock<T, F>) -> Self {
        Self { lock }
    }

    /// Goes on as a reader, without letting a writer in between. Readers that are next in the queue are let in.
    ///
    /// ```
    /// use runtime_sync::{RwLock, RwLockWriteGuard};
    /// let lock = RwLock::new(1);
    /// let mut write = lock.try_write().unwrap();
    /// *write += 1;
    /// let read = RwLockWriteGuard::downgrade(write);
    /// assert_eq!(*read + *lock.try_read().unwrap(), 4);
    /// ```
    pub fn downgrade(guard: Self) -> RwLockReadGuard<'a, T, F> {
        let lock = guard.lock;
        mem::forget(guard);
        let read = RwLockReadGuard { lock };
        lock.end_writing(1);
        read
    }
}

impl<T: ?Sized, F: Flavour> Deref for RwLockReadGuard<'_, T, F> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the guard keeps its permit for as long as it lives.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T: ?Sized, F: Flavour> Deref for RwLockWriteGuard<'_, T, F> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the guard keeps all permits for as long as it lives.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T: ?Sized, F: Flavour> DerefMut for RwLockWriteGuard<'_, T, F> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as in `deref`, and the guard itself is borrowed exclusively.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T: ?Sized, F: Flavour> Drop for RwLockReadGuard<'_, T, F> {
    #[inline]
    fn drop(&mut self) {
        self.lock.permits.give_back(1);
    }
}

impl<T: ?Sized, F: Flavour> Drop for RwLockWriteGuard<'_, T, F> {
    #[inline]
    fn drop(&mut self) {
        self.lock.end_writing(0);
    }
}

impl<T, F: Flavour> OwnedRwLockReadGuard<T, F> {
    async fn acquire(lock: F::Pointer<RwLock<T, F>>, asked: &'static Location<'static>) -> Self {
        mem::forget(Read { lock: &*lock, turn: Turn::new(), asked }.await);
        Self { lock }
    }
}

impl<T, F: Flavour> OwnedRwLockWriteGuard<T, F> {
    async fn acquire(lock: F::Pointer<RwLock<T, F>>, asked: &'static Location<'static>) -> Self {
        mem::forget(Write { lock: &*lock, turn: Turn::new(), asked }.await);
        lock.note_owned();
        Self { lock }
    }

    /// See [`RwLockWriteGuard::downgrade`].
    pub fn downgrade(guard: Self) -> OwnedRwLockReadGuard<T, F> {
        let guard = ManuallyDrop::new(guard);
        // SAFETY: the guard is not touched again, nor dropped.
        let lock = unsafe { ptr::read(&raw const guard.lock) };
        let read = OwnedRwLockReadGuard::<T, F> { lock };
        read.lock.end_writing(1);
        read
    }
}

/// The owned forms of one flavour, whose pointer is in the type of `self`.
macro_rules! owned_forms {
    ($flavour:ident, $pointer:ident) => {
        impl<T> RwLock<T, $flavour> {
            /// [`read`](RwLock::read) with a guard that shares ownership of the lock instead of borrowing it.
            ///
            /// # Cancel safety
            /// As [`read`](RwLock::read).
            #[track_caller]
            pub fn read_owned(
                self: $pointer<Self>,
            ) -> impl Future<Output = OwnedRwLockReadGuard<T, $flavour>> {
                OwnedRwLockReadGuard::acquire(self, Location::caller())
            }

            /// [`write`](RwLock::write) with a guard that shares ownership of the lock instead of borrowing it.
            ///
            /// # Panics
            /// As [`write`](RwLock::write).
            ///
            /// # Cancel safety
            /// As [`write`](RwLock::write).
            #[track_caller]
            pub fn write_owned(
                self: $pointer<Self>,
            ) -> impl Future<Output = OwnedRwLockWriteGuard<T, $flavour>> {
                OwnedRwLockWriteGuard::acquire(self, Location::caller())
            }

            /// [`try_read`](RwLock::try_read) with a guard that shares ownership of the lock.
            pub fn try_read_owned(self: $pointer<Self>) -> Option<OwnedRwLockReadGuard<T, $flavour>> {
                self.try_read().map(mem::forget)?;
                Some(OwnedRwLockReadGuard { lock: self })
            }

            /// [`try_write`](RwLock::try_write) with a guard that shares ownership of the lock.
            #[track_caller]
            pub fn try_write_owned(self: $pointer<Self>) -> Option<OwnedRwLockWriteGuard<T, $flavour>> {
                self.try_write().map(mem::forget)?;
                self.note_owned();
                Some(OwnedRwLockWriteGuard { lock: self })
            }
        }
    };
}

owned_forms!(Local, Rc);
owned_forms!(Shared, Arc);

impl<T, F: Flavour> Deref for OwnedRwLockReadGuard<T, F> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: as in `RwLockReadGuard`.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T, F: Flavour> Deref for OwnedRwLockWriteGuard<T, F> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: as in `RwLockWriteGuard`.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T, F: Flavour> DerefMut for OwnedRwLockWriteGuard<T, F> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as in `RwLockWriteGuard`.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T, F: Flavour> Drop for OwnedRwLockReadGuard<T, F> {
    fn drop(&mut self) {
        self.lock.permits.give_back(1);
    }
}

impl<T, F: Flavour> Drop for OwnedRwLockWriteGuard<T, F> {
    fn drop(&mut self) {
        self.lock.end_writing(0);
    }
}

impl<T: ?Sized + fmt::Debug, F: Flavour> fmt::Debug for RwLockReadGuard<'_, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Debug, F: Flavour> fmt::Debug for RwLockWriteGuard<'_, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: fmt::Debug, F: Flavour> fmt::Debug for OwnedRwLockReadGuard<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: fmt::Debug, F: Flavour> fmt::Debug for OwnedRwLockWriteGuard<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
