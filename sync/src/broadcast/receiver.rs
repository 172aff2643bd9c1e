//! The end that receives.

use super::{Channel, Lagged, RecvError, Taken, TryRecvError};
use crate::{
    block::block_on,
    flavour::{Flavour, Guarded, Local, Pointer, Shared, Tally},
    observer,
    timed::{Elapsed, Timed},
    wait_list::{Attempt, Turn},
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

/// The end that receives: every value that is sent while it is there.
///
/// It is a [`Stream`] of `Result<T, Lagged>` that ends when the senders are gone.
///
/// ```
/// use futures_lite::StreamExt;
/// # futures_lite::future::block_on(async {
/// let (sender, receiver) = runtime_sync::broadcast(8);
/// sender.send(1).unwrap();
/// sender.send(2).unwrap();
/// drop(sender);
/// assert_eq!(receiver.collect::<Vec<_>>().await, [Ok(1), Ok(2)]);
/// # });
/// ```
pub struct Receiver<T, F: Flavour = Local> {
    pub(super) channel: F::Pointer<Channel<T, F>>,
    /// The number of the value it takes next.
    next: u64,
    /// The place of the wait that goes on, if any: of `recv` or of the stream.
    turn: Turn,
}

impl<T, F: Flavour> Receiver<T, F> {
    /// The first one, counted already.
    pub(super) fn new(channel: F::Pointer<Channel<T, F>>) -> Self {
        Self { channel, next: 0, turn: Turn::new() }
    }

    pub(super) fn subscribe(channel: &F::Pointer<Channel<T, F>>) -> Self {
        let next = channel.subscribe();
        Self { channel: channel.clone(), next, turn: Turn::new() }
    }

    /// Another receiver, which gets what is sent from now on.
    ///
    /// ```
    /// let (sender, receiver) = runtime_sync::broadcast(4);
    /// sender.send(1).unwrap();
    /// let late = receiver.resubscribe();
    /// assert_eq!((receiver.len(), late.len()), (1, 0));
    /// ```
    #[must_use]
    pub fn resubscribe(&self) -> Self {
        Self::subscribe(&self.channel)
    }

    /// Values that it can take at once, without those that it missed.
    pub fn len(&self) -> usize {
        self.channel.state.with(|state| state.len(self.next))
    }

    /// Whether it has taken everything.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Gives up the place that a stream's poll, or `poll_recv`, may have left. A value needs not be passed on: it stays
    /// for this receiver.
    #[inline]
    fn stop_waiting(&mut self) {
        self.turn.leave(&self.channel.state, (), |_, _| ());
    }
}

impl<T: Clone, F: Flavour> Receiver<T, F> {
    /// Waits for the next value: a clone of it, or, for the last that takes it, the value itself.
    ///
    /// # Errors
    /// [`RecvError::Closed`] when all senders are gone and everything was taken; [`RecvError::Lagged`] if the receiver
    /// missed values, and how many.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, nothing was received.
    #[inline]
    #[track_caller]
    pub fn recv(&mut self) -> Recv<'_, T, F> {
        self.stop_waiting();
        Recv { receiver: self, asked: Location::caller() }
    }

    /// [`recv`](Receiver::recv), for at most `limit`.
    ///
    /// # Errors
    /// The outer: [`Elapsed`] after that time. The inner: as [`recv`](Receiver::recv).
    ///
    /// # Panics
    /// If it has to wait and no runtime of ours runs on this thread: there is no timer. Wrap `recv` in your
    /// executor's timeout then.
    ///
    /// # Cancel safety
    /// As [`recv`](Receiver::recv).
    #[track_caller]
    pub fn recv_timeout(
        &mut self,
        limit: Duration,
    ) -> impl Future<Output = Result<Result<T, RecvError>, Elapsed>> {
        Timed::new(limit, self.recv())
    }

    /// Takes the next value, if it is there.
    ///
    /// ```
    /// use runtime_sync::broadcast::TryRecvError;
    /// let (sender, mut receiver) = runtime_sync::broadcast(1);
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    /// sender.send('a').unwrap();
    /// sender.send('b').unwrap();
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Lagged(1)));
    /// assert_eq!(receiver.try_recv(), Ok('b'));
    /// drop(sender);
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
    /// ```
    ///
    /// # Errors
    /// See [`TryRecvError`].
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        self.stop_waiting();
        let taken = self.channel.state.with(|state| state.take(self.next)).ok_or(TryRecvError::Empty)?;
        self.accept(taken).map_err(|error| match error {
            RecvError::Closed => TryRecvError::Closed,
            RecvError::Lagged(missed) => TryRecvError::Lagged(missed),
        })
    }

    /// The form of [`recv`](Receiver::recv) for hand-written futures. The place in the queue is kept from one call to
    /// the next, until another method of this receiver is called.
    ///
    /// # Errors
    /// As [`recv`](Receiver::recv).
    #[track_caller]
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, RecvError>> {
        self.poll_take(cx, Location::caller())
    }

    #[inline]
    fn poll_take(
        &mut self,
        cx: &Context<'_>,
        asked: &'static Location<'static>,
    ) -> Poll<Result<T, RecvError>> {
        let Self { channel, next, turn } = self;
        if !turn.is_waiting() {
            if !observer::pay(channel.tally.count(), cx) {
                return Poll::Pending;
            }
            if let Some(taken) = channel.state.with(|state| state.take(*next)) {
                return Poll::Ready(self.accept(taken));
            }
        }
        let taken = ready!(turn.poll(
            &channel.state,
            (),
            cx,
            || channel.describe(asked),
            |state| state.take(*next).map_or(Attempt::Wait(0), Attempt::Done),
            |state, _| state.take(*next).expect("a value was sent, or the last sender went"),
        ));
        Poll::Ready(self.accept(taken))
    }

    /// With the state released: this is where the value is cloned, if others still want it.
    fn accept(&mut self, (result, next): Taken<T, F>) -> Result<T, RecvError> {
        self.next = next;
        result.map(|value| value.try_unwrap().unwrap_or_else(|shared| T::clone(&shared)))
    }
}

impl<T: Clone> Receiver<T, Shared> {
    /// Blocks this thread until a value is there. For code outside of any executor: in a task it would stall the
    /// thread with all its tasks, the sender perhaps among them.
    ///
    /// ```
    /// let (sender, mut receiver) = runtime_sync::shared::broadcast(1);
    /// let thread = std::thread::Builder::new().spawn(move || receiver.blocking_recv()).unwrap();
    /// sender.send(7).unwrap();
    /// assert_eq!(thread.join().unwrap(), Ok(7));
    /// ```
    ///
    /// # Errors
    /// As [`recv`](Receiver::recv).
    #[track_caller]
    pub fn blocking_recv(&mut self) -> Result<T, RecvError> {
        block_on(self.recv())
    }
}

/// What [`Receiver::recv`] returns.
#[must_use = "nothing is received until it is awaited"]
pub struct Recv<'a, T, F: Flavour = Local> {
    receiver: &'a mut Receiver<T, F>,
    asked: &'static Location<'static>,
}

impl<T: Clone, F: Flavour> Future for Recv<'_, T, F> {
    type Output = Result<T, RecvError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { receiver, asked } = self.get_mut();
        receiver.poll_take(cx, asked)
    }
}

impl<T, F: Flavour> Drop for Recv<'_, T, F> {
    #[inline]
    fn drop(&mut self) {
        self.receiver.stop_waiting();
    }
}

impl<T: Clone, F: Flavour> Stream for Receiver<T, F> {
    type Item = Result<T, Lagged>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let asked = this.channel.created; // whoever polls a stream is mostly no one's own line
        this.poll_take(cx, asked).map(|received| match received {
            Ok(value) => Some(Ok(value)),
            Err(RecvError::Lagged(missed)) => Some(Err(Lagged(missed))),
            Err(RecvError::Closed) => None,
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, None) // those that are there may yet be overrun
    }
}

impl<T, F: Flavour> Unpin for Receiver<T, F> {}

impl<T, F: Flavour> Drop for Receiver<T, F> {
    fn drop(&mut self) {
        self.stop_waiting();
        let unneeded = self.channel.state.with(|state| state.unsubscribe(self.next));
        drop(unneeded);
    }
}

impl<T, F: Flavour> fmt::Debug for Receiver<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.channel.debug(f, "broadcast::Receiver", |state| state.len(self.next))
    }
}

impl<T, F: Flavour> fmt::Debug for Recv<'_, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recv")
            .field("asked", &self.asked)
            .field("waits", &self.receiver.turn.is_waiting())
            .finish()
    }
}
