//! The classic lessons in processes, as programs: each is run as a process of its own, which starts others, and is held to
//! what it prints, in which order, and to how it ends.
//!
//! This program is also the programs that it runs (`programs/`), which is why it has a `main` of its own: with `PROGRAM` in
//! its environment it is one of them.

#[cfg(target_os = "linux")]
mod programs;
#[cfg(target_os = "linux")]
mod stories;
#[cfg(target_os = "linux")]
mod transcript;

use std::process::ExitCode;

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    println!("SKIPPED: these programs look at processes as Linux shows them");
    ExitCode::SUCCESS
}

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    use libtest_mimic::{Arguments, Trial};

    if let Some(name) = std::env::var_os(transcript::PROGRAM) {
        return programs::run(name.to_str().expect("a name of ours"));
    }
    let trial = |&(name, story): &(&str, fn())| {
        // So that who runs all tests of the workspace can leave these out.
        Trial::test(format!("processes::{name}"), move || {
            story();
            Ok(())
        })
    };
    let trials = stories::all().map(trial).collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
