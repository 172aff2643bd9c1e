//! A forgotten exit code.
use std::process::ExitCode;

#[runtime::main]
async fn main() -> ExitCode {
    std::future::ready(()).await;
}
