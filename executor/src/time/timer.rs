//! `Timer`: a function to be called later.

use super::{Instant, Sleep, sleep};
use crate::task::{Builder, JoinHandle};
use std::{
    cell::{Cell, RefCell},
    fmt,
    future::poll_fn,
    panic::Location,
    rc::Rc,
    time::Duration,
};

/// Calls a function once, some time from now, unless that is put off or called off (`threading.Timer`, already started).
///
/// It is a task of its own that sleeps first: it is counted and listed as a task; as a timer of Python's it keeps a
/// runtime running that waits for its tasks ([`OnExit::Wait`](crate::OnExit::Wait)); a panic of the function is reported
/// as that of any detached task. The function may [`spawn`](crate::spawn).
///
/// Dropping the `Timer` does not call it off, as dropping a handle does not end its task.
///
/// ```
/// use runtime_executor::{Executor, time::{Clock, Instant, Timer, sleep}};
/// use std::{cell::Cell, rc::Rc, time::Duration};
///
/// Executor::builder().clock(Clock::paused()).build().block_on(async {
///     let start = Instant::now();
///     let second = Duration::from_secs(1);
///     let rang = Rc::new(Cell::new(None));
///     let alarm = Timer::after(10 * second, {
///         let rang = rang.clone();
///         move || rang.set(Some(start.elapsed()))
///     });
///     sleep(9 * second).await;
///     assert!(alarm.reset(10 * second)); // snooze
///     sleep(60 * second).await;
///     assert_eq!(rang.get(), Some(19 * second));
///     assert!(!alarm.cancel(), "too late");
/// });
/// ```
pub struct Timer {
    state: Rc<State>,
    task: JoinHandle<()>,
}

struct State {
    /// The function was not called yet, and will be.
    is_waiting: Cell<bool>,
    /// Lent to each poll and each reset, neither of which calls anybody else's code while it has it.
    sleep: RefCell<Sleep>,
}

impl Timer {
    /// Calls `function` when `duration` has passed; the time counts as with [`sleep`].
    ///
    /// # Panics
    /// If no runtime runs on this thread.
    #[track_caller]
    pub fn after(duration: Duration, function: impl FnOnce() + 'static) -> Self {
        let state = Rc::new(State { is_waiting: Cell::new(true), sleep: RefCell::new(sleep(duration)) });
        let work = {
            let state = Rc::clone(&state);
            async move {
                poll_fn(|context| state.sleep.borrow_mut().poll_elapsed(context)).await;
                state.is_waiting.set(false);
                function();
            }
        };
        Self { state, task: Builder::new().spawn_from(Location::caller(), work) }
    }

    /// Calls it off: true, and the function will not be called. It is dropped at the next turn, never inside this call.
    /// False if it has been called, or is being called now, or was called off before.
    pub fn cancel(&self) -> bool {
        // The timer is not to wake the loop for nobody, however long the `Timer` is kept.
        self.state.sleep.borrow_mut().reset_after(Duration::MAX);
        self.state.is_waiting.replace(false) && self.task.cancel()
    }

    /// Has the function called `duration` from now instead. False, and nothing changes, if it is too late for that.
    pub fn reset(&self, duration: Duration) -> bool {
        let is_waiting = self.is_waiting();
        if is_waiting {
            self.state.sleep.borrow_mut().reset_after(duration);
        }
        is_waiting
    }

    /// Whether the function is still to be called.
    pub fn is_waiting(&self) -> bool {
        self.state.is_waiting.get() && !self.task.is_finished()
    }

    /// When the function will be called; `None` in the turn in which that was set, and when it is not going to be.
    pub fn deadline(&self) -> Option<Instant> {
        self.is_waiting().then(|| self.state.sleep.borrow().deadline())?
    }

    /// The task, to wait until the function has been called (`timer.join()`), or for its panic.
    pub fn into_handle(self) -> JoinHandle<()> {
        self.task
    }
}

impl fmt::Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (is_waiting, deadline) = (self.is_waiting(), self.deadline());
        f.debug_struct("Timer").field("is_waiting", &is_waiting).field("deadline", &deadline).finish()
    }
}
