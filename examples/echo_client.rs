//! Puts load on an echo server, verifies every byte that comes back, and says how long that took.
//!
//! ```text
//! $ cargo run --release --example echo_client -- --connections 64 --duration 5
//! 127.0.0.1:7000: 64 connections, 1 in flight on each, 64 bytes, 5.0 s
//! throughput  198302 requests/s  12.7 MB/s each way
//! latency/µs  p50 310.3  p90 401.9  p99 577.5  p99.9 870.9  max 2019.3
//! verified    991510 requests, 63456640 bytes
//! ```
//!
//! It is a closed loop: each connection keeps a fixed number of messages in flight and sends the next one when an
//! echo is complete. What is sent follows from the connection's number and the position in its stream, so nothing
//! has to be kept for the comparison: ten thousand connections share one buffer.

use hdrhistogram::Histogram;
use runtime::{
    join_all,
    net::{Shutdown, TcpStream},
    spawn,
    sync::shared::oneshot,
    time::{Instant, timeout},
};
use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    env, fmt,
    io::{self, Write},
    process::ExitCode,
    rc::Rc,
    str::FromStr,
    time::Duration,
};

const HELP: &str = "\
Puts load on an echo server and verifies every byte.

usage: echo_client [OPTIONS] [ADDRESS]

  ADDRESS               host:port of the server [127.0.0.1:7000]
  -c, --connections N   connections, all at once [64]
  -p, --pipeline N      messages in flight on each connection [1]
  -s, --size BYTES      length of a message [64]
  -d, --duration SECS   how long to send [5]
  -h, --help            print this

Exit code 0: all bytes came back as they were sent. 1: they did not, or the server was not to be reached, closed
a connection early, or still owed an answer ten seconds after the end. 2: these options make no sense.
Every connection takes a descriptor: for ten thousand of them run `ulimit -n 10240` first.";

/// After which a server counts as dead: for a connection, and for what is in flight when the time is up.
const PATIENCE: Duration = Duration::from_secs(10);
/// Connections made at once: no more than the shortest usual backlog, since beyond it a SYN is lost for a second.
const CONNECTING: usize = 128;
/// The buffer that all connections share, and so the most that one system call moves.
const BUFFER_BYTES: usize = 64 * 1024;
/// "Too many open files", under the same number on every Unix.
const EMFILE: i32 = 24;
/// Bounds of the options: more needs more than one client.
const MAX_CONNECTIONS: usize = 60_000;
const MAX_PIPELINE: usize = 100_000;
const MAX_SIZE: usize = 1 << 30;
/// An hour; what takes longer is counted as an hour.
const MAX_LATENCY_NS: u64 = 3_600_000_000_000;

#[runtime::main]
async fn main() -> ExitCode {
    match Command::parse(env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned())) {
        Ok(Command::Help) => {
            // A reader that has gone away, as in `--help | head -1`, is no failure.
            let _ = writeln!(io::stdout(), "{HELP}");
            ExitCode::SUCCESS
        }
        Ok(Command::Run(load)) => match run(load).await {
            Ok(report) => {
                let _ = write!(io::stdout(), "{report}");
                ExitCode::SUCCESS
            }
            Err(failure) => {
                eprintln!("echo_client: {failure}");
                ExitCode::FAILURE
            }
        },
        Err(complaint) => {
            eprintln!("echo_client: {complaint}\nTry `echo_client --help`.");
            ExitCode::from(2)
        }
    }
}

enum Command {
    Help,
    Run(Load),
}

/// What is asked for.
#[derive(Clone)]
struct Load {
    address: String,
    connections: usize,
    pipeline: usize,
    size: usize,
    duration: Duration,
}

impl Command {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut load = Load {
            address: "127.0.0.1:7000".to_owned(),
            connections: 64,
            pipeline: 1,
            size: 64,
            duration: Duration::from_secs(5),
        };
        let mut address = None;
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "-h" | "--help" => return Ok(Self::Help),
                "-c" | "--connections" => {
                    load.connections = count(&argument, arguments.next(), MAX_CONNECTIONS)?;
                }
                "-p" | "--pipeline" => load.pipeline = count(&argument, arguments.next(), MAX_PIPELINE)?,
                "-s" | "--size" => load.size = count(&argument, arguments.next(), MAX_SIZE)?,
                "-d" | "--duration" => {
                    let seconds = value(&argument, arguments.next(), |seconds: &f64| *seconds > 0.0)?;
                    load.duration = Duration::try_from_secs_f64(seconds)
                        .map_err(|error| format!("`{argument} {seconds}`: {error}"))?;
                }
                option if option.starts_with('-') => return Err(format!("there is no option `{option}`")),
                _ if address.is_some() => return Err(format!("one address is enough: `{argument}`")),
                _ => address = Some(argument),
            }
        }
        load.address = address.unwrap_or(load.address);
        match load.address.rsplit_once(':') {
            Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => Ok(Self::Run(load)),
            _ => Err(format!("`{}` is not an address: expected host:port", load.address)),
        }
    }
}

fn count(option: &str, text: Option<String>, max: usize) -> Result<usize, String> {
    value(option, text, |number| (1..=max).contains(number))
        .map_err(|error| format!("{error}, at most {max}"))
}

fn value<T: FromStr>(option: &str, text: Option<String>, is_fine: impl Fn(&T) -> bool) -> Result<T, String> {
    let Some(text) = text else { return Err(format!("`{option}` needs a number")) };
    let number = text.parse().ok().filter(is_fine);
    number.ok_or_else(|| format!("`{option} {text}`: expected a number above zero"))
}

/// Why a run is worth nothing.
#[derive(Debug)]
enum Failure {
    Connect { made: usize, error: io::Error },
    Connection { number: usize, error: io::Error },
    Closed { number: usize, bytes: u64 },
    Mismatch { number: usize, message: u64, byte: u64, sent: u8, got: u8 },
    Surplus { number: usize, bytes: usize },
    Silence,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect { made, error } => {
                if *made > 0 {
                    write!(f, "after {made} connections: ")?;
                }
                write!(f, "{error}")?;
                if error.raw_os_error() == Some(EMFILE) {
                    f.write_str("; `ulimit -n` before the start raises the limit")?;
                }
                Ok(())
            }
            Self::Connection { number, error } => write!(f, "connection {number}: {error}"),
            Self::Closed { number, bytes } => {
                write!(f, "connection {number}: the server closed it while {bytes} bytes were to come back")
            }
            Self::Mismatch { number, message, byte, sent, got } => {
                write!(
                    f,
                    "connection {number}, message {message}, byte {byte}: sent {sent:#04x}, got {got:#04x} back"
                )
            }
            Self::Surplus { number, bytes } => {
                write!(f, "connection {number}: all had come back, and then {bytes} bytes more")
            }
            Self::Silence => write!(f, "{PATIENCE:?} after the end the server still owed an answer"),
        }
    }
}

impl std::error::Error for Failure {}

/// Connects, then has all connections send until the time is up and take back what is in flight.
async fn run(load: Load) -> Result<Report, Failure> {
    let streams = connect_all(&load).await?;
    let (failed, failure) = oneshot::channel();
    let start = Instant::now();
    let run = Rc::new(Run {
        deadline: start + load.duration,
        failed: Cell::new(Some(failed)),
        buffer: RefCell::new(vec![0; BUFFER_BYTES].into()),
        last_answer: Cell::new(start),
        latencies_ns: RefCell::new(
            Histogram::new_with_bounds(1, MAX_LATENCY_NS, 3).expect("these bounds make sense"),
        ),
        load,
    });
    let connections: Vec<_> = streams
        .into_iter()
        .enumerate()
        .map(|(number, stream)| spawn(Connection::new(number, stream, Rc::clone(&run)).drive()))
        .collect();

    // One failure is enough: the others are not waited for.
    let all_done = async {
        join_all(connections).await;
        Ok(())
    };
    let one_failed = async { Err(failure.await.unwrap_or(Failure::Silence)) };
    timeout(run.load.duration + PATIENCE, futures_lite::future::or(one_failed, all_done))
        .await
        .unwrap_or(Err(Failure::Silence))?;
    let elapsed = run.last_answer.get().duration_since(start);
    Ok(Report { elapsed, load: run.load.clone(), latencies_ns: run.latencies_ns.borrow().clone() })
}

async fn connect_all(load: &Load) -> Result<Vec<TcpStream>, Failure> {
    let failure = |made, error| Failure::Connect { made, error };
    // The name is looked up once, and the others go where the first one was welcome.
    let first = connect(&load.address).await.map_err(|error| failure(0, error))?;
    let address = first.peer_addr().map_err(|error| failure(0, error))?;
    let mut streams = vec![first];
    while streams.len() < load.connections {
        let next = CONNECTING.min(load.connections - streams.len());
        for stream in join_all((0..next).map(|_| connect(address))).await {
            streams.push(stream.map_err(|error| failure(streams.len(), error))?);
        }
    }
    Ok(streams)
}

async fn connect(address: impl runtime::net::ToSocketAddrs) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(address, PATIENCE).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// What all connections share.
struct Run {
    load: Load,
    deadline: Instant,
    last_answer: Cell<Instant>,
    /// Used up by the first failure.
    failed: Cell<Option<oneshot::Sender<Failure>>>,
    /// Borrowed between two `.await`s only.
    buffer: RefCell<Box<[u8]>>,
    latencies_ns: RefCell<Histogram<u64>>,
}

struct Connection {
    number: usize,
    stream: TcpStream,
    run: Rc<Run>,
    content: Content,
    sent: u64,
    received: u64,
    /// When each message in flight was due to be sent, oldest first.
    in_flight: VecDeque<Instant>,
}

impl Connection {
    fn new(number: usize, stream: TcpStream, run: Rc<Run>) -> Self {
        let content = Content::of_connection(number);
        let in_flight = VecDeque::with_capacity(run.load.pipeline);
        Self { number, stream, run, content, sent: 0, received: 0, in_flight }
    }

    async fn drive(mut self) {
        if let Err(failure) = self.exchange().await
            && let Some(failed) = self.run.failed.take()
        {
            // Nobody listens only if the run has ended anyway.
            let _ = failed.send(failure);
        }
    }

    async fn exchange(&mut self) -> Result<(), Failure> {
        let number = self.number;
        let broken = |error| Failure::Connection { number, error };
        let pipeline = self.run.load.pipeline;
        self.in_flight.resize(pipeline, Instant::now());
        while !self.in_flight.is_empty() {
            let all_sent = self.send().map_err(broken)?;
            if all_sent {
                self.stream.readable().await.map_err(broken)?;
            } else {
                // Never only for room: a server that waits until we read would wait for ever.
                let ready = futures_lite::future::or(self.stream.readable(), self.stream.writable());
                ready.await.map_err(broken)?;
            }
            if let Some(now) = self.receive()?
                && now < self.run.deadline
            {
                self.in_flight.resize(pipeline, now);
            }
        }
        self.stream.shutdown(Shutdown::Write).map_err(broken)?;
        self.stream.readable().await.map_err(broken)?;
        // A small array of our own: the server may be slow to close, and the buffer is for everybody.
        match self.stream.read(&mut [0; 64]).await.map_err(broken)? {
            0 => Ok(()),
            bytes => Err(Failure::Surplus { number, bytes }),
        }
    }

    /// Sends as much of the messages in flight as the socket takes now. Whether that was all.
    fn send(&mut self) -> io::Result<bool> {
        let size = self.run.load.size as u64;
        let end = (self.received / size + self.in_flight.len() as u64) * size;
        let mut buffer = self.run.buffer.borrow_mut();
        while self.sent < end {
            let length = buffer.len().min(usize::try_from(end - self.sent).unwrap_or(usize::MAX));
            let part = &mut buffer[..length];
            self.content.fill(self.sent, part);
            match self.stream.try_write(part) {
                Ok(n) => self.sent += n as u64,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Takes what has come back, verifies it, and notes how long complete messages took. Gives the time it read
    /// from the clock for that, if there was anything.
    fn receive(&mut self) -> Result<Option<Instant>, Failure> {
        let number = self.number;
        let mut buffer = self.run.buffer.borrow_mut();
        let n = match self.stream.try_read(&mut buffer) {
            Ok(0) => return Err(Failure::Closed { number, bytes: self.sent - self.received }),
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(Failure::Connection { number, error }),
        };
        let now = Instant::now();
        let expected = usize::try_from(self.sent - self.received).unwrap_or(usize::MAX).min(n);
        let size = self.run.load.size as u64;
        if let Some(wrong) = self.content.first_difference(self.received, &buffer[..expected]) {
            let position = self.received + wrong as u64;
            let (message, byte) = (position / size, position % size);
            let (sent, got) = (self.content.byte(position), buffer[wrong]);
            return Err(Failure::Mismatch { number, message, byte, sent, got });
        }
        if n > expected {
            return Err(Failure::Surplus { number, bytes: n - expected });
        }
        let complete = (self.received + n as u64) / size - self.received / size;
        self.received += n as u64;
        let mut latencies = self.run.latencies_ns.borrow_mut();
        for since in self.in_flight.drain(..usize::try_from(complete).expect("no more than in flight")) {
            let ns = u64::try_from(now.duration_since(since).as_nanos()).unwrap_or(u64::MAX);
            latencies.saturating_record(ns.max(1));
        }
        self.run.last_answer.set(now);
        Ok(Some(now))
    }
}

/// The endless stream of bytes that one connection sends: pseudo-random, and each byte follows from its position.
#[derive(Clone, Copy)]
struct Content {
    seed: u64,
}

impl Content {
    fn of_connection(number: usize) -> Self {
        Self { seed: scatter(number as u64 + 1) }
    }

    fn word(self, index: u64) -> u64 {
        scatter(self.seed.wrapping_add(index))
    }

    fn byte(self, position: u64) -> u8 {
        self.word(position / 8).to_le_bytes()[(position % 8) as usize]
    }

    /// Writes the bytes that begin at `position`.
    fn fill(self, position: u64, bytes: &mut [u8]) {
        let (head, rest) = bytes.split_at_mut(head_length(position, bytes.len()));
        let (words, tail) = rest.as_chunks_mut();
        let first_word = (position + head.len() as u64) / 8;
        for (index, word) in (first_word..).zip(words.iter_mut()) {
            *word = self.word(index).to_le_bytes();
        }
        let tail_at = (first_word + words.len() as u64) * 8;
        for (at, byte) in (position..).zip(head).chain((tail_at..).zip(tail)) {
            *byte = self.byte(at);
        }
    }

    /// Where `bytes`, which should begin at `position`, first differ from what was sent.
    fn first_difference(self, position: u64, bytes: &[u8]) -> Option<usize> {
        let (head, rest) = bytes.split_at(head_length(position, bytes.len()));
        let (words, tail) = rest.as_chunks();
        let first_word = (position + head.len() as u64) / 8;
        let tail_at = (first_word + words.len() as u64) * 8;
        let words_agree =
            (first_word..).zip(words).all(|(index, word)| u64::from_le_bytes(*word) == self.word(index));
        let ends_agree =
            (position..).zip(head).chain((tail_at..).zip(tail)).all(|(at, byte)| *byte == self.byte(at));
        if words_agree && ends_agree {
            return None;
        }
        (position..).zip(bytes).position(|(at, byte)| *byte != self.byte(at))
    }
}

/// How many of `length` bytes from `position` on come before the first whole word.
fn head_length(position: u64, length: usize) -> usize {
    length.min((position.wrapping_neg() % 8) as usize)
}

/// Turns neighbouring numbers into unrelated ones: a step of SplitMix64 (Steele, Lea, Flood: "Fast splittable
/// pseudorandom number generators", 2014).
fn scatter(number: u64) -> u64 {
    let z = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

struct Report {
    load: Load,
    elapsed: Duration,
    latencies_ns: Histogram<u64>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Load { address, connections, pipeline, size, duration } = &self.load;
        let requests = self.latencies_ns.len();
        let per_second = requests as f64 / self.elapsed.as_secs_f64();
        let megabytes = per_second * *size as f64 / 1e6;
        writeln!(
            f,
            "{address}: {connections} connections, {pipeline} in flight on each, {size} bytes, {:.1} s",
            duration.as_secs_f64()
        )?;
        writeln!(f, "throughput  {per_second:.0} requests/s  {megabytes:.1} MB/s each way")?;
        write!(f, "latency/µs ")?;
        for percentile in [50.0, 90.0, 99.0, 99.9] {
            let us = self.latencies_ns.value_at_percentile(percentile) as f64 / 1e3;
            write!(f, " p{percentile} {us:.1} ")?;
        }
        writeln!(f, " max {:.1}", self.latencies_ns.max() as f64 / 1e3)?;
        writeln!(f, "verified    {requests} requests, {} bytes", requests * *size as u64)
    }
}
