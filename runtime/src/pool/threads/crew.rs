//! The threads of a pool, and the queue before them.
//!
//! Not the executor's blocking pool, though alike: here what is queued can be taken back, a thread has something of its own
//! (what the initializer made, a runtime for `async` functions) and so lives as long as the pool, and the end can wait until all
//! is done.
//!
//! C1. A job is in the queue, or a thread runs it, or it was settled.
//! C2. A thread that holds no job looks at the queue, under the lock, before it waits and before it leaves. Hence as many queued
//!     jobs as there are free threads need no new thread, whatever became of a notification.
//! C3. Jobs, initializers, and what either drops are foreign code: none runs under the lock.

use super::super::{JobError, JobPanic, error::isolate, lock, tally::Tally};
#[cfg(feature = "process-pool")]
use crate::process::host::Host;
use std::{
    collections::VecDeque,
    fmt, mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread::{self, JoinHandle},
};

/// A job in the queue.
pub(super) trait Work: Send + Sync {
    /// Does it and settles it, unless it was withdrawn.
    fn run(self: Arc<Self>, seat: &Seat);

    /// It will not be done: settles it with the reason, unless it was withdrawn.
    fn give_up(self: Arc<Self>, why: JobError);
}

/// What a thread has that jobs may use.
#[derive(Debug, Default)]
pub(in super::super) struct Seat {
    /// For `async` functions.
    #[cfg(feature = "process-pool")]
    pub(in super::super) host: Host,
}

/// What a crew is made of.
pub(super) struct Config {
    pub(super) max_threads: usize,
    pub(super) max_queued: usize,
    pub(super) name: String,
    /// Run by each thread before its first job.
    pub(super) initializer: Option<Box<dyn Fn() + Send + Sync>>,
}

/// Threads that do jobs, first come first served.
///
/// ```text
///        a job, and no thread is free                job taken
/// (none) ────────────────────────────▶ free ◀═════════════════════▶ running
///                                        │        job settled
///                                        │ closed, and the queue is empty; or the initializer has failed
///                                        ▼
///                                      leaving, joined by `ended`
/// ```
pub(super) struct Crew {
    config: Config,
    state: Mutex<State>,
    /// Notified when a job was queued, and when the crew is closed. Free threads wait here.
    work: Condvar,
    /// The jobs that are open.
    pub(super) tally: Arc<Tally>,
    /// The threads that live: what they have made for themselves has to go as well, and may take its time.
    alive: Arc<Tally>,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Arc<dyn Work>>,
    threads: Vec<JoinHandle<()>>,
    /// How many threads hold a job. The others are free: waiting, just started, or about to look again.
    running: usize,
    is_closed: bool,
    /// What the initializer panicked with, if it has: then there will be no job any more.
    broken: Option<String>,
}

impl Crew {
    pub(super) fn new(config: Config) -> Self {
        Self {
            config,
            state: Mutex::default(),
            work: Condvar::new(),
            tally: Arc::default(),
            alive: Arc::default(),
        }
    }

    /// Queues a job, for a free thread if there is one and else, within the limit, for a new one. One that is refused is given
    /// up at once.
    pub(super) fn push(self: &Arc<Self>, job: Arc<dyn Work>) {
        if let Err((job, why)) = self.try_push(job) {
            job.give_up(why);
        }
    }

    fn try_push(self: &Arc<Self>, job: Arc<dyn Work>) -> Result<(), (Arc<dyn Work>, JobError)> {
        let mut state = lock(&self.state);
        if let Some(why) = state.refusal(self.config.max_queued) {
            return Err((job, why));
        }
        state.queue.push_back(job);
        let threads = state.threads.len();
        if state.queue.len() <= threads - state.running {
            drop(state);
            self.work.notify_one();
            return Ok(());
        }
        if threads < self.config.max_threads
            && let Err(error) = self.start_thread(&mut state)
            && threads == 0
        {
            // The lock was held all along: the last job in the queue, and the only one, is ours.
            let job = state.queue.pop_back().expect("queued above");
            return Err((job, JobError::NoWorker(error)));
        }
        Ok(())
    }

    /// Creates a thread, under the lock, so that none finds the list of threads without itself.
    fn start_thread(self: &Arc<Self>, state: &mut State) -> std::io::Result<()> {
        let name = format!("{}-{}", self.config.name, state.threads.len());
        let (crew, alive) = (Arc::clone(self), self.alive.enter());
        let life = move || {
            crew.live();
            drop(alive);
        };
        state.threads.push(thread::Builder::new().name(name).spawn(life)?);
        Ok(())
    }

    /// The life of a thread.
    fn live(&self) {
        if let Some(initializer) = &self.config.initializer
            && let Err(payload) = catch_unwind(AssertUnwindSafe(initializer))
        {
            let panic = JobPanic::here(payload);
            let said = panic.message().unwrap_or("it panicked with a value that is not text").to_owned();
            return self.break_down(&said);
        }
        let seat = Seat::default();
        let mut state = lock(&self.state);
        loop {
            if let Some(job) = state.queue.pop_front() {
                state.running += 1;
                drop(state);
                isolate(|| job.run(&seat));
                state = lock(&self.state);
                state.running -= 1;
            } else if state.is_closed {
                return;
            } else {
                let is_idle = |state: &mut State| state.queue.is_empty() && !state.is_closed;
                state = self.work.wait_while(state, is_idle).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    /// The initializer has failed. Another thread would hardly fare better: the jobs are told, and those to come.
    fn break_down(&self, why: &str) {
        let queue = {
            let mut state = lock(&self.state);
            state.broken.get_or_insert_with(|| why.to_owned());
            state.is_closed = true;
            mem::take(&mut state.queue)
        };
        self.work.notify_all();
        for job in queue {
            isolate(|| job.give_up(JobError::Initializer(why.to_owned())));
        }
    }

    /// Takes no more jobs. Those that are queued are done.
    pub(super) fn close(&self) {
        lock(&self.state).is_closed = true;
        self.work.notify_all();
    }

    /// Gives up those that are queued.
    pub(super) fn clear(&self, why: impl Fn() -> JobError) {
        let queue = mem::take(&mut lock(&self.state).queue);
        for job in queue {
            isolate(|| job.give_up(why()));
        }
    }

    /// The most threads.
    pub(super) fn max_threads(&self) -> usize {
        self.config.max_threads
    }

    /// How many jobs run.
    pub(super) fn running(&self) -> usize {
        lock(&self.state).running
    }

    /// Whether this thread is one of them.
    pub(super) fn is_here(&self) -> bool {
        let here = thread::current().id();
        lock(&self.state).threads.iter().any(|thread| thread.thread().id() == here)
    }

    /// Resolves when nothing is open and the threads have ended; the crew is closed.
    pub(super) async fn ended(&self) {
        self.tally.none().await;
        self.alive.none().await;
        let threads = mem::take(&mut lock(&self.state).threads);
        for thread in threads {
            // It has nothing left to do but the destructors of its thread-locals.
            let ended = thread.join();
            debug_assert!(ended.is_ok(), "a thread of a pool panicked outside of a job");
        }
    }
}

impl State {
    /// Why no job is taken now.
    fn refusal(&self, max_queued: usize) -> Option<JobError> {
        if let Some(why) = &self.broken {
            return Some(JobError::Initializer(why.clone()));
        }
        if self.is_closed {
            return Some(JobError::PoolClosed);
        }
        (self.queue.len() >= max_queued).then_some(JobError::QueueFull(max_queued))
    }
}

impl fmt::Debug for Crew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = lock(&self.state);
        f.debug_struct("ThreadPool")
            .field("name", &self.config.name)
            .field("threads", &state.threads.len())
            .field("queued", &state.queue.len())
            .field("running", &state.running)
            .field("closed", &state.is_closed)
            .finish()
    }
}
