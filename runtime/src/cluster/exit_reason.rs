//! Why a worker ended, as far as a supervisor can tell.

use std::{borrow::Cow, error::Error, fmt};

/// Why one life of a worker ended.
///
/// ```
/// use runtime::cluster::{BootFailure, ExitReason};
/// let crash = ExitReason::Signal { signal: 11, core_dumped: true };
/// assert_eq!(crash.to_string(), "was killed by signal 11 (SIGSEGV), core dumped");
/// assert!(crash.is_failure());
/// assert!(!ExitReason::Stopped.is_failure());
/// assert_eq!(ExitReason::BootFailure(BootFailure::TimedOut).to_string(), "was not ready in time");
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ExitReason {
    /// Unasked, with this exit code: 0 if `main` returned, 101 if it panicked.
    Code(i32),
    /// A signal killed it that the supervisor had not sent.
    Signal {
        /// The number, as the system counts.
        signal: i32,
        /// The kernel left an image of its memory.
        core_dumped: bool,
    },
    /// The kernel killed it because its memory cgroup was full.
    OutOfMemory,
    /// It was asked to stop, and had nothing left to do when it ended.
    Stopped,
    /// It was asked to stop, and the time that it had for that was over first.
    Forced {
        /// The connections that were open, and have been cut. 0: all were closed, but it would not end.
        connections: u64,
    },
    /// It ended, or was ended, before it was ready.
    BootFailure(BootFailure),
    /// Its reactor did not turn for as long as the heartbeat's timeout, so it was killed.
    Hung,
    /// It sent something that a worker does not send, so it was killed.
    Protocol(String),
}

/// Why a worker did not get as far as being ready.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum BootFailure {
    /// It ended with this exit code.
    Code(i32),
    /// A signal killed it.
    Signal {
        /// The number, as the system counts.
        signal: i32,
        /// The kernel left an image of its memory.
        core_dumped: bool,
    },
    /// The kernel killed it because its memory cgroup was full.
    OutOfMemory,
    /// The time to become ready was over.
    TimedOut,
    /// It could not be started at all: no process to be had, no memory, no program.
    Launch(String),
    /// It ended with the exit code 78, `EX_CONFIG` of `sysexits.h`: privileges could not be dropped, say. Trying again
    /// would not help, so nobody tries.
    SetUp,
}

impl ExitReason {
    /// Whether something went wrong: anything but a clean end, asked for or not. [`Restart::OnFailure`](super::Restart)
    /// restarts after these. That connections were [forced](ExitReason::Forced) is no failure of the worker.
    pub fn is_failure(&self) -> bool {
        !matches!(self, Self::Code(0) | Self::Stopped | Self::Forced { .. })
    }
}

impl fmt::Display for ExitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "ended with exit code {code}"),
            Self::Signal { signal, core_dumped } => killed_by(f, *signal, *core_dumped),
            Self::OutOfMemory => f.write_str("was killed because memory ran out"),
            Self::Stopped => f.write_str("stopped as asked"),
            Self::Forced { connections } => {
                write!(f, "was stopped at its deadline, with {connections} open connections")
            }
            Self::BootFailure(failure) => failure.fmt(f),
            Self::Hung => f.write_str("hung, and was killed"),
            // A hostile worker does not get to write on a terminal.
            Self::Protocol(what) => write!(f, "broke the protocol, and was killed: {}", what.escape_debug()),
        }
    }
}

impl fmt::Display for BootFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "ended with exit code {code} before it was ready"),
            Self::Signal { signal, core_dumped } => {
                killed_by(f, *signal, *core_dumped)?;
                f.write_str(" before it was ready")
            }
            Self::OutOfMemory => f.write_str("was killed because memory ran out, before it was ready"),
            Self::TimedOut => f.write_str("was not ready in time"),
            Self::Launch(error) => write!(f, "could not be started: {}", error.escape_debug()),
            Self::SetUp => f.write_str("could not be set up (exit code 78)"),
        }
    }
}

impl Error for BootFailure {}

fn killed_by(f: &mut fmt::Formatter<'_>, signal: i32, core_dumped: bool) -> fmt::Result {
    let name = signal_name(signal).map_or(Cow::Borrowed(""), |name| Cow::Owned(format!(" ({name})")));
    write!(f, "was killed by signal {signal}{name}{}", if core_dumped { ", core dumped" } else { "" })
}

/// Those whose number is the same on every Unix.
fn signal_name(signal: i32) -> Option<&'static str> {
    Some(match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        5 => "SIGTRAP",
        6 => "SIGABRT",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        15 => "SIGTERM",
        _ => return None,
    })
}
