//! `BoundedSemaphore`: never more permits than at the beginning.

use super::{Permit, Semaphore};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{io, time::Duration};

/// A [`Semaphore`] that never has more permits than it began with: to release what was not taken is an error instead of a limit
/// that silently grows.
///
/// ```
/// # if cfg!(target_os = "linux") {
/// use runtime::process::BoundedSemaphore;
///
/// let seats = BoundedSemaphore::new(1)?;
/// seats.blocking_acquire()?.forget(); // kept by hand, without the guard
/// assert!(seats.release(1).is_ok());
/// assert!(seats.release(1).is_err());
/// # }
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Debug)]
pub struct BoundedSemaphore {
    semaphore: Semaphore,
}

impl BoundedSemaphore {
    /// A semaphore that has so many permits and never more, which no other process knows.
    ///
    /// # Errors
    /// As [`Semaphore::new`].
    pub fn new(permits: usize) -> io::Result<Self> {
        Ok(Self { semaphore: Semaphore::bounded(permits, permits)? })
    }

    /// See [`Semaphore::acquire`].
    ///
    /// # Errors
    /// As there.
    ///
    /// # Cancel safety
    /// As there.
    pub async fn acquire(&self) -> io::Result<Permit<'_>> {
        self.semaphore.acquire().await
    }

    /// See [`Semaphore::acquire_timeout`].
    ///
    /// # Errors
    /// As there.
    ///
    /// # Cancel safety
    /// As there.
    pub async fn acquire_timeout(&self, limit: Duration) -> io::Result<Option<Permit<'_>>> {
        self.semaphore.acquire_timeout(limit).await
    }

    /// See [`Semaphore::try_acquire`].
    ///
    /// # Errors
    /// As there.
    pub fn try_acquire(&self) -> io::Result<Option<Permit<'_>>> {
        self.semaphore.try_acquire()
    }

    /// See [`Semaphore::blocking_acquire`].
    ///
    /// # Errors
    /// As there.
    pub fn blocking_acquire(&self) -> io::Result<Permit<'_>> {
        self.semaphore.blocking_acquire()
    }

    /// See [`Semaphore::blocking_acquire_timeout`].
    ///
    /// # Errors
    /// As there.
    pub fn blocking_acquire_timeout(&self, limit: Duration) -> io::Result<Option<Permit<'_>>> {
        self.semaphore.blocking_acquire_timeout(limit)
    }

    /// Gives back permits whose guards were [forgotten](Permit::forget), by this process or another.
    ///
    /// # Errors
    /// `InvalidInput`, and none is given back, if there were more permits than at the beginning then.
    pub fn release(&self, permits: usize) -> io::Result<()> {
        self.semaphore.add_permits(permits)
    }

    /// See [`Semaphore::available_permits`].
    pub fn available_permits(&self) -> usize {
        self.semaphore.available_permits()
    }
}

impl Serialize for BoundedSemaphore {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.semaphore.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for BoundedSemaphore {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Semaphore::deserialize(deserializer).map(|semaphore| Self { semaphore })
    }
}
