//! Programs of others: found, started, followed until they answer, and ended.

use std::{
    env,
    fs::{self, File},
    io::{self, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

/// How often a server is asked whether it answers already, [`PAUSE`] apart: for a minute, on the slowest machine.
const QUESTIONS: u32 = 6000;
/// So briefly that nobody notices, so long that a server which starts has the processor.
const PAUSE: Duration = Duration::from_millis(10);

/// Where a program is, or a line that it is SKIPPED, with the Debian package that has it.
///
/// ```
/// assert!(support::find("sh", "dash").is_some());
/// assert!(support::find("sesquipedalian-server", "sesquipedalian").is_none());
/// ```
#[must_use]
pub fn find(program: &str, package: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    // Where servers are that only administrators start, and PostgreSQL's, whose folder has its version in the name.
    let mut folders: Vec<PathBuf> = env::split_paths(&path).chain(["/usr/sbin".into()]).collect();
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    folders.extend(versions.map(|version| version.path().join("bin")));
    let found = folders.into_iter().map(|folder| folder.join(program)).find(|file| file.is_file());
    if found.is_none() {
        skip(&format!("{program} is not installed (apt-get install {package})"));
    }
    found
}

/// Says in a line of its own that something is SKIPPED, and why.
pub fn skip(why: &str) {
    // Not by `println!`, which tests keep to themselves; and a line of its own, whatever has been printed.
    let _ = io::stdout().lock().write_all(format!("\nSKIPPED: {why}\n").as_bytes());
}

/// A loopback address with a port that was free a moment ago.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn free_address() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    listener.local_addr().expect("it is bound")
}

/// How a program is asked to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// `SIGTERM`: in order.
    Terminate,
    /// `SIGQUIT`: PostgreSQL takes its children along, and nothing else.
    Quit,
    /// `SIGKILL`: at once, wherever it is.
    Kill,
}

/// A program that runs until it is ended; dropped, it is killed.
#[derive(Debug)]
pub struct Program {
    child: Child,
    log: PathBuf,
    farewell: Ending,
}

impl Program {
    /// Starts it, with all that it says going to the file `log`.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(command: &mut Command, log: &Path) -> Self {
        let file = File::options().create(true).append(true).open(log).expect("the log can be written");
        let same = file.try_clone().expect("a descriptor is free");
        let child = command.stdin(Stdio::null()).stdout(file).stderr(same).spawn();
        let child = child.unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Self { child, log: log.to_owned(), farewell: Ending::Kill }
    }

    /// Ends otherwise than by being killed, when it is dropped.
    #[must_use]
    pub fn ending_by(mut self, farewell: Ending) -> Self {
        self.farewell = farewell;
        self
    }

    /// Its process number.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks again and again until the answer is yes, with short pauses.
    ///
    /// # Panics
    /// When it ends instead, or after a minute: with what it has said.
    #[track_caller]
    pub fn wait_until(&mut self, mut answers: impl FnMut() -> bool) {
        for _ in 0..QUESTIONS {
            if answers() {
                return;
            }
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                panic!("the program ended ({status}) and said: {}", self.said());
            }
            #[expect(
                clippy::disallowed_methods,
                reason = "a stranger's program tells nobody that it is ready"
            )]
            thread::sleep(PAUSE);
        }
        panic!("the program does not answer; it said: {}", self.said());
    }

    /// All that it has said so far.
    #[must_use]
    pub fn said(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Asks it to end, and waits until it has.
    pub fn end(&mut self, how: Ending) {
        let name = match how {
            Ending::Terminate => "TERM",
            Ending::Quit => "QUIT",
            Ending::Kill => "KILL",
        };
        // It is not reaped before it was waited for below, so its number is nobody else's. The shell knows `kill` itself.
        if matches!(self.child.try_wait(), Ok(None)) {
            let command = format!("kill -{name} {}", self.child.id());
            let _ = Command::new("sh").args(["-c", &command]).status();
        }
        let _ = self.child.wait();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.end(self.farewell);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Folder;

    #[test]
    fn a_program_is_followed_until_it_answers_and_ended() {
        let folder = Folder::new("program");
        let ready = folder.path().join("ready");
        let script = "echo hello; touch ready; exec sleep 1000";
        let mut command = Command::new("sh");
        command.args(["-c", script]).current_dir(folder.path());
        let mut program = Program::start(&mut command, &folder.path().join("log"));
        program.wait_until(|| ready.exists());
        assert_eq!(program.said(), "hello\n");
        program.end(Ending::Terminate);
        program.end(Ending::Kill); // again, which does no harm
    }

    #[test]
    #[should_panic(expected = "the program ended (exit status: 3) and said: no\n")]
    fn a_program_that_ends_instead_has_said_why() {
        let folder = Folder::new("program");
        let mut command = Command::new("sh");
        let mut program = Program::start(command.args(["-c", "echo no; exit 3"]), &folder.path().join("log"));
        program.wait_until(|| false);
    }
}
