//! Semaphores, and those that never have more permits than they began with.

use super::{ManagedPermit, ManagerError, hold::Hold, managed, nothing, number, verbs};
use crate::process::manager::wire::{Ask, ask};
use std::time::Duration;

managed! {
    /// A semaphore that a [`Manager`](crate::process::Manager) keeps: a proxy, of which any number of processes may have one. Those
    /// who wait get permits in the order in which they asked; nobody who wants fewer passes one who wants more.
    ///
    /// Permits are a guard: dropped, or ended with its process, it gives them back.
    ///
    /// ```
    /// use runtime::process::Manager;
    ///
    /// #[runtime::main]
    /// async fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     let manager = Manager::start().await?;
    ///     let semaphore = manager.semaphore(2).await?;
    ///     let (one, other) = (semaphore.acquire().await?, semaphore.acquire().await?);
    ///     assert!(semaphore.try_acquire().await?.is_none());
    ///     one.release().await?;
    ///     assert_eq!(semaphore.available_permits().await?, 1);
    ///     drop(other);
    ///     manager.shutdown().await?;
    ///     Ok(())
    /// }
    /// ```
    ManagedSemaphore
}

managed! {
    /// A [`ManagedSemaphore`] that never has more permits than it began with: to give back more is an error.
    ///
    /// ```
    /// use runtime::process::{Manager, ManagerError};
    ///
    /// #[runtime::main]
    /// async fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     let manager = Manager::start().await?;
    ///     let semaphore = manager.bounded_semaphore(1).await?;
    ///     semaphore.acquire().await?.forget().await?;
    ///     semaphore.add_permits(1).await?;
    ///     assert!(matches!(semaphore.add_permits(1).await, Err(ManagerError::OverRelease)));
    ///     manager.shutdown().await?;
    ///     Ok(())
    /// }
    /// ```
    ManagedBoundedSemaphore
}

macro_rules! semaphore_verbs {
    ($name:ident) => {
        impl $name {
            /// Waits for a permit.
            ///
            /// # Errors
            /// [`ManagerError`].
            ///
            /// # Cancel safety
            /// Dropped before it is ready, it leaves nothing behind: a permit that is granted then goes to the next.
            pub async fn acquire(&self) -> Result<ManagedPermit, ManagerError> {
                self.acquire_many(1).await
            }

            /// [`acquire`](Self::acquire) that blocks the thread.
            ///
            /// # Errors
            /// As there.
            pub fn blocking_acquire(&self) -> Result<ManagedPermit, ManagerError> {
                self.blocking_acquire_many(1)
            }

            /// Waits for so many permits, which come all at once.
            ///
            /// # Errors
            /// [`ManagerError`]; for none, or more than a bounded semaphore ever has,
            /// [`Unreadable`](ManagerError::Unreadable).
            ///
            /// # Cancel safety
            /// As for [`acquire`](Self::acquire).
            pub async fn acquire_many(&self, count: usize) -> Result<ManagedPermit, ManagerError> {
                Hold::acquire(&self.proxy, count).await.map(|hold| ManagedPermit { hold, count })
            }

            /// [`acquire_many`](Self::acquire_many) that blocks the thread.
            ///
            /// # Errors
            /// As there.
            pub fn blocking_acquire_many(&self, count: usize) -> Result<ManagedPermit, ManagerError> {
                Hold::blocking_acquire(&self.proxy, count, None).map(|hold| ManagedPermit { hold, count })
            }

            /// [`acquire`](Self::acquire) for at most `limit`.
            ///
            /// # Errors
            /// [`Elapsed`](ManagerError::Elapsed), or another [`ManagerError`].
            ///
            /// # Cancel safety
            /// As there.
            pub async fn acquire_timeout(&self, limit: Duration) -> Result<ManagedPermit, ManagerError> {
                let hold = Hold::acquire_timeout(&self.proxy, 1, limit).await;
                hold.map(|hold| ManagedPermit { hold, count: 1 })
            }

            /// [`acquire_timeout`](Self::acquire_timeout) that blocks the thread.
            ///
            /// # Errors
            /// As there.
            pub fn blocking_acquire_timeout(&self, limit: Duration) -> Result<ManagedPermit, ManagerError> {
                let hold = Hold::blocking_acquire(&self.proxy, 1, Some(limit));
                hold.map(|hold| ManagedPermit { hold, count: 1 })
            }

            /// Takes a permit, if one is free and nobody waits.
            ///
            /// # Errors
            /// [`ManagerError`].
            ///
            /// # Cancel safety
            /// As for [`acquire`](Self::acquire).
            pub async fn try_acquire(&self) -> Result<Option<ManagedPermit>, ManagerError> {
                let hold = Hold::try_acquire(&self.proxy, 1).await?;
                Ok(hold.map(|hold| ManagedPermit { hold, count: 1 }))
            }

            /// [`try_acquire`](Self::try_acquire) that blocks the thread until the manager has answered.
            ///
            /// # Errors
            /// As there.
            pub fn blocking_try_acquire(&self) -> Result<Option<ManagedPermit>, ManagerError> {
                let hold = Hold::blocking_try_acquire(&self.proxy, 1)?;
                Ok(hold.map(|hold| ManagedPermit { hold, count: 1 }))
            }

            verbs! {
                /// Gives it so many permits more (`release`): for what was [forgotten](ManagedPermit::forget), or to begin with
                /// fewer than there will be.
                ///
                /// # Errors
                /// [`OverRelease`](ManagerError::OverRelease) if there would be more than there may be, or another
                /// [`ManagerError`].
                add_permits / blocking_add_permits(&self, count: usize) -> () {
                    ask(Ask::AddPermits { many: count as u64 }, []) => nothing
                }

                /// How many permits are free.
                ///
                /// # Errors
                /// [`ManagerError`].
                available_permits / blocking_available_permits(&self) -> usize {
                    ask(Ask::Permits, []) => number
                }
            }
        }
    };
}

semaphore_verbs!(ManagedSemaphore);
semaphore_verbs!(ManagedBoundedSemaphore);
