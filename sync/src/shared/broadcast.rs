//! The names of [`broadcast`](mod@crate::broadcast), for threads. As several threads may clone one value at a time,
//! the ends cross threads if it is `Send + Sync`.

use crate::flavour::Shared;
use std::panic::Location;

pub use crate::broadcast::{Lagged, RecvError, SendError, TryRecvError};

/// [`broadcast::Sender`](crate::broadcast::Sender) of this flavour.
pub type Sender<T> = crate::broadcast::Sender<T, Shared>;
/// [`broadcast::Receiver`](crate::broadcast::Receiver) of this flavour.
pub type Receiver<T> = crate::broadcast::Receiver<T, Shared>;
/// [`broadcast::Recv`](crate::broadcast::Recv) of this flavour.
pub type Recv<'a, T> = crate::broadcast::Recv<'a, T, Shared>;

/// Opens a channel on which every receiver gets every value that is sent while it is there; up to `capacity` values are
/// kept for those who are slow. The same as [`shared::broadcast`](crate::shared::broadcast()).
///
/// ```
/// # futures_lite::future::block_on(async {
/// let (sender, mut receiver) = runtime_sync::shared::broadcast::channel(2);
/// let thread = std::thread::Builder::new().spawn(move || sender.send(7)).unwrap();
/// assert_eq!(receiver.recv().await, Ok(7));
/// assert_eq!(thread.join().unwrap(), Ok(1));
/// # });
/// ```
///
/// # Panics
/// With a capacity of 0: a value must be kept somewhere until it is received.
#[track_caller]
pub fn channel<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    crate::broadcast::open(capacity, Location::caller())
}
