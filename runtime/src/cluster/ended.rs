//! `Ended`: how a cluster came to its end, which is what its `main` returns.

use super::fleet::Outcome;
use std::{
    fmt,
    io::{self, Write},
    process::{ExitCode, Termination},
};

/// How the cluster, or this worker of it, ended. Return it from `main`: it is the exit code of the process.
///
/// A cluster exits with 0 if it was stopped and every connection had ended by itself; with 124, as `timeout(1)` does, if
/// connections had to be cut when the time was up; with 78 if workers could not be set up, and with 1 if something else
/// failed.
#[must_use = "return it from `main`: it is the exit code"]
#[derive(Clone, Copy, PartialEq)]
pub struct Ended {
    code: ExitCode,
    cut: u64,
    killed: u64,
}

impl Ended {
    pub(super) fn of(outcome: Outcome) -> Self {
        let Outcome { forced, killed, .. } = outcome;
        Self { code: ExitCode::from(outcome.exit_code()), cut: forced, killed }
    }

    pub(super) fn of_worker(code: ExitCode) -> Self {
        Self { code, cut: 0, killed: 0 }
    }

    /// The cluster has not begun.
    pub(super) fn failed(error: &io::Error) -> Self {
        // Without the macro, which panics: standard error may be closed.
        let _ = writeln!(io::stderr(), "cluster: it cannot start: {error}");
        Self { code: ExitCode::FAILURE, cut: 0, killed: 0 }
    }

    /// Connections that were cut since the stop began.
    pub fn connections_cut(&self) -> u64 {
        self.cut
    }

    /// Workers that did not end in time, and were killed.
    pub fn workers_killed(&self) -> u64 {
        self.killed
    }

    /// What the process is to exit with.
    pub fn exit_code(&self) -> ExitCode {
        self.code
    }

    /// Whether that is 0.
    pub fn is_success(&self) -> bool {
        self.code == ExitCode::SUCCESS
    }
}

impl Termination for Ended {
    fn report(self) -> ExitCode {
        self.code
    }
}

impl fmt::Debug for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ended")
            .field("code", &self.code)
            .field("connections_cut", &self.cut)
            .field("workers_killed", &self.killed)
            .finish()
    }
}
