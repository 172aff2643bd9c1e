//! The few cross-thread building blocks, from `std`, or from `loom` when its model checker runs them.

#[cfg(not(loom))]
pub(crate) use std::sync::{
    Arc, Condvar, Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicI32, AtomicU8, Ordering},
};

#[cfg(loom)]
pub(crate) use loom::sync::{
    Arc, Condvar, Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicI32, AtomicU8, Ordering},
};

/// Locks, taking over from a thread that panicked inside: none of our critical sections runs user code, so
/// what it guards is whole even then.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
