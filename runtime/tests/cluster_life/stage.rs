//! Starts the program under observation, talks with it, and ends it whatever happens.

use super::program::VARIABLE;
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    env,
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

/// The longest that anything may take on the slowest machine; only failures ever wait so long.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// A cluster under observation; dropped, it is killed, and its workers end by themselves.
pub(crate) struct Program {
    child: Child,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
    /// Lines of standard error that were read already.
    said: RefCell<Vec<String>>,
}

impl Program {
    /// The program that these words describe.
    pub(crate) fn start(words: &str) -> Self {
        Self::start_by(Command::new(this_program()), words)
    }

    /// The same, by a command that becomes this program.
    pub(crate) fn start_by(mut command: Command, words: &str) -> Self {
        // A group of its own, as a shell gives to each of its jobs.
        command.process_group(0);
        command.env(VARIABLE, words).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        let stdout = lines_of(child.stdout.take().expect("it is piped"));
        let stderr = lines_of(child.stderr.take().expect("it is piped"));
        Self { child, stdout, stderr, said: RefCell::default() }
    }

    /// A server, and where it listens, once so many workers serve.
    pub(crate) fn serving(words: &str, workers: usize) -> (Self, SocketAddr) {
        Self::start(words).serving_by(workers)
    }

    /// A server that was started, and where it listens, once so many workers serve.
    pub(crate) fn serving_by(self, workers: usize) -> (Self, SocketAddr) {
        let program = self;
        let places: BTreeSet<_> = (0..workers).map(|_| program.line()).collect();
        assert_eq!(places.len(), 1, "all listen at the same place: {places:?}");
        let place = places.first().and_then(|line| line.strip_prefix("at ")).expect("it says where");
        let place = place.parse().expect("an address");
        // A worker says where before it waits for clients.
        until("all are ready", || program.has_said("is ready") >= workers);
        (program, place)
    }

    /// How many lines with these words it has said on standard error so far.
    pub(crate) fn has_said(&self, words: &str) -> usize {
        let mut said = self.said.borrow_mut();
        said.extend(self.stderr.try_iter());
        said.iter().filter(|line| line.contains(words)).count()
    }

    /// The next line of its standard output.
    pub(crate) fn line(&self) -> String {
        self.stdout.recv_timeout(LIMIT).unwrap_or_else(|error| {
            panic!("no line: {error}; on standard error: {:?}", self.stderr.try_iter().collect::<Vec<_>>())
        })
    }

    /// Sends the supervisor a signal.
    pub(crate) fn signal(&self, name: &str) {
        signal(name, self.child.id());
    }

    /// Sends it to the supervisor and to all workers, as a terminal does.
    pub(crate) fn signal_all(&self, name: &str) {
        let script = format!("kill -s {name} -- -{}", self.child.id());
        assert!(Command::new("sh").args(["-c", &script]).status().expect("there is a shell").success());
    }

    /// Waits for its end: how, and what else it has said.
    pub(crate) fn end(mut self) -> End {
        let stdout = rest_of(&self.stdout);
        let said: String = self.said.take().into_iter().map(|line| line + "\n").collect();
        let stderr = said + &rest_of(&self.stderr);
        End { status: self.child.wait().expect("it is our child"), stdout, stderr }
    }
}

/// How a program ended.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Drop for Program {
    fn drop(&mut self) {
        // Both fail only if it has ended and was waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn this_program() -> PathBuf {
    env::current_exe().expect("this program has a path")
}

/// Sends a signal to a process of ours.
pub(crate) fn signal(name: &str, pid: u32) {
    let sent = Command::new("sh").args(["-c", &format!("kill -s {name} {pid}")]).status();
    assert!(sent.expect("there is a shell").success(), "{pid} is gone before SIG{name}");
}

/// Whether there is such a process, and it is no zombie.
pub(crate) fn is_alive(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status.lines().any(|line| line.starts_with("State:") && !line.contains('Z'))
}

/// Looks again and again until it is so.
#[track_caller]
pub(crate) fn until(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < LIMIT, "it never came to this: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// One client.
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    pub(crate) fn of(place: SocketAddr) -> Self {
        let stream = TcpStream::connect(place).expect("somebody listens");
        stream.set_read_timeout(Some(LIMIT)).expect("it is a socket");
        Self { stream: BufReader::new(stream) }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.stream.get_ref().local_addr().expect("it is a socket")
    }

    pub(crate) fn say(&mut self, request: &str) {
        self.stream.get_mut().write_all(format!("{request}\n").as_bytes()).expect("the server is there");
    }

    /// The next answer; an error or the end if there will be none.
    pub(crate) fn hear(&mut self) -> io::Result<String> {
        let mut line = String::new();
        match self.stream.read_line(&mut line)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(line.trim_end().to_owned()),
        }
    }

    #[track_caller]
    pub(crate) fn ask(&mut self, request: &str) -> String {
        self.say(request);
        self.hear().unwrap_or_else(|error| panic!("no answer to {request}: {error}"))
    }

    /// Who serves it: slot, process and generation.
    pub(crate) fn server(&mut self) -> (usize, u32, u64) {
        let answer = self.ask("who");
        let words: Vec<_> = answer.split(' ').collect();
        let [slot, pid, generation] = words[..] else { panic!("{answer}") };
        (slot.parse().unwrap(), pid.parse().unwrap(), generation.parse().unwrap())
    }
}

/// A client of each worker of a cluster with so many.
pub(crate) fn client_of_each(place: SocketAddr, workers: usize) -> Vec<Client> {
    let mut clients: BTreeMap<usize, Client> = BTreeMap::new();
    let began = Instant::now();
    // Kept, so that whoever has fewer gets the next.
    let mut others = Vec::new();
    while clients.len() < workers {
        assert!(began.elapsed() < LIMIT, "only {:?} serve", clients.keys());
        let mut client = Client::of(place);
        let (slot, ..) = client.server();
        others.extend(clients.insert(slot, client));
    }
    clients.into_values().collect()
}

fn lines_of(pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = channel();
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

fn rest_of(lines: &Receiver<String>) -> String {
    let mut text = String::new();
    loop {
        match lines.recv_timeout(LIMIT) {
            Ok(line) => text += &(line + "\n"),
            Err(RecvTimeoutError::Disconnected) => return text,
            Err(RecvTimeoutError::Timeout) => panic!("the program does not end; so far: {text}"),
        }
    }
}
