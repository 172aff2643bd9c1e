//! The doors by which a program comes in, before anything of the user's has run.
//!
//! Behind each of them a process finds out whether it is a child, and if it is, never comes back. So a process that has come
//! through one may have children, because they will come through it too.

use super::{StartError, cradle};
use crate::process::child::family::EndOfProgram;
use std::sync::OnceLock;

/// How a child of this process gets to the door.
#[derive(Debug, Clone, Copy)]
pub(super) enum Entry {
    /// It runs the program.
    Main,
    /// It has the test harness run that test.
    Test(&'static str),
}

static ENTRY: OnceLock<Entry> = OnceLock::new();

/// Makes this program one whose processes may have children: the first line of a `main` without `#[runtime::main]`, before
/// there are threads. **In a child it does not return:** that does what it was started for, and exits.
///
/// What it gives is to be kept until the end of `main`: when it is dropped, daemons are ended, and the others waited for, of
/// the children that were not started in a runtime. See [`Process`](crate::process::Process).
///
/// ```no_run
/// let _init = runtime::process::init();
/// runtime::run(async { /* pools of processes, queues between them */ });
/// ```
pub fn init() -> Init {
    Init(enter_main())
}

/// A program that has begun with [`init`].
#[derive(Debug)]
#[must_use = "keep it until the end of `main`"]
pub struct Init(EndOfProgram);

/// The door of programs. What it gives is to be dropped when their own code has ended.
pub(crate) fn enter_main() -> EndOfProgram {
    // First, as a child may have children.
    let _ = ENTRY.set(Entry::Main);
    cradle::take_over();
    EndOfProgram
}

/// The door of tests; `path` is the test's with its package before it (`package::module::test`).
pub(crate) fn enter_test(path: &'static str) {
    let name = path.split_once("::").map_or(path, |(_package, name)| name);
    let _ = ENTRY.set(Entry::Test(name));
    cradle::take_over();
}

/// The door by which this process has come in.
pub(super) fn of_this_process() -> Result<Entry, StartError> {
    match ENTRY.get() {
        Some(entry) => Ok(*entry),
        None if cradle::is_for_this_process() => Err(StartError::Unnoticed),
        None => Err(StartError::NoEntry),
    }
}
