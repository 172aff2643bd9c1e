//! `CancelScope`: a stretch of code that somebody else, or a deadline, may end.

use super::limit::{Limited, poll_limited};
use crate::{
    task::waker::Waiter,
    time::{Instant, Sleep, sleep_until},
};
use pin_project_lite::pin_project;
use slab::Slab;
use std::{
    borrow::Cow,
    cell::{Cell, RefCell},
    fmt,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

/// A stretch of code that can be ended from outside, with a reason, or by a deadline that may move: Trio's
/// `CancelScope`.
///
/// ```
/// use runtime_executor::{Executor, task::CancelScope, time::{Clock, Instant, sleep}};
/// use std::time::Duration;
///
/// # let executor = Executor::builder().clock(Clock::paused()).build();
/// # executor.block_on(async {
/// let idle = Duration::from_secs(5);
/// let scope = CancelScope::with_deadline(Instant::now() + idle);
/// let outcome = scope.run(async {
///     for chunk in 1..=3 {
///         sleep(Duration::from_secs(chunk * 2)).await;
///         scope.set_deadline(Some(Instant::now() + idle)); // something came: the peer is alive
///     }
/// });
/// assert_eq!(outcome.await.unwrap_err().reason(), "deadline");
///
/// let scope = CancelScope::new();
/// assert!(scope.cancel("the user has gone"));
/// assert_eq!(scope.run(std::future::pending::<()>()).await.unwrap_err().reason(), "the user has gone");
/// assert_eq!(scope.run(async { 7 }).await, Ok(7)); // ready in its one poll
/// # });
/// ```
///
/// The rules, which are Trio's where dropping a future allows it:
///
/// - What [`run`](CancelScope::run) polls is polled once more, at most, after the scope was cancelled; also if it was
///   cancelled before it began. If that completes it, the value counts. Otherwise the future is dropped where it waits.
/// - Cancelling is for good. It ends every `run` of the scope, in whatever task.
/// - Scopes nest. A cancelled scope is left at its own `run`; code around that goes on. If an outer one is cancelled
///   too, by the time its turn comes, the outermost wins: nothing between the two runs any more. A
///   [`time::timeout`](crate::time::timeout) counts as a scope in this.
/// - A [`TaskGroup`](super::TaskGroup) that is just coming out with errors may finish first: the error is returned, and
///   the next `.await` that waits is the last.
/// - Tasks that were spawned inside are not part of the scope, but those of a group that runs inside end with the group.
///
/// A scope is a handle; clones mean the same scope.
#[derive(Clone, Default)]
pub struct CancelScope {
    state: Rc<State>,
}

#[derive(Default)]
struct State {
    cancelled: RefCell<Option<Cancelled>>,
    deadline: Cell<Option<Instant>>,
    /// How often the deadline was set.
    moves: Cell<u64>,
    /// Who polls a `run`.
    waiting: RefCell<Slab<Option<Waiter>>>,
}

/// A [`CancelScope`] was cancelled before its future was done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cancelled {
    reason: Cow<'static, str>,
    is_deadline: bool,
}

impl Cancelled {
    /// What was said to [`CancelScope::cancel`], or `deadline`.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// The deadline passed; nobody called [`CancelScope::cancel`] before.
    pub fn is_deadline(&self) -> bool {
        self.is_deadline
    }
}

impl fmt::Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cancelled: {}", self.reason)
    }
}

impl std::error::Error for Cancelled {}

impl CancelScope {
    /// A scope without a deadline.
    pub fn new() -> Self {
        Self::default()
    }

    /// A scope that is cancelled at `deadline`.
    pub fn with_deadline(deadline: Instant) -> Self {
        let scope = Self::new();
        scope.set_deadline(Some(deadline));
        scope
    }

    /// A scope that is cancelled `limit` from now; without a deadline if that is beyond what an [`Instant`] can say.
    ///
    /// # Panics
    /// As [`Instant::now`].
    pub fn with_timeout(limit: Duration) -> Self {
        let scope = Self::new();
        scope.set_deadline(Instant::now().checked_add(limit));
        scope
    }

    /// Runs `future` until it is done or the scope is cancelled.
    ///
    /// # Errors
    /// [`Cancelled`], with the reason, once the future has been dropped.
    ///
    /// # Panics
    /// When polled outside a runtime. With the panic of `future`.
    ///
    /// # Cancel safety
    /// Dropping it drops the future; the scope is not cancelled by that.
    pub fn run<F: IntoFuture>(&self, future: F) -> Run<F::IntoFuture> {
        Run { future: Some(future.into_future()), scope: self.clone(), place: None, timer: None, moves: 0 }
    }

    /// Cancels the scope; the reason comes out of every [`run`](CancelScope::run). False: it was cancelled before, and
    /// the first reason stands.
    ///
    /// Whoever calls it from within goes on until its next `.await` that waits.
    pub fn cancel(&self, reason: impl Into<Cow<'static, str>>) -> bool {
        !self.is_cancelled() && self.cancel_with(Cancelled { reason: reason.into(), is_deadline: false })
    }

    fn cancel_with(&self, cancelled: Cancelled) -> bool {
        if self.state.cancelled.borrow().is_some() {
            return false;
        }
        *self.state.cancelled.borrow_mut() = Some(cancelled);
        self.wake();
        true
    }

    /// Whether the scope was cancelled, or its deadline has passed.
    ///
    /// # Panics
    /// As [`Instant::now`], if there is a deadline.
    pub fn is_cancelled(&self) -> bool {
        self.look_at_deadline();
        self.state.cancelled.borrow().is_some()
    }

    /// Why it was cancelled, if it was.
    ///
    /// # Panics
    /// As [`Instant::now`], if there is a deadline.
    pub fn cancelled(&self) -> Option<Cancelled> {
        self.look_at_deadline();
        self.state.cancelled.borrow().clone()
    }

    fn look_at_deadline(&self) {
        if self.state.deadline.get().is_some_and(|deadline| deadline <= Instant::now()) {
            self.cancel_with(Cancelled { reason: "deadline".into(), is_deadline: true });
        }
    }

    /// When it will be cancelled.
    pub fn deadline(&self) -> Option<Instant> {
        self.state.deadline.get()
    }

    /// Moves the deadline, earlier or later, or takes it away. A scope that is cancelled already stays so.
    ///
    /// # Panics
    /// As [`Instant::now`], if there was a deadline.
    pub fn set_deadline(&self, deadline: Option<Instant>) {
        if !self.is_cancelled() {
            self.state.deadline.set(deadline);
            self.state.moves.set(self.state.moves.get() + 1);
            self.wake();
        }
    }

    /// Lets every `run` look again.
    fn wake(&self) {
        let waiting: Vec<Waiter> =
            self.state.waiting.borrow_mut().iter_mut().filter_map(|(_, waiter)| waiter.take()).collect();
        waiting.into_iter().for_each(Waiter::wake);
    }
}

impl fmt::Debug for CancelScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelScope")
            .field("cancelled", &self.state.cancelled.borrow())
            .field("deadline", &self.state.deadline.get())
            .finish()
    }
}

pin_project! {
    /// The future of [`CancelScope::run`].
    #[must_use = "futures do nothing unless awaited"]
    pub struct Run<F> {
        // Until it is done or was dropped.
        #[pin]
        future: Option<F>,
        scope: CancelScope,
        // Where its waker is, once it has had to wait.
        place: Option<usize>,
        timer: Option<Sleep>,
        // For which the timer is set.
        moves: u64,
    }

    impl<F> PinnedDrop for Run<F> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if let Some(place) = *this.place {
                let waiter = this.scope.state.waiting.borrow_mut().remove(place);
                drop(waiter);
            }
        }
    }
}

impl<F: Future> Future for Run<F> {
    type Output = Result<F::Output, Cancelled>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let scope = this.scope;
        // Finding the deadline passed wakes those who wait, and we are here already.
        let waiter = this.place.and_then(|place| scope.state.waiting.borrow_mut()[place].take());
        let mut is_held = false;
        let mut is_doomed = super::limit::is_doomed();
        if let Some(future) = this.future.as_mut().as_pin_mut() {
            let limited = poll_limited(scope.is_cancelled(), future, context);
            let Limited { polled, .. } = limited;
            (is_held, is_doomed) = (limited.is_held, limited.is_doomed);
            if let Poll::Ready(output) = polled {
                this.future.set(None);
                return Poll::Ready(Ok(output));
            }
        }
        if let Some(cancelled) = scope.cancelled() {
            if !is_held {
                this.future.set(None);
            }
            if !is_held && !is_doomed {
                return Poll::Ready(Err(cancelled));
            }
            if is_doomed {
                // Should somebody between us and the outer limit keep us beyond its end, we are to be asked again.
                context.waker().wake_by_ref();
            }
        } else {
            if *this.moves != scope.state.moves.get() {
                *this.moves = scope.state.moves.get();
                *this.timer = scope.deadline().map(sleep_until);
            }
            if this.timer.as_mut().is_some_and(|timer| timer.poll_elapsed(context).is_ready()) {
                // It passed since the look above.
                context.waker().wake_by_ref();
            }
        }
        scope.wait(this.place, waiter, context);
        Poll::Pending
    }
}

impl CancelScope {
    fn wait(&self, place: &mut Option<usize>, before: Option<Waiter>, context: &Context<'_>) {
        let place = *place.get_or_insert_with(|| self.state.waiting.borrow_mut().insert(None));
        let waiter = match before {
            Some(before) if before.will_wake(context.waker()) => before,
            before => {
                drop(before);
                Waiter::new(context.waker())
            }
        };
        self.state.waiting.borrow_mut()[place] = Some(waiter);
    }
}

impl<F> fmt::Debug for Run<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run").field("scope", &self.scope).finish_non_exhaustive()
    }
}
