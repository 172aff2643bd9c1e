//! Wakers made by hand, as a foreign executor might make them: any of their four functions may panic.

#![expect(unsafe_code, reason = "a waker whose clone or drop panics has no safe constructor")]

use std::{
    cell::Cell,
    task::{RawWaker, RawWakerVTable, Waker},
};

/// Which function of a waker panics.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Bad {
    Clone,
    Wake,
    Drop,
}

thread_local! {
    static BAD: Cell<Option<Bad>> = const { Cell::new(None) };
    static ALIVE: Cell<i32> = const { Cell::new(0) };
}

/// Wakers of [`waker`] on this thread that were made and not dropped.
pub(crate) fn alive() -> i32 {
    ALIVE.get()
}

/// From now on `bad` panics in every waker of [`waker`] on this thread, `None`: nothing.
pub(crate) fn behave_badly(bad: Option<Bad>) {
    BAD.set(bad);
}

/// A waker that does nothing but count, until [`behave_badly`].
pub(crate) fn waker() -> Waker {
    ALIVE.set(ALIVE.get() + 1);
    let raw = RawWaker::new(std::ptr::null(), &VTABLE);
    // SAFETY: the functions touch thread-locals and nothing else.
    unsafe { Waker::from_raw(raw) }
}

static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, drop_waker);

#[track_caller]
fn panic_if(bad: Bad) {
    if BAD.get() == Some(bad) {
        panic!("a foreign waker's {bad:?}");
    }
}

fn clone(_: *const ()) -> RawWaker {
    panic_if(Bad::Clone);
    ALIVE.set(ALIVE.get() + 1);
    RawWaker::new(std::ptr::null(), &VTABLE)
}

fn wake(data: *const ()) {
    // Used up in any case, as `Waker::wake` forgets it first.
    ALIVE.set(ALIVE.get() - 1);
    wake_by_ref(data);
}

fn wake_by_ref(_: *const ()) {
    panic_if(Bad::Wake);
}

fn drop_waker(_: *const ()) {
    ALIVE.set(ALIVE.get() - 1);
    panic_if(Bad::Drop);
}
