//! Work on other threads and in other processes: `concurrent.futures` and `multiprocessing.Pool`.
//!
//! A pool does jobs: functions and what they are called with. [`ThreadPool`] has threads for that, for code that blocks;
//! `ProcessPool`, with feature `process-pool`, has processes, for code that computes, or crashes. What is submitted is a [`Job`],
//! a future of the result; [`ThreadPool::map`] is many of them, with the results in the order of the input.
//!
//! ```
//! use runtime::pool::{Shutdown, ThreadPool};
//!
//! fn task(n: u64) -> u64 {
//!     n * n
//! }
//!
//! #[runtime::main]
//! async fn main() {
//!     let pool = ThreadPool::new(5);
//!     let jobs: Vec<_> = (0..5).map(|n| pool.submit(task, n)).collect();
//!     pool.shutdown(Shutdown::Wait).await;
//!     for job in jobs {
//!         println!(">>>> {}", job.await.unwrap());
//!     }
//! }
//! ```

#[cfg(feature = "process-pool")]
mod both;
mod call;
mod callbacks;
mod error;
mod job;
mod map;
#[cfg(feature = "process-pool")]
pub(crate) mod process;
mod progress;
mod tally;
mod threads;
mod ticket;

#[cfg(feature = "process-pool")]
pub use both::Pool;
pub use call::{Call, Several, Single};
pub(crate) use callbacks::Callbacks;
pub use error::{JobError, JobPanic};
pub use job::Job;
pub use map::{Blocking, ImapUnordered, Map, Results};
#[cfg(feature = "process-pool")]
pub use process::{ProcessPool, ProcessPoolBuilder};
pub use progress::{Count, Progress};
pub use threads::{ThreadPool, ThreadPoolBuilder};

use std::sync::{Mutex, MutexGuard, PoisonError};

/// What a pool does at its end with the jobs that nobody has begun.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shutdown {
    /// They are done first.
    Wait,
    /// They are not done: their outcome is [`JobError::Cancelled`].
    CancelPending,
}

/// Locks, taking over from a thread that panicked inside: no code of the user's runs under a lock of ours, so what it guards is
/// whole even then.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
