//! Wakers: a [`Key`] dressed as `std::task::Waker`.
//!
//! W1. `data` is an integer without provenance; nothing ever dereferences it. So clone, wake and drop are sound
//!     from any thread at any time, also when the task, the runtime or the thread is gone.
//! W2. On the owner's thread, while its runtime is entered, no atomic is touched. Elsewhere the key goes through
//!     the runtime's [`Remote`](crate::inbox::Remote) block.

#![expect(unsafe_code, reason = "RawWaker has no safe constructor")]

use super::slots::Key;
use crate::{current, registry};
use runtime_sync::Owner;
use std::{
    mem::ManuallyDrop,
    panic::{AssertUnwindSafe, catch_unwind},
    task::{RawWaker, RawWakerVTable, Waker},
};

/// A static, not a constant: one address, so that `will_wake` is exact.
static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, drop_waker);

/// The waker of a poll: not counted, hence not dropped.
#[inline]
pub(crate) fn waker(key: Key) -> ManuallyDrop<Waker> {
    let raw = RawWaker::new(key.to_pointer(), &VTABLE);
    // SAFETY: the functions of VTABLE are thread-safe and treat `data` as an integer (W1).
    ManuallyDrop::new(unsafe { Waker::from_raw(raw) })
}

/// Wakes whoever the key means.
#[inline]
pub(crate) fn wake_key(key: Key) {
    let at_home = current::with(|core| {
        core.is_home_of(key) && {
            core.wake(key);
            true
        }
    });
    if at_home != Some(true) {
        wake_from_afar(key);
    }
}

#[cold]
fn wake_from_afar(key: Key) {
    if let Some(remote) = registry::remote(key.runtime()) {
        remote.wake(key.slot());
    }
}

/// Whoever waits for something of ours: a waker, kept until the wait ends.
///
/// A waker of this crate is kept as its key and woken without a detour; any other is cloned. Such keys have a count of
/// their own, so that the count of wakers that are out knows only those that somebody else could still use. A panic of
/// a foreign waker is reported by the panic hook and goes no further: it must not take down the loop, nor the wakes
/// after it.
///
/// ```
/// use runtime_executor::Waiter;
/// use std::{sync::Arc, task::{Wake, Waker}};
/// struct Bad;
/// impl Wake for Bad {
///     fn wake(self: Arc<Self>) {
///         panic!("no")
///     }
/// }
/// let waiter = Waiter::new(&Arc::new(Bad).into());
/// waiter.wake(); // says so on standard error, and goes on
/// ```
#[derive(Debug)]
pub struct Waiter(ManuallyDrop<Waker>);

impl Waiter {
    /// Whoever `waker` wakes.
    #[inline]
    pub fn new(waker: &Waker) -> Self {
        Self(if let Some(key) = key_of(waker) {
            count_waiters(key, 1);
            self::waker(key)
        } else {
            ManuallyDrop::new(waker.clone())
        })
    }

    /// Whether it is the one that `waker` wakes.
    #[inline]
    pub fn will_wake(&self, waker: &Waker) -> bool {
        self.0.will_wake(waker)
    }

    /// Ends the wait.
    #[inline]
    pub fn wake(self) {
        if let Some(key) = key_of(&self.0) {
            let _counted_below = ManuallyDrop::new(self);
            end_wait(key);
        } else {
            self.wake_foreign();
        }
    }

    /// The key, if the waker is of this crate.
    pub(crate) fn key(&self) -> Option<Key> {
        key_of(&self.0)
    }

    #[cold]
    fn wake_foreign(self) {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| self.0.wake_by_ref())) {
            super::error::discard(payload);
        }
    }

    #[cold]
    fn drop_foreign(&mut self) {
        let dropped = catch_unwind(AssertUnwindSafe(|| {
            // SAFETY: a clone of our own; only `drop` calls this, and nothing comes after that.
            unsafe { ManuallyDrop::drop(&mut self.0) }
        }));
        if let Err(payload) = dropped {
            super::error::discard(payload);
        }
    }
}

impl Drop for Waiter {
    #[inline]
    fn drop(&mut self) {
        match key_of(&self.0) {
            Some(key) => count_waiters(key, -1),
            None => self.drop_foreign(),
        }
    }
}

/// A waker that outlasts the poll it was given to, for who stays in the middle of polls: a stack that is left there.
///
/// One of this crate is kept as its key and not counted among those that somebody else could use; any other is cloned.
///
/// ```
/// use runtime_executor::{Executor, PollWaker};
/// use std::{future::poll_fn, task::Poll};
/// let kept = Executor::builder().build().block_on(poll_fn(|cx| {
///     let kept = PollWaker::new(cx.waker());
///     assert!(kept.will_wake(cx.waker()));
///     Poll::Ready(kept)
/// }));
/// kept.waker().wake_by_ref(); // whom it would wake is gone: nothing happens
/// ```
#[derive(Debug)]
pub struct PollWaker(ManuallyDrop<Waker>);

impl PollWaker {
    /// One like it.
    pub fn new(waker: &Waker) -> Self {
        Self(key_of(waker).map_or_else(|| ManuallyDrop::new(waker.clone()), self::waker))
    }

    /// Whether it is the same.
    #[inline]
    pub fn will_wake(&self, waker: &Waker) -> bool {
        self.0.will_wake(waker)
    }

    /// To poll with.
    #[inline]
    pub fn waker(&self) -> &Waker {
        &self.0
    }
}

impl Drop for PollWaker {
    fn drop(&mut self) {
        if key_of(&self.0).is_none() {
            // SAFETY: a clone of our own, and nothing comes after this.
            unsafe { ManuallyDrop::drop(&mut self.0) }
        }
    }
}

/// The key of a waker of this crate, of whatever runtime.
#[inline]
pub(crate) fn key_of(waker: &Waker) -> Option<Key> {
    std::ptr::eq(waker.vtable(), &raw const VTABLE).then(|| Key::from_pointer(waker.data()))
}

/// How coordination calls whoever has this key: by the words of the waker.
/// What our wakers are known by.
pub(crate) fn functions() -> &'static RawWakerVTable {
    &VTABLE
}

pub(crate) fn owner(key: Key) -> Owner {
    Owner::of(&waker(key))
}

/// The key behind such a name.
#[inline]
pub(crate) fn key_of_owner(owner: Owner) -> Option<Key> {
    let is_ours = owner.functions() == (&raw const VTABLE).addr();
    is_ours.then(|| Key::from_word(owner.data))
}

/// A waiter's wake, which ends it.
#[inline]
fn end_wait(key: Key) {
    let at_home = current::with(|core| core.is_home_of(key) && core.end_wait(key));
    if at_home != Some(true) {
        // In this order: see `Remote::count_clones`.
        wake_from_afar(key);
        count_waiters_from_afar(key, -1);
    }
}

#[inline]
fn count_waiters(key: Key, change: i32) {
    let at_home =
        current::with(|core| core.is_home_of(key) && core.slots().count_waiters(key.slot(), change));
    if at_home != Some(true) {
        count_waiters_from_afar(key, change);
    }
}

#[cold]
fn count_waiters_from_afar(key: Key, change: i32) {
    if let Some(remote) = registry::remote(key.runtime()) {
        remote.count_waiters(key.slot(), change);
    }
}

#[inline]
fn count(key: Key, change: i32) {
    let at_home = current::with(|core| core.is_home_of(key) && core.slots().count_clones(key.slot(), change));
    if at_home != Some(true) {
        count_from_afar(key, change);
    }
}

#[cold]
fn count_from_afar(key: Key, change: i32) {
    if let Some(remote) = registry::remote(key.runtime()) {
        remote.count_clones(key.slot(), change);
    }
}

fn clone(data: *const ()) -> RawWaker {
    count(Key::from_pointer(data), 1);
    RawWaker::new(data, &VTABLE)
}

fn wake(data: *const ()) {
    wake_by_ref(data);
    drop_waker(data);
}

fn wake_by_ref(data: *const ()) {
    wake_key(Key::from_pointer(data));
}

fn drop_waker(data: *const ()) {
    count(Key::from_pointer(data), -1);
}
