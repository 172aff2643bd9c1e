//! The end that sends.

use super::{Channel, Receiver, SendError};
use crate::{
    flavour::{Flavour, Guarded, Local, Pointer},
    wait_list::wake_all,
};
use std::fmt;

/// The end that sends; clones send on the same channel. When the last is dropped the channel is closed: receivers take
/// what is left, then get [`RecvError::Closed`](super::RecvError::Closed).
pub struct Sender<T, F: Flavour = Local> {
    pub(super) channel: F::Pointer<Channel<T, F>>,
}

impl<T, F: Flavour> Sender<T, F> {
    /// The first one.
    pub(super) fn new(channel: F::Pointer<Channel<T, F>>) -> Self {
        Self { channel }
    }

    /// Sends `value` to all receivers, and says how many they are. It never waits: if as many values as are kept at
    /// most have yet to be taken by somebody, the oldest makes room.
    ///
    /// # Errors
    /// If there is no receiver; the value comes back.
    pub fn send(&self, value: T) -> Result<usize, SendError<T>> {
        let Channel { state, capacity, .. } = &*self.channel;
        let value = F::Pointer::new(value);
        match state.with(|state| state.send(value, *capacity)) {
            Ok(mut sent) => {
                if !sent.woken.is_empty() {
                    wake_all(std::mem::take(&mut sent.woken));
                }
                Ok(sent.receivers) // what made room is dropped here
            }
            Err(refused) => Err(SendError(refused.try_unwrap().ok().expect("nobody else saw it"))),
        }
    }

    /// A new receiver: it gets what is sent from now on.
    ///
    /// ```
    /// let (sender, mut early) = runtime_sync::broadcast(4);
    /// sender.send(1).unwrap();
    /// let mut late = sender.subscribe();
    /// sender.send(2).unwrap();
    /// assert_eq!((early.try_recv(), late.try_recv()), (Ok(1), Ok(2)));
    /// ```
    pub fn subscribe(&self) -> Receiver<T, F> {
        Receiver::subscribe(&self.channel)
    }

    /// Values that some receiver has yet to take.
    pub fn len(&self) -> usize {
        self.channel.state.with(|state| state.kept.len())
    }

    /// Whether all receivers have taken everything.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T, F: Flavour> Clone for Sender<T, F> {
    fn clone(&self) -> Self {
        self.channel.state.with(|state| state.senders += 1);
        Self { channel: self.channel.clone() }
    }
}

impl<T, F: Flavour> Drop for Sender<T, F> {
    fn drop(&mut self) {
        let woken = self.channel.state.with(|state| {
            state.senders -= 1;
            let waiting = if state.senders == 0 { state.waiting.get() } else { None };
            waiting.map_or_else(Vec::new, |list| list.grant_all(0))
        });
        wake_all(woken);
    }
}

impl<T, F: Flavour> fmt::Debug for Sender<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.channel.debug(f, "broadcast::Sender", |state| state.kept.len())
    }
}
