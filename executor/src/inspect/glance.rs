//! What a signal handler may learn of the runtime that it interrupts.

use crate::{
    core::Core,
    current,
    task::{TaskId, TaskInfo, raw::TaskRef},
};
use std::{fmt, panic::Location};

/// Bytes of a task's name that a glance has room for. It has to live where nothing can be allocated.
pub(crate) const NAME_BYTES: usize = 48;

/// The task that runs on a thread, seen from a signal handler on that thread.
///
/// Plain data of a fixed size: it can wait in a static until another thread reads it.
#[derive(Clone, Copy)]
pub struct Glance {
    polls: u64,
    noun: &'static str,
    task: Option<(TaskId, Option<&'static Location<'static>>)>,
    name: [u8; NAME_BYTES],
    name_len: u8,
}

impl Glance {
    /// Looks at the runtime that runs on this thread; `None` if there is none.
    ///
    /// Async-signal-safe: it reads a few words, takes no lock, and neither allocates nor frees. Of these words the count of
    /// polls is made of two, so it may be one stride (15) off if the handler comes just as a stride begins.
    ///
    /// ```
    /// use runtime_executor::{Executor, inspect::Glance, task};
    /// assert!(Glance::take().is_none());
    /// Executor::builder().build().block_on(async {
    ///     let glance = Glance::take().unwrap();
    ///     assert_eq!(glance.task(), Some(task::current()));
    /// });
    /// ```
    pub fn take() -> Option<Self> {
        current::with(|core| {
            let mut glance = Self {
                polls: core.counters().polls.get(),
                noun: "task",
                task: None,
                name: [0; NAME_BYTES],
                name_len: 0,
            };
            if let Some(task) = core.running() {
                glance.see(core, task);
            }
            glance
        })
    }

    fn see(&mut self, core: &Core, task: TaskRef) {
        let is_main = task == core.root();
        self.noun = task.noun();
        self.task = Some((task.id(), (!is_main).then(|| task.spawned_at())));
        if !is_main {
            self.name_len = task.glance_at_name(&mut self.name) as u8;
        }
    }

    /// How many polls the runtime has made: tells whether two glances saw the same one.
    pub fn polls(&self) -> u64 {
        self.polls
    }

    /// The task whose poll was interrupted; `None` between two polls. Long names end in the middle.
    pub fn task(&self) -> Option<TaskInfo> {
        let (id, spawned_at) = self.task?;
        let name = self.name_bytes();
        let name = (!name.is_empty()).then(|| String::from_utf8_lossy(name).into_owned());
        Some(TaskInfo::new(self.noun, id, name, spawned_at))
    }

    /// As [`task`](Self::task), for a signal handler, which cannot allocate: which one, and where it was spawned, if it is not
    /// the main task.
    ///
    /// ```
    /// use runtime_executor::{Executor, inspect::Glance, task};
    /// Executor::builder().build().block_on(async {
    ///     let of_a_child = async { Glance::take().unwrap() };
    ///     let glance = task::Builder::new().name("reader").spawn(of_a_child).await.unwrap();
    ///     let (id, spawned_at) = glance.task_id().unwrap();
    ///     assert_eq!((glance.noun(), id.get(), glance.name()), ("task", 1, "reader"));
    ///     assert!(spawned_at.is_some());
    /// });
    /// ```
    pub fn task_id(&self) -> Option<(TaskId, Option<&'static Location<'static>>)> {
        self.task
    }

    /// What the task is called: `task`, or as its future has it ([`PollCancel::NOUN`](crate::task::PollCancel::NOUN)).
    pub fn noun(&self) -> &'static str {
        self.noun
    }

    /// The name of the task, or nothing; the beginning of a long one.
    pub fn name(&self) -> &str {
        let name = self.name_bytes();
        match std::str::from_utf8(name) {
            Ok(name) => name,
            // Cut in the middle of a character.
            Err(error) => std::str::from_utf8(&name[..error.valid_up_to()]).unwrap_or(""),
        }
    }

    fn name_bytes(&self) -> &[u8] {
        &self.name[..usize::from(self.name_len)]
    }
}

impl fmt::Debug for Glance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Glance").field("polls", &self.polls).field("task", &self.task()).finish()
    }
}
