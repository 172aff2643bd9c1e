//! The names of [`oneshot`](crate::oneshot), for threads.

use crate::flavour::Shared;
use std::panic::Location;

pub use crate::oneshot::{RecvError, TryRecvError};

/// [`oneshot::Sender`](crate::oneshot::Sender) of this flavour.
pub type Sender<T> = crate::oneshot::Sender<T, Shared>;
/// [`oneshot::Receiver`](crate::oneshot::Receiver) of this flavour.
pub type Receiver<T> = crate::oneshot::Receiver<T, Shared>;
/// [`oneshot::Closed`](crate::oneshot::Closed) of this flavour.
pub type Closed<'a, T> = crate::oneshot::Closed<'a, T, Shared>;

/// Opens a channel for a single value. Both ends may be used from any thread and any executor. Dropping either end
/// tells the other.
///
/// The line of this call is remembered: reports name the channel by it.
///
/// ```
/// use futures_lite::future::block_on;
/// use runtime_sync::shared::oneshot;
///
/// let (sender, receiver) = oneshot::channel();
/// assert_eq!(sender.send("hello"), Ok(()));
/// assert_eq!(block_on(receiver), Ok("hello"));
/// ```
#[inline]
#[track_caller]
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    crate::oneshot::open(Location::caller())
}
