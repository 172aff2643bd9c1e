//! The names of [`watch`](mod@crate::watch), for threads. As several threads may look at one value at a time, the ends
//! cross threads if it is `Send + Sync`.

use crate::flavour::Shared;
use std::panic::Location;

pub use crate::watch::{Closed, SendError};

/// [`watch::Sender`](crate::watch::Sender) of this flavour.
pub type Sender<T> = crate::watch::Sender<T, Shared>;
/// [`watch::Receiver`](crate::watch::Receiver) of this flavour.
pub type Receiver<T> = crate::watch::Receiver<T, Shared>;
/// [`watch::Snapshot`](crate::watch::Snapshot) of this flavour.
pub type Snapshot<T> = crate::watch::Snapshot<T, Shared>;
/// [`watch::Values`](crate::watch::Values) of this flavour.
pub type Values<T> = crate::watch::Values<T, Shared>;

/// Opens a channel that holds one value, at first `initial`, and tells its receivers of changes. The same as
/// [`shared::watch`](crate::shared::watch()).
///
/// ```
/// # futures_lite::future::block_on(async {
/// let (sender, mut receiver) = runtime_sync::shared::watch::channel(1);
/// let thread = std::thread::Builder::new().spawn(move || sender.send(2)).unwrap();
/// assert!(receiver.changed().await.is_ok());
/// assert_eq!(*receiver.borrow(), 2);
/// assert!(thread.join().unwrap().is_ok());
/// # });
/// ```
#[track_caller]
pub fn channel<T>(initial: T) -> (Sender<T>, Receiver<T>) {
    crate::watch::open(initial, Location::caller())
}
