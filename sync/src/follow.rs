//! Waits that the observer follows from poll to poll, for whoever shows them as they go on.
//!
//! Without feature `follow` nothing is here but a type without size and without code. With it, a wait that blocks looks
//! whether waits are to be followed; one that does not have to wait does not even look. Who follows is kept with the queue, so
//! that no future is larger.

#[cfg(feature = "follow")]
use std::{
    any::Any,
    fmt::Debug,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

/// What the observer keeps with a queue: nothing, until it follows a wait there. Dropped with the queue, so that what comes
/// to the same address has another one.
#[cfg(feature = "follow")]
pub type Tag = Arc<OnceLock<Box<dyn Any + Send + Sync>>>;

/// A wait that an observer follows. It is dropped when the wait is over, one way or the other.
///
/// Nothing of a primitive is borrowed meanwhile: other people's code may run.
#[cfg(feature = "follow")]
pub trait Followed: Debug + Send + Sync {
    /// The wait was polled, and is over or goes on.
    fn polled(&self, is_ready: bool);
}

#[cfg(feature = "follow")]
static ARE_FOLLOWED: AtomicBool = AtomicBool::new(false);

/// From now on the observer is asked about every wait in a queue that begins
/// ([`Observer::follow`](crate::Observer::follow)).
#[cfg(feature = "follow")]
pub fn follow_waits() {
    ARE_FOLLOWED.store(true, Ordering::Relaxed);
}

/// Whether the observer wants to be asked.
#[cfg(feature = "follow")]
#[inline]
pub(crate) fn are_followed() -> bool {
    ARE_FOLLOWED.load(Ordering::Relaxed)
}

/// Whoever follows a wait, if anybody does. Dropped only while nothing is borrowed.
#[derive(Debug, Default, Clone)]
pub(crate) struct Follower(#[cfg(feature = "follow")] pub(crate) Option<Arc<dyn Followed>>);

impl Follower {
    /// Tells it of a poll.
    #[inline]
    pub(crate) fn tell(self, is_ready: bool) {
        #[cfg(feature = "follow")]
        if let Some(followed) = self.0 {
            tell(followed, is_ready);
        }
        #[cfg(not(feature = "follow"))]
        let _ = is_ready;
    }
}

#[cfg(feature = "follow")]
#[cold]
fn tell(followed: Arc<dyn Followed>, is_ready: bool) {
    followed.polled(is_ready);
    drop(followed); // out of line, too
}
