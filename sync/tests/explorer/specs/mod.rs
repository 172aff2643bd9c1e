//! One specification per primitive, in a file of its own.

pub(crate) mod barrier;
pub(crate) mod broadcast;
pub(crate) mod channel;
pub(crate) mod condition;
pub(crate) mod event;
mod exchange;
pub(crate) mod lock;
pub(crate) mod once_cell;
pub(crate) mod oneshot;
pub(crate) mod promise;
pub(crate) mod queue;
pub(crate) mod rlock;
pub(crate) mod rwlock;
pub(crate) mod semaphore;
pub(crate) mod watch;
