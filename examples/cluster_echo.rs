//! The echo server as a cluster: one worker process per core, behind a listener that outlives every one of them.
//!
//! ```text
//! $ cargo run --release --example cluster_echo -- --workers 2
//! worker 0 (pid 4711) listens on 127.0.0.1:7000
//! worker 1 (pid 4712) listens on 127.0.0.1:7000
//! ```
//!
//! Try, while a client is connected: `kill -9` a worker (another takes its place, and no new connection is refused), `kill -HUP`
//! the supervisor (a new generation, of a new program if there is one, and nobody is cut), `kill -TERM` it (everybody may finish).

use runtime::{
    cluster::{self, Cluster, Listeners, Mode},
    net::{Server, TcpStream},
};
use std::{
    env,
    io::{self, Write},
    process::{self, ExitCode},
    time::Duration,
};

const HELP: &str = "\
Sends back whatever it gets, from as many workers as there are cores.

usage: cluster_echo [OPTIONS] [ADDRESS]

  ADDRESS            host:port to listen on; port 0 means any that is free [127.0.0.1:7000]
  --workers N        so many workers
  --threads          threads of this process instead of processes
  --reuseport        a socket for each worker, between which the kernel deals out connections
  --pin              each worker keeps to a core
  --grace SECONDS    what clients have to finish when a worker stops [30]
  --max-requests N   a worker is replaced after so many connections
  -h, --help         print this";

/// What one read may return; larger ones gain nothing measurable.
const BUFFER_BYTES: usize = 16 * 1024;

fn main() -> ExitCode {
    let (cluster, address) = match command(env::args().skip(1)) {
        Ok(Some(command)) => command,
        Ok(None) => {
            // A reader that has gone away, as in `--help | head -1`, is no failure.
            let _ = writeln!(io::stdout(), "{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(complaint) => {
            let _ = writeln!(io::stderr(), "cluster_echo: {complaint}\nTry `cluster_echo --help`.");
            return ExitCode::from(2);
        }
    };
    // Up to here this runs in the supervisor and in every worker; from here on each does its own.
    cluster.run(move || serve(address.clone())).exit_code()
}

/// What each worker does.
async fn serve(address: String) -> io::Result<()> {
    let server = Server::bind(&address).await?;
    let slot = cluster::me().map_or(0, |me| me.slot);
    // If nobody reads it, there are still clients.
    let _ =
        writeln!(io::stdout(), "worker {slot} (pid {}) listens on {}", process::id(), server.local_addr()?);
    // Until this worker is to stop; then until its clients have finished.
    server.serve(async |stream, _peer| echo(stream).await).await?;
    Ok(())
}

/// Sends back what comes, until the client ends its side.
async fn echo(stream: TcpStream) -> io::Result<TcpStream> {
    // Or the echo of a small request may wait for the acknowledgement of the one before.
    let _ = stream.set_nodelay(true);
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(stream),
            n => stream.write_all(&buffer[..n]).await?,
        }
    }
}

/// The cluster that the arguments describe, and where it listens; `None` if only help is wanted.
fn command(mut arguments: impl Iterator<Item = String>) -> Result<Option<(Cluster, String)>, String> {
    let mut cluster = Cluster::new();
    let mut address = None;
    while let Some(argument) = arguments.next() {
        let mut number = |name: &str| {
            let value = arguments.next().and_then(|value| value.parse().ok()).filter(|&value| value > 0);
            value.ok_or_else(|| format!("`{name}` needs a number from 1"))
        };
        cluster = match argument.as_str() {
            "-h" | "--help" => return Ok(None),
            "--workers" => cluster.workers(number("--workers")? as usize),
            "--threads" => cluster.mode(Mode::Threads),
            "--reuseport" => cluster.listeners(Listeners::ReusePort),
            "--pin" => cluster.pin(true),
            "--grace" => cluster.grace(Duration::from_secs(number("--grace")?)),
            "--max-requests" => cluster.max_requests(number("--max-requests")?),
            option if option.starts_with('-') => return Err(format!("there is no option `{option}`")),
            _ if address.is_some() => return Err(format!("one address is enough: `{argument}`")),
            _ => {
                address = Some(argument);
                cluster
            }
        };
    }
    Ok(Some((cluster, address.unwrap_or_else(|| "127.0.0.1:7000".to_owned()))))
}
