//! What the fleet wants done.

use super::{
    line::Line,
    name::{Generation, LifeId, SlotId},
};
use crate::cluster::exit_reason::ExitReason;
use std::{fmt, time::Duration};

/// Something to be done, in the order given. What cannot be done because the worker has just died is left out, and is no
/// error: its end is reported anyway.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Action {
    /// Start a worker. Exactly one [`Exited`](super::Event::Exited) or [`LaunchFailed`](super::Event::LaunchFailed) has
    /// to follow in the end.
    Launch {
        life: LifeId,
        slot: SlotId,
        /// Which program: that of the start, or one that [`Action::OpenProgram`] opened.
        generation: Generation,
        /// After so many it should ask to be [recycled](super::Event::Recycle).
        max_requests: Option<u64>,
    },
    /// Ask a worker to stop accepting, to finish what it has, and to end; after `grace` it cuts what is left.
    StopWorker {
        life: LifeId,
        /// Zero: cut at once.
        grace: Duration,
        /// The whole cluster goes, so nobody else will accept what waits in the queues: it should do so once more.
        last: bool,
    },
    /// Ask a worker that is stopping to cut what it has left, and to end at once.
    Hurry {
        life: LifeId,
    },
    /// SIGABRT: it hangs, and may leave a core.
    Abort {
        life: LifeId,
    },
    /// SIGKILL.
    Kill {
        life: LifeId,
    },
    /// This life has ended, for this reason: for hooks and statistics. Comes once for every life, and nothing about it
    /// afterwards.
    Ended {
        life: LifeId,
        slot: SlotId,
        generation: Generation,
        reason: ExitReason,
    },
    /// Nobody serves the slot's own sockets: `by` is to accept from them too, until it is released, stops or dies. Where
    /// sockets of the slot are made later, they are meant too ([`Fleet::adopter`](super::Fleet::adopter)).
    Adopt {
        slot: SlotId,
        by: LifeId,
    },
    /// The slot is served again.
    Release {
        slot: SlotId,
        by: LifeId,
    },
    /// Look up the program anew for that generation, and answer [`ProgramOpened`](super::Event::ProgramOpened).
    OpenProgram {
        generation: Generation,
    },
    /// Nothing of that generation will be launched any more.
    CloseProgram {
        generation: Generation,
    },
    /// Read everybody's heartbeat counter, and answer [`Beats`](super::Event::Beats) at once.
    ReadBeats,
    Log(Line),
    /// All is over. No action follows.
    Finish(Outcome),
}

/// How a cluster ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Outcome {
    pub(crate) end: End,
    /// Connections that were cut since the stop began.
    pub(crate) forced: u64,
    /// Workers that did not end by themselves in time, and were killed.
    pub(crate) killed: u64,
    /// Workers that were killed and have not died.
    pub(crate) abandoned: u64,
    /// The stop was a fast one, or hurried: whoever asked for it knew that connections would be cut.
    pub(crate) is_fast: bool,
}

/// Why a cluster ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    /// It was asked to.
    Stopped,
    /// All workers ended well and none is to be restarted.
    Done,
    /// Too many restarts in every slot, or workers failed that are not to be restarted.
    Failed,
    /// The same, because workers could not be set up.
    SetUpFailed,
}

/// Something failed: workers of every slot, or what was to stop did not.
const FAILED: u8 = 1;

/// `EX_CONFIG` of `sysexits.h`: a worker that ends with it before it is ready is not restarted.
pub(crate) const SET_UP_FAILED: u8 = 78;

/// What `timeout(1)` says when time was up: the stop was a graceful one, but connections had to be cut at its deadline.
/// `SuccessExitStatus=124` in a systemd unit makes that a success.
const TIME_WAS_UP: u8 = 124;

/// The last line of the log.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { forced, killed, .. } = self;
        write!(f, "stopped: {forced} connections cut, {killed} workers killed")?;
        match self.abandoned {
            0 => Ok(()),
            n => write!(f, ", {n} left behind"),
        }
    }
}

impl Outcome {
    /// What the supervisor exits with.
    pub(crate) fn exit_code(&self) -> u8 {
        match self.end {
            End::SetUpFailed => SET_UP_FAILED,
            End::Failed => FAILED,
            End::Stopped | End::Done if self.abandoned > 0 => FAILED,
            End::Stopped if !self.is_fast && (self.forced > 0 || self.killed > 0) => TIME_WAS_UP,
            End::Stopped | End::Done => 0,
        }
    }
}
