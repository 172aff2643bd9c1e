//! The watchdog: a thread that notices when one poll keeps the loop's thread for too long, while it does.
//!
//! The loop shows signs of life anyway (see [`Pulse`]), so being watched costs it nothing; only a loop that has slept for
//! a second wakes the watchdog up. What the stalled thread is doing is for a [`Probe`] to find out, which upper floors
//! bring along: here nobody knows of signals.

mod detector;
mod stall;

pub use stall::{Frame, Stall};

use super::{Glance, counters::Pulse};
use crate::{task::error::discard, time::real_now};
use detector::{Detector, Finding, Step};
use std::{
    fmt,
    io::{self, Write},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{Builder, JoinHandle, park, park_timeout},
    time::Duration,
};

/// Looks at a runtime's thread from the outside, by interrupting it.
///
/// Made on the thread that it looks at. The watchdog calls it on its own thread, and only while that other thread is
/// inside `block_on`.
pub trait Probe: Send {
    /// Has [`Glance::take`] called on the thread, and its stack walked. `None` if it did not answer in time, which must
    /// be well below a second.
    fn look(&self) -> Option<Sight>;
}

/// What a [`Probe`] saw.
#[derive(Clone, Debug)]
pub struct Sight {
    /// The runtime on that thread.
    pub glance: Option<Glance>,
    /// What the thread was executing, innermost first; empty where that cannot be found out.
    pub stack: Vec<Frame>,
}

/// Who is told of stalls, if it is not standard error.
pub(crate) type OnStall = Option<Box<dyn Fn(&Stall) + Send>>;

/// Whether, and how, a runtime is watched.
#[derive(Default)]
pub(crate) struct Watch {
    /// Zero: not at all.
    pub(crate) threshold: Duration,
    pub(crate) probe: Option<Box<dyn Probe>>,
    pub(crate) on_stall: OnStall,
}

/// The thread that watches one runtime. Ends when dropped.
pub(crate) struct Watchdog {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    pulse: &'static Pulse,
    /// Whether `block_on` runs. The lock is held while the thread is interrupted: outside of it, it is not ours.
    drives: Mutex<bool>,
    ends: AtomicBool,
}

impl Shared {
    fn drives(&self) -> MutexGuard<'_, bool> {
        self.drives.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `block_on` runs, and is watched, until this is dropped.
pub(crate) struct Watched<'a>(&'a Watchdog);

impl Watchdog {
    /// Watches the runtime with that pulse, if that was asked for.
    pub(crate) fn start(watch: Watch, pulse: &'static Pulse) -> Option<Self> {
        if watch.threshold.is_zero() {
            return None;
        }
        let shared = Arc::new(Shared { pulse, drives: Mutex::new(false), ends: AtomicBool::new(false) });
        let theirs = Arc::clone(&shared);
        match Builder::new().name("runtime-watchdog".into()).spawn(move || theirs.watch(&watch)) {
            Ok(thread) => Some(Self { shared, thread: Some(thread) }),
            Err(error) => {
                let _ = writeln!(
                    io::stderr(),
                    "runtime: stalls go unnoticed, as there is no thread to watch: {error}"
                );
                None
            }
        }
    }

    /// `block_on` begins.
    pub(crate) fn begin(&self) -> Watched<'_> {
        *self.shared.drives() = true;
        self.rouse();
        Watched(self)
    }

    fn rouse(&self) {
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        *self.0.shared.drives() = false;
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::Relaxed);
        self.rouse();
        if let Some(thread) = self.thread.take() {
            // It panics only if the user's closure does so while it is dropped, which the panic hook has told.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Watchdog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watchdog").finish_non_exhaustive()
    }
}

impl Shared {
    /// The life of the thread.
    fn watch(&self, watch: &Watch) {
        let start = real_now();
        let mut detector = Detector::new(watch.threshold);
        while !self.ends.load(Ordering::Relaxed) {
            if !*self.drives() {
                park();
                continue;
            }
            let beat = self.pulse.beat();
            match detector.tick_at(start.elapsed(), beat) {
                Step::Wait => park_timeout(detector.tick()),
                Step::Doze => self.pulse.doze_while(beat),
                Step::Look => {
                    let sight = self.look(watch);
                    let poll = sight.as_ref().and_then(|sight| sight.glance).map(|glance| glance.polls());
                    if let Some(finding) = detector.seen(start.elapsed(), poll) {
                        tell(watch, sight, finding);
                    }
                    park_timeout(detector.tick());
                }
            }
        }
    }

    fn look(&self, watch: &Watch) -> Option<Sight> {
        let drives = self.drives();
        let probe = watch.probe.as_ref().filter(|_| *drives)?;
        probe.look()
    }
}

fn tell(watch: &Watch, sight: Option<Sight>, finding: Finding) {
    let (glance, stack) = sight.map_or((None, Vec::new()), |sight| (sight.glance, sight.stack));
    let Finding { lasted, untold } = finding;
    let stall = Stall { task: glance.and_then(|glance| glance.task()), lasted, stack, untold };
    let Some(on_stall) = &watch.on_stall else {
        // A closed standard error must not become a second failure.
        let _ = writeln!(io::stderr(), "runtime: {stall}");
        return;
    };
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| on_stall(&stall))) {
        discard(payload);
    }
}
