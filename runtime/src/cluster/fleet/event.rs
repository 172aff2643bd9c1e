//! What the fleet is told.

use super::name::LifeId;

/// Something that happened. What comes about a life that the fleet has seen off already is ignored, so nobody has to
/// look before he speaks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Event {
    /// A worker is ready to serve.
    Ready(LifeId),
    /// An [`Action::Launch`](super::Action::Launch) that could not be done. It is the end of that life.
    LaunchFailed(LifeId, String),
    /// A worker ends of its own accord, asked or not, and says how many connections it had to cut. Its end itself is yet
    /// to come.
    Ending { life: LifeId, forced: u64 },
    /// A worker is gone and reaped.
    Exited {
        life: LifeId,
        how: Ended,
        /// Connections that were open when it ended, by its counters.
        open: u64,
    },
    /// What [`Action::ReadBeats`](super::Action::ReadBeats) asked for: the count of heartbeats of every life there is.
    Beats(Vec<(LifeId, u64)>),
    /// A worker has served as many requests as it may, or has got a SIGTERM of its own, and wants to be replaced.
    Recycle(LifeId),
    /// A worker sent something that workers do not send, or hung up its control channel.
    Protocol(LifeId, String),
    /// SIGTERM (graceful), SIGINT or SIGQUIT (fast). Given once more, it hurries.
    Stop { fast: bool },
    /// SIGHUP.
    Reload,
    /// The answer to [`Action::OpenProgram`](super::Action::OpenProgram).
    ProgramOpened(Result<(), String>),
    /// SIGTTIN: one slot more.
    Grow,
    /// SIGTTOU: one slot less.
    Shrink,
}

/// How a process ended, as the kernel says it. A thread that panicked ended with [`Code(101)`](Ended::Code), as a process
/// does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ended {
    Code(i32),
    Signal {
        signal: i32,
        core_dumped: bool,
    },
    /// By SIGKILL, and the kernel's count of kills for want of memory has moved.
    OutOfMemory,
}
