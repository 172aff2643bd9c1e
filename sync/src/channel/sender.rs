//! The ends that send.

use crate::{
    block::block_on,
    errors::{SendError, SendTimeoutError, TrySendError},
    exchange::{Exchange, Fifo, Refusal},
    flavour::{Flavour, Local, Pointer, Shared},
    observer::Kind,
    timed::{Elapsed, Timed},
    wait_list::Turn,
};
use std::{
    fmt,
    future::Future,
    mem,
    panic::Location,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
    time::Duration,
};

/// The end that sends. Clones send into the same channel.
///
/// When the last is dropped, the receivers get what is still there, and then learn of the end.
pub struct Sender<T, F: Flavour = Local> {
    pub(super) shared: F::Pointer<Exchange<Fifo<T>, F>>,
}

/// A sender that does not keep the channel open; [`upgrade`](WeakSender::upgrade) makes a real one of it.
pub struct WeakSender<T, F: Flavour = Local> {
    pub(super) shared: F::Pointer<Exchange<Fifo<T>, F>>,
}

impl<T, F: Flavour> Sender<T, F> {
    /// Sends `item`, waiting for room if there is none.
    ///
    /// With capacity 0 it waits until a receiver waits, and hands the item to that one.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// let (sender, mut receiver) = runtime_sync::channel(1);
    /// sender.send("hello").await.unwrap();
    /// assert_eq!(receiver.recv().await, Some("hello"));
    /// drop(receiver);
    /// assert_eq!(sender.send("anybody?").await.unwrap_err().0, "anybody?");
    /// # });
    /// ```
    ///
    /// # Errors
    /// [`SendError`] gives the item back if the channel is closed, before or meanwhile.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, nothing was sent; the item is dropped with it, unless
    /// [`into_inner`](Send::into_inner) saves it. [`reserve`](Sender::reserve) waits without the item.
    #[inline]
    #[track_caller]
    pub fn send(&self, item: T) -> Send<'_, T, F> {
        Send { shared: &self.shared, item: Some(item), turn: Turn::new(), asked: Location::caller() }
    }

    /// Sends `item` if there is room and nobody waits for it.
    ///
    /// # Errors
    /// [`TrySendError`] gives the item back.
    pub fn try_send(&self, item: T) -> Result<(), TrySendError<T>> {
        self.shared.try_put(item).map_err(|(refusal, item)| match refusal {
            Refusal::Full => TrySendError::Full(item),
            Refusal::Closed => TrySendError::Closed(item),
        })
    }

    /// [`send`](Sender::send), for at most `limit`.
    ///
    /// # Errors
    /// [`SendTimeoutError`] gives the item back.
    ///
    /// # Panics
    /// If it has to wait and no runtime of ours runs on this thread: there is no timer. Wrap `send` in your
    /// executor's timeout then.
    ///
    /// # Cancel safety
    /// As [`send`](Sender::send).
    #[track_caller]
    pub fn send_timeout(
        &self,
        item: T,
        limit: Duration,
    ) -> impl Future<Output = Result<(), SendTimeoutError<T>>> {
        let send = Timed::new(limit, self.send(item));
        async {
            let mut send = pin!(send);
            match send.as_mut().await {
                Ok(sent) => sent.map_err(|SendError(item)| SendTimeoutError::Closed(item)),
                Err(Elapsed) => Err(SendTimeoutError::Elapsed(send.wait().take_item())),
            }
        }
    }

    /// Waits for room for one item and keeps it, so that sending into it takes no time and cannot be refused for want of
    /// room.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// let (sender, mut receiver) = runtime_sync::channel(1);
    /// let room = sender.reserve().await.unwrap();
    /// assert!(sender.try_send(1).is_err()); // the only place is taken
    /// room.send(2).unwrap();
    /// assert_eq!(receiver.recv().await, Some(2));
    /// # });
    /// ```
    ///
    /// # Errors
    /// If the channel is closed, before or meanwhile.
    ///
    /// # Cancel safety
    /// Dropping it gives the place in the queue up; room that had reached it goes to the next.
    #[track_caller]
    pub fn reserve(&self) -> Reserve<'_, T, F> {
        Reserve { shared: &self.shared, turn: Turn::new(), asked: Location::caller() }
    }

    /// [`reserve`](Sender::reserve) without waiting.
    ///
    /// # Errors
    /// [`TrySendError`], without an item.
    pub fn try_reserve(&self) -> Result<Reservation<'_, T, F>, TrySendError<()>> {
        match self.shared.update(|state, _| state.try_reserve()) {
            Ok(()) => Ok(Reservation { shared: &self.shared }),
            Err(Refusal::Full) => Err(TrySendError::Full(())),
            Err(Refusal::Closed) => Err(TrySendError::Closed(())),
        }
    }

    /// A sender that does not keep the channel open.
    ///
    /// ```
    /// let (sender, _receiver) = runtime_sync::channel::<u8>(1);
    /// let weak = sender.downgrade();
    /// assert!(weak.upgrade().is_some());
    /// drop(sender);
    /// assert!(weak.upgrade().is_none());
    /// ```
    pub fn downgrade(&self) -> WeakSender<T, F> {
        WeakSender { shared: self.shared.clone() }
    }

    /// Whether nothing more can be sent: the receivers are gone, or one has closed the channel.
    pub fn is_closed(&self) -> bool {
        self.shared.is_closed()
    }

    /// Whether both send into the same channel.
    pub fn same_channel(&self, other: &Self) -> bool {
        self.shared.is_same(&other.shared)
    }
}

impl<T, F: Flavour> WeakSender<T, F> {
    /// A real sender, unless the last one has gone: then the channel has ended.
    pub fn upgrade(&self) -> Option<Sender<T, F>> {
        let is_open = self.shared.update(|state, _| {
            let is_open = state.putters > 0;
            state.putters += u32::from(is_open);
            is_open
        });
        is_open.then(|| Sender { shared: self.shared.clone() })
    }
}

impl<T> Sender<T, Shared> {
    /// Blocks this thread until the item is sent. For code outside of any executor: in a task it would stall the
    /// thread with all its tasks, the receiver perhaps among them.
    ///
    /// # Errors
    /// [`SendError`] gives the item back if the channel is closed.
    #[track_caller]
    pub fn blocking_send(&self, item: T) -> Result<(), SendError<T>> {
        block_on(self.send(item))
    }
}

/// What [`Sender::send`] returns.
#[must_use = "nothing is sent until it is awaited"]
pub struct Send<'a, T, F: Flavour = Local> {
    shared: &'a Exchange<Fifo<T>, F>,
    /// `None` once it is sent.
    item: Option<T>,
    turn: Turn,
    asked: &'static Location<'static>,
}

/// Nobody points into it.
impl<T, F: Flavour> Unpin for Send<'_, T, F> {}

impl<T, F: Flavour> Send<'_, T, F> {
    /// Gives up and saves the item.
    ///
    /// # Panics
    /// If it was sent already.
    pub fn into_inner(mut self) -> T {
        self.take_item()
    }

    fn take_item(&mut self) -> T {
        self.item.take().expect("the item was sent already")
    }
}

impl<T, F: Flavour> Future for Send<'_, T, F> {
    type Output = Result<(), SendError<T>>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let put = ready!(this.shared.poll_put(&mut this.item, &mut this.turn, cx, (Kind::Send, this.asked)));
        Poll::Ready(put.map_err(|()| SendError(this.take_item())))
    }
}

impl<T, F: Flavour> Drop for Send<'_, T, F> {
    #[inline]
    fn drop(&mut self) {
        self.shared.cancel_put(&mut self.turn);
    }
}

/// What [`Sender::reserve`] returns.
#[must_use = "a future does nothing until it is awaited"]
pub struct Reserve<'a, T, F: Flavour = Local> {
    shared: &'a Exchange<Fifo<T>, F>,
    turn: Turn,
    asked: &'static Location<'static>,
}

impl<'a, T, F: Flavour> Future for Reserve<'a, T, F> {
    type Output = Result<Reservation<'a, T, F>, SendError<()>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { shared, turn, asked } = self.get_mut();
        let reserved = ready!(shared.poll_reserve(turn, cx, (Kind::Send, asked)));
        Poll::Ready(reserved.map(|()| Reservation { shared }).map_err(SendError))
    }
}

impl<T, F: Flavour> Drop for Reserve<'_, T, F> {
    fn drop(&mut self) {
        self.shared.cancel_put(&mut self.turn);
    }
}

/// Room for one item; dropped unused, it goes to the next who waits for room.
#[must_use = "the room is given back as soon as this is dropped"]
pub struct Reservation<'a, T, F: Flavour = Local> {
    shared: &'a Exchange<Fifo<T>, F>,
}

impl<T, F: Flavour> Reservation<'_, T, F> {
    /// Sends `item` into the room.
    ///
    /// # Errors
    /// [`SendError`] gives the item back if all receivers are gone.
    pub fn send(self, item: T) -> Result<(), SendError<T>> {
        let sent = self.shared.update(|state, wakes| state.put_reserved(item, wakes));
        mem::forget(self);
        sent.map_err(SendError)
    }
}

impl<T, F: Flavour> Drop for Reservation<'_, T, F> {
    fn drop(&mut self) {
        self.shared.update(|state, wakes| state.unreserve(wakes));
    }
}

impl<T, F: Flavour> Clone for Sender<T, F> {
    fn clone(&self) -> Self {
        self.shared.update(|state, _| state.putters += 1);
        Self { shared: self.shared.clone() }
    }
}

impl<T, F: Flavour> Drop for Sender<T, F> {
    fn drop(&mut self) {
        self.shared.update(|state, wakes| {
            state.putters -= 1;
            if state.putters == 0 {
                state.close(wakes);
            }
        });
    }
}

impl<T, F: Flavour> Clone for WeakSender<T, F> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<T, F: Flavour> fmt::Debug for Sender<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.debug(f, "Sender")
    }
}

impl<T, F: Flavour> fmt::Debug for WeakSender<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.debug(f, "WeakSender")
    }
}

impl<T, F: Flavour> fmt::Debug for Send<'_, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Send").field("asked", &self.asked).field("waits", &self.turn.is_waiting()).finish()
    }
}

impl<T, F: Flavour> fmt::Debug for Reserve<'_, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reserve").field("asked", &self.asked).field("waits", &self.turn.is_waiting()).finish()
    }
}

impl<T, F: Flavour> fmt::Debug for Reservation<'_, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.debug(f, "Reservation")
    }
}
