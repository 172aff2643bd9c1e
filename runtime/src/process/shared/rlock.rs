//! `RLock`: a lock of processes that lets its holder in again.

use super::{Lock, LockError, LockGuard};
use crate::{RuntimeId, task};
use runtime_executor::current;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{
    fmt, io, mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, ThreadId},
    time::Duration,
};

/// A [`Lock`] that its holder, a task or, where no runtime runs, a thread, may acquire again; others get in once all its guards
/// are dropped. A guard counts for whoever acquired it, whoever drops it.
///
/// Clones are the same lock to their holder, too. A lock that came to this process twice, in two messages, is not.
///
/// ```
/// # if cfg!(target_os = "linux") {
/// use runtime::process::RLock;
///
/// let lock = RLock::new()?;
/// let outer = lock.blocking_acquire().unwrap();
/// let inner = lock.blocking_acquire().unwrap();
/// assert_eq!(lock.count(), 2);
/// drop((outer, inner));
/// assert!(!lock.locked());
/// # }
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Debug)]
pub struct RLock {
    lock: Lock,
    /// Who in this process has it, and how many guards. Dies with the process, as all that its guards would have done.
    entry: Arc<Mutex<Option<(Holder, usize)>>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holder {
    Task(RuntimeId, task::TaskId),
    Thread(ThreadId),
}

impl Holder {
    fn running() -> Self {
        match RuntimeId::current() {
            Some(runtime) if current::is_entered() => Self::Task(runtime, task::current().id()),
            _ => Self::Thread(thread::current().id()),
        }
    }
}

impl RLock {
    /// A lock that nobody has, and no other process knows.
    ///
    /// # Errors
    /// As [`Lock::new`].
    pub fn new() -> io::Result<Self> {
        Lock::new().map(Self::over)
    }

    fn over(lock: Lock) -> Self {
        Self { lock, entry: Arc::default() }
    }

    /// Waits until nobody else has it, and takes it.
    ///
    /// # Errors
    /// See [`LockError`].
    ///
    /// # Cancel safety
    /// As [`Lock::acquire`].
    pub async fn acquire(&self) -> Result<RLockGuard<'_>, LockError<RLockGuard<'_>>> {
        match self.enter_again() {
            Some(guard) => Ok(guard),
            None => self.enter(self.lock.acquire().await),
        }
    }

    /// [`acquire`](RLock::acquire), for at most `limit`; `None`: it was over before.
    ///
    /// # Errors
    /// See [`LockError`].
    ///
    /// # Cancel safety
    /// As [`Lock::acquire`].
    pub async fn acquire_timeout(
        &self,
        limit: Duration,
    ) -> Result<Option<RLockGuard<'_>>, LockError<RLockGuard<'_>>> {
        match self.enter_again() {
            Some(guard) => Ok(Some(guard)),
            None => self.enter_if(self.lock.acquire_timeout(limit).await),
        }
    }

    /// Takes it if nobody else has it, and nobody waits for it unless this one has it.
    ///
    /// # Errors
    /// See [`LockError`].
    pub fn try_acquire(&self) -> Result<Option<RLockGuard<'_>>, LockError<RLockGuard<'_>>> {
        match self.enter_again() {
            Some(guard) => Ok(Some(guard)),
            None => self.enter_if(self.lock.try_acquire()),
        }
    }

    /// Blocks until nobody else has it, and takes it.
    ///
    /// # Errors
    /// See [`LockError`].
    pub fn blocking_acquire(&self) -> Result<RLockGuard<'_>, LockError<RLockGuard<'_>>> {
        match self.enter_again() {
            Some(guard) => Ok(guard),
            None => self.enter(self.lock.blocking_acquire()),
        }
    }

    /// [`blocking_acquire`](RLock::blocking_acquire), for at most `limit`; `None`: it was over before.
    ///
    /// # Errors
    /// See [`LockError`].
    pub fn blocking_acquire_timeout(
        &self,
        limit: Duration,
    ) -> Result<Option<RLockGuard<'_>>, LockError<RLockGuard<'_>>> {
        match self.enter_again() {
            Some(guard) => Ok(Some(guard)),
            None => self.enter_if(self.lock.blocking_acquire_timeout(limit)),
        }
    }

    /// Whether somebody has it. It may be otherwise by the time this returns.
    pub fn locked(&self) -> bool {
        self.lock.locked()
    }

    /// How many guards whoever runs here has.
    pub fn count(&self) -> usize {
        self.entry().filter(|(holder, _)| *holder == Holder::running()).map_or(0, |(_, count)| count)
    }

    fn entry(&self) -> MutexGuard<'_, Option<(Holder, usize)>> {
        self.entry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter_again(&self) -> Option<RLockGuard<'_>> {
        let running = Holder::running();
        let mut entry = self.entry();
        let (_, count) = entry.as_mut().filter(|(holder, _)| *holder == running)?;
        *count += 1;
        Some(RLockGuard { lock: self })
    }

    fn enter<'a>(
        &'a self,
        taken: Result<LockGuard<'a>, LockError<LockGuard<'a>>>,
    ) -> Result<RLockGuard<'a>, LockError<RLockGuard<'a>>> {
        taken.map(|guard| self.note(guard)).map_err(|error| error.map(|guard| self.note(guard)))
    }

    fn enter_if<'a>(
        &'a self,
        taken: Result<Option<LockGuard<'a>>, LockError<LockGuard<'a>>>,
    ) -> Result<Option<RLockGuard<'a>>, LockError<RLockGuard<'a>>> {
        match taken {
            Ok(None) => Ok(None),
            Ok(Some(guard)) => self.enter(Ok(guard)).map(Some),
            Err(error) => self.enter(Err(error)).map(Some),
        }
    }

    /// The last guard gives the lock back.
    fn note(&self, guard: LockGuard<'_>) -> RLockGuard<'_> {
        mem::forget(guard);
        *self.entry() = Some((Holder::running(), 1));
        RLockGuard { lock: self }
    }
}

impl Serialize for RLock {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.lock.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for RLock {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Lock::deserialize(deserializer).map(Self::over)
    }
}

/// Has an [`RLock`], one time, until it is dropped.
#[must_use = "the lock is given back when the last of these is dropped"]
pub struct RLockGuard<'a> {
    lock: &'a RLock,
}

impl RLockGuard<'_> {
    /// As [`LockGuard::mend`].
    pub fn mend(&self) {
        self.lock.lock.board().mend();
    }
}

impl fmt::Debug for RLockGuard<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RLockGuard").finish_non_exhaustive()
    }
}

impl Drop for RLockGuard<'_> {
    fn drop(&mut self) {
        let is_last = {
            let mut entry = self.lock.entry();
            match entry.as_mut() {
                Some((_, count)) if *count > 1 => {
                    *count -= 1;
                    false
                }
                _ => entry.take().is_some(),
            }
        };
        // Only now may somebody else of this process write himself in.
        if is_last {
            self.lock.lock.board().unlock();
        }
    }
}
