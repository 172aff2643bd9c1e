//! The one link from coordination to the executor above it: who waits for what, who is asking, and the services
//! that only an executor has.
//!
//! With no [`Observer`] installed, or under another executor, every primitive works and nothing is reported. A path
//! on which nobody waits makes no call: who takes a lock is read from the `Context`.

use std::{
    fmt,
    future::Future,
    num::NonZeroU64,
    panic::Location,
    pin::Pin,
    sync::OnceLock,
    task::{Context, Waker},
    time::Duration,
};

/// What an executor does for the primitives that are used in its tasks. All methods may be called on any thread, and
/// none may call back into the primitive that calls.
pub trait Observer: Send + Sync + 'static {
    /// Somebody begins to wait, and `waker` will end it. The ticket comes back in the other calls; `None` if
    /// this executor does not know the waker.
    fn begin(&self, waker: &Waker, wait: &Wait) -> Option<Ticket>;

    /// The wait with that number is over, one way or the other.
    fn end(&self, number: NonZeroU64);

    /// The wait was granted what it waits for: its future has yet to be polled, or dropped, to take notice. Wakes the
    /// [owner](Ticket::owner), if the ticket names one.
    fn granted(&self, ticket: Ticket);

    /// The wait was polled, and goes on. `describe` tells what it waits for as of now. Gives
    /// that if the wait can be proved never to end, because its own task holds what it waits for and waits for nothing
    /// else; the wait then panics.
    fn still_waits(&self, _number: NonZeroU64, _describe: &mut dyn FnMut() -> Wait) -> Option<Wait> {
        None
    }

    /// Whose waker that is, as a name that stays the same from poll to poll of one task.
    fn owner(&self, waker: &Waker) -> Owner;

    /// Who runs on this thread now.
    fn current(&self) -> Owner;

    /// `owner` holds one more, or (negative) one less, of the primitive created at `created`. Called for those whose
    /// holder must let go before it ends: `RLock`.
    fn holds(&self, owner: Owner, kind: Kind, created: &'static Location<'static>, change: i32);

    /// Takes `operations` of the running poll's budget; `false` if it is used up and the task should give way.
    fn take_budget(&self, operations: u8) -> bool;

    /// A timer of the executor on this thread.
    ///
    /// # Panics
    /// If there is none; the message says what to do.
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// A wait in the observer's books.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket {
    /// The observer's own.
    pub number: NonZeroU64,
    /// Whom [`Observer::granted`] wakes, so that the waker need not be kept. [`Owner::UNKNOWN`]: nobody, so it must.
    pub owner: Owner,
}

/// Who asks for something or holds it: a waker's two words, or whatever [`Observer::owner`] makes of them.
///
/// Of a holder it also tells where the guard may be; that makes no difference to who it is.
#[derive(Debug, Clone, Copy)]
pub struct Owner {
    /// The waker's data pointer, as a number.
    pub data: usize,
    /// The address of the waker's functions; the marks are in its lowest bits.
    pub vtable: usize,
}

/// Who holds a lock, and the line that asked for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder {
    /// Who.
    pub owner: Owner,
    /// Where it was acquired.
    pub since: &'static Location<'static>,
}

/// What somebody waits for.
#[derive(Debug, Clone, Copy)]
pub struct Wait {
    /// In what kind of primitive.
    pub kind: Kind,
    /// Where the primitive was created.
    pub created: &'static Location<'static>,
    /// Where the wait was asked for.
    pub asked: &'static Location<'static>,
    /// The primitive's address: tells two from the same line apart.
    pub address: usize,
    /// Who holds it now, where one can.
    pub holder: Option<Holder>,
}

/// The kinds of waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// `Lock::acquire`, and the way back from `Condition::wait`.
    Lock,
    /// `RLock::acquire`.
    RLock,
    /// `RwLock::read`.
    Read,
    /// `RwLock::write`.
    Write,
    /// `Semaphore::acquire`.
    Semaphore,
    /// `Event::wait`.
    Event,
    /// `Condition::wait`.
    Condition,
    /// `Barrier::wait`.
    Barrier,
    /// `OnceCell::get_or_init`.
    OnceCell,
    /// A `oneshot::Receiver`.
    Oneshot,
    /// `Promise::wait`.
    Promise,
    /// `Sender::send`, `Sender::reserve`.
    Send,
    /// `Receiver::recv`.
    Receive,
    /// `broadcast::Receiver::recv`.
    Broadcast,
    /// `watch::Receiver::changed`.
    Watch,
    /// `Queue::put`.
    Put,
    /// `Queue::get`.
    Get,
    /// `Queue::join`.
    Join,
}

static OBSERVER: OnceLock<&'static dyn Observer> = OnceLock::new();

/// Installs the process's observer. The first one stays; `false`: there was one already.
pub fn install(observer: &'static dyn Observer) -> bool {
    OBSERVER.set(observer).is_ok()
}

#[inline]
pub(crate) fn observer() -> Option<&'static dyn Observer> {
    OBSERVER.get().copied()
}

/// Units of budget that one call to the observer pays for: a call for each operation would cost more than the
/// operation. So a task may do this many more than its budget before it gives way. A power of two, to be told by a mask.
const INSTALMENT: u8 = 32;

/// Pays for an operation that did not have to wait, the `count`-th of its primitive; `false`: the task has done so much in
/// this poll that it should give way. It has been woken to go on.
#[inline]
pub(crate) fn pay(count: u8, cx: &Context<'_>) -> bool {
    count & (INSTALMENT - 1) != 0 || pay_instalment(cx)
}

#[cold]
fn pay_instalment(cx: &Context<'_>) -> bool {
    let may_go_on = observer().is_none_or(|observer| observer.take_budget(INSTALMENT));
    if !may_go_on {
        cx.waker().wake_by_ref();
    }
    may_go_on
}

/// Marks of an [`Owner`], in bits that the alignment of functions' tables keeps free.
const OWNED_GUARD: usize = 1;
const SHARED_GUARD: usize = 2;

impl PartialEq for Owner {
    fn eq(&self, other: &Self) -> bool {
        self.data == other.data && self.functions() == other.functions()
    }
}

impl Eq for Owner {}

impl Owner {
    /// Nobody that could be named.
    pub const UNKNOWN: Self = Self { data: 0, vtable: 0 };

    /// Whoever `waker` wakes, by its two words.
    #[inline]
    pub fn of(waker: &Waker) -> Self {
        Self { data: waker.data().addr(), vtable: std::ptr::from_ref(waker.vtable()).addr() }
    }

    /// The address of the waker's functions, without the marks.
    #[inline]
    pub fn functions(self) -> usize {
        self.vtable & !(OWNED_GUARD | SHARED_GUARD)
    }

    /// The same, with a guard that shares ownership: made to be kept and handed on.
    pub(crate) fn with_owned_guard(self) -> Self {
        Self { vtable: self.vtable | OWNED_GUARD, ..self }
    }

    /// The same, with a guard that may go to another thread.
    pub(crate) fn with_shared_guard(self) -> Self {
        Self { vtable: self.vtable | SHARED_GUARD, ..self }
    }

    /// Whether the guard shares ownership of its lock.
    pub fn has_owned_guard(self) -> bool {
        self.vtable & OWNED_GUARD != 0
    }

    /// Whether the guard may be with another task or thread than the one that acquired it.
    #[inline]
    pub fn may_have_passed_it_on(self) -> bool {
        self.functions() != self.vtable
    }

    /// Whoever asks in `cx`, by a name that outlasts this poll.
    pub(crate) fn asking(cx: &Context<'_>) -> Self {
        observer().map_or_else(|| Self::of(cx.waker()), |observer| observer.owner(cx.waker()))
    }

    /// Whoever runs on this thread.
    pub(crate) fn running() -> Self {
        observer().map_or(Self::UNKNOWN, Observer::current)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lock => "Lock",
            Self::RLock => "RLock",
            Self::Read => "RwLock (read)",
            Self::Write => "RwLock (write)",
            Self::Semaphore => "Semaphore",
            Self::Event => "Event",
            Self::Condition => "Condition",
            Self::Barrier => "Barrier",
            Self::OnceCell => "OnceCell",
            Self::Oneshot => "oneshot channel",
            Self::Promise => "Promise",
            Self::Send => "channel (send)",
            Self::Receive => "channel (recv)",
            Self::Broadcast => "broadcast channel",
            Self::Watch => "watch channel",
            Self::Put => "Queue (put)",
            Self::Get => "Queue (get)",
            Self::Join => "Queue (join)",
        })
    }
}
