//! What goes on inside a runtime: which tasks there are and what each waits for, and how busy the loop is.
//!
//! | to see | use |
//! |---|---|
//! | the tasks as a tree, for people | [`dump`], which has a `Display` |
//! | the tasks as a list, for programs | [`task::list`](crate::task::list) |
//! | how busy the loop is, and how late | [`stats`] |
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

mod counters;
mod deadlock;
mod dump;
mod glance;
mod hooks;
#[cfg(feature = "tracing")]
mod spans;
mod stats;
mod status;
mod survey;
mod watchdog;

pub use deadlock::{Deadlock, OnDeadlock};
pub use dump::{Dump, dump};
pub use glance::Glance;
pub use hooks::PollStage;
pub use stats::{Histogram, Stats, stats};
pub use status::{TaskState, TaskStatus, WaitsFor, list};
pub use watchdog::{Frame, Probe, Sight, Stall};

pub(crate) use counters::{Counters, Lag, Pulse};
pub(crate) use deadlock::circles;
pub(crate) use glance::NAME_BYTES;
pub(crate) use hooks::Hooks;
pub(crate) use status::Rounded;
pub(crate) use watchdog::{Watch, Watchdog};

/// Whether the books that only people read are kept. `--cfg runtime_bare` compiles them out, to measure what they cost.
pub(crate) const IS_KEPT: bool = !cfg!(runtime_bare);
