//! `SharedArray`: values in memory that processes share.

use super::{Lock, LockError, Number, Plain, pack, unpack};
use runtime_io::shared::{Board, Kind};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{
    fmt, io,
    marker::PhantomData,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// So many values in memory that processes share. It goes to other processes with whatever it is in; a clone is the same array.
///
/// Each value is read and written whole, without a lock, whoever dies meanwhile. What concerns several goes under the
/// [`lock`](SharedArray::lock), as in Python's `Array`.
///
/// ```
/// # if cfg!(target_os = "linux") {
/// use runtime::process::SharedArray;
///
/// let squares = SharedArray::<i32>::new(5)?;
/// for index in 0..5 {
///     squares.set(index, (index * index) as i32);
/// }
/// squares.fetch_add(4, 100);
/// assert_eq!(squares.to_vec(), [0, 1, 4, 9, 116]);
/// # }
/// # std::io::Result::Ok(())
/// ```
pub struct SharedArray<T> {
    lock: Lock,
    values: PhantomData<fn(T) -> T>,
}

impl<T: Plain> SharedArray<T> {
    /// So many values, all zero, `false` or `'\0'`, which no other process knows.
    ///
    /// # Errors
    /// As [`Lock::new`].
    pub fn new(len: usize) -> io::Result<Self> {
        Ok(Self::on(Board::create(Kind::Lock, 1, 1, len)?))
    }

    /// These values.
    ///
    /// # Errors
    /// As [`Lock::new`].
    pub fn from_slice(values: &[T]) -> io::Result<Self> {
        let array = Self::new(values.len())?;
        for (cell, value) in array.cells().iter().zip(values) {
            cell.store(value.to_bits(), Ordering::Relaxed);
        }
        Ok(array)
    }

    pub(super) fn on(board: Arc<Board>) -> Self {
        Self { lock: Lock::on(board), values: PhantomData }
    }

    fn cells(&self) -> &[AtomicU64] {
        self.lock.board().cells()
    }

    /// How many values.
    pub fn len(&self) -> usize {
        self.cells().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.cells().is_empty()
    }

    /// The value there, if there is one.
    #[inline]
    pub fn get(&self, index: usize) -> Option<T> {
        self.cells().get(index).map(|cell| T::from_bits(cell.load(Ordering::Acquire)))
    }

    /// Writes a value.
    ///
    /// # Panics
    /// If the array is shorter.
    #[inline]
    #[track_caller]
    pub fn set(&self, index: usize, value: T) {
        self.cell(index).store(value.to_bits(), Ordering::Release);
    }

    /// Makes another value of the one there, in one, and gives what it was. `change` may be called several times.
    ///
    /// # Panics
    /// If the array is shorter, or `change` panics.
    #[track_caller]
    pub fn update(&self, index: usize, mut change: impl FnMut(T) -> T) -> T {
        let cell = self.cell(index);
        let mut found = cell.load(Ordering::Acquire);
        loop {
            let next = change(T::from_bits(found)).to_bits();
            match cell.compare_exchange_weak(found, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return T::from_bits(found),
                Err(other) => found = other,
            }
        }
    }

    /// Adds to a value, in one, and gives what it was. Of integers, what does not fit is lost.
    ///
    /// # Panics
    /// If the array is shorter.
    #[track_caller]
    pub fn fetch_add(&self, index: usize, by: T) -> T
    where
        T: Number,
    {
        self.update(index, |value| value.plus(by))
    }

    /// All values, one after the other: others may write meanwhile, unless they agree on the [`lock`](SharedArray::lock).
    pub fn to_vec(&self) -> Vec<T> {
        self.cells().iter().map(|cell| T::from_bits(cell.load(Ordering::Acquire))).collect()
    }

    /// The lock that goes with the array, for whoever agrees to take it: reading and writing do not.
    pub fn lock(&self) -> &Lock {
        &self.lock
    }

    /// Calls `f` with the lock taken, once it is had.
    ///
    /// # Errors
    /// See [`LockError`]; `f` was not called then, and the lock is not had. After a death, take it by
    /// [`lock`](SharedArray::lock), put the values in order, and [mend](super::LockGuard::mend) it.
    ///
    /// # Panics
    /// If `f` does; the lock is given back.
    ///
    /// # Cancel safety
    /// As [`Lock::acquire`].
    pub async fn with_lock<R>(&self, f: impl FnOnce(&Self) -> R) -> Result<R, LockError<()>> {
        let _guard = self.lock.acquire().await.map_err(|error| error.map(drop))?;
        Ok(f(self))
    }

    /// [`with_lock`](SharedArray::with_lock), and blocks.
    ///
    /// # Errors
    /// As there.
    ///
    /// # Panics
    /// As there.
    pub fn blocking_with_lock<R>(&self, f: impl FnOnce(&Self) -> R) -> Result<R, LockError<()>> {
        let _guard = self.lock.blocking_acquire().map_err(|error| error.map(drop))?;
        Ok(f(self))
    }

    #[inline]
    #[track_caller]
    fn cell(&self, index: usize) -> &AtomicU64 {
        let cells = self.cells();
        let len = cells.len();
        cells.get(index).unwrap_or_else(|| panic!("the array has {len} values, and none at {index}"))
    }
}

impl<T> Clone for SharedArray<T> {
    fn clone(&self) -> Self {
        Self { lock: self.lock.clone(), values: PhantomData }
    }
}

impl<T: Plain + fmt::Debug> fmt::Debug for SharedArray<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.to_vec()).finish()
    }
}

impl<T: Plain> Serialize for SharedArray<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        pack(self.lock.board(), serializer)
    }
}

impl<'de, T: Plain> Deserialize<'de> for SharedArray<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        unpack(Kind::Lock, deserializer).map(Self::on)
    }
}
