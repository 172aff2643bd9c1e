//! One value, once, from one place to another: how a result leaves the thread that computed it.

use crate::block::block_on;
use crate::primitives::{Arc, Mutex, MutexGuard, lock};
use std::{
    error::Error,
    fmt,
    future::{Future, poll_fn},
    mem,
    pin::Pin,
    task::{Context, Poll, Waker},
};

/// Opens a channel for a single value.
///
/// Both ends may be used from any thread and any executor. Dropping either end tells the other.
///
/// ```
/// use futures_lite::future::block_on;
/// use runtime_sync::shared::oneshot;
///
/// let (sender, receiver) = oneshot::channel();
/// assert_eq!(sender.send("hello"), Ok(()));
/// assert_eq!(block_on(receiver), Ok("hello"));
/// ```
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let shared =
        Arc::new(Shared { state: Mutex::new(State { slot: Slot::Open, sender: None, receiver: None }) });
    (Sender { shared: Some(Arc::clone(&shared)) }, Receiver { shared })
}

/// The end that gives the value; [`send`](Sender::send) uses it up.
///
/// Dropped without sending, it makes the receiver get [`RecvError`].
pub struct Sender<T> {
    /// `None` only from `send` to the drop that follows it.
    shared: Option<Arc<Shared<T>>>,
}

/// The end that takes the value: a future of it.
///
/// After the value was taken, or once the sender is gone without one, it gives [`RecvError`] each time it is
/// polled. Dropping it drops a value that was sent and not taken, on the thread that drops the receiver.
///
/// # Cancel safety
/// Polling it takes the value only together with returning it, so `(&mut receiver).await` may be dropped and
/// started again.
pub struct Receiver<T> {
    shared: Arc<Shared<T>>,
}

/// The sender went away without sending, or the receiver was closed before it did, or the value was taken
/// already: no value will come.
///
/// ```
/// use runtime_sync::shared::oneshot;
/// let (sender, receiver) = oneshot::channel::<u8>();
/// drop(sender);
/// assert_eq!(receiver.blocking_recv(), Err(oneshot::RecvError));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecvError;

/// Why [`Receiver::try_recv`] has no value.
///
/// ```
/// use runtime_sync::shared::oneshot::{TryRecvError, channel};
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

struct Shared<T> {
    state: Mutex<State<T>>,
}

struct State<T> {
    slot: Slot<T>,
    /// Wakes the task in [`Sender::poll_closed`].
    sender: Option<Waker>,
    /// Wakes the task that awaits the [`Receiver`].
    receiver: Option<Waker>,
}

/// Where the value is. Exactly one side owns it at any time: the sender until `send` says `Ok`, from then on the
/// receiver, or the receiver's drop.
///
/// ```text
///             Sender::send                Receiver: poll, try_recv, drop
///      Open ────────────────▶ Sent(T) ────────────────────────────────▶ Done
///       │  Sender: drop                                                  ▲
///       │  Receiver: close, drop                                         │
///       └────────────────────────────────────────────────────────────────┘
/// ```
enum Slot<T> {
    /// Both ends are there and may still meet.
    Open,
    /// Sent and not yet taken. The sender is gone.
    Sent(T),
    /// No value now, none to come. While the sender lives this means that the receiver refused.
    Done,
}

impl<T> Sender<T> {
    /// Hands the value over and wakes the receiver.
    ///
    /// `Ok` means that the value is the receiver's: it will take it, or drop it with itself.
    ///
    /// ```
    /// use runtime_sync::shared::oneshot;
    /// let (sender, receiver) = oneshot::channel();
    /// drop(receiver);
    /// assert_eq!(sender.send(String::from("back")), Err(String::from("back")));
    /// ```
    ///
    /// # Errors
    /// Gives the value back if the receiver is closed or gone.
    pub fn send(mut self, value: T) -> Result<(), T> {
        let shared = self.shared.take().expect("send runs once");
        let (receiver, sender) = {
            let mut state = shared.lock();
            match state.slot {
                Slot::Open => state.slot = Slot::Sent(value),
                Slot::Sent(_) | Slot::Done => return Err(value),
            }
            (state.receiver.take(), state.sender.take())
        };
        if let Some(waker) = receiver {
            waker.wake();
        }
        drop(sender); // left by `poll_closed`; released out here because its drop may be anything
        Ok(())
    }

    /// Whether the receiver is closed or gone, so that a value would come back.
    ///
    /// `false` may be out of date as soon as it is returned; `true` is final.
    ///
    /// ```
    /// use runtime_sync::shared::oneshot;
    /// let (sender, receiver) = oneshot::channel::<u8>();
    /// assert!(!sender.is_closed());
    /// drop(receiver);
    /// assert!(sender.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.shared().lock().slot.is_done()
    }

    /// Resolves when the receiver is closed or gone: nobody wants the value any more.
    ///
    /// ```
    /// use futures_lite::future::{block_on, or, pending};
    /// use runtime_sync::shared::oneshot;
    ///
    /// let (mut sender, receiver) = oneshot::channel::<u8>();
    /// drop(receiver);
    /// // Work that stops as soon as its result has become pointless:
    /// block_on(or(pending(), sender.closed()));
    /// ```
    ///
    /// # Cancel safety
    /// Nothing is lost by dropping it, and its waker does not stay behind.
    pub async fn closed(&mut self) {
        struct Wait<'a, T>(&'a mut Sender<T>);
        impl<T> Drop for Wait<'_, T> {
            fn drop(&mut self) {
                let waker = self.0.shared().lock().sender.take();
                drop(waker);
            }
        }
        let wait = Wait(self);
        poll_fn(|cx| wait.0.shared().poll_closed(cx)).await;
    }

    /// The form of [`closed`](Sender::closed) for hand-written futures. The waker of the latest call counts.
    ///
    /// ```
    /// use runtime_sync::shared::oneshot;
    /// use std::task::{Context, Poll, Waker};
    ///
    /// let (mut sender, receiver) = oneshot::channel::<u8>();
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert_eq!(sender.poll_closed(&mut cx), Poll::Pending);
    /// drop(receiver);
    /// assert_eq!(sender.poll_closed(&mut cx), Poll::Ready(()));
    /// ```
    pub fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.shared().poll_closed(cx)
    }

    fn shared(&self) -> &Shared<T> {
        self.shared.as_ref().expect("only `send` takes it, together with the sender")
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let Some(shared) = self.shared.take() else { return };
        let (receiver, sender) = {
            let mut state = shared.lock();
            if !state.slot.is_done() {
                state.slot = Slot::Done; // `Sent` cannot be: `send` left nothing for this drop
            }
            (state.receiver.take(), state.sender.take())
        };
        if let Some(waker) = receiver {
            waker.wake();
        }
        drop(sender);
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("oneshot::Sender").field("is_closed", &self.is_closed()).finish()
    }
}

impl<T> Receiver<T> {
    /// Takes the value if it is there, without waiting.
    ///
    /// ```
    /// use runtime_sync::shared::oneshot::{TryRecvError, channel};
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
        let mut state = self.shared.lock();
        match state.slot.take() {
            Some(result) => result.map_err(|RecvError| TryRecvError::Closed),
            None => Err(TryRecvError::Empty),
        }
    }

    /// Refuses a value that was not sent yet: from now on `send` gives it back. One that was sent already stays
    /// and can still be taken.
    ///
    /// ```
    /// use runtime_sync::shared::oneshot;
    /// let (sender, mut receiver) = oneshot::channel();
    /// receiver.close();
    /// assert_eq!(sender.send(7), Err(7));
    /// ```
    pub fn close(&mut self) {
        let sender = {
            let mut state = self.shared.lock();
            if matches!(state.slot, Slot::Open) {
                state.slot = Slot::Done;
            }
            state.sender.take()
        };
        if let Some(waker) = sender {
            waker.wake();
        }
    }

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

impl<T> Future for Receiver<T> {
    type Output = Result<T, RecvError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.shared.poll(cx, |state| state.slot.take().ok_or(&mut state.receiver))
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let (slot, sender, receiver) = {
            let mut state = self.shared.lock();
            (mem::replace(&mut state.slot, Slot::Done), state.sender.take(), state.receiver.take())
        };
        if let Some(waker) = sender {
            waker.wake();
        }
        drop((slot, receiver));
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slot = match self.shared.lock().slot {
            Slot::Open => "open",
            Slot::Sent(_) => "sent",
            Slot::Done => "done",
        };
        f.debug_struct("oneshot::Receiver").field("state", &format_args!("{slot}")).finish()
    }
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        lock(&self.state)
    }

    fn poll_closed(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll(cx, |state| if state.slot.is_done() { Ok(()) } else { Err(&mut state.sender) })
    }

    /// Asks `check` for the result; if there is none, leaves the waker in the place that `check` names instead.
    ///
    /// Cloning a waker runs code that is not ours, hence the order: look, let go of the lock, clone, look again.
    fn poll<R>(
        &self,
        cx: &mut Context<'_>,
        check: impl Fn(&mut State<T>) -> Result<R, &mut Option<Waker>>,
    ) -> Poll<R> {
        match check(&mut self.lock()) {
            Ok(result) => return Poll::Ready(result),
            Err(Some(known)) if known.will_wake(cx.waker()) => return Poll::Pending,
            Err(_) => {}
        }
        let mut waker = Some(cx.waker().clone());
        let outcome = match check(&mut self.lock()) {
            Ok(result) => Poll::Ready(result),
            Err(place) => {
                mem::swap(place, &mut waker);
                Poll::Pending
            }
        };
        drop(waker); // the old one, or the new one not needed: with the lock released
        outcome
    }
}

impl<T> Slot<T> {
    fn is_done(&self) -> bool {
        matches!(self, Self::Done)
    }

    /// Takes what the receiver is to get; `None` while that is not known.
    fn take(&mut self) -> Option<Result<T, RecvError>> {
        match mem::replace(self, Self::Done) {
            Self::Sent(value) => Some(Ok(value)),
            Self::Done => Some(Err(RecvError)),
            Self::Open => {
                *self = Self::Open;
                None
            }
        }
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
