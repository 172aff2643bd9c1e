//! Closures of the program's that are called as tasks come and go.
//!
//! A runtime without any pays one branch per spawn, per poll and per sleep.

#[cfg(feature = "tracing")]
use super::spans::Spans;
#[cfg(feature = "tracing")]
use crate::task::TaskId;
use crate::{
    core::Core,
    task::{TaskInfo, error::discard, raw::TaskRef},
};
use std::{
    cell::Cell,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    task::Poll,
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
    /// There are closures, and not only the place for spans.
    #[cfg(feature = "tracing")]
    has_closures: bool,
    /// One runs now. What it does itself calls no other: a hook that spawns would spawn for ever.
    runs: Cell<bool>,
}

impl Hooks {
    /// Nothing, if there is nothing to call.
    #[cfg(not(feature = "tracing"))]
    pub(crate) fn if_any(self) -> Option<Box<Self>> {
        self.has_any().then(|| Box::new(self))
    }

    /// Whether anybody subscribes to spans may change at any time.
    #[cfg(feature = "tracing")]
    pub(crate) fn if_any(self) -> Option<Box<Self>> {
        Some(Box::new(Self { has_closures: self.has_any(), ..self }))
    }

    fn has_any(&self) -> bool {
        let Self { on_task_spawn, on_task_poll, on_task_end, on_park, on_unpark, .. } = self;
        let tasks = on_task_spawn.is_some() || on_task_poll.is_some() || on_task_end.is_some();
        tasks || on_park.is_some() || on_unpark.is_some()
    }

    /// Whether there is anything to call now.
    #[inline]
    pub(crate) fn are_called(&self) -> bool {
        #[cfg(feature = "tracing")]
        return self.has_closures || !self.spans.are_none();
        #[cfg(not(feature = "tracing"))]
        true
    }

    /// Whether a task that begins now may have a span. Where nobody subscribes, as in most runs of most programs, this one
    /// load is the price.
    #[inline]
    pub(crate) fn has_subscriber() -> bool {
        #[cfg(feature = "tracing")]
        return super::spans::has_subscriber();
        #[cfg(not(feature = "tracing"))]
        false
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
        #[cfg(feature = "tracing")]
        self.spans.begin(core, task);
        self.call(self.on_task_spawn.as_deref(), |hook| hook(&TaskInfo::of(core, task)));
    }

    /// A turn of a task, between the hooks for it.
    #[cold]
    pub(crate) fn around_turn(&self, core: &Core, task: TaskRef, turn: impl FnOnce()) {
        let turn = || self.call_around_turn(core, task, turn);
        #[cfg(feature = "tracing")]
        self.spans.around_turn(core, task, turn);
        #[cfg(not(feature = "tracing"))]
        turn();
    }

    fn call_around_turn(&self, core: &Core, task: TaskRef, turn: impl FnOnce()) {
        if self.on_task_poll.is_none() && self.on_task_end.is_none() {
            return turn();
        }
        let info = TaskInfo::of(core, task);
        let key = task.key();
        // A cancelled task is dropped in its turn, not polled.
        let polls = self.on_task_poll.as_deref().filter(|_| !task.is_cancelled());
        self.call(polls, |hook| hook(&info, PollStage::Before));
        turn();
        self.call(polls, |hook| hook(&info, PollStage::After));
        if core.slots().find(key).is_none() {
            self.call(self.on_task_end.as_deref(), |hook| hook(&info));
        }
    }

    /// A poll of the main task, between the hooks for it.
    #[cold]
    pub(crate) fn around_main<T>(&self, core: &Core, poll: impl FnOnce() -> Poll<T>) -> Poll<T> {
        let poll = || self.call_around_main(core, poll);
        #[cfg(feature = "tracing")]
        let poll = || self.spans.around_main(core, poll);
        poll()
    }

    fn call_around_main<T>(&self, core: &Core, poll: impl FnOnce() -> T) -> T {
        let info = TaskInfo::of(core, core.root());
        let polls = self.on_task_poll.as_deref();
        self.call(polls, |hook| hook(&info, PollStage::Before));
        let polled = poll();
        self.call(polls, |hook| hook(&info, PollStage::After));
        polled
    }

    /// The main task begins, and ends when this is dropped.
    #[cfg(feature = "tracing")]
    pub(crate) fn main_begins(&self, core: &Core) -> MainSpan<'_> {
        self.spans.begin(core, core.root());
        MainSpan(&self.spans)
    }

    /// A task will have a turn.
    #[cfg(feature = "tracing")]
    pub(crate) fn woken(&self, task: TaskRef) {
        self.spans.woken(task.id());
    }

    pub(crate) fn parks(&self) {
        self.call(self.on_park.as_deref(), |hook| hook());
    }

    pub(crate) fn unparked(&self) {
        self.call(self.on_unpark.as_deref(), |hook| hook());
    }
}

/// The span of the main task, for as long as that is driven: it may also be left by a panic.
#[cfg(feature = "tracing")]
pub(crate) struct MainSpan<'a>(&'a Spans);

#[cfg(feature = "tracing")]
impl Drop for MainSpan<'_> {
    fn drop(&mut self) {
        self.0.end(TaskId::MAIN);
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
