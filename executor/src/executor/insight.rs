//! Settings of an executor for those who want to look inside it: stalls and hooks.

use super::Builder;
use crate::{
    inspect::{PollStage, Probe, Stall},
    task::TaskInfo,
};
use std::time::Duration;

impl Builder {
    /// Watches for tasks that keep the thread from all others: a poll longer than `threshold` of real time is reported
    /// while it goes on, with its task, the line that spawned it and the thread's stack. Off unless asked for, and with a
    /// threshold of zero; 25 ms is a good one. A poll is noticed once it took between one and one and three quarters of
    /// the threshold. At most five stalls a minute are reported.
    ///
    /// A thread of its own watches, at four times per threshold while the loop is busy and not at all while it sleeps.
    /// The loop does nothing for it. Which task it is, and the stack, are for a [`probe`](Self::stall_probe) to say.
    ///
    /// ```
    /// use runtime_executor::Executor;
    /// use std::{sync::mpsc, time::Duration};
    ///
    /// let (sender, stalls) = mpsc::channel();
    /// let executor = Executor::builder()
    ///     .watch_stalls(Duration::from_millis(25))
    ///     .on_stall(move |stall| sender.send(stall.lasted).unwrap())
    ///     .build();
    /// // It blocks the thread until that is noticed.
    /// let lasted = executor.block_on(async { stalls.recv().unwrap() });
    /// assert!(lasted >= Duration::from_millis(25));
    /// ```
    pub fn watch_stalls(mut self, threshold: Duration) -> Self {
        self.watch.threshold = threshold;
        self
    }

    /// Who looks at the stalled thread. Without one, stalls are reported without their task, and up to 15 polls may
    /// count as one.
    pub fn stall_probe(mut self, probe: impl Probe + 'static) -> Self {
        self.watch.probe = Some(Box::new(probe));
        self
    }

    /// Gives reports of stalls to `f`, instead of writing them to standard error. It is called on the thread that
    /// watches, while the stall goes on; a panic in it goes no further.
    pub fn on_stall(mut self, f: impl Fn(&Stall) + Send + 'static) -> Self {
        self.watch.on_stall = Some(Box::new(f));
        self
    }

    /// Has `f` called with each task that is spawned, before its first poll.
    ///
    /// This holds for all hooks: they are called inside the runtime, on its thread, between two polls or beside one; what
    /// a hook does itself calls no hook; a panic in it goes no further. Without any, they cost a branch.
    ///
    /// ```
    /// use runtime_executor::{Executor, spawn};
    /// use std::{cell::RefCell, rc::Rc};
    ///
    /// let log = Rc::new(RefCell::new(Vec::new()));
    /// let [spawned, polled, ended] = [log.clone(), log.clone(), log.clone()];
    /// let executor = Executor::builder()
    ///     .on_task_spawn(move |task| spawned.borrow_mut().push(format!("{} spawned", task.id())))
    ///     .on_task_poll(move |task, stage| polled.borrow_mut().push(format!("{stage:?} {}", task.id())))
    ///     .on_task_end(move |task| ended.borrow_mut().push(format!("{} ended", task.id())))
    ///     .build();
    /// executor.block_on(async { spawn(async {}).await.unwrap() });
    /// assert_eq!(log.borrow()[..], [
    ///     "Before main task", "task 1 spawned", "After main task",
    ///     "Before task 1", "After task 1", "task 1 ended",
    ///     "Before main task", "After main task",
    /// ]);
    /// ```
    pub fn on_task_spawn(mut self, f: impl Fn(&TaskInfo) + 'static) -> Self {
        self.hooks.on_task_spawn = Some(Box::new(f));
        self
    }

    /// Has `f` called before and after each poll of a task, the main task among them. See
    /// [`on_task_spawn`](Self::on_task_spawn).
    pub fn on_task_poll(mut self, f: impl Fn(&TaskInfo, PollStage) + 'static) -> Self {
        self.hooks.on_task_poll = Some(Box::new(f));
        self
    }

    /// Has `f` called with each task that has ended, in whatever way, after whoever waited for it was woken. See
    /// [`on_task_spawn`](Self::on_task_spawn).
    pub fn on_task_end(mut self, f: impl Fn(&TaskInfo) + 'static) -> Self {
        self.hooks.on_task_end = Some(Box::new(f));
        self
    }

    /// Has `f` called before the loop, having nothing to do, goes to sleep. See
    /// [`on_task_spawn`](Self::on_task_spawn).
    pub fn on_park(mut self, f: impl Fn() + 'static) -> Self {
        self.hooks.on_park = Some(Box::new(f));
        self
    }

    /// Has `f` called when the loop has woken up. See [`on_task_spawn`](Self::on_task_spawn).
    pub fn on_unpark(mut self, f: impl Fn() + 'static) -> Self {
        self.hooks.on_unpark = Some(Box::new(f));
        self
    }
}
