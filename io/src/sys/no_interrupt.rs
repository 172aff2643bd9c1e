//! Where no thread of this process can be singled out by a number, none is interrupted.

use runtime_executor::inspect::Glance;
use std::io;

/// A thread that is left alone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target;

pub(crate) fn this_thread() -> io::Result<Target> {
    Ok(Target)
}

pub(crate) fn ask(_target: Target) -> Option<(Option<Glance>, Vec<usize>)> {
    None
}
