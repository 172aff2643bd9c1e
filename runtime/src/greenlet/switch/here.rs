//! The strands that this thread is on: to find one of them, to wait on it, to leave it. The invariants are those of `mod.rs`.

use super::{Head, Kind, Panic};
use runtime_executor::current;
use std::{
    any::Any,
    panic::resume_unwind,
    pin::Pin,
    ptr,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
    thread,
};

/// Calls `f` with the owner of the nearest strand of kind `Plain` that has one of type `O`, if the thread is on such a strand.
/// Strands of kind `Future` are not left. What `f` calls must not leave this stack without the owner's: see [`owner`].
#[inline(always)]
pub(in crate::greenlet) fn with_owner<O: Any, T>(f: impl FnOnce(Option<&O>) -> T) -> T {
    with_plain_head(<dyn Any>::downcast_ref, |found| f(found.map(|(_, owner)| owner)))
}

/// The same owner, for who may come back above other strands while it is needed.
pub(in crate::greenlet) fn owner<O: Any>() -> Option<Rc<O>> {
    with_plain_head(<dyn Any>::downcast_ref::<O>, |found| match &found?.0.kind {
        Kind::Plain(owner) => Rc::clone(owner).downcast().ok(),
        Kind::Future => None,
    })
}

/// Leaves the nearest strand with this very owner, and all above it, until it is resumed. False: the thread is on no such
/// strand, or there is one of kind `Future` in between.
///
/// # Panics
/// With [`Killed`], if it was killed.
#[inline(always)]
pub(in crate::greenlet) fn pause<O: Any>(owner: &O) -> bool {
    with_plain_head(
        |candidate| ptr::addr_eq(candidate, owner).then_some(&()),
        |found| found.map(|(head, ())| head.pause()),
    )
    .is_some()
}

/// Panics with `panic`, which somebody else has sent to the innermost strand.
pub(in crate::greenlet) fn throw(panic: Panic) -> ! {
    with_head(|head| head.iter().for_each(|head| head.was_thrown_at.set(true)));
    resume_unwind(panic)
}

/// Whether the innermost strand is being unwound, as far as can be told: while others of this thread are as well, it is known
/// of one that was thrown at, and not of one that panics by itself. On none, whether the thread unwinds.
pub(in crate::greenlet) fn is_unwinding() -> bool {
    let is = |head: &Head| head.was_thrown_at.get() || !head.others_unwind.get();
    thread::panicking() && with_head(|head| head.is_none_or(is))
}

/// Calls `f`, whose waits are not thrown at when the nearest strand of kind `Future` is killed.
pub(in crate::greenlet) fn shielded<R>(f: impl FnOnce() -> R) -> R {
    struct Shield<'a>(Option<&'a Head>);
    impl Drop for Shield<'_> {
        fn drop(&mut self) {
            self.0.iter().for_each(|head| head.shields.set(head.shields.get() - 1));
        }
    }
    with_future_head(|head| {
        head.iter().for_each(|head| head.shields.set(head.shields.get() + 1));
        let _shield = Shield(head);
        f()
    })
}

/// What lives as long as the nearest strand of kind `Future`, made by whoever asks first; `None` if there is no such strand.
pub(in crate::greenlet) fn companion(
    make: impl FnOnce() -> Arc<dyn Any + Send + Sync>,
) -> Option<Arc<dyn Any + Send + Sync>> {
    with_future_head(|head| Some(Arc::clone(head?.companion.get_or_init(make))))
}

/// Whether there is a strand to suspend while something is waited for.
pub(in crate::greenlet) fn may_wait() -> bool {
    with_future_head(|head| head.is_some())
}

/// Polls until it is ready, and leaves the nearest strand of kind `Future` meanwhile; `None` if there is none.
///
/// What it polls in turn may come here again, and leave in the middle; it may come back above another strand (K4).
pub(in crate::greenlet) fn wait<F: Future>(mut future: Pin<&mut F>) -> Option<F::Output> {
    let mut waker = with_future_head(|head| head.map(Head::waker))?;
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(waker.waker())) {
            return Some(output);
        }
        let other = with_future_head(|head| {
            let head = head?;
            // With another one nobody would be woken here: it is to be polled again.
            if head.has_waker(&waker) {
                head.pause();
            }
            Some((!head.has_waker(&waker)).then(|| head.waker()))
        })?;
        if let Some(other) = other {
            waker = other;
        }
    }
}

/// `f` returns, or unwinds, on the strand on which it was called.
#[inline(always)]
fn with_head<T>(f: impl FnOnce(Option<&Head>) -> T) -> T {
    let head: *const Head = current::strand().cast();
    // SAFETY: K2, K1.
    f(unsafe { head.as_ref() })
}

fn with_future_head<T>(f: impl FnOnce(Option<&Head>) -> T) -> T {
    with_head(|mut next| {
        while let Some(head) = next.filter(|head| head.owner().is_some()) {
            next = head.below();
        }
        f(next)
    })
}

#[inline(always)]
fn with_plain_head<O, T>(
    pick: impl for<'a> Fn(&'a dyn Any) -> Option<&'a O>,
    f: impl FnOnce(Option<(&Head, &O)>) -> T,
) -> T {
    with_head(|mut next| {
        let found = loop {
            let Some((head, owner)) = next.and_then(|head| Some((head, head.owner()?))) else { break None };
            match pick(owner) {
                Some(owner) => break Some((head, owner)),
                None => next = head.below(),
            }
        };
        f(found)
    })
}
