//! Executor and reactor as one value.

#[cfg(feature = "greenlet")]
mod greenlets;
mod insight;

#[cfg(feature = "process-pool")]
use crate::process::child::family::{self, EndOfDaemons, SeeingOff};
#[cfg(feature = "tokio-context")]
use crate::tokio_context;
use crate::{
    inspector::{self, Inspected},
    pool::Callbacks,
};
use runtime_executor::{Executor, Handle, OnExit, Report, Stopped, inspect::OnDeadlock, time::Clock};
#[cfg(feature = "greenlet")]
use runtime_io::stack::{self, StackPool};
use runtime_io::{Reactor, ThreadProbe};
use std::{io, time::Duration};

/// Runs a future, and the tasks it spawns, to its end on this thread (`asyncio.run`). Tasks that are left are
/// cancelled.
///
/// ```
/// let answer = runtime::run(async {
///     let six = runtime::spawn(async { 6 });
///     six.await.unwrap() * 7
/// });
/// assert_eq!(answer, 42);
/// ```
///
/// # Panics
/// If a runtime runs on this thread already, if the system refuses a reactor (no descriptors left), and with the
/// panic of `future`.
#[track_caller]
pub fn run<F: Future>(future: F) -> F::Output {
    Runtime::new().unwrap_or_else(|error| panic!("{error}")).block_on(future)
}

/// Settings of a [`Runtime`].
///
/// ```
/// use runtime::{Builder, OnExit, spawn, time::sleep};
/// use std::time::Duration;
///
/// let runtime = Builder::new().on_exit(OnExit::Wait).start_paused(true).build()?;
/// runtime.block_on(async {
///     spawn(async { sleep(Duration::from_secs(3600)).await; println!("main has waited for this") }).detach();
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct Builder {
    executor: runtime_executor::Builder,
    watches_stalls: bool,
    inspect: Option<bool>,
    #[cfg(feature = "greenlet")]
    stacks: stack::Options,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            executor: Executor::builder(),
            watches_stalls: false,
            inspect: None,
            #[cfg(feature = "greenlet")]
            stacks: stack::Options::default(),
        }
    }
}

impl Builder {
    /// The defaults: real clock, tasks cancelled on exit, 128 operations per poll, 512 blocking threads.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts with the clock standing still: time passes only when nothing else can happen, so hours of timers
    /// take no time. For tests; see [`time::pause`](crate::time::pause).
    pub fn start_paused(mut self, paused: bool) -> Self {
        self.executor = self.executor.clock(if paused { Clock::paused() } else { Clock::real() });
        self
    }

    /// What [`block_on`](Runtime::block_on) does with tasks that outlive its future.
    pub fn on_exit(mut self, on_exit: OnExit) -> Self {
        self.executor = self.executor.on_exit(on_exit);
        self
    }

    /// Operations that one poll of a task may do before it has to give way; 128 unless said otherwise.
    ///
    /// # Panics
    /// On 0.
    #[track_caller]
    pub fn budget(mut self, operations: u8) -> Self {
        self.executor = self.executor.budget(operations);
        self
    }

    /// What all random choices are drawn from, so that a run can be replayed; arbitrary unless said otherwise.
    pub fn seed(mut self, seed: u64) -> Self {
        self.executor = self.executor.seed(seed);
        self
    }

    /// The most threads that [`spawn_blocking`](crate::spawn_blocking) may use; 512 unless said otherwise.
    ///
    /// # Panics
    /// On 0.
    #[track_caller]
    pub fn blocking_threads(mut self, threads: usize) -> Self {
        self.executor = self.executor.blocking_threads(threads);
        self
    }

    /// How long a cleanup ([`task::defer`](crate::task::defer)) may take, also when the runtime ends; 5 seconds unless said
    /// otherwise.
    pub fn cleanup_grace(mut self, grace: Duration) -> Self {
        self.executor = self.executor.cleanup_grace(grace);
        self
    }

    /// Gives the runtime's reports to `f`, instead of writing them to standard error. It is called between two polls,
    /// inside the runtime; a panic in it goes no further.
    ///
    /// ```
    /// let runtime = runtime::Builder::new().on_report(|report| panic!("{report}")).build()?;
    /// # drop(runtime);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn on_report(mut self, f: impl Fn(&Report) + 'static) -> Self {
        self.executor = self.executor.on_report(f);
        self
    }

    /// What is done about tasks that wait for each other, as far as that can be proved: reported, unless said otherwise.
    /// See [`Deadlock`](crate::inspect::Deadlock).
    ///
    /// ```
    /// use runtime::inspect::OnDeadlock;
    /// let runtime = runtime::Builder::new().on_deadlock(OnDeadlock::Fail).build()?;
    /// # drop(runtime);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn on_deadlock(mut self, on_deadlock: OnDeadlock) -> Self {
        self.executor = self.executor.on_deadlock(on_deadlock);
        self
    }

    /// Puts an object on the runtime's shelf.
    pub(crate) fn extension(mut self, extension: impl std::any::Any) -> Self {
        self.executor = self.executor.extension(extension);
        self
    }

    /// Makes the runtime, for this thread.
    ///
    /// # Errors
    /// What the system said when it refused the reactor: usually that this process has no descriptors left.
    ///
    /// # Panics
    /// If 4,096 runtimes live in this process.
    pub fn build(self) -> io::Result<Runtime> {
        let reactor = Reactor::new()?;
        let mut executor =
            self.executor.park(reactor.clone()).extension(reactor).extension(Callbacks::default());
        #[cfg(feature = "greenlet")]
        {
            executor = executor.extension(StackPool::new(self.stacks));
        }
        if self.watches_stalls {
            executor = executor.stall_probe(ThreadProbe::new()?);
        }
        #[cfg(feature = "process-pool")]
        let (family, daemons, others) = family::found();
        #[cfg(feature = "process-pool")]
        {
            executor = executor.extension(family);
        }
        #[cfg(feature = "tokio-context")]
        let (place, tokio) = tokio_context::place();
        #[cfg(feature = "tokio-context")]
        {
            executor = executor.extension(place);
        }
        let executor = executor.build();
        let is_inspected = self.inspect.unwrap_or_else(inspector::is_asked_for);
        let inspected = if is_inspected { Inspected::begin(executor.handle().runtime()) } else { None };
        Ok(Runtime {
            #[cfg(feature = "process-pool")]
            daemons,
            _inspected: inspected,
            executor,
            #[cfg(feature = "tokio-context")]
            tokio,
            #[cfg(feature = "process-pool")]
            others,
        })
    }
}

/// A runtime as a value, to drive several futures one after the other (`asyncio.Runner`).
///
/// It belongs to the thread that made it. Dropping it cancels the tasks that are left, oldest first, and waits
/// for the blocking jobs that have started. Processes of work (`process::Process`, with feature `process-pool`) that were
/// started in it end with it if they are daemons, before the tasks; the others are waited for, after all else.
///
/// ```
/// let runtime = runtime::Runtime::new()?;
/// let ticket = runtime.block_on(async { runtime::spawn(async { 42 }) });
/// assert_eq!(runtime.block_on(ticket).unwrap(), 42); // tasks live on between calls
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Runtime {
    /// Before all else: it is main's code that has ended.
    #[cfg(feature = "process-pool")]
    daemons: EndOfDaemons,
    /// Before the executor ends, as it can no longer be asked then.
    _inspected: Option<Inspected>,
    executor: Executor,
    /// After our tasks, which use it until they are gone.
    #[cfg(feature = "tokio-context")]
    tokio: tokio_context::End,
    /// After all else: tasks may have what these wait for.
    #[cfg(feature = "process-pool")]
    others: SeeingOff,
}

impl Runtime {
    /// A runtime with the default settings.
    ///
    /// # Errors
    /// As [`Builder::build`].
    pub fn new() -> io::Result<Self> {
        Builder::new().build()
    }

    /// Settings, to begin with.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// Drives `future`, and all tasks beside it, until it is done.
    ///
    /// # Panics
    /// If a runtime runs on this thread already; with the panic of `future`; if [`Handle::stop`] was called.
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.executor.block_on(future)
    }

    /// As [`block_on`](Runtime::block_on), for programs that use [`Handle::stop`].
    ///
    /// ```
    /// use runtime::{Handle, Runtime};
    /// let runtime = Runtime::new()?;
    /// let stopped = runtime.try_block_on(async {
    ///     Handle::current().stop();
    ///     std::future::pending::<()>().await
    /// });
    /// assert!(stopped.is_err());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Stopped`] if the runtime was stopped before `future` was done.
    ///
    /// # Panics
    /// If a runtime runs on this thread already; with the panic of `future`.
    #[track_caller]
    pub fn try_block_on<F: Future>(&self, future: F) -> Result<F::Output, Stopped> {
        self.executor.try_block_on(future)
    }

    /// A front for other threads.
    pub fn handle(&self) -> Handle {
        self.executor.handle()
    }

    /// Ends the runtime as dropping it does, but waits no longer than `limit` for blocking jobs that have
    /// started, for processes of work, and for the runtime's own tokio (feature `tokio-context`); gives how many jobs were still
    /// running and are left to themselves.
    ///
    /// ```
    /// let runtime = runtime::Runtime::new()?;
    /// assert_eq!(runtime.shutdown_timeout(std::time::Duration::from_secs(1)), 0);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn shutdown_timeout(self, limit: Duration) -> usize {
        #[cfg(any(feature = "process-pool", feature = "tokio-context"))]
        let remaining = {
            let clock = Clock::real();
            let deadline = clock.now() + limit;
            move || deadline.saturating_duration_since(clock.now())
        };
        #[cfg(feature = "process-pool")]
        drop(self.daemons);
        let left = self.executor.shutdown_timeout(limit);
        #[cfg(feature = "tokio-context")]
        self.tokio.within(remaining());
        #[cfg(feature = "process-pool")]
        self.others.within(remaining());
        left
    }
}
