//! Why an item was not taken or given: the errors of channels and queues. What could not be sent comes back.

use crate::timed::Elapsed;
use std::{error::Error, fmt};

/// Closed: nobody will take the item, which comes back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SendError<T>(pub T);

/// Why an item was not taken at once; it comes back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum TrySendError<T> {
    /// No room, or others wait for it.
    Full(T),
    /// Closed: nobody will take it.
    Closed(T),
}

/// Why an item was not taken in time; it comes back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum SendTimeoutError<T> {
    /// The time limit was reached first.
    Elapsed(T),
    /// Closed: nobody will take it.
    Closed(T),
}

/// Why there is no item now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TryRecvError {
    /// None is there; one may come.
    Empty,
    /// None is there, none will come.
    Closed,
}

/// Closed, and everything was taken: no item will come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecvError;

/// Why no item came in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecvTimeoutError {
    /// The time limit was reached first.
    Elapsed,
    /// None will come.
    Closed,
}

const CLOSED: &str = "it is closed, and takes no more items";
const FULL: &str = "there is no room for the item, or others wait for room";
const EMPTY: &str = "no item is there, or others wait for it";
const ENDED: &str = "it is closed, and no more items will come";

impl<T> SendError<T> {
    /// The item.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> TrySendError<T> {
    /// The item.
    pub fn into_inner(self) -> T {
        let (Self::Full(item) | Self::Closed(item)) = self;
        item
    }
}

impl<T> SendTimeoutError<T> {
    /// The item.
    pub fn into_inner(self) -> T {
        let (Self::Elapsed(item) | Self::Closed(item)) = self;
        item
    }
}

/// An error that carries an item of any type, which need not be `Debug`.
macro_rules! carries_an_item {
    ($error:ident, $self:ident => $name:expr, $message:expr) => {
        impl<T> fmt::Debug for $error<T> {
            fn fmt(&$self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}(..)", $name)
            }
        }

        impl<T> fmt::Display for $error<T> {
            fn fmt(&$self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt($message, f)
            }
        }

        impl<T> Error for $error<T> {}
    };
}

carries_an_item!(SendError, self => "SendError", CLOSED);
carries_an_item!(
    TrySendError,
    self => match self { Self::Full(_) => "Full", Self::Closed(_) => "Closed" },
    match self { Self::Full(_) => FULL, Self::Closed(_) => CLOSED }
);
carries_an_item!(
    SendTimeoutError,
    self => match self { Self::Elapsed(_) => "Elapsed", Self::Closed(_) => "Closed" },
    match self { Self::Elapsed(_) => &Elapsed as &dyn fmt::Display, Self::Closed(_) => &CLOSED }
);

impl fmt::Display for TryRecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => EMPTY,
            Self::Closed => ENDED,
        })
    }
}

impl Error for TryRecvError {}

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(ENDED)
    }
}

impl Error for RecvError {}

impl fmt::Display for RecvTimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Elapsed => Elapsed.fmt(f),
            Self::Closed => f.write_str(ENDED),
        }
    }
}

impl Error for RecvTimeoutError {}
