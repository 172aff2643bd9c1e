//! An `ExitCode`, and every option.
use std::process::ExitCode;

#[runtime::main(on_exit = "wait", crate = ::runtime,)]
async fn main() -> ExitCode {
    ExitCode::SUCCESS
}
