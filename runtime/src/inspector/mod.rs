//! Answers from inside a running process: what its runtimes are doing, over a socket that only its owner can open.
//!
//! ```text
//! rt tree PID ──> PID.sock ──> a thread of the process ──mail──> each loop, which dumps itself
//!                                       └── no answer in time ──> a look at the loop's thread by a signal
//! ```
//!
//! So it answers also while a loop is stuck. One thread and one socket per process, from the first inspected runtime to
//! the last; off unless asked for.

mod answer;
pub(crate) mod client;
mod place;

use answer::{Question, Subject, answer};
use runtime_executor::RuntimeId;
use runtime_io::{
    ThreadProbe,
    owner::{catch_quit, own_user, user_of},
};
use std::{
    env, fs,
    io::{self, BufRead, BufReader, Read, Write},
    mem,
    os::unix::net::{UnixListener, UnixStream},
    path::PathBuf,
    process,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// A client that takes longer than this to ask, or to listen, is left.
const CLIENT_PATIENCE: Duration = Duration::from_secs(1);
/// No question is longer.
const MAX_QUESTION: u64 = 16;

static INSPECTOR: Mutex<Inspector> = Mutex::new(Inspector { subjects: Vec::new(), server: None });

/// Everything that is inspected in this process.
struct Inspector {
    subjects: Vec<Subject>,
    server: Option<Server>,
}

impl Inspector {
    /// After a fork: the thread that answered, and the runtimes that it asked, are the parent's.
    fn leave_parents(&mut self) {
        if self.server.as_ref().is_some_and(|server| server.process != process::id()) {
            self.subjects.clear();
            // To detach a thread that does not exist here would be an error.
            mem::forget(self.server.take());
        }
    }
}

fn inspector() -> MutexGuard<'static, Inspector> {
    INSPECTOR.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether the environment asks for it.
pub(crate) fn is_asked_for() -> bool {
    env::var_os("RUNTIME_INSPECT").is_some_and(|value| !value.is_empty() && value != "0")
}

/// A runtime is inspected until this is dropped.
#[derive(Debug)]
pub(crate) struct Inspected {
    id: RuntimeId,
    /// A forked child has no part in it.
    process: u32,
}

impl Inspected {
    /// The runtime of this thread can be asked from now on. What keeps it from that is told on standard error: a program
    /// is not to fail for want of a view.
    pub(crate) fn begin(id: RuntimeId) -> Option<Self> {
        let begun = ThreadProbe::new().and_then(|probe| {
            let thread = thread::current().name().unwrap_or("?").to_owned();
            let mut inspector = inspector();
            inspector.leave_parents();
            if inspector.server.is_none() {
                inspector.server = Some(Server::start()?);
                answer_quit();
            }
            inspector.subjects.push(Subject { id, thread, probe: Arc::new(probe) });
            Ok(Self { id, process: process::id() })
        });
        begun.map_err(|error| say(&format!("this runtime cannot be inspected: {error}"))).ok()
    }
}

impl Drop for Inspected {
    fn drop(&mut self) {
        if self.process != process::id() {
            return;
        }
        let mut inspector = inspector();
        inspector.subjects.retain(|subject| subject.id != self.id);
        let server = if inspector.subjects.is_empty() { inspector.server.take() } else { None };
        drop(inspector);
        if let Some(server) = server {
            server.stop();
        }
    }
}

/// The socket, and the thread that answers there.
struct Server {
    process: u32,
    path: PathBuf,
    ends: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Server {
    fn start() -> io::Result<Self> {
        let directory = place::directory();
        let listener = place::listen(&directory, process::id())?;
        let path = place::socket(&directory, process::id());
        let ends = Arc::new(AtomicBool::new(false));
        let must_end = Arc::clone(&ends);
        let serve = move || serve(&listener, &must_end);
        let thread = thread::Builder::new().name("runtime-inspect".into()).spawn(serve)?;
        Ok(Self { process: process::id(), path, ends, thread })
    }

    fn stop(self) {
        self.ends.store(true, Ordering::Release);
        // It wakes up for this, or is with a client, who is answered first.
        let roused = place::connect(&self.path);
        let _ = fs::remove_file(&self.path);
        if roused.is_ok() {
            let _ = self.thread.join();
        }
    }
}

/// Client after client.
fn serve(listener: &UnixListener, ends: &AtomicBool) {
    for client in listener.incoming() {
        if ends.load(Ordering::Acquire) {
            return;
        }
        match client {
            // Who goes away in the middle is no concern of ours.
            Ok(client) => drop(converse(client)),
            // No descriptors left, most likely.
            Err(_) => thread::park_timeout(CLIENT_PATIENCE),
        }
    }
}

/// One question, one answer.
fn converse(mut client: UnixStream) -> io::Result<()> {
    client.set_read_timeout(Some(CLIENT_PATIENCE))?;
    client.set_write_timeout(Some(CLIENT_PATIENCE))?;
    // Before anything is read: the directory keeps others out already, but root may have opened it.
    if ![own_user(), 0].contains(&user_of(&client)?) {
        return Ok(());
    }
    let question = question_from(&client)?;
    let subjects = inspector().subjects.clone();
    let text = match Question::parse(&question) {
        Some(question) => answer(question, &subjects),
        None => format!("{question:?} is not a question that this version answers\n"),
    };
    client.write_all(text.as_bytes())
}

/// What somebody asks: a line. A signal interrupts a read that has a limit even if its handler has system calls go on.
fn question_from(client: impl Read) -> io::Result<String> {
    let mut question = Vec::new();
    BufReader::new(client.take(MAX_QUESTION)).read_until(b'\n', &mut question)?;
    Ok(String::from_utf8_lossy(&question).trim_end_matches('\n').to_owned())
}

/// Calls for every byte that comes, to the end.
fn on_each_byte(mut bytes: impl Read, mut call: impl FnMut()) {
    // `read` would end at the first interruption, and nobody would catch the next SIGQUIT: the process would end.
    while bytes.read_exact(&mut [0]).is_ok() {
        call();
    }
}

/// Answers ^\ at the terminal with the tasks of all inspected runtimes, from now on, unless that signal is used already.
fn answer_quit() {
    let tell = || {
        let subjects = inspector().subjects.clone();
        say(&format!("SIGQUIT\n{}", answer(Question::Tree, &subjects)));
    };
    let started = catch_quit().and_then(|signals| {
        let start = |signals| {
            let named = thread::Builder::new().name("runtime-quit".into());
            named.spawn(move || on_each_byte(signals, tell))
        };
        signals.map(start).transpose()
    });
    if let Err(error) = started {
        say(&format!("SIGQUIT is not answered: {error}"));
    }
}

/// A closed standard error must not become a failure.
fn say(text: &str) {
    let _ = writeln!(io::stderr(), "runtime: {text}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    /// Gives a byte at a time, and is interrupted before each, and before the end.
    struct Interrupted {
        bytes: VecDeque<u8>,
        is_next: bool,
    }

    fn interrupted(bytes: &[u8]) -> Interrupted {
        Interrupted { bytes: bytes.iter().copied().collect(), is_next: true }
    }

    impl Read for Interrupted {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            self.is_next = !self.is_next;
            if !self.is_next {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let Some(byte) = self.bytes.pop_front() else { return Ok(0) };
            buf[0] = byte;
            Ok(1)
        }
    }

    #[test]
    fn a_question_is_a_line_the_end_or_sixteen_bytes_whatever_interrupts() {
        let asked = |bytes: &[u8]| question_from(interrupted(bytes)).unwrap();
        assert_eq!(asked(b"tree\nps\n"), "tree");
        assert_eq!(asked(b"ps"), "ps");
        assert_eq!(asked(b""), "");
        assert_eq!(asked(&[b'x'; 20]), "x".repeat(16));
        assert_eq!(asked(b"\xff\n"), "\u{fffd}");
    }

    #[test]
    fn no_interruption_ends_the_answers_to_sigquit() {
        let mut calls = 0;
        on_each_byte(interrupted(b"qq"), || calls += 1);
        assert_eq!(calls, 2);
    }
}
