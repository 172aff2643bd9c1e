//! Standard input, output and error: the three descriptors that a program is born with, awaited without changing them for
//! the others who have them.

mod input;
mod output;
mod stdin;
mod stdout;
mod waiting;
mod way;

#[cfg(test)]
mod tests;

pub use stdin::{Lines, Stdin, stdin};
pub use stdout::{Stderr, Stdout, stderr, stdout};
