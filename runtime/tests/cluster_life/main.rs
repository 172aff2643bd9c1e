//! Clusters as a user meets them: programs of their own that are killed, reloaded and stopped under the eyes of clients.
//!
//! This test is its own program: with the variable of `program.rs` in its environment it is the cluster, without it tells the
//! stories. Nothing waits for time to pass: programs are followed by what they say and how they end, each wait is bounded.

#![expect(clippy::disallowed_methods, reason = "the stories are told outside any runtime")]

mod program;
mod stage;
mod stories;

use libtest_mimic::{Arguments, Trial};
use std::{env, process::ExitCode};

fn main() -> ExitCode {
    if let Ok(words) = env::var(program::VARIABLE) {
        return program::run(&words);
    }
    let mut arguments = Arguments::from_args();
    // Each has processes enough of its own.
    arguments.test_threads = Some(1);
    libtest_mimic::run(&arguments, stories::ALL.iter().map(|&(name, story)| trial(name, story)).collect())
        .exit_code()
}

fn trial(name: &str, story: fn()) -> Trial {
    Trial::test(name, move || {
        story();
        Ok(())
    })
}
