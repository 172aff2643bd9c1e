//! The one link from coordination to the executor above it: who waits for what, who is asking, and the services
//! that only an executor has.
//!
//! With no [`Observer`] installed, or under another executor, every primitive works and nothing is reported. A path
//! on which nobody waits makes no call: who takes a lock is read from the `Context`.

#[cfg(feature = "follow")]
use crate::follow::{Followed, Tag};
use crate::wait_list::Board;
use std::{
    fmt,
    future::Future,
    num::NonZeroU64,
    panic::Location,
    pin::Pin,
    ptr,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicPtr, Ordering},
    },
    task::{Context, RawWakerVTable, Waker},
    time::Duration,
};

/// What an executor does for the primitives that are used in its tasks. All methods may be called on any thread, and
/// none may call back into the primitive that calls.
pub trait Observer: Send + Sync + 'static {
    /// The functions of this executor's own wakers. A waker with these is known by its data alone, its *key*, of which
    /// the uppermost [`KEY_RUNTIME_BITS`] tell the runtime. A queue keeps no such waker, only the key.
    fn wakers(&self) -> Option<&'static RawWakerVTable>;

    /// Wakes whomever a waker with that key wakes.
    fn wake(&self, key: usize);

    /// Queues show who waits in them on their boards. This one is new, or larger than the one before, or somebody of the
    /// current runtime waits there for the first time.
    fn enlist(&self, board: &Arc<Board>);

    /// Somebody begins to wait where only one can, so that there is neither queue nor board; `is_shared`: in a primitive
    /// that any thread may use.
    fn begin(&self, waker: &Waker, wait: &Wait, is_shared: bool) -> Option<NonZeroU64>;

    /// The wait with that number is over, one way or the other.
    fn end(&self, number: NonZeroU64);

    /// The wait in that seat was polled, and goes on. `describe` tells what it waits for as of now. Gives
    /// that if the wait can be proved never to end, because its own task holds what it waits for and waits for nothing
    /// else; the wait then panics.
    fn still_waits(&self, _: &Arc<Board>, _seat: u32, _describe: &mut dyn FnMut() -> Wait) -> Option<Wait> {
        None
    }

    /// Somebody on this thread has begun to wait in a queue. Gives what is to be told of the polls, if the wait is to be
    /// followed. `introduce` gives what the observer keeps with the queue, and tells what is waited for. Called once
    /// there was a call of [`follow_waits`](crate::follow_waits).
    #[cfg(feature = "follow")]
    fn follow(&self, _introduce: &mut dyn FnMut() -> (Tag, Wait)) -> Option<Arc<dyn Followed>> {
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
#[repr(u8)]
pub enum Kind {
    /// `Lock::acquire`, and the way back from `Condition::wait`.
    Lock = Self::INHERITS,
    /// `RLock::acquire`.
    RLock = Self::INHERITS | 1,
    /// `RwLock::read`.
    Read = Self::SHARES,
    /// `RwLock::write`.
    Write = Self::INHERITS | 2,
    /// `Semaphore::acquire`.
    Semaphore = 0,
    /// `Event::wait`.
    Event,
    /// `Condition::wait`.
    Condition,
    /// `Barrier::wait`.
    Barrier,
    /// `OnceCell::get_or_init`.
    OnceCell = Self::INHERITS | 3,
    /// A `oneshot::Receiver`.
    Oneshot = 4,
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

impl Kind {
    /// Mark in the numbers of those kinds where whoever is granted it is the only holder.
    pub(crate) const INHERITS: u8 = 1 << 6;
    /// Of those where it is one of several, none of whom is known.
    pub(crate) const SHARES: u8 = 1 << 7;

    const ALL: [Self; 18] = [
        Self::Lock,
        Self::RLock,
        Self::Read,
        Self::Write,
        Self::Semaphore,
        Self::Event,
        Self::Condition,
        Self::Barrier,
        Self::OnceCell,
        Self::Oneshot,
        Self::Promise,
        Self::Send,
        Self::Receive,
        Self::Broadcast,
        Self::Watch,
        Self::Put,
        Self::Get,
        Self::Join,
    ];

    /// The kind of that number.
    pub(crate) fn of(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == number)
    }

    /// Whether somebody holds what is waited for.
    #[inline]
    pub const fn has_holder(self) -> bool {
        self as u8 & (Self::INHERITS | Self::SHARES) != 0
    }
}

/// Bits of a key that tell the runtime: the uppermost.
pub const KEY_RUNTIME_BITS: u32 = 12;

static OBSERVER: OnceLock<&'static dyn Observer> = OnceLock::new();
/// What the observer's wakers are known by, at hand.
static WAKERS: AtomicPtr<RawWakerVTable> = AtomicPtr::new(ptr::null_mut());

/// Installs the process's observer. The first one stays; `false`: there was one already.
pub fn install(observer: &'static dyn Observer) -> bool {
    let is_first = OBSERVER.set(observer).is_ok();
    if is_first && let Some(wakers) = observer.wakers() {
        WAKERS.store(ptr::from_ref(wakers).cast_mut(), Ordering::Release);
    }
    is_first
}

#[inline]
pub(crate) fn observer() -> Option<&'static dyn Observer> {
    OBSERVER.get().copied()
}

/// The key of a waker of the observer's.
#[inline]
pub(crate) fn key_of(waker: &Waker) -> Option<usize> {
    ptr::eq(waker.vtable(), WAKERS.load(Ordering::Acquire)).then(|| waker.data().addr())
}

/// The same, for an owner.
#[inline]
pub(crate) fn key_of_owner(owner: Owner) -> Option<usize> {
    let known = known_functions();
    (known != 0 && owner.functions() == known).then_some(owner.data)
}

/// The address of the functions of the observer's wakers.
#[inline]
pub(crate) fn known_functions() -> usize {
    WAKERS.load(Ordering::Acquire).addr()
}

/// The runtime in a key.
#[inline]
pub(crate) fn runtime_of(key: usize) -> usize {
    key >> (usize::BITS - KEY_RUNTIME_BITS)
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
        Self { data: waker.data().addr(), vtable: ptr::from_ref(waker.vtable()).addr() }
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
