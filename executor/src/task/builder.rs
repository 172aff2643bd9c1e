//! Spawning.

use super::{
    cell::{self, Beginning, Treatment},
    gradual::PollCancel,
    handle::JoinHandle,
    raw::TaskRef,
};
use crate::{
    core::Core,
    current,
    group::{Outcome, TaskGroup},
};
use std::panic::Location;

/// Starts a task: it runs beside its siblings on this thread, from the loop's next turn on.
///
/// The handle gives its value; dropping the handle detaches the task, which goes on.
///
/// ```
/// use runtime_executor::{Executor, spawn};
/// use std::rc::Rc;
///
/// Executor::builder().build().block_on(async {
///     let shared = Rc::new(20); // no Send, no Arc
///     let doubled = spawn({
///         let shared = shared.clone();
///         async move { *shared * 2 }
///     });
///     assert_eq!(doubled.await.unwrap() + 2, 42);
/// });
/// ```
///
/// # Panics
/// If no runtime runs on this thread. While the runtime shuts down the future is dropped at once and the handle
/// says cancelled.
#[inline(always)]
#[track_caller]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    let spawned_at = Location::caller();
    current::expect("spawn", |core| spawn_on(core, future, None, false, spawned_at))
}

#[inline(always)]
fn spawn_on<F>(
    core: &Core,
    future: F,
    name: Option<String>,
    daemon: bool,
    spawned_at: &'static Location<'static>,
) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    spawn_if(core, !core.is_closing(), Treatment::PLAIN, future, name, daemon, spawned_at)
}

/// Makes a task that is cancelled already unless `is_welcome`.
#[inline(always)]
fn spawn_if<F>(
    core: &Core,
    is_welcome: bool,
    treatment: Treatment<F>,
    future: F,
    name: Option<String>,
    daemon: bool,
    spawned_at: &'static Location<'static>,
) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    let parent = core.running().map(TaskRef::key);
    let beginning = Beginning { id: core.next_task_id(), name, daemon, spawned_at, parent };
    let (queued, joined) = cell::create(core.blocks(), core.slots(), beginning, treatment, future);
    core.task_began(daemon);
    if let Some(hooks) = core.hooks_at_spawn() {
        hooks.spawned(core, queued.task());
    }
    if !is_welcome {
        queued.unqueue(core).drop_now(core);
    } else {
        core.push(queued);
    }
    JoinHandle::new(joined)
}

/// A task with more than a future: a name, daemon-ness.
///
/// ```
/// use runtime_executor::{Executor, task};
///
/// Executor::builder().build().block_on(async {
///     let clock = task::Builder::new().name("clock").daemon(true).spawn(std::future::pending::<()>());
///     assert_eq!(clock.name().as_deref(), Some("clock"));
/// });
/// ```
#[derive(Debug, Default)]
#[must_use = "a builder does nothing until `spawn`"]
pub struct Builder {
    name: Option<String>,
    daemon: bool,
}

impl Builder {
    /// Nothing special yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The name that reports use for it.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// A daemon does not keep a runtime with [`OnExit::Wait`](crate::OnExit::Wait) running.
    pub fn daemon(mut self, daemon: bool) -> Self {
        self.daemon = daemon;
        self
    }

    /// Starts it, as [`spawn`] does.
    ///
    /// # Panics
    /// As [`spawn`].
    #[inline(always)]
    #[track_caller]
    pub fn spawn<F>(self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        self.spawn_from(Location::caller(), future)
    }

    /// [`spawn`](Builder::spawn) on behalf of a caller further up.
    #[doc(hidden)]
    #[inline(always)]
    pub fn spawn_from<F>(self, spawned_at: &'static Location<'static>, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        current::expect("spawn", |core| spawn_on(core, future, self.name, self.daemon, spawned_at))
    }

    /// The same, in the runtime of this thread, which takes tasks.
    #[inline(always)]
    pub(crate) fn spawn_on<F>(
        self,
        core: &Core,
        spawned_at: &'static Location<'static>,
        future: F,
    ) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        spawn_if(core, true, Treatment::PLAIN, future, self.name, self.daemon, spawned_at)
    }

    /// Starts a task that takes turns to end.
    pub(crate) fn spawn_gradual_on<F>(
        self,
        core: &Core,
        spawned_at: &'static Location<'static>,
        future: F,
    ) -> JoinHandle<F::Output>
    where
        F: PollCancel + 'static,
        F::Output: 'static,
    {
        core.cleanups().gradual_began();
        let is_welcome = !core.is_closing();
        spawn_if(core, is_welcome, Treatment::GRADUAL, future, self.name, self.daemon, spawned_at)
    }

    /// Starts it as a child of `group`, as [`TaskGroup::spawn`] does.
    ///
    /// ```
    /// use runtime_executor::{Executor, task::{self, TaskGroup}};
    /// Executor::builder().build().block_on(TaskGroup::<()>::run(async |group| {
    ///     let child = task::Builder::new().name("reader").spawn_in(&group, async {});
    ///     assert_eq!(child.name().as_deref(), Some("reader"));
    ///     Ok(())
    /// })).unwrap();
    /// ```
    ///
    /// # Panics
    /// As [`TaskGroup::spawn`].
    #[track_caller]
    pub fn spawn_in<E, F>(
        self,
        group: &TaskGroup<E>,
        future: F,
    ) -> JoinHandle<<F::Output as Outcome<E>>::Value>
    where
        E: 'static,
        F: Future<Output: Outcome<E>> + 'static,
    {
        group.spawn_with(self, Location::caller(), future)
    }

    /// Starts a cleanup, also while the runtime ends.
    #[cold]
    pub(crate) fn spawn_cleanup<F>(self, core: &Core, registered: &'static Location<'static>, cleanup: F)
    where
        F: Future<Output = ()> + 'static,
    {
        let handle = spawn_if(core, true, Treatment::PLAIN, cleanup, self.name, self.daemon, registered);
        core.cleanups().began(handle.id());
    }

    /// A handle of a task that was cancelled before it began; the future is dropped here.
    #[cold]
    pub(crate) fn spawn_refused<T, F>(
        self,
        core: &Core,
        spawned_at: &'static Location<'static>,
        future: F,
    ) -> JoinHandle<T>
    where
        T: 'static,
        F: 'static,
    {
        let future = async move {
            drop(future);
            unreachable!("cancelled before its first poll")
        };
        spawn_if(core, false, Treatment::PLAIN, future, self.name, self.daemon, spawned_at)
    }
}
