//! Permits on loan, borrowed from their semaphore or sharing its ownership.

use super::{Acquire, AcquireError, Semaphore, TryAcquireError, check_number};
use crate::{
    block::block_on,
    flavour::{Flavour, Local, Shared},
    wait_list::Turn,
};
use std::{fmt, future::Future, mem, ops::Deref, panic::Location, rc::Rc, sync::Arc};

/// Permits of a semaphore; dropping it gives them back.
#[must_use = "the permits go back as soon as this is dropped"]
pub struct Permit<'a, F: Flavour = Local> {
    pub(super) semaphore: &'a Semaphore<F>,
    pub(super) permits: usize,
}

/// Permits that share ownership of their semaphore, so that they may be kept or sent anywhere.
#[must_use = "the permits go back as soon as this is dropped"]
pub struct OwnedPermit<F: Flavour = Local> {
    semaphore: F::Pointer<Semaphore<F>>,
    permits: usize,
}

impl<F: Flavour> Permit<'_, F> {
    /// How many they are.
    pub fn count(&self) -> usize {
        self.permits
    }

    /// Never gives them back: the semaphore has that many fewer from now on.
    pub fn forget(mut self) {
        self.semaphore.note_forgotten(mem::take(&mut self.permits));
    }

    /// Takes `permits` of them apart; `None` if there are fewer.
    ///
    /// ```
    /// let semaphore = runtime_sync::Semaphore::new(3);
    /// let mut three = semaphore.try_acquire_many(3).unwrap();
    /// let one = three.split(1).unwrap();
    /// assert_eq!((three.count(), one.count()), (2, 1));
    /// assert!(three.split(3).is_none());
    /// ```
    pub fn split(&mut self, permits: usize) -> Option<Self> {
        self.permits = self.permits.checked_sub(permits)?;
        Some(Self { semaphore: self.semaphore, permits })
    }
}

impl<F: Flavour> Drop for Permit<'_, F> {
    #[inline]
    fn drop(&mut self) {
        if self.permits > 0 {
            self.semaphore.permits.give_back(self.permits);
        }
    }
}

impl<F: Flavour> OwnedPermit<F> {
    async fn acquire(
        semaphore: F::Pointer<Semaphore<F>>,
        permits: usize,
        asked: &'static Location<'static>,
    ) -> Result<Self, AcquireError> {
        mem::forget(Acquire { semaphore: semaphore.deref(), permits, turn: Turn::new(), asked }.await?);
        Ok(Self { semaphore, permits })
    }

    #[track_caller]
    fn try_acquire(semaphore: F::Pointer<Semaphore<F>>, permits: usize) -> Result<Self, TryAcquireError> {
        semaphore.try_take(permits)?;
        Ok(Self { semaphore, permits })
    }

    /// How many they are.
    pub fn count(&self) -> usize {
        self.permits
    }

    /// Never gives them back: the semaphore has that many fewer from now on.
    pub fn forget(mut self) {
        self.semaphore.note_forgotten(mem::take(&mut self.permits));
    }
}

impl<F: Flavour> Drop for OwnedPermit<F> {
    fn drop(&mut self) {
        if self.permits > 0 {
            self.semaphore.permits.give_back(self.permits);
        }
    }
}

impl Semaphore<Local> {
    /// [`acquire_many`](Semaphore::acquire_many) with permits that share ownership of the semaphore.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use std::rc::Rc;
    /// let semaphore = Rc::new(runtime_sync::Semaphore::new(1));
    /// let kept = vec![Rc::clone(&semaphore).acquire_owned(1).await.unwrap()];
    /// assert_eq!(semaphore.available_permits(), 0);
    /// # });
    /// ```
    ///
    /// # Errors
    /// If the semaphore is closed, before or meanwhile.
    ///
    /// # Cancel safety
    /// As [`acquire`](Semaphore::acquire).
    #[track_caller]
    pub fn acquire_owned(
        self: Rc<Self>,
        permits: usize,
    ) -> impl Future<Output = Result<OwnedPermit<Local>, AcquireError>> {
        check_number(permits);
        OwnedPermit::acquire(self, permits, Location::caller())
    }

    /// [`try_acquire_many`](Semaphore::try_acquire_many) with permits that share ownership of the semaphore.
    ///
    /// # Errors
    /// See [`TryAcquireError`].
    #[track_caller]
    pub fn try_acquire_owned(self: Rc<Self>, permits: usize) -> Result<OwnedPermit<Local>, TryAcquireError> {
        OwnedPermit::try_acquire(self, permits)
    }
}

impl Semaphore<Shared> {
    /// [`acquire_many`](Semaphore::acquire_many) with permits that share ownership of the semaphore.
    ///
    /// # Errors
    /// If the semaphore is closed, before or meanwhile.
    ///
    /// # Cancel safety
    /// As [`acquire`](Semaphore::acquire).
    #[track_caller]
    pub fn acquire_owned(
        self: Arc<Self>,
        permits: usize,
    ) -> impl Future<Output = Result<OwnedPermit<Shared>, AcquireError>> {
        check_number(permits);
        OwnedPermit::acquire(self, permits, Location::caller())
    }

    /// [`try_acquire_many`](Semaphore::try_acquire_many) with permits that share ownership of the semaphore.
    ///
    /// # Errors
    /// See [`TryAcquireError`].
    #[track_caller]
    pub fn try_acquire_owned(
        self: Arc<Self>,
        permits: usize,
    ) -> Result<OwnedPermit<Shared>, TryAcquireError> {
        OwnedPermit::try_acquire(self, permits)
    }

    /// Blocks this thread until `permits` permits are there. For code outside of any executor: in a task it would
    /// stall the thread with all its tasks.
    ///
    /// # Errors
    /// If the semaphore is closed, before or meanwhile.
    #[track_caller]
    pub fn blocking_acquire(&self, permits: usize) -> Result<Permit<'_, Shared>, AcquireError> {
        block_on(self.acquire_many(permits))
    }
}

impl<F: Flavour> fmt::Debug for Permit<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("permits", &self.permits).finish_non_exhaustive()
    }
}

impl<F: Flavour> fmt::Debug for OwnedPermit<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedPermit").field("permits", &self.permits).finish_non_exhaustive()
    }
}
