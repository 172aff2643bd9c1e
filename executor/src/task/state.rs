//! Where a task is in its life, as one byte of bits.

/// What a task is in; `raw.rs` draws the life cycle.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct State(pub(super) u8);

impl State {
    /// The body holds the future.
    pub(super) const FUTURE: u8 = 1;
    /// The body holds the output.
    pub(super) const OUTPUT: u8 = 2;
    /// A ticket for it is in a run queue.
    pub(super) const QUEUED: u8 = 4;
    /// Its code runs: poll, drop of the future or the output, callbacks.
    pub(super) const RUNNING: u8 = 8;
    /// A `Joined` exists.
    pub(super) const HANDLE: u8 = 16;
    /// Its next turn drops the future instead of polling it. Only with FUTURE.
    pub(super) const CANCEL: u8 = 32;
    /// Does not keep `OnExit::Wait` waiting.
    pub(super) const DAEMON: u8 = 64;

    /// It had a turn. Tells who never had one; nothing depends on it.
    pub(super) const TURNED: u8 = 128;

    pub(super) const KEEPS_BLOCK: u8 =
        Self::FUTURE | Self::OUTPUT | Self::QUEUED | Self::RUNNING | Self::HANDLE;
}
