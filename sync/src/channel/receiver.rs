//! The end that receives.

use crate::{
    block::block_on,
    errors::TryRecvError,
    exchange::{Exchange, Fifo, NoItem},
    flavour::{Flavour, Local, Shared},
    observer::Kind,
    timed::{Elapsed, Timed},
    wait_list::Turn,
};
use futures_core::Stream;
use std::{
    fmt,
    future::Future,
    panic::Location,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

/// The end that receives. Clones receive from the same channel; each item goes to one of them, to whoever has waited
/// longest.
///
/// When the last is dropped, what is still there is dropped, and senders get their items back.
///
/// It is a [`Stream`] of the items.
pub struct Receiver<T, F: Flavour = Local> {
    pub(super) shared: F::Pointer<Exchange<Fifo<T>, F>>,
    /// The place of the wait that goes on, if any: of `recv` or of the stream.
    pub(super) turn: Turn,
}

impl<T, F: Flavour> Receiver<T, F> {
    /// Waits for the next item. `None`: there will be no more; the senders are gone, or the channel was closed.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// let (sender, mut receiver) = runtime_sync::unbounded();
    /// sender.send(1).await.unwrap();
    /// drop(sender);
    /// assert_eq!(receiver.recv().await, Some(1));
    /// assert_eq!(receiver.recv().await, None);
    /// # });
    /// ```
    ///
    /// # Cancel safety
    /// Dropped before it is ready, nothing was received: an item that had been meant for it goes to the next.
    #[inline]
    #[track_caller]
    pub fn recv(&mut self) -> Recv<'_, T, F> {
        self.stop_waiting();
        Recv { receiver: self, asked: Location::caller() }
    }

    /// Takes an item, if there is one that nobody else waits for.
    ///
    /// # Errors
    /// [`TryRecvError`] tells whether one may still come.
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        self.stop_waiting();
        self.shared.try_get().map_err(|none| match none {
            NoItem::Empty => TryRecvError::Empty,
            NoItem::Ended => TryRecvError::Closed,
        })
    }

    /// [`recv`](Receiver::recv), for at most `limit`.
    ///
    /// # Errors
    /// [`Elapsed`] after that time.
    ///
    /// # Panics
    /// If it has to wait and no runtime of ours runs on this thread: there is no timer. Wrap `recv` in your
    /// executor's timeout then.
    ///
    /// # Cancel safety
    /// As [`recv`](Receiver::recv).
    #[track_caller]
    pub fn recv_timeout(&mut self, limit: Duration) -> impl Future<Output = Result<Option<T>, Elapsed>> {
        Timed::new(limit, self.recv())
    }

    /// Waits for an item, then takes it and whatever else is there, `most` in all, into `items`. Says how many they
    /// are: 0 when there will be no more, or if `most` is 0.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// let (sender, mut receiver) = runtime_sync::channel(4);
    /// for item in 1..=4 {
    ///     sender.send(item).await.unwrap();
    /// }
    /// let mut items = Vec::new();
    /// assert_eq!(receiver.recv_many(&mut items, 3).await, 3);
    /// assert_eq!(items, [1, 2, 3]);
    /// # });
    /// ```
    ///
    /// # Cancel safety
    /// Dropped before it is ready, nothing was received.
    #[track_caller]
    pub fn recv_many(&mut self, items: &mut Vec<T>, most: usize) -> impl Future<Output = usize> {
        let asked = Location::caller();
        self.stop_waiting();
        async move {
            if most == 0 {
                return 0;
            }
            let before = items.len();
            let Some(first) = (Recv { receiver: self, asked }).await else { return 0 };
            items.push(first);
            self.shared.get_more(most - 1, items);
            items.len() - before
        }
    }

    /// The form of [`recv`](Receiver::recv) for hand-written futures. The place in the queue is kept from one call to the
    /// next, until another method of this receiver is called.
    #[track_caller]
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.shared.poll_get(&mut self.turn, cx, (Kind::Receive, Location::caller()))
    }

    /// Takes nothing more in: senders get their items back from now on. What is there can still be received, and what
    /// was [reserved](crate::channel::Sender::reserve) can still be sent.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// let (sender, mut receiver) = runtime_sync::channel(2);
    /// sender.send(1).await.unwrap();
    /// receiver.close();
    /// assert!(sender.send(2).await.is_err());
    /// assert_eq!(receiver.recv().await, Some(1));
    /// assert_eq!(receiver.recv().await, None);
    /// # });
    /// ```
    pub fn close(&self) {
        self.shared.close();
    }

    /// Gives up the place that a stream's poll, or `poll_recv`, may have left.
    #[inline]
    fn stop_waiting(&mut self) {
        self.shared.cancel_get(&mut self.turn);
    }
}

impl<T> Receiver<T, Shared> {
    /// Blocks this thread until an item is there. For code outside of any executor: in a task it would stall the
    /// thread with all its tasks, the sender perhaps among them.
    ///
    /// ```
    /// let (sender, mut receiver) = runtime_sync::shared::channel(1);
    /// let thread = std::thread::Builder::new().spawn(move || receiver.blocking_recv()).unwrap();
    /// sender.blocking_send(7).unwrap();
    /// assert_eq!(thread.join().unwrap(), Some(7));
    /// ```
    #[track_caller]
    pub fn blocking_recv(&mut self) -> Option<T> {
        block_on(self.recv())
    }
}

/// What [`Receiver::recv`] returns.
#[must_use = "nothing is received until it is awaited"]
pub struct Recv<'a, T, F: Flavour = Local> {
    receiver: &'a mut Receiver<T, F>,
    asked: &'static Location<'static>,
}

impl<T, F: Flavour> Future for Recv<'_, T, F> {
    type Output = Option<T>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let Self { receiver, asked } = self.get_mut();
        receiver.shared.poll_get(&mut receiver.turn, cx, (Kind::Receive, asked))
    }
}

impl<T, F: Flavour> Drop for Recv<'_, T, F> {
    #[inline]
    fn drop(&mut self) {
        self.receiver.stop_waiting();
    }
}

impl<T, F: Flavour> Stream for Receiver<T, F> {
    type Item = T;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.get_mut().poll_recv(cx)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        // Other receivers may take them all.
        (0, None)
    }
}

impl<T, F: Flavour> Unpin for Receiver<T, F> {}

impl<T, F: Flavour> Clone for Receiver<T, F> {
    fn clone(&self) -> Self {
        self.shared.update(|state, _| state.getters += 1);
        Self { shared: self.shared.clone(), turn: Turn::new() }
    }
}

impl<T, F: Flavour> Drop for Receiver<T, F> {
    fn drop(&mut self) {
        self.shared.drop_getter(&mut self.turn);
    }
}

impl<T, F: Flavour> fmt::Debug for Receiver<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.debug(f, "Receiver")
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
