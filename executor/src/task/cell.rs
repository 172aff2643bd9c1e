//! What knows the type of a task's future: the body of its block, and the table of what is done to it.
//!
//! The invariants T1–T6 are those of `raw.rs`, which holds what needs no types.

#![expect(unsafe_code, reason = "the future and its output share one hand-made block")]

use super::{
    TaskId,
    blocks::{self, Blocks},
    details::Details,
    error::{JoinError, drop_quietly},
    gradual::PollCancel,
    joined::Joined,
    raw::{Header, TaskRef},
    run_queue::Queued,
    slots::{Key, Occupant, Slots},
    state::State,
};
use std::{
    any::Any,
    cell::{Cell, UnsafeCell},
    marker::PhantomData,
    mem::{ManuallyDrop, needs_drop},
    panic::{AssertUnwindSafe, Location, catch_unwind},
    pin::Pin,
    ptr::{self, NonNull},
    task::{Context, Poll},
};

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
    pub(super) size: blocks::Size,
    /// What people call such a task.
    pub(super) noun: &'static str,
    /// It takes turns to end: see [`PollCancel`].
    pub(super) is_gradual: bool,
    /// Polls; true: the output has taken the future's place. Needs FUTURE and RUNNING.
    pub(super) poll: unsafe fn(TaskRef, &mut Context<'_>) -> bool,
    /// Drops the future and puts `Err(cancelled)` in its place; true. With a context, a gradual one is polled towards its
    /// end instead; false: it goes on another time. Needs FUTURE and RUNNING.
    pub(super) cancel: unsafe fn(TaskRef, Option<&mut Context<'_>>) -> bool,
    /// The output. Needs OUTPUT for as long as the reference lives.
    pub(super) output: unsafe fn(TaskRef) -> NonNull<dyn Any>,
    /// Drops the output, after reporting a panic that nobody will see. Needs OUTPUT to have been set.
    pub(super) drop_output: unsafe fn(TaskRef),
}

impl<F> TaskCell<F>
where
    F: Future + 'static,
    F::Output: 'static,
{
    const SIZE: blocks::Size = blocks::Size::of::<Self>();

    const PLAIN: &'static VTable = &VTable {
        size: Self::SIZE,
        noun: "task",
        is_gradual: false,
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

    unsafe fn cancel(task: TaskRef, _context: Option<&mut Context<'_>>) -> bool {
        // SAFETY: as our caller's.
        unsafe { Self::replace(task, Err(JoinError::cancelled(task.label()))) };
        true
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

impl<F> TaskCell<F>
where
    F: PollCancel + 'static,
    F::Output: 'static,
{
    const GRADUAL: &'static VTable =
        &VTable { noun: F::NOUN, is_gradual: true, cancel: Self::cancel_gradually, ..*Self::PLAIN };

    unsafe fn cancel_gradually(task: TaskRef, context: Option<&mut Context<'_>>) -> bool {
        let Some(context) = context else {
            // SAFETY: as our caller's.
            return unsafe { Self::cancel(task, None) };
        };
        // SAFETY: our caller vouches for the type.
        let future = unsafe { Self::future(task) };
        let polled = catch_unwind(AssertUnwindSafe(|| {
            // SAFETY: FUTURE is set and nobody else looks (T4, T5).
            let future = unsafe { &mut *future };
            // SAFETY: the block does not move, and the future is dropped in place (T4).
            let future = unsafe { Pin::new_unchecked(future) };
            future.poll_cancel(context)
        }));
        let output = match polled {
            Ok(Poll::Pending) => return false,
            Ok(Poll::Ready(Some(value))) => Ok(value),
            Ok(Poll::Ready(None)) => Err(JoinError::cancelled(task.label())),
            Err(payload) => Err(JoinError::panicked(task.label(), payload)),
        };
        // SAFETY: as our caller's.
        unsafe { Self::replace(task, output) };
        true
    }
}

/// How tasks with futures of this type are treated.
pub(super) struct Treatment<F>(&'static VTable, PhantomData<fn(F)>);

impl<F> Treatment<F>
where
    F: Future + 'static,
    F::Output: 'static,
{
    /// Dropped when cancelled.
    pub(super) const PLAIN: Self = Self(TaskCell::<F>::PLAIN, PhantomData);
}

impl<F> Treatment<F>
where
    F: PollCancel + 'static,
    F::Output: 'static,
{
    /// Told to end when cancelled.
    pub(super) const GRADUAL: Self = Self(TaskCell::<F>::GRADUAL, PhantomData);
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
    Treatment(vtable, _): Treatment<F>,
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
        vtable,
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
