//! Settings of a runtime for those who want to look inside it: stalls and hooks.

use super::Builder;
use runtime_executor::{
    inspect::{PollStage, Stall},
    task::TaskInfo,
};
use std::time::Duration;

impl Builder {
    /// Watches for tasks that keep the thread from all others: a poll longer than `threshold` of real time is reported
    /// while it goes on, with its task, the line that spawned it and, with the feature `stacks`, what the thread is doing.
    /// Off unless asked for, and with a threshold of zero; 25 ms is a good one.
    ///
    /// A thread of its own watches while the loop is busy, and interrupts a suspect by the signal SIGURG; the loop itself
    /// does nothing for it. A handler that the program had for that signal before is still called for its own. On systems
    /// other than Linux, stalls are reported without their task. At most five a minute are reported.
    ///
    /// ```
    /// use std::{sync::mpsc, time::Duration};
    ///
    /// let (sender, stalls) = mpsc::channel();
    /// let runtime = runtime::Builder::new()
    ///     .watch_stalls(Duration::from_millis(25))
    ///     .on_stall(move |stall| sender.send(stall.to_string()).unwrap())
    ///     .build()?;
    /// // It blocks the thread until that is noticed.
    /// let told = runtime.block_on(async { stalls.recv().unwrap() });
    /// # if cfg!(target_os = "linux") {
    /// assert!(told.starts_with("main task has kept the thread for "));
    /// # }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn watch_stalls(mut self, threshold: Duration) -> Self {
        self.executor = self.executor.watch_stalls(threshold);
        self.watches_stalls = !threshold.is_zero();
        self
    }

    /// Gives reports of stalls to `f`, instead of writing them to standard error. It is called on the thread that
    /// watches, while the stall goes on; a panic in it goes no further.
    pub fn on_stall(mut self, f: impl Fn(&Stall) + Send + 'static) -> Self {
        self.executor = self.executor.on_stall(f);
        self
    }

    /// Has `f` called with each task that is spawned, before its first poll.
    ///
    /// This holds for all hooks: they are called inside the runtime, on its thread, between two polls or beside one; what
    /// a hook does itself calls no hook; a panic in it goes no further. Without any, they cost a branch.
    ///
    /// ```
    /// use std::{cell::Cell, rc::Rc};
    ///
    /// let spawned = Rc::new(Cell::new(0));
    /// let counter = spawned.clone();
    /// let runtime = runtime::Builder::new().on_task_spawn(move |_| counter.set(counter.get() + 1)).build()?;
    /// runtime.block_on(async { runtime::spawn(async {}).await.unwrap() });
    /// assert_eq!(spawned.get(), 1);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn on_task_spawn(mut self, f: impl Fn(&TaskInfo) + 'static) -> Self {
        self.executor = self.executor.on_task_spawn(f);
        self
    }

    /// Has `f` called before and after each poll of a task, the main task among them. See
    /// [`on_task_spawn`](Self::on_task_spawn).
    pub fn on_task_poll(mut self, f: impl Fn(&TaskInfo, PollStage) + 'static) -> Self {
        self.executor = self.executor.on_task_poll(f);
        self
    }

    /// Has `f` called with each task that has ended, in whatever way, after whoever waited for it was woken. See
    /// [`on_task_spawn`](Self::on_task_spawn).
    pub fn on_task_end(mut self, f: impl Fn(&TaskInfo) + 'static) -> Self {
        self.executor = self.executor.on_task_end(f);
        self
    }

    /// Has `f` called before the loop, having nothing to do, goes to sleep. See
    /// [`on_task_spawn`](Self::on_task_spawn).
    pub fn on_park(mut self, f: impl Fn() + 'static) -> Self {
        self.executor = self.executor.on_park(f);
        self
    }

    /// Has `f` called when the loop has woken up. See [`on_task_spawn`](Self::on_task_spawn).
    pub fn on_unpark(mut self, f: impl Fn() + 'static) -> Self {
        self.executor = self.executor.on_unpark(f);
        self
    }

    /// Lets the owner of this process ask it, while it runs, what this runtime is doing: `rt ps PID`, `rt tree PID`,
    /// `rt locks PID`, `rt stats PID`, with the command `rt` that comes with this crate. A runtime that is stuck is
    /// answered for by a look at its thread. Also, SIGQUIT (^\\ at the terminal) writes all tasks to standard error
    /// instead of ending the process, unless the program has a use for that signal already.
    ///
    /// Off, unless the environment variable `RUNTIME_INSPECT` is set to something other than 0. It takes a thread for
    /// the process, and a socket in a directory that nobody but the owner can enter: in `$XDG_RUNTIME_DIR`, or in `/tmp`.
    /// What keeps the socket from being made is told on standard error; the runtime runs all the same.
    pub fn inspect(mut self, inspect: bool) -> Self {
        self.inspect = Some(inspect);
        self
    }
}
