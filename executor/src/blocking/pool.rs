//! The threads for code that blocks: the only place of this workspace's executor that creates threads.
//!
//! P1. A job is in the queue, or a thread runs it, or it was dropped, or it was handed back by `submit`.
//! P2. A thread that holds no job looks at the queue, under the lock, before it waits and before it leaves. Hence
//!     as many queued jobs as there are free threads need no new thread, whatever became of a notification.
//! P3. Jobs, their drop, what they panic with, and the bell are foreign code: none runs under the lock.

use crate::{
    primitives::{Arc, Condvar, Mutex, MutexGuard, lock},
    task::error::discard,
};
use slab::Slab;
use std::{
    collections::VecDeque,
    error::Error,
    fmt, io, mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::PoisonError,
    task::Waker,
    time::Duration,
};

#[cfg(loom)]
use loom::thread::{Builder, JoinHandle};
#[cfg(not(loom))]
use std::thread::{Builder, JoinHandle};

/// How long a thread waits for another job before it ends: the threads of a burst serve the next one if it comes
/// within seconds, and a program that has gone quiet is soon back to a single thread.
pub(crate) const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// Jobs that may wait in the queue. A million is beyond what any number of threads works off in useful time and
/// costs some 100 MB: whoever queues more has lost count, and is told rather than killed for memory.
pub(crate) const MAX_QUEUED: usize = 1 << 20;

/// What runs on a thread of the pool. To be dropped without having run is how it learns that it never will.
pub type Job = Box<dyn FnOnce() + Send>;

/// Creates a thread that runs the given closure.
pub(crate) type Start = fn(Builder, Box<dyn FnOnce() + Send>) -> io::Result<JoinHandle<()>>;

/// What a pool is made of.
pub(crate) struct Config {
    /// At least one thread is allowed in any case.
    pub(crate) max_threads: usize,
    pub(crate) keep_alive: Duration,
    pub(crate) max_queued: usize,
    /// Woken when [`Pool::outstanding`] falls to 0 after somebody saw that it was more.
    pub(crate) bell: Option<Waker>,
    /// [`Builder::spawn`], but in tests of what happens when the system refuses.
    pub(crate) start: Start,
}

impl Config {
    pub(crate) fn new(max_threads: usize) -> Self {
        Self {
            max_threads,
            keep_alive: KEEP_ALIVE,
            max_queued: MAX_QUEUED,
            bell: None,
            start: Builder::spawn,
        }
    }
}

/// Threads that run blocking jobs, first come first served. Cheap to clone; all clones are the one pool.
///
/// ```text
///          submit, no thread free              job taken
///   (none) ──────────────────────▶ free ◀══════════════════▶ running
///                                    │       job finished
///                                    │ idle for `keep_alive`, or the pool is closed
///                                    ▼
///                                 leaving, joined by the next one to leave, the last by `shutdown`
/// ```
///
/// Its owner calls [`shutdown`](Pool::shutdown); a pool that is merely dropped finishes what is queued, and its
/// threads end once they have been idle.
#[derive(Clone)]
pub(crate) struct Pool {
    shared: Arc<Shared>,
}

/// A job that was not accepted, and why.
pub struct Refused {
    /// The job, as it was given.
    pub job: Job,
    /// What to do about it.
    pub reason: Reason,
}

/// Why a job was not accepted. It displays as a sentence.
#[derive(Debug)]
#[non_exhaustive]
pub enum Reason {
    /// No runtime runs on this thread.
    NoRuntime,
    /// The runtime was built without threads, as simulations are.
    NoThreads,
    /// The pool was shut down.
    Closed,
    /// So many jobs are queued already.
    Full(usize),
    /// There is no thread, and the system gives none.
    NoThread(io::Error),
}

/// What a pool has to do, and with what.
#[derive(Clone, Copy, Default)]
pub(crate) struct Load {
    pub(crate) queued: usize,
    pub(crate) running: usize,
    pub(crate) threads: usize,
}

struct Shared {
    config: Config,
    state: Mutex<State>,
    /// Notified when a job was queued, and when the pool is closed. Free threads wait here.
    work: Condvar,
    /// Notified when a thread leaves, once the pool is closed. `shutdown` waits here.
    exit: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Job>,
    /// The threads that have not decided to leave.
    threads: Slab<JoinHandle<()>>,
    /// How many of them hold a job. The others are free: waiting, just started, or about to look again.
    running: usize,
    /// The latest thread to leave. It has joined its predecessor, so that joining this one is joining all.
    left: Option<JoinHandle<()>>,
    /// Somebody saw jobs outstanding, and is to be told when there are none.
    watched: bool,
    closed: bool,
}

impl Pool {
    pub(crate) fn with(config: Config) -> Self {
        let (state, work, exit) = (Mutex::new(State::default()), Condvar::new(), Condvar::new());
        Self { shared: Arc::new(Shared { config, state, work, exit }) }
    }

    /// Queues `job`, for a free thread if there is one and else, within the limit, for a new one. Never waits for
    /// a job to finish. If no further thread can be created the job is left to those that exist.
    ///
    /// # Errors
    /// Gives the job back if the pool is closed or its queue is full, or if it has no thread and can create none.
    pub(crate) fn submit(&self, job: Job) -> Result<(), Refused> {
        let Shared { config, work, .. } = &*self.shared;
        let mut state = lock(&self.shared.state);
        if state.closed {
            return Err(Refused { job, reason: Reason::Closed });
        }
        if state.queue.len() >= config.max_queued {
            return Err(Refused { job, reason: Reason::Full(config.max_queued) });
        }
        state.queue.push_back(job);
        let threads = state.threads.len();
        if state.queue.len() <= threads - state.running {
            drop(state);
            work.notify_one();
            return Ok(());
        }
        if threads < config.max_threads.max(1)
            && let Err(error) = self.start_thread(&mut state)
            && threads == 0
        {
            // The lock was held all along: the last job in the queue, and the only one, is ours.
            let job = state.queue.pop_back().expect("queued above");
            return Err(Refused { job, reason: Reason::NoThread(error) });
        }
        Ok(())
    }

    /// Creates a thread, under the lock, so that none finds the list of threads without itself.
    fn start_thread(&self, state: &mut State) -> io::Result<()> {
        let entry = state.threads.vacant_entry();
        let number = entry.key();
        let builder = Builder::new().name(format!("runtime-blocking-{number}"));
        let shared = Arc::clone(&self.shared);
        let handle = (self.shared.config.start)(builder, Box::new(move || shared.work(number)))?;
        entry.insert(handle);
        Ok(())
    }

    /// Jobs queued and running. A job counts until it, its closure and its panic are gone; by then it has woken
    /// whomever it wakes. So a loop that reads 0 here, and finds its inbox empty *after* that, has heard all. One
    /// that reads more may go to sleep: the bell rings when it is 0.
    pub(crate) fn outstanding(&self) -> usize {
        let mut state = lock(&self.shared.state);
        let outstanding = state.outstanding();
        state.watched |= outstanding > 0;
        outstanding
    }

    /// For statistics; unlike [`outstanding`](Pool::outstanding) it has nobody told of anything.
    pub(crate) fn load(&self) -> Load {
        let state = lock(&self.shared.state);
        Load { queued: state.queue.len(), running: state.running, threads: state.threads.len() }
    }

    /// Closes the pool: refuses new jobs, drops those that are queued, and waits for those that run, at most for
    /// `limit` (`None`: without limit). Gives the number of those that still ran then; they go on, unattended.
    ///
    /// All other threads have ended, destructors of thread-locals included, when this returns. May be called
    /// again, to wait on.
    pub(crate) fn shutdown(&self, limit: Option<Duration>) -> usize {
        let shared = &*self.shared;
        let queue = {
            let mut state = lock(&shared.state);
            state.closed = true;
            mem::take(&mut state.queue)
        };
        shared.work.notify_all();
        for job in queue {
            isolate(|| drop(job)); // one by one: a drop that panics must not keep the others' awaiters waiting
        }

        let state = lock(&shared.state);
        let state = shared.wait_while(&shared.exit, state, limit, |state| state.running > 0);
        // Free threads run nothing of the user's; they need no limit to find the pool closed and leave.
        let has_free = |state: &State| state.threads.len() > state.running;
        let mut state = shared.wait_while(&shared.exit, state, None, has_free);
        let (running, left) = (state.running, state.left.take());
        drop(state);
        join(left);
        running
    }
}

impl Shared {
    /// The life of thread `number`.
    fn work(&self, number: usize) {
        let mut state = lock(&self.state);
        loop {
            if let Some(job) = state.queue.pop_front() {
                state.running += 1;
                drop(state);
                isolate(job);
                state = self.finish_job();
            } else if state.closed {
                break;
            } else {
                let is_idle = |state: &State| state.queue.is_empty() && !state.closed;
                state = self.wait_while(&self.work, state, Some(self.config.keep_alive), is_idle);
                if is_idle(&state) {
                    break;
                }
            }
        }
        let own = state.threads.remove(number);
        let predecessor = state.left.replace(own);
        let closed = state.closed;
        drop(state);
        if closed {
            self.exit.notify_all();
        }
        join(predecessor);
    }

    /// Counts a job as finished, and rings if somebody waits for the last one.
    fn finish_job(&self) -> MutexGuard<'_, State> {
        let mut state = lock(&self.state);
        state.running -= 1;
        if state.outstanding() > 0 || !mem::take(&mut state.watched) {
            return state;
        }
        let Some(bell) = &self.config.bell else { return state };
        drop(state);
        isolate(|| bell.wake_by_ref());
        lock(&self.state)
    }

    /// Waits on `condvar` while `condition` holds, at most for `limit`.
    #[cfg(not(loom))]
    fn wait_while<'a>(
        &self,
        condvar: &Condvar,
        guard: MutexGuard<'a, State>,
        limit: Option<Duration>,
        condition: impl Fn(&State) -> bool,
    ) -> MutexGuard<'a, State> {
        let condition = |state: &mut State| condition(state);
        match limit {
            None => condvar.wait_while(guard, condition).unwrap_or_else(PoisonError::into_inner),
            Some(limit) => {
                let waited = condvar.wait_timeout_while(guard, limit, condition);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        }
    }

    /// The same in loom's world, where no time passes: a limit of zero is over once the lock was let go and taken
    /// again, which is where the races of a timeout are; any other limit never ends.
    #[cfg(loom)]
    fn wait_while<'a>(
        &'a self,
        condvar: &Condvar,
        mut guard: MutexGuard<'a, State>,
        limit: Option<Duration>,
        condition: impl Fn(&State) -> bool,
    ) -> MutexGuard<'a, State> {
        if limit == Some(Duration::ZERO) {
            drop(guard);
            return lock(&self.state);
        }
        while condition(&guard) {
            guard = condvar.wait(guard).unwrap_or_else(PoisonError::into_inner);
        }
        guard
    }
}

impl State {
    fn outstanding(&self) -> usize {
        self.queue.len() + self.running
    }
}

/// Runs foreign code so that its panic ends here. The panic hook has told the user by then.
fn isolate(code: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(code)) {
        discard(payload);
    }
}

/// Waits for the end of a thread that has left. It cannot have panicked: jobs are isolated.
fn join(thread: Option<JoinHandle<()>>) {
    if let Some(thread) = thread {
        let ended = thread.join();
        debug_assert!(ended.is_ok(), "a thread of the blocking pool panicked outside of a job");
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRuntime => f.write_str("no runtime runs on this thread"),
            Self::NoThreads => {
                f.write_str("this runtime has no threads: it was built without, as simulations are")
            }
            Self::Closed => f.write_str("the blocking pool has been shut down, together with its runtime"),
            Self::Full(queued) => {
                write!(f, "{queued} blocking jobs are queued already, and that is the limit")
            }
            Self::NoThread(error) => write!(
                f,
                "no thread can be created for blocking jobs ({error}): the process or its user has as many as \
                 the system allows (`ulimit -u`, the limit of the container), or memory is short"
            ),
        }
    }
}

impl Error for Reason {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::NoThread(error) => Some(error),
            _ => None,
        }
    }
}

impl fmt::Debug for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Refused({:?})", self.reason)
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = lock(&self.shared.state);
        f.debug_struct("Pool")
            .field("threads", &state.threads.len())
            .field("queued", &state.queue.len())
            .field("running", &state.running)
            .field("closed", &state.closed)
            .finish()
    }
}
