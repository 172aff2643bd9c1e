//! One reactor per core, as supervised worker processes (or threads) of one program.
//!
//! What a worker's end means is said by [`ExitReason`]; when another one starts in its place, by [`Restart`].

// Put on the shelf by the supervisor and the worker that come next.
#[allow(dead_code, unused_imports, reason = "used by what is built on it")]
mod counters;
mod exit_reason;
// Until the supervisor that drives it is here, only its tests do.
#[allow(dead_code, unused_imports, reason = "the supervisor that drives it is to come")]
mod fleet;
#[allow(unused_imports, reason = "used by what is built on it")]
mod messages;
#[allow(dead_code, reason = "the builder that fills them in is to come")]
mod settings;
mod wire;

#[cfg(feature = "messages")]
pub use self::messages::{Channel, channel};
pub use self::{
    counters::{Counter, Stats, WorkerStats, counter, stats},
    exit_reason::{BootFailure, ExitReason},
    messages::{Peer, RecvError, SendError, WorkerId},
    settings::{Listeners, Mode, Restart},
};
