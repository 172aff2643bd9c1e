//! `std::io`, where standard input, output and error park only the greenlet.
//!
//! Everything else is the standard library's own: its traits are implemented by what this module's neighbours have, so
//! `BufReader`, `copy` and whoever else takes `Read` and `Write` work in greenlets.
//!
//! `print!` and its kin name no module and write as ever: that blocks the thread while a terminal is stopped or a pipe is
//! full. `writeln!` to [`stdout`] parks.
//!
//! ```no_run
//! use runtime::{green::io, spawn, time::{Duration, sleep}};
//!
//! #[runtime::main]
//! fn main() -> io::Result<()> {
//!     // Goes on while somebody thinks about what to type.
//!     spawn(sleep(Duration::from_secs(1))).detach();
//!     let mut line = String::new();
//!     io::stdin().read_line(&mut line)?;
//!     Ok(())
//! }
//! ```

mod stdin;
mod stdout;

// What is defined here comes before what this brings.
pub use std::io::*;
pub use stdin::{Stdin, StdinLock, stdin};
pub use stdout::{Stderr, StderrLock, Stdout, StdoutLock, stderr, stdout};
