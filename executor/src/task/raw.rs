//! The memory of a task: one block with a small header, then the future, later its output in the same place.
//!
//! ```text
//! spawn ──> FUTURE|QUEUED ──run──> FUTURE|RUNNING ──Pending──> FUTURE ──wake──> FUTURE|QUEUED …
//!                │ cancel                │ Ready, panic
//!                └──> +CANCEL ──run──────┴──finish──> OUTPUT ──take_output / drop──> (empty) ──release──> freed
//! ```
//!
//! T1. A block begins with its `Header` (`repr(C)`), and a `TaskRef` has the provenance of the whole block.
//! T2. Everything here stays on the thread that spawned: no type is `Send`; wakers carry integers.
//! T3. The block lives while FUTURE, OUTPUT, QUEUED, RUNNING or HANDLE is set. Whoever clears one of them calls
//!     `release`, the only place that frees. Hence a `TaskRef` found in a slot (FUTURE), a ticket (QUEUED) and a
//!     `Joined` (HANDLE) is valid.
//! T4. FUTURE set: the body holds the future, pinned, as the block never moves. OUTPUT set: the body holds the
//!     output. Never both.
//! T5. A reference into the body exists only inside `poll`, `drop_future`, or while callbacks read the output;
//!     RUNNING is set then, and nothing else touches the body while RUNNING is set.
//! T6. In a run queue, the `link` of a task is null (`RunQueue::push` sees to that) or came from a ticket by `set_next`,
//!     which is behind it in the queue. Of any other task it is a number, or out of date, and nobody follows it.

#![expect(unsafe_code, reason = "tasks are found by pointers into hand-made blocks")]

use super::{
    TaskId,
    blocks::{self, Blocks},
    cell::VTable,
    details::Details,
    error::discard,
    run_queue::Queued,
    slots::Key,
    state::State,
    waker::{self, Waiter},
};
use crate::{
    core::Core,
    current,
    inspect::{self, Hooks, NAME_BYTES},
    observe,
};
use std::{
    cell::Cell,
    mem::take,
    panic::{AssertUnwindSafe, Location, catch_unwind},
    ptr::{self, NonNull},
    task::Context,
};

#[repr(C)]
pub(super) struct Header {
    pub(super) vtable: &'static VTable,
    pub(super) key: Key,
    pub(super) spawned_at: &'static Location<'static>,
    pub(super) joiner: Cell<Option<Waiter>>,
    pub(super) details: Cell<Option<Box<Details>>>,
    /// The next in the run queue, or, without QUEUED, when the task was polled last (T6).
    pub(super) link: Cell<*const ()>,
    /// The low 56 bits of the number, which no program lives to exhaust.
    pub(super) id: [u8; 7],
    pub(super) state: Cell<State>,
}

const _: () = assert!(size_of::<Header>() <= 64, "the header outgrew its cache line");

/// Points to a task. Crate-private, and valid by T3 wherever one is kept.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct TaskRef(pub(super) NonNull<Header>);

impl TaskRef {
    #[inline]
    pub(super) fn header(&self) -> &Header {
        // SAFETY: the block is live (T3); a header has no `&mut` anywhere.
        unsafe { self.0.as_ref() }
    }

    #[inline]
    pub(super) fn has(self, bits: u8) -> bool {
        self.header().state.get().0 & bits != 0
    }

    #[inline]
    pub(super) fn set(self, bits: u8) {
        let state = &self.header().state;
        state.set(State(state.get().0 | bits));
    }

    #[inline]
    pub(super) fn clear(self, bits: u8) {
        let state = &self.header().state;
        state.set(State(state.get().0 & !bits));
    }

    #[inline]
    pub(crate) fn id(self) -> TaskId {
        let mut bytes = [0; 8];
        bytes[..7].copy_from_slice(&self.header().id);
        TaskId(u64::from_le_bytes(bytes))
    }

    pub(super) fn to_pointer(self) -> *const () {
        self.0.as_ptr().cast_const().cast()
    }

    /// From [`to_pointer`](TaskRef::to_pointer).
    ///
    /// # Safety
    /// It came from there, and the task still lives (T3).
    #[inline]
    pub(super) unsafe fn from_pointer(pointer: *const ()) -> Self {
        // SAFETY: came from a `NonNull`.
        Self(unsafe { NonNull::new_unchecked(pointer.cast_mut().cast()) })
    }

    /// The key that its wakers carry.
    #[inline]
    pub(crate) fn key(self) -> Key {
        self.header().key
    }

    /// Copies the beginning of its name, and gives its length; for a signal handler on this very thread, which may come
    /// while anything here is half done.
    pub(crate) fn glance_at_name(self, into: &mut [u8; NAME_BYTES]) -> usize {
        // SAFETY: T2, and the cell is one word, so it holds the details or, while somebody works on them, nothing. Their
        // name is never changed, and they do not go before the task.
        let details = unsafe { &*self.header().details.as_ptr() };
        let Some(name) = details.as_ref().and_then(|details| details.name.as_ref()) else { return 0 };
        let length = name.len().min(NAME_BYTES);
        into[..length].copy_from_slice(&name.as_bytes()[..length]);
        length
    }

    /// It becomes the last of a run queue.
    #[inline]
    pub(super) fn set_last(self) {
        self.header().link.set(ptr::null());
    }

    /// Links `next` behind this one in the run queue.
    #[inline]
    pub(super) fn set_next(self, next: Queued) {
        let before = self.header().link.replace(next.into_task().to_pointer());
        debug_assert!(before.is_null(), "only the last of a queue gets a successor");
    }

    /// Gives the one behind. To be called once, when it leaves a run queue.
    #[inline]
    pub(super) fn take_next(self) -> Option<Queued> {
        let next = self.header().link.get();
        // SAFETY: not being null it is from a ticket that was in the queue, so its task lives (T3, T6).
        (!next.is_null()).then(|| Queued::new(unsafe { Self::from_pointer(next) }))
    }

    /// The end of a ticket that is in no queue; the task is polled now, or not at all.
    #[inline]
    pub(super) fn end_ticket(self, now: u64) {
        self.clear(State::QUEUED);
        if inspect::IS_KEPT {
            self.header().link.set(ptr::without_provenance(now as usize));
        }
    }

    /// A wake: the ticket to put into the run queue, unless one is there already.
    #[inline]
    pub(crate) fn schedule(self) -> Option<Queued> {
        if self.has(State::QUEUED) {
            return None;
        }
        self.set(State::QUEUED);
        Some(Queued::new(self))
    }

    /// Asks for the end of the task at its next turn, and wakes it. False: it has ended already.
    pub(crate) fn cancel(self) -> bool {
        if !self.has(State::FUTURE) {
            return false;
        }
        self.set(State::CANCEL);
        waker::wake_key(self.header().key);
        true
    }

    /// Has it end now, at shutdown. One that takes turns to end may be there still.
    pub(crate) fn cancel_now(self, core: &Core) {
        self.end_now(core, false);
    }

    /// Drops the future now, at the end of the runtime or because that takes no more tasks.
    pub(crate) fn drop_now(self, core: &Core) {
        self.end_now(core, true);
    }

    fn end_now(self, core: &Core, for_good: bool) {
        if self.has(State::FUTURE) && !self.has(State::RUNNING) {
            self.set(State::CANCEL);
            self.take_turn(core, for_good);
        }
    }

    /// One turn: polls the future, or drops it if it was cancelled.
    #[inline]
    pub(super) fn turn(self, core: &Core) {
        self.take_turn(core, false);
    }

    #[inline(always)]
    fn take_turn(self, core: &Core, for_good: bool) {
        match core.hooks() {
            None => self.bare_turn(core, for_good),
            Some(hooks) => self.hooked_turn(core, hooks, for_good),
        }
    }

    #[cold]
    #[inline(never)]
    fn hooked_turn(self, core: &Core, hooks: &Hooks, for_good: bool) {
        hooks.around_turn(core, self, || self.bare_turn(core, for_good));
    }

    #[inline(always)] // so that hooks cost the others no call
    fn bare_turn(self, core: &Core, for_good: bool) {
        self.set(State::RUNNING | State::TURNED);
        core.refill_budget();
        let outer = core.set_running(Some(self));
        let vtable = self.header().vtable;
        let waker = waker::waker(self.header().key);
        let mut context = Context::from_waker(&waker);
        let finished = if self.has(State::CANCEL) {
            let context = (!for_good).then_some(&mut context);
            // SAFETY: FUTURE is set, RUNNING is ours, and the vtable belongs to the block.
            unsafe { (vtable.cancel)(self, context) }
        } else {
            // SAFETY: as above.
            unsafe { (vtable.poll)(self, &mut context) }
        };
        if finished {
            self.finish(core);
            core.set_running(outer);
            self.clear(State::RUNNING);
            self.depart(core);
        } else {
            core.set_running(outer);
            self.clear(State::RUNNING);
        }
    }

    /// The output is in place: leaves the slot and runs the callbacks.
    #[inline]
    fn finish(self, core: &Core) {
        let header = self.header();
        core.slots().vacate(header.key);
        core.task_ended(self.has(State::DAEMON));
        if header.vtable.is_gradual {
            core.cleanups().gradual_ended(self.id());
        }
        if core.observed().watches_ends() {
            observe::task_ended(core, self);
        }
        if let Some(details) = header.details.take() {
            self.call_back(details);
        }
    }

    #[cold]
    fn call_back(self, mut details: Box<Details>) {
        let header = self.header();
        let callbacks = take(&mut details.callbacks);
        header.details.set(Some(details));
        for callback in callbacks {
            let called = catch_unwind(AssertUnwindSafe(|| {
                // SAFETY: OUTPUT is set.
                let output = unsafe { (header.vtable.output)(self) };
                // SAFETY: nobody takes the output while RUNNING is set (T5).
                callback(unsafe { output.as_ref() });
            }));
            if let Err(payload) = called {
                discard(payload);
            }
        }
    }

    /// The turn that ended the task is over: lets go of what nobody wants, and wakes who waits.
    #[inline]
    fn depart(self, core: &Core) {
        let joiner = self.header().joiner.take();
        if !self.has(State::HANDLE) {
            self.drop_output();
        }
        if !self.has(State::KEEPS_BLOCK) {
            self.free(Some(core.blocks()));
        }
        // Last, as waking may drop the handle and with it the block.
        if let Some(joiner) = joiner {
            joiner.wake();
        }
    }

    /// Drops the output, if it is there and nobody reads it.
    #[inline]
    pub(super) fn drop_output(self) {
        if self.has(State::OUTPUT) && !self.has(State::RUNNING) {
            self.drop_output_now();
        }
    }

    fn drop_output_now(self) {
        self.set(State::RUNNING);
        self.clear(State::OUTPUT);
        // SAFETY: OUTPUT was set, and clearing it gave the output up.
        unsafe { (self.header().vtable.drop_output)(self) };
        self.clear(State::RUNNING);
    }

    /// Frees the block if nothing keeps it (T3).
    #[inline]
    pub(super) fn release(self) {
        if !self.has(State::KEEPS_BLOCK) {
            // The cache of whichever runtime runs here will do: blocks carry nothing of their runtime.
            current::with_or_none(|core| self.free(core.map(Core::blocks)));
        }
    }

    #[inline(always)]
    fn free(self, blocks: Option<&Blocks>) {
        let size = self.header().vtable.size;
        drop(self.header().joiner.take());
        if Details::are_in(&self.header().details) {
            Details::forget(&self.header().details);
        }
        // SAFETY: allocated with this size by `create`; nothing keeps it.
        unsafe { blocks::free(blocks, self.0.cast(), size) };
    }
}
