//! The only room of this crate with `unsafe` code: every call of libc that no safe crate wraps for us.
//!
//! Invariants, cited by the `// SAFETY:` comments below this folder:
//!
//! - **S1** A descriptor handed to libc is borrowed for the whole call, so it names what its owner meant.
//! - **S2** A handler that runs in a forked child touches one atomic and nothing else.

pub(crate) mod descriptor;
pub(crate) mod fork;
pub(crate) mod socket;
