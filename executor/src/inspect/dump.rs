//! All tasks as a tree, for people.

use super::{
    status::{Rounded, TaskState, TaskStatus, WaitsFor},
    survey::Survey,
};
use crate::{current, task::TaskId};
use std::{collections::HashMap, fmt};

/// Waits shown of one task. Who waits for a thousand things knows what they are.
const MAX_WAITS: usize = 8;
/// How deep children are indented; beyond, they are shown at this depth. Chains of spawns can be long.
const MAX_DEPTH: usize = 32;

/// All tasks of a runtime at one moment: structured, and by its `Display` as a tree of who spawned whom.
///
/// ```text
/// 2 tasks, 1 ready
/// main task has waited 3s
///     for the end of task 1
/// ├─ task 1 'fetch' (spawned at src/main.rs:7:5) has waited 1s
/// │      for the Lock created at src/main.rs:3:16, asked at src/main.rs:8:20, held by task 2 since src/main.rs:14:9, for at least 1s
/// └─ task 2 (spawned at src/main.rs:12:5) is ready
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Dump {
    /// Every task that has not ended, in order of spawning; the first one is the main task, which is there also when no
    /// `block_on` runs.
    pub tasks: Vec<TaskStatus>,
}

/// The tasks of the runtime that runs on this thread, and what each waits for.
///
/// # Panics
/// If no runtime runs on this thread.
#[track_caller]
pub fn dump() -> Dump {
    current::expect("inspect::dump", |core| Dump { tasks: Survey::of(core).tasks })
}

impl fmt::Display for Dump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.tasks.iter().filter(|status| status.task.id() != TaskId::MAIN).count();
        let ready = self.tasks.iter().filter(|status| status.state == TaskState::Ready).count();
        write!(f, "{count} task{}, {ready} ready", if count == 1 { "" } else { "s" })?;
        self.tree().iter().try_for_each(|branch| branch.fmt(f))
    }
}

/// A task and its place in the tree.
struct Branch<'a> {
    status: &'a TaskStatus,
    /// Of its ancestors below the top and of itself, whether a sibling follows.
    has_next: Vec<bool>,
    has_children: bool,
}

impl Dump {
    /// Parents before their children, siblings in order of spawning. No recursion: a chain may be long.
    fn tree(&self) -> Vec<Branch<'_>> {
        let mut children: HashMap<Option<TaskId>, Vec<&TaskStatus>> = HashMap::new();
        for status in &self.tasks {
            children.entry(status.parent).or_default().push(status);
        }
        let mut branches = Vec::new();
        let mut open: Vec<(&TaskStatus, Vec<bool>)> = Vec::new();
        let tops = children.remove(&None).unwrap_or_default();
        open.extend(tops.into_iter().rev().map(|top| (top, Vec::new())));
        while let Some((status, has_next)) = open.pop() {
            let below = children.remove(&Some(status.task.id())).unwrap_or_default();
            let has_children = !below.is_empty();
            for (index, child) in below.into_iter().rev().enumerate() {
                let mut path = has_next.clone();
                path.truncate(MAX_DEPTH);
                path.push(index > 0);
                open.push((child, path));
            }
            branches.push(Branch { status, has_next, has_children });
        }
        branches
    }
}

impl fmt::Display for Branch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TaskStatus { task, state, since_poll, waits, is_daemon, .. } = self.status;
        let (own, above) =
            self.has_next.split_last().map_or((None, &[][..]), |(own, above)| (Some(own), above));
        let trunk: String = above.iter().map(|next| if *next { "│  " } else { "   " }).collect();
        let (fork, under) = match own {
            None => ("", ""),
            Some(true) => ("├─ ", "│  "),
            Some(false) => ("└─ ", "   "),
        };
        write!(f, "\n{trunk}{fork}{task}")?;
        if *is_daemon && task.id() != TaskId::MAIN {
            f.write_str(", a daemon,")?;
        }
        match state {
            TaskState::Running => f.write_str(" runs")?,
            TaskState::Ready => f.write_str(" is ready")?,
            TaskState::Waiting => {
                write!(f, " has waited {}", Rounded(since_poll.unwrap_or_default()))?;
                if waits.is_empty() {
                    f.write_str(" for nothing that is known")?;
                }
            }
        }
        let gap = if self.has_children { "│   " } else { "    " };
        // Woken or running, it may not wait for these any more.
        let shown = if *state == TaskState::Waiting { waits.len() } else { 0 };
        write_waits(f, &format!("{trunk}{under}{gap}"), &waits[..shown])
    }
}

/// What somebody waits for, in lines of their own.
pub(super) fn write_waits(f: &mut fmt::Formatter<'_>, indent: &str, waits: &[WaitsFor]) -> fmt::Result {
    for wait in &waits[..waits.len().min(MAX_WAITS)] {
        write!(f, "\n{indent}for {wait}")?;
    }
    match waits.len().saturating_sub(MAX_WAITS) {
        0 => Ok(()),
        more => write!(f, "\n{indent}and for {more} more"),
    }
}
