//! `Event`: a flag that any number of tasks wait for.

use crate::{
    block::block_on,
    flavour::{Flavour, Guarded, Local, Shared, Tally, Word},
    observer::{self, Kind, Wait},
    timed::Timed,
    wait_list::{Attempt, LazyList, Turn, wake_all},
};
use std::{
    fmt,
    future::Future,
    panic::Location,
    pin::Pin,
    ptr,
    task::{Context, Poll},
    time::Duration,
};

/// A flag, at first not set, that any number of tasks wait for.
///
/// [`set`](Event::set) lets everybody pass who waits, in the order of arrival, and everybody who comes later, until
/// [`clear`](Event::clear). Who waited when it was set passes, even if it is cleared before that task has run.
///
/// ```
/// use futures_lite::future::{block_on, zip};
/// use runtime_sync::Event;
///
/// let open = Event::new();
/// block_on(zip(open.wait(), async { open.set() }));
/// assert!(open.is_set());
/// ```
pub struct Event<F: Flavour = Local> {
    is_set: F::Word,
    queue: F::Guarded<LazyList>,
    tally: F::Tally,
    created: &'static Location<'static>,
}

const CLEAR: usize = 0;
const SET: usize = 1;

impl<F: Flavour> Event<F> {
    /// An event that is not set.
    ///
    /// The line of this call is remembered: reports name the event by it.
    #[track_caller]
    pub fn new() -> Self {
        Self {
            is_set: F::Word::new(CLEAR),
            queue: F::Guarded::new(LazyList::default()),
            tally: F::Tally::new(),
            created: Location::caller(),
        }
    }

    /// Sets it: all that wait pass, and all that come, until it is cleared.
    pub fn set(&self) {
        // Written even if it is set already: so whoever clears it afterwards has seen what was done before this call.
        if self.is_set.replace(SET, SET).is_ok() {
            return;
        }
        let woken = self.queue.with(|queue| {
            self.is_set.store(SET);
            queue.get().map_or_else(Vec::new, |list| list.grant_all(0))
        });
        wake_all(woken);
    }

    /// Whoever comes from now on waits. Those who were let pass pass.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use futures_lite::future::poll_once;
    /// let event = runtime_sync::Event::new();
    /// event.set();
    /// event.wait().await;
    /// event.clear();
    /// assert!(poll_once(event.wait()).await.is_none());
    /// # });
    /// ```
    pub fn clear(&self) {
        let _ = self.is_set.replace(SET, CLEAR); // or it is clear
    }

    /// Whether it is set.
    #[inline]
    pub fn is_set(&self) -> bool {
        self.is_set.load() == SET
    }

    /// Waits until it is set; passes at once if it is.
    ///
    /// # Cancel safety
    /// Nothing is lost by dropping it.
    #[inline]
    #[track_caller]
    pub fn wait(&self) -> WaitSet<'_, F> {
        WaitSet { event: self, turn: Turn::new(), asked: Location::caller() }
    }

    /// [`wait`](Event::wait), for at most `limit`: whether it was set in time.
    ///
    /// # Panics
    /// If it has to wait and no runtime of ours runs on this thread: there is no timer. Wrap `wait` in your
    /// executor's timeout then.
    ///
    /// # Cancel safety
    /// Nothing is lost by dropping it.
    #[track_caller]
    pub fn wait_timeout(&self, limit: Duration) -> impl Future<Output = bool> {
        let wait = Timed::new(limit, self.wait());
        async { wait.await.is_ok() }
    }

    fn describe(&self, asked: &'static Location<'static>) -> Wait {
        let address = ptr::from_ref(self).addr();
        Wait { kind: Kind::Event, created: self.created, asked, address, holder: None }
    }
}

impl Event<Shared> {
    /// Blocks this thread until it is set. For code outside of any executor: in a task it would stall the thread with
    /// all its tasks.
    #[track_caller]
    pub fn blocking_wait(&self) {
        block_on(self.wait());
    }
}

/// What [`Event::wait`] returns.
#[must_use = "a future does nothing until it is awaited"]
pub struct WaitSet<'a, F: Flavour = Local> {
    event: &'a Event<F>,
    turn: Turn,
    asked: &'static Location<'static>,
}

impl<F: Flavour> Future for WaitSet<'_, F> {
    type Output = ();

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { event, turn, asked } = self.get_mut();
        if !turn.is_waiting() && event.is_set() {
            return if observer::pay(event.tally.count(), cx) { Poll::Ready(()) } else { Poll::Pending };
        }
        turn.poll(
            &event.queue,
            (),
            cx,
            || event.describe(asked),
            |_| if event.is_set() { Attempt::Done(()) } else { Attempt::Wait(0) },
            |_, _| (),
        )
    }
}

impl<F: Flavour> Drop for WaitSet<'_, F> {
    #[inline]
    fn drop(&mut self) {
        self.turn.leave(&self.event.queue, (), |_, _| ());
    }
}

impl<F: Flavour> Default for Event<F> {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

impl<F: Flavour> fmt::Debug for Event<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waiters = self.queue.with(|queue| queue.len());
        f.debug_struct("Event")
            .field("is_set", &self.is_set())
            .field("waiters", &waiters)
            .field("created", &self.created)
            .finish()
    }
}

impl<F: Flavour> fmt::Debug for WaitSet<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitSet").field("asked", &self.asked).field("waits", &self.turn.is_waiting()).finish()
    }
}
