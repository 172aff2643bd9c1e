//! A Redis server that loses nothing: each command is on disk before it is answered.

use crate::{Ending, Folder, Program, find, free_address};
use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::Command,
};

/// A server on a port of the loopback device, and on a Unix socket.
#[derive(Debug)]
pub struct Redis {
    // Before the folder, in which it writes.
    program: Program,
    server: PathBuf,
    address: SocketAddr,
    settings: Vec<String>,
    folder: Folder,
}

impl Redis {
    /// A server that answers; none, and a line about it, where it is not installed.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start() -> Option<Self> {
        Self::start_with(&[])
    }

    /// With further settings, as they stand on its command line.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start_with(settings: &[&str]) -> Option<Self> {
        let server = find("redis-server", "redis-server")?;
        let (folder, address) = (Folder::new("redis"), free_address());
        let settings: Vec<String> = settings.iter().map(ToString::to_string).collect();
        let program = launch(&server, address, &folder, &settings);
        Some(Self { program, server, address, settings, folder })
    }

    /// Where it listens, after a restart too.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its Unix socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    /// The number of its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.program.pid()
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
        self.program = launch(&self.server, self.address, &self.folder, &self.settings);
    }
}

fn launch(server: &Path, address: SocketAddr, folder: &Folder, settings: &[String]) -> Program {
    let mut command = Command::new(server);
    command.current_dir(folder.path()).args(["--bind", "127.0.0.1", "--port", &address.port().to_string()]);
    command.args(["--unixsocket", "socket", "--save", "", "--appendonly", "yes", "--appendfsync", "always"]);
    command.args(settings);
    let mut program = Program::start(&mut command, &folder.path().join("log"));
    program.wait_until(|| ping(address).is_ok_and(|answer| &answer == b"+PONG\r\n"));
    program
}

/// While it reads its data it listens already, and answers with an error.
fn ping(address: SocketAddr) -> io::Result<[u8; 7]> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(b"PING\r\n")?;
    let mut answer = [0; 7];
    stream.read_exact(&mut answer)?;
    Ok(answer)
}
