//! One reactor per core, as supervised worker processes (or threads) of one program.
//!
//! What a worker's end means is said by [`ExitReason`]; when another one starts in its place, by [`Restart`].

mod exit_reason;
// Until the supervisor that drives it is here, only its tests do.
#[allow(dead_code, unused_imports, reason = "the supervisor that drives it is to come")]
mod fleet;
#[allow(dead_code, reason = "the builder that fills them in is to come")]
mod settings;
mod wire;

pub use self::{
    exit_reason::{BootFailure, ExitReason},
    settings::{Listeners, Mode, Restart},
};
