//! Stories of messages between workers, in memory: the same code that serves sockets, on a virtual clock.

#[cfg(feature = "messages")]
mod flow;
mod frames;
#[cfg(feature = "messages")]
mod guarded;
#[cfg(feature = "messages")]
mod hostile;
#[cfg(feature = "messages")]
mod stage;
#[cfg(feature = "messages")]
mod talk;
