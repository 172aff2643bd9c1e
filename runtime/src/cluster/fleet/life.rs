//! One life of a worker.

use super::{
    action::SET_UP_FAILED,
    event::Ended,
    name::{Generation, SlotId},
};
use crate::cluster::exit_reason::{BootFailure, ExitReason};
use std::time::Duration;

/// One life of a worker, from its launch until it is reaped.
///
/// ```text
///                       ready             stop_worker, or unasked: ending
/// launch --> Booting ---------> Serving ----------------------------------> Draining --+
///               |                  |                                         |    ^    |
///               |                  | abort: it hangs                         +----+    |
///               |                  v                                         hurry     | deadline
///               |              Aborting                                                |
///               | condemn:         | deadline                                          |
///               | boot timeout,    v                                                   |
///               +-------------> Killed <-----------------------------------------------+
///                 superseded       |  ^
///                                  |  +-- condemn, from anywhere: it broke the protocol
///                                  v
///                               abandoned, after the reap timeout: it does not die
/// ```
///
/// From every phase `exited` takes it out, when it is reaped; who was abandoned is not waited for.
#[derive(Debug)]
pub(super) struct Life {
    pub(super) slot: SlotId,
    pub(super) generation: Generation,
    pub(super) phase: Phase,
    /// Why it is to end, once somebody has decided that.
    pub(super) verdict: Option<Verdict>,
    /// How many connections it says it has cut.
    pub(super) forced: Option<u64>,
    pub(super) ready_at: Option<Duration>,
    pub(super) pulse: Pulse,
    /// It asked to be replaced.
    pub(super) wants_recycle: bool,
}

/// Where a life is; the times are when something is done about it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    /// Launched, and not ready.
    Booting { until: Duration },
    /// Accepts. The only one without a deadline, and the only one whose heart is listened to.
    Serving,
    /// Asked to stop.
    Draining { until: Duration, is_hurried: bool },
    /// It hangs, and has been sent SIGABRT.
    Aborting { until: Duration },
    /// It has been sent SIGKILL.
    Killed { until: Duration },
}

/// Why somebody is to end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    Stop,
    /// It was not ready yet, and is not needed any more.
    Superseded,
    BootTimedOut,
    Hung,
    Protocol(String),
}

/// What is known of a heart.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Pulse {
    pub(super) count: u64,
    /// When it was last known to have moved.
    pub(super) since: Duration,
    /// Looks since then that found it still.
    pub(super) misses: u32,
}

#[cfg(test)]
/// A [`Phase`], as it is of interest outside.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    Booting,
    Serving,
    Stopping,
}

impl Life {
    pub(super) fn new(slot: SlotId, generation: Generation, until: Duration) -> Self {
        Self {
            slot,
            generation,
            phase: Phase::Booting { until },
            verdict: None,
            forced: None,
            ready_at: None,
            pulse: Pulse::default(),
            wants_recycle: false,
        }
    }

    pub(super) fn ready(&mut self, now: Duration) {
        self.phase = Phase::Serving;
        self.ready_at = Some(now);
        self.pulse.since = now;
    }

    /// What its end is called. `how` is None if it was abandoned; `open` connections were its own when it ended.
    pub(super) fn reason(&self, how: Option<Ended>, open: u64) -> ExitReason {
        match &self.verdict {
            Some(Verdict::Superseded) => ExitReason::Stopped,
            Some(Verdict::BootTimedOut) => ExitReason::BootFailure(BootFailure::TimedOut),
            Some(Verdict::Hung) => ExitReason::Hung,
            Some(Verdict::Protocol(what)) => ExitReason::Protocol(what.clone()),
            Some(Verdict::Stop) => self.reason_of_a_stop(how, open),
            None if self.ready_at.is_none() => ExitReason::BootFailure(boot_failure(how)),
            None => by_itself(how),
        }
    }

    fn reason_of_a_stop(&self, how: Option<Ended>, open: u64) -> ExitReason {
        match (self.forced, how) {
            // What it counted itself is exact, and it counts before it ends.
            (Some(0), Some(Ended::Code(_))) => ExitReason::Stopped,
            (Some(connections @ 1..), _) => ExitReason::Forced { connections },
            _ if self.phase.is_killed() => ExitReason::Forced { connections: open },
            (_, Some(Ended::Code(0))) => ExitReason::Stopped,
            // It crashed while it drained.
            _ => by_itself(how),
        }
    }
}

impl Phase {
    /// When something has to be done if nothing else happens.
    pub(super) fn deadline(self) -> Option<Duration> {
        match self {
            Self::Serving => None,
            Self::Booting { until }
            | Self::Draining { until, .. }
            | Self::Aborting { until }
            | Self::Killed { until } => Some(until),
        }
    }

    pub(super) fn is_booting(self) -> bool {
        matches!(self, Self::Booting { .. })
    }

    pub(super) fn is_serving(self) -> bool {
        self == Self::Serving
    }

    pub(super) fn is_killed(self) -> bool {
        matches!(self, Self::Killed { .. })
    }

    #[cfg(test)]
    pub(super) fn state(self) -> State {
        match self {
            Self::Booting { .. } => State::Booting,
            Self::Serving => State::Serving,
            Self::Draining { .. } | Self::Aborting { .. } | Self::Killed { .. } => State::Stopping,
        }
    }
}

fn by_itself(how: Option<Ended>) -> ExitReason {
    match how {
        Some(Ended::Code(code)) => ExitReason::Code(code),
        Some(Ended::Signal { signal, core_dumped }) => ExitReason::Signal { signal, core_dumped },
        Some(Ended::OutOfMemory) => ExitReason::OutOfMemory,
        // Only who has been killed is abandoned, and nobody is killed without a verdict.
        None => ExitReason::Hung,
    }
}

fn boot_failure(how: Option<Ended>) -> BootFailure {
    match how {
        Some(Ended::Code(code)) if code == i32::from(SET_UP_FAILED) => BootFailure::SetUp,
        Some(Ended::Code(code)) => BootFailure::Code(code),
        Some(Ended::Signal { signal, core_dumped }) => BootFailure::Signal { signal, core_dumped },
        Some(Ended::OutOfMemory) => BootFailure::OutOfMemory,
        None => BootFailure::TimedOut,
    }
}
