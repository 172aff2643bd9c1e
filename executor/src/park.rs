//! The seam between the executor and whatever it sleeps on: a reactor, a plain thread, a simulator.

use crate::task::waker::Waiter;
use std::{
    fmt, io,
    sync::Arc,
    task::{Wake, Waker},
    thread::Thread,
    time::Duration,
};

/// What the loop sleeps on when no task is ready.
///
/// The executor never names a descriptor and a reactor never names a task: between them there are this trait
/// and [`Waker`].
///
/// An implementor must not call a waker, or any other code it was handed, while it holds a borrow or a lock of
/// its own: waking may register or deregister with the very same object.
///
/// ```
/// use runtime_executor::{Park, ThreadPark};
/// use std::time::Duration;
///
/// let park = ThreadPark::new();
/// park.unparker().wake(); // the next park returns at once
/// park.park(Some(Duration::from_secs(60))).unwrap();
/// assert_eq!(park.waiters(), 0);
/// ```
pub trait Park {
    /// Blocks until an outside event, a call of the [`unparker`](Park::unparker), or the end of `timeout`; then
    /// wakes whoever waited for the events. `None` sets no end, [`Duration::ZERO`] asks without blocking.
    /// May return early.
    ///
    /// # Errors
    /// Only for what makes every further call useless, such as a descriptor closed behind our back. The loop
    /// then panics with the error: nothing could wake its tasks any more.
    fn park(&self, timeout: Option<Duration>) -> io::Result<()>;

    /// A waker that makes the running or the next [`park`](Park::park) return. Any thread may call it.
    fn unparker(&self) -> Waker;

    /// How many waiters an outside event could still wake. While it is zero the loop asks the outside only
    /// when it has nothing else to do, and virtual time may run.
    fn waiters(&self) -> usize;

    /// How many sources of events (descriptors, mostly) it knows, waited for or not. For statistics.
    fn sources(&self) -> usize {
        0
    }

    /// Calls `visit` with each waiter and a few words on what it waits for, such as `source 3 to be readable`, so that
    /// a dump can say it. Called rarely; `visit` does nothing but note it, and may be called under a borrow.
    fn visit_waiters(&self, visit: &mut dyn FnMut(&Waiter, &dyn fmt::Display)) {
        let _ = visit;
    }
}

/// Sleeps on the thread itself: for an executor without I/O.
///
/// ```
/// use runtime_executor::{Executor, ThreadPark};
/// let executor = Executor::builder().park(std::rc::Rc::new(ThreadPark::new())).build();
/// assert_eq!(executor.block_on(async { 6 * 7 }), 42);
/// ```
#[derive(Debug)]
pub struct ThreadPark {
    thread: Thread,
}

impl ThreadPark {
    /// Parks the thread that calls this; to be used on that thread alone.
    pub fn new() -> Self {
        Self { thread: std::thread::current() }
    }
}

impl Default for ThreadPark {
    fn default() -> Self {
        Self::new()
    }
}

impl Park for ThreadPark {
    fn park(&self, timeout: Option<Duration>) -> io::Result<()> {
        match timeout {
            None => std::thread::park(),
            // The token of an unpark must survive a mere question; and there is nothing else to ask.
            Some(Duration::ZERO) => {}
            Some(limit) => std::thread::park_timeout(limit),
        }
        Ok(())
    }

    fn unparker(&self) -> Waker {
        struct Unpark(Thread);
        impl Wake for Unpark {
            fn wake(self: Arc<Self>) {
                self.0.unpark();
            }
            fn wake_by_ref(self: &Arc<Self>) {
                self.0.unpark();
            }
        }
        Arc::new(Unpark(self.thread.clone())).into()
    }

    fn waiters(&self) -> usize {
        0
    }
}
