//! Messages between the members of a cluster: its workers and its supervisor.
//!
//! ```text
//! worker A: channel ─ post office ─ socket ─┐                 ┌─ socket ─ post office ─ channel :worker B
//!                                           router (supervisor)
//! ```
//!
//! A star: each worker has one connection, to the supervisor, which passes on what it cannot read. So there are as many
//! sockets as workers, no worker can reach another behind the supervisor's back, and who has sent a message is certain.

#![cfg_attr(
    not(feature = "messages"),
    allow(
        dead_code,
        reason = "members forward and keep messages; without the feature nobody opens a channel"
    )
)]

#[cfg(feature = "messages")]
mod channel;
mod errors;
mod lag;
mod limits;
mod line;
mod office;
mod peer;
mod post;
mod router;
#[cfg(test)]
mod tests;

#[cfg(feature = "messages")]
pub use channel::{Channel, channel};
pub use errors::{RecvError, SendError};
pub(crate) use limits::Limits;
pub(crate) use office::PostOffice;
pub use peer::{Peer, WorkerId};
pub(crate) use router::Router;
