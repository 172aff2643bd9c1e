//! Events.

use super::{ManagerError, managed, nothing, verbs, yes};
use crate::{
    process::manager::wire::{Ask, ask},
    time::timeout,
};
use std::time::Duration;

managed! {
    /// An event that a [`Manager`](crate::process::Manager) keeps: a proxy, of which any number of processes may have one, to wait
    /// until one of them sets it.
    ///
    /// ```
    /// use runtime::process::Manager;
    ///
    /// #[runtime::main]
    /// async fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     let manager = Manager::start().await?;
    ///     let ready = manager.event().await?;
    ///     let waiter = runtime::spawn({
    ///         let ready = ready.clone();
    ///         async move { ready.wait().await }
    ///     });
    ///     ready.set().await?;
    ///     waiter.await??;
    ///     manager.shutdown().await?;
    ///     Ok(())
    /// }
    /// ```
    ManagedEvent
}

impl ManagedEvent {
    verbs! {
        /// Sets it: all who wait go on, and whoever comes need not wait.
        ///
        /// # Errors
        /// [`ManagerError`].
        set / blocking_set(&self) -> () {
            ask(Ask::Set, []) => nothing
        }

        /// Makes it as it was: whoever comes waits.
        ///
        /// # Errors
        /// [`ManagerError`].
        clear / blocking_clear(&self) -> () {
            ask(Ask::Unset, []) => nothing
        }

        /// Whether it is set.
        ///
        /// # Errors
        /// [`ManagerError`].
        is_set / blocking_is_set(&self) -> bool {
            ask(Ask::IsSet, []) => yes
        }

        /// Waits until it is set.
        ///
        /// # Errors
        /// [`ManagerError`].
        ///
        /// # Cancel safety
        /// Dropped before it is ready, it leaves nothing behind.
        wait / blocking_wait(&self) -> () {
            ask(Ask::WaitSet, []) => nothing
        }
    }

    /// [`wait`](Self::wait) for at most `limit`; whether it was set within that.
    ///
    /// # Errors
    /// [`ManagerError`].
    ///
    /// # Cancel safety
    /// As there.
    pub async fn wait_timeout(&self, limit: Duration) -> Result<bool, ManagerError> {
        match timeout(limit, self.wait()).await {
            Ok(waited) => waited.map(|()| true),
            Err(_elapsed) => Ok(false),
        }
    }

    /// [`wait_timeout`](Self::wait_timeout) that blocks the thread.
    ///
    /// # Errors
    /// As there.
    pub fn blocking_wait_timeout(&self, limit: Duration) -> Result<bool, ManagerError> {
        match self.proxy.blocking_call_within(ask(Ask::WaitSet, []), limit) {
            Err(ManagerError::Elapsed) => Ok(false),
            waited => waited.map(|_| true),
        }
    }
}
