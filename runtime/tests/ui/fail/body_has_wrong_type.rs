//! The body is not rewritten: the error is under the expression.
use std::process::ExitCode;

#[runtime::main]
async fn main() -> ExitCode {
    42
}
