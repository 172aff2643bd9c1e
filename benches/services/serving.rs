//! A contender in a process of its own, and who asks it.

use std::env;
use std::ffi::OsStr;
use std::fmt::Display;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Has a program not take the core from whoever wakes it (SCHED_BATCH).
const POLITE: [&str; 3] = ["chrt", "--batch", "0"];

/// Whoever asks a server.
pub(crate) trait Client {
    /// Has so many operations done, and checks what comes back.
    fn exchange(&mut self, operations: u64);
}

/// A contender that serves. Ended when dropped.
pub(crate) struct Serving {
    child: Child,
    process: u32,
    /// What it has said that it listens on.
    pub(crate) address: String,
    /// Its standard streams, for who feeds it by these.
    pub(crate) stdin: Option<ChildStdin>,
    pub(crate) stdout: Option<BufReader<ChildStdout>>,
    client: Option<Box<dyn Client>>,
}

impl Serving {
    pub(super) fn start(
        wrapper: &[&OsStr],
        arguments: &[&str],
        connect: fn(&mut Serving) -> Box<dyn Client>,
    ) -> Serving {
        let program = env::current_exe().expect("own path");
        let polite = POLITE.iter().map(OsStr::new);
        let line: Vec<&OsStr> = polite.chain(wrapper.iter().copied()).chain([program.as_os_str()]).collect();
        let mut child = Command::new(line[0])
            .args(&line[1..])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().map(BufReader::new);
        let mut serving = Serving { child, process: 0, address: String::new(), stdin, stdout, client: None };
        let said = serving.read_line();
        let (address, process) = said.split_once(' ').expect("an address and a process id");
        serving.address = address.to_owned();
        serving.process = process.parse().expect("a process id");
        serving.client = Some(connect(&mut serving));
        serving
    }

    /// The next line that it says.
    pub(super) fn read_line(&mut self) -> String {
        let mut said = String::new();
        self.stdout.as_mut().expect("piped").read_line(&mut said).expect("it speaks");
        said.trim().to_owned()
    }

    /// Has so many operations done.
    pub(crate) fn exchange(&mut self, operations: u64) {
        self.client.as_mut().expect("connected").exchange(operations);
    }

    /// The process that serves.
    pub(crate) fn process(&self) -> u32 {
        self.process
    }
}

impl Drop for Serving {
    /// Ends what serves, so that a wrapper gets to write its summary, and waits for it.
    fn drop(&mut self) {
        self.client = None;
        let process = Pid::from_raw(i32::try_from(self.process).expect("a process id"));
        let _already_gone = kill(process, Signal::SIGTERM);
        drop(self.child.wait());
    }
}

/// In the child: says where it listens.
pub(super) fn announce(address: impl Display) {
    println!("{address} {}", std::process::id());
    std::io::stdout().flush().expect("a parent that listens");
}

/// In the child: no server outlives the program that asks it.
pub(super) fn end_with_parent() {
    set_pdeathsig(Signal::SIGTERM).expect("a death signal");
}
