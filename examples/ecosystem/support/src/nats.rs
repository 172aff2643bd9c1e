//! A NATS server with JetStream, which keeps its streams on disk.

use crate::{Ending, Folder, Program, find, free_address};
use std::{
    io::{self, Read},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::Command,
};

/// A server on a port of the loopback device.
#[derive(Debug)]
pub struct Nats {
    // Before the folder, in which it writes.
    program: Program,
    server: PathBuf,
    address: SocketAddr,
    folder: Folder,
}

impl Nats {
    /// A server that answers; none, and a line about it, where it is not installed.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start() -> Option<Self> {
        let server = find("nats-server", "nats-server")?;
        let (folder, address) = (Folder::new("nats"), free_address());
        let program = launch(&server, address, &folder);
        Some(Self { program, server, address, folder })
    }

    /// Where it listens, after a restart too.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it as a power cut would.
    pub fn kill(&mut self) {
        self.program.end(Ending::Kill);
    }

    /// Ends it in order.
    pub fn stop(&mut self) {
        self.program.end(Ending::Terminate);
    }

    /// Starts it again, once it was killed or stopped, with the data that it had.
    ///
    /// # Panics
    /// When it does not start.
    pub fn restart(&mut self) {
        self.program.end(Ending::Kill);
        self.program = launch(&self.server, self.address, &self.folder);
    }
}

fn launch(server: &Path, address: SocketAddr, folder: &Folder) -> Program {
    let mut command = Command::new(server);
    command.current_dir(folder.path()).args(["-a", "127.0.0.1", "-p", &address.port().to_string()]);
    command.args(["-js", "-sd", "streams"]);
    let mut program = Program::start(&mut command, &folder.path().join("log"));
    program.wait_until(|| greeting(address).is_ok_and(|greeting| &greeting == b"INFO "));
    program
}

fn greeting(address: SocketAddr) -> io::Result<[u8; 5]> {
    let mut greeting = [0; 5];
    TcpStream::connect(address)?.read_exact(&mut greeting)?;
    Ok(greeting)
}
