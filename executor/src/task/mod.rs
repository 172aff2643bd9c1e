//! Tasks: futures that the runtime drives on its own, side by side.
//!
//! A task belongs to the thread that spawned it, may hold anything (`Rc`, `RefCell`, …), and never moves in
//! memory. [`spawn`] starts one, [`JoinHandle`] is its owner's view.

pub(crate) mod blocks;
mod builder;
mod cell;
pub(crate) mod defer;
mod details;
pub(crate) mod error;
mod gradual;
mod handle;
pub(crate) mod joined;
mod local;
pub(crate) mod locals;
mod polling;
pub(crate) mod raw;
pub(crate) mod run_queue;
pub(crate) mod slots;
mod state;
mod view;
pub(crate) mod waker;
mod yield_now;

pub use builder::{Builder, spawn};
pub use defer::{Defer, defer};
pub use error::JoinError;
pub use gradual::PollCancel;
pub use handle::{CancelHandle, JoinHandle};
pub use local::{Local, local};
pub use locals::{LocalKey, NotBound, WithLocals, inherit};
pub use polling::Polling;
pub use yield_now::{YieldNow, yield_now};

pub use crate::{
    future::{AsCompleted, Shield, Until, Wait, as_completed, shield, wait},
    group::{
        CancelScope, Cancelled, GroupError, Membership, Outcome, Place, Refused, RunScope, Scope,
        ScopedHandle, StartError, Started, TaskGroup, TaskPool, TrySpawnError, scope,
    },
    inspect::{TaskState, TaskStatus, WaitsFor, list},
    observe::{WaitHolder, WaitInfo, waits},
};

use crate::{core::Core, current, registry};
use std::{fmt, panic::Location};

/// Numbers a task: unique in its runtime, in order of spawning, from 1. 0 is the future of `block_on`.
///
/// ```
/// use runtime_executor::{Executor, spawn};
/// Executor::builder().build().block_on(async {
///     let first = spawn(async {});
///     let second = spawn(async {});
///     assert!(first.id() < second.id());
///     assert_eq!(first.id().to_string(), "task 1");
/// });
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(pub(crate) u64);

impl TaskId {
    /// The future of `block_on`.
    pub const MAIN: Self = Self(0);

    /// The number.
    pub fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("main task"),
            id => write!(f, "task {id}"),
        }
    }
}

impl fmt::Debug for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TaskId({})", self.0)
    }
}

/// What is known of a task.
///
/// ```
/// use runtime_executor::{Executor, task};
/// Executor::builder().build().block_on(async {
///     let info = task::Builder::new().name("greeter").spawn(async { task::current() }).await.unwrap();
///     assert_eq!(info.name(), Some("greeter"));
///     assert!(info.spawned_at().unwrap().file().ends_with(".rs"));
/// });
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TaskInfo {
    noun: &'static str,
    id: TaskId,
    name: Option<String>,
    spawned_at: Option<&'static Location<'static>>,
}

impl TaskInfo {
    pub(crate) fn of(core: &Core, task: raw::TaskRef) -> Self {
        if task == core.root() {
            return Self { noun: "task", id: TaskId(0), name: None, spawned_at: None };
        }
        let error::Label { noun, id, name, spawned_at } = task.label();
        Self { noun, id, name, spawned_at: Some(spawned_at) }
    }

    pub(crate) fn new(
        noun: &'static str,
        id: TaskId,
        name: Option<String>,
        spawned_at: Option<&'static Location<'static>>,
    ) -> Self {
        Self { noun, id, name, spawned_at }
    }

    /// What it is: a `"task"`, or a kind of task with a name of its own, such as a `"greenlet"`.
    pub fn noun(&self) -> &'static str {
        self.noun
    }

    /// Its number.
    pub fn id(&self) -> TaskId {
        self.id
    }

    /// The name it was given.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Where it was spawned; `None` for the future of `block_on`.
    pub fn spawned_at(&self) -> Option<&'static Location<'static>> {
        self.spawned_at
    }
}

impl fmt::Display for TaskInfo {
    /// `task 7 'name' (spawned at file:line:column)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        error::write_id(f, self.noun, self.id)?;
        if let Some(name) = &self.name {
            write!(f, " '{name}'")?;
        }
        self.spawned_at.map_or(Ok(()), |spawned_at| write!(f, " (spawned at {spawned_at})"))
    }
}

/// The task that runs now; inside the future of `block_on` that is the main task, number 0.
///
/// # Panics
/// If no runtime runs on this thread.
#[track_caller]
pub fn current() -> TaskInfo {
    current::expect("task::current", |core| TaskInfo::of(core, core.running().unwrap_or(core.root())))
}

/// Which of several tasks to cancel.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whom {
    All,
    /// Those that wait; who was woken already looks after itself at its turn.
    NotWoken,
}

/// Means one task for good: a key alone could mean another one, millions of tasks later.
#[derive(Clone, Copy)]
pub(crate) struct TaskKey {
    pub(crate) key: slots::Key,
    pub(crate) id: TaskId,
}

impl TaskKey {
    /// The task, if it has not ended. In its runtime.
    pub(crate) fn find(self, core: &Core) -> Option<raw::TaskRef> {
        match core.slots().find(self.key)? {
            slots::Occupant::Task(task) if task.id() == self.id => Some(task),
            _ => None,
        }
    }

    fn cancel_here(self, core: &Core, whom: Whom) {
        if let Some(task) = self.find(core)
            && (whom == Whom::All || !task.is_queued())
        {
            task.cancel();
        }
    }
}

/// Cancels those of these tasks that have not ended: here, or by mail if their runtime is not the current one.
pub(crate) fn cancel_all(tasks: &[TaskKey], whom: Whom) {
    for task in tasks.iter().copied() {
        let is_here = current::with(|core| {
            core.is_home_of(task.key) && {
                task.cancel_here(core, whom);
                true
            }
        });
        if is_here != Some(true)
            && let Some(runtime) = registry::serving(task.key.runtime())
        {
            // Refused only if the runtime is gone, and its tasks with it.
            let _ = runtime.post(move || {
                current::with(|core| task.cancel_here(core, whom));
            });
        }
    }
}

/// The task that runs now gets no other turn.
#[cold]
pub(crate) fn cancel_running() {
    current::with(|core| core.running().map(raw::TaskRef::cancel));
}

/// The label of the task that runs now; only from inside one.
pub(crate) fn running_label() -> error::Label {
    current::with(|core| core.running().map(raw::TaskRef::label))
        .flatten()
        .expect("called from a spawned task")
}

/// How many spawned tasks have not ended yet, daemons included; the main task is not counted.
///
/// ```
/// use runtime_executor::{Executor, spawn, task};
/// Executor::builder().build().block_on(async {
///     let handle = spawn(async {});
///     assert_eq!(task::count(), 1);
///     handle.await.unwrap();
///     assert_eq!(task::count(), 0);
/// });
/// ```
///
/// # Panics
/// If no runtime runs on this thread.
#[track_caller]
pub fn count() -> usize {
    current::expect("task::count", Core::alive_with_daemons)
}
