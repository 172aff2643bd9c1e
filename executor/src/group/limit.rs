//! What those agree on that may drop the future they poll: time limits and cancel scopes, one inside the other.
//!
//! - The outermost wins: an inner one that is over as well keeps quiet, as its news would reach nobody.
//! - A group that is about to come out with errors asks them to wait for it. That takes one turn, or as long as its
//!   cleanups and nested groups take.

use crate::{core::Core, current};
use std::{
    pin::Pin,
    task::{Context, Poll},
};

/// What a poll within a limit found.
pub(crate) struct Limited<T> {
    pub(crate) polled: Poll<T>,
    /// What was polled should not be dropped yet.
    pub(crate) is_held: bool,
    /// An outer limit is over, so this poll is the last of everything within.
    pub(crate) is_doomed: bool,
}

/// Polls `future` within a limit that `is_over` or not.
pub(crate) fn poll_limited<F: Future>(
    is_over: bool,
    future: Pin<&mut F>,
    context: &mut Context<'_>,
) -> Limited<F::Output> {
    current::expect("polling within a limit", |core| {
        let frame = Frame::enter(core, is_over);
        let polled = future.poll(context);
        let is_held = core.is_held();
        let is_doomed = frame.is_doomed;
        drop(frame);
        if is_held {
            core.hold();
        }
        Limited { polled, is_held, is_doomed }
    })
}

/// Whether an outer limit is over.
pub(crate) fn is_doomed() -> bool {
    current::with(Core::is_doomed).unwrap_or(false)
}

/// One limit on the way from the task to what is polled.
struct Frame<'a> {
    core: &'a Core,
    was_held: bool,
    is_doomed: bool,
}

impl<'a> Frame<'a> {
    fn enter(core: &'a Core, is_over: bool) -> Self {
        let is_doomed = core.is_doomed();
        let was_held = core.is_held();
        core.set_limits(false, is_doomed || is_over);
        Self { core, was_held, is_doomed }
    }
}

impl Drop for Frame<'_> {
    /// Also when the future panics.
    fn drop(&mut self) {
        self.core.set_limits(self.was_held, self.is_doomed);
    }
}
