//! Cancellation at every suspension point: a story is run again and again, and in each run one future of it is dropped
//! one point later, until it runs to its end.

use runtime_executor::{Executor, time::Clock};
use std::{cell::Cell, future::poll_fn, pin::pin, rc::Rc, task::Poll};

/// More suspension points than any story has: one that has more does not end.
const MAX_POINTS: usize = 1_000;

/// When, at its last suspension point, a future is dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Moment {
    /// As soon as it is pending: nobody has woken it yet.
    Suspended,
    /// When it is woken, with what was granted to it in its hands.
    Woken,
}

/// Where one run of a story cancels.
#[derive(Clone, Debug)]
pub(crate) struct Point {
    /// How often it may be pending before.
    number: usize,
    moment: Moment,
    is_passed: Rc<Cell<bool>>,
}

impl Point {
    /// Runs `future` until this point, then drops it, and this is `None`; or until it is ready.
    pub(crate) async fn run<F: Future>(&self, future: F) -> Option<F::Output> {
        let mut future = Some(Box::pin(future));
        let mut pending = 0;
        let output = poll_fn(|context| {
            if pending == self.number && self.moment == Moment::Woken {
                future = None;
            }
            let Some(polled) = future.as_mut().map(|future| future.as_mut().poll(context)) else {
                return Poll::Ready(None);
            };
            if let Poll::Ready(output) = polled {
                return Poll::Ready(Some(output));
            }
            pending += 1;
            if pending > self.number && self.moment == Moment::Suspended {
                future = None;
                return Poll::Ready(None);
            }
            Poll::Pending
        })
        .await;
        drop(future);
        self.is_passed.set(output.is_some());
        output
    }

    /// Runs `future` to its end, and calls `cancel` at this point, unless it ends before.
    pub(crate) async fn cancel<F: Future>(&self, future: F, cancel: impl FnOnce()) -> F::Output {
        let (mut future, mut cancel) = (pin!(future), Some(cancel));
        let mut pending = 0;
        let output = poll_fn(|context| {
            let cancels_at = |moment: Moment, number: usize| moment == self.moment && number == self.number;
            if cancels_at(Moment::Woken, pending)
                && let Some(cancel) = cancel.take()
            {
                cancel();
            }
            let polled = future.as_mut().poll(context);
            if polled.is_pending() {
                if cancels_at(Moment::Suspended, pending)
                    && let Some(cancel) = cancel.take()
                {
                    cancel();
                }
                pending += 1;
            }
            polled
        })
        .await;
        self.is_passed.set(cancel.is_some());
        output
    }
}

/// Tells `story` each point in turn at which to cancel, until what it cancels runs to its end before. Gives how many
/// points there were. Each run is on a virtual clock and has the same seed.
#[track_caller]
#[allow(dead_code, reason = "some stories need more")]
pub(crate) fn at_every_point<F: Future<Output = ()>>(story: impl Fn(Point) -> F) -> usize {
    let paused = || Executor::builder().clock(Clock::paused()).seed(7).build();
    at_every_point_on(paused, story)
}

/// The same, on executors of another make.
#[track_caller]
#[allow(dead_code, reason = "most stories need nothing special")]
pub(crate) fn at_every_point_on<F: Future<Output = ()>>(
    executor: impl Fn() -> Executor,
    story: impl Fn(Point) -> F,
) -> usize {
    let points = [Moment::Suspended, Moment::Woken].map(|moment| {
        let runs = (0..MAX_POINTS).take_while(|number| {
            let is_passed = Rc::new(Cell::new(false));
            let point = Point { number: *number, moment, is_passed: is_passed.clone() };
            executor().block_on(story(point));
            !is_passed.get()
        });
        runs.count()
    });
    assert!(points[0] < MAX_POINTS, "the story does not end");
    // Dropped before the first poll is a point only when woken.
    assert_eq!(points[0] + 1, points[1], "the same points either way");
    points[0]
}
