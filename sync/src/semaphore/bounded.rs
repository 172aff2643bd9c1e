//! `BoundedSemaphore`: never more permits than at the beginning.

use super::{Acquire, AcquireError, Permit, Semaphore, TryAcquireError};
use crate::{
    flavour::{Flavour, Local},
    timed::Elapsed,
};
use std::{error::Error, fmt, future::Future, time::Duration};

/// A [`Semaphore`] that never has more permits than it began with: giving back what was not taken is an error
/// instead of a limit that silently grows.
///
/// ```
/// # futures_lite::future::block_on(async {
/// use runtime_sync::{BoundedSemaphore, semaphore::OverRelease};
/// let seats = BoundedSemaphore::new(1);
/// seats.acquire().await.unwrap().forget(); // kept by hand, without the guard
/// assert_eq!(seats.release(1), Ok(()));
/// assert_eq!(seats.release(1), Err(OverRelease { bound: 1 }));
/// # });
/// ```
pub struct BoundedSemaphore<F: Flavour = Local> {
    semaphore: Semaphore<F>,
    bound: usize,
}

/// More permits were released than had been taken. None of them was added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OverRelease {
    /// How many permits the semaphore began with.
    pub bound: usize,
}

impl<F: Flavour> BoundedSemaphore<F> {
    /// A semaphore that has `permits` permits and never more.
    ///
    /// # Panics
    /// With more than [`Semaphore::MAX_PERMITS`].
    #[track_caller]
    pub fn new(permits: usize) -> Self {
        Self { semaphore: Semaphore::new(permits), bound: permits }
    }

    /// See [`Semaphore::acquire`].
    ///
    /// # Errors
    /// If the semaphore is closed, before or meanwhile.
    #[inline]
    #[track_caller]
    pub fn acquire(&self) -> Acquire<'_, F> {
        self.semaphore.acquire()
    }

    /// See [`Semaphore::acquire_many`].
    ///
    /// # Errors
    /// If the semaphore is closed, before or meanwhile.
    ///
    /// # Panics
    /// With more than the [`bound`](BoundedSemaphore::bound): there will never be that many.
    #[track_caller]
    pub fn acquire_many(&self, permits: usize) -> Acquire<'_, F> {
        assert!(permits <= self.bound, "this semaphore never has {permits} permits, only {}", self.bound);
        self.semaphore.acquire_many(permits)
    }

    /// See [`Semaphore::try_acquire`].
    ///
    /// # Errors
    /// See [`TryAcquireError`].
    pub fn try_acquire(&self) -> Result<Permit<'_, F>, TryAcquireError> {
        self.semaphore.try_acquire()
    }

    /// See [`Semaphore::acquire_timeout`].
    ///
    /// # Errors
    /// The outer: [`Elapsed`]. The inner: the semaphore is closed.
    ///
    /// # Panics
    /// If it has to wait and no runtime of ours runs on this thread.
    #[track_caller]
    pub fn acquire_timeout(
        &self,
        limit: Duration,
    ) -> impl Future<Output = Result<Result<Permit<'_, F>, AcquireError>, Elapsed>> {
        self.semaphore.acquire_timeout(limit)
    }

    /// Gives back permits whose guards were [forgotten](Permit::forget); guards give back theirs by themselves.
    ///
    /// # Errors
    /// [`OverRelease`] if fewer are missing; none is given back then.
    pub fn release(&self, permits: usize) -> Result<(), OverRelease> {
        if self.semaphore.give_back_forgotten(permits) {
            Ok(())
        } else {
            Err(OverRelease { bound: self.bound })
        }
    }

    /// How many permits it began with.
    pub fn bound(&self) -> usize {
        self.bound
    }

    /// See [`Semaphore::available_permits`].
    pub fn available_permits(&self) -> usize {
        self.semaphore.available_permits()
    }

    /// See [`Semaphore::close`].
    pub fn close(&self) {
        self.semaphore.close();
    }

    /// See [`Semaphore::is_closed`].
    pub fn is_closed(&self) -> bool {
        self.semaphore.is_closed()
    }
}

impl fmt::Display for OverRelease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "more permits were released than are missing: the semaphore has at most {}", self.bound)
    }
}

impl Error for OverRelease {}

impl<F: Flavour> fmt::Debug for BoundedSemaphore<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.semaphore.debug(f, "BoundedSemaphore")
    }
}
