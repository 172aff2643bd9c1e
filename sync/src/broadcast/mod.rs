//! `broadcast`: every value to every receiver.
//!
//! The channel keeps the values that some receiver has yet to take, at most as many as its capacity; beyond that the
//! oldest makes room, and whoever had not taken it is told how many it missed. With each value stands how many
//! receivers are to take it *next*. So the first value kept is always one that somebody stands at; to move on, and to
//! go away, a receiver changes two counts, and what nobody needs any more is a run at the front.
//!
//! ```text
//!   missed │ kept, oldest first                    │ up to date
//!          │ value 7     value 8     value 9       │ (wait for value 10)
//!          │ 2 receivers 0 receivers 1 receiver    │ 4 receivers
//! ```

mod receiver;
mod sender;

use crate::{
    flavour::{Flavour, Guarded, Local, Parts, Pointer, Tally},
    observer::{Kind, Wait},
    wait_list::{LazyList, Queued, WaitList, Woken},
};
use std::{collections::VecDeque, error::Error, fmt, mem, panic::Location, ptr};

pub use receiver::{Receiver, Recv};
pub use sender::Sender;

/// Opens a channel on which every receiver gets every value that is sent while it is there; up to `capacity` values are
/// kept for those who are slow. The same as [`broadcast`](crate::broadcast()), for use on this thread.
///
/// The line of this call is remembered: reports name the channel by it.
///
/// ```
/// # futures_lite::future::block_on(async {
/// use runtime_sync::broadcast::{self, RecvError};
/// let (news, mut reader) = broadcast::channel(2);
/// let mut other = news.subscribe();
/// for edition in 1..=3 {
///     assert_eq!(news.send(edition).unwrap(), 2);
/// }
/// assert_eq!(reader.recv().await, Err(RecvError::Lagged(1))); // only two are kept
/// assert_eq!(reader.recv().await, Ok(2));
/// assert_eq!(reader.recv().await, Ok(3));
/// drop(news);
/// assert_eq!(reader.recv().await, Err(RecvError::Closed));
/// assert_eq!(other.len(), 2); // what was sent can still be received
/// # });
/// ```
///
/// # Panics
/// With a capacity of 0: a value must be kept somewhere until it is received.
#[track_caller]
pub fn channel<T>(capacity: usize) -> (Sender<T, Local>, Receiver<T, Local>) {
    open(capacity, Location::caller())
}

#[track_caller]
pub(crate) fn open<T, F: Flavour>(
    capacity: usize,
    created: &'static Location<'static>,
) -> (Sender<T, F>, Receiver<T, F>) {
    assert!(capacity > 0, "a broadcast channel keeps at least 1 value for its receivers, not 0");
    let channel = F::Pointer::new(Channel {
        state: F::Guarded::new(State::new()),
        tally: F::Tally::new(),
        capacity,
        created,
    });
    (Sender::new(channel.clone()), Receiver::new(channel))
}

/// There is no receiver to send to; the value comes back.
///
/// ```
/// use runtime_sync::broadcast::{SendError, channel};
/// let (sender, receiver) = channel(1);
/// drop(receiver);
/// assert_eq!(sender.send('x'), Err(SendError('x')));
/// assert!(sender.subscribe().is_empty());
/// assert_eq!(sender.send('y'), Err(SendError('y'))); // that receiver is gone, too
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SendError<T>(pub T);

/// Why [`Receiver::recv`] has no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecvError {
    /// All senders are gone, and everything they sent was received.
    Closed,
    /// The receiver was too slow: it missed that many values. The next call goes on with the oldest that is kept.
    Lagged(u64),
}

/// Why [`Receiver::try_recv`] has no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TryRecvError {
    /// None is there; one may come.
    Empty,
    /// See [`RecvError::Closed`].
    Closed,
    /// See [`RecvError::Lagged`].
    Lagged(u64),
}

/// The receiver was too slow, and missed that many values: what a stream of them has in their place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lagged(pub u64);

/// What all ends share.
struct Channel<T, F: Flavour> {
    state: F::Guarded<State<T, F>>,
    tally: F::Tally,
    capacity: usize,
    created: &'static Location<'static>,
}

struct State<T, F: Flavour> {
    kept: VecDeque<Kept<T, F>>,
    /// The number of the value that will be sent next; the first was 0. Those kept are the last before it.
    upcoming: u64,
    /// Receivers that have taken everything.
    up_to_date: usize,
    receivers: usize,
    senders: usize,
    /// Receivers that wait: all of them up to date.
    waiting: LazyList,
}

struct Kept<T, F: Flavour> {
    /// Shared, so that other people's `clone` and `drop` run while the state is free.
    value: F::Pointer<T>,
    /// Receivers that take this one next. At the front, those that missed some before it are counted in.
    standing: usize,
}

/// What a receiver gets next, and the number of the value after that.
type Taken<T, F> = (Result<<F as Parts>::Pointer<T>, RecvError>, u64);

/// What is left to do for a value that was sent.
struct Sent<T, F: Flavour> {
    receivers: usize,
    woken: Vec<Woken>,
    #[expect(dead_code, reason = "kept to be dropped in the right place")]
    overrun: Option<Kept<T, F>>,
}

impl<T, F: Flavour> State<T, F> {
    /// One sender, one receiver, nothing sent.
    fn new() -> Self {
        Self {
            kept: VecDeque::new(),
            upcoming: 0,
            up_to_date: 1,
            receivers: 1,
            senders: 1,
            waiting: LazyList::default(),
        }
    }

    /// The number of the oldest value kept.
    fn oldest(&self) -> u64 {
        self.upcoming - self.kept.len() as u64
    }

    /// Receivers whose next value is `index` places behind the oldest.
    fn standing(&mut self, index: usize) -> &mut usize {
        self.kept.get_mut(index).map_or(&mut self.up_to_date, |kept| &mut kept.standing)
    }

    /// Where a receiver stands whose next value has this number.
    fn place(&self, next: u64) -> usize {
        usize::try_from(next.saturating_sub(self.oldest())).expect("no more than are kept")
    }

    fn send(&mut self, value: F::Pointer<T>, capacity: usize) -> Result<Sent<T, F>, F::Pointer<T>> {
        if self.receivers == 0 {
            return Err(value);
        }
        let overrun = if self.kept.len() == capacity { self.kept.pop_front() } else { None };
        self.kept.push_back(Kept { value, standing: mem::take(&mut self.up_to_date) });
        if let Some(overrun) = &overrun {
            *self.standing(0) += overrun.standing;
        }
        self.upcoming += 1;
        let woken = self.waiting.get().map_or_else(Vec::new, |list| list.grant_all(0));
        Ok(Sent { receivers: self.receivers, woken, overrun })
    }

    /// Takes what a receiver gets next; `None`: it has to wait.
    fn take(&mut self, next: u64) -> Option<Taken<T, F>> {
        let oldest = self.oldest();
        if next < oldest {
            return Some((Err(RecvError::Lagged(oldest - next)), oldest));
        }
        let index = self.place(next);
        let Some(kept) = self.kept.get_mut(index) else {
            return (self.senders == 0).then_some((Err(RecvError::Closed), next));
        };
        let value = if index > 0 || kept.standing > 1 {
            kept.standing -= 1;
            let value = kept.value.clone();
            *self.standing(index + 1) += 1;
            value
        } else {
            let kept = self.kept.pop_front().expect("looked at just now");
            *self.standing(0) += 1;
            kept.value
        };
        Some((Ok(value), next + 1))
    }

    /// A receiver comes; says the number of its first value.
    fn subscribe(&mut self) -> u64 {
        self.receivers += 1;
        self.up_to_date += 1;
        self.upcoming
    }

    /// A receiver goes. Returns what it alone still needed.
    fn unsubscribe(&mut self, next: u64) -> Vec<Kept<T, F>> {
        let index = self.place(next);
        *self.standing(index) -= 1;
        self.receivers -= 1;
        let needed = self.kept.iter().position(|kept| kept.standing > 0);
        self.kept.drain(..needed.unwrap_or(self.kept.len())).collect()
    }

    /// Values that a receiver has yet to take, without those that it missed.
    fn len(&self, next: u64) -> usize {
        self.kept.len() - self.place(next)
    }
}

impl<T, F: Flavour> Queued for State<T, F> {
    type Which = ();

    #[inline]
    fn list(&mut self, (): ()) -> &mut WaitList {
        self.waiting.list(())
    }
}

impl<T, F: Flavour> Channel<T, F> {
    fn subscribe(&self) -> u64 {
        self.state.with(State::subscribe)
    }

    fn describe(&self, asked: &'static Location<'static>) -> Wait {
        let address = ptr::from_ref(self).addr();
        Wait { kind: Kind::Broadcast, created: self.created, asked, address, holder: None }
    }

    fn debug(
        &self,
        f: &mut fmt::Formatter<'_>,
        name: &str,
        len: impl FnOnce(&State<T, F>) -> usize,
    ) -> fmt::Result {
        let (len, receivers, senders) = self.state.with(|state| (len(state), state.receivers, state.senders));
        f.debug_struct(name)
            .field("len", &len)
            .field("receivers", &receivers)
            .field("senders", &senders)
            .field("created", &self.created)
            .finish_non_exhaustive()
    }
}

/// Measures that both ends have.
macro_rules! counts {
    ($end:ident) => {
        impl<T, F: Flavour> $end<T, F> {
            /// Receivers there are now.
            pub fn receiver_count(&self) -> usize {
                self.channel.state.with(|state| state.receivers)
            }

            /// Senders there are now.
            pub fn sender_count(&self) -> usize {
                self.channel.state.with(|state| state.senders)
            }

            /// How many values are kept for receivers that are slow.
            pub fn capacity(&self) -> usize {
                self.channel.capacity
            }
        }
    };
}
counts!(Sender);
counts!(Receiver);

impl<T> fmt::Debug for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SendError(..)")
    }
}

impl<T> fmt::Display for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there is no receiver to send to")
    }
}

impl<T> Error for SendError<T> {}

impl fmt::Display for Lagged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the receiver was too slow and missed {} values", self.0)
    }
}

impl Error for Lagged {}

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("all senders are gone, and no more values will come"),
            Self::Lagged(missed) => Lagged(*missed).fmt(f),
        }
    }
}

impl Error for RecvError {}

impl fmt::Display for TryRecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("no value was sent yet"),
            Self::Closed => RecvError::Closed.fmt(f),
            Self::Lagged(missed) => Lagged(*missed).fmt(f),
        }
    }
}

impl Error for TryRecvError {}
