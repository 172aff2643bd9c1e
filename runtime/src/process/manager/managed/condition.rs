//! Conditions.

use super::{ManagedLockError, ManagedLockGuard, ManagerError, hold::Hold, managed, nothing, verbs};
use crate::process::manager::wire::{Ask, ask};
use std::time::Duration;

managed! {
    /// A condition, with its lock, that a [`Manager`](crate::process::Manager) keeps: a proxy, of which any number of processes may
    /// have one. Who has the lock and finds that something is not so yet [waits](Self::wait), without the lock; who has changed
    /// something [notifies](Self::notify).
    ///
    /// What it is about is kept elsewhere: in other objects of the manager, in files, in shared memory.
    ///
    /// ```
    /// use runtime::process::Manager;
    ///
    /// #[runtime::main]
    /// async fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     let manager = Manager::start().await?;
    ///     let (changed, tasks) = (manager.condition().await?, manager.list::<u32>([]).await?);
    ///     let worker = runtime::spawn({
    ///         let (changed, tasks) = (changed.clone(), tasks.clone());
    ///         async move {
    ///             let guard = changed.lock().await?;
    ///             let guard = changed.wait_for(guard, async || Ok(!tasks.is_empty().await?)).await?;
    ///             let task = tasks.pop().await?;
    ///             drop(guard);
    ///             Ok::<_, Box<dyn std::error::Error>>(task)
    ///         }
    ///     });
    ///     let guard = changed.lock().await?;
    ///     tasks.push(7).await?;
    ///     changed.notify(1).await?;
    ///     drop(guard);
    ///     assert_eq!(worker.await??, Some(7));
    ///     manager.shutdown().await?;
    ///     Ok(())
    /// }
    /// ```
    ManagedCondition
}

impl ManagedCondition {
    /// Waits until the lock is free, and takes it.
    ///
    /// # Errors
    /// See [`ManagedLockError`].
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it leaves nothing behind.
    pub async fn lock(&self) -> Result<ManagedLockGuard, ManagedLockError> {
        ManagedLockGuard::told(Hold::acquire(&self.proxy, 1).await?)
    }

    /// [`lock`](Self::lock) that blocks the thread.
    ///
    /// # Errors
    /// As there.
    pub fn blocking_lock(&self) -> Result<ManagedLockGuard, ManagedLockError> {
        ManagedLockGuard::told(Hold::blocking_acquire(&self.proxy, 1, None)?)
    }

    /// Takes the lock, if it is free and nobody waits for it.
    ///
    /// # Errors
    /// See [`ManagedLockError`].
    pub async fn try_lock(&self) -> Result<Option<ManagedLockGuard>, ManagedLockError> {
        Hold::try_acquire(&self.proxy, 1).await?.map(ManagedLockGuard::told).transpose()
    }

    /// [`try_lock`](Self::try_lock) that blocks the thread until the manager has answered.
    ///
    /// # Errors
    /// As there.
    pub fn blocking_try_lock(&self) -> Result<Option<ManagedLockGuard>, ManagedLockError> {
        Hold::blocking_try_acquire(&self.proxy, 1)?.map(ManagedLockGuard::told).transpose()
    }

    /// Lets go of the lock, waits until it is notified, and takes the lock again. `guard` is one of this condition's; what it waits
    /// for may not be so when it returns, so it is asked in a loop, or by [`wait_for`](Self::wait_for).
    ///
    /// # Errors
    /// See [`ManagedLockError`]: also if a holder died meanwhile.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, the lock is not held, and a notification that had reached it goes to the next.
    pub async fn wait(&self, guard: ManagedLockGuard) -> Result<ManagedLockGuard, ManagedLockError> {
        guard.wait(None).await.map(first).map_err(|error| error.map(first))
    }

    /// [`wait`](Self::wait) that blocks the thread.
    ///
    /// # Errors
    /// As there.
    pub fn blocking_wait(&self, guard: ManagedLockGuard) -> Result<ManagedLockGuard, ManagedLockError> {
        guard.blocking_wait(None).map(first).map_err(|error| error.map(first))
    }

    /// [`wait`](Self::wait) for at most `limit`; also gives whether it was notified within that. After that it still has to take the
    /// lock, however long that is held by others.
    ///
    /// # Errors
    /// As there.
    ///
    /// # Cancel safety
    /// As there.
    pub async fn wait_timeout(
        &self,
        guard: ManagedLockGuard,
        limit: Duration,
    ) -> Result<(ManagedLockGuard, bool), ManagedLockError<(ManagedLockGuard, bool)>> {
        guard.wait(Some(limit)).await
    }

    /// [`wait_timeout`](Self::wait_timeout) that blocks the thread.
    ///
    /// # Errors
    /// As there.
    pub fn blocking_wait_timeout(
        &self,
        guard: ManagedLockGuard,
        limit: Duration,
    ) -> Result<(ManagedLockGuard, bool), ManagedLockError<(ManagedLockGuard, bool)>> {
        guard.blocking_wait(Some(limit))
    }

    /// [Waits](Self::wait) until `is_so` says yes, which is asked first before anything is waited for, and always with the lock.
    ///
    /// # Errors
    /// As there, and what `is_so` gives.
    ///
    /// # Cancel safety
    /// As there.
    pub async fn wait_for(
        &self,
        mut guard: ManagedLockGuard,
        mut is_so: impl AsyncFnMut() -> Result<bool, ManagerError>,
    ) -> Result<ManagedLockGuard, ManagedLockError> {
        while !is_so().await? {
            guard = self.wait(guard).await?;
        }
        Ok(guard)
    }

    /// [`wait_for`](Self::wait_for) that blocks the thread.
    ///
    /// # Errors
    /// As there.
    pub fn blocking_wait_for(
        &self,
        mut guard: ManagedLockGuard,
        mut is_so: impl FnMut() -> Result<bool, ManagerError>,
    ) -> Result<ManagedLockGuard, ManagedLockError> {
        while !is_so()? {
            guard = self.blocking_wait(guard)?;
        }
        Ok(guard)
    }

    verbs! {
        /// Wakes those who wait longest, so many at most. Those who have the lock do it, so that nobody is between a look and a wait.
        ///
        /// # Errors
        /// [`ManagerError`].
        notify / blocking_notify(&self, waiters: usize) -> () {
            ask(Ask::Notify { many: waiters as u64 }, []) => nothing
        }

        /// Wakes all who wait.
        ///
        /// # Errors
        /// [`ManagerError`].
        notify_all / blocking_notify_all(&self) -> () {
            ask(Ask::Notify { many: u64::MAX }, []) => nothing
        }
    }
}

fn first((guard, _): (ManagedLockGuard, bool)) -> ManagedLockGuard {
    guard
}
