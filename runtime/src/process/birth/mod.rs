//! How a process of this program comes to be another one's child: the same program is started again, and told before its
//! `main` what it is to do.
//!
//! ```text
//! parent   Birth::start ──(program, environment, line, life-line)──┐
//! child                                                            └──> entry: take_over ──> role.live(cradle) ──> exit
//! ```
//!
//! | file | |
//! |---|---|
//! | `entry.rs` | the doors by which a program comes in: `main`, tests, `init` |
//! | `cradle.rs` | what a child finds, and how it knows that it is one |
//! | `life_line.rs` | what tells a child that its parent is gone |
//!
//! A child is never a copy of its parent (`fork`): it starts clean, before there are threads, whatever threads its parent has.

mod cradle;
mod entry;
mod life_line;

pub(crate) use self::cradle::Cradle;
pub use self::entry::{Init, init};
pub(crate) use self::entry::{enter_main, enter_test};

use super::{child::family::Family, death, packet::Packets};
use crate::cluster::BuildId;
use cradle::Notice;
use runtime_io::process::{Child, Launch, ProgramFile, Stdio};
use std::{env, error::Error, ffi::OsString, fmt, io, os::fd::AsFd, process};

/// What a child is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Calls one function.
    Process,
    /// Calls one function after the other.
    PoolWorker,
    /// Keeps objects for others.
    Manager,
}

/// A child that is to be.
#[derive(Debug)]
#[must_use = "nobody is born until `start`"]
pub(crate) struct Birth {
    role: Role,
    name: String,
    outlives_parent: bool,
}

/// A child, and the line to it.
#[derive(Debug)]
pub(crate) struct Newborn {
    pub(crate) child: Child,
    pub(crate) line: Packets,
}

/// Why no process was started.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// The program did not begin with `#[runtime::main]`, `#[runtime::test]` or [`init`]: started again, it would not know that
    /// it is a child, and do all over what it does now.
    NoEntry,
    /// This process was started as a child, and its `main` has not noticed.
    Unnoticed,
    /// The system has no room for another process, no descriptors left, or else.
    System(io::Error),
}

impl Birth {
    pub(crate) fn new(role: Role, name: impl Into<String>) -> Self {
        Self { role, name: name.into(), outlives_parent: false }
    }

    /// Has it go on when this process is gone.
    pub(crate) fn outlives_parent(mut self) -> Self {
        self.outlives_parent = true;
        self
    }

    /// Starts the child. It finds what it is told on its end of the line, which may be sent at once.
    ///
    /// # Errors
    /// [`StartError`].
    pub(crate) fn start(self) -> Result<Newborn, StartError> {
        let entry = entry::of_this_process()?;
        let (line, theirs) = Packets::pair()?;
        death::watch_memory();
        let mut launch = Launch::new(&ProgramFile::current()?).stdin(Stdio::null());
        let stdout = match entry {
            entry::Entry::Main => {
                let mut arguments = env::args_os();
                launch = launch.arg0(arguments.next().unwrap_or_else(|| OsString::from("runtime")));
                launch = launch.args(arguments);
                None
            }
            entry::Entry::Test(name) => {
                launch =
                    launch.args([name, "--exact", "--include-ignored", "--nocapture", "--test-threads=1"]);
                // What the harness has to say first is not meant for anybody.
                launch = launch.stdout(Stdio::null());
                Some(launch.descriptor(io::stdout().as_fd().try_clone_to_owned()?))
            }
        };
        let (theirs, inode) = cradle::with_inode(theirs.into_fd())?;
        let notice = Notice {
            parent: process::id(),
            role: self.role,
            build: BuildId::of_this_program()?,
            line: launch.descriptor(theirs),
            inode,
            life_line: launch.descriptor(life_line::of_this_process()?),
            outlives_parent: self.outlives_parent,
            stdout,
            name: self.name,
        };
        let child = launch.env(cradle::VARIABLE, notice.to_string()).spawn()?;
        if self.role != Role::Process {
            Family::take_in_servant(&child.handle());
        }
        Ok(Newborn { child, line })
    }
}

impl Role {
    const ALL: [(Self, &'static str); 3] =
        [(Self::Process, "process"), (Self::PoolWorker, "pool-worker"), (Self::Manager, "manager")];

    fn word(self) -> &'static str {
        Self::ALL.into_iter().find(|&(role, _)| role == self).expect("all are listed").1
    }

    fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|&(_, its)| its == word).map(|(role, _)| role)
    }

    /// The life of a child; gives its exit code.
    fn live(self, cradle: Cradle) -> i32 {
        match self {
            Self::Process => super::child::live(cradle),
            Self::PoolWorker => crate::pool::process::live(cradle),
            Self::Manager => super::manager::live(cradle),
        }
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoEntry => f.write_str(
                "no process was started, because it would run this program again from the beginning, and not know what it \
                 is for: begin the program with `#[runtime::main]` (a test with `#[runtime::test]`), or with \
                 `let _init = runtime::process::init();` as the first line of its `main`",
            ),
            Self::Unnoticed => f.write_str(
                "this process was started to call a function of this program, and runs the program's `main` instead: begin \
                 that with `#[runtime::main]`, or with `let _init = runtime::process::init();` as its first line",
            ),
            Self::System(error) => write!(f, "no process was started: {error}"),
        }
    }
}

impl Error for StartError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::System(error) => Some(error),
            _ => None,
        }
    }
}

impl From<io::Error> for StartError {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

/// So that `?` takes it to where the system's errors go.
impl From<StartError> for io::Error {
    fn from(error: StartError) -> Self {
        match error {
            StartError::System(error) => error,
            other => Self::other(other),
        }
    }
}

#[cfg(all(test, not(miri), feature = "macros"))]
mod tests {
    use super::{Birth, Role};

    #[runtime_macros::test(crate = crate)]
    async fn a_child_of_a_test_comes_in_by_the_same_test() {
        let born = Birth::new(Role::Manager, "the name").start().unwrap();
        let mut child = born.child;
        drop(born.line);
        assert_eq!(child.wait().await.unwrap().code(), Some(0)); // nobody wants anything of it
    }
}
