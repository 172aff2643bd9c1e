//! Many jobs, and the trait that both kinds of pool have.

use super::{ProcessPool, job::read_each};
use crate::{
    pool::{ImapUnordered, Job, Map, Pool, Shutdown, map::Submit, ticket::Outcome},
    process::{Data, Function, luggage, registry},
};
use std::marker::PhantomData;

impl ProcessPool {
    /// Calls `function` with each item in a process of the pool; the results come in the order of the items (`Executor.map`,
    /// `Pool.map`).
    ///
    /// Nothing is submitted until a result is asked for, and then only so far [ahead](Map::buffer). Short jobs are sent ahead of
    /// time, many to a worker; of the shortest, several go as one with a [`chunk_size`](Map::chunk_size).
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
        Map::new(items.into_iter(), self.owner.office.settings.workers, self.submitter(function))
    }

    /// The same, with the results in the order in which they come (`Pool.imap_unordered`).
    pub fn imap_unordered<I, K, F>(&self, items: I, function: F) -> ImapUnordered<I::IntoIter, F::Output>
    where
        I: IntoIterator<Item: Data>,
        K: 'static,
        F: Function<I::Item, K, Output: Send>,
    {
        ImapUnordered::new(items.into_iter(), self.owner.office.settings.workers, self.submitter(function))
    }

    fn submitter<A, K, F>(&self, function: F) -> Box<dyn Submit<A, F::Output>>
    where
        A: Data,
        K: 'static,
        F: Function<A, K, Output: Send>,
    {
        Box::new(Submitter { pool: self.clone(), function, kind: PhantomData::<fn(K)> })
    }
}

/// What a map calls, and where.
struct Submitter<F, K> {
    pool: ProcessPool,
    function: F,
    kind: PhantomData<fn(K)>,
}

impl<A, K, F> Submit<A, F::Output> for Submitter<F, K>
where
    A: Data,
    K: 'static,
    F: Function<A, K, Output: Send>,
{
    fn item(&self, item: A) -> Job<F::Output> {
        self.pool.submit(self.function, item)
    }

    fn chunk(&self, items: Vec<A>) -> Job<Vec<Outcome<F::Output>>> {
        let pack = move |room| luggage::encode_each(room, items.into_iter().map(Ok), Err::<A, String>);
        self.pool.begin(registry::id_of_each::<F, A, K>(), pack, read_each)
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
