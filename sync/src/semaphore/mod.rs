//! `Semaphore` and `BoundedSemaphore`: at most so many at once.

mod bounded;
mod permit;

use crate::{
    flavour::{Flavour, Local, Word},
    observer::{Kind, Wait},
    permits::{IsClosed, MAX_PERMITS, Permits},
    timed::{Elapsed, Timed},
    wait_list::Turn,
};
use std::{
    error::Error,
    fmt,
    future::Future,
    panic::Location,
    pin::Pin,
    ptr,
    task::{Context, Poll},
    time::Duration,
};

pub use bounded::{BoundedSemaphore, OverRelease};
pub use permit::{OwnedPermit, Permit};

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
    /// Free, taken and on their way.
    total: F::Word,
    /// Taken once, and no guard will give them back.
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
        Self {
            permits: Permits::new(permits),
            total: F::Word::new(permits),
            forgotten: F::Word::new(0),
            created: Location::caller(),
        }
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
        let fits = |total: usize| total.checked_add(permits).filter(|total| *total <= MAX_PERMITS);
        assert!(
            change(&self.total, fits),
            "{permits} more permits on top of {} are more than a semaphore can have ({MAX_PERMITS})",
            self.total.load()
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
                Some(Ok(())) => {
                    change(&self.total, |total| total.checked_sub(some));
                    return some;
                }
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
        change(&self.total, |total| total.checked_sub(permits));
        change(&self.forgotten, |forgotten| forgotten.checked_add(permits));
    }

    /// Gives forgotten permits back; `false`: there are not that many.
    fn give_back_forgotten(&self, permits: usize) -> bool {
        let were_forgotten = change(&self.forgotten, |forgotten| forgotten.checked_sub(permits));
        if were_forgotten {
            self.add_permits(permits);
        }
        were_forgotten
    }

    fn describe(&self, asked: &'static Location<'static>) -> Wait {
        let address = ptr::from_ref(self).addr();
        Wait { kind: Kind::Semaphore, created: self.created, asked, address, holder: None }
    }
}

/// Puts what `f` makes of the number in its place; `false`: it made nothing of it.
fn change(word: &impl Word, f: impl Fn(usize) -> Option<usize>) -> bool {
    let mut value = word.load();
    while let Some(changed) = f(value) {
        match word.replace(value, changed) {
            Ok(()) => return true,
            Err(found) => value = found,
        }
    }
    false
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

impl<F: Flavour> fmt::Debug for Acquire<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acquire")
            .field("permits", &self.permits)
            .field("asked", &self.asked)
            .field("waits", &self.turn.is_waiting())
            .finish()
    }
}
