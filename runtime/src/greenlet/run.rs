//! A strand as a future: what a greenlet's task drives.

use super::{
    killed::Killed,
    stacks,
    switch::{Kind, SWALLOWS, Step, Strand},
};
use runtime_executor::{
    current, report_abandoned,
    task::PollCancel,
    time::{Sleep, sleep},
};
use std::{
    fmt,
    panic::resume_unwind,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

/// A strand that was killed while others unwind, in a destructor perhaps, is asked again after so long. Hardly ever needed:
/// somebody's destructor has to wait, too.
const RETRY: Duration = Duration::from_millis(1);

/// Runs `f` on a stack of its own, here, as a part of whatever polls this: there `f` may [`wait`](super::wait()) where it
/// likes. For `block_on`, and to call blocking-style code from a task; side by side with its caller runs what was
/// [`spawn`](super::spawn)ed.
///
/// ```
/// use runtime::{greenlet, time::sleep};
/// use std::time::Duration;
///
/// let answer = runtime::run(greenlet::run(|| {
///     greenlet::wait(sleep(Duration::from_millis(1)));
///     42
/// }));
/// assert_eq!(answer, 42);
/// ```
///
/// # Cancel safety
/// Dropped before it is done, it unwinds the stack, at once: what is on it is dropped, as in a panic. A destructor that has to
/// wait meanwhile cannot, so the rest of the stack is abandoned, and reported.
///
/// # Panics
/// With the panic of `f`. If there is no memory for a stack.
pub fn run<F, T>(f: F) -> Run<F, T>
where
    F: FnOnce() -> T + 'static,
    T: 'static,
{
    Run::new(f, None)
}

/// The future of [`run`].
#[must_use = "futures do nothing unless awaited"]
pub struct Run<F, T: 'static> {
    state: State<F, T>,
    stack_size: Option<usize>,
    /// Until it is asked again whether it can be killed.
    retry: Option<Box<Sleep>>,
}

enum State<F, T: 'static> {
    /// The stack is taken at the first turn.
    Fresh(F),
    Begun(Strand<T>),
    Done,
}

impl<F, T> Unpin for Run<F, T> {}

impl<F, T> Run<F, T>
where
    F: FnOnce() -> T + 'static,
    T: 'static,
{
    pub(crate) fn new(f: F, stack_size: Option<usize>) -> Self {
        Self { state: State::Fresh(f), stack_size, retry: None }
    }

    fn strand(&mut self) -> &mut Strand<T> {
        if let State::Fresh(_) = self.state
            && let State::Fresh(f) = std::mem::replace(&mut self.state, State::Done)
        {
            let stack = stacks::take(self.stack_size)
                .unwrap_or_else(|error| panic!("no stack for a greenlet: {error}"));
            self.state = State::Begun(Strand::new(Kind::Future, stack, f));
        }
        match &mut self.state {
            State::Begun(strand) => strand,
            State::Fresh(_) | State::Done => panic!("`greenlet::Run` was polled after it was done"),
        }
    }
}

impl<F, T> Future for Run<F, T>
where
    F: FnOnce() -> T + 'static,
    T: 'static,
{
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let step = self.strand().resume(context.waker());
        if !matches!(step, Step::Suspended) {
            self.state = State::Done;
        }
        match step {
            Step::Suspended => Poll::Pending,
            Step::Returned(value) => Poll::Ready(value),
            Step::Panicked(panic) => resume_unwind(panic),
        }
    }
}

impl<F, T> PollCancel for Run<F, T>
where
    F: FnOnce() -> T + 'static,
    T: 'static,
{
    const NOUN: &'static str = "greenlet";

    fn poll_cancel(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        let State::Begun(strand) = &mut self.state else { return Poll::Ready(None) };
        if cfg!(panic = "abort") || current::is_thread_ending() {
            // Its drop says so.
            return Poll::Ready(None);
        }
        strand.kill();
        match strand.resume(context.waker()) {
            Step::Suspended if strand.is_incorrigible() => {
                strand.abandon();
                report_abandoned(SWALLOWS);
                Poll::Ready(None)
            }
            Step::Suspended => {
                if strand.is_unclear() {
                    let mut retry = Box::new(sleep(RETRY));
                    let _ = Pin::new(&mut *retry).poll(context);
                    self.retry = Some(retry);
                }
                Poll::Pending
            }
            Step::Returned(value) => Poll::Ready(Some(value)),
            Step::Panicked(panic) if panic.is::<Killed>() => Poll::Ready(None),
            Step::Panicked(panic) => resume_unwind(panic),
        }
    }
}

impl<F, T> fmt::Debug for Run<F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Fresh(_) => "not begun",
            State::Begun(_) => "begun",
            State::Done => "done",
        };
        f.debug_struct("Run").field("state", &state).finish_non_exhaustive()
    }
}
