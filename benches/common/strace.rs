//! Counting system calls with `strace -c`, in runs of their own: tracing slows a process far too much to time it.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;

/// A summary that strace will write when what it traces has ended.
pub(crate) struct Summary(PathBuf);

impl Summary {
    /// A summary file of this process; one at a time.
    pub(crate) fn new() -> Summary {
        Summary(env::temp_dir().join(format!("runtime-bench-strace-{}", std::process::id())))
    }

    /// What to put before the command line to be traced.
    pub(crate) fn wrapper(&self) -> [&OsStr; 5] {
        ["strace".as_ref(), "-f".as_ref(), "-c".as_ref(), "-o".as_ref(), self.0.as_os_str()]
    }

    /// All calls counted, from the line of totals, whose fourth column they are.
    ///
    /// # Panics
    ///
    /// If strace wrote no summary, for example because it is not installed.
    pub(crate) fn calls(&self) -> u64 {
        let text = fs::read_to_string(&self.0).expect("strace writes its summary");
        let totals = text.lines().rfind(|line| line.ends_with("total")).expect("a line of totals");
        totals
            .split_whitespace()
            .nth(3)
            .and_then(|calls| calls.parse().ok())
            .expect("calls are the fourth column")
    }
}

impl Drop for Summary {
    fn drop(&mut self) {
        drop(fs::remove_file(&self.0));
    }
}
