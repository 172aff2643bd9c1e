//! What of the core is for those who look inside it.

use super::Core;
use crate::{
    inspect::{Counters, Hooks},
    observe::{self, Report},
    task::{TaskInfo, raw::TaskRef},
};

impl Core {
    /// What is to be called as a task begins.
    #[inline]
    pub(crate) fn hooks_at_spawn(&self) -> Option<&Hooks> {
        self.hooks.as_deref().filter(|hooks| hooks.are_called() || Hooks::has_subscriber())
    }

    /// What is to be called as tasks go on and end.
    #[inline]
    pub(crate) fn hooks(&self) -> Option<&Hooks> {
        self.hooks.as_deref().filter(|hooks| hooks.are_called())
    }

    /// A task was queued by a wake.
    #[inline]
    pub(super) fn note_wake(&self, task: TaskRef) {
        #[cfg(feature = "tracing")]
        if let Some(hooks) = self.hooks() {
            hooks.woken(task);
        }
        #[cfg(not(feature = "tracing"))]
        let _ = task;
    }

    /// What is counted for `inspect::stats`.
    #[inline]
    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Begins the next stride of polls.
    #[inline]
    pub(crate) fn begin_stride(&self) {
        self.counters.polls.begin_stride();
        self.remote.pulse().note_stride();
    }

    /// Tasks spawned so far.
    pub(crate) fn spawned(&self) -> u64 {
        self.next_task_id.get() - 1
    }

    /// The runtime ends; some of its tasks may not have begun. Debug builds only, and not in a simulation, where it
    /// happens at every other seed.
    pub(super) fn tell_who_never_ran(&self, tasks: &[TaskRef]) {
        if !cfg!(debug_assertions) || self.arranger.is_some() {
            return;
        }
        // A cleanup that had no time has a report of its own.
        let in_vain = |task: &&TaskRef| task.has_waited_in_vain() && !self.cleanups.is_cleanup(task.id());
        let mut never_ran = tasks.iter().filter(in_vain);
        if let Some(first) = never_ran.next() {
            let report = Report::NeverRan { task: TaskInfo::of(self, *first), others: never_ran.count() };
            observe::report(self, report);
        }
    }
}
