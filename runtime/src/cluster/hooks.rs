//! What the user has called at the turns of a worker's life, by the supervisor.

use super::ExitReason;
use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// Which worker a hook is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Worker {
    /// Its place among the workers, counted from 0. Its replacement gets the same.
    pub slot: usize,
    /// How often the program was reloaded before it was started.
    pub generation: u64,
    /// Its process, which in threads mode is this one; `None` before it has started.
    pub pid: Option<u32>,
}

type Hook = Box<dyn Fn(Worker)>;
type ExitedHook = Box<dyn Fn(Worker, &ExitReason)>;

/// The user's hooks, each kind in the order in which they were given.
#[derive(Default)]
pub(super) struct Hooks {
    pub(super) before_start: Vec<Hook>,
    pub(super) ready: Vec<Hook>,
    pub(super) stopping: Vec<Hook>,
    pub(super) exited: Vec<ExitedHook>,
}

impl Hooks {
    /// Calls those of one kind. A panic has been reported by the panic hook, and goes no further.
    pub(super) fn call(hooks: &[Hook], worker: Worker) {
        for hook in hooks {
            let _ = catch_unwind(AssertUnwindSafe(|| hook(worker)));
        }
    }

    /// Calls those that want to know how a worker ended.
    pub(super) fn call_exited(&self, worker: Worker, reason: &ExitReason) {
        for hook in &self.exited {
            let _ = catch_unwind(AssertUnwindSafe(|| hook(worker, reason)));
        }
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks")
            .field("before_start", &self.before_start.len())
            .field("ready", &self.ready.len())
            .field("stopping", &self.stopping.len())
            .field("exited", &self.exited.len())
            .finish()
    }
}
