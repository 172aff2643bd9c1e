//! Child processes: run, talked to, ended, and watched without a thread.
//!
//! [`Command`] runs programs as [`std::process::Command`] does, [`Launch`] starts one that knows nothing but what it is given, and
//! [`Child`] is what both have started: its pipes, its end, the signals that it is sent.
//!
//! - A child gets the standard descriptors and those that it is given, no others, and blocks no signal.
//! - On Linux a child is watched, and signalled, through a descriptor that stands for it (pidfd), so nothing depends on
//!   SIGCHLD, and a number that the system has given to another process is never hit. Elsewhere, or where the system refuses
//!   that, every SIGCHLD is a reason to look.
//! - Nobody stays behind as a zombie: a child whose [`Child`] is dropped is reaped all the same.
//! - Where this process ignores SIGCHLD, the system forgets children at once: their end is noticed, and how they ended is an
//!   error (`ECHILD`).

mod child;
mod command;
mod handle;
mod inherited;
mod launch;
mod life;
mod orphans;
mod output;
mod program;
mod recipe;
mod stdio;

pub use child::Child;
pub use command::Command;
pub use handle::{ChildHandle, WeakChildHandle};
pub use inherited::{Kind, replace_stdout, take_inherited};
pub use launch::Launch;
pub use life::reap_unknown;
pub use program::ProgramFile;
pub use std::process::{ExitStatus, Output};
pub use stdio::Stdio;

use crate::io::{PipeReader, PipeWriter};

/// Our end of a child's standard input.
pub type ChildStdin = PipeWriter;
/// Our end of a child's standard output.
pub type ChildStdout = PipeReader;
/// Our end of a child's standard errors.
pub type ChildStderr = PipeReader;
