//! `Condvar`: [`std::sync::Condvar`] over the queue of `runtime::sync`'s conditions.

use super::{LockResult, MutexGuard, PoisonError};
use crate::{
    green::waiting::{now, wait, wait_timeout},
    sync::{condition, flavour::Shared},
};
use std::{
    fmt,
    panic::{RefUnwindSafe, UnwindSafe},
    time::Duration,
};

/// [`std::sync::Condvar`], on which greenlets wait without keeping the thread.
///
/// Those who wait are notified in the order in which they began to wait, and nobody returns without having been notified.
/// The notification of a greenlet that is killed before it had the lock again goes to the next.
///
/// ```
/// use runtime::green::{
///     sync::{Arc, Condvar, Mutex},
///     thread,
/// };
///
/// # runtime::run(runtime::greenlet::run(|| {
/// let pair = Arc::new((Mutex::new(false), Condvar::new()));
/// thread::spawn({
///     let pair = Arc::clone(&pair);
///     move || {
///         *pair.0.lock().unwrap() = true;
///         pair.1.notify_one();
///     }
/// });
/// let (is_ready, changed) = &*pair;
/// let guard = changed.wait_while(is_ready.lock().unwrap(), |is_ready| !*is_ready).unwrap();
/// assert!(*guard);
/// # }));
/// ```
pub struct Condvar {
    queue: condition::Condvar<Shared>,
}

impl UnwindSafe for Condvar {}
impl RefUnwindSafe for Condvar {}

impl Condvar {
    /// See [`std::sync::Condvar::new`]. The line of this call is remembered: reports name it by that.
    #[track_caller]
    pub const fn new() -> Self {
        Self { queue: condition::Condvar::const_new() }
    }

    /// Releases the lock, waits to be notified, and takes the lock again. See [`std::sync::Condvar::wait`].
    ///
    /// # Errors
    /// If the mutex is poisoned; the error has the guard.
    ///
    /// # Panics
    /// Where it cannot wait; see the [module](super).
    #[track_caller]
    pub fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> LockResult<MutexGuard<'a, T>> {
        let mutex = guard.mutex();
        let notification = wait("`Condvar::wait`", self.queue.wait(guard));
        let guard = mutex.lock_again();
        notification.use_up();
        mutex.guard(guard)
    }

    /// See [`std::sync::Condvar::wait_while`].
    ///
    /// # Errors
    /// If the mutex is poisoned; the error has the guard.
    ///
    /// # Panics
    /// As [`wait`](Condvar::wait), if it has to wait.
    #[track_caller]
    pub fn wait_while<'a, T, F>(
        &self,
        mut guard: MutexGuard<'a, T>,
        mut condition: F,
    ) -> LockResult<MutexGuard<'a, T>>
    where
        F: FnMut(&mut T) -> bool,
    {
        while condition(&mut *guard) {
            guard = self.wait(guard)?;
        }
        Ok(guard)
    }

    /// [`wait`](Condvar::wait), to be notified within `limit`. It returns with the lock, so it may take longer, until that is
    /// free. See [`std::sync::Condvar::wait_timeout`].
    ///
    /// # Errors
    /// If the mutex is poisoned; the error has the guard and the result.
    #[track_caller]
    pub fn wait_timeout<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        limit: Duration,
    ) -> LockResult<(MutexGuard<'a, T>, WaitTimeoutResult)> {
        let mutex = guard.mutex();
        let mut waiting = self.queue.wait(guard);
        let notification = match wait_timeout(&mut waiting, limit) {
            Some(notification) => Some(notification),
            None => waiting.give_up(),
        };
        let guard = mutex.lock_again();
        let result = WaitTimeoutResult(notification.is_none());
        notification.into_iter().for_each(condition::Notification::use_up);
        match mutex.guard(guard) {
            Ok(guard) => Ok((guard, result)),
            Err(poison) => Err(PoisonError::new((poison.into_inner(), result))),
        }
    }

    /// See [`std::sync::Condvar::wait_timeout_while`].
    ///
    /// # Errors
    /// If the mutex is poisoned; the error has the guard and the result.
    #[track_caller]
    pub fn wait_timeout_while<'a, T, F>(
        &self,
        mut guard: MutexGuard<'a, T>,
        limit: Duration,
        mut condition: F,
    ) -> LockResult<(MutexGuard<'a, T>, WaitTimeoutResult)>
    where
        F: FnMut(&mut T) -> bool,
    {
        let deadline = now() + limit;
        loop {
            if !condition(&mut *guard) {
                return Ok((guard, WaitTimeoutResult(false)));
            }
            let left = deadline.saturating_duration_since(now());
            if left.is_zero() {
                return Ok((guard, WaitTimeoutResult(true)));
            }
            guard = self.wait_timeout(guard, left)?.0;
        }
    }

    /// Notifies whoever has waited longest. See [`std::sync::Condvar::notify_one`].
    pub fn notify_one(&self) {
        self.queue.notify(1);
    }

    /// Notifies all who wait now. See [`std::sync::Condvar::notify_all`].
    pub fn notify_all(&self) {
        self.queue.notify_all();
    }
}

/// Whether a wait ended because its time was over. See [`std::sync::WaitTimeoutResult`].
#[derive(Debug, PartialEq, Eq, Copy, Clone)]
pub struct WaitTimeoutResult(bool);

impl WaitTimeoutResult {
    /// See [`std::sync::WaitTimeoutResult::timed_out`].
    #[must_use]
    pub fn timed_out(&self) -> bool {
        self.0
    }
}

impl Default for Condvar {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Condvar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Condvar").field("waiters", &self.queue.waiters()).finish_non_exhaustive()
    }
}
