//! `Condition`: waiting for a change of what a lock protects.

use super::{Lock, LockError, LockGuard, block, wait};
use runtime_io::shared::{Answer, Want};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{io, mem, time::Duration};

/// A [`Lock`], and waiting for a change of what it protects: who waits gives it back meanwhile. It goes to other processes with
/// whatever it is in; a clone is the same condition.
///
/// ```
/// # if cfg!(target_os = "linux") {
/// use runtime::process::{Condition, SharedValue};
/// use std::thread;
///
/// let (condition, stock) = (Condition::new()?, SharedValue::new(0_u32)?);
/// thread::scope(|scope| {
///     scope.spawn(|| {
///         let guard = condition.blocking_lock().unwrap();
///         stock.set(3);
///         condition.notify_all(&guard);
///     });
///     let guard = condition.blocking_lock().unwrap();
///     let _guard = condition.blocking_wait_for(guard, || stock.get() > 0).unwrap();
///     assert_eq!(stock.get(), 3);
/// });
/// # }
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Debug)]
pub struct Condition {
    lock: Lock,
}

/// What a wait with a limit gives: the lock again, and whether there was a notification.
type Notified<'a> = Result<(LockGuard<'a>, bool), LockError<(LockGuard<'a>, bool)>>;

impl Condition {
    /// With a lock of its own that nobody has, and that no other process knows.
    ///
    /// # Errors
    /// As [`Lock::new`].
    pub fn new() -> io::Result<Self> {
        Ok(Self { lock: Lock::new()? })
    }

    /// Takes the lock; see [`Lock::acquire`].
    ///
    /// # Errors
    /// See [`LockError`].
    ///
    /// # Cancel safety
    /// As there.
    pub async fn lock(&self) -> Result<LockGuard<'_>, LockError<LockGuard<'_>>> {
        self.lock.acquire().await
    }

    /// Takes the lock; see [`Lock::blocking_acquire`].
    ///
    /// # Errors
    /// See [`LockError`].
    pub fn blocking_lock(&self) -> Result<LockGuard<'_>, LockError<LockGuard<'_>>> {
        self.lock.blocking_acquire()
    }

    /// Gives the lock back, waits to be notified, and takes the lock again. What was waited for may have gone by then:
    /// [`wait_for`](Condition::wait_for) looks.
    ///
    /// # Errors
    /// See [`LockError`]: also if the lock's holder died in between. Whoever notifies, and dies before it has given the
    /// lock back, has notified.
    ///
    /// # Panics
    /// If the guard is of another lock.
    ///
    /// # Cancel safety
    /// The lock is given up. A notification that had come goes to the next who waits.
    pub async fn wait<'a>(&'a self, guard: LockGuard<'a>) -> Result<LockGuard<'a>, LockError<LockGuard<'a>>> {
        self.given(&guard);
        mem::forget(guard);
        let answer = wait(self.lock.board(), Want::Notification, None).await;
        drop_word(self.had_again(answer))
    }

    /// [`wait`](Condition::wait), to be notified within `limit`. The lock is taken again in any case, which may take longer.
    /// Gives whether there was a notification.
    ///
    /// # Errors
    /// As [`wait`](Condition::wait).
    ///
    /// # Panics
    /// As [`wait`](Condition::wait).
    ///
    /// # Cancel safety
    /// As [`wait`](Condition::wait).
    pub async fn wait_timeout<'a>(&'a self, guard: LockGuard<'a>, limit: Duration) -> Notified<'a> {
        self.given(&guard);
        mem::forget(guard);
        let answer = wait(self.lock.board(), Want::Notification, Some(limit)).await;
        self.had_again(answer)
    }

    /// Waits until `is_so`, which is called with the lock taken.
    ///
    /// # Errors
    /// As [`wait`](Condition::wait).
    ///
    /// # Panics
    /// As [`wait`](Condition::wait), and if `is_so` does.
    ///
    /// # Cancel safety
    /// As [`wait`](Condition::wait).
    pub async fn wait_for<'a>(
        &'a self,
        mut guard: LockGuard<'a>,
        mut is_so: impl FnMut() -> bool,
    ) -> Result<LockGuard<'a>, LockError<LockGuard<'a>>> {
        while !is_so() {
            guard = self.wait(guard).await?;
        }
        Ok(guard)
    }

    /// [`wait`](Condition::wait), and blocks.
    ///
    /// # Errors
    /// As [`wait`](Condition::wait).
    ///
    /// # Panics
    /// As [`wait`](Condition::wait).
    #[track_caller]
    pub fn blocking_wait<'a>(
        &'a self,
        guard: LockGuard<'a>,
    ) -> Result<LockGuard<'a>, LockError<LockGuard<'a>>> {
        self.given(&guard);
        mem::forget(guard);
        drop_word(self.had_again(block(self.lock.board(), Want::Notification, None)))
    }

    /// [`wait_timeout`](Condition::wait_timeout), and blocks.
    ///
    /// # Errors
    /// As [`wait`](Condition::wait).
    ///
    /// # Panics
    /// As [`wait`](Condition::wait).
    #[track_caller]
    pub fn blocking_wait_timeout<'a>(&'a self, guard: LockGuard<'a>, limit: Duration) -> Notified<'a> {
        self.given(&guard);
        mem::forget(guard);
        self.had_again(block(self.lock.board(), Want::Notification, Some(limit)))
    }

    /// [`wait_for`](Condition::wait_for), and blocks.
    ///
    /// # Errors
    /// As [`wait`](Condition::wait).
    ///
    /// # Panics
    /// As [`wait_for`](Condition::wait_for).
    #[track_caller]
    pub fn blocking_wait_for<'a>(
        &'a self,
        mut guard: LockGuard<'a>,
        mut is_so: impl FnMut() -> bool,
    ) -> Result<LockGuard<'a>, LockError<LockGuard<'a>>> {
        while !is_so() {
            guard = self.blocking_wait(guard)?;
        }
        Ok(guard)
    }

    /// Has so many of those who wait, the first ones, go on once they get the lock; gives how many there were.
    ///
    /// # Panics
    /// If the guard is of another lock.
    #[track_caller]
    pub fn notify(&self, guard: &LockGuard<'_>, waiters: usize) -> usize {
        self.given(guard);
        // Only a forked child cannot, and that has no guard.
        self.lock.board().notify(waiters).unwrap_or(0)
    }

    /// Has all who wait go on once they get the lock; gives how many there were.
    ///
    /// # Panics
    /// If the guard is of another lock.
    #[track_caller]
    pub fn notify_all(&self, guard: &LockGuard<'_>) -> usize {
        self.notify(guard, usize::MAX)
    }

    #[track_caller]
    fn given(&self, guard: &LockGuard<'_>) {
        assert!(
            std::sync::Arc::ptr_eq(guard.board(), self.lock.board()),
            "this guard is of another lock: take the one that `lock` of the same condition gives"
        );
    }

    fn had_again(&self, answer: io::Result<Option<Answer>>) -> Notified<'_> {
        let is_notified = matches!(answer?, Some(Answer::Granted(_)));
        let guard = LockGuard::had(self.lock.board());
        if self.lock.board().is_orphaned() {
            return Err(LockError::OwnerDied((guard, is_notified)));
        }
        Ok((guard, is_notified))
    }
}

/// Without a limit there was a notification.
fn drop_word(notified: Notified<'_>) -> Result<LockGuard<'_>, LockError<LockGuard<'_>>> {
    notified.map(|(guard, _)| guard).map_err(|error| error.map(|(guard, _)| guard))
}

impl Serialize for Condition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.lock.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Lock::deserialize(deserializer).map(|lock| Self { lock })
    }
}
