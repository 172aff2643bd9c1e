//! `ProcessPool`: jobs in processes.
//!
//! ```text
//! ProcessPool, PoolJob ──> Office ──┬─> Desk: decides, knows numbers only        (desk/)
//! tasks.rs, drive.rs ─────────┘     └─> Crew: does it, has processes and packets (crew.rs)
//!                                        │ wire.rs: what is said; claims.rs: who has which job
//!                                        ▼
//!                                   worker.rs, in another process
//! ```

mod builder;
mod claims;
mod crew;
mod desk;
mod drive;
mod job;
mod many;
mod office;
mod tasks;
mod wire;
mod worker;

pub use self::builder::ProcessPoolBuilder;
pub(crate) use self::worker::live;

use self::{
    desk::{Event, Why},
    job::{PoolJob, Read, read},
    office::{Home, Office},
    wire::JobHead,
};
use super::{Job, JobError, Shutdown};
use crate::{
    doze::Doze,
    process::{
        Data, Function, StartError,
        luggage::{self, EncodeError},
        packet::Packet,
        registry::{self, FunctionId},
    },
};
use std::{fmt, io, pin::pin, sync::Arc, task::Context};

/// Processes for jobs that compute (`ProcessPoolExecutor`, `multiprocessing.Pool`), or that must not harm this process when
/// they crash. Cheap to clone; all clones are the one pool.
///
/// A job is a function of this program and its arguments: any `fn`, or closure that captures nothing, plain or `async`; see
/// [`Function`]. Arguments and result are written down and read again by `serde`; what they are is [`Data`].
///
/// The workers are this program, started again. Therefore the program has to begin with `#[runtime::main]`,
/// `#[runtime::test]` or [`process::init`](crate::process::init()); nothing else of `main` is run in them.
///
/// # When something dies
/// A worker that dies (a signal, `exit`, want of memory) takes along the one job that it ran, whose outcome is
/// [`JobError::WorkerDied`]. All others go on; what had been sent to that worker and not begun goes to another, and a new worker
/// takes its place. If workers die again and again without having done anything, jobs fail instead of waiting for ever. When
/// this process ends, however it does, so do the workers.
///
/// # Where it lives
/// The first runtime in which it is used drives it, by tasks; other threads may use it as well. Like all tasks they end with
/// `main`, or with [`Runtime::block_on`](crate::Runtime::block_on), and the pool with them. Where there is no runtime, as in a function that is itself a job, whoever waits for a job by [`Job::get`] drives the
/// pool.
///
/// Dropping the last clone closes the pool without waiting: what has not begun is not done, and its outcome is
/// [`JobError::PoolClosed`]; what has begun goes on, if there is a runtime. To have all of it done, await
/// [`shutdown`](Self::shutdown) before.
///
/// ```
/// use runtime::pool::ProcessPool;
///
/// fn square(n: u64) -> u64 {
///     n * n
/// }
///
/// #[runtime::main]
/// async fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let pool = ProcessPool::new(2)?;
///     let jobs: Vec<_> = (0..5).map(|n| pool.submit(square, n)).collect();
///     for (n, job) in (0..).zip(jobs) {
///         assert_eq!(job.await?, n * n);
///     }
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct ProcessPool {
    owner: Arc<Owner>,
}

/// Closes the pool when the last handle is gone. (Jobs and tasks have the office as well.)
struct Owner {
    office: Arc<Office>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        let is_driven = self.office.look(|state| matches!(state.home, Home::At(..)));
        self.office.handle(match is_driven {
            true => Event::Shutdown { fail_pending: Some(Why::Closed) },
            false => Event::Abandon,
        });
    }
}

impl ProcessPool {
    /// A pool of so many processes, which are started here.
    ///
    /// # Errors
    /// As [`ProcessPoolBuilder::build`].
    ///
    /// # Panics
    /// On 0, with which no job would ever be done.
    #[track_caller]
    pub fn new(workers: usize) -> Result<Self, StartError> {
        Self::builder().workers(workers).build()
    }

    /// Settings, to begin with.
    pub fn builder() -> ProcessPoolBuilder {
        ProcessPoolBuilder::new()
    }

    fn of(office: Arc<Office>) -> Self {
        office.settle_here();
        Self { owner: Arc::new(Owner { office }) }
    }

    /// Has `function` called with `arguments` in a process of the pool: the one argument, or a tuple of none or several.
    ///
    /// Never waits. A job that the pool does not take (it is closed, a million wait, the arguments cannot be written down) is a
    /// job all the same, whose outcome says so.
    pub fn submit<A, K, F>(&self, _function: F, arguments: A) -> Job<F::Output>
    where
        A: Data,
        K: 'static,
        F: Function<A, K>,
        F::Output: Send,
    {
        let pack = move |room| {
            let packet = luggage::encode_behind(room, &arguments);
            // Descriptors among them are the worker's from now on.
            drop(arguments);
            packet
        };
        self.begin(registry::id_of::<F, A, K>(), pack, read)
    }

    /// Has a function called; with what, `pack` writes down behind room for a head.
    fn begin<T: Send + 'static>(
        &self,
        function: io::Result<FunctionId>,
        pack: impl FnOnce(Vec<u8>) -> Result<Packet, EncodeError>,
        read: Read<T>,
    ) -> Job<T> {
        let office = &self.owner.office;
        office.settle_here();
        let job = Arc::new(PoolJob::new(office, read));
        let begun = function.map_err(JobError::NoWorker).and_then(|function| {
            let packet = self.pack(pack)?;
            let answered: Arc<PoolJob<T>> = Arc::clone(&job);
            office.submit(function.number(), packet, answered)
        });
        match begun {
            Ok(id) => job.is(id),
            Err(error) => job.refuse(error),
        }
        Job::new(job)
    }

    fn pack(&self, pack: impl FnOnce(Vec<u8>) -> Result<Packet, EncodeError>) -> Result<Packet, JobError> {
        let mut bytes = Vec::with_capacity(64);
        bytes.extend_from_slice(&JobHead::ROOM);
        let packet = pack(bytes).map_err(|error| JobError::Arguments(error.to_string()))?;
        let (len, most) = (packet.bytes.len() - JobHead::ROOM.len(), self.owner.office.settings.max_message);
        if len > most {
            let what = format!(
                "its arguments take {len} bytes, and no more than {most} are allowed (`max_message`)"
            );
            return Err(JobError::Arguments(what));
        }
        Ok(packet)
    }

    /// The result of one job (`Pool.apply`): [`submit`](Self::submit), and await.
    ///
    /// # Errors
    /// Why there is no result.
    ///
    /// # Cancel safety
    /// Dropped before the job has begun, it cancels the job. One that has begun goes on, and its result is dropped.
    pub async fn apply<A, K, F>(&self, function: F, arguments: A) -> Result<F::Output, JobError>
    where
        A: Data,
        K: 'static,
        F: Function<A, K>,
        F::Output: Send,
    {
        self.submit(function, arguments).owned().outcome().await
    }

    /// The numbers of the workers' processes, the eldest first; those that are about to end are among them.
    pub fn workers(&self) -> Vec<u32> {
        self.owner.office.look(|state| state.crew.members.values().map(|member| member.child.id()).collect())
    }

    /// Takes no more jobs from now on, and resolves when all are done, their callbacks were called, and the workers have ended
    /// (`close` and `join`). [`Shutdown`] says what becomes of jobs that have not begun.
    ///
    /// It closes the pool at once, also if what this returns is not awaited. May be called again: another one waits as well,
    /// and one with [`Shutdown::CancelPending`] cancels what the first would have waited for.
    ///
    /// A job that never returns is waited for for ever: put it in a [`timeout`](crate::time::timeout), and then
    /// [`terminate`](Self::terminate).
    ///
    /// # Cancel safety
    /// Dropping it gives up waiting; the pool is closed.
    #[must_use = "the pool is closed by now, but nobody waits for what it does still"]
    pub fn shutdown(&self, how: Shutdown) -> impl Future<Output = ()> + Send + use<> {
        let office = Arc::clone(&self.owner.office);
        office.settle_here();
        let fail_pending = (how == Shutdown::CancelPending).then_some(Why::Cancelled);
        office.handle(Event::Shutdown { fail_pending });
        async move {
            office.is_over.wait().await;
            office.tally().none().await;
        }
    }

    /// [`shutdown`](Self::shutdown) with the whole thread.
    ///
    /// # Panics
    /// On a thread that runs a runtime, as the callbacks that it waits for are to be called there.
    #[track_caller]
    pub fn blocking_shutdown(&self, how: Shutdown) {
        #[cfg(feature = "greenlet")]
        if crate::greenlet::is_inside() {
            return crate::greenlet::wait(self.shutdown(how));
        }
        assert!(
            !runtime_executor::current::is_entered(),
            "`blocking_shutdown` would block the thread on which callbacks of the jobs are to be called: await `shutdown` here"
        );
        let done = self.shutdown(how);
        let office = &self.owner.office;
        while !office.is_over.is_set() && office.drive(None) {}
        // A runtime elsewhere drives it, or has callbacks left to call.
        let doze = Arc::new(Doze::default());
        let waker = Arc::clone(&doze).into();
        let mut done = pin!(done);
        while done.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
            doze.sleep(None);
        }
    }

    /// Takes no more jobs, cancels those that have not begun, and kills all workers: jobs that ran fail with
    /// [`JobError::WorkerDied`]. Await [`shutdown`](Self::shutdown) to see all of them gone. Gives how many jobs still ran.
    pub fn terminate(&self) -> usize {
        let office = &self.owner.office;
        office.handle(Event::Terminate);
        office.look(|state| state.desk.unfinished())
    }
}

/// Has the allocator of this process keep blocks of this size for the next message. That of glibc gives what is large back to the
/// system at once, and the system clears it anew, page by page: a job with a megabyte took five times as long. It learns
/// better from one large block that is freed; nothing is written to it, so it costs two system calls and no memory.
fn keep_large_blocks() {
    const LARGE_BYTES: usize = 8 << 20;
    let mut block = Vec::<u8>::new();
    // Without room for it, everything is as it was.
    let _ = block.try_reserve_exact(LARGE_BYTES);
    drop(std::hint::black_box(block));
}

impl fmt::Debug for ProcessPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.owner.office.look(|state| {
            f.debug_struct("ProcessPool")
                .field("name", &self.owner.office.settings.name)
                .field("workers", &state.crew.members.len())
                .field("jobs", &state.desk.unfinished())
                .field("closed", &state.desk.is_closing())
                .finish()
        })
    }
}
