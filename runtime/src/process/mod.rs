//! Child processes, and work in processes of this program.
//!
//! [`Command`], [`Launch`] and [`Child`] are about any program: run, talked to, ended, and watched without a thread. What needs
//! feature `process-pool` is about this one, started again to do a part of its work.

#[cfg(feature = "process-pool")]
#[allow(dead_code, reason = "what carries values uses it, and comes next")]
pub(crate) mod luggage;
#[cfg(feature = "process-pool")]
#[allow(dead_code, reason = "what carries values uses it, and comes next")]
pub(crate) mod packet;

pub use runtime_io::process::*;

#[cfg(feature = "process-pool")]
pub use luggage::Descriptor;
