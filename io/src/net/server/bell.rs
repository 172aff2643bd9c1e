//! A bell: rung once, for all who wait for it.
//!
//! Not an [`Event`](runtime_sync::Event), whose waits are on show: audits would then look at a busy server whenever it
//! sleeps, and it is no news that a server is not told to stop. Its waits are noted with the tasks like those of timers.

use runtime_executor::Waiter;
use slab::Slab;
use std::{
    cell::{Cell, RefCell},
    pin::Pin,
    task::{Context, Poll},
};

#[derive(Default)]
pub(super) struct Bell {
    is_rung: Cell<bool>,
    waiting: RefCell<Slab<Waiter>>,
}

impl Bell {
    /// Wakes all who wait, and lets everybody pass who comes later.
    pub(super) fn ring(&self) {
        self.is_rung.set(true);
        // Taken out first: a wake may be anybody's code.
        let waiting = self.waiting.take();
        waiting.into_iter().for_each(|(_, waiter)| waiter.wake());
    }

    pub(super) fn is_rung(&self) -> bool {
        self.is_rung.get()
    }

    pub(super) fn wait(&self) -> Rung<'_> {
        Rung { bell: self, seat: None }
    }

    /// Seats a waiter, or replaces the one in that seat; gives the seat, and what was in it.
    fn sit_down(&self, seat: Option<usize>, waiter: Waiter) -> (usize, Option<Waiter>) {
        let mut waiting = self.waiting.borrow_mut();
        match seat {
            Some(seat) => (seat, Some(std::mem::replace(&mut waiting[seat], waiter))),
            None => (waiting.insert(waiter), None),
        }
    }
}

/// What [`Bell::wait`] returns.
pub(super) struct Rung<'a> {
    bell: &'a Bell,
    /// Ours until it is rung.
    seat: Option<usize>,
}

impl Future for Rung<'_> {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let bell = self.bell;
        if bell.is_rung() {
            return Poll::Ready(());
        }
        let is_seated = |seat: usize| bell.waiting.borrow()[seat].will_wake(context.waker());
        if !self.seat.is_some_and(is_seated) {
            let (seat, before) = bell.sit_down(self.seat, Waiter::new(context.waker()));
            self.seat = Some(seat);
            drop(before);
        }
        Poll::Pending
    }
}

impl Drop for Rung<'_> {
    #[inline]
    fn drop(&mut self) {
        if let Some(seat) = self.seat.filter(|_| !self.bell.is_rung()) {
            let waiter = self.bell.waiting.borrow_mut().try_remove(seat);
            drop(waiter);
        }
    }
}
