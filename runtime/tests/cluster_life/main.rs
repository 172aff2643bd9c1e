//! Clusters as a user meets them: programs of their own that are killed, reloaded and stopped under the eyes of clients.
//!
//! This test is its own program: with the variable of `program.rs` in its environment it is the cluster, without it tells the
//! stories. Nothing waits for time to pass: programs are followed by what they say and how they end, each wait is bounded.

#![expect(clippy::disallowed_methods, reason = "the stories are told outside any runtime")]

mod program;
mod stage;
mod stories;

use std::{
    env,
    panic::{AssertUnwindSafe, catch_unwind},
    process::ExitCode,
};

fn main() -> ExitCode {
    if let Ok(words) = env::var(program::VARIABLE) {
        return program::run(&words);
    }
    let filters: Vec<String> = env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    if env::args().any(|argument| argument == "--list") {
        stories::ALL.iter().for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    let mut failed = 0;
    for (name, story) in stories::ALL {
        if !filters.is_empty() && !filters.iter().any(|filter| name.contains(filter.as_str())) {
            continue;
        }
        let told = catch_unwind(AssertUnwindSafe(story));
        println!("test {name} ... {}", if told.is_ok() { "ok" } else { "FAILED" });
        failed += usize::from(told.is_err());
    }
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
