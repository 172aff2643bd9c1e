//! The claim on a task's output: what a `JoinHandle` holds, and what keeps the root task in being.
//!
//! J1. One `Joined` exists per task, with the type of its output; HANDLE is set as long as it does, so the block
//!     lives (T3 of `raw.rs`).

#![expect(unsafe_code, reason = "reads the output where the future was")]

use super::{
    TaskId,
    blocks::Blocks,
    cell::{Beginning, Treatment, create},
    details::Callback,
    error::{JoinError, discard},
    raw::TaskRef,
    slots::Slots,
    state::State,
    waker::Waiter,
};
use std::{
    future::{Pending, pending},
    marker::PhantomData,
    panic::{AssertUnwindSafe, Location, catch_unwind},
    task::{Context, Poll, ready},
};

/// The right to a task's output: what a `JoinHandle` holds. One per task.
pub(super) struct Joined<T> {
    task: TaskRef,
    /// Owns a `T` elsewhere, so it is `Unpin` whatever `T` is.
    output: PhantomData<Box<T>>,
}

impl<T> Joined<T> {
    /// For a task with HANDLE set, and an output of this type.
    pub(super) fn new(task: TaskRef) -> Self {
        Self { task, output: PhantomData }
    }
}

impl<T: 'static> Joined<T> {
    pub(super) fn task(&self) -> TaskRef {
        self.task
    }

    /// The value is there, or was taken.
    pub(super) fn is_finished(&self) -> bool {
        !self.task.has(State::FUTURE)
    }

    /// Waits for the end, and leaves the output where it is.
    #[inline]
    pub(super) fn poll_finished(&self, context: &mut Context<'_>) -> Poll<()> {
        let task = self.task;
        if task.has(State::FUTURE | State::RUNNING) {
            let joiner = &task.header().joiner;
            let before = joiner.take();
            if before.as_ref().is_some_and(|waiter| waiter.will_wake(context.waker())) {
                joiner.set(before);
            } else {
                joiner.set(Some(Waiter::new(context.waker())));
                drop(before);
            }
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    /// Whoever waited does so no more.
    pub(super) fn forget_waiter(&self) {
        let waiter = self.task.header().joiner.take();
        drop(waiter);
    }

    /// The output is there, and is a failure.
    pub(super) fn has_failed(&self) -> bool {
        let task = self.task;
        if task.has(State::FUTURE) || !task.has(State::OUTPUT) {
            return false;
        }
        // SAFETY: OUTPUT is set.
        let output = unsafe { (task.header().vtable.output)(task) };
        // SAFETY: only we could take it, and we are borrowed.
        let output = unsafe { output.as_ref() };
        output.downcast_ref::<Result<T, JoinError>>().is_some_and(Result::is_err)
    }

    /// Takes the output, once.
    #[inline]
    #[track_caller]
    pub(super) fn poll(&self, context: &mut Context<'_>) -> Poll<Result<T, JoinError>> {
        ready!(self.poll_finished(context));
        let task = self.task;
        assert!(task.has(State::OUTPUT), "a JoinHandle was polled after it had given its output");
        // SAFETY: OUTPUT is set.
        let output = unsafe { (task.header().vtable.output)(task) };
        let output = output.cast::<Result<T, JoinError>>();
        task.clear(State::OUTPUT);
        // SAFETY: of this type by construction; clearing OUTPUT has passed it to us.
        Poll::Ready(unsafe { output.read() })
    }

    /// Has `f` called with the output when the task ends; at once if it has ended.
    #[track_caller]
    pub(super) fn on_done(&self, f: impl FnOnce(&Result<T, JoinError>) + 'static) {
        let callback: Callback =
            Box::new(move |output| f(output.downcast_ref().expect("the output has the handle's type")));
        let task = self.task;
        if task.has(State::FUTURE) {
            let mut details = task.header().details.take().unwrap_or_default();
            details.callbacks.push(callback);
            task.header().details.set(Some(details));
            return;
        }
        assert!(task.has(State::OUTPUT), "on_done on a JoinHandle that has given its output already");
        // SAFETY: OUTPUT is set.
        let output = unsafe { (task.header().vtable.output)(task) };
        let called = catch_unwind(AssertUnwindSafe(|| {
            // SAFETY: we are borrowed, so nobody takes the output before the callback returns.
            callback(unsafe { output.as_ref() });
        }));
        if let Err(payload) = called {
            discard(payload);
        }
    }
}

impl<T> Drop for Joined<T> {
    fn drop(&mut self) {
        // Nobody waits any more. Dropped last, as it may be foreign code.
        let joiner = self.task.header().joiner.take();
        self.task.clear(State::HANDLE);
        self.task.drop_output();
        self.task.release();
        drop(joiner);
    }
}

/// The task that stands for the future of `block_on`: that one lives on the caller's stack, so the loop polls it
/// when this one's turn comes, and this one never takes a turn.
pub(crate) struct Root(Joined<()>);

impl Root {
    #[track_caller]
    pub(crate) fn new(blocks: &Blocks, slots: &Slots) -> Self {
        let beginning = Beginning {
            id: TaskId(0),
            name: Some("main".into()),
            daemon: true,
            spawned_at: Location::caller(),
            parent: None,
        };
        let (queued, joined) = create(blocks, slots, beginning, Treatment::<Pending<()>>::PLAIN, pending());
        drop(queued);
        Self(joined)
    }

    #[inline]
    pub(crate) fn task(&self) -> TaskRef {
        self.0.task
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        let task = self.0.task;
        // SAFETY: FUTURE is set, and as the task takes no turns nothing else looks at the body.
        unsafe { (task.header().vtable.cancel)(task, None) };
    }
}
