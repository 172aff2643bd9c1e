//! The end that sees the value.

use super::{Channel, Closed, NEVER, Snapshot, State, Version, Which};
use crate::{
    block::block_on,
    flavour::{Flavour, Guarded, Local, Shared, Tally},
    observer,
    timed::{Elapsed, Timed},
    wait_list::{Attempt, Turn, wake_all},
};
use futures_core::Stream;
use std::{
    fmt,
    future::Future,
    panic::Location,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

/// The end that sees the value, and is told when there is a new one. Clones have seen what it has seen.
pub struct Receiver<T, F: Flavour = Local> {
    channel: F::Pointer<Channel<T, F>>,
    /// The version it saw last.
    seen: u64,
    /// The place of the wait that goes on, if any. Whoever changes `seen` gives it up first: it is for this version.
    turn: Turn,
}

impl<T, F: Flavour> Receiver<T, F> {
    /// Of somebody who is counted already.
    pub(super) fn new(channel: F::Pointer<Channel<T, F>>, seen: u64) -> Self {
        Self { channel, seen, turn: Turn::new() }
    }

    /// The value now. For [`changed`](Receiver::changed) it does not count as seen.
    pub fn borrow(&self) -> Snapshot<T, F> {
        self.channel.state.with(|state| state.current()).0
    }

    /// The value now, which counts as seen.
    ///
    /// ```
    /// let (sender, mut receiver) = runtime_sync::watch(1);
    /// sender.send(2).unwrap();
    /// assert_eq!(*receiver.borrow(), 2);
    /// assert_eq!(receiver.has_changed(), Ok(true));
    /// assert_eq!(*receiver.borrow_and_update(), 2);
    /// assert_eq!(receiver.has_changed(), Ok(false));
    /// ```
    pub fn borrow_and_update(&mut self) -> Snapshot<T, F> {
        self.stop_waiting();
        let (value, version) = self.channel.state.with(|state| state.current());
        self.seen = version;
        value
    }

    /// Whether there is a value that was not seen yet.
    ///
    /// # Errors
    /// [`Closed`] if there is none, and none will come.
    pub fn has_changed(&self) -> Result<bool, Closed> {
        match self.channel.state.with(|state| state.news(self.seen)) {
            Some(Ok(_)) => Ok(true),
            Some(Err(Closed)) => Err(Closed),
            None => Ok(false),
        }
    }

    /// Waits until there is a value that was not seen yet; from then on it counts as seen. Passes at once if there is
    /// one.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// let (sender, mut receiver) = runtime_sync::watch(1);
    /// let set = async { sender.send(2).unwrap() };
    /// let (changed, ()) = futures_lite::future::zip(receiver.changed(), set).await;
    /// assert_eq!(changed, Ok(()));
    /// assert_eq!(*receiver.borrow(), 2);
    /// # });
    /// ```
    ///
    /// # Errors
    /// [`Closed`] when the sender is gone and its last value was seen.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, nothing was seen.
    #[inline]
    #[track_caller]
    pub fn changed(&mut self) -> Changed<'_, T, F> {
        self.stop_waiting();
        Changed { receiver: self, asked: Location::caller() }
    }

    /// [`changed`](Receiver::changed), for at most `limit`.
    ///
    /// # Errors
    /// The outer: [`Elapsed`] after that time. The inner: [`Closed`].
    ///
    /// # Panics
    /// If it has to wait and no runtime of ours runs on this thread: there is no timer. Wrap `changed` in your
    /// executor's timeout then.
    ///
    /// # Cancel safety
    /// As [`changed`](Receiver::changed).
    #[track_caller]
    pub fn changed_timeout(
        &mut self,
        limit: Duration,
    ) -> impl Future<Output = Result<Result<(), Closed>, Elapsed>> {
        Timed::new(limit, self.changed())
    }

    /// Waits for a value of which `is_wanted` says so, the one of now included. It counts as seen.
    ///
    /// Only what is there when this task runs is looked at: a value that was replaced before is not.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// let (sender, mut receiver) = runtime_sync::watch(1);
    /// let count = async {
    ///     for value in 2..5 {
    ///         sender.send(value).unwrap();
    ///         futures_lite::future::yield_now().await;
    ///     }
    /// };
    /// let (found, ()) = futures_lite::future::zip(receiver.wait_for(|value| value % 3 == 0), count).await;
    /// assert_eq!(*found.unwrap(), 3);
    /// # });
    /// ```
    ///
    /// # Errors
    /// [`Closed`] when the sender is gone and its last value is not wanted.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, nothing was seen, even if `is_wanted` was asked.
    #[track_caller]
    pub fn wait_for<P: FnMut(&T) -> bool>(&mut self, is_wanted: P) -> WaitFor<'_, T, F, P> {
        self.stop_waiting();
        WaitFor { receiver: self, is_wanted, looked: NEVER, asked: Location::caller() }
    }

    /// The form of [`changed`](Receiver::changed) for hand-written futures. The place in the queue is kept from one call
    /// to the next, until another method of this receiver is called.
    ///
    /// # Errors
    /// As [`changed`](Receiver::changed).
    #[track_caller]
    pub fn poll_changed(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        self.poll_seen(cx, Location::caller()).map_ok(drop)
    }

    /// A stream of the value now, then of each value that is there when the stream is polled and was not given yet. It ends
    /// when the sender is gone.
    ///
    /// ```
    /// use futures_lite::StreamExt;
    /// # futures_lite::future::block_on(async {
    /// let (sender, receiver) = runtime_sync::watch(1);
    /// let mut values = receiver.into_stream();
    /// assert_eq!(values.next().await.as_deref(), Some(&1));
    /// sender.send(2).unwrap();
    /// sender.send(3).unwrap();
    /// drop(sender);
    /// assert_eq!(values.next().await.as_deref(), Some(&3));
    /// assert!(values.next().await.is_none());
    /// # });
    /// ```
    #[track_caller]
    pub fn into_stream(mut self) -> Values<T, F> {
        self.stop_waiting();
        self.seen = NEVER;
        Values { receiver: self, asked: Location::caller() }
    }

    /// Waits for a value with a version other than `seen`.
    #[inline]
    fn poll_news(
        &mut self,
        seen: u64,
        cx: &Context<'_>,
        asked: &'static Location<'static>,
    ) -> Poll<Result<Version<T, F>, Closed>> {
        let Self { channel, turn, .. } = self;
        if !turn.is_waiting() {
            if !observer::pay(channel.tally.count(), cx) {
                return Poll::Pending;
            }
            if let Some(news) = channel.state.with(|state| state.news(seen)) {
                return Poll::Ready(news);
            }
        }
        turn.poll(
            &channel.state,
            Which::Changed,
            cx,
            || channel.describe(asked),
            |state| state.news(seen).map_or(Attempt::Wait(0), Attempt::Done),
            |state, _| state.news(seen).expect("a value was set, or the sender went"),
        )
    }

    #[inline]
    fn poll_seen(
        &mut self,
        cx: &Context<'_>,
        asked: &'static Location<'static>,
    ) -> Poll<Result<Snapshot<T, F>, Closed>> {
        let (value, version) = ready!(self.poll_news(self.seen, cx, asked))?;
        self.seen = version;
        Poll::Ready(Ok(value))
    }

    /// Gives up the place of a wait, if there is one. It was told of a version, which is there for it later, too.
    #[inline]
    fn stop_waiting(&mut self) {
        self.turn.leave(&self.channel.state, Which::Changed, |_, _| ());
    }
}

impl<T> Receiver<T, Shared> {
    /// Blocks this thread until there is a value that was not seen yet. For code outside of any executor: in a task it
    /// would stall the thread with all its tasks, the sender perhaps among them.
    ///
    /// ```
    /// let (sender, mut receiver) = runtime_sync::shared::watch(1);
    /// let thread = std::thread::Builder::new().spawn(move || sender.send(2)).unwrap();
    /// receiver.blocking_changed().unwrap();
    /// assert_eq!(*receiver.borrow(), 2);
    /// thread.join().unwrap().unwrap();
    /// ```
    ///
    /// # Errors
    /// As [`changed`](Receiver::changed).
    #[track_caller]
    pub fn blocking_changed(&mut self) -> Result<(), Closed> {
        block_on(self.changed())
    }
}

/// What [`Receiver::changed`] returns.
#[must_use = "a future does nothing until it is awaited"]
pub struct Changed<'a, T, F: Flavour = Local> {
    receiver: &'a mut Receiver<T, F>,
    asked: &'static Location<'static>,
}

impl<T, F: Flavour> Future for Changed<'_, T, F> {
    type Output = Result<(), Closed>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { receiver, asked } = self.get_mut();
        receiver.poll_seen(cx, asked).map_ok(drop)
    }
}

impl<T, F: Flavour> Drop for Changed<'_, T, F> {
    #[inline]
    fn drop(&mut self) {
        self.receiver.stop_waiting();
    }
}

/// What [`Receiver::wait_for`] returns.
#[must_use = "a future does nothing until it is awaited"]
pub struct WaitFor<'a, T, F: Flavour, P> {
    receiver: &'a mut Receiver<T, F>,
    is_wanted: P,
    /// The version that was looked at last. For the receiver it is seen only once this is ready.
    looked: u64,
    asked: &'static Location<'static>,
}

impl<T, F: Flavour, P: FnMut(&T) -> bool> Future for WaitFor<'_, T, F, P> {
    type Output = Result<Snapshot<T, F>, Closed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { receiver, is_wanted, looked, asked } = self.get_mut();
        loop {
            let Ok((value, version)) = ready!(receiver.poll_news(*looked, cx, asked)) else {
                receiver.seen = *looked;
                return Poll::Ready(Err(Closed));
            };
            *looked = version;
            if is_wanted(&value) {
                receiver.seen = version;
                return Poll::Ready(Ok(value));
            }
        }
    }
}

/// Nothing in it is pinned by its own pin.
impl<T, F: Flavour, P> Unpin for WaitFor<'_, T, F, P> {}

impl<T, F: Flavour, P> Drop for WaitFor<'_, T, F, P> {
    fn drop(&mut self) {
        self.receiver.stop_waiting();
    }
}

/// A stream of the values: what [`Receiver::into_stream`] returns.
#[must_use = "streams do nothing until they are polled"]
pub struct Values<T, F: Flavour = Local> {
    receiver: Receiver<T, F>,
    asked: &'static Location<'static>,
}

impl<T, F: Flavour> Stream for Values<T, F> {
    type Item = Snapshot<T, F>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { receiver, asked } = self.get_mut();
        receiver.poll_seen(cx, asked).map(Result::ok)
    }
}

impl<T, F: Flavour> Unpin for Receiver<T, F> {}

impl<T, F: Flavour> Clone for Receiver<T, F> {
    fn clone(&self) -> Self {
        self.channel.state.with(State::subscribe);
        Self::new(self.channel.clone(), self.seen)
    }
}

impl<T, F: Flavour> Drop for Receiver<T, F> {
    fn drop(&mut self) {
        self.stop_waiting();
        let woken = self.channel.state.with(|state| {
            state.receivers -= 1;
            if state.receivers == 0 { state.grant_all(Which::Deserted) } else { Vec::new() }
        });
        wake_all(woken);
    }
}

impl<T, F: Flavour> fmt::Debug for Receiver<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.channel.debug(f, "watch::Receiver")
    }
}

impl<T, F: Flavour> fmt::Debug for Values<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.receiver.channel.debug(f, "watch::Values")
    }
}

impl<T, F: Flavour> fmt::Debug for Changed<'_, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Changed")
            .field("asked", &self.asked)
            .field("waits", &self.receiver.turn.is_waiting())
            .finish()
    }
}

impl<T, F: Flavour, P> fmt::Debug for WaitFor<'_, T, F, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitFor")
            .field("asked", &self.asked)
            .field("waits", &self.receiver.turn.is_waiting())
            .finish()
    }
}
