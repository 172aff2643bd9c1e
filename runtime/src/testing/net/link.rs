//! The way between two hosts, and whether anything gets through.

use super::shared::Shared;
use crate::time::Instant;
use std::{
    ops::Range,
    sync::{Mutex, MutexGuard, PoisonError, Weak},
    task::{Context, Poll, Waker},
};

/// The way between two hosts, shared by all their connections.
#[derive(Debug, Default)]
pub(super) struct Link {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// When nothing gets through, in order, whether planned by the seed or over already.
    outages: Vec<Range<Instant>>,
    /// Cut by hand, and not yet healed.
    cut_since: Option<Instant>,
    connections: Vec<Weak<Shared>>,
    /// Those who wait to be connected.
    waiting: Vec<Waker>,
}

impl Link {
    pub(super) fn new(outage: Option<Range<Instant>>) -> Self {
        let state = State { outages: outage.into_iter().collect(), ..State::default() };
        Self { state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When that which would arrive at `due` does; `None` while nobody can tell.
    pub(super) fn arrival(&self, due: Instant) -> Option<Instant> {
        let state = self.state();
        let mut arrival = due;
        for outage in &state.outages {
            if outage.contains(&arrival) {
                arrival = outage.end;
            }
        }
        state.cut_since.is_none_or(|since| arrival < since).then_some(arrival)
    }

    /// Nothing gets through any more.
    pub(super) fn cut(&self, now: Instant) {
        self.state().cut_since.get_or_insert(now);
    }

    /// Everything does, from now on.
    pub(super) fn heal(&self, now: Instant) {
        let mut state = self.state();
        if let Some(since) = state.cut_since.take() {
            state.outages.push(since..now);
        }
        for outage in &mut state.outages {
            outage.end = outage.end.min(now.max(outage.start));
        }
        state.outages.sort_by_key(|outage| outage.start);
        let connections: Vec<_> = state.connections.iter().filter_map(Weak::upgrade).collect();
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        connections.iter().for_each(|connection| connection.wake_all());
        waiting.into_iter().for_each(Waker::wake);
    }

    pub(super) fn add(&self, connection: Weak<Shared>) {
        let mut state = self.state();
        state.connections.retain(|connection| connection.strong_count() > 0);
        state.connections.push(connection);
    }

    /// Nobody waits for its connections any more.
    pub(super) fn forget_waiting(&self) {
        let connections = std::mem::take(&mut self.state().connections);
        connections.iter().filter_map(Weak::upgrade).for_each(|connection| connection.forget_waiting());
    }

    /// Ready when it is known when that which would arrive at `due` does.
    pub(super) fn poll_arrival(&self, due: Instant, context: &mut Context<'_>) -> Poll<Instant> {
        if let Some(arrival) = self.arrival(due) {
            return Poll::Ready(arrival);
        }
        let waker = context.waker().clone();
        self.state().waiting.push(waker);
        Poll::Pending
    }
}
