//! `SharedValue`: one value in memory that processes share.

use super::{Lock, LockError, Number, Plain, SharedArray};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{fmt, io};

/// One value in memory that processes share. It goes to other processes with whatever it is in; a clone is the same value.
///
/// It is read and written whole, without a lock, whoever dies meanwhile. What takes several steps goes under the
/// [`lock`](SharedValue::lock), as in Python's `Value`, or into one [`update`](SharedValue::update).
///
/// ```
/// # if cfg!(target_os = "linux") {
/// use runtime::process::SharedValue;
///
/// let counter = SharedValue::new(40_u64)?;
/// assert_eq!(counter.fetch_add(2), 40);
/// assert_eq!(counter.get(), 42);
/// let doubled = counter.blocking_with_lock(|counter| {
///     counter.set(counter.get() * 2);
///     counter.get()
/// });
/// assert_eq!(doubled.unwrap(), 84);
/// # }
/// # std::io::Result::Ok(())
/// ```
pub struct SharedValue<T> {
    array: SharedArray<T>,
}

impl<T: Plain> SharedValue<T> {
    /// This value, which no other process knows.
    ///
    /// # Errors
    /// As [`Lock::new`].
    pub fn new(value: T) -> io::Result<Self> {
        Ok(Self { array: SharedArray::from_slice(&[value])? })
    }

    /// The value.
    #[inline]
    pub fn get(&self) -> T {
        self.array.get(0).expect("it has one value")
    }

    /// Writes the value.
    #[inline]
    pub fn set(&self, value: T) {
        self.array.set(0, value);
    }

    /// Makes another value of it, in one, and gives what it was. `change` may be called several times.
    ///
    /// # Panics
    /// If `change` does.
    pub fn update(&self, change: impl FnMut(T) -> T) -> T {
        self.array.update(0, change)
    }

    /// Adds to it, in one, and gives what it was. Of integers, what does not fit is lost.
    pub fn fetch_add(&self, by: T) -> T
    where
        T: Number,
    {
        self.array.fetch_add(0, by)
    }

    /// The lock that goes with the value, for whoever agrees to take it: reading and writing do not.
    pub fn lock(&self) -> &Lock {
        self.array.lock()
    }

    /// Calls `f` with the lock taken, once it is had.
    ///
    /// # Errors
    /// As [`SharedArray::with_lock`].
    ///
    /// # Panics
    /// If `f` does; the lock is given back.
    ///
    /// # Cancel safety
    /// As [`Lock::acquire`].
    pub async fn with_lock<R>(&self, f: impl FnOnce(&Self) -> R) -> Result<R, LockError<()>> {
        self.array.with_lock(|_| f(self)).await
    }

    /// [`with_lock`](SharedValue::with_lock), and blocks.
    ///
    /// # Errors
    /// As there.
    ///
    /// # Panics
    /// As there.
    pub fn blocking_with_lock<R>(&self, f: impl FnOnce(&Self) -> R) -> Result<R, LockError<()>> {
        self.array.blocking_with_lock(|_| f(self))
    }
}

impl<T> Clone for SharedValue<T> {
    fn clone(&self) -> Self {
        Self { array: self.array.clone() }
    }
}

impl<T: Plain + fmt::Debug> fmt::Debug for SharedValue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SharedValue").field(&self.get()).finish()
    }
}

impl<T: Plain> Serialize for SharedValue<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.array.serialize(serializer)
    }
}

impl<'de, T: Plain> Deserialize<'de> for SharedValue<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let array = SharedArray::deserialize(deserializer)?;
        if array.len() != 1 {
            return Err(super::luggage::refuse(&"it is not one value"));
        }
        Ok(Self { array })
    }
}
