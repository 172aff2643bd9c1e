//! What the fleet has to say, as data: whoever writes it decides how.

use super::name::{Generation, LifeId, SlotId};
use crate::cluster::exit_reason::ExitReason;
use std::{fmt, time::Duration};

/// One routine line per slot in this time, in the long run: a crash loop must not fill a disk, and nobody reads faster.
const INTERVAL: Duration = Duration::from_secs(1);
/// So many at once, if there were none for as many intervals: the first deaths of a slot are told one by one.
const BURST: u32 = 10;

/// Bytes kept of what others say, a worker that breaks the protocol for one.
const MAX_TEXT: usize = 200;

/// One line of the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Line {
    pub(crate) level: Level,
    pub(crate) what: What,
    /// Lines about the same slot that came too soon after another, and have been left out before this one.
    pub(crate) left_out: u64,
}

/// How much it matters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Level {
    Info,
    Warning,
    Error,
}

/// What a line is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum What {
    Ready {
        slot: SlotId,
        life: LifeId,
        generation: Generation,
    },
    Ended {
        slot: SlotId,
        life: LifeId,
        reason: ExitReason,
        next: Next,
    },
    /// It has been aborted for that.
    Hangs {
        slot: SlotId,
        life: LifeId,
        silent_for: Duration,
    },
    /// It was killed and does not die.
    Abandoned {
        slot: SlotId,
        life: LifeId,
    },
    Recycling {
        slot: SlotId,
        life: LifeId,
    },
    /// Too many predecessors of the slot still drain.
    Hurried {
        slot: SlotId,
        life: LifeId,
    },
    Reloading {
        generation: Generation,
    },
    Reloaded {
        generation: Generation,
    },
    ReloadFailed {
        generation: Generation,
        why: String,
    },
    /// One is under way; another will follow it. Or one is to follow already.
    ReloadQueued,
    Grown {
        slot: SlotId,
    },
    Shrunk {
        slot: SlotId,
    },
    /// Nothing came of SIGTTIN or SIGTTOU.
    CannotResize {
        why: &'static str,
    },
    Stopping {
        fast: bool,
    },
    Hurrying,
    /// No slot is left that could serve.
    NobodyLeft,
}

/// What follows the end of a worker.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Next {
    /// Nothing; it was to end.
    Nothing,
    /// Another one after that time.
    Restart { after: Duration },
    /// It was a replacement. Who was to be replaced serves on, and after that time another one is started.
    TryAgain { after: Duration },
    /// A replacement is under way already.
    Replacement,
    /// The slot is quarantined, until a reload: too many restarts, or none would help.
    Quarantine,
    /// The slot is done, by the [`Restart`](crate::cluster::Restart) policy.
    Done,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.what.fmt(f)?;
        match self.left_out {
            0 => Ok(()),
            n => write!(f, " (lines about this worker left out before: {n})"),
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready { slot, generation, .. } => {
                write!(f, "worker {slot} is ready (generation {generation})")
            }
            Self::Ended { slot, reason, next, .. } => write!(f, "worker {slot} {reason}{next}"),
            Self::Hangs { slot, silent_for, .. } => {
                write!(
                    f,
                    "worker {slot} hangs: no heartbeat for {:.1} s; it is aborted",
                    silent_for.as_secs_f64()
                )
            }
            Self::Abandoned { slot, .. } => {
                write!(f, "worker {slot} was killed and does not die: it is left behind")
            }
            Self::Recycling { slot, .. } => write!(f, "worker {slot} has served its share and is replaced"),
            Self::Hurried { slot, .. } => {
                write!(f, "too many predecessors of worker {slot} still drain: the oldest has to end now")
            }
            Self::Reloading { generation } => write!(f, "reloading: generation {generation} starts"),
            Self::Reloaded { generation } => write!(f, "reloaded: generation {generation} serves"),
            Self::ReloadFailed { generation, why } => {
                write!(f, "reload failed, the old workers keep serving: generation {generation}: {why}")
            }
            Self::ReloadQueued => f.write_str("a reload is under way; one more will follow it"),
            Self::Grown { slot } => write!(f, "one worker more: {slot}"),
            Self::Shrunk { slot } => write!(f, "one worker less: {slot}"),
            Self::CannotResize { why } => write!(f, "the number of workers stays: {why}"),
            Self::Stopping { fast: false } => f.write_str("stopping"),
            Self::Stopping { fast: true } => f.write_str("stopping at once"),
            Self::Hurrying => f.write_str("asked again: stopping at once"),
            Self::NobodyLeft => f.write_str("no worker is left that could serve: stopping"),
        }
    }
}

impl fmt::Display for Next {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => Ok(()),
            Self::Restart { after } if after.is_zero() => f.write_str("; it is restarted"),
            Self::Restart { after } => write!(f, "; it is restarted in {:.1} s", after.as_secs_f64()),
            Self::TryAgain { after } => {
                write!(
                    f,
                    "; the one it was to replace serves on, and it is tried again in {:.1} s",
                    after.as_secs_f64()
                )
            }
            Self::Replacement => f.write_str("; its replacement is under way"),
            Self::Quarantine => f.write_str("; it is quarantined until a reload"),
            Self::Done => f.write_str("; it is not restarted"),
        }
    }
}

impl What {
    /// Told of a slot as often as its worker comes and goes. All else happens rarely, or is bounded by something else.
    pub(super) fn is_routine(&self) -> bool {
        match self {
            Self::Ended { reason, next, .. } => {
                !matches!(reason, ExitReason::Forced { .. }) && !matches!(next, Next::Quarantine | Next::Done)
            }
            Self::Ready { .. } | Self::Recycling { .. } => true,
            _ => false,
        }
    }
}

/// How much has been written about a slot lately: a bucket of [`BURST`] lines, one of which comes back per [`INTERVAL`].
#[derive(Default, Debug)]
pub(super) struct Told {
    /// When the bucket is full again.
    full_at: Duration,
    left_out: u64,
}

impl Told {
    /// Whether a line may be written now, and if so, how many before it were not.
    pub(super) fn left_out_before(&mut self, now: Duration, is_routine: bool) -> Option<u64> {
        let full_at = self.full_at.max(now).saturating_add(INTERVAL);
        let limit = now.saturating_add(BURST * INTERVAL);
        if is_routine && full_at > limit {
            self.left_out += 1;
            return None;
        }
        self.full_at = full_at.min(limit);
        Some(std::mem::take(&mut self.left_out))
    }
}

/// As much of it as is kept.
pub(super) fn shortened(text: &str) -> String {
    if text.len() <= MAX_TEXT {
        return text.to_owned();
    }
    let end = (0..=MAX_TEXT).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    format!("{} …", &text[..end])
}
