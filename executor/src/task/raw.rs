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

#![expect(unsafe_code, reason = "the future and its output share one hand-made block")]

use super::{
    TaskId,
    blocks::{self, Blocks},
    details::Details,
    error::{JoinError, discard, drop_quietly},
    joined::Joined,
    run_queue::Queued,
    slots::{Key, Occupant, Slots},
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
    any::Any,
    cell::{Cell, UnsafeCell},
    mem::{ManuallyDrop, needs_drop, take},
    panic::{AssertUnwindSafe, Location, catch_unwind},
    pin::Pin,
    ptr::{self, NonNull},
    task::{Context, Poll},
};

#[repr(C)]
pub(super) struct Header {
    pub(super) vtable: &'static VTable,
    key: Key,
    pub(super) spawned_at: &'static Location<'static>,
    pub(super) joiner: Cell<Option<Waiter>>,
    pub(super) details: Cell<Option<Box<Details>>>,
    /// The next in the run queue, or, without QUEUED, when the task was polled last (T6).
    pub(super) link: Cell<*const ()>,
    /// The low 56 bits of the number, which no program lives to exhaust.
    id: [u8; 7],
    state: Cell<State>,
}

const _: () = assert!(size_of::<Header>() <= 64, "the header outgrew its cache line");

#[repr(C)]
struct TaskCell<F: Future> {
    header: Header,
    body: UnsafeCell<Body<F>>,
}

/// Both at offset 0 (`repr(C)`).
#[repr(C)]
union Body<F: Future> {
    future: ManuallyDrop<F>,
    output: ManuallyDrop<Result<F::Output, JoinError>>,
}

/// The operations that know the types.
pub(super) struct VTable {
    size: blocks::Size,
    /// Polls; true: the output has taken the future's place. Needs FUTURE and RUNNING.
    poll: unsafe fn(TaskRef, &mut Context<'_>) -> bool,
    /// Drops the future and puts `Err(cancelled)` in its place. Needs FUTURE and RUNNING.
    pub(super) cancel: unsafe fn(TaskRef),
    /// The output. Needs OUTPUT for as long as the reference lives.
    pub(super) output: unsafe fn(TaskRef) -> NonNull<dyn Any>,
    /// Drops the output, after reporting a panic that nobody will see. Needs OUTPUT to have been set.
    drop_output: unsafe fn(TaskRef),
}

/// Points to a task. Crate-private, and valid by T3 wherever one is kept.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct TaskRef(NonNull<Header>);

impl<F> TaskCell<F>
where
    F: Future + 'static,
    F::Output: 'static,
{
    const SIZE: blocks::Size = blocks::Size::of::<Self>();

    const VTABLE: &'static VTable = &VTable {
        size: Self::SIZE,
        poll: Self::poll,
        cancel: Self::cancel,
        output: Self::output,
        drop_output: Self::drop_output,
    };

    /// Where the future is while FUTURE is set.
    ///
    /// # Safety
    /// `task` must be a block of this type.
    #[inline]
    unsafe fn future(task: TaskRef) -> *mut F {
        let cell = task.0.cast::<Self>().as_ptr();
        // SAFETY: in bounds of the block (T1).
        let body = unsafe { &raw const (*cell).body };
        UnsafeCell::raw_get(body).cast()
    }

    /// Where the output is while OUTPUT is set.
    ///
    /// # Safety
    /// `task` must be a block of this type.
    #[inline]
    unsafe fn outcome(task: TaskRef) -> *mut Result<F::Output, JoinError> {
        // SAFETY: our caller's; the fields of the body share their place.
        unsafe { Self::future(task) }.cast()
    }

    unsafe fn poll(task: TaskRef, context: &mut Context<'_>) -> bool {
        // SAFETY: our caller vouches for the type.
        let future = unsafe { Self::future(task) };
        let polled = catch_unwind(AssertUnwindSafe(|| {
            // SAFETY: FUTURE is set and nobody else looks (T4, T5).
            let future = unsafe { &mut *future };
            // SAFETY: the block does not move, and the future is dropped in place (T4).
            let future = unsafe { Pin::new_unchecked(future) };
            future.poll(context)
        }));
        let output = match polled {
            Ok(Poll::Pending) => return false,
            Ok(Poll::Ready(value)) => Ok(value),
            Err(payload) => Err(JoinError::panicked(task.label(), payload)),
        };
        // SAFETY: as our caller's.
        unsafe { Self::replace(task, output) };
        true
    }

    unsafe fn cancel(task: TaskRef) {
        // SAFETY: as our caller's.
        unsafe { Self::replace(task, Err(JoinError::cancelled(task.label()))) };
    }

    /// Drops the future and puts the output in its place, if anybody could see or notice it; a panic in that drop becomes
    /// the output.
    ///
    /// # Safety
    /// As for `poll` of the vtable.
    #[inline(always)]
    unsafe fn replace(task: TaskRef, output: Result<F::Output, JoinError>) {
        // SAFETY: our caller vouches for the type.
        let future = unsafe { Self::future(task) };
        let dropped = catch_unwind(AssertUnwindSafe(|| {
            // SAFETY: FUTURE is set, nobody else looks (T4, T5), and the write below ends its use.
            unsafe { future.drop_in_place() }
        }));
        let output = match dropped {
            Ok(()) => output,
            Err(payload) => {
                drop_quietly(output);
                Err(JoinError::panicked(task.label(), payload))
            }
        };
        task.clear(State::FUTURE);
        let is_seen = task.has(State::HANDLE) || Details::are_in(&task.header().details);
        if !is_seen && !needs_drop::<F::Output>() && output.is_ok() {
            return;
        }
        // SAFETY: our caller vouches for the type.
        let outcome = unsafe { Self::outcome(task) };
        // SAFETY: the future is gone, nobody else looks.
        unsafe { outcome.write(output) };
        task.set(State::OUTPUT);
    }

    unsafe fn output(task: TaskRef) -> NonNull<dyn Any> {
        // SAFETY: our caller vouches for the type.
        let outcome = unsafe { Self::outcome(task) };
        // SAFETY: inside a block, not null.
        unsafe { NonNull::new_unchecked(outcome) }
    }

    unsafe fn drop_output(task: TaskRef) {
        // SAFETY: our caller vouches for the type.
        let outcome = unsafe { Self::outcome(task) };
        // SAFETY: the body holds the output and our caller gave it up.
        let output = unsafe { outcome.read() };
        match output {
            Err(error) if error.is_panic() => error.report_unobserved(),
            output => drop_quietly(output),
        }
    }
}

/// What a task begins with, besides its future.
pub(super) struct Beginning {
    pub(super) id: TaskId,
    pub(super) name: Option<String>,
    pub(super) daemon: bool,
    pub(super) spawned_at: &'static Location<'static>,
    /// The task that spawns it.
    pub(super) parent: Option<Key>,
}

/// Makes a task that lives in a slot, with one ticket for its first turn and one handle.
#[inline(always)] // so that a large future is built in its block, not copied from frame to frame
pub(super) fn create<F>(
    blocks: &Blocks,
    slots: &Slots,
    beginning: Beginning,
    future: F,
) -> (Queued, Joined<F::Output>)
where
    F: Future + 'static,
    F::Output: 'static,
{
    let task = TaskRef(blocks::allocate(blocks, TaskCell::<F>::SIZE).cast());
    let Beginning { id, name, daemon, spawned_at, parent } = beginning;
    let details = name.map(|name| Box::new(Details { name: Some(name), callbacks: Vec::new() }));
    let daemon = if daemon { State::DAEMON } else { 0 };
    let [id @ .., _] = id.0.to_le_bytes();
    let header = Header {
        vtable: TaskCell::<F>::VTABLE,
        key: slots.insert(Occupant::Task(task), parent),
        spawned_at,
        joiner: Cell::new(None),
        details: Cell::new(details),
        link: Cell::new(ptr::null()),
        id,
        state: Cell::new(State(State::FUTURE | State::QUEUED | State::HANDLE | daemon)),
    };
    // SAFETY: the block is new and begins with its header (T1).
    unsafe { task.0.write(header) };
    // SAFETY: the block was allocated for this type.
    let place = unsafe { TaskCell::<F>::future(task) };
    // SAFETY: the place is in the block, and empty.
    unsafe { place.write(future) };
    (Queued::new(task), Joined::new(task))
}

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

    /// Drops the future now, at shutdown or because the runtime takes no more tasks.
    pub(crate) fn cancel_now(self, core: &Core) {
        if self.has(State::FUTURE) && !self.has(State::RUNNING) {
            self.set(State::CANCEL);
            self.turn(core);
        }
    }

    /// One turn: polls the future, or drops it if it was cancelled.
    #[inline]
    pub(super) fn turn(self, core: &Core) {
        match core.hooks() {
            None => self.bare_turn(core),
            Some(hooks) => self.hooked_turn(core, hooks),
        }
    }

    #[cold]
    #[inline(never)]
    fn hooked_turn(self, core: &Core, hooks: &Hooks) {
        hooks.around_turn(core, self, || self.bare_turn(core));
    }

    #[inline(always)] // so that hooks cost the others no call
    fn bare_turn(self, core: &Core) {
        self.set(State::RUNNING | State::TURNED);
        core.refill_budget();
        let outer = core.set_running(Some(self));
        let vtable = self.header().vtable;
        let finished = if self.has(State::CANCEL) {
            // SAFETY: FUTURE is set, RUNNING is ours, and the vtable belongs to the block.
            unsafe { (vtable.cancel)(self) };
            true
        } else {
            let waker = waker::waker(self.header().key);
            // SAFETY: as above.
            unsafe { (vtable.poll)(self, &mut Context::from_waker(&waker)) }
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
