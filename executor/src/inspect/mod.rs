//! What goes on inside a runtime: which tasks there are and what each waits for, and how busy the loop is.
//!
//! | to see | use |
//! |---|---|
//! | the tasks as a tree, for people | [`dump`], which has a `Display` |
//! | the tasks as a list, for programs | [`task::list`](crate::task::list) |
//! | how busy the loop is, and how late | [`stats`] |
//! | the same as curves, by Prometheus | [`prometheus`](prometheus()), [`Exposition`] |
//! | tasks as they come, run, wait and go, by tokio-console or any `tracing` subscriber | the spans below |
//! | who waits for whom, in a circle | [`Deadlock`], which is reported, or ends the run |
//! | which task keeps the thread from the others | [`Builder::watch_stalls`](crate::Builder::watch_stalls) |
//!
//! All of it is there in release builds, without a feature. What it costs while nobody asks are a dozen instructions per
//! spawn and three per poll; the rest is found out when it is asked for, from the places that know: the books of
//! coordination, the timer wheel, the handles, the reactor.
//!
//! ```
//! use runtime_executor::{Executor, inspect, spawn, task, time::{Clock, sleep}};
//! use std::time::Duration;
//!
//! Executor::builder().clock(Clock::paused()).build().block_on(async {
//!     spawn(sleep(Duration::from_secs(60))).detach();
//!     sleep(Duration::from_secs(2)).await;
//!     let text = inspect::dump().to_string();
//!     assert!(text.contains("for a timer, due in 58s"), "{text}");
//! });
//! ```
//!
//! # Spans
//!
//! With feature `tracing` each task has a span, which a subscriber of the `tracing` crate sees. What the task logs is inside
//! it, and tokio-console shows the task:
//!
//! | | |
//! |---|---|
//! | span `runtime.spawn`, level INFO, target `runtime::task` | a task, from its spawning to its end; `block_on`; a job of `spawn_blocking` |
//! | its fields | `kind` (`task`, `greenlet`, `block_on`, `blocking`), `task.id`, `task.name`, `loc.file`, `loc.line`, `loc.col` (who spawned it), `size.bytes` (of its block, without a stack), `runtime` (a number), `fn` (of a job) |
//! | entered | a turn of the task, or the job's run |
//! | follows from | the span in which it was spawned; it has no parent |
//! | event of target `runtime::waker`, level TRACE, `op = "waker.clone"`, `task.id` = the span's | a turn has left the task waiting |
//! | the same with `"waker.wake"` | who waited was woken |
//! | the same with `"waker.wake_by_ref"` | the task woke itself in its turn, as by `yield_now` |
//!
//! The console takes a `console_subscriber::init()` before the runtime starts, and `--cfg console_without_tokio_unstable` among the
//! compiler's flags; no tokio runs but on the subscriber's own thread.
//!
//! What tasks wait for in locks, events, channels and the like, and their sleeps, are *resources* there. All of it is of level
//! TRACE, so whoever subscribes for less is told of tasks alone.
//!
//! | | |
//! |---|---|
//! | span `runtime.resource`, target `runtime::resource` | what somebody waits for, from the first wait to its end |
//! | its fields | `concrete_type` (`Lock`, `channel`, `Sleep`), `kind` (`Sync`, `timer`), `loc.file`, `loc.line`, `loc.col` (who created it), `is_internal` (a line of this crate did, as for the limit of `acquire_timeout`) |
//! | event of target `runtime::resource::state_update`, `duration`, in ms | a sleep was set to that, and not to an instant |
//! | span `runtime.resource.async_op`, target `runtime::resource::async_op` | one wait; of a sleep, all of them; inside the resource |
//! | event of target `runtime::resource::async_op::state_update`, `asked`, `holder` | the line that waits, and who held the resource when it began to |
//! | event of target `runtime::resource::poll_op`, `op_name` (`acquire`), `is_ready` | a poll of the wait, inside its task, its resource and itself |
//!
//! A channel or queue is two resources: one for those who wait for room, one for those who wait for items. None are
//! oneshot channels, which have no queue, sockets, files and [`JoinHandle`](crate::task::JoinHandle)s: who waits for them is in
//! [`dump`], as is who waits for what now, with or without a subscriber. A wait that began before anybody subscribed is not told.
//!
//! A greenlet that enters a span of its own must leave it before it waits: the thread would be in there meanwhile, for everybody.

mod counters;
mod deadlock;
mod dump;
mod exposition;
mod glance;
mod hooks;
#[cfg(feature = "tracing")]
mod resources;
#[cfg(feature = "tracing")]
mod spans;
mod stats;
mod status;
mod survey;
mod watchdog;

pub use deadlock::{Deadlock, OnDeadlock};
pub use dump::{Dump, dump};
pub use exposition::{Exposition, Number, prometheus};
pub use glance::Glance;
pub use hooks::PollStage;
pub use stats::{Histogram, Stats, stats};
pub use status::{TaskState, TaskStatus, WaitsFor, list};
pub use watchdog::{Frame, Probe, Sight, Stall};

pub(crate) use counters::{Counters, Lag, Pulse};
pub(crate) use deadlock::circles;
pub(crate) use glance::NAME_BYTES;
pub(crate) use hooks::Hooks;
#[cfg(feature = "tracing")]
pub(crate) use resources::{Operation, follow, sleep};
#[cfg(feature = "tracing")]
pub(crate) use spans::job_in_span;
pub(crate) use status::Rounded;
pub(crate) use watchdog::{Watch, Watchdog};

/// Whether the books that only people read are kept. `--cfg runtime_bare` compiles them out, to measure what they cost.
pub(crate) const IS_KEPT: bool = !cfg!(runtime_bare);
