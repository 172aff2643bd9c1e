//! A list of all that tasks wait for, for people.

use super::{
    books::{Alone, Books},
    task_id,
};
use crate::{
    core::Core,
    current,
    inspect::Rounded,
    task::{TaskId, TaskInfo, raw::TaskRef, waker},
};
use runtime_sync::{Board, Holder, KEY_RUNTIME_BITS, Kind};
use std::{fmt, panic::Location, time::Duration};

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
    /// It has held it for at least so long, by the runtime's clock. Nobody reads a clock when a lock is taken: this counts
    /// from the holder's last poll if that is over and it waits; and from when the loop first looked, having come to rest (or
    /// after a thousand polls), and found this holder and somebody who waits for it. `None` if neither is known yet.
    pub held_for: Option<Duration>,
}

impl WaitHolder {
    fn of(core: &Core, books: &Books, board: &Board, holder: Holder, now: u64) -> Self {
        let key = waker::key_of_owner(holder.owner).filter(|key| core.is_home_of(*key));
        let ended = key.and_then(|key| books.ended(key)).map(TaskInfo::id);
        let holding = key.and_then(|key| core.task_above(key));
        // Who is about to be polled, or runs, may have acquired it just now.
        let at_rest = holding.filter(|task| !task.is_running() && core.running() != Some(*task));
        let seen = Stamp::of(core, board).map(Stamp::nanos);
        let known = at_rest.and_then(TaskRef::polled_at).into_iter().chain(seen).min();
        Self {
            task: holding.map(TaskRef::id).or(ended),
            since: holder.since,
            held_for: known.map(|since| Duration::from_nanos(now.saturating_sub(since))),
        }
    }
}

impl fmt::Display for WaitHolder {
    /// `held by task 2 since file:line:column, for at least 5s`; nothing is said of less than a millisecond.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.task {
            Some(task) => write!(f, "held by {task} since {}", self.since)?,
            None => write!(f, "held since {}", self.since)?,
        }
        match self.held_for.map(Rounded) {
            Some(held) if !held.is_zero() => write!(f, ", for at least {held}"),
            _ => Ok(()),
        }
    }
}

/// The word that an audit leaves on a board whose holder it has not seen there before: the runtime, as in a key, and
/// the time on its clock, in microseconds and one more.
#[derive(Clone, Copy)]
pub(super) struct Stamp(usize);

const TIME_BITS: u32 = usize::BITS - KEY_RUNTIME_BITS;

impl Stamp {
    /// Of this moment.
    pub(super) fn now(core: &Core) -> Self {
        let micros = core.timers().read_clock() / 1_000 + 1;
        Self(usize::from(core.id().index()) << TIME_BITS | micros as usize & ((1 << TIME_BITS) - 1))
    }

    /// What is on the board, if it was this runtime that left it: another one has another clock.
    fn of(core: &Core, board: &Board) -> Option<Self> {
        let stamp = board.stamp();
        (stamp != 0 && stamp >> TIME_BITS == usize::from(core.id().index())).then_some(Self(stamp))
    }

    /// Leaves it.
    pub(super) fn leave(self, board: &Board) {
        board.set_stamp(self.0);
    }

    fn nanos(self) -> u64 {
        ((self.0 & ((1 << TIME_BITS) - 1)) as u64).saturating_sub(1) * 1_000
    }
}

/// What the tasks of this runtime wait for in locks, events, channels and the like, in no order of meaning. Sleeps, I/O
/// and handles are not in it, nor is what is awaited outside of any task.
///
/// # Panics
/// If no runtime runs on this thread.
#[track_caller]
pub fn waits() -> Vec<WaitInfo> {
    current::expect("task::waits", |core| {
        let now = core.timers().read_clock();
        core.observed().with(|books| {
            let mut waits = Vec::new();
            books.each_waiting(core, &mut |board, key, waiting| {
                let holder = board.holder().filter(|_| waiting.kind.has_holder() && !waiting.is_granted);
                let holder = holder.map(|holder| WaitHolder::of(core, books, board, holder, now));
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
