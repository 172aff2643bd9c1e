//! `Queue`, `LifoQueue`, `PriorityQueue`: work for any number of consumers, and knowing when all of it is done.

use crate::{
    block::block_on,
    exchange::{Exchange, NoItem, Refusal, Store, UNBOUNDED, bounded_capacity},
    flavour::{Flavour, Local, Shared},
    observer::Kind,
    timed::{Elapsed, Timed},
    wait_list::Turn,
};
use std::{
    fmt,
    future::Future,
    panic::Location,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
    time::Duration,
};

pub use crate::{
    errors::{
        RecvError as GetError, RecvTimeoutError as GetTimeoutError, SendError as PutError,
        SendTimeoutError as PutTimeoutError, TryRecvError as TryGetError, TrySendError as TryPutError,
    },
    exchange::{Fifo, Lifo, Priority},
};

/// A queue that producers and consumers share by reference, or in an `Rc` (`Arc`, in the shared flavour).
///
/// Which item is next says its first parameter: `Queue` is first in, first out; `LifoQueue` a stack; `PriorityQueue`
/// gives the lowest first, and of equal ones the first that came in. Those who wait are served in the order of arrival,
/// and each item goes to one of them.
///
/// Every item put is *unfinished* until somebody who got it says [`task_done`](Queue::task_done);
/// [`join`](Queue::join) waits until none is.
///
/// Unlike a channel, it is not closed by dropping handles but by [`close`](Queue::close), which lets consumers drain it,
/// or [`close_now`](Queue::close_now).
///
/// ```
/// # futures_lite::future::block_on(async {
/// use runtime_sync::{LifoQueue, PriorityQueue, Queue};
///
/// let queue = Queue::bounded(2);
/// queue.put('a').await.unwrap();
/// queue.put('b').await.unwrap();
/// assert!(queue.is_full());
/// assert_eq!(queue.get().await, Ok('a'));
///
/// let stack = LifoQueue::unbounded();
/// stack.put(1).await.unwrap();
/// stack.put(2).await.unwrap();
/// assert_eq!(stack.get().await, Ok(2));
///
/// let urgent = PriorityQueue::unbounded();
/// urgent.put((30, "later")).await.unwrap();
/// urgent.put((10, "now")).await.unwrap();
/// assert_eq!(urgent.get().await, Ok((10, "now")));
/// # });
/// ```
///
/// The `Ord` of a priority queue's items runs while the queue is at work, and must not use that queue.
pub struct Queue<S: Store, F: Flavour = Local> {
    exchange: Exchange<S, F>,
}

impl<S: Store, F: Flavour> Queue<S, F> {
    /// A queue in which up to `capacity` items may wait; [`put`](Queue::put) waits for room. With 0, it waits until
    /// somebody waits for the item.
    ///
    /// # Panics
    /// With a capacity of more than 4,294,967,294.
    #[track_caller]
    pub fn bounded(capacity: usize) -> Self {
        Self { exchange: Exchange::new(bounded_capacity(capacity), Location::caller()) }
    }

    /// A queue in which any number of items may wait.
    #[track_caller]
    pub fn unbounded() -> Self {
        Self { exchange: Exchange::new(UNBOUNDED, Location::caller()) }
    }

    /// Puts an item in, waiting for room if there is none.
    ///
    /// # Errors
    /// [`PutError`] gives the item back if the queue is closed, before or meanwhile.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, nothing was put; the item is dropped with it, unless
    /// [`into_inner`](Put::into_inner) saves it.
    #[inline]
    #[track_caller]
    pub fn put(&self, item: S::Item) -> Put<'_, S, F> {
        Put { exchange: &self.exchange, item: Some(item), turn: Turn::new(), asked: Location::caller() }
    }

    /// Puts an item in if there is room and nobody waits for it.
    ///
    /// # Errors
    /// [`TryPutError`] gives the item back.
    ///
    /// ```
    /// use runtime_sync::{Queue, queue::TryPutError};
    /// let queue = Queue::bounded(1);
    /// queue.try_put(1).unwrap();
    /// assert_eq!(queue.try_put(2), Err(TryPutError::Full(2)));
    /// ```
    pub fn try_put(&self, item: S::Item) -> Result<(), TryPutError<S::Item>> {
        self.exchange.try_put(item).map_err(|(refusal, item)| match refusal {
            Refusal::Full => TryPutError::Full(item),
            Refusal::Closed => TryPutError::Closed(item),
        })
    }

    /// [`put`](Queue::put), for at most `limit`.
    ///
    /// # Errors
    /// [`PutTimeoutError`] gives the item back.
    ///
    /// # Panics
    /// If it has to wait and no runtime of ours runs on this thread: there is no timer. Wrap `put` in your executor's
    /// timeout then.
    #[track_caller]
    pub fn put_timeout(
        &self,
        item: S::Item,
        limit: Duration,
    ) -> impl Future<Output = Result<(), PutTimeoutError<S::Item>>> {
        let put = Timed::new(limit, self.put(item));
        async {
            let mut put = pin!(put);
            match put.as_mut().await {
                Ok(done) => done.map_err(|PutError(item)| PutTimeoutError::Closed(item)),
                Err(Elapsed) => Err(PutTimeoutError::Elapsed(put.wait().take_item())),
            }
        }
    }

    /// Takes the next item, waiting for one if there is none.
    ///
    /// # Errors
    /// [`GetError`] if the queue is closed and everything was taken.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, nothing was taken: an item that had been meant for it goes to the next.
    #[inline]
    #[track_caller]
    pub fn get(&self) -> Get<'_, S, F> {
        Get { exchange: &self.exchange, turn: Turn::new(), asked: Location::caller() }
    }

    /// Takes the next item, if there is one that nobody else waits for.
    ///
    /// # Errors
    /// [`TryGetError`] tells whether one may still come.
    ///
    /// ```
    /// use runtime_sync::{Queue, queue::TryGetError};
    /// let queue = Queue::<u8>::unbounded();
    /// assert_eq!(queue.try_get(), Err(TryGetError::Empty));
    /// queue.close();
    /// assert_eq!(queue.try_get(), Err(TryGetError::Closed));
    /// ```
    pub fn try_get(&self) -> Result<S::Item, TryGetError> {
        self.exchange.try_get().map_err(|none| match none {
            NoItem::Empty => TryGetError::Empty,
            NoItem::Ended => TryGetError::Closed,
        })
    }

    /// [`get`](Queue::get), for at most `limit`.
    ///
    /// # Errors
    /// [`GetTimeoutError`] tells whether one may still come.
    ///
    /// # Panics
    /// If it has to wait and no runtime of ours runs on this thread: there is no timer. Wrap `get` in your executor's
    /// timeout then.
    #[track_caller]
    pub fn get_timeout(&self, limit: Duration) -> impl Future<Output = Result<S::Item, GetTimeoutError>> {
        let get = Timed::new(limit, self.get());
        async {
            match get.await {
                Ok(got) => got.map_err(|GetError| GetTimeoutError::Closed),
                Err(Elapsed) => Err(GetTimeoutError::Elapsed),
            }
        }
    }

    /// Says that an item somebody got is done with. The last one lets those pass who [`join`](Queue::join).
    ///
    /// # Panics
    /// If that was said more often than items were put.
    #[track_caller]
    pub fn task_done(&self) {
        assert!(self.exchange.finish_one(), "task_done() was called more often than items were put in");
    }

    /// Waits until every item that was put is done with; passes at once if none is unfinished. Items dropped by
    /// [`close_now`](Queue::close_now) count as done.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// let queue = runtime_sync::Queue::unbounded();
    /// queue.put("job").await.unwrap();
    /// let worker = async {
    ///     queue.get().await.unwrap();
    ///     queue.task_done();
    /// };
    /// futures_lite::future::zip(queue.join(), worker).await;
    /// assert_eq!(queue.unfinished(), 0);
    /// # });
    /// ```
    ///
    /// # Cancel safety
    /// Nothing is lost by dropping it.
    #[track_caller]
    pub fn join(&self) -> Join<'_, S, F> {
        Join { exchange: &self.exchange, turn: Turn::new(), asked: Location::caller() }
    }

    /// Items put and not yet done with.
    pub fn unfinished(&self) -> usize {
        self.exchange.unfinished()
    }

    /// Takes no more items in: those who put get theirs back from now on. Consumers get what is there, then
    /// [`GetError`].
    pub fn close(&self) {
        self.exchange.close();
    }

    /// Closes it and drops what is there: consumers get [`GetError`] at once.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// let queue = runtime_sync::Queue::unbounded();
    /// queue.put(1).await.unwrap();
    /// queue.close_now();
    /// assert!(queue.get().await.is_err());
    /// queue.join().await; // nothing is left to be done
    /// # });
    /// ```
    pub fn close_now(&self) {
        self.exchange.abandon();
    }

    /// Whether it was closed.
    pub fn is_closed(&self) -> bool {
        self.exchange.is_closed()
    }

    /// Items that are there.
    pub fn len(&self) -> usize {
        self.exchange.len()
    }

    /// Whether no item is there.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether somebody who puts now has to wait.
    pub fn is_full(&self) -> bool {
        self.exchange.is_full()
    }

    /// How many items may wait; `None`: any number.
    pub fn capacity(&self) -> Option<usize> {
        self.exchange.capacity()
    }
}

impl<S: Store> Queue<S, Shared> {
    /// Blocks this thread until the item is in. For code outside of any executor: in a task it would stall the thread
    /// with all its tasks.
    ///
    /// # Errors
    /// [`PutError`] gives the item back if the queue is closed.
    #[track_caller]
    pub fn blocking_put(&self, item: S::Item) -> Result<(), PutError<S::Item>> {
        block_on(self.put(item))
    }

    /// Blocks this thread until an item is there. For code outside of any executor: in a task it would stall the thread
    /// with all its tasks.
    ///
    /// # Errors
    /// [`GetError`] if the queue is closed and everything was taken.
    #[track_caller]
    pub fn blocking_get(&self) -> Result<S::Item, GetError> {
        block_on(self.get())
    }
}

/// What [`Queue::put`] returns.
#[must_use = "nothing is put in until it is awaited"]
pub struct Put<'a, S: Store, F: Flavour = Local> {
    exchange: &'a Exchange<S, F>,
    /// `None` once it is in.
    item: Option<S::Item>,
    turn: Turn,
    asked: &'static Location<'static>,
}

/// Nobody points into it.
impl<S: Store, F: Flavour> Unpin for Put<'_, S, F> {}

impl<S: Store, F: Flavour> Put<'_, S, F> {
    /// Gives up and saves the item.
    ///
    /// # Panics
    /// If it was put in already.
    pub fn into_inner(mut self) -> S::Item {
        self.take_item()
    }

    fn take_item(&mut self) -> S::Item {
        self.item.take().expect("the item was put in already")
    }
}

impl<S: Store, F: Flavour> Future for Put<'_, S, F> {
    type Output = Result<(), PutError<S::Item>>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let put = ready!(this.exchange.poll_put(&mut this.item, &mut this.turn, cx, (Kind::Put, this.asked)));
        Poll::Ready(put.map_err(|()| PutError(this.take_item())))
    }
}

impl<S: Store, F: Flavour> Drop for Put<'_, S, F> {
    #[inline]
    fn drop(&mut self) {
        self.exchange.cancel_put(&mut self.turn);
    }
}

/// What [`Queue::get`] returns.
#[must_use = "nothing is taken until it is awaited"]
pub struct Get<'a, S: Store, F: Flavour = Local> {
    exchange: &'a Exchange<S, F>,
    turn: Turn,
    asked: &'static Location<'static>,
}

impl<S: Store, F: Flavour> Future for Get<'_, S, F> {
    type Output = Result<S::Item, GetError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { exchange, turn, asked } = self.get_mut();
        exchange.poll_get(turn, cx, (Kind::Get, asked)).map(|item| item.ok_or(GetError))
    }
}

impl<S: Store, F: Flavour> Drop for Get<'_, S, F> {
    #[inline]
    fn drop(&mut self) {
        self.exchange.cancel_get(&mut self.turn);
    }
}

/// What [`Queue::join`] returns.
#[must_use = "a future does nothing until it is awaited"]
pub struct Join<'a, S: Store, F: Flavour = Local> {
    exchange: &'a Exchange<S, F>,
    turn: Turn,
    asked: &'static Location<'static>,
}

impl<S: Store, F: Flavour> Future for Join<'_, S, F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { exchange, turn, asked } = self.get_mut();
        exchange.poll_join(turn, cx, asked)
    }
}

impl<S: Store, F: Flavour> Drop for Join<'_, S, F> {
    fn drop(&mut self) {
        self.exchange.cancel_join(&mut self.turn);
    }
}

impl<S: Store, F: Flavour> fmt::Debug for Queue<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.exchange.debug(f, "Queue")
    }
}

/// The waits of a queue describe themselves alike.
macro_rules! debug {
    ($($wait:ident),*) => {$(
        impl<S: Store, F: Flavour> fmt::Debug for $wait<'_, S, F> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($wait))
                    .field("asked", &self.asked)
                    .field("waits", &self.turn.is_waiting())
                    .finish()
            }
        }
    )*};
}
debug!(Put, Get, Join);
