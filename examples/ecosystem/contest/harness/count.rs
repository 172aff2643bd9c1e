//! What a server does for a request, counted while it runs under another program: runs of their own, since that slows it far
//! too much to time it.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;

use super::strace;

/// What is counted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counted {
    /// System calls, by strace.
    Calls,
    /// Instructions in user space, by callgrind.
    Instructions,
}

/// A tally that the program around the server writes when the server has ended.
pub(crate) enum Tally {
    Calls(strace::Summary),
    Instructions { log: PathBuf, option: String },
}

impl Tally {
    /// A tally of this process; one at a time.
    pub(crate) fn new(counted: Counted) -> Tally {
        match counted {
            Counted::Calls => Tally::Calls(strace::Summary::new()),
            Counted::Instructions => {
                let log = env::temp_dir().join(format!("runtime-contest-callgrind-{}", std::process::id()));
                let option = format!("--log-file={}", log.display());
                Tally::Instructions { log, option }
            }
        }
    }

    /// What to put before the command line of the server.
    pub(crate) fn wrapper(&self) -> Vec<&OsStr> {
        match self {
            Tally::Calls(summary) => summary.wrapper().to_vec(),
            Tally::Instructions { option, .. } => {
                let line = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", option];
                line.map(OsStr::new).to_vec()
            }
        }
    }

    /// The whole count.
    ///
    /// # Panics
    ///
    /// If there is none, for example because the program is not installed.
    pub(crate) fn read(&self) -> u64 {
        match self {
            Tally::Calls(summary) => summary.calls(),
            Tally::Instructions { log, .. } => {
                let text = fs::read_to_string(log).expect("callgrind writes its log");
                let collected = text.lines().find_map(|line| line.split_once("Collected : "));
                let (_, count) = collected.expect("a line of what was collected");
                count.trim().parse().expect("a count")
            }
        }
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        if let Tally::Instructions { log, .. } = self {
            let _never_written = fs::remove_file(log);
        }
    }
}
