//! What an `async fn` may be as an entry, a `fn` may be.
#![deny(warnings)]
use std::process::ExitCode;

#[runtime::main(workers = 3, mode = "threads")]
fn counted() -> Result<(), String> {
    Ok(())
}

#[runtime::main(workers = "per-core", crate = ::runtime)]
pub(crate) fn per_core() -> ! {
    std::process::exit(0)
}

#[runtime::main]
fn seven() -> u32 {
    7
}

#[runtime::test(seeds = 3)]
fn simulated() -> Result<(), String> {
    Ok(())
}

#[runtime::test(start_paused = true, seed = 7)]
fn paused() {}

#[runtime::main(on_exit = "cancel")]
fn main() -> ! {
    // To be called would be to start them.
    let _: [fn() -> ExitCode; 2] = [counted, per_core];
    // In a runtime none is started.
    let _: fn() -> u32 = seven;
    std::process::exit(0)
}
