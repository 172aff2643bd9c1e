//! Stories of what goes over the sockets between supervisor and workers, in memory.

mod frames;
mod messages;
mod outbox;
mod sockets;
