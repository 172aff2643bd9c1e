//! How a worker comes to its end: told to stop, hurried, left behind by its supervisor.
//!
//! ```text
//!              begin                  the deadline, or all is quiet             a last moment
//!   Serving ──────────> Draining(until) ──────────── cut ───────────> Cutting ─────── end ───────> Over
//! ```
//!
//! What is open when it cuts was counted just before. The last moment is for servers, which cancel their handlers and say
//! whose they were, and for `main` to pass that on.
//!
//! Who may call it off: nobody. A worker that has begun to stop is replaced, never kept.

use crate::{sync::Event, time::Instant};
use std::{cell::Cell, time::Duration};

/// Where the worker is on that way.
#[derive(Debug)]
pub(super) struct Stopping {
    /// When the time is up; `None` while it serves.
    deadline: Cell<Option<Instant>>,
    /// Set when it begins to drain.
    has_begun: Event,
    /// Set when what is open was counted, and is to be cut.
    is_cutting: Event,
    /// Set when `main` is not waited for any longer.
    is_over: Event,
    /// Somebody has asked to be told, and decides by returning from main when it is done.
    is_watched: Cell<bool>,
}

impl Stopping {
    pub(super) fn new() -> Self {
        Self {
            deadline: Cell::new(None),
            has_begun: Event::new(),
            is_cutting: Event::new(),
            is_over: Event::new(),
            is_watched: Cell::new(false),
        }
    }

    /// Begins to drain. Told twice, it keeps the earlier deadline. Whether this was the first time.
    pub(super) fn begin(&self, grace: Duration) -> bool {
        let deadline = Instant::now().saturating_add(grace);
        let former = self.deadline.get();
        self.deadline.set(Some(former.map_or(deadline, |former| former.min(deadline))));
        self.has_begun.set();
        former.is_none()
    }

    /// Whoever has connections is to cut them.
    pub(super) fn cut(&self) {
        self.is_cutting.set();
    }

    /// Nothing is left to wait for in `main`.
    pub(super) fn end(&self) {
        self.is_over.set();
    }

    pub(super) fn has_begun(&self) -> bool {
        self.has_begun.is_set()
    }

    /// What is left of the time; `None` while it serves.
    pub(super) fn remaining(&self) -> Option<Duration> {
        self.deadline.get().map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// The same; `None` also when nothing is left.
    pub(super) fn time_left(&self) -> Option<Duration> {
        self.remaining().filter(|remaining| !remaining.is_zero())
    }

    pub(super) async fn begun(&self) {
        self.has_begun.wait().await;
    }

    pub(super) async fn cutting(&self) {
        self.is_cutting.wait().await;
    }

    pub(super) async fn over(&self) {
        self.is_over.wait().await;
    }

    /// From now on main says when the worker is done.
    pub(super) fn watch(&self) {
        self.is_watched.set(true);
    }

    pub(super) fn is_watched(&self) -> bool {
        self.is_watched.get()
    }
}
