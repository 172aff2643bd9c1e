//! Which greenlet this is, and how it parks.

use crate::{
    green::waiting::{wait, wait_timeout},
    greenlet,
    sync::shared::Event,
    task,
};
use runtime_executor::current;
use std::{
    fmt,
    num::NonZeroU64,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread as std_thread,
    time::Duration,
};

/// A greenlet, as [`std::thread::Thread`] is a thread: may be kept and sent anywhere, to [`unpark`](Thread::unpark) it.
/// Outside greenlets it is a thread.
#[derive(Clone)]
pub struct Thread(Who);

#[derive(Clone)]
enum Who {
    Greenlet(Arc<Parked>),
    Thread(std_thread::Thread),
}

/// What is kept for a greenlet.
#[derive(Debug)]
struct Parked {
    id: NonZeroU64,
    name: Option<String>,
    token: Event,
}

/// Identifies a [`Thread`]: unique in the process, and never used again. See [`std::thread::ThreadId`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ThreadId(Identity);

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Identity {
    Greenlet(NonZeroU64),
    Thread(std_thread::ThreadId),
}

impl Thread {
    /// One that no greenlet is yet.
    #[track_caller]
    pub(super) fn new(name: Option<String>) -> Self {
        static LATEST: AtomicU64 = AtomicU64::new(0);
        let id = LATEST.fetch_add(1, Relaxed).checked_add(1).and_then(NonZeroU64::new);
        let id = id.expect("2^64 greenlets are never spawned");
        Self(Who::Greenlet(Arc::new(Parked { id, name, token: Event::new() })))
    }

    /// Makes the greenlet that runs be this one.
    pub(super) fn take_on(&self) {
        if let Who::Greenlet(parked) = &self.0 {
            greenlet::companion(|| Arc::<Parked>::clone(parked));
        }
    }

    /// See [`std::thread::Thread::id`].
    pub fn id(&self) -> ThreadId {
        ThreadId(match &self.0 {
            Who::Greenlet(parked) => Identity::Greenlet(parked.id),
            Who::Thread(thread) => Identity::Thread(thread.id()),
        })
    }

    /// See [`std::thread::Thread::name`].
    pub fn name(&self) -> Option<&str> {
        match &self.0 {
            Who::Greenlet(parked) => parked.name.as_deref(),
            Who::Thread(thread) => thread.name(),
        }
    }

    /// Lets it go on if it is parked, and otherwise go on at once when it parks next. From anywhere. See
    /// [`std::thread::Thread::unpark`].
    pub fn unpark(&self) {
        match &self.0 {
            Who::Greenlet(parked) => parked.token.set(),
            Who::Thread(thread) => thread.unpark(),
        }
    }
}

impl fmt::Debug for Thread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Thread").field("id", &self.id()).field("name", &self.name()).finish_non_exhaustive()
    }
}

/// The greenlet that runs; outside greenlets, the thread. See [`std::thread::current`].
///
/// ```
/// use runtime::green::thread;
///
/// # runtime::run(runtime::greenlet::run(|| {
/// let me = thread::current();
/// let friend = thread::spawn(move || me.unpark());
/// assert_ne!(friend.thread().id(), thread::current().id());
/// thread::park();
/// # }));
/// ```
#[must_use]
pub fn current() -> Thread {
    match parked() {
        Some(parked) => Thread(Who::Greenlet(parked)),
        None => Thread(Who::Thread(std_thread::current())),
    }
}

fn parked() -> Option<Arc<Parked>> {
    greenlet::companion(|| {
        let task = task::current();
        let name = if task.id() == task::TaskId::MAIN { Some("main") } else { task.name() };
        match Thread::new(name.map(str::to_owned)).0 {
            Who::Greenlet(parked) => parked,
            Who::Thread(_) => unreachable!("made for a greenlet"),
        }
    })
}

/// Suspends the greenlet until somebody [unparks](Thread::unpark) it. See [`std::thread::park`].
///
/// # Panics
/// Outside a greenlet on a thread that runs a runtime.
#[track_caller]
pub fn park() {
    match parked() {
        Some(parked) => {
            wait("`thread::park`", parked.token.wait());
            parked.token.clear();
        }
        None if current::is_entered() => wait("`thread::park`", std::future::pending()),
        None => std_thread::park(),
    }
}

/// [`park`], for at most `dur`. See [`std::thread::park_timeout`].
pub fn park_timeout(dur: Duration) {
    match parked() {
        Some(parked) => {
            let _ = wait_timeout(parked.token.wait(), dur);
            parked.token.clear();
        }
        None => std_thread::park_timeout(dur),
    }
}
