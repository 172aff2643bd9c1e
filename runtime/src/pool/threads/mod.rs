//! `ThreadPool`: jobs on threads.

mod builder;
pub(super) mod crew;
mod errand;

pub use builder::ThreadPoolBuilder;

use super::{Call, ImapUnordered, Job, JobError, JobPanic, Map, Shutdown, map::Submit, ticket::Outcome};
use crate::doze::Doze;
use crew::Crew;
use errand::Errand;
use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::Arc,
    task::Context,
};

/// Threads for jobs that block or compute (`ThreadPoolExecutor`, `multiprocessing.dummy.Pool`). Cheap to clone; all clones are
/// the one pool, and any thread may use it, whether it runs a runtime or not.
///
/// Threads are started as jobs come, up to the limit, and live as long as the pool. Jobs are begun in the order of submission.
///
/// [`spawn_blocking`](crate::spawn_blocking) is the shorter way to a thread for code that waits. A pool of one's own has a limit
/// of its own, jobs that can be cancelled while they wait, callbacks, and an end to wait for.
///
/// A job may submit jobs to its own pool, and [`get`](Job::get) them. Not `.await` them, by a runtime of its own: it would keep
/// its thread meanwhile, and without a free one they never begin.
///
/// While jobs are open, the clock of the runtime that submitted them stands still if it is [paused](crate::time::pause).
///
/// Dropping the last clone closes the pool without waiting: what has not begun is not done, and its outcome is
/// [`JobError::PoolClosed`]; what has begun goes on. To have all of it done, await [`shutdown`](ThreadPool::shutdown) before.
///
/// ```
/// use runtime::pool::ThreadPool;
///
/// #[runtime::main]
/// async fn main() {
///     let pool = ThreadPool::new(3);
///     let text = String::from("three words here");
///     let words = pool.submit(move || text.split(' ').count(), ());
///     assert_eq!(words.await.unwrap(), 3);
/// }
/// ```
#[derive(Clone)]
pub struct ThreadPool {
    owner: Arc<Owner>,
}

/// Closes the crew when the last handle is gone. (Jobs and threads have the crew as well.)
struct Owner {
    crew: Arc<Crew>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.crew.close();
        self.crew.clear(|| JobError::PoolClosed);
    }
}

impl Default for ThreadPool {
    /// A pool of as many threads as [`ThreadPoolBuilder`] has by default.
    fn default() -> Self {
        Self::builder().build()
    }
}

impl ThreadPool {
    /// A pool of at most so many threads.
    ///
    /// # Panics
    /// On 0, with which no job would ever be done.
    #[track_caller]
    pub fn new(threads: usize) -> Self {
        Self::builder().threads(threads).build()
    }

    /// Settings, to begin with.
    pub fn builder() -> ThreadPoolBuilder {
        ThreadPoolBuilder::new()
    }

    fn start(config: crew::Config) -> Self {
        Self { owner: Arc::new(Owner { crew: Arc::new(Crew::new(config)) }) }
    }

    /// Has `function` called with `arguments` on a thread of the pool: the one argument, or a tuple of none or several.
    ///
    /// Never waits. A job that the pool does not take (it is closed, or a million wait) is a job all the same, whose outcome says
    /// so.
    ///
    /// ```
    /// use runtime::pool::ThreadPool;
    /// # runtime::run(async {
    /// let pool = ThreadPool::default();
    /// assert_eq!(pool.submit(u32::is_power_of_two, 64).await.unwrap(), true);
    /// assert_eq!(pool.submit(|a: u32, b: u32| a + b, (1, 2)).await.unwrap(), 3);
    /// assert_eq!(pool.submit(|| "nothing", ()).await.unwrap(), "nothing");
    /// # });
    /// ```
    pub fn submit<A, K, F>(&self, function: F, arguments: A) -> Job<F::Output>
    where
        A: Send + 'static,
        F: Call<A, K>,
    {
        self.begin(move |_| function.call(arguments))
    }

    /// Queues what a thread is to do.
    pub(super) fn begin<T: Send + 'static>(
        &self,
        work: impl FnOnce(&crew::Seat) -> T + Send + 'static,
    ) -> Job<T> {
        let crew = &self.owner.crew;
        let errand = Arc::new(Errand::new(crew, work));
        let job = Job::new(errand.clone());
        crew.push(errand);
        job
    }

    /// The result of one job (`Pool.apply`): [`submit`](ThreadPool::submit), and await.
    ///
    /// # Errors
    /// Why there is no result.
    ///
    /// # Cancel safety
    /// Dropped before the job has begun, it cancels the job. One that has begun goes on, and its result is dropped.
    pub async fn apply<A, K, F>(&self, function: F, arguments: A) -> Result<F::Output, JobError>
    where
        A: Send + 'static,
        F: Call<A, K>,
    {
        self.submit(function, arguments).owned().outcome().await
    }

    /// Calls `f` with each item on a thread of the pool; the results come in the order of the items (`Executor.map`).
    ///
    /// Nothing is submitted until a result is asked for, and then only so far [ahead](Map::buffer).
    ///
    /// ```
    /// use runtime::pool::ThreadPool;
    /// # runtime::run(async {
    /// let pool = ThreadPool::new(3);
    /// let mut lengths = pool.map(["one", "three"], |word| word.len());
    /// while let Some(length) = lengths.next().await {
    ///     println!("{}", length.unwrap());
    /// }
    /// # });
    /// ```
    pub fn map<I, R, F>(&self, items: I, f: F) -> Map<I::IntoIter, R>
    where
        I: IntoIterator<Item: Send + 'static>,
        R: Send + 'static,
        F: Fn(I::Item) -> R + Send + Sync + 'static,
    {
        Map::new(items.into_iter(), self.max_threads(), self.submitter(move |item, _| f(item)))
    }

    /// The same, with the results in the order in which they come (`Pool.imap_unordered`).
    pub fn imap_unordered<I, R, F>(&self, items: I, f: F) -> ImapUnordered<I::IntoIter, R>
    where
        I: IntoIterator<Item: Send + 'static>,
        R: Send + 'static,
        F: Fn(I::Item) -> R + Send + Sync + 'static,
    {
        ImapUnordered::new(items.into_iter(), self.max_threads(), self.submitter(move |item, _| f(item)))
    }

    /// For a map of `f`.
    pub(super) fn submitter<A, R>(
        &self,
        f: impl Fn(A, &crew::Seat) -> R + Send + Sync + 'static,
    ) -> Box<dyn Submit<A, R>>
    where
        A: Send + 'static,
        R: Send + 'static,
    {
        Box::new(Submitter { pool: self.clone(), f: Arc::new(f) })
    }

    /// The most threads that it has.
    pub fn max_threads(&self) -> usize {
        self.owner.crew.max_threads()
    }

    /// Takes no more jobs from now on, and resolves when all are done, their callbacks were called, and the threads have ended
    /// (`close` and `join`). [`Shutdown`] says what becomes of jobs that have not begun.
    ///
    /// It closes the pool at once, also if what this returns is not awaited. May be called again: another one waits as well,
    /// and one with [`Shutdown::CancelPending`] cancels what the first would have waited for.
    ///
    /// A job that never returns is waited for for ever: put it in a [`timeout`](crate::time::timeout), and
    /// [`terminate`](ThreadPool::terminate) says how many those were.
    ///
    /// # Panics
    /// In a job of this pool, which would wait for itself.
    ///
    /// # Cancel safety
    /// Dropping it gives up waiting; the pool is closed.
    #[track_caller]
    #[must_use = "the pool is closed by now, but nobody waits for what it does still"]
    pub fn shutdown(&self, how: Shutdown) -> impl Future<Output = ()> + Send + use<> {
        let crew = Arc::clone(&self.owner.crew);
        assert!(
            !crew.is_here(),
            "a job that waits for the end of its own pool waits for itself: shut the pool down where it was made"
        );
        crew.close();
        if how == Shutdown::CancelPending {
            crew.clear(|| JobError::Cancelled);
        }
        async move { crew.ended().await }
    }

    /// [`shutdown`](ThreadPool::shutdown) for threads that run no runtime: blocks until all is done.
    ///
    /// ```
    /// use runtime::pool::{Shutdown, ThreadPool};
    /// let pool = ThreadPool::new(2);
    /// let job = pool.submit(|| 42, ());
    /// pool.blocking_shutdown(Shutdown::Wait);
    /// assert!(job.is_done());
    /// ```
    ///
    /// # Panics
    /// On a thread that runs a runtime, as the callbacks that it waits for are to be called there; in a job of this pool.
    #[track_caller]
    pub fn blocking_shutdown(&self, how: Shutdown) {
        let done = self.shutdown(how);
        #[cfg(feature = "greenlet")]
        if crate::greenlet::is_inside() {
            return crate::greenlet::wait(done);
        }
        assert!(
            !runtime_executor::current::is_entered(),
            "`blocking_shutdown` would block the thread on which callbacks of the jobs are to be called: await `shutdown` here"
        );
        let doze = Arc::new(Doze::default());
        let waker = Arc::clone(&doze).into();
        let mut done = pin!(done);
        while done.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
            doze.sleep(None);
        }
    }

    /// Takes no more jobs, cancels those that have not begun, and waits for nothing. Gives how many still run: nothing can stop
    /// a thread, so those go on, and with `main` they end wherever they are.
    pub fn terminate(&self) -> usize {
        let crew = &self.owner.crew;
        crew.close();
        crew.clear(|| JobError::Cancelled);
        crew.running()
    }
}

/// What a map calls, and where.
struct Submitter<F> {
    pool: ThreadPool,
    f: Arc<F>,
}

impl<A, R, F> Submit<A, R> for Submitter<F>
where
    A: Send + 'static,
    R: Send + 'static,
    F: Fn(A, &crew::Seat) -> R + Send + Sync + 'static,
{
    fn item(&self, item: A) -> Job<R> {
        let f = Arc::clone(&self.f);
        self.pool.begin(move |seat| f(item, seat))
    }

    fn chunk(&self, items: Vec<A>) -> Job<Vec<Outcome<R>>> {
        let f = Arc::clone(&self.f);
        self.pool.begin(move |seat| {
            let call = |item| catch_unwind(AssertUnwindSafe(|| f(item, seat)));
            let failed = |payload| JobError::Panicked(JobPanic::here(payload));
            items.into_iter().map(|item| call(item).map_err(failed)).collect()
        })
    }
}

impl fmt::Debug for ThreadPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.owner.crew.fmt(f)
    }
}
