//! Settings of a pool of threads.

use super::{ThreadPool, crew};
use std::{fmt, thread};

/// The most jobs that wait, unless said otherwise. A million is beyond what any number of threads works off in useful time:
/// whoever queues more has lost count, and is told rather than killed for memory.
const MAX_QUEUED: usize = 1 << 20;

/// Threads beside one per processor, as jobs of threads wait rather than compute, and the most of both: as many as
/// `concurrent.futures` has by default since Python 3.8.
const SPARE_THREADS: usize = 4;
const MAX_DEFAULT_THREADS: usize = 32;

/// Settings of a [`ThreadPool`].
///
/// ```
/// use runtime::pool::ThreadPool;
///
/// let pool = ThreadPool::builder()
///     .threads(2)
///     .name("decoder")
///     .initializer(|| println!("one more thread"))
///     .build();
/// let name = pool.submit(|| std::thread::current().name().map(str::to_owned), ()).get(None).unwrap();
/// assert_eq!(name.as_deref(), Some("decoder-0"));
/// ```
#[must_use = "a builder does nothing until `build`"]
pub struct ThreadPoolBuilder {
    config: crew::Config,
}

impl Default for ThreadPoolBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl ThreadPoolBuilder {
    /// The defaults: four threads more than there are processors, but at most 32; a million jobs may wait.
    pub fn new() -> Self {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let max_threads = (processors + SPARE_THREADS).min(MAX_DEFAULT_THREADS);
        let name = "thread-pool".to_owned();
        Self { config: crew::Config { max_threads, max_queued: MAX_QUEUED, name, initializer: None } }
    }

    /// The most threads.
    ///
    /// # Panics
    /// On 0, with which no job would ever be done.
    #[track_caller]
    pub fn threads(mut self, threads: usize) -> Self {
        assert!(threads > 0, "a pool of 0 threads would never do a job: use at least 1");
        self.config.max_threads = threads;
        self
    }

    /// What the threads are called: `name-0`, `name-1` and so on; `thread-pool` unless said otherwise.
    ///
    /// # Panics
    /// If there is a NUL byte in it, which the system does not take.
    #[track_caller]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        let name = name.into();
        assert!(!name.contains('\0'), "the name of a thread has no NUL byte, and {name:?} has");
        self.config.name = name;
        self
    }

    /// The most jobs that may wait for a thread; a million (2^20) unless said otherwise. One more is refused: its outcome is
    /// [`JobError::QueueFull`](super::super::JobError::QueueFull).
    pub fn max_queued(mut self, jobs: usize) -> Self {
        self.config.max_queued = jobs;
        self
    }

    /// Called by each thread before its first job. If it panics the pool is of no use: all jobs that have not begun, and all that
    /// are submitted later, fail with [`JobError::Initializer`](super::super::JobError::Initializer), which has what it said.
    ///
    /// ```
    /// use runtime::pool::{JobError, ThreadPool};
    ///
    /// let pool = ThreadPool::builder().initializer(|| panic!("no connection")).build();
    /// match pool.submit(|| unreachable!(), ()).get(None) {
    ///     Err(JobError::Initializer(why)) => assert_eq!(why, "no connection"),
    ///     Err(error) => panic!("{error}"),
    ///     Ok(()) => (),
    /// }
    /// ```
    pub fn initializer(mut self, initializer: impl Fn() + Send + Sync + 'static) -> Self {
        self.config.initializer = Some(Box::new(initializer));
        self
    }

    /// Makes the pool. Threads are started when there are jobs.
    pub fn build(self) -> ThreadPool {
        ThreadPool::start(self.config)
    }
}

impl fmt::Debug for ThreadPoolBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let crew::Config { max_threads, max_queued, name, initializer } = &self.config;
        f.debug_struct("ThreadPoolBuilder")
            .field("threads", max_threads)
            .field("max_queued", max_queued)
            .field("name", name)
            .field("has_initializer", &initializer.is_some())
            .finish()
    }
}
