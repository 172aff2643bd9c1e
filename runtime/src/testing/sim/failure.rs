//! How a simulation fails, and how to see it again.

use super::{VARIABLE, transcript::Transcript};
use std::{env, error::Error, fmt, thread};

/// Why a run is a failure.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Cause {
    /// The program's main future panicked, with that text.
    Panicked(String),
    /// A task panicked, and nobody would have learned that from its handle. With its name and what it said.
    TaskPanicked(String),
    /// The program returned a failure, which `main` would print and exit with.
    Failed,
    /// Tasks wait for each other, or nothing can happen any more at all. With the [deadlock](crate::inspect::Deadlock), or, if
    /// it is not proved because somebody outside has a waker, with a [dump](crate::inspect::dump) of all tasks.
    Stuck(String),
    /// The runtime reported mistakes, as in [`Report`](crate::Report).
    Reported(Vec<String>),
    /// The program did not end within the turns that it may take, see [`Sim::max_turns`](super::Sim::max_turns).
    Endless,
    /// [`Handle::stop`](crate::Handle::stop) was called.
    Stopped,
    /// The clock was let run, by [`time::resume`](crate::time::resume), and then waited for.
    ClockRuns,
    /// Two runs of the seed differed, as said here.
    Differs(String),
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panicked(text) => write!(f, "it panicked: {text}"),
            Self::TaskPanicked(text) => f.write_str(text),
            Self::Failed => f.write_str("the program returned a failure"),
            Self::Stuck(text) => write!(f, "it is stuck: {text}"),
            Self::Reported(reports) => {
                write!(f, "the runtime reported: {}", reports.join("\n  and: "))
            }
            Self::Endless => f.write_str(
                "it does not end: some task yields for ever, or `Sim::max_turns` has to be raised",
            ),
            Self::Stopped => f.write_str("it was stopped by `Handle::stop`"),
            Self::ClockRuns => f.write_str(
                "the clock was let run by `time::resume`, and real time is never the same twice: leave it paused",
            ),
            Self::Differs(how) => write!(
                f,
                "two runs of this seed differ: {how}. Something in the program is not determined by the seed: the \
                 order of a HashMap, real time, an address, another thread, or a static or captured value that keeps \
                 what the run before has left in it"
            ),
        }
    }
}

/// A seed with which a program fails. Its `Display` has the line that replays it.
///
/// ```
/// use runtime::testing::Sim;
/// let failure = Sim::new().seed(17).try_run(|| async { panic!("out of order") }).unwrap_err();
/// assert_eq!(failure.seed(), 17);
/// assert!(failure.to_string().contains("RUNTIME_SIM_SEED=17"));
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    pub(super) seed: u64,
    pub(super) seeds_before: u64,
    pub(super) cause: Cause,
    pub(super) transcript: Transcript,
    /// What the second run was like, if it was not the same.
    pub(super) replay: Option<String>,
}

impl Failure {
    /// The seed.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// What went wrong.
    pub fn cause(&self) -> &Cause {
        &self.cause
    }

    /// What happened until then.
    pub fn transcript(&self) -> &Transcript {
        &self.transcript
    }

    /// Whether the seed was run a second time and failed in the same way, after the same transcript.
    pub fn is_reproducible(&self) -> bool {
        self.replay.is_none() && !matches!(self.cause, Cause::Differs(_))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seed, cause, turns) = (self.seed, &self.cause, self.transcript.turns());
        write!(f, "seed {seed} fails in turn {turns}: {cause}")?;
        if self.seeds_before > 0 {
            write!(f, "\n  the {} seeds before it did not fail", self.seeds_before)?;
        }
        write!(f, "\n  replay it with: {}", Replay(seed))?;
        write!(f, "\n  or in the program: Sim::new().seed({seed})")?;
        match &self.replay {
            Some(replay) => write!(f, "\n  IT CANNOT BE RELIED ON: {replay}"),
            None => Ok(()),
        }
    }
}

impl Error for Failure {}

/// The command that runs this test, and nothing else, with that seed.
struct Replay(u64);

impl fmt::Display for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{VARIABLE}={}", self.0)?;
        // The harness names its threads after the tests; Cargo names the package.
        let thread = thread::current();
        match thread.name() {
            Some(test) if test != "main" => {
                f.write_str(" cargo test")?;
                if let Ok(package) = env::var("CARGO_PKG_NAME") {
                    write!(f, " -p {package}")?;
                }
                write!(f, " -- --exact {test}")
            }
            _ => env::args().try_for_each(|argument| write!(f, " {argument}")),
        }
    }
}
