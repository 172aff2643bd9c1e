//! Tasks, run queue, inbox, timers and the loop of a single-threaded async runtime.
//!
//! Users import the `runtime` crate; this is its second floor. The executor names no file descriptor: it sleeps
//! on whatever implements [`Park`].
//!
//! Where to begin reading: `event_loop.rs` (the loop), `core.rs` (its state), `task/raw.rs` (a task's memory),
//! `task/slots.rs` and `task/waker.rs` (wakers without reference counts), `inbox.rs` (other threads), `observe/` (who
//! waits for what, and what is wrong with it).

mod blocking;
mod core;
pub mod current;
mod event_loop;
mod executor;
pub mod future;
mod group;
mod handle;
mod inbox;
pub mod inspect;
mod observe;
mod outside;
mod park;
mod primitives;
mod random;
mod registry;
mod schedule;
mod settle;
pub mod task;
pub mod time;

pub use blocking::{Job, RefusalReason, RefusedJob, spawn_blocking, submit_blocking};
pub use executor::{Builder, Executor, OnExit, Stopped};
pub use future::{join_all, race, try_join_all};
pub use handle::{Handle, SharedJoinHandle};
pub use inbox::RuntimeGone;
pub use observe::{Report, report_abandoned};
pub use outside::OutsideWork;
pub use park::{Park, ThreadPark};
pub use random::random_u64;
pub use registry::RuntimeId;
pub use schedule::{Batch, Schedule};
pub use settle::{Settle, settle};
pub use task::{
    JoinHandle, spawn,
    waker::{PollWaker, Waiter},
};
