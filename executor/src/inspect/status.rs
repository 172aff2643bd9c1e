//! What a task is doing: for `task::list`, and as the entries of a dump.

use super::survey::Survey;
use crate::{
    current,
    task::{TaskId, TaskInfo, WaitInfo},
    time::Instant,
};
use std::{fmt, time::Duration};

/// What a task is doing, at one moment.
///
/// ```
/// use runtime_executor::{Executor, spawn, task::{self, TaskState, WaitsFor}, time::{Clock, sleep}};
/// use std::time::Duration;
///
/// Executor::builder().clock(Clock::paused()).build().block_on(async {
///     let napping = task::Builder::new().name("napping").spawn(sleep(Duration::from_secs(60)));
///     sleep(Duration::from_secs(2)).await;
///     let [status] = &task::list()[..] else { panic!("there is one") };
///     assert_eq!(status.task.name(), Some("napping"));
///     assert_eq!(status.state, TaskState::Waiting);
///     assert_eq!(status.since_poll, Some(Duration::from_secs(2)));
///     assert!(matches!(status.waits[..], [WaitsFor::Timer { .. }]));
/// #   drop(napping);
/// });
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct TaskStatus {
    /// Which task.
    pub task: TaskInfo,
    /// Who spawned it; `None` if that task has ended, or if nobody's poll did: a callback, or another thread.
    pub parent: Option<TaskId>,
    /// Whether it runs, may run, or waits.
    pub state: TaskState,
    /// It does not keep a runtime with [`OnExit::Wait`](crate::OnExit::Wait) running.
    pub is_daemon: bool,
    /// How long ago it was polled last, by the runtime's clock as the loop last read it: at most a millisecond too long
    /// where there are timers or sockets, and about a thousand polls where there is neither. `None` unless it waits.
    pub since_poll: Option<Duration>,
    /// What it waits for. Several, if it waits for the first or the last of them, or polls futures side by side; none if
    /// that is not known: then it made its own arrangements, or will never be woken.
    pub waits: Vec<WaitsFor>,
}

/// Whether a task runs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum TaskState {
    /// Its code runs now.
    Running,
    /// It was woken (or never ran), and has its place in the run queue.
    Ready,
    /// Somebody or something has to wake it.
    Waiting,
}

/// One thing that a task waits for.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum WaitsFor {
    /// A lock, an event, a channel or the like.
    Primitive(WaitInfo),
    /// The end of a task, whose handle it awaits.
    Task(TaskId),
    /// A time.
    #[non_exhaustive]
    Timer {
        /// In how long; `None` for never.
        due_in: Option<Duration>,
    },
    /// An event from outside, such as `source 3 to be readable`.
    Source(String),
    /// Its job on the blocking pool.
    Job,
    /// Whoever holds clones of its waker, and how many there are: code that is not this runtime's.
    Wakers(usize),
}

impl WaitsFor {
    pub(super) fn timer(now: Instant, deadline: Option<Instant>) -> Self {
        Self::Timer { due_in: deadline.map(|deadline| deadline.saturating_duration_since(now)) }
    }
}

impl fmt::Display for WaitsFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Primitive(WaitInfo { kind, created, asked, holder, is_granted, .. }) => {
                write!(f, "the {kind} created at {created}, asked at {asked}")?;
                if *is_granted {
                    return f.write_str(", granted");
                }
                holder.as_ref().map_or(Ok(()), |holder| write!(f, ", {holder}"))
            }
            Self::Task(id) => write!(f, "the end of {id}"),
            Self::Timer { due_in: Some(due_in) } => write!(f, "a timer, due in {}", Rounded(*due_in)),
            Self::Timer { due_in: None } => f.write_str("a timer that never fires"),
            Self::Source(source) => f.write_str(source),
            Self::Job => f.write_str("its job on the blocking pool"),
            Self::Wakers(1) => f.write_str("whoever holds a clone of its waker"),
            Self::Wakers(count) => write!(f, "whoever holds {count} clones of its waker"),
        }
    }
}

/// A duration as people say it: nothing below a millisecond, nor below a hundredth of a second once it took a minute.
pub(crate) struct Rounded(pub(crate) Duration);

impl Rounded {
    /// Whether nothing is left of it.
    pub(crate) fn is_zero(&self) -> bool {
        self.0.as_millis() == 0
    }
}

impl fmt::Display for Rounded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&Duration::from_millis(u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX)), f)
    }
}

/// All tasks that have not ended, in order of spawning (`asyncio.all_tasks`); the main task is not among them.
///
/// What it takes is found out now: some microseconds, and more with many tasks.
///
/// # Panics
/// If no runtime runs on this thread.
#[track_caller]
pub fn list() -> Vec<TaskStatus> {
    current::expect("task::list", |core| {
        let mut tasks = Survey::of(core).tasks;
        tasks.retain(|status| status.task.id() != TaskId::MAIN);
        tasks
    })
}
