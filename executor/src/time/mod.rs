//! Time: sleeping, limits, ticks, and a clock that tests may stop and move.
//!
//! | to | use |
//! |---|---|
//! | wait a while, or until an instant | [`sleep`], [`sleep_until`] |
//! | limit how long something takes | [`timeout`], [`timeout_at`]; [`timeout_scope`] if the limit may move |
//! | do something later | [`Timer::after`] |
//! | do something every so often | [`interval`], [`interval_at`] |
//! | know the time | [`Instant::now`] |
//! | test an hour in a millisecond | [`Clock::paused`] or [`pause`], then [`advance`] |
//!
//! What holds for all of them: a timer never fires early; those that are due fire in the order of their deadlines, and
//! of their creation where these are equal; a deadline beyond all bounds, such as [`Duration::MAX`], means never and
//! does not overflow; the futures are plain integers that need no pinning and may be sent to, and dropped on, any
//! thread, but are awaited in the runtime that first polled them.
//!
//! ```
//! use runtime_executor::{Executor, time::{self, Instant}};
//! use std::time::Duration;
//!
//! Executor::builder().build().block_on(async {
//!     let start = Instant::now();
//!     let answer = time::timeout(Duration::from_secs(5), async {
//!         time::sleep(Duration::from_millis(2)).await;
//!         42
//!     });
//!     assert_eq!(answer.await, Ok(42));
//!     assert!(start.elapsed() >= Duration::from_millis(2));
//! });
//! ```
//!
//! Inside: `clock.rs` tells the time, `wheel.rs` (on `slots.rs` and `due.rs`) keeps timers in order without knowing of either clocks
//! or tasks, `timers.rs` joins the two for the loop, the other files are the futures.

mod advance;
mod clock;
mod due;
mod instant;
mod interval;
mod sleep;
mod slots;
mod timeout;
mod timeout_scope;
mod timer;
mod timers;
mod trace;
mod wheel;

pub use std::time::Duration;

pub use advance::{Advance, advance, pause, resume, set_auto_advance};
pub use clock::{AutoAdvance, Clock};
pub use instant::Instant;
pub use interval::{Interval, MissedTickPolicy, interval, interval_at};
pub use runtime_sync::Elapsed;
pub use sleep::{Sleep, sleep, sleep_until};
pub use timeout::{Timeout, timeout, timeout_at};
pub use timeout_scope::{Deadline, TimeoutScope, timeout_scope};
pub use timer::Timer;

pub(crate) use clock::real_now;
pub(crate) use timers::Timers;
