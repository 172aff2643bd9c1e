//! `defer`: cleaning up that has to wait for something, which a destructor cannot.
//!
//! A guard's drop starts a task for it, the only moment that comes in every case: the end, an error, a panic, a
//! cancellation, the end of the runtime. What may wait may also wait for ever, so each has a grace period.

use super::{Builder, TaskId};
use crate::{
    RuntimeId,
    core::Core,
    current,
    observe::{self, Report},
    time::{Timeout, timeout},
};
use pin_project_lite::pin_project;
use std::{
    any::Any,
    cell::{Cell, RefCell},
    collections::BTreeSet,
    fmt,
    panic::Location,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

/// How long a cleanup may take: enough for a farewell over a slow network, and a person who has pressed Ctrl-C still
/// waits for it.
pub(crate) const DEFAULT_GRACE: Duration = Duration::from_secs(5);

/// Has `cleanup` run when the guard is dropped: at the end of the block, on an error, a panic or a cancellation, and when
/// the runtime ends. It runs as a task of its own, which nothing cancels but the end of its grace period.
///
/// ```
/// use runtime_executor::{Executor, spawn, task, time::{Clock, sleep}};
/// use std::{cell::RefCell, future::pending, rc::Rc, time::Duration};
///
/// # let log = Rc::new(RefCell::new(Vec::new()));
/// # let said = log.clone();
/// # let say = move |line| said.borrow_mut().push(line);
/// let executor = Executor::builder().clock(Clock::paused()).build();
/// executor.block_on(async {
///     let session = spawn(async move {
///         let _goodbye = task::defer(async move {
///             sleep(Duration::from_secs(1)).await; // a farewell that has to be answered
///             say("goodbye");
///         });
///         pending::<()>().await;
///     });
///     task::yield_now().await;
///     session.cancel();
/// });
/// drop(executor); // waits for it
/// # assert_eq!(*log.borrow(), ["goodbye"]);
/// ```
///
/// - A guard of a task, of a [`scope`](super::scope)'s child or of any block works alike. Who waits for the task that was
///   cancelled does not wait for its cleanup; a group does, if the guard is from
///   [`TaskGroup::defer`](super::TaskGroup::defer).
/// - The grace period counts from the drop; [`Builder::cleanup_grace`](crate::Builder::cleanup_grace) sets it for a
///   runtime (5 seconds unless said otherwise), [`Defer::grace`] for one guard. What takes longer is dropped, and reported
///   ([`Report::Cleanup`]).
/// - A runtime that ends cancels its tasks, runs the cleanups that are left and those that this has started, and then ends.
///   Spawning is refused by then. A cleanup that registers a cleanup of its own cannot keep it from ending: that one is
///   dropped, and reported.
/// - Several guards of a block are dropped in reverse order; their cleanups start in that order, and run side by side.
///
/// # Panics
/// If no runtime runs on this thread.
#[track_caller]
pub fn defer<F>(cleanup: F) -> Defer<F::IntoFuture>
where
    F: IntoFuture<Output = (), IntoFuture: 'static>,
{
    Defer::new(cleanup.into_future(), Location::caller(), None)
}

/// What keeps a group waiting until it is dropped.
type Stay = Box<dyn Any>;

/// A cleanup that has not begun; made by [`defer`].
#[must_use = "the cleanup runs when this is dropped: bind it to a name, `let _cleanup = …`"]
pub struct Defer<F: Future<Output = ()> + 'static> {
    cleanup: Option<F>,
    registered: &'static Location<'static>,
    home: RuntimeId,
    grace: Option<Duration>,
    /// Enters the group that waits for it.
    enter: Option<Box<dyn FnOnce() -> Stay>>,
}

impl<F: Future<Output = ()> + 'static> Defer<F> {
    #[track_caller]
    pub(crate) fn new(
        cleanup: F,
        registered: &'static Location<'static>,
        enter: Option<Box<dyn FnOnce() -> Stay>>,
    ) -> Self {
        let home = current::expect("task::defer", |core| {
            core.cleanups().armed(1);
            core.id()
        });
        Self { cleanup: Some(cleanup), registered, home, grace: None, enter }
    }

    /// Gives this one another grace period.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = Some(grace);
        self
    }

    /// Takes the cleanup back: it does not run, unless somebody awaits it.
    pub fn disarm(mut self) -> F {
        self.cleanup.take().expect("taken only once")
    }

    fn start(&mut self, core: &Core, cleanup: F) {
        let registered = self.registered;
        if core.cleanups().is_over.get() {
            return report(core, registered);
        }
        let grace = self.grace.unwrap_or(core.cleanups().grace);
        let stay = self.enter.take().map(|enter| enter());
        let cleanup = Running { cleanup: timeout(grace, cleanup), is_done: false, registered, stay };
        Builder::new().name("cleanup").spawn_cleanup(core, registered, cleanup);
    }
}

impl<F: Future<Output = ()> + 'static> Drop for Defer<F> {
    fn drop(&mut self) {
        let cleanup = self.cleanup.take();
        let home = self.home;
        let at_home = current::with_or_none(|core| {
            let core = core.filter(|core| core.id() == home)?;
            core.cleanups().armed(-1);
            Some(())
        });
        let Some(cleanup) = cleanup else { return };
        if at_home.is_some() {
            current::with(|core| self.start(core, cleanup));
        } else {
            // Its runtime is gone, or between two runs: what the cleanup would wait for is there.
            let registered = self.registered;
            let _ = home.post(move || {
                current::with(|core| core.cleanups().armed(-1));
            });
            eprintln!("runtime: {}", Report::Cleanup { registered });
        }
    }
}

impl<F: Future<Output = ()> + 'static> fmt::Debug for Defer<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Defer(registered at {})", self.registered)
    }
}

fn report(core: &Core, registered: &'static Location<'static>) {
    observe::report(core, Report::Cleanup { registered });
}

/// The cleanups of one runtime.
pub(crate) struct Cleanups {
    grace: Duration,
    /// Guards, and tasks that take turns to end.
    armed: Cell<isize>,
    /// Tasks that clean up.
    running: RefCell<BTreeSet<TaskId>>,
    /// The runtime takes no more.
    is_over: Cell<bool>,
}

impl Cleanups {
    pub(crate) fn new(grace: Duration) -> Self {
        Self { grace, armed: Cell::new(0), running: RefCell::default(), is_over: Cell::new(false) }
    }

    fn armed(&self, change: isize) {
        self.armed.set(self.armed.get() + change);
    }

    /// Whether there is anything to look after.
    pub(crate) fn is_used(&self) -> bool {
        self.armed.get() != 0 || self.is_running()
    }

    pub(crate) fn is_running(&self) -> bool {
        !self.running.borrow().is_empty()
    }

    /// Whether that task cleans up.
    pub(crate) fn is_cleanup(&self, task: TaskId) -> bool {
        self.running.borrow().contains(&task)
    }

    /// Takes no more.
    pub(crate) fn end(&self) {
        self.is_over.set(true);
    }

    pub(crate) fn began(&self, task: TaskId) {
        self.running.borrow_mut().insert(task);
    }

    /// There is a task that takes turns to end.
    pub(crate) fn gradual_began(&self) {
        self.armed(1);
    }

    /// It has ended.
    pub(crate) fn gradual_ended(&self, task: TaskId) {
        self.armed(-1);
        self.running.borrow_mut().remove(&task);
    }

    /// Nobody waits for these any more.
    pub(crate) fn give_up(&self, tasks: &[TaskId]) {
        let mut running = self.running.borrow_mut();
        tasks.iter().for_each(|task| {
            running.remove(task);
        });
    }

    pub(crate) fn grace(&self) -> Duration {
        self.grace
    }
}

pin_project! {
    /// A cleanup that has begun.
    struct Running<F> {
        #[pin]
        cleanup: Timeout<F>,
        is_done: bool,
        registered: &'static Location<'static>,
        // The group that waits goes on when this is dropped.
        stay: Option<Stay>,
    }

    impl<F> PinnedDrop for Running<F> {
        /// In its task's last turn, whatever ends it.
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            current::with(|core| {
                if let Some(task) = core.running() {
                    core.cleanups().running.borrow_mut().remove(&task.id());
                }
                if !*this.is_done {
                    report(core, this.registered);
                }
            });
        }
    }
}

impl<F: Future<Output = ()>> Future for Running<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        this.cleanup.poll(context).map(|within| *this.is_done = within.is_ok())
    }
}
