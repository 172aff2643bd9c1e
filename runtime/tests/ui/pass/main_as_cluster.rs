//! Whatever a `main` may return, each worker may return; the function itself says how the cluster ended.
use std::process::ExitCode;

#[runtime::main(workers = 0x3, mode = "threads", on_exit = "wait")]
async fn counted() -> Result<(), String> {
    Ok(())
}

#[runtime::main(workers = "per-core")]
pub(crate) async fn per_core() {}

#[runtime::main(mode = "processes", workers = 2, crate = ::runtime)]
async fn never() -> ! {
    std::future::pending().await
}

fn main() {
    // To be called would be to start them.
    let _: [fn() -> ExitCode; 3] = [counted, per_core, never];
}
