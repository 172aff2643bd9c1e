//! How a child of ours ended, told so that it helps.

use crate::cluster::ExitReason;
use runtime_io::host;
use std::{
    error::Error,
    fmt,
    os::unix::process::ExitStatusExt,
    process::ExitStatus,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

/// The exit code of a child that cannot be what it should: `EX_CONFIG` of `sysexits.h`. It has said why on standard error.
pub(crate) const MISFIT: i32 = 78;

/// The other numbers here are the same everywhere.
const SIGBUS: i32 = if cfg!(any(target_os = "linux", target_os = "android")) { 7 } else { 10 };

/// The end of a process that was to do something for us, and has not finished it.
///
/// ```
/// # use runtime::process::Death;
/// # fn explain(death: &Death) {
/// eprintln!("{death}"); // process 4711 was killed by signal 9 (SIGKILL): by somebody, or …
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Death {
    pid: u32,
    reason: ExitReason,
}

impl Death {
    /// Of the process of that number, with that status.
    pub(crate) fn new(pid: u32, status: ExitStatus) -> Self {
        let reason = match (status.signal(), status.code()) {
            (Some(9), _) if has_killed_for_memory() => ExitReason::OutOfMemory,
            (Some(signal), _) => ExitReason::Signal { signal, core_dumped: status.core_dumped() },
            (None, code) => ExitReason::Code(code.unwrap_or(MISFIT)),
        };
        Self { pid, reason }
    }

    /// The number that the process had.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// How it ended.
    pub fn reason(&self) -> &ExitReason {
        &self.reason
    }

    /// What may have been the cause.
    fn hint(&self) -> &'static str {
        match self.reason {
            ExitReason::OutOfMemory => "give it more memory, or less to do at a time",
            ExitReason::Signal { signal: 9, .. } => {
                "by somebody, or by the system for want of memory: see the system's log"
            }
            ExitReason::Signal { signal: 6, .. } => {
                "it aborted, as after a panic while panicking or a stack overflow: see its standard error"
            }
            ExitReason::Signal { signal: 4 | 8 | 11 | SIGBUS, .. } => {
                "by its own doing: unsafe code, or a stack that has overflowed"
            }
            ExitReason::Signal { signal: 14 | 24, .. } => "its time was up",
            ExitReason::Code(MISFIT) => "it could not begin: see its standard error",
            ExitReason::Code(_) => "what it ran has ended its process",
            _ => "somebody wanted it to end",
        }
    }
}

/// Whether the system has killed a process for want of memory since this was asked last.
fn has_killed_for_memory() -> bool {
    let Some(kills) = host::oom_kills() else { return false };
    KILLS.swap(kills, Relaxed) < kills
}

/// How many processes had been killed for that when it was last asked.
static KILLS: AtomicU64 = AtomicU64::new(0);

/// To be called before there is a child that could be killed.
pub(crate) fn watch_memory() {
    KILLS.store(host::oom_kills().unwrap_or(0), Relaxed);
}

impl fmt::Display for Death {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {} {}: {}", self.pid, self.reason, self.hint())
    }
}

impl Error for Death {}

#[cfg(test)]
mod tests {
    use super::{Death, MISFIT};
    use std::{os::unix::process::ExitStatusExt, process::ExitStatus};

    #[test]
    fn a_death_says_who_how_and_what_to_look_at() {
        let told = |status| Death::new(7, ExitStatus::from_raw(status)).to_string();
        assert_eq!(told(3 << 8), "process 7 ended with exit code 3: what it ran has ended its process");
        assert_eq!(
            told(MISFIT << 8),
            "process 7 ended with exit code 78: it could not begin: see its standard error"
        );
        assert_eq!(told(15), "process 7 was killed by signal 15 (SIGTERM): somebody wanted it to end");
        assert!(told(12).ends_with("somebody wanted it to end"), "{}", told(12));
        assert!(told(11).ends_with("unsafe code, or a stack that has overflowed"), "{}", told(11));
    }
}
