//! The executor's half of coordination: who waits for what, and what can be said about waits that will not end.
//!
//! [`Watch`] is the observer that a process installs once; it keeps nothing. What is known of the waits of a runtime's
//! tasks lies in that runtime's [`Observed`], in plain cells, and is touched on its own thread only. A wait costs a
//! record here, a lock with waiters an entry; a runtime in which nobody waits does nothing here at all. The ticket of a
//! record has its task's key, and a grant wakes that: so a wait keeps no waker.
//!
//! ```text
//! begin ──> record ──granted──> record, granted ──end──> (nothing)
//!             │ └──────end──────────────────────────────────^
//!             └─ names its own key as the holder ──> suspect, judged after this batch and when its wakers change
//! ```
//!
//! What other threads do: a wait that ends elsewhere posts its end home; if that runtime is gone, so is the record. A
//! grant from elsewhere is not noted, as to tell would cost more than the grant: a wait so granted seems to wait until
//! it ends, which errs on the side of silence in all that is reported here.
//!
//! Whether a wait is hopeless is proved, never guessed; see `verdict.rs`.

mod books;
mod locks;
mod report;
mod verdict;
mod waits;

pub use report::Report;
pub use waits::{WaitHolder, WaitInfo, waits};

pub(crate) use report::{OnReport, deliver};
pub(crate) use verdict::{look_after, look_after_at_rest, task_ended};

use crate::{
    core::Core,
    current,
    registry::{self, RuntimeId},
    task::{TaskId, raw::TaskRef, slots::Key, waker},
    time,
};
use books::{Asker, Books};
use runtime_sync::{Kind, Observer, Owner, Ticket, Wait};
use std::{
    cell::RefCell,
    num::NonZeroU64,
    panic::Location,
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

/// Has this process's waits observed, unless somebody else observes them already.
pub(crate) fn install() {
    static WATCH: Watch = Watch;
    runtime_sync::install(&WATCH);
}

/// What one runtime knows of its tasks' waits.
pub(crate) struct Observed {
    /// Never borrowed while other people's code runs.
    books: RefCell<Books>,
    on_report: OnReport,
}

impl Observed {
    pub(crate) fn new(runtime: RuntimeId, on_report: OnReport) -> Self {
        Self { books: RefCell::new(Books::new(runtime)), on_report }
    }

    /// Whether [`task_ended`] should be told of an end.
    #[inline]
    pub(crate) fn watches_ends(&self) -> bool {
        self.books.borrow().watched() != 0
    }

    /// Whether anything should be looked after once nobody is ready.
    #[inline]
    pub(crate) fn has_work(&self) -> bool {
        self.books.borrow().has_work()
    }

    #[inline]
    fn with<R>(&self, f: impl FnOnce(&mut Books) -> R) -> R {
        f(&mut self.books.borrow_mut())
    }
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
    #[inline]
    fn begin(&self, waker: &Waker, wait: &Wait) -> Option<Ticket> {
        current::with(|core| {
            let asker = Asker::of(core, waker)?;
            let (number, is_news) = core.observed().with(|books| books.begin(core, asker, wait))?;
            if is_news {
                core.call_observer();
            }
            Some(Ticket { number, owner: if asker.is_ours { Owner::of(waker) } else { Owner::UNKNOWN } })
        })?
    }

    #[inline]
    fn end(&self, number: NonZeroU64) {
        let end = move |core: &Core| core.observed().with(|books| books.end(number));
        if Self::at_home(runtime_of(number), end).is_none() {
            post_home(runtime_of(number), end);
        }
    }

    #[inline]
    fn granted(&self, ticket: Ticket) {
        let key = waker::key_of_owner(ticket.owner);
        let at_home = Self::at_home(runtime_of(ticket.number), |core| {
            if core.observed().with(|books| books.granted(ticket.number)) {
                core.call_observer();
            }
            if let Some(key) = key {
                core.wake(key);
            }
        });
        if let (None, Some(key)) = (at_home, key) {
            waker::wake_key(key);
        }
    }

    fn still_waits(&self, number: NonZeroU64, describe: &mut dyn FnMut() -> Wait) -> Option<Wait> {
        Self::at_home(runtime_of(number), |core| verdict::confirm(core, number, describe))?
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

/// The runtime in a ticket.
fn runtime_of(ticket: NonZeroU64) -> u16 {
    (ticket.get() >> books::RUNTIME_SHIFT) as u16
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
        if self.0.is_never() { Poll::Pending } else { self.0.poll_elapsed(cx) }
    }
}

/// The number of the task that is polled under this key.
fn task_id(core: &Core, key: Key) -> Option<TaskId> {
    core.task_above(key).map(TaskRef::id)
}
