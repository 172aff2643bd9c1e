//! `Semaphore` and `BoundedSemaphore`: at most so many at once.

use crate::{
    block::block_on,
    flavour::{Flavour, Local, Shared, Word},
    observer::{Kind, Wait},
    permits::{IsClosed, MAX_PERMITS, Permits},
    timed::{Elapsed, Timed},
    wait_list::Turn,
};
use std::{
    error::Error,
    fmt,
    future::Future,
    mem,
    ops::Deref,
    panic::Location,
    pin::Pin,
    ptr,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

/// A number of permits, of which each task takes some and gives them back.
///
/// First come, first served: whoever asks for many is not overtaken by those who come later and ask for few.
///
/// A semaphore limits how many go on at once, not how many tasks there are; for a fixed number of workers, let so
/// many tasks take their jobs from a [`Queue`](crate::Queue).
///
/// ```
/// use futures_lite::future::block_on;
/// use runtime_sync::Semaphore;
///
/// block_on(async {
///     let seats = Semaphore::new(5);
///     let seat = seats.acquire().await?;
///     assert_eq!(seats.available_permits(), 4);
///     drop(seat); // gives it back
///     assert_eq!(seats.available_permits(), 5);
///     Ok::<_, runtime_sync::semaphore::AcquireError>(())
/// })
/// .unwrap();
/// ```
pub struct Semaphore<F: Flavour = Local> {
    permits: Permits<F>,
    /// Taken, and no guard will give them back.
    forgotten: F::Word,
    created: &'static Location<'static>,
}

/// The semaphore was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AcquireError(());

/// Why [`Semaphore::try_acquire`] got nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TryAcquireError {
    /// Not now: too few are free, or others wait.
    NoPermits,
    /// Never again: the semaphore was closed.
    Closed,
}

impl<F: Flavour> Semaphore<F> {
    /// The most permits a semaphore can have.
    pub const MAX_PERMITS: usize = MAX_PERMITS;

    /// A semaphore with that many permits.
    ///
    /// The line of this call is remembered: reports name the semaphore by it.
    ///
    /// # Panics
    /// With more than [`MAX_PERMITS`](Semaphore::MAX_PERMITS).
    #[track_caller]
    pub fn new(permits: usize) -> Self {
        assert!(permits <= MAX_PERMITS, "a semaphore has at most {MAX_PERMITS} permits, not {permits}");
        Self { permits: Permits::new(permits), forgotten: F::Word::new(0), created: Location::caller() }
    }

    /// Waits for a permit and takes it.
    ///
    /// # Errors
    /// If the semaphore is closed, before or meanwhile.
    ///
    /// # Cancel safety
    /// Dropping it gives the place in the queue up; a permit that had reached it goes to the next.
    #[inline]
    #[track_caller]
    pub fn acquire(&self) -> Acquire<'_, F> {
        self.acquire_many(1)
    }

    /// Waits for `permits` permits and takes them all at once. Those who come later wait behind it, even for fewer.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// let budget = runtime_sync::Semaphore::new(10);
    /// let share = budget.acquire_many(7).await.unwrap();
    /// assert!(budget.try_acquire_many(4).is_err());
    /// assert_eq!(share.count(), 7);
    /// # });
    /// ```
    ///
    /// # Errors
    /// If the semaphore is closed, before or meanwhile.
    ///
    /// # Panics
    /// With more than [`MAX_PERMITS`](Semaphore::MAX_PERMITS): there can never be that many.
    ///
    /// # Cancel safety
    /// As [`acquire`](Semaphore::acquire).
    #[inline]
    #[track_caller]
    pub fn acquire_many(&self, permits: usize) -> Acquire<'_, F> {
        check_number(permits);
        Acquire { semaphore: self, permits, turn: Turn::new(), asked: Location::caller() }
    }

    /// Takes a permit if one is free and nobody waits.
    ///
    /// # Errors
    /// See [`TryAcquireError`].
    pub fn try_acquire(&self) -> Result<Permit<'_, F>, TryAcquireError> {
        self.try_acquire_many(1)
    }

    /// Takes that many permits if they are free and nobody waits.
    ///
    /// # Errors
    /// See [`TryAcquireError`].
    ///
    /// # Panics
    /// With more than [`MAX_PERMITS`](Semaphore::MAX_PERMITS).
    #[track_caller]
    pub fn try_acquire_many(&self, permits: usize) -> Result<Permit<'_, F>, TryAcquireError> {
        self.try_take(permits)?;
        Ok(Permit { semaphore: self, permits })
    }

    #[track_caller]
    fn try_take(&self, permits: usize) -> Result<(), TryAcquireError> {
        check_number(permits);
        match self.permits.try_take(permits) {
            Some(Ok(())) => Ok(()),
            Some(Err(IsClosed)) => Err(TryAcquireError::Closed),
            None => Err(TryAcquireError::NoPermits),
        }
    }

    /// [`acquire`](Semaphore::acquire), for at most `limit`.
    ///
    /// # Errors
    /// The outer: [`Elapsed`] after that time; the place in the queue is given up. The inner: the semaphore is closed.
    ///
    /// # Panics
    /// If it has to wait and no runtime of ours runs on this thread: there is no timer. Wrap `acquire` in your
    /// executor's timeout then.
    #[track_caller]
    pub fn acquire_timeout(
        &self,
        limit: Duration,
    ) -> impl Future<Output = Result<Result<Permit<'_, F>, AcquireError>, Elapsed>> {
        Timed::new(limit, self.acquire())
    }

    /// Adds that many permits: first for those who wait.
    ///
    /// # Panics
    /// If there would be more than [`MAX_PERMITS`](Semaphore::MAX_PERMITS).
    #[track_caller]
    pub fn add_permits(&self, permits: usize) {
        let free = self.permits.free();
        assert!(
            permits <= MAX_PERMITS && free <= MAX_PERMITS - permits,
            "{permits} more permits on top of {free} are more than a semaphore can have ({MAX_PERMITS})"
        );
        self.permits.give_back(permits);
    }

    /// Takes away up to `permits` of the permits that are free, and says how many.
    ///
    /// ```
    /// let semaphore = runtime_sync::Semaphore::new(3);
    /// assert_eq!(semaphore.forget_permits(5), 3);
    /// assert!(semaphore.try_acquire().is_err());
    /// ```
    pub fn forget_permits(&self, permits: usize) -> usize {
        loop {
            let some = self.permits.free().min(permits);
            if some == 0 || self.permits.is_closed() {
                return 0;
            }
            match self.permits.try_take(some) {
                Some(Ok(())) => return some,
                Some(Err(IsClosed)) => return 0,
                None if self.permits.waiters() > 0 => return 0, // what is free is meant for them
                None => {}
            }
        }
    }

    /// Permits that are free. While somebody waits, they are meant for the first in the queue.
    pub fn available_permits(&self) -> usize {
        self.permits.free()
    }

    /// Gives out no more permits, now or ever, and ends all waits with [`AcquireError`]. Permits that are out stay
    /// good.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// let semaphore = runtime_sync::Semaphore::new(0);
    /// futures_lite::future::zip(
    ///     async { assert!(semaphore.acquire().await.is_err()) },
    ///     async { semaphore.close() },
    /// )
    /// .await;
    /// # });
    /// ```
    pub fn close(&self) {
        self.permits.close();
    }

    /// Whether it was closed.
    pub fn is_closed(&self) -> bool {
        self.permits.is_closed()
    }

    fn note_forgotten(&self, permits: usize) {
        let mut forgotten = self.forgotten.load();
        while let Err(found) = self.forgotten.replace(forgotten, forgotten.saturating_add(permits)) {
            forgotten = found;
        }
    }

    /// Gives forgotten permits back; `false`: there are not that many.
    fn give_back_forgotten(&self, permits: usize) -> bool {
        let mut forgotten = self.forgotten.load();
        while let Some(rest) = forgotten.checked_sub(permits) {
            match self.forgotten.replace(forgotten, rest) {
                Ok(()) => {
                    self.permits.give_back(permits);
                    return true;
                }
                Err(found) => forgotten = found,
            }
        }
        false
    }

    fn describe(&self, asked: &'static Location<'static>) -> Wait {
        let address = ptr::from_ref(self).addr();
        Wait { kind: Kind::Semaphore, created: self.created, asked, address, holder: None }
    }
}

#[track_caller]
fn check_number(permits: usize) {
    assert!(permits <= MAX_PERMITS, "no semaphore has {permits} permits: the most is {MAX_PERMITS}");
}

/// What [`Semaphore::acquire`] and [`acquire_many`](Semaphore::acquire_many) return.
#[must_use = "a future does nothing until it is awaited"]
pub struct Acquire<'a, F: Flavour = Local> {
    semaphore: &'a Semaphore<F>,
    permits: usize,
    turn: Turn,
    asked: &'static Location<'static>,
}

impl<'a, F: Flavour> Future for Acquire<'a, F> {
    type Output = Result<Permit<'a, F>, AcquireError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { semaphore, permits, turn, asked } = self.get_mut();
        let taken = semaphore.permits.poll_take(*permits, turn, cx, || semaphore.describe(asked));
        taken.map(|taken| match taken {
            Ok(()) => Ok(Permit { semaphore, permits: *permits }),
            Err(IsClosed) => Err(AcquireError(())),
        })
    }
}

impl<F: Flavour> Drop for Acquire<'_, F> {
    #[inline]
    fn drop(&mut self) {
        self.semaphore.permits.cancel(&mut self.turn);
    }
}

/// Permits of a semaphore; dropping it gives them back.
#[must_use = "the permits go back as soon as this is dropped"]
pub struct Permit<'a, F: Flavour = Local> {
    semaphore: &'a Semaphore<F>,
    permits: usize,
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

impl fmt::Display for AcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the semaphore was closed")
    }
}

impl Error for AcquireError {}

impl fmt::Display for TryAcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPermits => f.write_str("too few permits are free, or others wait for them"),
            Self::Closed => AcquireError(()).fmt(f),
        }
    }
}

impl Error for TryAcquireError {}

impl fmt::Display for OverRelease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "more permits were released than are missing: the semaphore has at most {}", self.bound)
    }
}

impl Error for OverRelease {}

impl<F: Flavour> Semaphore<F> {
    fn debug(&self, f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
        f.debug_struct(name)
            .field("available_permits", &self.available_permits())
            .field("waiters", &self.permits.waiters())
            .field("is_closed", &self.is_closed())
            .field("created", &self.created)
            .finish()
    }
}

impl<F: Flavour> fmt::Debug for Semaphore<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.debug(f, "Semaphore")
    }
}

impl<F: Flavour> fmt::Debug for BoundedSemaphore<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.semaphore.debug(f, "BoundedSemaphore")
    }
}

impl<F: Flavour> fmt::Debug for Acquire<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acquire")
            .field("permits", &self.permits)
            .field("asked", &self.asked)
            .field("waits", &self.turn.is_waiting())
            .finish()
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
