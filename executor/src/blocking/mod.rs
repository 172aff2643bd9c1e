//! Code that blocks, on threads of its own, so that the tasks of the runtime's thread go on.
//!
//! ```text
//! spawn_blocking ──job──▶ queue ──▶ a pool thread runs it ──result──▶ oneshot ──▶ the task that awaits it
//!       └──task────────────────────────────────────────────────────────────────────────────┘   └──▶ JoinHandle
//! ```

mod pool;

#[cfg(all(test, loom))]
mod loom_models;
#[cfg(all(test, not(loom)))]
mod refusal_tests;
#[cfg(all(test, not(loom)))]
mod tests;

pub(crate) use pool::Pool;
pub use pool::{Job, Reason as RefusalReason, Refused as RefusedJob};

use crate::{
    current,
    registry::RuntimeId,
    task::{self, JoinHandle},
};
use pool::{Config, Reason, Refused};
use runtime_sync::shared::oneshot;
use std::{
    future::pending,
    panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind},
    sync::Arc,
    task::Wake,
};

/// The file in which a task begins to wait for its job, as waits have it on record.
pub(crate) const WAITS_IN: &str = file!();

/// Runs `f` on a thread of the blocking pool, from now on, whether or not the handle is awaited.
///
/// For code that waits without `async`, or computes for long: a file, a database driver, a checksum. Threads are
/// created on demand, at most 512 unless the runtime was built otherwise; beyond that jobs queue, first come
/// first served. An idle thread ends after ten seconds.
///
/// A panic in `f` is the task's: the handle gives it as a [`JoinError`](crate::task::JoinError) with the payload.
///
/// Cancelling (the handle, or the runtime by ending) before `f` has started means that it never runs: it is
/// dropped, at the latest when its turn in the queue comes. Nothing can stop it after that: it runs to its end, and
/// its result, which nobody will take, is dropped on the pool's thread. A runtime that ends waits for the jobs
/// that run, unless it is told for how long.
///
/// ```
/// use runtime_executor::{Executor, spawn_blocking};
///
/// Executor::builder().build().block_on(async {
///     let lines = spawn_blocking(|| std::fs::read_to_string("Cargo.toml").map(|text| text.lines().count()));
///     assert!(lines.await.unwrap().unwrap() > 1);
/// });
/// ```
///
/// # Panics
/// If no runtime runs on this thread, or one that was built without threads, as simulations are. If the system gives no thread and there is none, or a million jobs are
/// queued, then it is the task that panics: the handle says why.
#[track_caller]
pub fn spawn_blocking<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    let spawned_at = Location::caller();
    let Some(pool) = current::expect("spawn_blocking", |core| core.blocking().cloned()) else {
        panic!(
            "this runtime has no threads, so `spawn_blocking` has nowhere to run its job: a simulation is one thread, \
             or it could not be replayed. Call the function itself, or give the simulation a stand-in"
        )
    };
    spawn_on(&pool, f, spawned_at)
}

/// Hands a job to the blocking pool and nothing more: no task, no handle. For floors above, whose futures wait for their
/// jobs themselves: a task and a turn of the loop less than [`spawn_blocking`].
///
/// A job that is dropped without having run will never run: the runtime has ended. What has to be done all the same is
/// done by what the job owns, in its `Drop`. A job that panics has nobody to tell but the panic hook.
///
/// ```
/// use runtime_executor::{Executor, submit_blocking};
/// use runtime_sync::shared::oneshot;
///
/// Executor::builder().build().block_on(async {
///     let (answer, answered) = oneshot::channel();
///     submit_blocking(Box::new(move || drop(answer.send(6 * 7)))).unwrap();
///     assert_eq!(answered.await, Ok(42));
/// });
/// assert!(submit_blocking(Box::new(|| ())).is_err()); // no runtime runs here
/// ```
///
/// # Errors
/// Gives the job back, and the reason.
pub fn submit_blocking(job: Job) -> Result<(), RefusedJob> {
    let pool = match current::with(|core| core.blocking().cloned()) {
        Some(Some(pool)) => pool,
        Some(None) => return Err(Refused { job, reason: Reason::NoThreads }),
        None => return Err(Refused { job, reason: Reason::NoRuntime }),
    };
    pool.submit(job)
}

fn spawn_on<T: Send + 'static>(
    pool: &Pool,
    f: impl FnOnce() -> T + Send + 'static,
    spawned_at: &'static Location<'static>,
) -> JoinHandle<T> {
    #[cfg(feature = "tracing")]
    let f = crate::inspect::job_in_span(f, spawned_at);
    let (sender, receiver) = oneshot::channel();
    let job = move || {
        // Closed: the task has gone before `f` came to its turn. A result that it does not take is dropped here.
        if !sender.is_closed() {
            drop(sender.send(catch_unwind(AssertUnwindSafe(f))));
        }
    };
    let refusal = pool.submit(Box::new(job)).err().map(|Refused { job, reason }| {
        drop(job); // and with it the sender, so that the receiver does not wait
        reason
    });
    let handle = task::Builder::new().spawn_from(spawned_at, async move {
        match (receiver.await, refusal) {
            (Ok(Ok(value)), _) => value,
            (Ok(Err(payload)), _) => resume_unwind(payload),
            // The runtime is ending: it drops this task, and the handle says cancelled.
            (Err(oneshot::RecvError), None | Some(Reason::Closed)) => pending().await,
            // Not `panic!`: nothing is wrong with the program here, so the panic hook has nothing to report.
            (Err(oneshot::RecvError), Some(reason)) => {
                resume_unwind(Box::new(format!("spawn_blocking: {reason}")))
            }
        }
    });
    // The job runs whether or not its task had a turn.
    handle.excuse();
    handle
}

impl Pool {
    /// A pool of at most so many threads, for the runtime that runs on this thread.
    pub(crate) fn new(max_threads: usize) -> Self {
        let bell = RuntimeId::current().map(|runtime| Arc::new(Doorbell(runtime)).into());
        Self::with(Config { bell, ..Config::new(max_threads) })
    }
}

/// Has a loop that sleeps until no job is outstanding look again.
struct Doorbell(RuntimeId);

impl Wake for Doorbell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // A runtime that has ended needs no waking.
        let _ = self.0.post(|| ());
    }
}
