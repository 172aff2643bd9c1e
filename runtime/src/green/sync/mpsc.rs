//! [`std::sync::mpsc`] for greenlets: a receiver, and a sender that finds no room, are suspended.
//!
//! The errors are the standard library's own types. A greenlet that is killed while it receives has taken nothing; one that
//! is killed while it sends has sent nothing.
//!
//! ```
//! use runtime::green::{sync::mpsc, thread};
//!
//! # runtime::run(runtime::greenlet::run(|| {
//! let (sender, receiver) = mpsc::sync_channel(1);
//! thread::spawn(move || {
//!     for word in ["one", "at", "a", "time"] {
//!         sender.send(word).unwrap(); // waits for room
//!     }
//! });
//! assert_eq!(receiver.iter().collect::<Vec<_>>().join(" "), "one at a time");
//! # }));
//! ```

use crate::{
    green::waiting::{wait, wait_timeout},
    greenlet,
    sync::{
        channel::{self, Receiver as Source},
        flavour::Shared,
        shared,
    },
};
use std::{
    cell::Cell,
    fmt,
    panic::{RefUnwindSafe, UnwindSafe},
    time::Duration,
};

pub use std::sync::mpsc::{RecvError, RecvTimeoutError, SendError, TryRecvError, TrySendError};

/// A channel without limit. See [`std::sync::mpsc::channel`].
#[track_caller]
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let (sender, receiver) = shared::unbounded();
    (Sender { sender }, Receiver::new(receiver))
}

/// A channel in which `bound` items may wait; with 0 an item is sent when a receiver is there to take it. See
/// [`std::sync::mpsc::sync_channel`].
#[track_caller]
pub fn sync_channel<T>(bound: usize) -> (SyncSender<T>, Receiver<T>) {
    let (sender, receiver) = shared::channel(bound);
    (SyncSender { sender }, Receiver::new(receiver))
}

/// The sending half of [`channel()`]. See [`std::sync::mpsc::Sender`].
pub struct Sender<T> {
    sender: shared::Sender<T>,
}

/// The sending half of [`sync_channel`]. See [`std::sync::mpsc::SyncSender`].
pub struct SyncSender<T> {
    sender: shared::Sender<T>,
}

/// The receiving half. See [`std::sync::mpsc::Receiver`].
pub struct Receiver<T> {
    receiver: Source<T, Shared>,
    /// A clone to receive with, unless a greenlet waits with it: another that has a reference to this makes its own.
    spare: Cell<Option<Source<T, Shared>>>,
}

impl<T> UnwindSafe for Sender<T> {}
impl<T> RefUnwindSafe for Sender<T> {}
impl<T> UnwindSafe for SyncSender<T> {}
impl<T> RefUnwindSafe for SyncSender<T> {}
impl<T> UnwindSafe for Receiver<T> {}
impl<T> RefUnwindSafe for Receiver<T> {}

impl<T> Sender<T> {
    /// Sends, and never waits. See [`std::sync::mpsc::Sender::send`].
    ///
    /// # Errors
    /// If the receiver is gone; the item comes back.
    pub fn send(&self, item: T) -> Result<(), SendError<T>> {
        self.sender.try_send(item).map_err(|error| SendError(error.into_inner()))
    }
}

impl<T> SyncSender<T> {
    /// Sends, once there is room. See [`std::sync::mpsc::SyncSender::send`].
    ///
    /// # Errors
    /// If the receiver is gone, or goes meanwhile; the item comes back.
    ///
    /// # Panics
    /// Where it cannot wait (see the [module](super)) and there is no room.
    #[track_caller]
    pub fn send(&self, item: T) -> Result<(), SendError<T>> {
        let item = if greenlet::is_inside() {
            item
        } else {
            match self.sender.try_send(item) {
                Ok(()) => return Ok(()),
                Err(channel::TrySendError::Closed(item)) => return Err(SendError(item)),
                Err(channel::TrySendError::Full(item)) => item,
            }
        };
        wait("`SyncSender::send`", self.sender.send(item)).map_err(|error| SendError(error.into_inner()))
    }

    /// Sends, if there is room and nobody waits for it. See [`std::sync::mpsc::SyncSender::try_send`].
    ///
    /// # Errors
    /// If there is none, or if the receiver is gone; the item comes back.
    pub fn try_send(&self, item: T) -> Result<(), TrySendError<T>> {
        self.sender.try_send(item).map_err(|error| match error {
            channel::TrySendError::Full(item) => TrySendError::Full(item),
            channel::TrySendError::Closed(item) => TrySendError::Disconnected(item),
        })
    }
}

impl<T> Receiver<T> {
    fn new(receiver: Source<T, Shared>) -> Self {
        Self { receiver, spare: Cell::new(None) }
    }

    /// Waits for an item. See [`std::sync::mpsc::Receiver::recv`].
    ///
    /// # Errors
    /// If there is none, and all senders are gone.
    ///
    /// # Panics
    /// Where it cannot wait (see the [module](super)) and there is none.
    #[track_caller]
    pub fn recv(&self) -> Result<T, RecvError> {
        if !greenlet::is_inside() {
            match self.try_recv() {
                Ok(item) => return Ok(item),
                Err(TryRecvError::Disconnected) => return Err(RecvError),
                Err(TryRecvError::Empty) => {}
            }
        }
        self.with(|receiver| wait("`Receiver::recv`", receiver.recv())).ok_or(RecvError)
    }

    /// Takes an item, if one is there. See [`std::sync::mpsc::Receiver::try_recv`].
    ///
    /// # Errors
    /// If none is there; and whether one may still come.
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        self.with(Source::try_recv).map_err(|error| match error {
            channel::TryRecvError::Empty => TryRecvError::Empty,
            channel::TryRecvError::Closed => TryRecvError::Disconnected,
        })
    }

    /// [`recv`](Receiver::recv), for at most `timeout`. See [`std::sync::mpsc::Receiver::recv_timeout`].
    ///
    /// # Errors
    /// If the time is over, or if there is no item and all senders are gone.
    #[track_caller]
    pub fn recv_timeout(&self, timeout: Duration) -> Result<T, RecvTimeoutError> {
        let received = self.with(|receiver| wait_timeout(receiver.recv(), timeout));
        received.ok_or(RecvTimeoutError::Timeout)?.ok_or(RecvTimeoutError::Disconnected)
    }

    /// The items, as they come, until all senders are gone. See [`std::sync::mpsc::Receiver::iter`].
    pub fn iter(&self) -> Iter<'_, T> {
        Iter { receiver: self }
    }

    /// The items that are there. See [`std::sync::mpsc::Receiver::try_iter`].
    pub fn try_iter(&self) -> TryIter<'_, T> {
        TryIter { receiver: self }
    }

    #[inline]
    #[track_caller]
    fn with<R>(&self, f: impl FnOnce(&mut Source<T, Shared>) -> R) -> R {
        let mut receiver = self.spare.take().unwrap_or_else(|| self.receiver.clone());
        let result = f(&mut receiver);
        self.spare.set(Some(receiver));
        result
    }
}

/// What [`Receiver::iter`] returns.
#[derive(Debug)]
pub struct Iter<'a, T> {
    receiver: &'a Receiver<T>,
}

/// What [`Receiver::try_iter`] returns.
#[derive(Debug)]
pub struct TryIter<'a, T> {
    receiver: &'a Receiver<T>,
}

/// What a [`Receiver`] becomes where an iterator is asked for.
#[derive(Debug)]
pub struct IntoIter<T> {
    receiver: Receiver<T>,
}

impl<T> Iterator for Iter<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.receiver.recv().ok()
    }
}

impl<T> Iterator for TryIter<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.receiver.try_recv().ok()
    }
}

impl<T> Iterator for IntoIter<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.receiver.recv().ok()
    }
}

impl<'a, T> IntoIterator for &'a Receiver<T> {
    type Item = T;
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}

impl<T> IntoIterator for Receiver<T> {
    type Item = T;
    type IntoIter = IntoIter<T>;

    fn into_iter(self) -> IntoIter<T> {
        IntoIter { receiver: self }
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self { sender: self.sender.clone() }
    }
}

impl<T> Clone for SyncSender<T> {
    fn clone(&self) -> Self {
        Self { sender: self.sender.clone() }
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for SyncSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SyncSender").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").finish_non_exhaustive()
    }
}
