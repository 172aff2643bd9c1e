//! What pools of threads and of processes have in common.

use super::{ImapUnordered, Job, JobError, Map, Shutdown, ThreadPool, map::Submit};
use crate::process::{Data, Function};

/// A pool of threads or of processes, for code that is to work with either (`concurrent.futures.Executor`).
///
/// What it does is called in another process, perhaps: so it takes functions that capture nothing, and values that can be written
/// down (see [`Function`]). Both pools have the same methods without this trait; those of [`ThreadPool`] take more.
///
/// On a thread an `async` function is driven by a runtime that the thread has for the purpose, one function after the other, as
/// in a process. If it awaits another job of its own pool it keeps its thread meanwhile: on a pool without a free one that job
/// never begins.
///
/// ```
/// use runtime::pool::{Pool, Shutdown, ThreadPool};
///
/// fn square(n: u64) -> u64 { n * n }
/// async fn later(n: u64) -> u64 { runtime::task::yield_now().await; n + 1 }
///
/// async fn work(pool: &impl Pool) {
///     assert_eq!(pool.submit(square, 7_u64).await.unwrap(), 49);
///     assert_eq!(pool.submit(later, 7_u64).await.unwrap(), 8);
///     assert_eq!(pool.map(1..5_u64, square).collect().await.unwrap(), [1, 4, 9, 16]);
///     pool.shutdown(Shutdown::Wait).await;
/// }
///
/// # runtime::run(async {
/// work(&ThreadPool::new(3)).await; // or ProcessPool::new(3)?
/// # });
/// ```
pub trait Pool {
    /// Has `function` called with `arguments`: the one argument, or a tuple of none or several. Never waits; a job that the pool
    /// does not take has that as its outcome.
    fn submit<A, K, F>(&self, function: F, arguments: A) -> Job<F::Output>
    where
        A: Data + Send,
        K: 'static,
        F: Function<A, K, Output: Send>;

    /// The result of one job: [`submit`](Pool::submit), and await.
    ///
    /// # Errors
    /// Why there is no result.
    ///
    /// # Cancel safety
    /// Dropped before the job has begun, it cancels the job.
    fn apply<A, K, F>(&self, function: F, arguments: A) -> impl Future<Output = Result<F::Output, JobError>>
    where
        A: Data + Send,
        K: 'static,
        F: Function<A, K, Output: Send>,
    {
        let job = self.submit(function, arguments).owned();
        job.outcome()
    }

    /// Calls `function` with each item; the results come in the order of the items. See [`Map`].
    fn map<I, K, F>(&self, items: I, function: F) -> Map<I::IntoIter, F::Output>
    where
        I: IntoIterator<Item: Data + Send>,
        K: 'static,
        F: Function<I::Item, K, Output: Send>;

    /// The same, with the results in the order in which they come.
    fn imap_unordered<I, K, F>(&self, items: I, function: F) -> ImapUnordered<I::IntoIter, F::Output>
    where
        I: IntoIterator<Item: Data + Send>,
        K: 'static,
        F: Function<I::Item, K, Output: Send>;

    /// Takes no more jobs from now on, and resolves when all are done, their callbacks were called, and the workers have ended.
    ///
    /// # Cancel safety
    /// Dropping it gives up waiting; the pool is closed.
    fn shutdown(&self, how: Shutdown) -> impl Future<Output = ()>;
}

impl Pool for ThreadPool {
    fn submit<A, K, F>(&self, function: F, arguments: A) -> Job<F::Output>
    where
        A: Data + Send,
        K: 'static,
        F: Function<A, K, Output: Send>,
    {
        captures_nothing::<F>();
        self.begin(move |seat| function.call(arguments, &seat.host))
    }

    fn map<I, K, F>(&self, items: I, function: F) -> Map<I::IntoIter, F::Output>
    where
        I: IntoIterator<Item: Data + Send>,
        K: 'static,
        F: Function<I::Item, K, Output: Send>,
    {
        Map::new(items.into_iter(), self.max_threads(), self.calls_of(function))
    }

    fn imap_unordered<I, K, F>(&self, items: I, function: F) -> ImapUnordered<I::IntoIter, F::Output>
    where
        I: IntoIterator<Item: Data + Send>,
        K: 'static,
        F: Function<I::Item, K, Output: Send>,
    {
        ImapUnordered::new(items.into_iter(), self.max_threads(), self.calls_of(function))
    }

    fn shutdown(&self, how: Shutdown) -> impl Future<Output = ()> {
        ThreadPool::shutdown(self, how)
    }
}

impl ThreadPool {
    /// For a map of a function that could be a process pool's as well.
    fn calls_of<A, K, F>(&self, function: F) -> Box<dyn Submit<A, F::Output>>
    where
        A: Data + Send,
        K: 'static,
        F: Function<A, K, Output: Send>,
    {
        captures_nothing::<F>();
        self.submitter(move |item, seat| function.call(item, &seat.host))
    }
}

/// Cannot be compiled for a function that another process could not call.
fn captures_nothing<F>() {
    const {
        assert!(
            size_of::<F>() == 0,
            "the functions of a `Pool` capture nothing: pass what they need as an argument"
        );
    }
}
