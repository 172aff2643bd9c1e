//! Why a job has no result.

#[cfg(feature = "process-pool")]
use crate::process::{Death, RemotePanic};
use std::{
    any::Any,
    error::Error,
    fmt, io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Mutex, PoisonError},
};

/// Why a job gave no result. It displays as a sentence.
///
/// That a function returned an `Err` is no failure of the job: that is its result.
///
/// ```
/// use runtime::pool::{JobError, ThreadPool};
///
/// #[runtime::main]
/// async fn main() {
///     let pool = ThreadPool::new(1);
///     match pool.submit(|n: u32| 100 / n, 0).await {
///         Err(JobError::Panicked(panic)) => assert_eq!(panic.message(), Some("attempt to divide by zero")),
///         other => unreachable!("{other:?}"),
///     }
/// }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum JobError {
    /// It was cancelled before it had begun.
    Cancelled,
    /// The function panicked.
    Panicked(JobPanic),
    /// The time that [`Job::get`](super::Job::get) was given is over. The job goes on, and can be asked again.
    Elapsed,
    /// The pool takes no more jobs: it was closed, or dropped, before this one had begun.
    PoolClosed,
    /// So many jobs wait in the pool already that it takes no more.
    QueueFull(usize),
    /// The pool's initializer failed, so the worker that would have done the job is none; what it said.
    Initializer(String),
    /// The pool has no worker, and the system gives none.
    NoWorker(io::Error),
    /// The process that ran the job has died, and who knows how far the job has come. No other job is concerned.
    #[cfg(feature = "process-pool")]
    WorkerDied(Death),
    /// What the job is called with cannot go to another process, or could not be read there, so the function was not called.
    #[cfg(feature = "process-pool")]
    Arguments(String),
    /// The function has returned, and what it returned cannot come from another process.
    #[cfg(feature = "process-pool")]
    ResultLost(String),
}

impl JobError {
    /// The same once more, for another item of the same job.
    pub(super) fn again(&self) -> Self {
        match self {
            Self::Cancelled => Self::Cancelled,
            Self::Panicked(panic) => Self::Panicked(panic.again()),
            Self::Elapsed => Self::Elapsed,
            Self::PoolClosed => Self::PoolClosed,
            Self::QueueFull(queued) => Self::QueueFull(*queued),
            Self::Initializer(why) => Self::Initializer(why.clone()),
            Self::NoWorker(error) => Self::NoWorker(match error.raw_os_error() {
                Some(code) => io::Error::from_raw_os_error(code),
                None => io::Error::new(error.kind(), error.to_string()),
            }),
            #[cfg(feature = "process-pool")]
            Self::WorkerDied(death) => Self::WorkerDied(death.clone()),
            #[cfg(feature = "process-pool")]
            Self::Arguments(why) => Self::Arguments(why.clone()),
            #[cfg(feature = "process-pool")]
            Self::ResultLost(why) => Self::ResultLost(why.clone()),
        }
    }

    /// The job never began: it was cancelled, or refused.
    ///
    /// ```
    /// use runtime::pool::JobError;
    /// assert!(JobError::PoolClosed.never_began());
    /// assert!(!JobError::Elapsed.never_began());
    /// ```
    pub fn never_began(&self) -> bool {
        #[cfg(feature = "process-pool")]
        if let Self::Arguments(_) = self {
            return true;
        }
        matches!(
            self,
            Self::Cancelled
                | Self::PoolClosed
                | Self::QueueFull(_)
                | Self::Initializer(_)
                | Self::NoWorker(_)
        )
    }
}

impl fmt::Display for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cancelled => f.write_str("the job was cancelled before it had begun"),
            Self::Panicked(panic) => panic.fmt(f),
            Self::Elapsed => f.write_str("the job has not ended in the time given; it goes on"),
            Self::PoolClosed => {
                f.write_str("the pool was closed before the job had begun: submit before `shutdown`")
            }
            Self::QueueFull(queued) => {
                write!(f, "{queued} jobs wait in the pool already, and that is the limit")
            }
            Self::Initializer(why) => write!(f, "the initializer of the pool failed: {why}"),
            Self::NoWorker(error) => write!(
                f,
                "the pool has no worker, and none can be started ({error}): the process or its user has as many as the \
                 system allows (`ulimit -u`, the limit of the container), or memory is short"
            ),
            #[cfg(feature = "process-pool")]
            Self::WorkerDied(death) => write!(f, "the job has no result, as its worker is dead: {death}"),
            #[cfg(feature = "process-pool")]
            Self::Arguments(why) => write!(f, "the job cannot be called: {why}"),
            #[cfg(feature = "process-pool")]
            Self::ResultLost(why) => write!(f, "the job was done, and its result is lost: {why}"),
        }
    }
}

impl Error for JobError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::NoWorker(error) => Some(error),
            #[cfg(feature = "process-pool")]
            Self::WorkerDied(death) => Some(death),
            _ => None,
        }
    }
}

/// What is known of the panic of a job. The panic hook of the thread or process in which it happened has told of it already.
pub struct JobPanic {
    message: Option<String>,
    location: Option<String>,
    /// In a mutex only to be `Sync`, as errors should be.
    payload: Option<Mutex<Box<dyn Any + Send>>>,
}

impl JobPanic {
    /// Of a job that panicked in this process.
    pub(crate) fn here(payload: Box<dyn Any + Send>) -> Self {
        let text = payload.downcast_ref::<&'static str>().map(|text| (*text).to_owned());
        let message = text.or_else(|| payload.downcast_ref::<String>().cloned());
        Self { message, location: None, payload: Some(Mutex::new(payload)) }
    }

    /// Of a job that panicked in another process.
    #[cfg(feature = "process-pool")]
    pub(crate) fn elsewhere(panic: &RemotePanic) -> Self {
        let (message, location) = (panic.message().to_owned(), panic.location().map(str::to_owned));
        Self { message: Some(message), location, payload: None }
    }

    /// What is known of it; what the job panicked with there is once.
    fn again(&self) -> Self {
        Self { message: self.message.clone(), location: self.location.clone(), payload: None }
    }

    /// What it said, if that was text.
    pub fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }

    /// The line that panicked, as `file:line:column`, if it is known: of a panic in another process it is.
    pub fn location(&self) -> Option<&str> {
        self.location.as_deref()
    }

    /// What the job panicked with, to examine or to `resume_unwind`; `None` if that was in another process.
    ///
    /// ```
    /// use runtime::pool::{JobError, ThreadPool};
    /// # runtime::run(async {
    /// let pool = ThreadPool::new(1);
    /// let error = pool.submit(|| std::panic::panic_any(7), ()).await.unwrap_err();
    /// let JobError::Panicked(panic) = error else { unreachable!() };
    /// assert_eq!(panic.into_payload().unwrap().downcast_ref(), Some(&7));
    /// # });
    /// ```
    pub fn into_payload(mut self) -> Option<Box<dyn Any + Send>> {
        self.payload.take().map(|payload| payload.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for JobPanic {
    fn drop(&mut self) {
        if let Some(payload) = self.payload.take() {
            discard(payload.into_inner().unwrap_or_else(PoisonError::into_inner));
        }
    }
}

impl fmt::Display for JobPanic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the job panicked")?;
        if let Some(location) = &self.location {
            write!(f, " at {location}")?;
        }
        match &self.message {
            Some(message) => write!(f, ": {message}"),
            None => f.write_str(" with a value that is not text"),
        }
    }
}

impl fmt::Debug for JobPanic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JobPanic({self})")
    }
}

/// Drops what somebody panicked with. It may panic in turn; what that one carries is leaked, or this would never end.
pub(crate) fn discard(payload: Box<dyn Any + Send>) {
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(again);
    }
}

/// Runs code of the user's whose panic ends here; the panic hook has told of it by then.
pub(crate) fn isolate(code: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(code)) {
        discard(payload);
    }
}
