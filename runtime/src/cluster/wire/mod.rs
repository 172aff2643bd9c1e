//! What goes over the sockets between supervisor and workers: frames, and the control messages in them.
//!
//! Neither end trusts the other. A length is compared with its limit before it is believed, a value with what its type
//! has; what does not fit is a typed error and the end of that connection.

// The supervisor and the worker that speak this come next.
#![allow(dead_code, reason = "used by what is built on it")]

pub(crate) mod codec;
pub(crate) mod control;
pub(crate) mod frame;
pub(crate) mod handshake;
pub(crate) mod outbox;
pub(crate) mod socket;
#[cfg(test)]
mod tests;

/// The longest name of a counter or a channel. It travels with every message, and stands in lists for people.
pub(crate) const MAX_NAME_BYTES: usize = 64;
