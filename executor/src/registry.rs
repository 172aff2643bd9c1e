//! Names the runtimes of this process and finds, from any thread and at any time, the block each listens on.

use crate::{
    current,
    inbox::{Call, Remote, RuntimeGone},
};
use std::{
    collections::BTreeMap,
    fmt,
    num::NonZeroU64,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    task::Waker,
};

/// Runtimes alive at one time in one process. One per core is the use; 12 bits leave a waker's key 28 bits of
/// generation, and the table is 64 KiB of untouched zero pages.
const MAX_RUNTIMES: usize = 1 << INDEX_BITS;
pub(crate) const INDEX_BITS: u32 = 12;

static BLOCKS: [OnceLock<Box<Remote>>; MAX_RUNTIMES] = [const { OnceLock::new() }; MAX_RUNTIMES];
static NAMES: Mutex<Names> =
    Mutex::new(Names { free: Vec::new(), used: 0, epochs: 0, accesses: BTreeMap::new() });

struct Names {
    free: Vec<u16>,
    used: u16,
    epochs: u64,
    /// Of the runtimes that live.
    accesses: BTreeMap<u16, Access>,
}

/// Names one runtime of this process, for good: a plain integer that is never used again.
///
/// I/O objects and timers carry it to know their owner; [`post`](RuntimeId::post) reaches that owner from any
/// thread.
///
/// ```
/// use runtime_executor::{Executor, RuntimeId};
///
/// let executor = Executor::builder().build();
/// let id = executor.block_on(async { RuntimeId::current().unwrap() });
/// assert!(!id.is_current()); // nothing runs on this thread now
/// assert_eq!(RuntimeId::from_bits(id.to_bits()), Some(id));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct RuntimeId(NonZeroU64);

impl RuntimeId {
    /// The runtime that runs on this thread now.
    #[inline]
    pub fn current() -> Option<Self> {
        current::with(|core| core.id())
    }

    /// Whether this runtime runs on this thread now.
    #[inline]
    pub fn is_current(self) -> bool {
        current::with(|core| core.id() == self).unwrap_or(false)
    }

    fn new(epoch: u64, index: u16) -> Self {
        Self(NonZeroU64::new(epoch << INDEX_BITS | u64::from(index)).expect("epochs start at 1"))
    }

    /// The name as an integer, never 0.
    #[inline]
    pub fn to_bits(self) -> u64 {
        self.0.get()
    }

    /// The opposite of [`to_bits`](RuntimeId::to_bits); `None` for 0 and other bits that no runtime has. Bits made
    /// up name a runtime that is gone.
    #[inline]
    pub fn from_bits(bits: u64) -> Option<Self> {
        // Epoch 0 stands for no runtime, also in the block that such an id would lead to.
        NonZeroU64::new(bits).map(Self).filter(|id| id.epoch() != 0)
    }

    /// Runs `f` soon on that runtime's thread, inside the runtime, between two polls. Any thread may call this;
    /// calls of one thread run in their order. A panic in `f` is reported and goes no further.
    ///
    /// This name is a number that anybody may copy, so the runtime does not know whether somebody means to call this. If `f`
    /// is to wake somebody, keep a [`Handle`](crate::Handle) as well: without one, a runtime in which nothing else can happen
    /// takes that for a deadlock.
    ///
    /// # Errors
    /// [`RuntimeGone`] if the runtime has ended; `f` is then dropped here. If it ends before it comes to run
    /// `f`, then `f` is dropped there.
    pub fn post(self, f: impl FnOnce() + Send + 'static) -> Result<(), RuntimeGone> {
        self.send(Call::Run(Box::new(f)))
    }

    /// Whether the runtime has ended, or ends: what [`post`](Self::post) would say, without a call. For what works for a runtime
    /// on another thread, and is waited for at its end.
    ///
    /// ```
    /// use runtime_executor::{Executor, RuntimeId};
    /// let id = Executor::builder().build().block_on(async { RuntimeId::current().unwrap() });
    /// assert!(id.is_gone());
    /// ```
    pub fn is_gone(self) -> bool {
        self.remote().is_none_or(|remote| remote.is_closed_to(self.epoch()))
    }

    pub(crate) fn send(self, call: Call) -> Result<(), RuntimeGone> {
        self.remote().ok_or(RuntimeGone)?.post(self.epoch(), call)
    }

    /// The part of the name that a waker's key carries.
    #[inline]
    pub(crate) fn index(self) -> u16 {
        (self.0.get() & (MAX_RUNTIMES as u64 - 1)) as u16
    }

    fn epoch(self) -> u64 {
        self.0.get() >> INDEX_BITS
    }

    pub(crate) fn remote(self) -> Option<&'static Remote> {
        remote(self.index())
    }
}

/// The block of the runtimes that have used this index.
pub(crate) fn remote(index: u16) -> Option<&'static Remote> {
    BLOCKS[usize::from(index)].get().map(|block| &**block)
}

/// The runtime that has this index now.
pub(crate) fn serving(index: u16) -> Option<RuntimeId> {
    match remote(index)?.epoch() {
        0 => None,
        epoch => Some(RuntimeId::new(epoch, index)),
    }
}

/// Takes a name and opens its block.
///
/// # Panics
/// If 4,096 runtimes live in this process.
pub(crate) fn register(unparker: Waker) -> (RuntimeId, &'static Remote) {
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    let index = names.free.pop().unwrap_or_else(|| {
        let next = names.used;
        assert!(
            usize::from(next) < MAX_RUNTIMES,
            "{MAX_RUNTIMES} runtimes live in this process already: drop some, or share one per thread"
        );
        names.used += 1;
        next
    });
    names.epochs += 1;
    let epoch = names.epochs;
    let id = RuntimeId::new(epoch, index);
    names.accesses.insert(index, Access { runtime: id, count: Arc::new(()) });
    drop(names);
    let block = BLOCKS[usize::from(index)].get_or_init(|| Box::new(Remote::new()));
    block.open(epoch, unparker);
    (id, block)
}

/// Gives a name's index back; its block must have been closed.
pub(crate) fn release(id: RuntimeId) {
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    names.accesses.remove(&id.index());
    names.free.push(id.index());
}

/// The right to reach the runtime that has this index now.
pub(crate) fn access(index: u16) -> Option<Access> {
    NAMES.lock().unwrap_or_else(PoisonError::into_inner).accesses.get(&index).cloned()
}

/// The right to reach a runtime from outside, counted: while somebody has it, a runtime in which nothing can happen may
/// yet be told something.
#[derive(Clone)]
pub(crate) struct Access {
    runtime: RuntimeId,
    count: Arc<()>,
}

impl Access {
    pub(crate) fn runtime(&self) -> RuntimeId {
        self.runtime
    }

    /// Whether somebody has it beside the registry and whoever asks.
    pub(crate) fn is_given_out(&self) -> bool {
        Arc::strong_count(&self.count) > 2
    }
}

impl PartialEq for Access {
    fn eq(&self, other: &Self) -> bool {
        self.runtime == other.runtime
    }
}

impl Eq for Access {}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.runtime.fmt(f)
    }
}
