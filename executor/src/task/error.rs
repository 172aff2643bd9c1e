//! How a task can fail, and what is said when nobody listens.

use super::{TaskId, TaskInfo};
use crate::{
    current,
    observe::{self, Report},
};
use std::{
    any::Any,
    fmt,
    io::Write,
    panic::{AssertUnwindSafe, Location, catch_unwind},
    sync::{Mutex, PoisonError},
};

/// Why a task gave no value: it was cancelled, or it panicked.
///
/// ```
/// use runtime_executor::{Executor, spawn};
///
/// Executor::builder().build().block_on(async {
///     let error = spawn(async { panic!("out of tea") }).await.unwrap_err();
///     assert!(error.is_panic());
///     assert!(error.to_string().contains("out of tea"));
/// });
/// ```
pub struct JoinError(Box<Failure>);

struct Failure {
    label: Label,
    /// `None`: cancelled. In a mutex only to be `Sync`, as errors should be.
    panic: Option<Mutex<Box<dyn Any + Send>>>,
}

/// What names a task to a human.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Label {
    pub(crate) noun: &'static str,
    pub(crate) id: TaskId,
    pub(crate) name: Option<String>,
    pub(crate) spawned_at: &'static Location<'static>,
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_id(f, self.noun, self.id)?;
        if let Some(name) = &self.name {
            write!(f, " '{name}'")?;
        }
        write!(f, " (spawned at {})", self.spawned_at)
    }
}

/// `greenlet 7`; the main task is called by no number.
pub(crate) fn write_id(f: &mut fmt::Formatter<'_>, noun: &str, id: TaskId) -> fmt::Result {
    match id {
        TaskId::MAIN => write!(f, "{id}"),
        TaskId(number) => write!(f, "{noun} {number}"),
    }
}

impl JoinError {
    pub(crate) fn cancelled(label: Label) -> Self {
        Self(Box::new(Failure { label, panic: None }))
    }

    pub(crate) fn panicked(label: Label, payload: Box<dyn Any + Send>) -> Self {
        Self(Box::new(Failure { label, panic: Some(Mutex::new(payload)) }))
    }

    /// The task was cancelled before it had a value.
    pub fn is_cancelled(&self) -> bool {
        self.0.panic.is_none()
    }

    /// The task panicked.
    pub fn is_panic(&self) -> bool {
        self.0.panic.is_some()
    }

    /// Which task.
    pub fn id(&self) -> TaskId {
        self.0.label.id
    }

    /// What the task panicked with, to examine or to `resume_unwind`.
    ///
    /// # Panics
    /// If the task was cancelled: ask [`is_panic`](JoinError::is_panic) first, or use
    /// [`try_into_panic`](JoinError::try_into_panic).
    #[track_caller]
    pub fn into_panic(self) -> Box<dyn Any + Send> {
        self.try_into_panic()
            .unwrap_or_else(|error| panic!("into_panic on a task that did not panic: {error}"))
    }

    /// What the task panicked with.
    ///
    /// # Errors
    /// Gives the error back if the task was cancelled.
    pub fn try_into_panic(mut self) -> Result<Box<dyn Any + Send>, Self> {
        match self.0.panic.take() {
            Some(payload) => Ok(payload.into_inner().unwrap_or_else(PoisonError::into_inner)),
            None => Err(self),
        }
    }

    /// Says that a task panicked and that nobody will ever ask: nothing is lost silently.
    #[cold]
    pub(crate) fn report_unobserved(&self) {
        let Label { noun, id, name, spawned_at } = self.0.label.clone();
        let message = self.0.panic.as_ref().and_then(|payload| {
            message_of(&**payload.lock().unwrap_or_else(PoisonError::into_inner)).map(str::to_owned)
        });
        let task = TaskInfo::new(noun, id, name, Some(spawned_at));
        let report = Box::new(Report::Panicked { task, message });
        let unread = current::with_or_none(|core| match core {
            Some(core) => observe::submit(core, report),
            None => Err(report),
        });
        if let Err(report) = unread {
            // A closed standard error must not become a second failure.
            let _ = writeln!(std::io::stderr(), "runtime: {report}");
        }
    }
}

/// The text of a panic, where it has one.
fn message_of(payload: &(dyn Any + Send)) -> Option<&str> {
    payload.downcast_ref::<&'static str>().copied().or_else(|| payload.downcast_ref::<String>().map(|s| &**s))
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.0.label)?;
        let Some(payload) = &self.0.panic else { return f.write_str("was cancelled") };
        match message_of(&**payload.lock().unwrap_or_else(PoisonError::into_inner)) {
            Some(message) => write!(f, "panicked: {message}"),
            None => f.write_str("panicked with a value that is not text"),
        }
    }
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JoinError({self})")
    }
}

impl std::error::Error for JoinError {}

impl Drop for Failure {
    fn drop(&mut self) {
        if let Some(payload) = self.panic.take() {
            discard(payload.into_inner().unwrap_or_else(PoisonError::into_inner));
        }
    }
}

/// Drops what somebody panicked with. It may panic in turn; what that one carries is leaked, or this would
/// never end.
pub(crate) fn discard(payload: Box<dyn Any + Send>) {
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(again);
    }
}

/// Drops a value of the user's; a panic in its `Drop` has been reported by the panic hook and ends here.
pub(crate) fn drop_quietly<T>(value: T) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
        discard(payload);
    }
}
