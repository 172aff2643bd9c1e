//! [`std::thread`] for greenlets: what was a thread is a greenlet on this one.
//!
//! Nothing here needs `Send`, as nothing leaves the thread: greenlets share `Rc`s and `RefCell`s.
//!
//! ```
//! use runtime::green::thread;
//! use std::{cell::Cell, rc::Rc, time::Duration};
//!
//! # runtime::run(runtime::greenlet::run(|| {
//! let visits = Rc::new(Cell::new(0));
//! let visitors: Vec<_> = (0..3)
//!     .map(|n| {
//!         let visits = Rc::clone(&visits);
//!         thread::spawn(move || {
//!             thread::sleep(Duration::from_millis(n)); // all three at the same time
//!             visits.set(visits.get() + 1);
//!         })
//!     })
//!     .collect();
//! visitors.into_iter().for_each(|visitor| visitor.join().unwrap());
//! assert_eq!(visits.get(), 3);
//! # }));
//! ```
//!
//! # What differs from threads
//!
//! - Greenlets take turns: between two waits nobody else runs. Code that computes for long keeps the others waiting, unless it
//!   calls [`yield_now`].
//! - A greenlet whose handle was dropped goes on, as a thread does, until the runtime ends: it is killed then, and unwinds.
//! - What [`std::thread_local!`] declares is one per thread, and so one for all greenlets of the thread: it is shared by them as a
//!   static is by threads. A value for one greenlet alone, and for what it calls, is a [`task_local!`](crate::task_local).
//!   The closure of `LocalKey::with` should not wait: other greenlets come across the same value meanwhile.
//! - [`panicking`] is about the greenlet, [`std::thread::panicking`] about the thread: it is true for all while one of them waits in
//!   a destructor as it unwinds.
//!
//! Outside a greenlet, [`sleep`] and [`yield_now`] do what they do in the standard library.

mod handle;
mod park;
mod scope;

pub use handle::{Builder, JoinHandle, spawn};
pub use park::{Thread, ThreadId, current, park, park_timeout};
pub use scope::{Scope, ScopedJoinHandle, scope};
pub use std::thread::{AccessError, LocalKey, Result, available_parallelism};

use crate::{greenlet, task, time};
use std::time::Duration;

/// Suspends the greenlet for that long. See [`std::thread::sleep`].
///
/// ```
/// use runtime::{green::thread, time::Instant};
/// use std::time::Duration;
///
/// # runtime::run(runtime::greenlet::run(|| {
/// let start = Instant::now();
/// thread::sleep(Duration::from_millis(2));
/// assert!(start.elapsed() >= Duration::from_millis(2));
/// # }));
/// ```
pub fn sleep(dur: Duration) {
    if greenlet::is_inside() {
        greenlet::wait(time::sleep(dur));
    } else {
        #[expect(clippy::disallowed_methods, reason = "no greenlet: the thread itself is to sleep")]
        std::thread::sleep(dur);
    }
}

/// Lets others have their turns. See [`std::thread::yield_now`].
pub fn yield_now() {
    if greenlet::is_inside() {
        greenlet::wait(task::yield_now());
    } else {
        std::thread::yield_now();
    }
}

/// Whether this greenlet is being unwound, by a panic or because it was killed. See [`std::thread::panicking`].
pub fn panicking() -> bool {
    greenlet::is_unwinding()
}
