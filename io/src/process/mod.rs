//! Child processes: started with nothing but what they are given, and watched without a thread.
//!
//! [`Launch`] starts a program, [`Child`] awaits its end and sends it signals. A child gets the standard descriptors and
//! those that it is given, no others; it ignores no signal and blocks none. On Linux a child is watched, and signalled,
//! through a descriptor that stands for it (pidfd), so nothing depends on SIGCHLD, and a number that the system has given to
//! another process is never hit.

mod child;
mod inherited;
mod launch;
mod life;
mod program;

pub use child::Child;
pub use inherited::{Kind, take_inherited};
pub use launch::Launch;
pub use life::reap_unknown;
pub use program::ProgramFile;
