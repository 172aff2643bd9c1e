//! A PostgreSQL server with a new, empty database.

use crate::{Ending, Folder, Program, find, free_address};
use std::{
    fs,
    net::{SocketAddr, TcpStream},
    os::unix::{
        fs::{MetadataExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::Command,
};

/// A server on a port of the loopback device, and on a Unix socket. Whoever connects as [`Postgres::USER`] is let in.
#[derive(Debug)]
pub struct Postgres {
    // Before the folder, in which it writes.
    program: Program,
    server: PathBuf,
    address: SocketAddr,
    folder: Folder,
}

impl Postgres {
    /// The name to connect with, who may do everything.
    pub const USER: &str = "tester";
    /// The database that is there.
    pub const DATABASE: &str = "postgres";

    /// A server that answers; none, and a line about it, where it is not installed.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start() -> Option<Self> {
        let server = find("postgres", "postgresql")?;
        let (folder, address) = (Folder::new("postgres"), free_address());
        if let Some((user, group)) = account() {
            chown(folder.path(), Some(user), Some(group)).expect("root gives away what it likes");
        }
        let mut initdb = command(&server.with_file_name("initdb"), &folder);
        initdb.args([
            "-D",
            "data",
            "-U",
            Self::USER,
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--no-locale",
            "--no-sync",
        ]);
        let output = initdb.output().expect("it is installed with the server");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let program = launch(&server, address, &folder);
        Some(Self { program, server, address, folder })
    }

    /// Where it listens, after a restart too.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its Unix socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join(format!(".s.PGSQL.{}", self.address.port()))
    }

    /// Ends it without any order, as a crash of one of its processes would: the next start repairs the data. (A server that is
    /// killed itself leaves processes behind, which the next one waits for.)
    pub fn kill(&mut self) {
        self.program.end(Ending::Quit);
    }

    /// Starts it again, with the data that it had.
    ///
    /// # Panics
    /// When it does not start.
    pub fn restart(&mut self) {
        self.program.end(Ending::Quit);
        self.program = launch(&self.server, self.address, &self.folder);
    }
}

fn launch(server: &Path, address: SocketAddr, folder: &Folder) -> Program {
    let mut command = command(server, folder);
    command.args(["-D", "data", "-h", "127.0.0.1", "-p", &address.port().to_string(), "-k"]);
    command.arg(folder.path());
    let mut program = Program::start(&mut command, &folder.path().join("log")).ending_by(Ending::Quit);
    // It listens before it lets anybody in, and says in this file when it does. What is found there before it listens
    // can be its predecessor's.
    let state = folder.path().join("data/postmaster.pid");
    let is_ready =
        || fs::read_to_string(&state).is_ok_and(|text| text.lines().any(|line| line.trim() == "ready"));
    program.wait_until(|| TcpStream::connect(address).is_ok() && is_ready());
    program
}

fn command(program: &Path, folder: &Folder) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder.path());
    if let Some((user, group)) = account() {
        command.uid(user).gid(group);
    }
    command
}

/// User and group of the account that Debian makes for it, if we are root, as whom it refuses to run.
fn account() -> Option<(u32, u32)> {
    if fs::metadata("/proc/self").ok()?.uid() != 0 {
        return None;
    }
    let accounts = fs::read_to_string("/etc/passwd").ok()?;
    let mut words = accounts.lines().find(|line| line.starts_with("postgres:"))?.split(':').skip(2);
    Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
}
