//! Tasks that wait for each other: who is in the circle, who stands behind them, and how that reads.

use super::{
    dump::write_waits,
    status::{Rounded, TaskStatus, WaitsFor},
    survey::Survey,
};
use crate::{
    core::Core,
    task::{TaskId, WaitInfo},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// What is done about tasks that wait for each other: [`Builder::on_deadlock`](crate::Builder::on_deadlock).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum OnDeadlock {
    /// It is reported, and the other tasks go on. Once nothing at all can go on, `block_on` panics with the report: it
    /// would never return.
    #[default]
    Report,
    /// It is reported, and the tasks in the circle are cancelled, so that those behind them go on. If all stands still
    /// without a circle, every task is cancelled; with nobody to cancel, `block_on` panics.
    Fail,
    /// `block_on` panics with the report at once.
    Panic,
}

/// Tasks that wait for each other, or, if nothing at all can happen any more, all tasks there are.
///
/// While others go on, a circle is found if there is a lock in it: tasks that hold one and wait for another one, or for
/// the end of a task that needs it, perhaps through a `join_all` or a group. A circle of handles alone (two tasks that
/// await each other's end) is found when nothing else can happen.
///
/// Its `Display` says who waits for what since when and who holds it, circles first:
///
/// ```text
/// deadlock: nobody is ready, and nothing can happen that would wake anybody
/// circle:
///     task 1 'eat1' (spawned at src/main.rs:12:5) has waited 2s
///         for the Lock created at src/main.rs:4:16, asked at src/main.rs:20:27, held by task 2 since src/main.rs:28:30, for at least 2s
///     task 2 'eat2' (spawned at src/main.rs:13:5) has waited 1s
///         for the Lock created at src/main.rs:5:16, asked at src/main.rs:30:31, held by task 1 since src/main.rs:19:28, for at least 2s
/// behind it:
///     main task has waited 2s
///         for the end of task 1
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Deadlock {
    /// Nothing can happen any more, so all tasks are in here. Otherwise others go on.
    pub is_total: bool,
    /// Tasks each of which waits for the next one, and the last for the first.
    pub cycles: Vec<Vec<TaskStatus>>,
    /// Those who wait for one in a circle, or for one who does; if it is total, everybody else.
    pub behind: Vec<TaskStatus>,
}

/// Tasks behind the circles that are written out; what they wait for repeats itself.
const MAX_SHOWN: usize = 32;

impl Deadlock {
    /// Nothing can happen any more. `has_root`: there is a main task.
    pub(crate) fn total(core: &Core, has_root: bool) -> Self {
        let mut tasks = Survey::of(core).tasks;
        tasks.retain(|status| has_root || status.task.id() != TaskId::MAIN);
        let links = tasks.iter().map(|status| (status.task.id(), waited_for(status))).collect();
        let cycles = circles(&links);
        Self::of(tasks, &cycles, |_| true, true)
    }

    /// These wait for each other, and `behind` for them; the others go on.
    pub(crate) fn partial(core: &Core, cycles: &[Vec<TaskId>], behind: &BTreeSet<TaskId>) -> Self {
        Self::of(Survey::of(core).tasks, cycles, |id| behind.contains(&id), false)
    }

    fn of(
        tasks: Vec<TaskStatus>,
        cycles: &[Vec<TaskId>],
        is_behind: impl Fn(TaskId) -> bool,
        is_total: bool,
    ) -> Self {
        let mut tasks: BTreeMap<TaskId, TaskStatus> =
            tasks.into_iter().map(|status| (status.task.id(), status)).collect();
        let mut circle = |ids: &Vec<TaskId>| ids.iter().filter_map(|id| tasks.remove(id)).collect();
        let cycles = cycles.iter().map(&mut circle).collect();
        let behind = tasks.into_values().filter(|status| is_behind(status.task.id()));
        Self { is_total, cycles, behind: behind.collect() }
    }

    /// Those who are cancelled under [`OnDeadlock::Fail`].
    pub(crate) fn victims(&self) -> Vec<TaskId> {
        let circles = self.cycles.iter().flatten().map(|status| status.task.id());
        let mut victims: Vec<TaskId> = circles.filter(|id| *id != TaskId::MAIN).collect();
        if victims.is_empty() {
            victims = self.behind.iter().map(|status| status.task.id()).collect();
            victims.retain(|id| *id != TaskId::MAIN);
        }
        victims
    }
}

/// The tasks that one waits for.
fn waited_for(status: &TaskStatus) -> Vec<TaskId> {
    let task = |waits: &WaitsFor| match waits {
        WaitsFor::Task(id) => Some(*id),
        WaitsFor::Primitive(WaitInfo { holder: Some(holder), .. }) => holder.task,
        _ => None,
    };
    status.waits.iter().filter_map(task).collect()
}

/// Circles in "who waits for whom", disjoint, each beginning with its least. Who waits in vain for somebody outside of
/// any circle is in none.
pub(crate) fn circles<N: Ord + Copy>(links: &BTreeMap<N, Vec<N>>) -> Vec<Vec<N>> {
    // What is left, once those who wait for none that is left are taken away again and again, has a way on from everywhere.
    let mut left: BTreeMap<N, Vec<N>> = links.clone();
    loop {
        let names: BTreeSet<N> = left.keys().copied().collect();
        let before = left.len();
        left.retain(|_, nexts| {
            nexts.retain(|next| names.contains(next));
            !nexts.is_empty()
        });
        if left.len() == before {
            break;
        }
    }
    let (mut circles, mut seen) = (Vec::new(), BTreeSet::new());
    for start in left.keys() {
        let mut path: Vec<N> = Vec::new();
        let mut at = *start;
        while seen.insert(at) {
            path.push(at);
            at = left[&at][0];
        }
        if let Some(from) = path.iter().position(|name| *name == at) {
            let circle = &mut path[from..];
            let least = (0..circle.len()).min_by_key(|index| circle[*index]).unwrap_or(0);
            circle.rotate_left(least);
            circles.push(circle.to_vec());
        }
    }
    circles
}

impl fmt::Display for Deadlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_total {
            "deadlock: nobody is ready, and nothing can happen that would wake anybody"
        } else {
            "deadlock: these tasks wait for each other and will never go on"
        })?;
        for circle in &self.cycles {
            f.write_str("\ncircle:")?;
            circle.iter().try_for_each(|status| write_task(f, status))?;
        }
        if !self.behind.is_empty() {
            f.write_str(if self.cycles.is_empty() { "\nwaiting:" } else { "\nbehind it:" })?;
        }
        self.behind.iter().take(MAX_SHOWN).try_for_each(|status| write_task(f, status))?;
        match self.behind.len().saturating_sub(MAX_SHOWN) {
            0 => Ok(()),
            more => write!(f, "\n    and {more} more"),
        }
    }
}

fn write_task(f: &mut fmt::Formatter<'_>, status: &TaskStatus) -> fmt::Result {
    let TaskStatus { task, since_poll, waits, .. } = status;
    write!(f, "\n    {task} has waited {}", Rounded(since_poll.unwrap_or_default()))?;
    if waits.is_empty() {
        f.write_str(" for nothing that is known")?;
    }
    write_waits(f, "        ", waits)
}
