//! What belongs to a poll rather than to a thread, for those who leave a poll in the middle: stacks of their own.

use super::{locals::Locals, raw::TaskRef, slots::Key};
use crate::{core::Core, current};
use std::{fmt, mem};

/// What the runtime of this thread keeps for the length of a poll: the task-locals, which child of a group is polled, and
/// what limits agree on. Whoever switches to another stack and back puts it aside meanwhile.
///
/// ```
/// use runtime_executor::{Executor, task::Polling, task_local};
///
/// task_local!(static USER: &'static str);
///
/// Executor::builder().build().block_on(async {
///     let mut aside = Polling::now();
///     USER.sync_scope("eve", || {
///         aside.swap();
///         assert!(USER.try_with(|_| ()).is_err(), "as it was before");
///         aside.swap();
///         assert_eq!(USER.get(), "eve");
///     });
/// });
/// ```
#[derive(Clone, Default)]
pub struct Polling {
    locals: Locals,
    child: Option<(TaskRef, Key)>,
    is_held: bool,
    is_doomed: bool,
}

impl Polling {
    /// What is there now. Outside a runtime there is nothing.
    pub fn now() -> Self {
        current::with(|core| {
            let child = core.set_running_child(None);
            core.set_running_child(child);
            Self { locals: core.locals(), child, is_held: core.is_held(), is_doomed: core.is_doomed() }
        })
        .unwrap_or_default()
    }

    /// Exchanges what is there with this.
    #[inline]
    pub fn swap(&mut self) {
        current::with(|core| self.swap_in(core));
    }

    #[inline]
    fn is_plain(&self) -> bool {
        self.locals.is_empty() && self.child.is_none() && !self.is_held && !self.is_doomed
    }

    #[inline]
    fn swap_in(&mut self, core: &Core) {
        if self.is_plain() && core.polls_plainly() {
            return;
        }
        self.locals = core.replace_locals(mem::take(&mut self.locals));
        self.child = core.set_running_child(self.child);
        let (is_held, is_doomed) = (core.is_held(), core.is_doomed());
        core.set_limits(self.is_held, self.is_doomed);
        (self.is_held, self.is_doomed) = (is_held, is_doomed);
    }
}

impl fmt::Debug for Polling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Polling").finish_non_exhaustive()
    }
}
