//! The one future behind every `async` method: tries, waits under a waiter of its own, and leaves nothing behind.

use crate::{
    async_fd::AsyncFd,
    registration::Step,
    source::{Side, WaiterId},
};
use std::{
    io,
    marker::PhantomData,
    os::fd::AsFd,
    pin::Pin,
    task::{Context, Poll},
};

/// Waits for one side of a descriptor as itself, and gives up when dropped.
struct Seat<'a, S: Side, T: AsFd> {
    io: &'a AsyncFd<T>,
    waiter: WaiterId,
    side: PhantomData<fn(S)>,
}

impl<'a, S: Side, T: AsFd> Seat<'a, S, T> {
    #[inline]
    fn new(io: &'a AsyncFd<T>) -> Self {
        Self { io, waiter: WaiterId::NONE, side: PhantomData }
    }

    /// What was waited for has come: nobody sits in a direction that is ready. After an error somebody may.
    #[inline]
    fn settle<R>(&mut self, polled: Poll<io::Result<R>>) -> Poll<io::Result<R>> {
        if let Poll::Ready(Ok(_)) = polled {
            self.waiter = WaiterId::NONE;
        }
        polled
    }
}

impl<S: Side, T: AsFd> Drop for Seat<'_, S, T> {
    #[inline]
    fn drop(&mut self) {
        if !self.waiter.is_none() {
            self.io.unseat(S::DIRECTION, self.waiter);
        }
    }
}

/// Tries `op` until it is done. Dropped before, it has done nothing but what `op` did itself, and nobody will be
/// woken on its behalf.
#[must_use = "futures do nothing unless awaited"]
pub(crate) struct Operation<'a, S: Side, T: AsFd, F> {
    seat: Seat<'a, S, T>,
    op: F,
}

impl<'a, S: Side, T: AsFd, F> Operation<'a, S, T, F> {
    #[inline]
    pub(crate) fn new(io: &'a AsyncFd<T>, op: F) -> Self {
        Self { seat: Seat::new(io), op }
    }
}

/// `op` is never pinned: it is called by reference and may move with the future.
impl<S: Side, T: AsFd, F> Unpin for Operation<'_, S, T, F> {}

impl<S: Side, T: AsFd, F, R> Future for Operation<'_, S, T, F>
where
    F: FnMut(&T) -> io::Result<Step<R>>,
{
    type Output = io::Result<R>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { seat, op } = &mut *self;
        let polled = seat.io.poll_op(S::DIRECTION, &mut seat.waiter, context, op);
        seat.settle(polled)
    }
}

/// Waits until a side is ready, without trying anything.
#[must_use = "futures do nothing unless awaited"]
pub(crate) struct Ready<'a, S: Side, T: AsFd>(Seat<'a, S, T>);

impl<'a, S: Side, T: AsFd> Ready<'a, S, T> {
    #[inline]
    pub(crate) fn new(io: &'a AsyncFd<T>) -> Self {
        Self(Seat::new(io))
    }
}

impl<S: Side, T: AsFd> Future for Ready<'_, S, T> {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let seat = &mut self.0;
        let polled = seat.io.poll_ready(S::DIRECTION, &mut seat.waiter, context);
        seat.settle(polled)
    }
}
