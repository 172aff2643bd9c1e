//! CPython, which is a process of its own.

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/workers/python.py");

pub(super) fn has_python() -> bool {
    let ran = Command::new("python3").arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status();
    ran.is_ok_and(|status| status.success())
}

pub(super) fn become_python(kind: &str, row: &str, operations: u64) {
    let error = Command::new("python3").args([PROGRAM, kind, row, &operations.to_string()]).exec();
    panic!("python3: {error}");
}
