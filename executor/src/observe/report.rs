//! What is told to people, and how it gets to them.

use crate::{
    core::Core,
    current,
    inspect::Deadlock,
    task::{TaskInfo, error::discard},
};
use runtime_sync::Kind;
use std::{
    fmt,
    io::Write,
    mem,
    panic::{AssertUnwindSafe, Location, catch_unwind},
};

/// Something wrong in the program that the runtime noticed; nothing was done about it. Its `Display` is a sentence with
/// the remedy.
///
/// Reports go to standard error, or to the closure given to [`Builder::on_report`](crate::Builder::on_report).
///
/// ```
/// use runtime_executor::{Executor, Report, spawn, task::yield_now};
/// use runtime_sync::Lock;
/// use std::{cell::RefCell, rc::Rc};
///
/// let reports = Rc::new(RefCell::new(Vec::new()));
/// let seen = reports.clone();
/// let executor = Executor::builder().on_report(move |report| seen.borrow_mut().push(report.to_string())).build();
/// executor.block_on(async {
///     let lock = Rc::new(Lock::new(()));
///     let other = lock.clone();
///     spawn(async move { std::mem::forget(other.acquire().await) }).await.unwrap();
///     spawn(async move { drop(lock.acquire().await) }).detach();
///     yield_now().await;
/// });
/// assert!(reports.borrow()[0].contains("has ended"));
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Report {
    /// A future was granted what it waited for, and its task, though woken, does not poll it any more: what was granted
    /// serves nobody until the future is polled or dropped.
    #[non_exhaustive]
    Futurelock {
        /// Who should poll it.
        task: TaskInfo,
        /// The primitive's kind.
        kind: Kind,
        /// The line that created the primitive.
        created: &'static Location<'static>,
        /// The line that waits.
        asked: &'static Location<'static>,
    },
    /// A task waits for something that was acquired by a task which has ended: its guard was forgotten, or is where
    /// nobody drops it. Reported once per holder.
    #[non_exhaustive]
    HolderEnded {
        /// Who acquired it, if it is known still: the last 64 tasks that ended after somebody had waited in this runtime are.
        holder: Option<TaskInfo>,
        /// The lock's kind.
        kind: Kind,
        /// The line that created the lock.
        created: &'static Location<'static>,
        /// The line that acquired it.
        since: &'static Location<'static>,
        /// One that waits for it.
        waiting: Option<TaskInfo>,
        /// The line that waits.
        asked: &'static Location<'static>,
    },
    /// A task ended that had acquired more often than it released.
    #[non_exhaustive]
    EndedHolding {
        /// Who.
        task: TaskInfo,
        /// The lock's kind.
        kind: Kind,
        /// The line that created the lock.
        created: &'static Location<'static>,
        /// How often it has yet to be released.
        count: u32,
    },
    /// Tasks wait for each other.
    Deadlock(Deadlock),
    /// A task waits for what it acquired itself, and for nothing else; only if its guard was handed to somebody else
    /// can that end. Where the guard cannot have left the task, this is a panic instead of a report.
    #[non_exhaustive]
    SelfWait {
        /// Who.
        task: Option<TaskInfo>,
        /// The lock's kind.
        kind: Kind,
        /// The line that created the lock.
        created: &'static Location<'static>,
        /// The line that acquired it.
        since: &'static Location<'static>,
        /// The line that waits.
        asked: &'static Location<'static>,
    },
    /// A cleanup ([`task::defer`](crate::task::defer)) was dropped before it was done: its grace period was over, or the
    /// runtime had ended.
    #[non_exhaustive]
    Cleanup {
        /// The line that registered it.
        registered: &'static Location<'static>,
    },
    /// A task panicked, and nobody will ever ask what became of it: its handle was dropped.
    #[non_exhaustive]
    Panicked {
        /// Who.
        task: TaskInfo,
        /// What the panic said, if it was text.
        message: Option<String>,
    },
    /// A stack was left as it is, with all that is on it: nothing of that will ever be dropped.
    #[non_exhaustive]
    Abandoned {
        /// Whose stack it was; `None` if it was no task's.
        task: Option<TaskInfo>,
        /// The reason, as the end of a sentence.
        why: &'static str,
    },
    /// The runtime ended before a task that was spawned, and neither cancelled nor a daemon, had its first turn. In debug
    /// builds only.
    ///
    /// Of tasks alone. That a future which is no task was dropped without a poll is mostly right (a branch of `select!` whose
    /// neighbour was ready, the timer of a `timeout` that was not needed), so nobody is told at run time: the compiler warns
    /// of a future that is not used, and each of ours says what it has not done.
    #[non_exhaustive]
    NeverRan {
        /// The first one.
        task: TaskInfo,
        /// How many others there are.
        others: usize,
    },
}

/// Who reads the reports, if it is not standard error.
pub(crate) type OnReport = Option<Box<dyn Fn(&Report)>>;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Futurelock { task, kind, created, asked } => write!(
                f,
                "{task} was granted what it waits for at {asked}, but does not poll that future any more: the {kind} \
                 created at {created} serves nobody until it does, or drops the future. Let `select!` own its \
                 branches instead of polling `&mut future`, or drop the future before awaiting anything else"
            ),
            Self::HolderEnded { holder, kind, created, since, waiting, asked } => {
                let (holder, waiting) = (Name(holder.as_ref()), Name(waiting.as_ref()));
                write!(
                    f,
                    "{waiting} waits at {asked} for the {kind} created at {created}, which {holder} acquired at {since} \
                     and has not released: that task has ended. Its guard was forgotten (`mem::forget`, a cycle of \
                     `Rc`s) or is kept elsewhere: drop it where the section ends"
                )
            }
            Self::EndedHolding { task, kind, created, count } => write!(
                f,
                "{task} has ended, and the {kind} created at {created} was released {count} times fewer than it was \
                 acquired: nobody else will ever get it. Drop every guard, and forget none (`mem::forget`)"
            ),
            Self::Deadlock(deadlock) => deadlock.fmt(f),
            Self::SelfWait { task, kind, created, since, asked } => write!(
                f,
                "{} waits at {asked} for the {kind} created at {created}, which it acquired itself at {since}, and for \
                 nothing else: unless that guard was handed to somebody else, it waits for ever. Drop the first \
                 guard before acquiring again, or use an RLock, which lets its holder in again",
                Name(task.as_ref())
            ),
            Self::Cleanup { registered } => write!(
                f,
                "the cleanup registered at {registered} was dropped before it was done: its grace period was over, or the \
                 runtime had ended. Let it wait for less, or give it longer (`Builder::cleanup_grace`, `Defer::grace`)"
            ),
            Self::Panicked { task, message } => {
                let (colon, message) = match message {
                    Some(message) => (":", &**message),
                    None => ("", "with a value that is not text"),
                };
                write!(
                    f,
                    "{task} panicked{colon} {message}; its JoinHandle was dropped, so nobody will be told"
                )
            }
            Self::Abandoned { task, why } => {
                let task = Name(task.as_ref());
                write!(f, "the stack of {task} was abandoned, and nothing on it will ever be dropped: {why}")
            }
            Self::NeverRan { task, others } => {
                write!(f, "{task}")?;
                if *others > 0 {
                    write!(f, " and {others} other{}", if *others == 1 { "" } else { "s" })?;
                }
                f.write_str(
                    " never ran: the runtime ended before the first turn. Await the handle, or build the runtime with \
                     `OnExit::Wait`; what need not run is a daemon",
                )
            }
        }
    }
}

struct Name<'a>(Option<&'a TaskInfo>);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(task) => task.fmt(f),
            None => f.write_str("a task"),
        }
    }
}

/// Has something told soon.
pub(crate) fn report(core: &Core, report: Report) {
    core.observed().with(|books| books.reports.push(report));
    core.call_observer();
}

/// Tells that the stack of the task that runs now was abandoned; `why` is the end of a sentence.
///
/// ```
/// use runtime_executor::{Executor, Report, report_abandoned};
/// let executor = Executor::builder().on_report(|report| assert!(matches!(report, Report::Abandoned { .. }))).build();
/// executor.block_on(async { report_abandoned("it was too deep") });
/// ```
pub fn report_abandoned(why: &'static str) {
    let told = current::with(|core| {
        let task = core.running().map(|task| TaskInfo::of(core, task));
        report(core, Report::Abandoned { task, why });
    });
    if told.is_none() {
        // A closed standard error must not become a second failure.
        let _ = writeln!(std::io::stderr(), "runtime: {}", Report::Abandoned { task: None, why });
    }
}

/// The same, if somebody reads reports. Gives it back otherwise.
pub(crate) fn submit(core: &Core, unread: Box<Report>) -> Result<(), Box<Report>> {
    if core.observed().on_report.is_none() {
        return Err(unread);
    }
    report(core, *unread);
    Ok(())
}

/// Tells what was found. Nothing is borrowed and nobody runs meanwhile.
pub(crate) fn deliver(core: &Core) {
    let observed = core.observed();
    if observed.with(|books| books.reports.is_empty()) {
        return;
    }
    for report in observed.with(|books| mem::take(&mut books.reports)) {
        match &observed.on_report {
            Some(on_report) => {
                if let Err(payload) = catch_unwind(AssertUnwindSafe(|| on_report(&report))) {
                    discard(payload);
                }
            }
            None => {
                // A closed standard error must not become a second failure.
                let _ = writeln!(std::io::stderr(), "runtime: {report}");
            }
        }
    }
}
