//! How many jobs of a pool are open, for those who wait until none is.

use super::lock;
use runtime_executor::OutsideWork;
use std::{
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};

/// The count. A job is open until it has an outcome and its callbacks were called.
#[derive(Debug, Default)]
pub(crate) struct Tally(Mutex<Open>);

#[derive(Debug, Default)]
struct Open {
    count: usize,
    waiting: Vec<Waker>,
}

/// One that is open, until this is dropped.
#[derive(Debug)]
pub(crate) struct Entry(Arc<Tally>);

impl Tally {
    /// One more.
    pub(crate) fn enter(self: &Arc<Self>) -> Entry {
        lock(&self.0).count += 1;
        Entry(Arc::clone(self))
    }

    /// Resolves when none is open.
    pub(crate) fn none(self: &Arc<Self>) -> NoneOpen {
        NoneOpen { tally: Arc::clone(self), outside: None }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut open = lock(&self.0.0);
        open.count -= 1;
        if open.count == 0 {
            let waiting = std::mem::take(&mut open.waiting);
            drop(open);
            waiting.into_iter().for_each(Waker::wake);
        }
    }
}

/// What [`Tally::none`] returns.
#[derive(Debug)]
pub(crate) struct NoneOpen {
    tally: Arc<Tally>,
    /// For the runtime that waits, from the first poll on: whoever ends the last job works for it.
    outside: Option<OutsideWork>,
}

impl Future for NoneOpen {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let waker = context.waker().clone();
        let mut open = lock(&this.tally.0);
        if open.count == 0 {
            return Poll::Ready(());
        }
        open.waiting.retain(|known| !known.will_wake(&waker));
        open.waiting.push(waker);
        drop(open);
        this.outside = this.outside.take().or_else(OutsideWork::begin);
        Poll::Pending
    }
}
