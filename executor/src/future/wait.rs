//! `wait`: until some of several tasks have ended, without touching what they gave.

use super::children::Children;
use crate::task::JoinHandle;
use std::{
    borrow::BorrowMut,
    fmt,
    marker::PhantomData,
    ops::ControlFlow::{Break, Continue},
    pin::Pin,
    task::{Context, Poll, ready},
};

/// How long [`wait`] waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Until {
    /// Until one has ended, however (`FIRST_COMPLETED`).
    First,
    /// Until that many have ended, or all (`gevent.joinall(count=n)`).
    Count(usize),
    /// Until one has failed, or all have ended (`FIRST_EXCEPTION`). A task fails when it panics or is cancelled. An
    /// `Err` that it returns is a value like any other: see [`try_join_all`](crate::try_join_all) and
    /// [`as_completed`](super::as_completed()).
    FirstError,
    /// Until all have ended (`ALL_COMPLETED`).
    All,
}

/// Waits until so many of the tasks have ended as `until` says, and gives back their handles: first of those that have
/// ended, then of the others, both in the order of the input (`asyncio.wait`, `gevent.joinall`). It cancels nobody.
///
/// A handle among the first is ready: to await it gives the output at once.
///
/// Handles may be passed by value or borrowed, as `handles.iter_mut()`, and come back as they were passed. Only
/// borrowed ones survive when the waiting itself is cancelled, say by a time limit.
///
/// ```
/// use runtime_executor::{Executor, spawn, task::{self, Until}, time::{Clock, sleep, timeout}};
/// use std::time::Duration;
///
/// Executor::builder().clock(Clock::paused()).build().block_on(async {
///     let tasks = [3, 1, 2].map(|n| spawn(async move { sleep(Duration::from_secs(n)).await; n }));
///     let (done, mut pending) = task::wait(tasks, Until::First).await;
///     assert_eq!((done.len(), pending.len()), (1, 2));
///     for handle in done {
///         assert_eq!(handle.await.unwrap(), 1);
///     }
///     // `asyncio.wait(…, timeout=1.5)`: whatever happens, `pending` keeps the handles.
///     let all = task::wait(pending.iter_mut(), Until::All);
///     assert!(timeout(Duration::from_millis(1500), all).await.is_err());
///     assert_eq!(pending.iter().map(|task| task.is_finished()).collect::<Vec<_>>(), [false, true]);
/// });
/// ```
///
/// # Panics
/// When polled outside a runtime, and when polled after it was done.
///
/// # Cancel safety
/// Dropping it leaves the tasks running. Handles that were passed by value are dropped with it, so their tasks are
/// detached and their outputs lost; borrowed ones are untouched, also those of tasks that have ended.
pub fn wait<I, H, T>(handles: I, until: Until) -> Wait<H, T>
where
    I: IntoIterator<Item = H>,
    H: BorrowMut<JoinHandle<T>> + Unpin,
    T: 'static,
{
    let children = Children::new(handles.into_iter().map(Ended::new));
    Wait { children, until, done: Vec::new(), is_over: false }
}

/// The future of [`wait`].
#[must_use = "futures do nothing unless awaited"]
pub struct Wait<H: BorrowMut<JoinHandle<T>> + Unpin, T: 'static> {
    children: Children<Ended<H, T>>,
    until: Until,
    /// Those that were seen to have ended, with their numbers.
    done: Vec<(usize, H)>,
    is_over: bool,
}

/// Gives a handle when its task has ended.
struct Ended<H: BorrowMut<JoinHandle<T>>, T: 'static> {
    /// Until it is given.
    handle: Option<H>,
    output: PhantomData<fn() -> T>,
}

impl<H: BorrowMut<JoinHandle<T>>, T: 'static> Ended<H, T> {
    fn new(handle: H) -> Self {
        Self { handle: Some(handle), output: PhantomData }
    }
}

impl<H: BorrowMut<JoinHandle<T>> + Unpin, T: 'static> Future for Ended<H, T> {
    type Output = H;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<H> {
        let handle = self.handle.as_ref().expect("not polled after it was ready");
        ready!(handle.borrow().poll_finished(context));
        Poll::Ready(self.handle.take().expect("looked at just now"))
    }
}

impl<H: BorrowMut<JoinHandle<T>>, T: 'static> Drop for Ended<H, T> {
    /// A borrowed handle lives on, and should not keep whom to wake.
    fn drop(&mut self) {
        if let Some(handle) = &self.handle {
            handle.borrow().forget_waiter();
        }
    }
}

impl<H: BorrowMut<JoinHandle<T>> + Unpin, T: 'static> Wait<H, T> {
    /// Those that have ended, then the others. What ended since it was looked at counts as well.
    fn handles(&mut self) -> (Vec<H>, Vec<H>) {
        let mut pending = Vec::with_capacity(self.children.left());
        for index in 0..self.children.len() {
            let Some(handle) = self.children.get(index).and_then(|child| child.get_mut().handle.take())
            else {
                continue;
            };
            handle.borrow().forget_waiter();
            if handle.borrow().is_finished() {
                self.done.push((index, handle));
            } else {
                pending.push(handle);
            }
        }
        self.children.clear();
        let mut done = std::mem::take(&mut self.done);
        done.sort_unstable_by_key(|(index, _)| *index);
        (done.into_iter().map(|(_, handle)| handle).collect(), pending)
    }
}

impl<H: BorrowMut<JoinHandle<T>> + Unpin, T: 'static> Future for Wait<H, T> {
    /// The handles of those that have ended, and of the others.
    type Output = (Vec<H>, Vec<H>);

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { children, until, done, is_over } = &mut *self;
        assert!(!*is_over, "task::wait was polled after it was done");
        let until = *until;
        let enough = |done: &[(usize, H)], handle: &JoinHandle<T>| match until {
            Until::First => true,
            Until::Count(count) => done.len() >= count,
            Until::FirstError => handle.has_failed(),
            Until::All => false,
        };
        if until != Until::Count(0) {
            ready!(children.poll("task::wait", context, |index, handle| {
                done.push((index, handle));
                let (_, handle) = &done[done.len() - 1];
                if enough(done, handle.borrow()) { Break(()) } else { Continue(None) }
            }));
        }
        *is_over = true;
        Poll::Ready(self.handles())
    }
}

impl<H: BorrowMut<JoinHandle<T>> + Unpin, T: 'static> fmt::Debug for Wait<H, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Wait");
        debug.field("until", &self.until).field("children", &self.children).finish_non_exhaustive()
    }
}
