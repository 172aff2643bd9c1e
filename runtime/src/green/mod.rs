//! The names of the standard library, for code that blocks: in a greenlet they park that and nothing else.
//!
//! A program that was written for threads changes its `use` lines, spawns greenlets where it spawned threads, and is
//! concurrent on one thread, beside the tasks of the same runtime. Names, signatures and errors are those of the standard
//! library.

pub mod sync;
pub mod thread;
mod waiting;
