//! Go's goroutines and gevent, where they are installed: the same rows as programs in their languages.

use std::{
    env,
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Command, Stdio},
};

const GO_SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/stackful/goroutines.go");
const GEVENT_SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/stackful/gevent_greenlets.py");

fn succeeds(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

fn go_program() -> PathBuf {
    env::temp_dir().join("runtime-bench-goroutines")
}

/// Compiles it as well.
pub(super) fn has_go() -> bool {
    succeeds(Command::new("go").args(["build", "-o"]).arg(go_program()).arg(GO_SOURCE))
}

/// An interpreter that has gevent: `GEVENT_PYTHON`, or the usual one.
fn python() -> String {
    env::var("GEVENT_PYTHON").unwrap_or_else(|_| "python3".into())
}

pub(super) fn has_gevent() -> bool {
    succeeds(Command::new(python()).args(["-c", "import gevent"]))
}

pub(super) fn become_go(row: &str, operations: u64) {
    let error = Command::new(go_program()).args([row, &operations.to_string()]).env("GOMAXPROCS", "1").exec();
    panic!("cannot become {}: {error}", go_program().display());
}

pub(super) fn become_gevent(row: &str, operations: u64) {
    let error = Command::new(python()).args([GEVENT_SOURCE, row, &operations.to_string()]).exec();
    panic!("cannot become {}: {error}", python());
}
