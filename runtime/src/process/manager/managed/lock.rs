//! Locks, and those that let their holder in again.

use super::{ManagedLockError, ManagedLockGuard, ManagerError, hold::Hold, managed, verbs};
use crate::process::manager::wire::{Ask, ask};
use std::time::Duration;

managed! {
    /// A lock that a [`Manager`](crate::process::Manager) keeps: a proxy, of which any number of processes may have one. It goes to
    /// those who wait in the order in which they asked.
    ///
    /// If the process of its holder dies, whoever waits longest gets it, and is told ([`OwnerDied`](ManagedLockError::OwnerDied)): what
    /// the lock is for may have been left half done. From then on everybody is told, until a holder says that it is
    /// [in order](ManagedLockGuard::mend).
    ///
    /// A [`Lock`](crate::process::Lock) in memory that processes share is faster by far.
    ///
    /// ```
    /// use runtime::process::Manager;
    ///
    /// #[runtime::main]
    /// async fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     let manager = Manager::start().await?;
    ///     let lock = manager.lock().await?;
    ///     let guard = lock.acquire().await?;
    ///     assert!(lock.try_acquire().await?.is_none());
    ///     drop(guard);
    ///     manager.shutdown().await?;
    ///     Ok(())
    /// }
    /// ```
    ManagedLock
}

managed! {
    /// A [`ManagedLock`] that lets the task that holds it in again. It is free once all its guards are dropped.
    ///
    /// A task is one of one process: what another process does for it is not its doing. A thread on which no runtime runs counts as
    /// a task.
    ///
    /// ```
    /// use runtime::process::Manager;
    ///
    /// #[runtime::main]
    /// async fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     let manager = Manager::start().await?;
    ///     let lock = manager.rlock().await?;
    ///     let outer = lock.acquire().await?;
    ///     let inner = lock.acquire().await?; // this task has it
    ///     let other = runtime::spawn(async move { lock.try_acquire().await });
    ///     assert!(other.await??.is_none());
    ///     drop((inner, outer));
    ///     manager.shutdown().await?;
    ///     Ok(())
    /// }
    /// ```
    ManagedRLock
}

macro_rules! lock_verbs {
    ($name:ident) => {
        impl $name {
            /// Waits until it is free, and takes it.
            ///
            /// # Errors
            /// See [`ManagedLockError`].
            ///
            /// # Cancel safety
            /// Dropped before it is ready, it leaves nothing behind: a lock that is granted then goes to the next.
            pub async fn acquire(&self) -> Result<ManagedLockGuard, ManagedLockError> {
                ManagedLockGuard::told(Hold::acquire(&self.proxy, 1).await?)
            }

            /// [`acquire`](Self::acquire) that blocks the thread.
            ///
            /// # Errors
            /// As there.
            pub fn blocking_acquire(&self) -> Result<ManagedLockGuard, ManagedLockError> {
                ManagedLockGuard::told(Hold::blocking_acquire(&self.proxy, 1, None)?)
            }

            /// [`acquire`](Self::acquire) for at most `limit`.
            ///
            /// # Errors
            /// [`Elapsed`](ManagerError::Elapsed), or as there.
            ///
            /// # Cancel safety
            /// As there.
            pub async fn acquire_timeout(
                &self,
                limit: Duration,
            ) -> Result<ManagedLockGuard, ManagedLockError> {
                ManagedLockGuard::told(Hold::acquire_timeout(&self.proxy, 1, limit).await?)
            }

            /// [`acquire_timeout`](Self::acquire_timeout) that blocks the thread.
            ///
            /// # Errors
            /// As there.
            pub fn blocking_acquire_timeout(
                &self,
                limit: Duration,
            ) -> Result<ManagedLockGuard, ManagedLockError> {
                ManagedLockGuard::told(Hold::blocking_acquire(&self.proxy, 1, Some(limit))?)
            }

            /// Takes it, if it is free and nobody waits for it.
            ///
            /// # Errors
            /// See [`ManagedLockError`].
            ///
            /// # Cancel safety
            /// As for [`acquire`](Self::acquire).
            pub async fn try_acquire(&self) -> Result<Option<ManagedLockGuard>, ManagedLockError> {
                Hold::try_acquire(&self.proxy, 1).await?.map(ManagedLockGuard::told).transpose()
            }

            /// [`try_acquire`](Self::try_acquire) that blocks the thread until the manager has answered.
            ///
            /// # Errors
            /// As there.
            pub fn blocking_try_acquire(&self) -> Result<Option<ManagedLockGuard>, ManagedLockError> {
                Hold::blocking_try_acquire(&self.proxy, 1)?.map(ManagedLockGuard::told).transpose()
            }

            verbs! {
                /// Whether somebody has it.
                ///
                /// # Errors
                /// [`ManagerError`].
                locked / blocking_locked(&self) -> bool {
                    ask(Ask::Permits, []) => |reply| Ok(reply.number() == 0)
                }
            }
        }
    };
}

lock_verbs!(ManagedLock);
lock_verbs!(ManagedRLock);
