//! `watch`: the latest value, for everybody who wants to know of changes.
//!
//! The value lies behind a shared pointer, and a new one is a new pointer: whoever looks at a value keeps *that* value,
//! and holds up nobody. Each value has a version, and each receiver the version that it saw last.

mod receiver;
mod sender;

use crate::{
    flavour::{Flavour, Guarded, Local, Pointer, Tally},
    observer::{Kind, Wait},
    wait_list::{LazyList, Queued, WaitList, Woken},
};
use std::{error::Error, fmt, mem, ops::Deref, panic::Location, ptr};

pub use crate::broadcast::SendError;
pub use receiver::{Changed, Receiver, Values, WaitFor};
pub use sender::{Sender, WaitClosed};

/// Opens a channel that holds one value, at first `initial`, and tells its receivers of changes. The same as
/// [`watch`](crate::watch()), for use on this thread.
///
/// The line of this call is remembered: reports name the channel by it.
///
/// ```
/// # futures_lite::future::block_on(async {
/// use runtime_sync::watch;
/// let (config, mut reader) = watch::channel("level = 1");
/// assert_eq!(*reader.borrow(), "level = 1");
/// config.send("level = 2").unwrap();
/// config.send("level = 3").unwrap();
/// reader.changed().await.unwrap();
/// assert_eq!(*reader.borrow(), "level = 3"); // the latest; level 2 was never seen
/// drop(config);
/// assert_eq!(reader.changed().await, Err(watch::Closed));
/// # });
/// ```
#[track_caller]
pub fn channel<T>(initial: T) -> (Sender<T, Local>, Receiver<T, Local>) {
    open(initial, Location::caller())
}

pub(crate) fn open<T, F: Flavour>(
    initial: T,
    created: &'static Location<'static>,
) -> (Sender<T, F>, Receiver<T, F>) {
    let state = F::Guarded::new(State {
        value: F::Pointer::new(initial),
        version: 0,
        receivers: 1,
        is_closed: false,
        changed: LazyList::default(),
        deserted: LazyList::default(),
    });
    let channel = F::Pointer::new(Channel { state, tally: F::Tally::new(), created });
    (Sender::new(channel.clone()), Receiver::new(channel, 0))
}

/// A value as it was when somebody looked. Nothing is locked by it, and it stays the same while newer ones are sent.
///
/// ```
/// let (sender, receiver) = runtime_sync::watch(1);
/// let before = receiver.borrow();
/// sender.send(2).unwrap();
/// assert_eq!((*before, *receiver.borrow()), (1, 2));
/// ```
pub struct Snapshot<T, F: Flavour = Local>(F::Pointer<T>);

/// The sender is gone, and its last value was seen: there will be no change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closed;

/// What all ends share.
struct Channel<T, F: Flavour> {
    state: F::Guarded<State<T, F>>,
    tally: F::Tally,
    created: &'static Location<'static>,
}

struct State<T, F: Flavour> {
    /// Shared, so that other people's `clone` and `drop` run while the state is free.
    value: F::Pointer<T>,
    /// How many values there were before this one.
    version: u64,
    receivers: usize,
    /// The sender is gone.
    is_closed: bool,
    /// Receivers that wait for a version other than the one they know.
    changed: LazyList,
    /// Those who wait until there is no receiver.
    deserted: LazyList,
}

/// No value has this version: to whoever saw it last, everything is new.
const NEVER: u64 = u64::MAX;

/// Which queue.
#[derive(Debug, Clone, Copy)]
enum Which {
    Changed,
    Deserted,
}

/// A value and its version.
type Version<T, F> = (Snapshot<T, F>, u64);

/// What is left to do for a value that was replaced: wake, and drop.
type Replaced<T, F> = (Snapshot<T, F>, Vec<Woken>);

impl<T, F: Flavour> State<T, F> {
    fn current(&self) -> Version<T, F> {
        (Snapshot(self.value.clone()), self.version)
    }

    /// The value, if its version is not `seen`; `None`: a new one may come.
    fn news(&self, seen: u64) -> Option<Result<Version<T, F>, Closed>> {
        if self.version == seen { self.is_closed.then_some(Err(Closed)) } else { Some(Ok(self.current())) }
    }

    fn replace(&mut self, value: F::Pointer<T>) -> Replaced<T, F> {
        self.version += 1;
        let before = mem::replace(&mut self.value, value);
        (Snapshot(before), self.grant_all(Which::Changed))
    }

    /// A receiver comes; says the version it begins with.
    fn subscribe(&mut self) -> u64 {
        self.receivers += 1;
        self.version
    }

    fn grant_all(&mut self, which: Which) -> Vec<Woken> {
        let queue = match which {
            Which::Changed => &mut self.changed,
            Which::Deserted => &mut self.deserted,
        };
        queue.get().map_or_else(Vec::new, |list| list.grant_all(0))
    }
}

impl<T, F: Flavour> Queued for State<T, F> {
    type Which = Which;

    #[inline]
    fn list(&mut self, which: Which) -> &mut WaitList {
        match which {
            Which::Changed => self.changed.list(()),
            Which::Deserted => self.deserted.list(()),
        }
    }
}

impl<T, F: Flavour> Channel<T, F> {
    fn describe(&self, asked: &'static Location<'static>) -> Wait {
        let address = ptr::from_ref(self).addr();
        Wait { kind: Kind::Watch, created: self.created, asked, address, holder: None }
    }

    fn debug(&self, f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
        let (version, receivers, is_closed) =
            self.state.with(|state| (state.version, state.receivers, state.is_closed));
        f.debug_struct(name)
            .field("version", &version)
            .field("receivers", &receivers)
            .field("is_closed", &is_closed)
            .field("created", &self.created)
            .finish_non_exhaustive()
    }
}

impl<T, F: Flavour> Deref for Snapshot<T, F> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T, F: Flavour> Clone for Snapshot<T, F> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: fmt::Debug, F: Flavour> fmt::Debug for Snapshot<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: fmt::Display, F: Flavour> fmt::Display for Snapshot<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the sender is gone, and no more values will come")
    }
}

impl Error for Closed {}
