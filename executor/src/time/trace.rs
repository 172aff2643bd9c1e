//! What a `tracing` subscriber is told of a sleep that somebody waits for: nothing and at no price, without feature `tracing`.

#[cfg(feature = "tracing")]
use crate::inspect::{self, Operation};
#[cfg(feature = "tracing")]
use runtime_sync::Followed;
#[cfg(feature = "tracing")]
use std::panic::Location;
use std::time::Duration;

/// One resource and one operation per [`Sleep`](super::Sleep), however often it is reset, from its first wait to its end.
pub(super) struct Trace {
    #[cfg(feature = "tracing")]
    created: &'static Location<'static>,
    #[cfg(feature = "tracing")]
    operation: Option<Box<Operation>>,
}

impl Trace {
    /// For a sleep that is created here.
    #[inline]
    #[cfg_attr(feature = "tracing", track_caller)]
    pub(super) fn here() -> Self {
        Self {
            #[cfg(feature = "tracing")]
            created: Location::caller(),
            #[cfg(feature = "tracing")]
            operation: None,
        }
    }

    /// A poll has set the timer, to that if it was not to an instant.
    #[inline]
    pub(super) fn begin(&mut self, duration: Option<Duration>) {
        #[cfg(feature = "tracing")]
        {
            if self.operation.is_none() {
                self.operation = inspect::sleep(self.created);
            }
            if let Some(operation) = &self.operation {
                operation.begin_sleep(duration);
            }
        }
        #[cfg(not(feature = "tracing"))]
        let _ = duration;
    }

    /// A poll has found the timer set.
    #[inline]
    pub(super) fn polled(&self, is_ready: bool) {
        #[cfg(feature = "tracing")]
        if let Some(operation) = &self.operation {
            operation.polled(is_ready);
        }
        #[cfg(not(feature = "tracing"))]
        let _ = is_ready;
    }
}

/// Out of line, so that the end of a sleep of which nobody was told is free of it.
#[cfg(feature = "tracing")]
impl Drop for Trace {
    #[inline]
    fn drop(&mut self) {
        #[cold]
        fn end(operation: Box<Operation>) {
            drop(operation);
        }
        if let Some(operation) = self.operation.take() {
            end(operation);
        }
    }
}
