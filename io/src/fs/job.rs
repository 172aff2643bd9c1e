//! Calls that may wait for a disk, on the threads of the blocking pool, and the futures that wait for them.

use super::error::explain;
use crate::handle_error::HandleError;
use runtime_executor::{Job, RefusalReason, RefusedJob, submit_blocking};
use runtime_sync::shared::oneshot::{self, Receiver};
use std::{io, path::Path};

/// Hands a job to the pool. In a simulation, which has no threads, the job runs here and now.
///
/// # Errors
/// The job is dropped then.
pub(crate) fn submit(job: Job) -> io::Result<()> {
    let Err(RefusedJob { job, reason }) = submit_blocking(job) else { return Ok(()) };
    match reason {
        RefusalReason::NoThreads => {
            job();
            Ok(())
        }
        RefusalReason::NoRuntime => Err(HandleError::NoRuntime.into()),
        reason => Err(io::Error::other(reason)),
    }
}

/// Begins `op` on the pool. If nobody waits any more when its turn comes, it is dropped instead.
pub(super) fn start<T: Send + 'static>(op: impl FnOnce() -> T + Send + 'static) -> io::Result<Receiver<T>> {
    let (answer, answered) = oneshot::channel();
    let job = move || {
        if !answer.is_closed() {
            let _ = answer.send(op());
        }
    };
    submit(Box::new(job))?;
    Ok(answered)
}

/// What is said of an operation that did not answer.
pub(super) fn unanswered(_: oneshot::RecvError) -> io::Error {
    io::Error::other("the runtime ended before the operation on the file, or the operation panicked")
}

/// Runs `op` on the pool and waits for it.
pub(super) async fn run<T: Send + 'static>(
    op: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    start(op)?.await.map_err(unanswered)?
}

/// Runs `op` with a path; its error names both.
pub(super) async fn run_on<T: Send + 'static>(
    action: &'static str,
    path: &Path,
    op: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let path = path.to_owned();
    run(move || op(&path).map_err(|error| explain(action, &path, error))).await
}
