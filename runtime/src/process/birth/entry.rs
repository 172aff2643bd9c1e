//! The doors by which a program comes in, before anything of the user's has run.
//!
//! Behind each of them a process finds out whether it is a child, and if it is, never comes back. So a process that has come
//! through one may have children, because they will come through it too.

use super::{StartError, cradle};
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
/// What it gives is to be kept until the end of `main`.
///
/// ```no_run
/// let _init = runtime::process::init();
/// runtime::run(async { /* pools of processes, queues between them */ });
/// ```
pub fn init() -> Init {
    enter_main();
    Init(())
}

/// A program that has begun with [`init`].
#[derive(Debug)]
#[must_use = "keep it until the end of `main`"]
pub struct Init(());

/// The door of programs.
pub(crate) fn enter_main() {
    cradle::take_over();
    let _ = ENTRY.set(Entry::Main);
}

/// The door of tests; `path` is the test's with its package before it (`package::module::test`).
pub(crate) fn enter_test(path: &'static str) {
    cradle::take_over();
    let name = path.split_once("::").map_or(path, |(_package, name)| name);
    let _ = ENTRY.set(Entry::Test(name));
}

/// The door by which this process has come in.
pub(super) fn of_this_process() -> Result<Entry, StartError> {
    match ENTRY.get() {
        Some(entry) => Ok(*entry),
        None if cradle::is_for_this_process() => Err(StartError::Unnoticed),
        None => Err(StartError::NoEntry),
    }
}
