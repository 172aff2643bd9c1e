//! An echo server that holds ten thousand connections on one thread, and survives every one of them.
//!
//! ```text
//! $ cargo run --release --example echo_server -- --stats
//! listening on 127.0.0.1:7000
//! open 64  total 64  requests 198302  requests/s 198302  bytes/s 12691328
//! ```
//!
//! Three things keep it small and quick. A connection that has nothing to say costs a task of a few hundred bytes
//! and no buffer: it waits until it is readable and borrows one only then. The next connection gets the very same
//! buffer, which is still warm in the cache. And what the tasks share needs neither locks nor atomics, because they
//! take turns on one thread.

use runtime::{
    net::{TcpListener, TcpStream},
    spawn, spawn_blocking,
    time::{Instant, sleep},
};
use std::{
    cell::{Cell, RefCell},
    convert::Infallible,
    env, fmt,
    io::{self, Write},
    os::fd::{AsFd, AsRawFd},
    process::ExitCode,
    rc::Rc,
    time::Duration,
};

const HELP: &str = "\
Sends back whatever it gets.

usage: echo_server [--stats] [ADDRESS]

  ADDRESS      host:port to listen on; port 0 means any that is free [127.0.0.1:7000]
  --stats      print, once a second, how many connections are open and were accepted in total,
               and how many requests were answered (a request is what one read returns)
  -h, --help   print this

Every connection takes a descriptor: for ten thousand of them run `ulimit -n 10240` first.";

/// Enough for a busy stream (larger reads gain nothing measurable), and little enough for many slow readers: a client
/// that does not take its echo is the only one to keep a buffer while it waits.
const BUFFER_BYTES: usize = 32 * 1024;
/// Buffers kept for the next reader, 2 MiB in all; further ones go back to the allocator.
const SPARE_BUFFERS: usize = 64;
/// Before `accept` is tried again after an error, lest one that lasts becomes a spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
const STATS_PERIOD: Duration = Duration::from_secs(1);

#[runtime::main]
async fn main() -> ExitCode {
    match Command::parse(env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned())) {
        Ok(Command::Help) => {
            // A reader that has gone away, as in `--help | head -1`, is no failure.
            let _ = writeln!(io::stdout(), "{HELP}");
            ExitCode::SUCCESS
        }
        Ok(Command::Serve { address, stats }) => {
            let Err(error) = serve(&address, stats).await;
            complain(format_args!("{error}"));
            ExitCode::FAILURE
        }
        Err(complaint) => {
            complain(format_args!("{complaint}\nTry `echo_server --help`."));
            ExitCode::from(2)
        }
    }
}

/// `eprintln!` would panic if nobody listens, and a server has better things to do.
fn complain(sentence: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "echo_server: {sentence}");
}

enum Command {
    Help,
    Serve { address: String, stats: bool },
}

impl Command {
    fn parse(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut address = None;
        let mut stats = false;
        for argument in arguments {
            match argument.as_str() {
                "-h" | "--help" => return Ok(Self::Help),
                "--stats" => stats = true,
                option if option.starts_with('-') => return Err(format!("there is no option `{option}`")),
                _ if address.is_some() => return Err(format!("one address is enough: `{argument}`")),
                _ => address = Some(argument),
            }
        }
        let address = address.unwrap_or_else(|| "127.0.0.1:7000".to_owned());
        match address.rsplit_once(':') {
            Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => {
                Ok(Self::Serve { address, stats })
            }
            _ => Err(format!("`{address}` is not an address: expected host:port, such as 127.0.0.1:7000")),
        }
    }
}

/// What all connections share.
#[derive(Default)]
struct Server {
    open: Cell<u64>,
    total: Cell<u64>,
    requests: Cell<u64>,
    bytes: Cell<u64>,
    spare_buffers: RefCell<Vec<Box<[u8]>>>,
}

/// Listens, and spawns a task for each connection. Comes back only if it cannot listen.
async fn serve(address: &str, stats: bool) -> io::Result<Infallible> {
    let listener = TcpListener::bind(address).await?;
    // Standard output is flushed at each line, into a pipe too; if nobody reads it, there are still clients.
    let _ = writeln!(io::stdout(), "listening on {}", listener.local_addr()?);

    let server = Rc::new(Server::default());
    if stats {
        spawn(print_stats(Rc::clone(&server))).detach();
    }
    let mut highest_descriptor = 0;
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Descriptors are handed out lowest first, so the last one is always a new highest one.
                if stream.as_raw_fd() > highest_descriptor {
                    highest_descriptor = stream.as_raw_fd();
                    warn_if_last(&stream, server.open.get() + 1);
                }
                // Or the echo of a small request may wait for the acknowledgement of the one before.
                let _ = stream.set_nodelay(true);
                // Resets and the like are the client's way of leaving: nobody asks how it ended.
                spawn(Connection::new(stream, Rc::clone(&server)).echo()).detach();
            }
            Err(error) => {
                complain(format_args!("accept: {error}"));
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// While there are no descriptors `accept` waits until one is closed. That is the right thing to do, but whoever
/// started the server should know.
fn warn_if_last(stream: &TcpStream, open: u64) {
    if let Err(error) = stream.as_fd().try_clone_to_owned() {
        complain(format_args!(
            "{open} connections are open, and there is no descriptor for another ({error}); new clients wait until \
             one leaves. `ulimit -n` before the start raises the limit."
        ));
    }
}

/// One client. Counted as open from beginning to end, however it ends.
struct Connection {
    stream: TcpStream,
    server: Rc<Server>,
}

impl Connection {
    fn new(stream: TcpStream, server: Rc<Server>) -> Self {
        server.open.set(server.open.get() + 1);
        server.total.set(server.total.get() + 1);
        Self { stream, server }
    }

    /// Sends back what comes, until the client ends its side; closing then ends ours.
    async fn echo(self) -> io::Result<()> {
        loop {
            self.stream.readable().await?;
            let mut buffer = self.server.take_buffer();
            match self.stream.try_read(&mut buffer.bytes) {
                Ok(0) => return Ok(()),
                Ok(n) => {
                    // As long as the client does not take its echo, nothing more is read from it.
                    self.stream.write_all(&buffer.bytes[..n]).await?;
                    self.server.requests.set(self.server.requests.get() + 1);
                    self.server.bytes.set(self.server.bytes.get() + n as u64);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.server.open.set(self.server.open.get() - 1);
    }
}

/// A buffer on loan; dropping it gives it back.
struct Buffer<'a> {
    bytes: Box<[u8]>,
    server: &'a Server,
}

impl Server {
    fn take_buffer(&self) -> Buffer<'_> {
        let spare = self.spare_buffers.borrow_mut().pop();
        Buffer { bytes: spare.unwrap_or_else(|| vec![0; BUFFER_BYTES].into()), server: self }
    }
}

impl Drop for Buffer<'_> {
    fn drop(&mut self) {
        let mut spare = self.server.spare_buffers.borrow_mut();
        if spare.len() < SPARE_BUFFERS {
            spare.push(std::mem::take(&mut self.bytes));
        }
    }
}

async fn print_stats(server: Rc<Server>) {
    let mut before = (Instant::now(), 0, 0);
    loop {
        sleep(STATS_PERIOD).await;
        let now = (Instant::now(), server.requests.get(), server.bytes.get());
        let seconds = now.0.duration_since(before.0).as_secs_f64();
        let line = format!(
            "open {}  total {}  requests {}  requests/s {:.0}  bytes/s {:.0}",
            server.open.get(),
            server.total.get(),
            now.1,
            (now.1 - before.1) as f64 / seconds,
            (now.2 - before.2) as f64 / seconds,
        );
        before = now;
        // A terminal on hold or a full pipe blocks whoever prints: better a thread of the pool than all clients.
        let printed = spawn_blocking(move || writeln!(io::stdout(), "{line}")).await;
        if !matches!(printed, Ok(Ok(()))) {
            return;
        }
    }
}
