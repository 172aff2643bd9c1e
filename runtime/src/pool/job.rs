//! `Job`: something that is being done elsewhere.

use super::{
    JobError,
    ticket::{Outcome, Source},
};
use crate::{doze::Doze, time::Clock};
use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

/// A job of a pool: a future of its outcome (`concurrent.futures.Future`, `AsyncResult`).
///
/// The job is done whether or not anybody awaits it; dropping this detaches it. To have it not done, if it has not begun,
/// [`cancel`](Job::cancel) it.
///
/// ```
/// use runtime::pool::ThreadPool;
///
/// #[runtime::main]
/// async fn main() {
///     let pool = ThreadPool::new(5);
///     let jobs: Vec<_> = (0..5_u64).map(|n| pool.submit(|n: u64| n * n, n)).collect();
///     for (n, job) in (0..).zip(jobs) {
///         assert_eq!(job.await.unwrap(), n * n); // in the order of submission
///     }
/// }
/// ```
///
/// # Cancel safety
/// Awaiting `&mut job` may be given up and begun again.
#[must_use = "a job goes on when this is dropped, and nobody learns what became of it: await it, or say `.detach()`"]
pub struct Job<T: Send + 'static> {
    source: Arc<dyn Source<T>>,
}

impl<T: Send + 'static> Job<T> {
    pub(crate) fn new(source: Arc<dyn Source<T>>) -> Self {
        Self { source }
    }

    /// Blocks until the job has ended (`Future.result`, `AsyncResult.get`), for at most `timeout` if that is not `None`; then the
    /// outcome is this one's.
    ///
    /// In a greenlet it suspends the greenlet. Elsewhere it blocks the thread, and by the real clock: on a thread that runs a
    /// runtime all its tasks stall meanwhile, so await the job there instead. Callbacks of this thread's runtime are called in
    /// here, before it returns.
    ///
    /// On a thread of the pool itself, in a job that waits for another one without a limit, the thread does that other one if
    /// nobody has begun it. So jobs may wait for the jobs that they submit.
    ///
    /// ```
    /// use runtime::pool::{JobError, ThreadPool};
    /// use std::{sync::mpsc, time::Duration};
    ///
    /// let pool = ThreadPool::new(1); // no runtime is needed
    /// let (go_on, may_go_on) = mpsc::channel();
    /// let mut job = pool.submit(move || may_go_on.recv().unwrap(), ());
    /// assert!(matches!(job.get(Duration::ZERO), Err(JobError::Elapsed)));
    /// go_on.send(42).unwrap();
    /// assert_eq!(job.get(None).unwrap(), 42);
    /// ```
    ///
    /// # Errors
    /// Why there is no result; [`JobError::Elapsed`] if the time is over, and then it may be called again.
    ///
    /// # Panics
    /// If the outcome was given before; in a callback of the same job, which could never be over; without a limit, if the job
    /// has a callback in a runtime of this thread that does not run now.
    #[track_caller]
    pub fn get(&mut self, timeout: impl Into<Option<Duration>>) -> Result<T, JobError> {
        let limit = timeout.into();
        #[cfg(feature = "greenlet")]
        if crate::greenlet::is_inside() {
            return match limit {
                None => crate::greenlet::wait(self),
                Some(limit) => {
                    crate::greenlet::wait(crate::time::timeout(limit, self)).unwrap_or(Err(JobError::Elapsed))
                }
            };
        }
        assert!(
            !self.source.ticket().is_told_here(),
            "`get` in a callback of the same job would wait for itself: the callback is given the outcome"
        );
        self.block(limit)
    }

    #[track_caller]
    fn block(&mut self, limit: Option<Duration>) -> Outcome<T> {
        let clock = Clock::real();
        let deadline = limit.and_then(|limit| clock.now().checked_add(limit));
        let doze = Arc::new(Doze::default());
        let waker = Arc::clone(&doze).into();
        loop {
            self.source.tell_here();
            if let Poll::Ready(outcome) = self.source.ticket().poll_take(&Context::from_waker(&waker)) {
                return outcome;
            }
            if limit.is_none() && Arc::clone(&self.source).help() {
                continue;
            }
            assert!(
                limit.is_some() || !self.source.ticket().is_stuck_here(),
                "`get` would wait for ever: before it has the outcome, a callback of the job is to be called in a runtime of \
                 this thread, which does not run now. Call `get` inside of that, or `await` the job there"
            );
            let left = deadline.map(|deadline| deadline.saturating_duration_since(clock.now()));
            let is_over = left == Some(Duration::ZERO);
            if is_over || !(self.source.drive(left) || doze.sleep(left)) {
                self.source.tell_here();
                return match self.source.ticket().poll_take(&Context::from_waker(&waker)) {
                    Poll::Ready(outcome) => outcome,
                    Poll::Pending => Err(JobError::Elapsed),
                };
            }
        }
    }

    /// Has the job not done, if it has not begun: then its outcome is [`JobError::Cancelled`], and what it would have taken is
    /// dropped. False: it has begun, or ended. Nothing stops a job that has begun.
    ///
    /// ```
    /// use runtime::pool::{JobError, ThreadPool};
    /// use std::sync::mpsc;
    ///
    /// #[runtime::main]
    /// async fn main() {
    ///     let pool = ThreadPool::new(1);
    ///     let (go_on, may_go_on) = mpsc::channel::<()>();
    ///     let (begun, has_begun) = mpsc::channel();
    ///     let first = pool.submit(move || { begun.send(()).unwrap(); may_go_on.recv() }, ());
    ///     let second = pool.submit(|| unreachable!(), ());
    ///     has_begun.recv().unwrap();
    ///     assert!(!first.cancel());
    ///     assert!(second.cancel());
    ///     assert!(matches!(second.await, Err(JobError::Cancelled)));
    ///     drop(go_on);
    ///     first.await.unwrap().unwrap_err();
    /// }
    /// ```
    pub fn cancel(&self) -> bool {
        self.source.cancel()
    }

    /// Whether the job has ended, in whatever way: then awaiting it waits for nothing but callbacks.
    pub fn is_done(&self) -> bool {
        self.source.ticket().has_ended()
    }

    /// Whether it is being done. Of a pool of processes this may be out of date by the time that a message takes.
    pub fn is_running(&self) -> bool {
        self.source.ticket().is_running()
    }

    /// Whether it was cancelled before it had begun.
    pub fn is_cancelled(&self) -> bool {
        self.source.ticket().is_cancelled()
    }

    /// Has `f` called with the outcome when the job has ended, on this thread, inside its runtime, between two polls; before
    /// anyone who awaits the job goes on (`add_done_callback`). So `f` may hold `Rc`s. Several are called in the order of
    /// registration, and a panic in one, told by the panic hook, reaches neither the others nor the job. If the job has ended
    /// already, `f` is called at once.
    ///
    /// The pool's `shutdown` waits for the callbacks, too. If this runtime ends before the job does, they are dropped.
    ///
    /// ```
    /// use runtime::pool::{Shutdown, ThreadPool};
    /// use std::{cell::RefCell, rc::Rc};
    ///
    /// #[runtime::main]
    /// async fn main() {
    ///     let pool = ThreadPool::new(3);
    ///     let results = Rc::new(RefCell::new(Vec::new()));
    ///     for n in 0..5 {
    ///         let results = results.clone();
    ///         let job = pool.submit(|n: i32| n * n, n);
    ///         job.on_done(move |result| results.borrow_mut().push(*result.as_ref().unwrap()));
    ///         job.detach();
    ///     }
    ///     pool.shutdown(Shutdown::Wait).await;
    ///     results.borrow_mut().sort();
    ///     assert_eq!(*results.borrow(), [0, 1, 4, 9, 16]);
    /// }
    /// ```
    ///
    /// # Panics
    /// If no runtime runs on this thread, and if the outcome was given already.
    #[track_caller]
    pub fn on_done(&self, f: impl FnOnce(&Result<T, JobError>) + 'static) {
        self.source.listen(f);
    }

    /// Lets it go: the job is done, and its result dropped. What dropping this does, said aloud.
    pub fn detach(self) {
        drop(self);
    }

    /// Does something so that it is done sooner, by a thread that would block for it otherwise: true, if there was something.
    pub(super) fn push_on(&self) -> bool {
        if self.is_done() {
            self.source.tell_here();
            return false;
        }
        Arc::clone(&self.source).help() || self.source.drive(None)
    }

    /// Cancels it if it is dropped.
    pub(crate) fn owned(self) -> OwnedJob<T> {
        OwnedJob(self)
    }
}

impl<T: Send + 'static> Future for Job<T> {
    type Output = Result<T, JobError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.source.ticket().poll_take(context)
    }
}

impl<T: Send + 'static> fmt::Debug for Job<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ticket = self.source.ticket();
        let state = match (ticket.is_cancelled(), ticket.has_ended(), ticket.is_running()) {
            (true, ..) => "cancelled",
            (_, true, _) => "done",
            (_, _, true) => "running",
            _ => "pending",
        };
        write!(f, "Job({state})")
    }
}

/// A job that somebody waits for who alone has use for it: dropped, it is cancelled.
#[derive(Debug)]
pub(crate) struct OwnedJob<T: Send + 'static>(pub(crate) Job<T>);

impl<T: Send + 'static> OwnedJob<T> {
    /// The outcome.
    pub(crate) async fn outcome(mut self) -> Outcome<T> {
        poll_fn(|context| Pin::new(&mut self.0).poll(context)).await
    }
}

impl<T: Send + 'static> Drop for OwnedJob<T> {
    fn drop(&mut self) {
        self.0.cancel();
    }
}
