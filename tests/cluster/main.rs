//! The fault suite: clusters of real processes that are killed, stopped, starved and lied to, while clients keep a ledger.
//!
//! `cargo test --test cluster` runs the short form. The long one prints its ledger:
//!
//! ```text
//! CLUSTER_KILLS=1000 CLUSTER_RELOADS=100 cargo test --release --test cluster -- kills
//! ```
//!
//! It looks at processes by proc(5), so it is Linux's alone. This program is also the cluster that it torments
//! (`server.rs`), which is why it has a `main` of its own.

#[cfg(target_os = "linux")]
mod journal;
#[cfg(target_os = "linux")]
mod ledger;
#[cfg(target_os = "linux")]
mod load;
#[cfg(target_os = "linux")]
mod protocol;
#[cfg(target_os = "linux")]
mod server;
#[cfg(target_os = "linux")]
mod stories;
#[cfg(target_os = "linux")]
mod under_test;

#[cfg(target_os = "linux")]
use libtest_mimic::{Arguments, Trial};
#[cfg(target_os = "linux")]
use std::env;
use std::process::ExitCode;

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    println!("SKIPPED: the fault suite looks at processes as Linux shows them");
    ExitCode::SUCCESS
}

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    if let Some(folder) = env::var_os(server::FOLDER) {
        return server::main(folder.into());
    }
    let mut arguments = Arguments::from_args();
    // They measure, and each has a cluster of its own: one after the other.
    arguments.test_threads = Some(1);
    let trials = stories::ALL.iter().map(|&(name, story)| trial(name, story)).collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

#[cfg(target_os = "linux")]
fn trial(name: &str, story: fn()) -> Trial {
    // So that who runs all tests of the workspace can leave these out.
    Trial::test(format!("cluster::{name}"), move || {
        story();
        Ok(())
    })
}
