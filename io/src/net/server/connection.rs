//! One connection: its handler, run as a task, and its seat among the others.

use super::{
    deadlines::Deadlines,
    listener::Listener,
    outcome::Outcome,
    shared::{Fate, Shared},
};
use pin_project_lite::pin_project;
use runtime_executor::task::Membership;
use std::{
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

pin_project! {
    /// The task of a connection. The order of the fields matters: the seat is given up when the handler, and with it the
    /// stream, has been dropped, and then the place in the pool.
    pub(super) struct Connection<F, L: Listener> {
        #[pin]
        handling: F,
        seat: Seat<L>,
        membership: Option<Membership>,
    }
}

impl<F, L: Listener> Connection<F, L> {
    pub(super) fn new(handling: F, seat: Seat<L>, membership: Option<Membership>) -> Self {
        Self { handling, seat, membership }
    }
}

/// The handler is called in the connection's task, where its panic ends nobody else.
pub(super) async fn handle<L, H, O>(handler: Rc<H>, stream: L::Stream, peer: L::Peer) -> io::Result<()>
where
    L: Listener,
    H: AsyncFn(L::Stream, L::Peer) -> O,
    O: Outcome<L::Stream>,
{
    if let Some(stream) = handler(stream, peer).await.into_rest()? {
        // What comes now has limits of its own.
        Deadlines::of(&stream).lift();
        // The reply has been written: that the peer does not close, or throws the rest away, is no failure of ours.
        let _ = L::close(stream).await;
    }
    Ok(())
}

impl<F: Future<Output = io::Result<()>>, L: Listener> Future for Connection<F, L> {
    type Output = ();

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        this.seat.fate = Fate::Panicked; // unless the next line comes to its end
        let polled = this.handling.poll(context);
        match polled {
            Poll::Pending => {
                this.seat.fate = Fate::Cancelled; // unless it is polled again
                Poll::Pending
            }
            Poll::Ready(outcome) => {
                this.seat.ended(outcome);
                Poll::Ready(())
            }
        }
    }
}

/// A place among the connections of a server, from `accept` until the handler has been dropped.
pub(super) struct Seat<L: Listener> {
    shared: Rc<Shared<L>>,
    key: usize,
    /// What it is if the handler is dropped now.
    fate: Fate,
}

impl<L: Listener> Seat<L> {
    pub(super) fn take(shared: &Rc<Shared<L>>, peer: L::Peer) -> Self {
        let key = shared.enter(peer);
        Self { shared: Rc::clone(shared), key, fate: Fate::Cancelled }
    }

    pub(super) fn key(&self) -> usize {
        self.key
    }

    fn ended(&mut self, outcome: io::Result<()>) {
        match outcome {
            Ok(()) => self.fate = Fate::Finished,
            Err(error) => {
                self.shared.handler_failed(self.key, &error);
                self.fate = Fate::Failed;
            }
        }
    }
}

impl<L: Listener> Drop for Seat<L> {
    fn drop(&mut self) {
        self.shared.leave(self.key, self.fate);
    }
}
