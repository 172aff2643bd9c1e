//! The executor as a value: made by a builder, drives futures, ends when dropped.

mod insight;

use crate::{
    core::{Core, Parts},
    current,
    event_loop::EventLoop,
    handle::Handle,
    inspect::{Hooks, OnDeadlock, Watch, Watchdog},
    observe::{self, OnReport, Report},
    park::{Park, ThreadPark},
    random,
    schedule::{Arranger, Schedule},
    task::defer::DEFAULT_GRACE,
    time::{Clock, Timers},
};
use std::{any::Any, cell::Cell, fmt, pin::pin, rc::Rc, time::Duration};

/// Operations that one poll of a task may do before it has to give way: enough to drain a full socket buffer,
/// few enough that a poll stays well under a millisecond.
const DEFAULT_BUDGET: u8 = 128;
/// Threads of the blocking pool. They mostly wait, so cores do not matter; beyond this many the kernel's
/// scheduler does.
const DEFAULT_BLOCKING_THREADS: usize = 512;

/// What happens to the tasks that are left when the future of `block_on` is done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum OnExit {
    /// They stay, to be driven by the next `block_on`, or cancelled when the runtime ends (asyncio's rule).
    #[default]
    Cancel,
    /// `block_on` returns when all but daemons have ended (the rule of threads).
    Wait,
}

/// `Handle::stop` ended a run before its future was done; the future was dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stopped;

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the runtime was stopped by Handle::stop before its main future was done")
    }
}

impl std::error::Error for Stopped {}

/// Settings of an [`Executor`].
///
/// ```
/// use runtime_executor::{Executor, OnExit, time::Clock};
/// let executor = Executor::builder().clock(Clock::paused()).on_exit(OnExit::Wait).build();
/// # drop(executor);
/// ```
#[must_use = "a builder does nothing until `build`"]
pub struct Builder {
    park: Option<Rc<dyn Park>>,
    extensions: Vec<Box<dyn Any>>,
    clock: Clock,
    on_exit: OnExit,
    budget: u8,
    seed: Option<u64>,
    blocking_threads: usize,
    cleanup_grace: Duration,
    on_report: OnReport,
    on_deadlock: OnDeadlock,
    watch: Watch,
    hooks: Hooks,
    schedule: Option<Box<dyn Schedule>>,
}

impl Builder {
    /// What it sleeps on; a [`ThreadPark`] unless said otherwise.
    pub fn park(mut self, park: Rc<dyn Park>) -> Self {
        self.park = Some(park);
        self
    }

    /// Puts an object on the shelf, for [`current::with_extension`](crate::current::with_extension). One per
    /// type; dropped, in reverse order, after all tasks.
    pub fn extension(mut self, extension: impl Any) -> Self {
        self.extensions.push(Box::new(extension));
        self
    }

    /// The source of time; the real clock unless said otherwise.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// What `block_on` does with tasks that outlive its future.
    pub fn on_exit(mut self, on_exit: OnExit) -> Self {
        self.on_exit = on_exit;
        self
    }

    /// Operations per poll before a task must give way; 128 unless said otherwise.
    ///
    /// # Panics
    /// On 0, with which no task could do anything.
    #[track_caller]
    pub fn budget(mut self, operations: u8) -> Self {
        assert!(operations > 0, "a budget of 0 operations per poll would stop every task: use at least 1");
        self.budget = operations;
        self
    }

    /// What all random choices are drawn from; arbitrary unless said otherwise.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// The most threads that `spawn_blocking` may use; 512 unless said otherwise.
    ///
    /// # Panics
    /// On 0, with which no job would ever run.
    #[track_caller]
    pub fn blocking_threads(mut self, threads: usize) -> Self {
        assert!(threads > 0, "with 0 blocking threads no job would ever run: use at least 1");
        self.blocking_threads = threads;
        self
    }

    /// How long a cleanup ([`task::defer`](crate::task::defer)) may take; 5 seconds unless said otherwise. A runtime that
    /// ends waits for its cleanups no longer than that, unless one has a longer grace period of its own.
    pub fn cleanup_grace(mut self, grace: Duration) -> Self {
        self.cleanup_grace = grace;
        self
    }

    /// Gives the runtime's reports to `f`, instead of writing them to standard error. It is called between two polls,
    /// inside the runtime; a panic in it goes no further.
    ///
    /// ```
    /// use runtime_executor::Executor;
    /// let executor = Executor::builder().on_report(|report| panic!("{report}")).build();
    /// # drop(executor);
    /// ```
    pub fn on_report(mut self, f: impl Fn(&Report) + 'static) -> Self {
        self.on_report = Some(Box::new(f));
        self
    }

    /// What is done about tasks that wait for each other, as far as that can be proved: see
    /// [`Deadlock`](crate::inspect::Deadlock).
    ///
    /// ```
    /// use runtime_executor::{Executor, inspect::OnDeadlock, spawn, task::yield_now};
    /// use runtime_sync::Lock;
    /// use std::rc::Rc;
    ///
    /// let executor = Executor::builder().on_deadlock(OnDeadlock::Fail).build();
    /// executor.block_on(async {
    ///     let [fork, knife] = [(); 2].map(|()| Rc::new(Lock::new(())));
    ///     let eat = |first: &Rc<Lock<()>>, second: &Rc<Lock<()>>| {
    ///         let (first, second) = (first.clone(), second.clone());
    ///         spawn(async move {
    ///             let _first = first.acquire().await;
    ///             yield_now().await;
    ///             let _second = second.acquire().await;
    ///         })
    ///     };
    ///     let (one, two) = (eat(&fork, &knife), eat(&knife, &fork));
    ///     assert!(one.await.unwrap_err().is_cancelled());
    ///     assert!(two.await.unwrap_err().is_cancelled());
    /// });
    /// ```
    pub fn on_deadlock(mut self, on_deadlock: OnDeadlock) -> Self {
        self.on_deadlock = on_deadlock;
        self
    }

    /// No threads: [`spawn_blocking`](crate::spawn_blocking) panics. For runs that must be the same every time.
    pub fn without_threads(mut self) -> Self {
        self.blocking_threads = 0;
        self
    }

    /// Who arranges the tasks of each turn; first in, first out unless said otherwise.
    pub fn schedule(mut self, schedule: impl Schedule + 'static) -> Self {
        self.schedule = Some(Box::new(schedule));
        self
    }

    /// Makes the executor, for this thread.
    ///
    /// # Panics
    /// If 4,096 runtimes live in this process.
    pub fn build(self) -> Executor {
        let parts = Parts {
            park: self.park.unwrap_or_else(|| Rc::new(ThreadPark::new())),
            extensions: self.extensions,
            timers: Timers::new(self.clock),
            budget: self.budget,
            seed: self.seed.unwrap_or_else(random::arbitrary_seed),
            blocking_threads: self.blocking_threads,
            cleanup_grace: self.cleanup_grace,
            on_report: self.on_report,
            hooks: self.hooks,
            on_deadlock: self.on_deadlock,
            arranger: self.schedule.map(Arranger::new),
        };
        observe::install();
        let core = Rc::new(Core::new(parts));
        let watchdog = Watchdog::start(self.watch, core.remote().pulse());
        Executor { core, on_exit: self.on_exit, blocking_limit: Cell::new(None), watchdog }
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("on_exit", &self.on_exit)
            .field("budget", &self.budget)
            .finish_non_exhaustive()
    }
}

/// Runs tasks on the thread that made it. Ends when dropped: remaining tasks are cancelled, oldest first, inside
/// the runtime's context; blocking jobs that have started are waited for.
///
/// ```
/// use runtime_executor::{Executor, spawn};
///
/// let executor = Executor::builder().build();
/// let greeting = executor.block_on(async { spawn(async { "hello" }).await.unwrap() });
/// assert_eq!(greeting, "hello");
/// ```
pub struct Executor {
    core: Rc<Core>,
    on_exit: OnExit,
    /// How long the drop waits for blocking jobs; `None` for as long as it takes.
    blocking_limit: Cell<Option<Duration>>,
    watchdog: Option<Watchdog>,
}

impl Executor {
    /// Settings, to begin with.
    pub fn builder() -> Builder {
        Builder {
            park: None,
            extensions: Vec::new(),
            clock: Clock::real(),
            on_exit: OnExit::default(),
            budget: DEFAULT_BUDGET,
            seed: None,
            blocking_threads: DEFAULT_BLOCKING_THREADS,
            cleanup_grace: DEFAULT_GRACE,
            on_report: None,
            on_deadlock: OnDeadlock::default(),
            watch: Watch::default(),
            hooks: Hooks::default(),
            schedule: None,
        }
    }

    /// Drives `future`, and all tasks beside it, until it is done. May be called many times; tasks that are left
    /// go on in the next call.
    ///
    /// # Panics
    /// If a runtime runs on this thread already; with the panic of `future`; if [`Handle::stop`] was called; with a
    /// [`Deadlock`](crate::inspect::Deadlock), once nothing can happen any more.
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        match self.try_block_on(future) {
            Ok(output) => output,
            Err(stopped) => panic!("{stopped}: use try_block_on where that is expected"),
        }
    }

    /// As [`block_on`](Executor::block_on), for programs that use [`Handle::stop`].
    ///
    /// # Errors
    /// [`Stopped`] if the runtime was stopped before `future` was done.
    ///
    /// # Panics
    /// If a runtime runs on this thread already; with the panic of `future`.
    #[track_caller]
    pub fn try_block_on<F: Future>(&self, future: F) -> Result<F::Output, Stopped> {
        refuse_nesting();
        let entered = current::enter(&self.core);
        let watched = self.watchdog.as_ref().map(Watchdog::begin);
        let result = {
            let root = pin!(future);
            let mut event_loop = EventLoop::new(&self.core);
            let output = event_loop.run_root(root);
            match output {
                Some(output) if self.on_exit == OnExit::Cancel || event_loop.run_tasks().is_some() => {
                    Ok(output)
                }
                _ => Err(Stopped),
            }
        };
        drop(watched);
        drop(entered);
        result
    }

    /// A front for other threads.
    pub fn handle(&self) -> Handle {
        Handle::new(self.core.access())
    }

    /// Ends the runtime as dropping it does, but waits no longer than `limit` for blocking jobs that have
    /// started. Jobs still running then are left to themselves, their results are dropped. Gives how many.
    pub fn shutdown_timeout(self, limit: Duration) -> usize {
        self.blocking_limit.set(Some(limit));
        self.shut_down()
    }

    fn shut_down(&self) -> usize {
        let entered = current::enter(&self.core);
        if self.core.cleanups().is_used() {
            self.core.cancel_all_but_cleanups();
            // `None`: somebody has called `Handle::stop`, and the rest is dropped below.
            let _ = EventLoop::new(&self.core).run_cleanups();
        }
        self.core.cancel_all();
        observe::deliver(&self.core);
        let left = self.core.blocking_if_used().map_or(0, |pool| pool.shutdown(self.blocking_limit.get()));
        drop(entered);
        left
    }
}

#[track_caller]
fn refuse_nesting() {
    assert!(
        !current::is_entered(),
        "a runtime runs on this thread already, and to run another one inside it would stall all its tasks: \
         `.await` the future, or `spawn` it; blocking code that needs a runtime of its own belongs in `spawn_blocking`"
    );
}

impl Drop for Executor {
    fn drop(&mut self) {
        if !self.core.is_closing() {
            self.shut_down();
        }
        self.core.release_name();
    }
}

impl fmt::Debug for Executor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Executor")
            .field("id", &self.core.id())
            .field("on_exit", &self.on_exit)
            .finish_non_exhaustive()
    }
}
