//! `Barrier`: [`std::sync::Barrier`] over the shared one of `runtime::sync`.

use crate::{green::waiting::wait, sync::shared};
use std::{
    fmt,
    panic::{RefUnwindSafe, UnwindSafe},
};

/// [`std::sync::Barrier`], at which greenlets wait without keeping the thread.
///
/// A greenlet that is killed while it waits has not arrived: another has to come in its place.
///
/// ```
/// use runtime::green::{
///     sync::{Arc, Barrier},
///     thread,
/// };
///
/// # runtime::run(runtime::greenlet::run(|| {
/// let start = Arc::new(Barrier::new(3));
/// let runners: Vec<_> = (0..3)
///     .map(|_| {
///         let start = Arc::clone(&start);
///         thread::spawn(move || start.wait().is_leader())
///     })
///     .collect();
/// let leaders = runners.into_iter().map(|runner| runner.join().unwrap());
/// assert_eq!(leaders.filter(|is_leader| *is_leader).count(), 1);
/// # }));
/// ```
pub struct Barrier {
    barrier: shared::Barrier,
}

impl UnwindSafe for Barrier {}
impl RefUnwindSafe for Barrier {}

impl Barrier {
    /// See [`std::sync::Barrier::new`]. The line of this call is remembered: reports name the barrier by it.
    #[track_caller]
    pub const fn new(n: usize) -> Self {
        // The standard library's barriers of 0 and of 1 are the same.
        Self { barrier: shared::Barrier::const_new(if n == 0 { 1 } else { n }) }
    }

    /// Waits until as many have come as the barrier is for. The last to come is the leader. See
    /// [`std::sync::Barrier::wait`].
    ///
    /// # Panics
    /// Where it cannot wait (see the [module](super)), and is not the last.
    #[track_caller]
    pub fn wait(&self) -> BarrierWaitResult {
        let index = wait("`Barrier::wait`", self.barrier.wait()).expect("nobody can break it");
        BarrierWaitResult(index + 1 == self.barrier.parties())
    }
}

/// Whether this was the last to arrive. See [`std::sync::BarrierWaitResult`].
pub struct BarrierWaitResult(bool);

impl BarrierWaitResult {
    /// See [`std::sync::BarrierWaitResult::is_leader`].
    #[must_use]
    pub fn is_leader(&self) -> bool {
        self.0
    }
}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Barrier").field("parties", &self.barrier.parties()).finish_non_exhaustive()
    }
}

impl fmt::Debug for BarrierWaitResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BarrierWaitResult").field("is_leader", &self.is_leader()).finish()
    }
}
