//! What people are told of a stall.

use crate::task::TaskInfo;
use std::{fmt, time::Duration};

/// One poll has kept the thread of a runtime for longer than the threshold of
/// [`Builder::watch_stalls`](crate::Builder::watch_stalls), and still does: no other task can run meanwhile. Its
/// `Display` is a sentence with the remedy, and the stack.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Stall {
    /// Whose poll it is. `None` if no task runs (a callback, or a drop, at the end of the runtime), and if the thread
    /// could not be asked.
    pub task: Option<TaskInfo>,
    /// How long at least, in real time.
    pub lasted: Duration,
    /// What the thread executes, innermost first. Empty where that cannot be found out.
    pub stack: Vec<Frame>,
    /// How many stalls were found since the last one that was told of: more than five a minute are not.
    pub untold: u64,
}

/// One call on a stack. An inlined function has a frame of its own.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Frame {
    /// Where in memory the code is.
    pub address: usize,
    /// The function's name, if it is known.
    pub function: Option<String>,
    /// The source file, if it is known.
    pub file: Option<String>,
    /// The line in that file.
    pub line: Option<u32>,
}

impl Frame {
    /// A frame of which only the address is known.
    ///
    /// ```
    /// use runtime_executor::inspect::Frame;
    /// assert_eq!(Frame::at(0x10).to_string(), "0x10");
    /// ```
    pub fn at(address: usize) -> Self {
        Self { address, ..Self::default() }
    }
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.function {
            Some(function) => f.write_str(function)?,
            None => write!(f, "{:#x}", self.address)?,
        }
        match (&self.file, self.line) {
            (Some(file), Some(line)) => write!(f, " at {file}:{line}"),
            (Some(file), None) => write!(f, " at {file}"),
            (None, _) => Ok(()),
        }
    }
}

impl fmt::Display for Stall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.task {
            Some(task) => write!(f, "{task}")?,
            None => f.write_str("something outside of any known task")?,
        }
        write!(
            f,
            " has kept the thread for {} ms, and still does: no other task can run. Let long computations \
             `task::yield_now().await` now and then, and move what blocks to `spawn_blocking`",
            self.lasted.as_millis()
        )?;
        if self.untold > 0 {
            write!(f, " ({} more since the last report)", self.untold)?;
        }
        self.stack.iter().try_for_each(|frame| write!(f, "\n    in {frame}"))
    }
}
