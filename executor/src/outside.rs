//! Work that others do for a runtime, outside of it: counted, so that the loop neither lets virtual time pass nor speaks of a
//! deadlock while an answer may come.

use crate::{current, registry::RuntimeId};
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

/// As long as one lives, somebody outside works for a runtime and may yet wake one of its tasks, like a job of
/// [`spawn_blocking`](crate::spawn_blocking): a paused clock stands still, and that nobody is ready is no deadlock. For floors
/// above, whose threads and processes the executor does not know.
///
/// Whoever holds it leaves the answer first (wakes, [posts](RuntimeId::post)) and drops it then, on any thread.
///
/// ```
/// use runtime_executor::{Executor, OutsideWork, time::{Clock, Instant, sleep}};
/// use runtime_sync::shared::oneshot;
/// use std::time::Duration;
///
/// Executor::builder().clock(Clock::paused()).build().block_on(async {
///     let (work, start) = (OutsideWork::begin().unwrap(), Instant::now());
///     let (answer, answered) = oneshot::channel();
///     let thread = std::thread::spawn(move || {
///         answer.send(start.elapsed()).unwrap();
///         drop(work);
///     });
///     let timer = runtime_executor::spawn(sleep(Duration::from_secs(3600)));
///     answered.await.unwrap();
///     assert_eq!(start.elapsed(), Duration::ZERO, "the hour did not pass meanwhile");
///     timer.await.unwrap();
///     thread.join().unwrap();
/// });
/// assert!(OutsideWork::begin().is_none()); // no runtime runs here
/// ```
pub struct OutsideWork(Arc<Tally>);

struct Tally {
    runtime: RuntimeId,
    count: AtomicUsize,
    /// The loop saw that there was some, and is to be told when there is none.
    is_watched: AtomicBool,
}

impl OutsideWork {
    /// For the runtime that runs on this thread, if one does.
    pub fn begin() -> Option<Self> {
        let tally = current::with(|core| core.outside().0.clone())?;
        // Nobody else can hear of it before this thread goes on.
        tally.count.fetch_add(1, Ordering::Relaxed);
        Some(Self(tally))
    }
}

impl Drop for OutsideWork {
    fn drop(&mut self) {
        // Either this sees that the loop watches, or the loop, which looks after it has said so, sees that this was the last.
        if self.0.count.fetch_sub(1, Ordering::SeqCst) == 1 && self.0.is_watched.swap(false, Ordering::SeqCst)
        {
            // A runtime that has ended needs no waking.
            let _ = self.0.runtime.post(|| ());
        }
    }
}

impl fmt::Debug for OutsideWork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OutsideWork").field(&self.0.runtime).finish()
    }
}

/// The runtime's side.
pub(crate) struct Outside(Arc<Tally>);

impl Outside {
    pub(crate) fn new(runtime: RuntimeId) -> Self {
        let (count, is_watched) = (AtomicUsize::new(0), AtomicBool::new(false));
        Self(Arc::new(Tally { runtime, count, is_watched }))
    }

    /// Whether somebody works. The loop may go to sleep over a yes: it is woken when that has changed.
    pub(crate) fn is_at_work(&self) -> bool {
        self.0.is_watched.store(true, Ordering::SeqCst);
        self.0.count.load(Ordering::SeqCst) > 0
    }
}
