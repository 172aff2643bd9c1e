//! Closures of the program's that are called as tasks come and go.
//!
//! A runtime without any pays one branch per spawn, per poll and per sleep.

#[cfg(feature = "tracing")]
use super::spans::Spans;
use crate::{
    core::Core,
    task::{TaskInfo, error::discard, raw::TaskRef},
};
use std::{
    cell::Cell,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// When a hook for polls is called.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum PollStage {
    /// The poll comes next.
    Before,
    /// The poll is over.
    After,
}

/// Called with a task.
type OnTask = Box<dyn Fn(&TaskInfo)>;
/// Called with a task and a stage.
type OnPoll = Box<dyn Fn(&TaskInfo, PollStage)>;

/// The hooks of one runtime.
#[derive(Default)]
pub(crate) struct Hooks {
    pub(crate) on_task_spawn: Option<OnTask>,
    pub(crate) on_task_poll: Option<OnPoll>,
    pub(crate) on_task_end: Option<OnTask>,
    pub(crate) on_park: Option<Box<dyn Fn()>>,
    pub(crate) on_unpark: Option<Box<dyn Fn()>>,
    #[cfg(feature = "tracing")]
    spans: Spans,
    /// One runs now. What it does itself calls no other: a hook that spawns would spawn for ever.
    runs: Cell<bool>,
}

impl Hooks {
    /// Nothing, if there is nothing to call.
    pub(crate) fn if_any(self) -> Option<Box<Self>> {
        let Self { on_task_spawn, on_task_poll, on_task_end, on_park, on_unpark, .. } = &self;
        let tasks = on_task_spawn.is_some() || on_task_poll.is_some() || on_task_end.is_some();
        // Whether anybody subscribes to spans may change at any time.
        (cfg!(feature = "tracing") || tasks || on_park.is_some() || on_unpark.is_some())
            .then(|| Box::new(self))
    }

    /// Calls `f` with a hook, unless one runs already.
    fn call<H: ?Sized>(&self, hook: Option<&H>, f: impl FnOnce(&H)) {
        let Some(hook) = hook else { return };
        if self.runs.replace(true) {
            return;
        }
        isolate(|| f(hook));
        self.runs.set(false);
    }

    #[cold]
    pub(crate) fn spawned(&self, core: &Core, task: TaskRef) {
        let info = TaskInfo::of(core, task);
        #[cfg(feature = "tracing")]
        self.spans.begin(&info);
        self.call(self.on_task_spawn.as_deref(), |hook| hook(&info));
    }

    /// A turn of a task, between the hooks for it.
    #[cold]
    pub(crate) fn around_turn(&self, core: &Core, task: TaskRef, turn: impl FnOnce()) {
        let info = TaskInfo::of(core, task);
        let key = task.key();
        // A cancelled task is dropped in its turn, not polled.
        let polls = self.on_task_poll.as_deref().filter(|_| !task.is_cancelled());
        self.call(polls, |hook| hook(&info, PollStage::Before));
        #[cfg(feature = "tracing")]
        self.spans.around(info.id(), turn);
        #[cfg(not(feature = "tracing"))]
        turn();
        self.call(polls, |hook| hook(&info, PollStage::After));
        if core.slots().find(key).is_none() {
            self.call(self.on_task_end.as_deref(), |hook| hook(&info));
            #[cfg(feature = "tracing")]
            self.spans.end(info.id());
        }
    }

    /// A poll of the main task, between the hooks for it.
    #[cold]
    pub(crate) fn around_main<T>(&self, core: &Core, poll: impl FnOnce() -> T) -> T {
        let info = TaskInfo::of(core, core.root());
        let polls = self.on_task_poll.as_deref();
        self.call(polls, |hook| hook(&info, PollStage::Before));
        let polled = poll();
        self.call(polls, |hook| hook(&info, PollStage::After));
        polled
    }

    pub(crate) fn parks(&self) {
        self.call(self.on_park.as_deref(), |hook| hook());
    }

    pub(crate) fn unparked(&self) {
        self.call(self.on_unpark.as_deref(), |hook| hook());
    }
}

/// Runs code of the program's. A panic in it has been reported by the panic hook, and ends here.
pub(super) fn isolate(code: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(code)) {
        discard(payload);
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks").finish_non_exhaustive()
    }
}
