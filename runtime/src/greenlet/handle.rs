//! Spawning greenlets, and their owner's view.

use super::run::Run;
use crate::task;
use runtime_executor::task::JoinError;
use std::{
    fmt,
    ops::Deref,
    panic::Location,
    pin::Pin,
    task::{Context, Poll},
};

/// Starts a greenlet: a task that is a function with a stack of its own (`gevent.spawn`). It runs beside its siblings, tasks
/// and greenlets, from the loop's next turn on, and gives way where it [`wait`](super::wait())s.
///
/// ```
/// use runtime::{greenlet, time::sleep};
/// use std::time::Duration;
///
/// #[runtime::main]
/// async fn main() {
///     let greenlet = greenlet::spawn(|| {
///         greenlet::wait(sleep(Duration::from_millis(1)));
///         42
///     });
///     assert_eq!(greenlet.await.unwrap(), 42);
/// }
/// ```
///
/// # Panics
/// If no runtime runs on this thread.
#[track_caller]
pub fn spawn<F, T>(f: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + 'static,
    T: 'static,
{
    Builder::new().spawn_from(Location::caller(), f)
}

/// A greenlet with more than a function: a name, daemon-ness, a stack of another size.
#[derive(Debug)]
#[must_use = "a builder does nothing until `spawn`"]
pub struct Builder {
    task: task::Builder,
    stack_size: Option<usize>,
}

impl Default for Builder {
    fn default() -> Self {
        Self::new()
    }
}

impl Builder {
    /// Nothing special yet.
    pub fn new() -> Self {
        Self { task: task::Builder::new(), stack_size: None }
    }

    /// The name that reports use for it.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.task = self.task.name(name);
        self
    }

    /// A daemon does not keep a runtime with [`OnExit::Wait`](crate::OnExit::Wait) running.
    pub fn daemon(mut self, daemon: bool) -> Self {
        self.task = self.task.daemon(daemon);
        self
    }

    /// Bytes of stack, 64 KiB unless said otherwise; rounded up to whole pages. Memory is used as far as the stack is.
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.stack_size = Some(bytes);
        self
    }

    /// Starts it, as [`spawn`] does.
    ///
    /// # Panics
    /// As [`spawn`].
    #[track_caller]
    pub fn spawn<F, T>(self, f: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + 'static,
        T: 'static,
    {
        self.spawn_from(Location::caller(), f)
    }

    #[track_caller]
    fn spawn_from<F, T>(self, spawned_at: &'static Location<'static>, f: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + 'static,
        T: 'static,
    {
        JoinHandle(self.task.spawn_gradual(spawned_at, Run::new(f, self.stack_size)))
    }
}

/// Owns a greenlet's output: the handle of its task, to which it dereferences, and what blocking-style code needs besides.
/// Awaiting it gives `Result<T, JoinError>`; dropping it detaches the greenlet, which goes on.
pub struct JoinHandle<T: 'static>(crate::JoinHandle<T>);

impl<T: 'static> JoinHandle<T> {
    /// The handle of the task.
    pub fn into_task(self) -> crate::JoinHandle<T> {
        self.0
    }

    /// Lets the greenlet go on alone. Should it panic, that is reported on standard error.
    pub fn detach(self) {}

    /// Kills it, and waits until its stack is empty; see [`task`](crate::JoinHandle::cancel_and_wait).
    ///
    /// # Errors
    /// [`JoinError`]: cancelled, in the usual case.
    pub fn cancel_and_wait(self) -> Self {
        self.cancel();
        self
    }
}

impl<T> Deref for JoinHandle<T> {
    type Target = crate::JoinHandle<T>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context)
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
