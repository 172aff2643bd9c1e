//! Barriers.

use super::{ManagerError, managed, nothing, number, verbs};
use crate::{
    process::manager::wire::{Ask, ask},
    time::timeout,
};
use std::time::Duration;

managed! {
    /// A barrier that a [`Manager`](crate::process::Manager) keeps: a proxy, of which any number of processes may have one. A fixed
    /// number of tasks and threads in them wait for each other, again and again.
    ///
    /// It breaks if one of those who wait dies with its process, is over the time limit, or [aborts](Self::abort) it: nobody waits
    /// for those who will not come.
    ///
    /// ```
    /// use runtime::process::Manager;
    ///
    /// #[runtime::main]
    /// async fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     let manager = Manager::start().await?;
    ///     let both = manager.barrier(2).await?;
    ///     let (one, other) = runtime::join!(both.wait(), both.wait());
    ///     assert_eq!(one? + other?, 1);
    ///     manager.shutdown().await?;
    ///     Ok(())
    /// }
    /// ```
    ManagedBarrier
}

impl ManagedBarrier {
    verbs! {
        /// Waits until all are there. The numbers of a round are 0, 1, 2 … in the order of arrival.
        ///
        /// # Errors
        /// [`Broken`](ManagerError::Broken) if the barrier is broken, also meanwhile, or is reset; or another [`ManagerError`].
        ///
        /// # Cancel safety
        /// Dropping it gives the place up: one more has to come. It does not break the barrier.
        wait / blocking_wait(&self) -> usize {
            ask(Ask::Arrive, []) => number
        }

        /// Breaks it: whoever waits, and whoever comes, gets [`Broken`](ManagerError::Broken), until it is [reset](Self::reset).
        ///
        /// # Errors
        /// [`ManagerError`].
        abort / blocking_abort(&self) -> () {
            ask(Ask::Abort, []) => nothing
        }

        /// Begins anew: whoever waits gets [`Broken`](ManagerError::Broken), and the barrier is whole again.
        ///
        /// # Errors
        /// [`ManagerError`].
        reset / blocking_reset(&self) -> () {
            ask(Ask::Reset, []) => nothing
        }

        /// How many wait.
        ///
        /// # Errors
        /// [`Broken`](ManagerError::Broken), or another [`ManagerError`].
        waiting / blocking_waiting(&self) -> usize {
            ask(Ask::Waiting, []) => number
        }
    }

    /// [`wait`](Self::wait) for at most `limit`; after that it breaks the barrier.
    ///
    /// # Errors
    /// As there, also if the limit is reached.
    ///
    /// # Cancel safety
    /// As there.
    pub async fn wait_timeout(&self, limit: Duration) -> Result<usize, ManagerError> {
        let mut line = self.proxy.line().await?;
        if let Ok(reply) = timeout(limit, line.call(ask(Ask::Arrive, []))).await {
            return reply.map(|reply| reply.number());
        }
        // The others may have come at the last moment.
        match line.time_is_up()? {
            true => line.answer().await.map(|reply| reply.number()),
            false => Err(ManagerError::Broken),
        }
    }

    /// [`wait_timeout`](Self::wait_timeout) that blocks the thread.
    ///
    /// # Errors
    /// As there.
    pub fn blocking_wait_timeout(&self, limit: Duration) -> Result<usize, ManagerError> {
        let mut line = self.proxy.blocking_line()?;
        match line.blocking_call(ask(Ask::Arrive, []), Some(limit)) {
            Err(ManagerError::Elapsed) => {}
            reply => return reply.map(|reply| reply.number()),
        }
        match line.time_is_up()? {
            true => line.blocking_answer().map(|reply| reply.number()),
            false => Err(ManagerError::Broken),
        }
    }
}
