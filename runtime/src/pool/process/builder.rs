//! Settings of a pool of processes.

use super::{ProcessPool, office::Office, wire::SETUP_BYTES};
use crate::process::{Data, Function, StartError, luggage, packet::Packet, registry};
use std::{fmt, io, thread};

/// The most jobs that wait, unless said otherwise, as for a pool of threads.
const MAX_QUEUED: usize = 1 << 20;

/// How long arguments and results may be, written down, unless said otherwise.
const MAX_MESSAGE_BYTES: usize = 64 << 20;

/// What packets have beside what is the user's; generously.
const HEAD_BYTES: usize = 64;

/// Settings of a [`ProcessPool`].
///
/// ```
/// use runtime::pool::ProcessPool;
/// use std::cell::Cell;
///
/// thread_local! { static FACTOR: Cell<u64> = const { Cell::new(0) } }
///
/// fn prepare(factor: u64) {
///     FACTOR.set(factor);
/// }
///
/// fn scale(n: u64) -> u64 {
///     n * FACTOR.get()
/// }
///
/// #[runtime::main]
/// async fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let pool = ProcessPool::builder().workers(2).initializer(prepare, 10).max_tasks_per_child(100).build()?;
///     assert_eq!(pool.submit(scale, 7).await?, 70);
///     Ok(())
/// }
/// ```
#[must_use = "a builder does nothing until `build`"]
pub struct ProcessPoolBuilder {
    settings: Settings,
    /// Why the arguments of the initializer cannot go to another process.
    problem: Option<String>,
}

/// What a pool was asked to be.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) workers: usize,
    pub(super) max_tasks: Option<u64>,
    pub(super) max_queued: usize,
    pub(super) max_message: usize,
    pub(super) name: String,
    pub(super) initializer: Option<Initializer>,
}

/// What each worker calls first.
#[derive(Debug)]
pub(super) struct Initializer {
    pub(super) function: u32,
    pub(super) arguments: Packet,
}

impl Settings {
    /// How long a packet may be, on the lines to the workers.
    pub(super) fn packet_limit(&self) -> usize {
        self.max_message.saturating_add(HEAD_BYTES)
    }
}

impl Default for ProcessPoolBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl ProcessPoolBuilder {
    /// The defaults: as many workers as there are processors; a million jobs may wait; 64 MiB for arguments and for results.
    pub fn new() -> Self {
        let settings = Settings {
            workers: thread::available_parallelism().map_or(1, usize::from),
            max_tasks: None,
            max_queued: MAX_QUEUED,
            max_message: MAX_MESSAGE_BYTES,
            name: "process-pool".to_owned(),
            initializer: None,
        };
        Self { settings, problem: None }
    }

    /// How many workers there are.
    ///
    /// # Panics
    /// On 0, with which no job would ever be done.
    #[track_caller]
    pub fn workers(mut self, workers: usize) -> Self {
        assert!(workers > 0, "a pool of 0 processes would never do a job: use at least 1");
        self.settings.workers = workers;
        self
    }

    /// What the workers are called: `name-1`, `name-2` and so on, also those that take another's place; `process-pool` unless
    /// said otherwise.
    ///
    /// # Panics
    /// If there is a NUL byte in it, which the system does not take.
    #[track_caller]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        let name = name.into();
        assert!(!name.contains('\0'), "the name of a process has no NUL byte, and {name:?} has");
        self.settings.name = name;
        self
    }

    /// Called by each worker before its first job.
    ///
    /// If it panics, that worker ends. If all do, the jobs that wait fail with
    /// [`JobError::Initializer`](super::super::JobError::Initializer), which has what it said. When a job is submitted after that,
    /// a single worker tries again.
    pub fn initializer<A: Data, K: 'static, F: Function<A, K>>(mut self, _function: F, arguments: A) -> Self {
        let packet = luggage::encode(&arguments).map_err(|error| error.to_string());
        // Descriptors among them are the workers' from now on.
        drop(arguments);
        let function = registry::id_of::<F, A, K>().map_err(|error| error.to_string());
        match function.and_then(|function| Ok((function.number(), packet?))) {
            Ok((function, arguments)) => {
                self.settings.initializer = Some(Initializer { function, arguments });
            }
            Err(problem) => self.problem = Some(problem),
        }
        self
    }

    /// How many jobs a worker does before another takes its place (`maxtasksperchild`), for functions that leave behind what
    /// only the end of a process clears away. No limit unless said otherwise.
    ///
    /// # Panics
    /// On 0.
    #[track_caller]
    pub fn max_tasks_per_child(mut self, jobs: u64) -> Self {
        assert!(jobs > 0, "a worker of 0 jobs would never do one: use at least 1");
        self.settings.max_tasks = Some(jobs);
        self
    }

    /// The most jobs that may wait for a worker; a million (2^20) unless said otherwise. One more is refused: its outcome is
    /// [`JobError::QueueFull`](super::super::JobError::QueueFull).
    pub fn max_queued(mut self, jobs: usize) -> Self {
        self.settings.max_queued = jobs;
        self
    }

    /// How many bytes the arguments of a job, and its result, may take, written down; 64 MiB unless said otherwise. A job with
    /// more has [`JobError::Arguments`](super::super::JobError::Arguments) or
    /// [`JobError::ResultLost`](super::super::JobError::ResultLost) as its outcome, and nobody else is concerned.
    pub fn max_message(mut self, bytes: usize) -> Self {
        self.settings.max_message = bytes;
        self
    }

    /// Makes the pool, and starts the workers.
    ///
    /// # Errors
    /// [`StartError`] if no process can be started: the program did not begin with `#[runtime::main]`, `#[runtime::test]` or
    /// [`process::init`](crate::process::init()), or the system has no room. Also if the initializer's arguments cannot go to
    /// another process.
    pub fn build(self) -> Result<ProcessPool, StartError> {
        if let Some(problem) = self.problem {
            let problem = format!("the initializer cannot be called in another process: {problem}");
            return Err(StartError::System(io::Error::new(io::ErrorKind::InvalidInput, problem)));
        }
        Ok(ProcessPool::of(Office::open(self.settings)?))
    }
}

const _: () = assert!(SETUP_BYTES < HEAD_BYTES, "the limit counts what is the user's");

impl fmt::Debug for ProcessPoolBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Settings { workers, max_tasks, max_queued, max_message, name, initializer } = &self.settings;
        f.debug_struct("ProcessPoolBuilder")
            .field("workers", workers)
            .field("max_tasks_per_child", max_tasks)
            .field("max_queued", max_queued)
            .field("max_message", max_message)
            .field("name", name)
            .field("has_initializer", &initializer.is_some())
            .finish()
    }
}
