//! Spans and events by which a `tracing` subscriber follows the tasks, in the words that tokio-console understands.
//!
//! The console counts wakers: clones of them, drops, and wakes, of which one by value gives its waker up. A waker here is a
//! key that nobody counts for that, and most waits keep the key and no waker at all. What is told instead comes to the
//! same sums: a turn that leaves the task waiting has left a waker with somebody, and the wake that ends the wait takes
//! it back. So each task that waits has one waker out, and the console accuses none of having lost its own; tasks that really
//! wait in vain are found by `observe/audit.rs`.
//!
//! Wakes that find the task woken already are not told. Those of other threads are told by the loop, when it reads its mail:
//! only there is it known whose span a key means.

use super::hooks::isolate;
use crate::{
    core::Core,
    task::{TaskId, TaskInfo, raw::TaskRef, slots::Occupant},
};
use std::{
    any::type_name,
    cell::{Cell, RefCell},
    collections::HashMap,
    panic::Location,
    rc::Rc,
    task::Poll,
};
use tracing::{Span, info_span, level_filters::LevelFilter, trace};

/// The spans of the tasks that live. Subscribers are anybody's code: they are called while nothing is borrowed.
#[derive(Default)]
pub(super) struct Spans {
    by_task: RefCell<HashMap<TaskId, Rc<TaskSpan>>>,
    /// How many there are, at hand.
    count: Cell<usize>,
}

/// Whether anybody may want them.
#[inline]
pub(super) fn has_subscriber() -> bool {
    LevelFilter::current() >= LevelFilter::INFO
}

struct TaskSpan {
    span: Span,
    /// A turn has left it waiting, and it was not woken since.
    waits: Cell<bool>,
}

impl Spans {
    /// Whether no task has one.
    #[inline]
    pub(super) fn are_none(&self) -> bool {
        self.count.get() == 0
    }

    /// A task begins.
    pub(super) fn begin(&self, core: &Core, task: TaskRef) {
        if has_subscriber() {
            isolate(|| self.try_begin(core, task));
        }
    }

    fn try_begin(&self, core: &Core, task: TaskRef) {
        let info = TaskInfo::of(core, task);
        let is_main = info.id() == TaskId::MAIN;
        // No parent: the end of a span is not told before that of its last child, so whoever has spawned would seem to live
        // on. That one task led to the other is told in a way that keeps neither.
        let span = info_span!(
            target: "runtime::task",
            parent: None,
            "runtime.spawn",
            kind = if is_main { "block_on" } else { info.noun() },
            runtime = core.id().index(),
            task.id = info.id().get(),
            task.name = if is_main { Some("main") } else { info.name() },
            size.bytes = (!is_main).then(|| task.block_bytes()),
            loc.file = info.spawned_at().map(Location::file),
            loc.line = info.spawned_at().map(Location::line),
            loc.col = info.spawned_at().map(Location::column),
        );
        if !span.is_disabled() {
            runtime_sync::follow_waits();
            let task = Rc::new(TaskSpan { span, waits: Cell::new(false) });
            // First kept, then told: a subscriber that panics here may do so again when the span ends.
            self.change(|spans| spans.insert(info.id(), task.clone()));
            follow_from_here(&task.span);
        }
    }

    fn find(&self, task: TaskId) -> Option<Rc<TaskSpan>> {
        self.by_task.borrow().get(&task).cloned()
    }

    /// A turn of a task, inside its span. The span ends with the turn that ends the task.
    pub(super) fn around_turn(&self, core: &Core, task: TaskRef, turn: impl FnOnce()) {
        let (id, key) = (task.id(), task.key());
        let Some(task) = self.find(id) else { return turn() };
        let entered = Entered::enter(&task.span);
        turn();
        let left = core.slots().find(key);
        if matches!(left, Some(Occupant::Task(left)) if !left.is_queued()) {
            task.is_left_waiting();
        }
        drop(entered);
        if left.is_none() {
            self.end(id);
        }
        isolate(|| drop(task));
    }

    /// A poll of the main task, inside its span.
    pub(super) fn around_main<T>(&self, core: &Core, poll: impl FnOnce() -> Poll<T>) -> Poll<T> {
        let Some(main) = self.find(TaskId::MAIN) else { return poll() };
        let _entered = Entered::enter(&main.span);
        let polled = poll();
        if polled.is_pending() && !core.root().is_queued() {
            main.is_left_waiting();
        }
        polled
    }

    /// A task will have a turn.
    pub(super) fn woken(&self, task: TaskId) {
        if let Some(task) = self.find(task) {
            task.is_woken();
        }
    }

    /// A task has ended.
    pub(super) fn end(&self, task: TaskId) {
        let span = self.change(|spans| spans.remove(&task));
        isolate(|| drop(span));
    }

    fn change<R>(&self, change: impl FnOnce(&mut HashMap<TaskId, Rc<TaskSpan>>) -> R) -> R {
        let mut spans = self.by_task.borrow_mut();
        let result = change(&mut spans);
        self.count.set(spans.len());
        result
    }
}

/// What is told between the turns, in the console's words: see the top of this file.
impl TaskSpan {
    fn is_left_waiting(&self) {
        self.waits.set(true);
        self.tell("waker.clone");
    }

    fn is_woken(&self) {
        self.tell(if self.waits.replace(false) { "waker.wake" } else { "waker.wake_by_ref" });
    }

    fn tell(&self, op: &str) {
        if let Some(id) = self.span.id() {
            isolate(|| trace!(target: "runtime::waker", op, task.id = id.into_u64()));
        }
    }
}

/// Tells that the span in which this thread is has led to another one.
fn follow_from_here(span: &Span) {
    span.with_subscriber(|(id, dispatch)| {
        if let Some(here) = dispatch.current_span().id() {
            dispatch.record_follows_from(id, here);
        }
    });
}

/// While it lives, this thread is inside the span. Unlike that of `tracing` it lets no panic of a subscriber out.
pub(super) struct Entered<'a>(&'a Span);

impl<'a> Entered<'a> {
    pub(super) fn enter(span: &'a Span) -> Self {
        isolate(|| {
            span.with_subscriber(|(id, dispatch)| dispatch.enter(id));
        });
        Self(span)
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        isolate(|| {
            self.0.with_subscriber(|(id, dispatch)| dispatch.exit(id));
        });
    }
}

/// A blocking job, inside a span of its own on the thread where it runs. The span begins now, when the job is to be queued.
pub(crate) fn job_in_span<T, F>(job: F, spawned_at: &'static Location<'static>) -> impl FnOnce() -> T + Send
where
    F: FnOnce() -> T + Send,
{
    let mut span = Span::none();
    isolate(|| {
        span = info_span!(
            target: "runtime::task",
            parent: None,
            "runtime.spawn",
            kind = "blocking",
            "fn" = type_name::<F>(),
            loc.file = spawned_at.file(),
            loc.line = spawned_at.line(),
            loc.col = spawned_at.column(),
        );
        follow_from_here(&span);
    });
    move || {
        let entered = Entered::enter(&span);
        let value = job();
        drop(entered);
        isolate(|| drop(span));
        value
    }
}
