//! The one future behind every `async` method: tries, waits under a waiter of its own, and leaves nothing behind.

use crate::{
    async_fd::AsyncFd,
    registration::Step,
    source::{Direction, WaiterId},
};
use std::{
    io,
    os::fd::AsFd,
    pin::Pin,
    task::{Context, Poll},
};

/// Tries `op` until it is done. Dropped before, it has done nothing but what `op` did itself, and nobody will be
/// woken on its behalf.
#[must_use = "futures do nothing unless awaited"]
pub(crate) struct Operation<'a, T: AsFd, F> {
    io: &'a AsyncFd<T>,
    waiter: WaiterId,
    direction: Direction,
    op: F,
}

impl<'a, T: AsFd, F> Operation<'a, T, F> {
    #[inline]
    pub(crate) fn new(io: &'a AsyncFd<T>, direction: Direction, op: F) -> Self {
        Self { io, waiter: WaiterId::NONE, direction, op }
    }
}

/// `op` is never pinned: it is called by reference and may move with the future.
impl<T: AsFd, F> Unpin for Operation<'_, T, F> {}

impl<T: AsFd, F, R> Future for Operation<'_, T, F>
where
    F: FnMut(&T) -> io::Result<Step<R>>,
{
    type Output = io::Result<R>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { io, waiter, direction, op } = &mut *self;
        let polled = io.poll_op(*direction, waiter, context, op);
        if let Poll::Ready(Ok(_)) = polled {
            // A direction that is ready has no waiters; after an error it may have.
            *waiter = WaiterId::NONE;
        }
        polled
    }
}

impl<T: AsFd, F> Drop for Operation<'_, T, F> {
    #[inline]
    fn drop(&mut self) {
        if !self.waiter.is_none() {
            self.io.unseat(self.direction, self.waiter);
        }
    }
}

/// Waits until a direction is ready, without trying anything.
#[must_use = "futures do nothing unless awaited"]
pub(crate) struct Ready<'a, T: AsFd> {
    io: &'a AsyncFd<T>,
    waiter: WaiterId,
    direction: Direction,
}

impl<'a, T: AsFd> Ready<'a, T> {
    pub(crate) fn new(io: &'a AsyncFd<T>, direction: Direction) -> Self {
        Self { io, waiter: WaiterId::NONE, direction }
    }
}

impl<T: AsFd> Future for Ready<'_, T> {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { io, waiter, direction } = &mut *self;
        let polled = io.poll_ready(*direction, waiter, context);
        if let Poll::Ready(Ok(())) = polled {
            *waiter = WaiterId::NONE;
        }
        polled
    }
}

impl<T: AsFd> Drop for Ready<'_, T> {
    fn drop(&mut self) {
        if !self.waiter.is_none() {
            self.io.unseat(self.direction, self.waiter);
        }
    }
}
