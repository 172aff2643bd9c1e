//! A list of all that tasks wait for, for people.

use super::{books::Alone, task_id};
use crate::{
    core::Core,
    current,
    task::{TaskId, TaskInfo, raw::TaskRef, waker},
};
use runtime_sync::{Holder, Kind};
use std::panic::Location;

/// One wait of a task: for what, since which line, and who has it.
///
/// ```
/// use runtime_executor::{Executor, spawn, task};
/// use runtime_sync::{Event, Kind};
///
/// Executor::builder().build().block_on(async {
///     spawn(async { Event::new().wait().await }).detach();
///     task::yield_now().await;
///     let [wait] = &task::waits()[..] else { panic!("one waits") };
///     assert_eq!(wait.kind, Kind::Event);
///     assert!(wait.holder.is_none());
/// });
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct WaitInfo {
    /// Who waits. `None` if that task has ended and left its future to somebody, or if an executor of somebody else's
    /// stands between it and a branch of a `join_all`.
    pub task: Option<TaskId>,
    /// In what kind of primitive.
    pub kind: Kind,
    /// Where the primitive was created.
    pub created: &'static Location<'static>,
    /// The primitive's address: tells two from the same line apart.
    pub address: usize,
    /// The line that waits.
    pub asked: &'static Location<'static>,
    /// Who holds what is waited for, where somebody can, as far as is known on this thread.
    pub holder: Option<WaitHolder>,
    /// The wait was granted; its task has yet to take notice.
    pub is_granted: bool,
}

/// Who holds what somebody waits for.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct WaitHolder {
    /// Which task; `None` if that is not known: it has ended, is of another runtime, or asked through an executor of
    /// its own.
    pub task: Option<TaskId>,
    /// The line that acquired it.
    pub since: &'static Location<'static>,
}

/// What the tasks of this runtime wait for in locks, events, channels and the like, in no order of meaning. Sleeps, I/O
/// and handles are not in it, nor is what is awaited outside of any task.
///
/// # Panics
/// If no runtime runs on this thread.
#[track_caller]
pub fn waits() -> Vec<WaitInfo> {
    current::expect("task::waits", |core| {
        core.observed().with(|books| {
            let mut waits = Vec::new();
            books.each_waiting(core, &mut |board, key, waiting| {
                let holder = board.holder().filter(|_| waiting.kind.has_holder() && !waiting.is_granted);
                let holder = holder.map(|Holder { owner, since }| {
                    let key = waker::key_of_owner(owner).filter(|key| core.is_home_of(*key));
                    let ended = key.and_then(|key| books.ended(key)).map(TaskInfo::id);
                    let task = key.and_then(|key| core.task_above(key)).map(TaskRef::id).or(ended);
                    WaitHolder { task, since }
                });
                waits.push(WaitInfo {
                    task: task_id(core, key),
                    kind: waiting.kind,
                    created: board.created(),
                    address: board.address(),
                    asked: waiting.asked,
                    holder,
                    is_granted: waiting.is_granted,
                });
            });
            waits.extend(books.alone.iter().map(|(_, Alone { key, wait, .. })| WaitInfo {
                task: task_id(core, *key),
                kind: wait.kind,
                created: wait.created,
                address: wait.address,
                asked: wait.asked,
                holder: None,
                is_granted: false,
            }));
            waits
        })
    })
}

/// What is known of a task.
pub(super) fn info_of(core: &Core, task: TaskRef) -> TaskInfo {
    TaskInfo::of(core, task)
}

/// What is known of the task with that number.
pub(super) fn info(core: &Core, id: Option<TaskId>) -> Option<TaskInfo> {
    let task = core.slots().tasks().find(|task| Some(task.id()) == id)?;
    Some(info_of(core, task))
}
