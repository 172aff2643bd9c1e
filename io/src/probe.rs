//! What the watchdog of a runtime sees of its thread: the task that runs, and the stack.

use crate::sys::interrupt::{self, Target};
use runtime_executor::inspect::{Frame, Probe, Sight};
use std::io;

/// Looks at the thread that made it by a signal, SIGURG, whose handler runs on that thread for some microseconds.
///
/// A handler that the program had for this signal before is still called, for all signals but ours. One that it installs
/// later silences the probe: stalls are then reported without their task.
///
/// On Linux only; elsewhere it sees nothing, and stalls are reported without their task.
///
/// The stack is walked with the feature `stacks` only, as that takes the `backtrace` crate. Names and lines are as good
/// as the debug information of the program; `debug = "line-tables-only"` in its profile is enough.
///
/// ```
/// use runtime_executor::Executor;
/// use runtime_io::ThreadProbe;
/// use std::{sync::mpsc, time::Duration};
///
/// let (sender, stalls) = mpsc::channel();
/// let executor = Executor::builder()
///     .watch_stalls(Duration::from_millis(25))
///     .stall_probe(ThreadProbe::new()?)
///     .on_stall(move |stall| sender.send(stall.clone()).unwrap())
///     .build();
/// let task = executor.block_on(async { stalls.recv().unwrap() }).task.unwrap();
/// assert_eq!(task.to_string(), "main task");
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct ThreadProbe {
    target: Target,
}

impl ThreadProbe {
    /// A probe for this thread. The first one in a process installs the handler.
    ///
    /// # Errors
    /// If the system refuses the handler, which it has no reason to.
    pub fn new() -> io::Result<Self> {
        Ok(Self { target: interrupt::this_thread()? })
    }
}

impl Probe for ThreadProbe {
    fn look(&self) -> Option<Sight> {
        let (glance, addresses) = interrupt::ask(self.target)?;
        Some(Sight { glance, stack: name(&addresses) })
    }
}

/// What belongs to the handler: this function, and what it has called, are not the program's.
#[cfg(feature = "stacks")]
const HANDLER: &str = "probe_signal_handler";
/// How many frames these are at most.
#[cfg(feature = "stacks")]
const HANDLER_DEPTH: usize = 10;
/// From here on outwards it is the loop, and what called `block_on`.
#[cfg(feature = "stacks")]
const LOOP: [&str; 2] = ["runtime_executor::task::raw::", "runtime_executor::event_loop::"];
/// The same where there are line tables: generic functions have no path in them.
#[cfg(feature = "stacks")]
const LOOP_FILES: [&str; 2] = ["executor/src/task/raw.rs", "executor/src/event_loop.rs"];

/// Gives addresses their names, and leaves out what is ours.
#[cfg(feature = "stacks")]
fn name(addresses: &[usize]) -> Vec<Frame> {
    let mut frames = Vec::new();
    for address in addresses {
        let before = frames.len();
        backtrace::resolve(std::ptr::without_provenance_mut(*address), |symbol| {
            let mut frame = Frame::at(*address);
            frame.function = symbol.name().map(|name| format!("{name:#}"));
            frame.file = symbol.filename().map(|file| file.display().to_string());
            frame.line = symbol.lineno();
            frames.push(frame);
        });
        if frames.len() == before {
            frames.push(Frame::at(*address));
        }
    }
    let is_handler = |frame: &Frame| frame.function.as_ref().is_some_and(|name| name.contains(HANDLER));
    if let Some(handler) = frames.iter().take(HANDLER_DEPTH).rposition(is_handler) {
        // And the frame behind it, which the kernel has made to come back from the handler.
        frames.drain(..(handler + 2).min(frames.len()));
    }
    let is_loop = |frame: &Frame| {
        let named = |name: &String| LOOP.iter().any(|part| name.contains(part));
        let lies_in = |file: &String| LOOP_FILES.iter().any(|part| file.ends_with(part));
        frame.function.as_ref().is_some_and(named) || frame.file.as_ref().is_some_and(lies_in)
    };
    if let Some(end) = frames.iter().position(is_loop) {
        frames.truncate(end);
    }
    frames
}

#[cfg(not(feature = "stacks"))]
fn name(_addresses: &[usize]) -> Vec<Frame> {
    Vec::new()
}
