//! One run of one seed: what the loop asks for the order of its tasks, and sleeps on.

use super::{failure::Cause, stuck, transcript::Transcript};
use crate::{
    Handle, OnExit, Report,
    testing::{
        net::{Hosts, Network},
        random::Random,
    },
    time::{Clock, Instant},
};
use runtime_executor::{Batch, Executor, Park, Schedule, Stopped, current};
use std::{
    any::Any,
    cell::{Cell, OnceCell, RefCell},
    fmt, io,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    task::Waker,
    time::Duration,
};

/// The streams of a seed.
const ORDER: u64 = 1;

/// What a run is made from, besides its program.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) max_turns: u64,
    pub(super) on_exit: OnExit,
    pub(super) allow_reports: bool,
    pub(super) network: Network,
}

/// One seed's run.
struct World {
    order: Random,
    start: OnceCell<Instant>,
    turns_left: Cell<u64>,
    allow_reports: bool,
    transcript: RefCell<Transcript>,
    reports: RefCell<Vec<String>>,
    /// Why the run was ended before its program was done.
    ended: RefCell<Option<Cause>>,
}

/// The two faces that the executor sees, and the shelf's.
#[derive(Clone)]
struct Face(Rc<World>);

/// Runs `program` once.
pub(super) fn run<T>(
    settings: &Settings,
    seed: u64,
    recording: bool,
    program: impl Future<Output = T>,
) -> (Result<T, Cause>, Transcript) {
    let world = Rc::new(World {
        order: Random::stream(seed, ORDER),
        start: OnceCell::new(),
        turns_left: Cell::new(settings.max_turns),
        allow_reports: settings.allow_reports,
        transcript: RefCell::new(Transcript::new(recording)),
        reports: RefCell::default(),
        ended: RefCell::default(),
    });
    let reader = Rc::clone(&world);
    let executor = Executor::builder()
        .clock(Clock::paused())
        .seed(seed)
        .on_exit(settings.on_exit)
        .without_threads()
        .park(Rc::new(Face(Rc::clone(&world))))
        .schedule(Face(Rc::clone(&world)))
        .extension(Face(Rc::clone(&world)))
        .extension(Rc::new(Hosts::new(settings.network.clone(), seed)))
        .on_report(move |report| reader.report(report))
        .build();
    let ended = catch_unwind(AssertUnwindSafe(|| executor.try_block_on(program)));
    let during = world.ended.take();
    // What still lives is cancelled here, and cleanups run: what fails in that is a failure too.
    drop(executor);
    let (after, reports) = (world.ended.take(), world.reports.take());
    let outcome = match (ended, during) {
        // A deadlock ends `block_on` with a panic, but was reported before.
        (_, Some(cause)) => Err(cause),
        (Err(payload), None) => Err(Cause::Panicked(text_of(&*payload))),
        (Ok(Err(Stopped)), None) => Err(Cause::Stopped),
        (Ok(Ok(output)), None) => match after {
            Some(cause) => Err(cause),
            None if !reports.is_empty() => Err(Cause::Reported(reports)),
            None => Ok(output),
        },
    };
    let transcript = std::mem::replace(&mut *world.transcript.borrow_mut(), Transcript::new(false));
    (outcome, transcript)
}

/// Adds a line to the [`Transcript`] of the simulation that runs on this thread; elsewhere it does nothing. What two
/// runs of one seed note must be the same.
///
/// ```
/// use runtime::testing::{Sim, note};
/// let (_, transcript) = Sim::new().seed(1).record(|| async { note("hello") }).unwrap();
/// assert!(transcript.to_string().ends_with("hello\n"));
/// ```
pub fn note(line: impl fmt::Display) {
    let world = current::with_extension(|face: &Face| Rc::clone(&face.0));
    if let Some(world) = world {
        let line = line.to_string();
        world.transcript.borrow_mut().note(&line);
    }
}

impl World {
    /// Ends the run before the next turn.
    fn end(&self, cause: Cause) {
        self.ended.borrow_mut().get_or_insert(cause);
        Handle::current().stop();
    }

    /// The runtime has something to say. What cannot become better ends the run.
    fn report(&self, report: &Report) {
        match report {
            Report::Deadlock(deadlock) if deadlock.is_total => self.end(Cause::Stuck(report.to_string())),
            _ if self.allow_reports => {}
            Report::Deadlock(_) => self.end(Cause::Stuck(report.to_string())),
            Report::Panicked { .. } => self.end(Cause::TaskPanicked(report.to_string())),
            _ => self.reports.borrow_mut().push(report.to_string()),
        }
    }
}

impl Schedule for Face {
    fn arrange(&self, batch: &mut Batch<'_>) {
        let world = &self.0;
        // Fisher and Yates: each order is as likely as every other.
        for i in (1..batch.len()).rev() {
            batch.swap(i, world.order.below(i as u64 + 1) as usize);
        }
        let now = Instant::now();
        let at = now.duration_since(*world.start.get_or_init(|| now));
        let tasks = (0..batch.len()).map(|i| batch.task(i).get());
        world.transcript.borrow_mut().turn(at, tasks);
        match world.turns_left.get().checked_sub(1) {
            Some(left) => world.turns_left.set(left),
            None => world.end(Cause::Endless),
        }
    }
}

impl Park for Face {
    fn park(&self, timeout: Option<Duration>) -> io::Result<()> {
        match timeout {
            // A question; there is nobody outside to have an answer.
            Some(Duration::ZERO) => {}
            Some(_) => self.0.end(Cause::ClockRuns),
            None => self.0.end(Cause::Stuck(stuck::listing())),
        }
        Ok(())
    }

    fn unparker(&self) -> Waker {
        Waker::noop().clone()
    }

    fn waiters(&self) -> usize {
        0
    }
}

/// What a panic said.
fn text_of(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("a value that is not text").to_owned()
}
