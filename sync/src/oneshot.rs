//! One value, once, from one place to another: how a result leaves the task, or the thread, that computed it.
//!
//! There is one waiter at each end, so none needs a queue: the channel is a single small allocation.

use crate::{
    block::block_on,
    flavour::{Flavour, Guarded, Local, Pointer, Shared},
    observer::{Kind, Wait},
    wait_list::{Alone, Begun, Woken},
};
use std::{
    error::Error,
    fmt,
    future::Future,
    mem,
    panic::Location,
    pin::Pin,
    ptr,
    task::{Context, Poll},
};

/// Opens a channel for a single value, for use on this thread; the one for several is
/// [`shared::oneshot`](crate::shared::oneshot). Dropping either end tells the other.
///
/// The line of this call is remembered: reports name the channel by it.
///
/// ```
/// use futures_lite::future::block_on;
/// use runtime_sync::oneshot;
///
/// let (sender, receiver) = oneshot::channel();
/// assert_eq!(sender.send("hello"), Ok(()));
/// assert_eq!(block_on(receiver), Ok("hello"));
/// ```
#[inline]
#[track_caller]
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    open(Location::caller())
}

#[inline]
pub(crate) fn open<T, F: Flavour>(created: &'static Location<'static>) -> (Sender<T, F>, Receiver<T, F>) {
    let state = F::Guarded::new(State::Open(Waiting::default()));
    let channel = F::Pointer::new(Channel { state });
    (Sender { channel: Some(channel.clone()), created }, Receiver { channel, created })
}

/// The end that gives the value; [`send`](Sender::send) uses it up.
///
/// Dropped without sending, it makes the receiver get [`RecvError`].
pub struct Sender<T, F: Flavour = Local> {
    /// `None` only from `send` to the drop that follows it.
    channel: Option<F::Pointer<Channel<T, F>>>,
    created: &'static Location<'static>,
}

/// The end that takes the value: a future of it.
///
/// After the value was taken, or once the sender is gone without one, it gives [`RecvError`] each time it is
/// polled. Dropping it drops a value that was sent and not taken, on the thread that drops the receiver.
///
/// # Cancel safety
/// Polling it takes the value only together with returning it, so `(&mut receiver).await` may be dropped and
/// started again.
pub struct Receiver<T, F: Flavour = Local> {
    channel: F::Pointer<Channel<T, F>>,
    created: &'static Location<'static>,
}

/// The sender went away without sending, or the receiver was closed before it did, or the value was taken
/// already: no value will come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecvError;

/// Why [`Receiver::try_recv`] has no value.
///
/// ```
/// use runtime_sync::oneshot::{TryRecvError, channel};
/// let (sender, mut receiver) = channel::<u8>();
/// assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
/// drop(sender);
/// assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TryRecvError {
    /// Not yet: the sender is still there.
    Empty,
    /// Never: see [`RecvError`].
    Closed,
}

/// What the two ends share: with a value of up to two words, 64 bytes.
struct Channel<T, F: Flavour> {
    state: F::Guarded<State<T>>,
}

/// Where the value is, and who waits. Exactly one side owns the value at any time: the sender until `send` says `Ok`,
/// from then on the receiver, or the receiver's drop.
///
/// ```text
///             Sender::send                      Receiver: poll, try_recv, drop
///      Open ────────────────▶ Over with a value ──────────────────────────────▶ Over without
///       │  Sender: drop                                                               ▲
///       │  Receiver: close, drop                                                      │
///       └─────────────────────────────────────────────────────────────────────────────┘
/// ```
enum State<T> {
    /// Both ends are there and may still meet.
    Open(Waiting),
    /// With a value: sent and not yet taken; the sender is gone. Without: none will come; while the sender lives this
    /// means that the receiver refused.
    Over {
        value: Option<T>,
        /// The receiver's wait, until it takes notice: it ends on the receiver's thread. On one thread it is over at once,
        /// as nobody but that receiver could have use of what it was granted.
        begun: Option<Begun>,
    },
}

/// Who waits while the channel is open.
#[derive(Default)]
struct Waiting {
    /// The task that awaits the [`Receiver`].
    receiver: Option<Alone>,
    /// The task in [`Sender::poll_closed`]. Boxed: it is rare, and shall not take every channel's room.
    sender: Option<Box<Alone>>,
}

/// What is left to do for those who waited, once the state is released.
#[derive(Default)]
struct Left {
    receiver: Option<Woken>,
    /// Ends when it is dropped.
    begun: Option<Begun>,
    sender: Option<Box<Alone>>,
}

impl<T, F: Flavour> Sender<T, F> {
    /// Hands the value over and wakes the receiver.
    ///
    /// `Ok` means that the value is the receiver's: it will take it, or drop it with itself.
    ///
    /// ```
    /// use runtime_sync::oneshot;
    /// let (sender, receiver) = oneshot::channel();
    /// drop(receiver);
    /// assert_eq!(sender.send(String::from("back")), Err(String::from("back")));
    /// ```
    ///
    /// # Errors
    /// Gives the value back if the receiver is closed or gone.
    #[inline]
    pub fn send(mut self, value: T) -> Result<(), T> {
        let channel = self.channel.take().expect("send runs once");
        let left = channel.state.with(|state| match state {
            State::Open(_) => Ok(state.leave_open::<F>(Some(value))),
            State::Over { .. } => Err(value),
        })?;
        left.wake_receiver();
        Ok(())
    }

    /// Whether the receiver is closed or gone, so that a value would come back.
    ///
    /// `false` may be out of date as soon as it is returned; `true` is final.
    ///
    /// ```
    /// use runtime_sync::oneshot;
    /// let (sender, receiver) = oneshot::channel::<u8>();
    /// assert!(!sender.is_closed());
    /// drop(receiver);
    /// assert!(sender.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.channel().state.with(|state| matches!(state, State::Over { .. }))
    }

    /// Resolves when the receiver is closed or gone: nobody wants the value any more.
    ///
    /// ```
    /// use futures_lite::future::{block_on, or, pending};
    /// use runtime_sync::oneshot;
    ///
    /// let (mut sender, receiver) = oneshot::channel::<u8>();
    /// drop(receiver);
    /// // Work that stops as soon as its result has become pointless:
    /// block_on(or(pending(), sender.closed()));
    /// ```
    ///
    /// # Cancel safety
    /// Nothing is lost by dropping it, and its waker does not stay behind.
    #[track_caller]
    pub fn closed(&mut self) -> Closed<'_, T, F> {
        Closed { sender: self, waits: false, asked: Location::caller() }
    }

    /// The form of [`closed`](Sender::closed) for hand-written futures. The waker of the latest call counts.
    ///
    /// ```
    /// use runtime_sync::oneshot;
    /// use std::task::{Context, Poll, Waker};
    ///
    /// let (mut sender, receiver) = oneshot::channel::<u8>();
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert_eq!(sender.poll_closed(&mut cx), Poll::Pending);
    /// drop(receiver);
    /// assert_eq!(sender.poll_closed(&mut cx), Poll::Ready(()));
    /// ```
    #[track_caller]
    pub fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_watch(cx, Location::caller())
    }

    fn poll_watch(&mut self, cx: &Context<'_>, asked: &'static Location<'static>) -> Poll<()> {
        let known = self.channel().state.with(|state| match state {
            State::Open(Waiting { sender: Some(known), .. }) => Some(known.will_wake(cx.waker())),
            State::Open(_) => Some(false),
            State::Over { .. } => None,
        });
        match known {
            None => return Poll::Ready(()),
            Some(true) => return Poll::Pending,
            Some(false) => {}
        }
        let wait = self.channel().describe(self.created, asked);
        let mut watcher = Some(Box::new(Alone::new(cx, &wait, !F::IS_LOCAL)));
        let polled = self.channel().state.with(|state| match state {
            State::Open(waiting) => {
                mem::swap(&mut waiting.sender, &mut watcher);
                Poll::Pending
            }
            State::Over { .. } => Poll::Ready(()),
        });
        drop(watcher); // the one before, or the new one that was not needed: with the state released
        polled
    }

    fn channel(&self) -> &Channel<T, F> {
        self.channel.as_deref().expect("only `send` takes it, together with the sender")
    }
}

impl<T, F: Flavour> Drop for Sender<T, F> {
    #[inline]
    fn drop(&mut self) {
        if let Some(channel) = self.channel.take() {
            abandon(&*channel);
        }
    }
}

/// Nothing is sent. Out of line, so that the end of `send` is free of it.
#[inline(never)]
fn abandon<T, F: Flavour>(channel: &Channel<T, F>) {
    channel.state.with(|state| state.leave_open::<F>(None)).wake_receiver();
}

/// What [`Sender::closed`] returns.
#[must_use = "a future does nothing until it is awaited"]
pub struct Closed<'a, T, F: Flavour = Local> {
    sender: &'a mut Sender<T, F>,
    waits: bool,
    asked: &'static Location<'static>,
}

impl<T, F: Flavour> Future for Closed<'_, T, F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let polled = this.sender.poll_watch(cx, this.asked);
        this.waits = polled.is_pending();
        polled
    }
}

impl<T, F: Flavour> Drop for Closed<'_, T, F> {
    fn drop(&mut self) {
        if self.waits {
            let watcher = self.sender.channel().state.with(|state| match state {
                State::Open(waiting) => waiting.sender.take(),
                State::Over { .. } => None,
            });
            drop(watcher);
        }
    }
}

impl<T, F: Flavour> Receiver<T, F> {
    /// Takes the value if it is there, without waiting.
    ///
    /// ```
    /// use runtime_sync::oneshot::{TryRecvError, channel};
    /// let (sender, mut receiver) = channel();
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    /// sender.send(7).unwrap();
    /// assert_eq!(receiver.try_recv(), Ok(7));
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
    /// ```
    ///
    /// # Errors
    /// [`TryRecvError::Empty`] if a value may still come, [`TryRecvError::Closed`] if none will.
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        let (result, begun) = self.channel.state.with(|state| match state {
            State::Open(_) => (Err(TryRecvError::Empty), None),
            State::Over { value, begun } => (value.take().ok_or(TryRecvError::Closed), begun.take()),
        });
        drop(begun);
        result
    }

    /// Refuses a value that was not sent yet: from now on `send` gives it back. One that was sent already stays
    /// and can still be taken.
    ///
    /// ```
    /// use runtime_sync::oneshot;
    /// let (sender, mut receiver) = oneshot::channel();
    /// receiver.close();
    /// assert_eq!(sender.send(7), Err(7));
    /// ```
    pub fn close(&mut self) {
        self.channel.state.with(|state| state.leave_open::<F>(None)).wake_sender();
    }

    /// Nothing is there, so far as is known: leaves a waker, unless something came meanwhile.
    #[inline(never)]
    fn wait(&mut self, cx: &Context<'_>) -> Poll<Result<T, RecvError>> {
        let wait = self.channel.describe(self.created, self.created);
        let mut waiter = Some(Alone::new(cx, &wait, !F::IS_LOCAL));
        let result = self.channel.state.with(|state| match state {
            State::Open(waiting) => {
                mem::swap(&mut waiting.receiver, &mut waiter);
                None
            }
            State::Over { value, begun } => Some((value.take(), begun.take())),
        });
        drop(waiter); // the one before, or the new one that was not needed: with the state released
        result.map_or(Poll::Pending, |(value, _)| Poll::Ready(value.ok_or(RecvError)))
    }
}

impl<T> Receiver<T, Shared> {
    /// Blocks this thread until the value comes. For code outside of any executor: called in a task it would
    /// stall the thread with all its tasks, the one that sends perhaps among them.
    ///
    /// ```
    /// use runtime_sync::shared::oneshot;
    /// let (sender, receiver) = oneshot::channel();
    /// let thread = std::thread::Builder::new().spawn(move || receiver.blocking_recv()).unwrap();
    /// sender.send('x').unwrap();
    /// assert_eq!(thread.join().unwrap(), Ok('x'));
    /// ```
    ///
    /// # Errors
    /// [`RecvError`] if no value will come.
    pub fn blocking_recv(self) -> Result<T, RecvError> {
        block_on(self)
    }
}

impl<T, F: Flavour> Future for Receiver<T, F> {
    type Output = Result<T, RecvError>;

    /// It takes no budget: to be ready it needs a sender of its own, and whoever makes those is not this task alone,
    /// or does the work of both.
    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let looked = this.channel.state.with(|state| match state {
            State::Over { value, begun } => Ok((value.take(), begun.take())),
            State::Open(Waiting { receiver: Some(known), .. }) => Err(known.will_wake(cx.waker())),
            State::Open(_) => Err(false),
        });
        match looked {
            Ok((value, _)) => Poll::Ready(value.ok_or(RecvError)),
            Err(true) => Poll::Pending,
            Err(false) => this.wait(cx),
        }
    }
}

impl<T, F: Flavour> Unpin for Receiver<T, F> {}

impl<T, F: Flavour> Drop for Receiver<T, F> {
    #[inline]
    fn drop(&mut self) {
        let is_done = |state: &mut State<T>| matches!(state, State::Over { value: None, begun: None });
        if !self.channel.state.with(is_done) {
            withdraw(&*self.channel);
        }
    }
}

/// Nothing is received. Out of line, so that the end of a receiver that did is free of it.
#[inline(never)]
fn withdraw<T, F: Flavour>(channel: &Channel<T, F>) {
    let (value, begun, left) = channel.state.with(|state| {
        let left = state.leave_open::<F>(None);
        match state {
            State::Over { value, begun } => (value.take(), begun.take(), left),
            State::Open(_) => (None, None, left),
        }
    });
    drop(begun);
    left.wake_sender();
    drop(value);
}

impl<T, F: Flavour> Channel<T, F> {
    fn describe(&self, created: &'static Location<'static>, asked: &'static Location<'static>) -> Wait {
        let address = ptr::from_ref(self).addr();
        Wait { kind: Kind::Oneshot, created, asked, address, holder: None }
    }
}

impl<T> State<T> {
    /// From `Open` to `Over`; from there, nowhere.
    #[inline]
    fn leave_open<F: Flavour>(&mut self, value: Option<T>) -> Left {
        let Self::Open(waiting) = self else { return Left::default() };
        let Waiting { receiver, sender } = mem::take(waiting);
        let (receiver, begun) = receiver.map(Alone::grant).unzip();
        let begun = begun.flatten();
        let (begun, unnoticed) = if F::IS_LOCAL { (begun, None) } else { (None, begun) };
        // Nobody is left in what it was; so the compiler need not look.
        mem::forget(mem::replace(self, Self::Over { value, begun: unnoticed }));
        Left { receiver, begun, sender }
    }
}

impl Left {
    #[inline]
    fn wake_receiver(self) {
        drop(self.begun);
        if let Some(receiver) = self.receiver {
            receiver.wake();
        }
    }

    #[inline]
    fn wake_sender(self) {
        if let Some(sender) = self.sender {
            sender.end();
        }
    }
}

impl<T, F: Flavour> fmt::Debug for Sender<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("oneshot::Sender").field("is_closed", &self.is_closed()).finish()
    }
}

impl<T, F: Flavour> fmt::Debug for Closed<'_, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("oneshot::Closed").field("asked", &self.asked).field("waits", &self.waits).finish()
    }
}

impl<T, F: Flavour> fmt::Debug for Receiver<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.channel.state.with(|state| match state {
            State::Open(_) => "open",
            State::Over { value: Some(_), .. } => "sent",
            State::Over { value: None, .. } => "done",
        });
        f.debug_struct("oneshot::Receiver").field("state", &format_args!("{state}")).finish()
    }
}

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the channel closed without a value")
    }
}

impl Error for RecvError {}

impl fmt::Display for TryRecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("no value was sent yet"),
            Self::Closed => RecvError.fmt(f),
        }
    }
}

impl Error for TryRecvError {}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::{Channel, Local, Shared};

    #[test]
    fn a_channel_is_one_small_allocation() {
        let counts_of_owners = 2 * size_of::<usize>();
        assert!(counts_of_owners + size_of::<Channel<[usize; 2], Local>>() <= 64);
        assert!(counts_of_owners + size_of::<Channel<[usize; 2], Shared>>() <= 64);
    }
}
