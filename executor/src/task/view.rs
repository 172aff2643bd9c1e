//! What others may know of a task without touching it: for reports, dumps and people.

use super::{error::Label, raw::TaskRef, slots::Key, state::State, waker::Waiter};
use std::panic::Location;

impl TaskRef {
    /// When it was polled last, by the loop's reading of the clock. `None` if it is about to be polled.
    pub(crate) fn polled_at(self) -> Option<u64> {
        (!self.is_queued()).then(|| self.header().link.get().addr() as u64)
    }

    /// Who awaits its end.
    pub(crate) fn joiner(self) -> Option<Key> {
        let joiner = self.header().joiner.take();
        let key = joiner.as_ref().and_then(Waiter::key);
        self.header().joiner.set(joiner);
        key
    }

    /// Whether its code runs now.
    pub(crate) fn is_running(self) -> bool {
        self.has(State::RUNNING)
    }

    /// Whether it is dropped in its next turn, instead of polled.
    pub(crate) fn is_cancelled(self) -> bool {
        self.has(State::CANCEL)
    }

    /// Whether nobody but the end of the runtime keeps it from its first turn.
    pub(crate) fn has_waited_in_vain(self) -> bool {
        !self.has(State::TURNED | State::CANCEL | State::DAEMON)
    }

    /// That it had no turn is nothing to tell of.
    pub(crate) fn excuse(self) {
        self.set(State::TURNED);
    }

    /// Whether it does not keep `OnExit::Wait` waiting.
    pub(crate) fn is_daemon(self) -> bool {
        self.has(State::DAEMON)
    }

    /// What people call such a task.
    pub(crate) fn noun(self) -> &'static str {
        self.header().vtable.noun
    }

    /// What it takes of memory: its future, or later its output, and 64 bytes of ours.
    #[cfg(feature = "tracing")]
    pub(crate) fn block_bytes(self) -> usize {
        self.header().vtable.size.bytes()
    }

    /// Where it was spawned.
    pub(crate) fn spawned_at(self) -> &'static Location<'static> {
        self.header().spawned_at
    }

    /// Name, number and spawn site.
    #[cold]
    pub(crate) fn label(self) -> Label {
        let header = self.header();
        let details = header.details.take();
        let name = details.as_ref().and_then(|details| details.name.clone());
        header.details.set(details);
        Label { noun: self.noun(), id: self.id(), name, spawned_at: header.spawned_at }
    }

    /// Whether it will be polled.
    pub(crate) fn is_queued(self) -> bool {
        self.has(State::QUEUED)
    }
}
