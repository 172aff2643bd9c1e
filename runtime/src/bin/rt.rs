//! `rt ps | tree | locks | stats PID`: what the runtimes of a process are doing, also while they are stuck.

use std::process::ExitCode;

fn main() -> ExitCode {
    runtime::__private::rt()
}
