//! Which runtime runs on this thread: the one thread-local of the workspace.
//!
//! C1. `CURRENT` is null or points into an `Rc<Core>` that an `Entered` guard on this thread's stack keeps
//!     alive; the guard puts the former value back before it lets go.
//! C2. It is const-initialised and has no destructor, so that a waker may use it while the thread's other
//!     locals are destroyed.

#![expect(unsafe_code, reason = "a scoped reference in a thread-local")]

use crate::core::Core;
use std::{
    any::Any,
    cell::Cell,
    ptr,
    rc::Rc,
    task::{Context, Poll},
};

thread_local! {
    static CURRENT: Cell<*const Core> = const { Cell::new(ptr::null()) };
}

/// Keeps a runtime current.
pub(crate) struct Entered {
    core: Rc<Core>,
    outer: *const Core,
}

/// Makes `core` the runtime of this thread until the guard is dropped. Guards must be dropped in reverse order;
/// they live in one function each.
pub(crate) fn enter(core: &Rc<Core>) -> Entered {
    let core = Rc::clone(core);
    let outer = CURRENT.replace(Rc::as_ptr(&core));
    Entered { core, outer }
}

impl Drop for Entered {
    fn drop(&mut self) {
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
