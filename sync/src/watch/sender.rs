//! The end that sets the value.

use super::{Channel, Receiver, Replaced, SendError, Snapshot, State, Which};
use crate::{
    flavour::{Flavour, Guarded, Local, Pointer, Tally},
    observer,
    wait_list::{Attempt, Turn, wake_all},
};
use std::{
    fmt,
    future::Future,
    panic::Location,
    pin::Pin,
    task::{Context, Poll},
};

/// The end that sets the value. When it is dropped, receivers can still see the last value, and then get
/// [`Closed`](super::Closed).
pub struct Sender<T, F: Flavour = Local> {
    channel: F::Pointer<Channel<T, F>>,
}

impl<T, F: Flavour> Sender<T, F> {
    pub(super) fn new(channel: F::Pointer<Channel<T, F>>) -> Self {
        Self { channel }
    }

    /// Sets the value and tells the receivers.
    ///
    /// ```
    /// use runtime_sync::watch::SendError;
    /// let (sender, receiver) = runtime_sync::watch(1);
    /// assert_eq!(sender.send(2), Ok(()));
    /// drop(receiver);
    /// assert_eq!(sender.send(3), Err(SendError(3)));
    /// assert_eq!(*sender.borrow(), 2);
    /// ```
    ///
    /// # Errors
    /// If there is no receiver. The value comes back and is not set; [`send_replace`](Sender::send_replace) sets it
    /// for receivers to come.
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        let value = F::Pointer::new(value);
        let replaced = self.channel.state.with(|state| match state.receivers {
            0 => Err(value),
            _ => Ok(state.replace(value)),
        });
        match replaced {
            Ok(replaced) => {
                drop(tell(replaced));
                Ok(())
            }
            Err(refused) => Err(SendError(refused.try_unwrap().ok().expect("nobody else saw it"))),
        }
    }

    /// Sets the value, whether there are receivers or not, and returns the one before.
    ///
    /// ```
    /// let (sender, _) = runtime_sync::watch("old");
    /// assert_eq!(*sender.send_replace("new"), "old");
    /// assert_eq!(*sender.subscribe().borrow(), "new");
    /// ```
    pub fn send_replace(&self, value: T) -> Snapshot<T, F> {
        let value = F::Pointer::new(value);
        tell(self.channel.state.with(|state| state.replace(value)))
    }

    /// The value now.
    pub fn borrow(&self) -> Snapshot<T, F> {
        self.channel.state.with(|state| state.current()).0
    }

    /// A new receiver, to which the value of now is no news.
    pub fn subscribe(&self) -> Receiver<T, F> {
        let version = self.channel.state.with(State::subscribe);
        Receiver::new(self.channel.clone(), version)
    }

    /// Receivers there are now.
    pub fn receiver_count(&self) -> usize {
        self.channel.state.with(|state| state.receivers)
    }

    /// Whether there is no receiver now.
    pub fn is_closed(&self) -> bool {
        self.receiver_count() == 0
    }

    /// Waits until there is no receiver; passes at once if there is none. Who waited when the last one went passes, even
    /// if there is a new one before that task has run.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// let (sender, receiver) = runtime_sync::watch(());
    /// futures_lite::future::zip(sender.closed(), async { drop(receiver) }).await;
    /// assert!(sender.is_closed());
    /// # });
    /// ```
    ///
    /// # Cancel safety
    /// Nothing is lost by dropping it.
    #[track_caller]
    pub fn closed(&self) -> WaitClosed<'_, T, F> {
        WaitClosed { sender: self, turn: Turn::new(), asked: Location::caller() }
    }
}

impl<T: Clone, F: Flavour> Sender<T, F> {
    /// Changes the value in place, so to speak: `modify` gets a clone of it, which then becomes the value, whether there
    /// are receivers or not.
    ///
    /// No other value gets lost: if one was set while `modify` ran, its result is thrown away and it runs again, on that
    /// one. So it should do nothing but change the value, and must not itself send on this channel.
    ///
    /// ```
    /// let (scores, reader) = runtime_sync::watch(vec![1]);
    /// scores.send_modify(|scores| scores.push(2));
    /// assert_eq!(*reader.borrow(), [1, 2]);
    /// ```
    pub fn send_modify(&self, mut modify: impl FnMut(&mut T)) {
        self.send_if_modified(|value| {
            modify(value);
            true
        });
    }

    /// [`send_modify`](Sender::send_modify), unless `modify` says `false`: then the value stays what it was, whatever
    /// `modify` did to its clone, and nobody is told. Returns what `modify` said.
    ///
    /// ```
    /// let (highest, reader) = runtime_sync::watch(5);
    /// let raise = |to| highest.send_if_modified(|value| std::mem::replace(value, to) < to);
    /// assert!(!raise(4));
    /// assert_eq!((*reader.borrow(), reader.has_changed()), (5, Ok(false)));
    /// assert!(raise(6));
    /// assert_eq!((*reader.borrow(), reader.has_changed()), (6, Ok(true)));
    /// ```
    pub fn send_if_modified(&self, mut modify: impl FnMut(&mut T) -> bool) -> bool {
        loop {
            let (before, version) = self.channel.state.with(|state| state.current());
            let mut value = T::clone(&before);
            drop(before);
            if !modify(&mut value) {
                return false;
            }
            let value = F::Pointer::new(value);
            let replaced = self
                .channel
                .state
                .with(|state| if state.version == version { Ok(state.replace(value)) } else { Err(value) });
            match replaced {
                Ok(replaced) => {
                    drop(tell(replaced));
                    return true;
                }
                Err(outdated) => drop(outdated),
            }
        }
    }
}

/// Wakes those who wait for a change; what is returned is to be dropped after that.
fn tell<T, F: Flavour>((before, woken): Replaced<T, F>) -> Snapshot<T, F> {
    if !woken.is_empty() {
        wake_all(woken);
    }
    before
}

impl<T, F: Flavour> Drop for Sender<T, F> {
    fn drop(&mut self) {
        let woken = self.channel.state.with(|state| {
            state.is_closed = true;
            state.grant_all(Which::Changed)
        });
        wake_all(woken);
    }
}

/// What [`Sender::closed`] returns.
#[must_use = "a future does nothing until it is awaited"]
pub struct WaitClosed<'a, T, F: Flavour = Local> {
    sender: &'a Sender<T, F>,
    turn: Turn,
    asked: &'static Location<'static>,
}

impl<T, F: Flavour> Future for WaitClosed<'_, T, F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { sender, turn, asked } = self.get_mut();
        let channel = &*sender.channel;
        if !turn.is_waiting() && !observer::pay(channel.tally.count(), cx) {
            return Poll::Pending;
        }
        turn.poll(
            &channel.state,
            Which::Deserted,
            cx,
            || channel.describe(asked),
            |state| if state.receivers == 0 { Attempt::Done(()) } else { Attempt::Wait(0) },
            |_, _| (),
        )
    }
}

impl<T, F: Flavour> Drop for WaitClosed<'_, T, F> {
    fn drop(&mut self) {
        self.turn.leave(&self.sender.channel.state, Which::Deserted, |_, _| ());
    }
}

impl<T, F: Flavour> fmt::Debug for Sender<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.channel.debug(f, "watch::Sender")
    }
}

impl<T, F: Flavour> fmt::Debug for WaitClosed<'_, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitClosed")
            .field("asked", &self.asked)
            .field("waits", &self.turn.is_waiting())
            .finish()
    }
}
