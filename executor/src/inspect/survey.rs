//! Goes round and asks everybody who knows what some task waits for.
//!
//! Nothing is noted for this beforehand: books, wheel, handles and reactor keep a task's key (or its number) for as long
//! as they are to wake it, and that names the task.

use super::status::{TaskState, TaskStatus, WaitsFor};
use crate::{
    blocking,
    core::Core,
    task::{TaskId, TaskInfo, raw::TaskRef, waits, waker::Waiter},
    time::Instant,
};
use std::{collections::HashMap, time::Duration};

/// All tasks of a runtime, by number, and what each waits for.
pub(super) struct Survey {
    pub(super) tasks: Vec<TaskStatus>,
    waits: HashMap<TaskId, Vec<WaitsFor>>,
}

impl Survey {
    pub(super) fn of(core: &Core) -> Self {
        let mut survey = Self { tasks: Vec::new(), waits: HashMap::new() };
        survey.ask_books();
        survey.ask_tasks(core);
        survey.ask_groups(core);
        survey.ask_wheel(core);
        survey.ask_outside(core);
        survey.list(core);
        survey
    }

    fn note(&mut self, task: TaskId, waits_for: WaitsFor) {
        self.waits.entry(task).or_default().push(waits_for);
    }

    fn note_waiter(&mut self, core: &Core, waiter: &Waiter, waits_for: WaitsFor) {
        if let Some(task) = owner(core, waiter) {
            self.note(task.id(), waits_for);
        }
    }

    fn ask_books(&mut self) {
        for wait in waits() {
            let Some(task) = wait.task else { continue };
            let is_job = wait.asked.file() == blocking::WAITS_IN;
            self.note(task, if is_job { WaitsFor::Job } else { WaitsFor::Primitive(wait) });
        }
    }

    /// Handles that are awaited.
    fn ask_tasks(&mut self, core: &Core) {
        for task in core.slots().tasks() {
            let joiner = task.joiner().filter(|key| core.is_home_of(*key));
            if let Some(joiner) = joiner.and_then(|key| core.task_above(key)) {
                self.note(joiner.id(), WaitsFor::Task(task.id()));
            }
        }
    }

    fn ask_groups(&mut self, core: &Core) {
        core.draining().visit(&mut |waiter, children| {
            for child in children.iter().filter_map(|child| child.find(core)) {
                self.note_waiter(core, waiter, WaitsFor::Task(child.id()));
            }
        });
    }

    fn ask_wheel(&mut self, core: &Core) {
        let now = core.timers().clock().now();
        core.timers().for_each_waiter(|waiter, deadline: Option<Instant>| {
            self.note_waiter(core, waiter, WaitsFor::timer(now, deadline));
        });
    }

    fn ask_outside(&mut self, core: &Core) {
        core.park().visit_waiters(&mut |waiter, source| {
            self.note_waiter(core, waiter, WaitsFor::Source(source.to_string()));
        });
    }

    fn list(&mut self, core: &Core) {
        let now = core.timers().read_clock();
        let mut tasks: Vec<TaskRef> = core.slots().tasks().collect();
        tasks.sort_unstable_by_key(|task| task.id());
        for task in tasks {
            let mut waits = self.waits.remove(&task.id()).unwrap_or_default();
            // In the order in which they will be looked for: what is surest first; timers by what is due next.
            waits.sort_by_key(rank);
            let wakers = core.waker_count(task.key().slot());
            let state = match (task.is_running() || core.running() == Some(task), task.is_queued()) {
                (true, _) => TaskState::Running,
                (false, true) => TaskState::Ready,
                (false, false) => TaskState::Waiting,
            };
            if wakers > 0 && state == TaskState::Waiting {
                waits.push(WaitsFor::Wakers(wakers));
            }
            let waiting = task.polled_at().filter(|_| state == TaskState::Waiting);
            self.tasks.push(TaskStatus {
                task: TaskInfo::of(core, task),
                parent: core.slots().parent(task).map(TaskRef::id),
                state,
                is_daemon: task.is_daemon(),
                since_poll: waiting.map(|at| Duration::from_nanos(now.saturating_sub(at))),
                waits,
            });
        }
    }
}

/// The task that a waiter wakes, perhaps through the future of a group.
fn owner(core: &Core, waiter: &Waiter) -> Option<TaskRef> {
    let key = waiter.key().filter(|key| core.is_home_of(*key))?;
    core.task_above(key)
}

fn rank(waits_for: &WaitsFor) -> (u8, u64, Duration) {
    match waits_for {
        WaitsFor::Primitive(_) => (0, 0, Duration::ZERO),
        WaitsFor::Job => (1, 0, Duration::ZERO),
        WaitsFor::Task(id) => (2, id.get(), Duration::ZERO),
        WaitsFor::Source(_) => (3, 0, Duration::ZERO),
        WaitsFor::Timer { due_in } => (4, 0, due_in.unwrap_or(Duration::MAX)),
        WaitsFor::Wakers(_) => (5, 0, Duration::ZERO),
    }
}
