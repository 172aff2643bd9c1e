//! Which runtime runs on this thread: the one thread-local of the workspace.
//!
//! C1. `CURRENT` is null or points into an `Rc<Core>` that an `Entered` guard on this thread's stack keeps
//!     alive; the guard puts the former value back before it lets go.
//! C2. It is const-initialised and has no destructor, so that a waker may use it while the thread's other
//!     locals are destroyed.
//! C3. Beside it, `STRAND` is null or what an upper floor put there: which of its stacks this thread is on. It means nothing
//!     here; entering a runtime hides it, so that what runs in there is on no such stack.
//! C4. `SHARED` and `BAG` have destructors: whoever asks for them later than that gets something new, or nothing, and so
//!     learns that the thread ends.

#![expect(unsafe_code, reason = "a scoped reference in a thread-local")]

use crate::core::Core;
use std::{
    any::Any,
    cell::{Cell, RefCell},
    fmt, ptr,
    rc::Rc,
    task::{Context, Poll},
};

thread_local! {
    static CURRENT: Cell<*const Core> = const { Cell::new(ptr::null()) };
    static STRAND: Cell<*const ()> = const { Cell::new(ptr::null()) };
    static SHARED: RefCell<Option<Box<dyn Any>>> = const { RefCell::new(None) };
    static BAG: Cell<Option<Box<dyn Any>>> = const { Cell::new(None) };
}

/// Keeps a runtime current.
pub(crate) struct Entered {
    core: Rc<Core>,
    outer: *const Core,
    outer_strand: *const (),
}

/// Makes `core` the runtime of this thread until the guard is dropped. Guards must be dropped in reverse order;
/// they live in one function each.
pub(crate) fn enter(core: &Rc<Core>) -> Entered {
    let core = Rc::clone(core);
    let outer = CURRENT.replace(Rc::as_ptr(&core));
    let outer_strand = STRAND.replace(ptr::null());
    Entered { core, outer, outer_strand }
}

impl Drop for Entered {
    fn drop(&mut self) {
        STRAND.set(self.outer_strand);
        let left = CURRENT.replace(self.outer);
        debug_assert_eq!(left, Rc::as_ptr(&self.core), "runtimes are left in the reverse order of entering");
    }
}

/// Calls `f` with the runtime of this thread, or with `None`.
#[inline]
pub(crate) fn with_or_none<R>(f: impl FnOnce(Option<&Core>) -> R) -> R {
    let current = CURRENT.get();
    // SAFETY: null, or kept alive by a guard further up this stack (C1).
    f(unsafe { current.as_ref() })
}

/// Calls `f` with the runtime of this thread, if there is one.
#[inline]
pub(crate) fn with<R>(f: impl FnOnce(&Core) -> R) -> Option<R> {
    with_or_none(|core| core.map(f))
}

/// Calls `f` with the runtime of this thread.
///
/// # Panics
/// If none runs here; `what` says what was tried.
#[inline]
#[track_caller]
pub(crate) fn expect<R>(what: &str, f: impl FnOnce(&Core) -> R) -> R {
    let Some(result) = with(f) else { no_runtime(what) };
    result
}

#[cold]
#[track_caller]
fn no_runtime(what: &str) -> ! {
    panic!(
        "{what} needs a runtime on this thread, and none runs here: call it inside `runtime::run(async {{ … }})`, \
         `#[runtime::main]` or `#[runtime::test]`; from another thread use `runtime::Handle::spawn`"
    )
}

/// Whether a runtime runs on this thread now.
///
/// ```
/// use runtime_executor::{Executor, current};
/// assert!(!current::is_entered());
/// Executor::builder().build().block_on(async { assert!(current::is_entered()) });
/// ```
#[inline]
pub fn is_entered() -> bool {
    with(|_| ()).is_some()
}

/// Calls `f` with the object of type `T` that was put on the current runtime's shelf by
/// [`Builder::extension`](crate::Builder::extension): how upper floors find their reactor. `None` if no runtime
/// runs here or it has no `T`.
///
/// ```
/// use runtime_executor::{Executor, current};
/// struct Motto(&'static str);
/// let executor = Executor::builder().extension(Motto("one thread")).build();
/// let motto = executor.block_on(async { current::with_extension(|motto: &Motto| motto.0) });
/// assert_eq!(motto, Some("one thread"));
/// ```
#[inline]
pub fn with_extension<T: Any, R>(f: impl FnOnce(&T) -> R) -> Option<R> {
    with(|core| core.extension::<T>().map(f)).flatten()
}

/// What all of this thread share that runs in no runtime: made by `make` when it is asked for first, it goes with the thread.
/// There is one, of one upper floor; if there is another already, or the thread ends, a new one is made.
///
/// ```
/// use runtime_executor::current;
/// use std::rc::Rc;
/// let first: Rc<u8> = current::shared_by_thread(|| Rc::new(1));
/// assert_eq!(*current::shared_by_thread(|| Rc::new(2_u8)), 1);
/// # drop(first);
/// ```
pub fn shared_by_thread<T: Any + Clone>(make: impl FnOnce() -> T) -> T {
    let there = SHARED
        .try_with(|shared| shared.borrow().as_ref().and_then(|shared| shared.downcast_ref::<T>().cloned()));
    if let Ok(Some(there)) = there {
        return there;
    }
    let new = make();
    let kept = Box::new(new.clone());
    let _ = SHARED.try_with(|shared| {
        let is_free = shared.borrow().is_none();
        if is_free {
            *shared.borrow_mut() = Some(kept);
        }
    });
    new
}

/// Puts something where whoever is called from here will find it, and nobody else; gives what was there before, which is to be
/// put back. So an encoder that calls values which know nothing of it can be told what does not go into bytes. While the
/// thread's locals are destroyed nothing is kept.
///
/// ```
/// use runtime_executor::current::replace_bag;
/// let outer = replace_bag(Some(Box::new(1)));
/// assert!(outer.is_none());
/// assert!(replace_bag(outer).is_some_and(|bag| bag.is::<i32>()));
/// ```
pub fn replace_bag(bag: Option<Box<dyn Any>>) -> Option<Box<dyn Any>> {
    BAG.try_with(|there| there.replace(bag)).unwrap_or(None)
}

/// Whether this thread's locals are being destroyed, as far as can be told: those that were first used after the first call of
/// this, or of [`shared_by_thread`], are gone. What refers to them had better not run any more.
///
/// ```
/// assert!(!runtime_executor::current::is_thread_ending());
/// ```
pub fn is_thread_ending() -> bool {
    SHARED.try_with(|_| ()).is_err()
}

/// Takes one unit of the budget of the running poll, so that a task whose sockets, channels or locks are always
/// ready still lets others run. With none left the task is woken, to go on at its next turn, and this is
/// `Pending`. Outside a runtime the budget has no end.
///
/// ```
/// use runtime_executor::{Executor, current};
/// use std::{future::poll_fn, task::Poll};
///
/// let taken = Executor::builder().budget(3).build().block_on(async {
///     let mut taken = 0;
///     poll_fn(|cx| {
///         while current::poll_budget(cx).is_ready() {
///             taken += 1;
///         }
///         Poll::Ready(())
///     })
///     .await;
///     taken
/// });
/// assert_eq!(taken, 3);
/// ```
#[inline]
pub fn poll_budget(context: &mut Context<'_>) -> Poll<()> {
    match with(|core| core.take_budget(1)) {
        Some(false) => {
            context.waker().wake_by_ref();
            Poll::Pending
        }
        _ => Poll::Ready(()),
    }
}

/// What [`replace_strand`] has put there: which stack of an upper floor this thread is on. Null: none of theirs.
#[inline]
pub fn strand() -> *const () {
    STRAND.get()
}

/// Says which stack of an upper floor this thread is on from now on; gives what was said before.
///
/// # Safety
/// One floor alone may call this, as it follows the pointers that it finds there: for as long as one is there, it must be
/// good.
#[inline]
pub unsafe fn replace_strand(strand: *const ()) -> *const () {
    STRAND.replace(strand)
}

/// Keeps the memory of a runtime, for references into it from stacks that may outlive its end. Whether the runtime still
/// runs is another matter.
///
/// ```
/// use runtime_executor::{Executor, current::{self, Anchor}};
/// let executor = Executor::builder().build();
/// let anchor: Anchor = executor.block_on(async { current::anchor().unwrap() });
/// assert!(!anchor.is_current());
/// executor.block_on(async { assert!(anchor.is_current()) });
/// ```
#[derive(Clone)]
pub struct Anchor(Rc<Core>);

/// An anchor in the runtime of this thread, if there is one.
pub fn anchor() -> Option<Anchor> {
    let core = CURRENT.get();
    (!core.is_null()).then(|| {
        // SAFETY: not null, so it is `Rc::as_ptr` of the one that a guard holds (C1).
        unsafe { Rc::increment_strong_count(core) };
        // SAFETY: the count that was just added becomes this one's.
        Anchor(unsafe { Rc::from_raw(core) })
    })
}

impl Anchor {
    /// Whether it is that of the runtime of this thread now; `None` is for no runtime.
    #[inline]
    pub fn is_of_current(anchor: &Option<Self>) -> bool {
        ptr::eq(CURRENT.get(), anchor.as_ref().map_or(ptr::null(), |anchor| &raw const *anchor.0))
    }

    /// Whether it is the runtime of this thread now.
    #[inline]
    pub fn is_current(&self) -> bool {
        ptr::eq(CURRENT.get(), &raw const *self.0)
    }
}

impl fmt::Debug for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Anchor").field(&self.0.id()).finish()
    }
}
