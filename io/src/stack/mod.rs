//! Stacks for code that switches: greenlets. Only what is used of them is memory, and an overflow is reported.
//!
//! Where to begin reading: `pool.rs` (which stack is taken, what becomes of it), `sys/stack/mod.rs` (guards),
//! `sys/stack/overflow.rs` (who says that a stack was too small).

mod error;
mod pool;

pub use error::StackError;
pub use pool::{Options, Stack, StackPool};

/// Bytes of a stack, unless said otherwise.
pub const DEFAULT_SIZE: usize = 64 * 1024;

/// The least that a stack has, in bytes: whoever asks for less gets as much. To print a panic takes about half as much more.
pub const MIN_SIZE: usize = 16 * 1024;
