//! Wakers by number, kept in books: who was woken, who still has a copy, and whether other people's code is called
//! while the primitive is in the middle of something.

#![expect(unsafe_code, reason = "a waker that looks on at its own clone and drop has no safe constructor")]

use std::{
    cell::RefCell,
    panic::panic_any,
    ptr,
    rc::Rc,
    task::{RawWaker, RawWakerVTable, Waker},
};

/// What a waker that was told to panic throws.
pub(crate) struct WakerPanic;

/// What is known of one waker.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Entry {
    /// Copies that were made and not dropped.
    pub(crate) alive: i32,
    pub(crate) wakes: u32,
    pub(crate) panics_next: bool,
}

/// Runs on every clone, wake and drop of a waker, and may use the primitive as it likes.
pub(crate) type Probe = Rc<dyn Fn()>;

/// What happens in the middle of somebody's poll.
type Amid = Box<dyn FnOnce()>;

thread_local! {
    static AMID: RefCell<Option<Amid>> = const { RefCell::new(None) };
    static BOOK: RefCell<Vec<Entry>> = const { RefCell::new(Vec::new()) };
    static PROBE: RefCell<Option<Probe>> = const { RefCell::new(None) };
}

/// Begins a new book. `probe` runs on whatever happens to a waker.
pub(crate) fn open(probe: Option<Probe>) {
    PROBE.set(probe);
    BOOK.with_borrow_mut(Vec::clear);
}

/// The next clone of a waker calls this.
pub(crate) fn amid_next_clone(call: Amid) {
    AMID.set(Some(call));
}

/// Whether no clone came.
pub(crate) fn nothing_came_amid() -> bool {
    AMID.take().is_some()
}

/// No more probes: the world is about to end.
pub(crate) fn stop_probing() {
    PROBE.set(None);
}

/// The waker `number`: equal to those of the same number.
pub(crate) fn waker(number: usize) -> Waker {
    change(number, |entry| entry.alive += 1);
    // SAFETY: the functions take the data for a number, and touch thread-locals only.
    unsafe { Waker::from_raw(raw(number)) }
}

pub(crate) fn change<R>(number: usize, change: impl FnOnce(&mut Entry) -> R) -> R {
    BOOK.with_borrow_mut(|book| {
        if book.len() <= number {
            book.resize(number + 1, Entry::default());
        }
        change(&mut book[number])
    })
}

pub(crate) fn look(number: usize) -> Entry {
    change(number, |entry| *entry)
}

/// Copies of any waker that are still somewhere.
pub(crate) fn alive() -> i32 {
    BOOK.with_borrow(|book| book.iter().map(|entry| entry.alive).sum())
}

/// One that was woken since the wakes were last taken out of its entry.
pub(crate) fn woken() -> Option<usize> {
    BOOK.with_borrow(|book| book.iter().position(|entry| entry.wakes > 0))
}

static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, drop_waker);

fn raw(number: usize) -> RawWaker {
    RawWaker::new(ptr::without_provenance(number), &VTABLE)
}

pub(crate) fn probe() {
    // Taken out: the probe's own doings are not probed.
    if let Some(probe) = PROBE.take() {
        probe();
        PROBE.set(Some(probe));
    }
}

fn clone(data: *const ()) -> RawWaker {
    change(data.addr(), |entry| entry.alive += 1);
    if let Some(amid) = AMID.take() {
        amid();
    }
    probe();
    raw(data.addr())
}

fn wake(data: *const ()) {
    // Used up in any case, as `Waker::wake` forgets it first.
    change(data.addr(), |entry| entry.alive -= 1);
    wake_by_ref(data);
}

fn wake_by_ref(data: *const ()) {
    let panics = change(data.addr(), |entry| {
        entry.wakes += 1;
        std::mem::take(&mut entry.panics_next)
    });
    probe();
    if panics {
        panic_any(WakerPanic);
    }
}

fn drop_waker(data: *const ()) {
    change(data.addr(), |entry| entry.alive -= 1);
    probe();
}
