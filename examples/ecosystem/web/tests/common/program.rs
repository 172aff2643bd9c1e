//! The examples of this package as programs of their own.

use runtime::{
    io::{AsyncBufReadExt, BufReader, PipeReader},
    process::{Child, Command, Stdio},
};
use std::{env, path::PathBuf};

/// A program that runs; dropped, it is killed.
pub(crate) struct Example {
    pub(crate) child: Child,
    stdout: BufReader<PipeReader>,
}

impl Example {
    pub(crate) fn start(name: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new(path(name));
        let mut child = command.args(arguments).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Self { child, stdout }
    }

    /// The next line that it prints.
    pub(crate) async fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).await.unwrap();
        line.trim_end().to_owned()
    }
}

/// Where Cargo puts the example: beside the folder of the tests.
pub(crate) fn path(name: &str) -> PathBuf {
    let this = env::current_exe().unwrap();
    let folder = this.ancestors().nth(2).unwrap();
    let path = folder.join("examples").join(name);
    assert!(path.is_file(), "`cargo build --examples` has not been run: {}", path.display());
    path
}
