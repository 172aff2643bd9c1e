//! Virtual time from inside: stop the clock, move it, let it run again.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use super::AutoAdvance;
use crate::{RuntimeId, current};

/// Stops the clock of this runtime: from now on it moves only by [`advance`], or by itself to the next deadline when
/// nothing else can happen (see [`AutoAdvance`] and [`set_auto_advance`]).
///
/// # Panics
/// Outside a runtime; if the clock is paused already.
///
/// ```
/// use runtime_executor::{Executor, time::{self, Instant}};
/// use std::time::Duration;
///
/// Executor::builder().build().block_on(async {
///     time::pause();
///     let start = Instant::now();
///     time::sleep(Duration::from_secs(86_400)).await;
///     assert_eq!(start.elapsed(), Duration::from_secs(86_400));
/// });
/// ```
#[track_caller]
pub fn pause() {
    let is_new = current::expect("`time::pause`", |core| {
        let clock = core.timers().clock();
        let is_new = !clock.is_paused();
        if is_new {
            clock.pause();
        }
        is_new
    });
    assert!(is_new, "the clock is paused already: `time::resume` comes before the next `time::pause`");
}

/// Lets the clock of this runtime run again, from the time it shows. Ends calls of [`advance`] that are under way.
///
/// # Panics
/// Outside a runtime; if the clock is not paused.
///
/// ```
/// use runtime_executor::{Executor, time::{self, Instant}};
/// use std::time::Duration;
///
/// Executor::builder().build().block_on(async {
///     time::pause();
///     let start = Instant::now();
///     time::advance(Duration::from_secs(3600)).await;
///     time::resume();
///     assert!(start.elapsed() >= Duration::from_secs(3600));
/// });
/// ```
#[track_caller]
pub fn resume() {
    let was_paused = current::expect("`time::resume`", |core| {
        let was_paused = core.timers().clock().is_paused();
        if was_paused {
            core.timers().resume();
        }
        was_paused
    });
    assert!(was_paused, "the clock is not paused, so it cannot be resumed: call `time::pause` first");
}

/// Says when the clock of this runtime, while it is paused, moves by itself.
///
/// # Panics
/// Outside a runtime.
///
/// ```
/// use runtime_executor::{Executor, time::{self, AutoAdvance, Clock}};
///
/// Executor::builder().clock(Clock::paused()).build().block_on(async {
///     // The listener of this test waits for ever; let timers fire all the same.
///     time::set_auto_advance(AutoAdvance::Always);
/// });
/// ```
#[track_caller]
pub fn set_auto_advance(policy: AutoAdvance) {
    current::expect("`time::set_auto_advance`", |core| core.timers().clock().set_auto_advance(policy));
}

/// Moves the paused clock of this runtime by `duration`.
///
/// It goes from deadline to deadline in order, and at each lets every task run until nothing is ready. When this
/// completes, the clock shows exactly `duration` more than at the first poll, and all timers due by then have fired.
/// Being an order, it does not wait for sockets or blocking jobs, whatever the [`AutoAdvance`] says. A task that never
/// comes to rest holds each step up for some thousand polls, not for ever.
///
/// # Panics
/// Outside a runtime; if the clock is not paused.
///
/// # Cancel safety
/// Dropping it leaves the clock where it has got to.
///
/// ```
/// use runtime_executor::{Executor, spawn, time::{self, Clock, Instant}};
/// use std::{cell::RefCell, rc::Rc, time::Duration};
///
/// let clock = Clock::paused();
/// Executor::builder().clock(clock).build().block_on(async {
///     let start = Instant::now();
///     let seen = Rc::new(RefCell::new(Vec::new()));
///     let log = seen.clone();
///     spawn(async move {
///         let mut interval = time::interval(Duration::from_secs(2));
///         loop {
///             interval.tick().await;
///             log.borrow_mut().push(start.elapsed().as_secs());
///         }
///     });
///     time::advance(Duration::from_secs(5)).await;
///     assert_eq!(*seen.borrow(), [0, 2, 4]);
///     assert_eq!(start.elapsed(), Duration::from_secs(5));
/// });
/// ```
#[track_caller]
pub fn advance(duration: Duration) -> Advance {
    let is_paused = current::expect("`time::advance`", |core| core.timers().clock().is_paused());
    assert!(
        is_paused,
        "only a paused clock can be advanced: call `time::pause` first, or build the runtime with `Clock::paused`"
    );
    Advance { state: State::New(duration) }
}

/// The future of [`advance`].
#[derive(Debug)]
#[must_use = "the clock moves only if this is awaited"]
pub struct Advance {
    state: State,
}

/// ```text
/// New ──first poll──> Ordered ──the clock has arrived──> Done
/// ```
#[derive(Debug)]
enum State {
    New(Duration),
    Ordered { order: u64, runtime: RuntimeId },
    Done,
}

impl Future for Advance {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match self.state {
            State::New(duration) => {
                self.state = current::expect("`time::advance`", |core| {
                    let order = core.timers().order(duration, cx);
                    State::Ordered { order, runtime: core.id() }
                });
                Poll::Pending
            }
            State::Ordered { order, runtime } => {
                assert!(
                    runtime.is_current(),
                    "`time::advance` moves the clock of the runtime it was awaited in"
                );
                let done = current::with(|core| core.timers().poll_order(order, cx)).unwrap_or(Poll::Pending);
                ready!(done);
                self.state = State::Done;
                Poll::Ready(())
            }
            State::Done => Poll::Ready(()),
        }
    }
}

impl Drop for Advance {
    fn drop(&mut self) {
        let State::Ordered { order, runtime } = self.state else { return };
        if runtime.is_current() {
            current::with(|core| core.timers().cancel_order(order));
        } else {
            let cancel = move || {
                current::with(|core| core.timers().cancel_order(order));
            };
            // Refused only if the runtime is gone, and its orders with it.
            runtime.post(cancel).ok();
        }
    }
}
