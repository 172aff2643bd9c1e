//! Spawning greenlets: now, later, and with more than a function.

use super::{group::Group, handle::JoinHandle, later::Later, run::Run};
use crate::task::{self, PollCancel};
use std::{panic::Location, time::Duration};

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

/// Starts a greenlet, but not before `delay` has passed (`gevent.spawn_later`). Until then it has no stack, and can be
/// killed like any other.
///
/// ```
/// use runtime::{greenlet, time::Instant};
/// use std::time::Duration;
///
/// #[runtime::main]
/// async fn main() {
///     let (start, delay) = (Instant::now(), Duration::from_millis(2));
///     greenlet::spawn_later(delay, move || assert!(start.elapsed() >= delay)).await.unwrap();
/// }
/// ```
///
/// # Panics
/// As [`spawn`].
#[track_caller]
pub fn spawn_later<F, T>(delay: Duration, f: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + 'static,
    T: 'static,
{
    Builder::new().spawn_later_from(delay, Location::caller(), f)
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

    /// Starts it after a delay, as [`spawn_later`] does.
    ///
    /// # Panics
    /// As [`spawn`].
    #[track_caller]
    pub fn spawn_later<F, T>(self, delay: Duration, f: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + 'static,
        T: 'static,
    {
        self.spawn_later_from(delay, Location::caller(), f)
    }

    /// Starts it in a group, or in a pool, as soon as that has room: as [`Group::spawn`] does.
    ///
    /// ```
    /// use runtime::greenlet::{self, Group};
    ///
    /// #[runtime::main]
    /// async fn main() {
    ///     let group = Group::new();
    ///     let greeter = greenlet::Builder::new().name("greeter").spawn_in(&group, || 42);
    ///     assert_eq!(greeter.name().as_deref(), Some("greeter"));
    ///     assert_eq!(greeter.await.unwrap(), 42);
    /// }
    /// ```
    ///
    /// # Panics
    /// As [`Group::spawn`].
    #[track_caller]
    pub fn spawn_in<F, T>(self, group: &Group, f: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + 'static,
        T: 'static,
    {
        group.spawn_from(self, Location::caller(), f)
    }

    #[track_caller]
    fn spawn_from<F, T>(self, spawned_at: &'static Location<'static>, f: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + 'static,
        T: 'static,
    {
        let (task, run) = self.into_parts(f);
        JoinHandle::new(task.spawn_gradual(spawned_at, run))
    }

    #[track_caller]
    fn spawn_later_from<F, T>(
        self,
        delay: Duration,
        spawned_at: &'static Location<'static>,
        f: F,
    ) -> JoinHandle<T>
    where
        F: FnOnce() -> T + 'static,
        T: 'static,
    {
        let (task, run) = self.into_parts(f);
        JoinHandle::new(task.spawn_gradual(spawned_at, Later::new(delay, run)))
    }

    /// The task, and what it runs.
    pub(super) fn into_parts<F, T>(
        self,
        f: F,
    ) -> (task::Builder, impl PollCancel<Output = T> + Unpin + 'static)
    where
        F: FnOnce() -> T + 'static,
        T: 'static,
    {
        (self.task, Run::new(f, self.stack_size))
    }
}
