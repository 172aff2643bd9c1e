//! Acceptors that found no descriptor or memory for their next connection.
//!
//! The connection stays in the kernel's queue, and with edge triggering no event will mention it again. So the
//! listener stays ready, and its acceptor tries again when a descriptor of ours is closed, or after a while if
//! whatever was short comes free elsewhere in the system. Neither a spin nor a hang.

use crate::source::WaiterId;
use runtime_executor::{
    Waiter,
    time::{Sleep, sleep},
};
use std::{
    cell::RefCell,
    os::fd::RawFd,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

/// How long an acceptor waits at most. Trio and haproxy wait as long; nginx half a second.
const BACK_OFF: Duration = Duration::from_millis(100);

/// Who tries again later.
#[derive(Default)]
pub(crate) struct Starved {
    acceptors: RefCell<Vec<Acceptor>>,
}

struct Acceptor {
    listener: RawFd,
    waiter: WaiterId,
    retry: Pin<Box<Sleep>>,
    /// `None` until it waits.
    waiting: Option<Waiter>,
}

impl Starved {
    /// Notes that an acceptor has failed; it is to ask [`poll_retry`](Self::poll_retry) before it tries again.
    pub(crate) fn add(&self, listener: RawFd, waiter: WaiterId) {
        let acceptor = Acceptor { listener, waiter, retry: Box::pin(sleep(BACK_OFF)), waiting: None };
        self.acceptors.borrow_mut().push(acceptor);
    }

    /// Ready when the acceptor should try again, or never failed.
    #[inline]
    pub(crate) fn poll_retry(
        &self,
        listener: RawFd,
        waiter: WaiterId,
        context: &mut Context<'_>,
    ) -> Poll<()> {
        if self.acceptors.borrow().is_empty() {
            return Poll::Ready(());
        }
        self.poll_listed(listener, waiter, context)
    }

    #[cold]
    fn poll_listed(&self, listener: RawFd, waiter: WaiterId, context: &mut Context<'_>) -> Poll<()> {
        // Out of the list while anybody else's code runs: the timer, the waker.
        let Some(mut acceptor) = self.take(listener, waiter) else { return Poll::Ready(()) };
        if acceptor.retry.as_mut().poll(context).is_ready() {
            return Poll::Ready(());
        }
        acceptor.waiting = Some(Waiter::new(context.waker()));
        self.acceptors.borrow_mut().push(acceptor);
        Poll::Pending
    }

    /// Forgets an acceptor that gives up.
    #[inline]
    pub(crate) fn remove(&self, listener: RawFd, waiter: WaiterId) {
        if !self.acceptors.borrow().is_empty() {
            drop(self.take(listener, waiter));
        }
    }

    #[cold]
    fn take(&self, listener: RawFd, waiter: WaiterId) -> Option<Acceptor> {
        let mut acceptors = self.acceptors.borrow_mut();
        let place = acceptors.iter().position(|a| a.listener == listener && a.waiter == waiter)?;
        Some(acceptors.remove(place))
    }

    /// A descriptor was closed: all try again.
    #[inline]
    pub(crate) fn descriptor_closed(&self) {
        if !self.acceptors.borrow().is_empty() {
            self.retry_all();
        }
    }

    #[cold]
    fn retry_all(&self) {
        let acceptors = self.acceptors.take();
        for Acceptor { retry, waiting, .. } in acceptors {
            drop(retry);
            if let Some(waiter) = waiting {
                waiter.wake();
            }
        }
    }
}
