//! The executor's half of coordination: who waits for what, and what can be said about waits that will not end.
//!
//! A queue shows who waits in it on its [`Board`]: a wait costs a few stores there and calls nobody. A runtime keeps a list of
//! the boards that its tasks have waited at (those of the shared flavour are on one list of the process), and reads them
//! when somebody asks ([`waits`]) and when nobody is ready ([`audit`]). Where only one can wait there is no queue, and
//! the few words go into the books of the runtime.
//!
//! [`Watch`] is the observer that a process installs once; it keeps nothing. A queue keeps no waker of ours, only its key,
//! and has it woken here.
//!
//! Whether a wait is hopeless is proved, never guessed; see `audit.rs`.

mod audit;
mod books;
mod report;
mod stuck;
mod waits;

pub use report::{Report, report_abandoned};
pub use waits::{WaitHolder, WaitInfo, waits};

pub(crate) use audit::{audit, end, task_ended};
pub(crate) use report::{OnReport, deliver, report, submit};

#[cfg(feature = "tracing")]
use crate::inspect;
use crate::{
    core::Core,
    current,
    group::limit,
    inspect::OnDeadlock,
    registry::{self, RuntimeId},
    task::{TaskId, raw::TaskRef, slots::Key, waker},
    time,
};
use audit::Pace;
use books::Books;
use runtime_sync::{Board, KEY_RUNTIME_BITS, Kind, Observer, Owner, Wait};
#[cfg(feature = "tracing")]
use runtime_sync::{Followed, Tag};
use std::{
    cell::RefCell,
    num::NonZeroU64,
    panic::Location,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, RawWakerVTable, Waker, ready},
    time::Duration,
};

/// Has this process's waits observed, unless somebody else observes them already.
pub(crate) fn install() {
    static WATCH: Watch = Watch;
    runtime_sync::install(&WATCH);
}

const _: () = assert!(KEY_RUNTIME_BITS == registry::INDEX_BITS, "sync knows where a key has its runtime");

/// What one runtime knows of its tasks' waits.
pub(crate) struct Observed {
    /// Never borrowed while other people's code runs.
    books: RefCell<Books>,
    pace: Pace,
    on_report: OnReport,
    on_deadlock: OnDeadlock,
}

impl Observed {
    pub(crate) fn new(runtime: RuntimeId, on_report: OnReport, on_deadlock: OnDeadlock) -> Self {
        Self { books: RefCell::new(Books::new(runtime)), pace: Pace::default(), on_report, on_deadlock }
    }

    /// Whether [`task_ended`] should be told of an end.
    #[inline]
    pub(crate) fn watches_ends(&self) -> bool {
        self.books.borrow().watches_ends()
    }

    /// Nobody is ready. Whether all that wait should be looked at before the thread sleeps: not each time if there are
    /// many, unless the time is free.
    #[inline]
    pub(crate) fn rest(&self, is_free: bool) -> Rest {
        if !self.has_boards() {
            Rest::Nothing
        } else if self.pace.rest() || is_free {
            Rest::Audit
        } else {
            Rest::Later
        }
    }

    /// A stride of polls is over. Whether all that wait should be looked at although somebody is always ready.
    pub(crate) fn stride(&self) -> bool {
        self.pace.stride() && self.has_boards()
    }

    /// Whether a task waits for something that other threads may do, as it waits in a primitive of the shared flavour.
    pub(crate) fn is_open_to_others(&self, core: &Core) -> bool {
        self.with(|books| {
            let mut is_open = books.alone.iter().any(|(_, alone)| alone.is_shared);
            books.each_waiting(core, &mut |board, _, _| is_open |= board.is_shared());
            is_open
        })
    }

    fn has_boards(&self) -> bool {
        !self.books.borrow().boards.is_empty() || books::has_shared()
    }

    #[inline]
    fn with<R>(&self, f: impl FnOnce(&mut Books) -> R) -> R {
        f(&mut self.books.borrow_mut())
    }
}

/// What to do before the thread sleeps.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rest {
    /// There is nothing to look at.
    Nothing,
    /// An [`audit`] is due.
    Audit,
    /// One will be, unless it goes on soon.
    Later,
}

/// The observer of every runtime of this process: finds the one that is meant.
struct Watch;

impl Watch {
    /// Whether this thread runs the runtime with that part of a key, and then what `f` makes of it.
    #[inline]
    fn at_home<R>(runtime: u16, f: impl FnOnce(&Core) -> R) -> Option<R> {
        current::with(|core| (core.id().index() == runtime).then(|| f(core))).flatten()
    }
}

impl Observer for Watch {
    fn wakers(&self) -> Option<&'static RawWakerVTable> {
        Some(waker::functions())
    }

    #[inline]
    fn wake(&self, key: usize) {
        waker::wake_key(Key::from_word(key));
    }

    fn enlist(&self, board: &Arc<Board>) {
        if board.is_shared() {
            books::enlist_shared(board);
        } else {
            current::with(|core| core.observed().with(|books| books.boards.push(board)));
        }
    }

    #[inline]
    fn begin(&self, waker: &Waker, wait: &Wait, is_shared: bool) -> Option<NonZeroU64> {
        current::with(|core| core.observed().with(|books| books.begin(core, waker, wait, is_shared)))?
    }

    #[inline]
    fn end(&self, number: NonZeroU64) {
        let end = move |core: &Core| core.observed().with(|books| books.end(number));
        if Self::at_home(runtime_of(number), end).is_none() {
            post_home(runtime_of(number), end);
        }
    }

    fn still_waits(&self, board: &Arc<Board>, seat: u32, describe: &mut dyn FnMut() -> Wait) -> Option<Wait> {
        current::with(|core| audit::confirm(core, board, seat, describe))?
    }

    #[cfg(feature = "tracing")]
    fn follow(&self, introduce: &mut dyn FnMut() -> (Tag, Wait)) -> Option<Arc<dyn Followed>> {
        inspect::follow(introduce)
    }

    fn owner(&self, waker: &Waker) -> Owner {
        if waker::key_of(waker).is_some() {
            return Owner::of(waker);
        }
        let running = current::with(Core::running_key).flatten();
        running.map_or_else(|| Owner::of(waker), waker::owner)
    }

    fn current(&self) -> Owner {
        current::with(Core::running_key).flatten().map_or(Owner::UNKNOWN, waker::owner)
    }

    fn holds(&self, owner: Owner, kind: Kind, created: &'static Location<'static>, change: i32) {
        let Some(key) = waker::key_of_owner(owner) else { return };
        let note =
            move |core: &Core| core.observed().with(|books| books.holds(core, key, kind, created, change));
        if Self::at_home(key.runtime(), note).is_none() {
            post_home(key.runtime(), note);
        }
    }

    fn take_budget(&self, operations: u8) -> bool {
        current::with(|core| core.take_budget(operations)).unwrap_or(true)
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        current::expect("a wait with a time limit", |_| Box::pin(Limit(time::sleep(duration))))
    }
}

/// The runtime in the number of a wait.
fn runtime_of(number: NonZeroU64) -> u16 {
    (number.get() >> books::RUNTIME_SHIFT) as u16
}

/// Runs `f` on the thread of the runtime that is meant by this part of a key now. If it is not the one that was meant
/// once, `f` finds nothing there.
#[cold]
fn post_home(runtime: u16, f: impl FnOnce(&Core) + Send + 'static) {
    if let Some(id) = registry::serving(runtime) {
        // Refused if it has ended meanwhile: then there is nothing to do.
        id.post(move || {
            current::with(f);
        })
        .ok();
    }
}

/// The timer of a limit. It asks for no budget: a wait that uses it all up would then never time out.
struct Limit(time::Sleep);

impl Future for Limit {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.0.is_never() {
            return Poll::Pending;
        }
        ready!(self.0.poll_elapsed(cx));
        if limit::is_doomed() {
            // An outer limit is over too, and reports instead.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(())
    }
}

/// The number of the task that is polled under this key.
fn task_id(core: &Core, key: Key) -> Option<TaskId> {
    core.task_above(key).map(TaskRef::id)
}
