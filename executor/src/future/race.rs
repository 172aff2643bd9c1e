//! `race`: the first output of any number of futures.

use super::children::Children;
use std::{
    fmt,
    ops::ControlFlow::Break,
    pin::Pin,
    task::{Context, Poll, ready},
};

/// Runs all futures of `iter` side by side in this task and gives the first output there is (Trio's and futures'
/// "race"; `asyncio.wait` with `FIRST_COMPLETED`, and the rest cancelled). The losers are dropped before it is given.
///
/// Who is ready at the first poll wins in the order of the input; later it is whoever woke first. Each is polled when
/// it woke, and for no other reason. For futures of different types, and for a fair choice among those that are always
/// ready, use [`select!`](https://docs.rs/runtime/latest/runtime/macro.select.html).
///
/// ```
/// use runtime_executor::{Executor, race, time::{Clock, Instant, sleep}};
/// use std::time::Duration;
///
/// Executor::builder().clock(Clock::paused()).build().block_on(async {
///     let start = Instant::now();
///     let mirrors = [("far", 300), ("near", 20), ("slow", 900)];
///     let answer = race(mirrors.map(async |(name, millis)| {
///         sleep(Duration::from_millis(millis)).await;
///         name
///     }));
///     assert_eq!(answer.await, "near");
///     assert_eq!(start.elapsed(), Duration::from_millis(20));
/// });
/// ```
///
/// # Panics
/// If `iter` is empty, as nobody could ever win; when polled outside a runtime; if a child panics: the panic goes on to
/// the caller and the other children are dropped with this future.
///
/// # Cancel safety
/// Dropping it drops every child. A loser is dropped like any future: if it had something in its hands, that is subject
/// to its own cancel safety. Handles of spawned tasks that lose are detached, their tasks go on.
#[track_caller]
pub fn race<I>(iter: I) -> Race<I::Item>
where
    I: IntoIterator,
    I::Item: Future,
{
    let children = Children::new(iter);
    assert!(
        children.len() > 0,
        "a race of no futures would never end: check that there are some, or await `std::future::pending()`"
    );
    Race { children }
}

/// The future of [`race`].
#[must_use = "futures do nothing unless awaited"]
pub struct Race<F: Future> {
    children: Children<F>,
}

impl<F: Future> Future for Race<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let mut won = None;
        ready!(self.children.poll("race", context, |_, output| {
            won = Some(output);
            Break(())
        }));
        self.children.clear();
        Poll::Ready(won.expect("Race was polled after it was done"))
    }
}

impl<F: Future> fmt::Debug for Race<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (children, left) = (self.children.len(), self.children.left());
        f.debug_struct("Race").field("children", &children).field("left", &left).finish()
    }
}
