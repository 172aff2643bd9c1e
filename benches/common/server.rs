//! A server in a process of its own, which dies with the program that started it.

use std::env;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{Backlog, listen, setsockopt, sockopt};
use nix::unistd::Pid;

use super::machine;

/// A server started by [`Server::start`]; killed when dropped.
pub(crate) struct Server {
    child: Child,
    process: u32,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts this program again as the server of `peer`; nothing if it has no such handler.
    pub(crate) fn start(peer: &str, handler: &str) -> Option<Server> {
        Server::start_under(&[], peer, handler)
    }

    /// The same under another program, which is given the server's command line as its last arguments.
    pub(crate) fn start_under(wrapper: &[&OsStr], peer: &str, handler: &str) -> Option<Server> {
        let program = env::current_exe().expect("own path");
        let line: Vec<&OsStr> = wrapper.iter().copied().chain([program.as_os_str()]).collect();
        let mut command = Command::new(line[0]);
        command.args(&line[1..]).args(["--serve", peer, handler]).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the server starts");
        let mut said = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut said).expect("the server speaks");
        let Some((address, process)) = said.trim().split_once(' ') else {
            drop(child.wait());
            return None;
        };
        let address = address.parse().expect("an address");
        Some(Server { child, process: process.parse().expect("a process id"), address })
    }

    /// Processor time that it has used, and whoever it has started.
    pub(crate) fn processor_time(&self) -> Duration {
        machine::processor_time_of(self.process)
            + machine::children_of(self.process).map(machine::processor_time_of).sum::<Duration>()
    }

    /// Bytes of it in memory.
    pub(crate) fn resident_bytes(&self) -> u64 {
        machine::resident_bytes(self.process)
    }
}

impl Drop for Server {
    /// Ends the server itself, so that a wrapper gets to write its summary, and waits for it.
    fn drop(&mut self) {
        let process = Pid::from_raw(i32::try_from(self.process).expect("a process id"));
        let _already_gone = kill(process, Signal::SIGTERM);
        drop(self.child.wait());
    }
}

/// The child's part: a listener on a free port, for the lifetime of whoever started this process.
pub(crate) fn listener() -> TcpListener {
    set_pdeathsig(Signal::SIGTERM).expect("a death signal");
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    listen(&listener, Backlog::MAXCONN).expect("listen");
    // Accepted sockets inherit it: no server pays a system call per connection for it, and none waits for Nagle.
    setsockopt(&listener, sockopt::TcpNoDelay, &true).expect("TCP_NODELAY");
    listener.set_nonblocking(true).expect("O_NONBLOCK");
    listener
}

/// Tells whoever started this process where it listens.
pub(crate) fn announce(listener: &TcpListener) {
    println!("{} {}", listener.local_addr().expect("bound"), std::process::id());
}
