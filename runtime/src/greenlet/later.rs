//! A greenlet that begins after a while: what it costs until then is a timer.

use crate::{
    task::PollCancel,
    time::{Sleep, sleep},
};
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

/// Runs what it holds after a delay, which begins with the first turn.
pub(super) struct Later<R> {
    /// Until it is over.
    delay: Option<Sleep>,
    run: R,
}

impl<R> Later<R> {
    pub(super) fn new(delay: Duration, run: R) -> Self {
        Self { delay: Some(sleep(delay)), run }
    }
}

impl<R: Future + Unpin> Future for Later<R> {
    type Output = R::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<R::Output> {
        if let Some(delay) = &mut self.delay {
            ready!(Pin::new(delay).poll(context));
            self.delay = None;
        }
        Pin::new(&mut self.run).poll(context)
    }
}

impl<R: PollCancel + Unpin> PollCancel for Later<R> {
    const NOUN: &'static str = R::NOUN;

    fn poll_cancel(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<R::Output>> {
        match self.delay {
            Some(_) => Poll::Ready(None),
            None => Pin::new(&mut self.run).poll_cancel(context),
        }
    }
}
