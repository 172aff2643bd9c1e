//! Many jobs, and the trait that both kinds of pool have.

use super::ProcessPool;
use crate::{
    pool::{ImapUnordered, Job, Map, Pool, Shutdown},
    process::{Data, Function},
};

/// So many times as many jobs are ahead as in a pool of threads: what is short lies ready at the workers.
const AHEAD: usize = 32;

impl ProcessPool {
    /// Calls `function` with each item in a process of the pool; the results come in the order of the items (`Executor.map`,
    /// `Pool.map`).
    ///
    /// Nothing is submitted until a result is asked for, and then only so far [ahead](Map::buffer): 64 jobs for each worker,
    /// unless said otherwise. There is no chunk size to choose: short jobs are sent ahead of time as it is.
    ///
    /// ```
    /// use runtime::pool::ProcessPool;
    ///
    /// #[runtime::main]
    /// async fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     let pool = ProcessPool::new(3)?;
    ///     let squares = pool.map(1..5_u64, |n: u64| n * n).collect().await?;
    ///     assert_eq!(squares, [1, 4, 9, 16]);
    ///     Ok(())
    /// }
    /// ```
    pub fn map<I, K, F>(&self, items: I, function: F) -> Map<I::IntoIter, F::Output>
    where
        I: IntoIterator<Item: Data>,
        K: 'static,
        F: Function<I::Item, K, Output: Send>,
    {
        let pool = self.clone();
        Map::new(items.into_iter(), self.ahead(), Box::new(move |item| pool.submit(function, item)))
    }

    /// The same, with the results in the order in which they come (`Pool.imap_unordered`).
    pub fn imap_unordered<I, K, F>(&self, items: I, function: F) -> ImapUnordered<I::IntoIter, F::Output>
    where
        I: IntoIterator<Item: Data>,
        K: 'static,
        F: Function<I::Item, K, Output: Send>,
    {
        let pool = self.clone();
        ImapUnordered::new(items.into_iter(), self.ahead(), Box::new(move |item| pool.submit(function, item)))
    }

    fn ahead(&self) -> usize {
        self.owner.office.settings.workers.saturating_mul(AHEAD)
    }
}

impl Pool for ProcessPool {
    fn submit<A, K, F>(&self, function: F, arguments: A) -> Job<F::Output>
    where
        A: Data + Send,
        K: 'static,
        F: Function<A, K, Output: Send>,
    {
        Self::submit(self, function, arguments)
    }

    fn map<I, K, F>(&self, items: I, function: F) -> Map<I::IntoIter, F::Output>
    where
        I: IntoIterator<Item: Data + Send>,
        K: 'static,
        F: Function<I::Item, K, Output: Send>,
    {
        Self::map(self, items, function)
    }

    fn imap_unordered<I, K, F>(&self, items: I, function: F) -> ImapUnordered<I::IntoIter, F::Output>
    where
        I: IntoIterator<Item: Data + Send>,
        K: 'static,
        F: Function<I::Item, K, Output: Send>,
    {
        Self::imap_unordered(self, items, function)
    }

    fn shutdown(&self, how: Shutdown) -> impl Future<Output = ()> {
        Self::shutdown(self, how)
    }
}
