//! Fetches pages side by side with a client that knows nothing of greenlets: `ureq`, over streams that park.
//!
//! ```text
//! $ cargo run --example green_fetch                 $ cargo run --example green_fetch -- --serial
//! http://127.0.0.1:40123/100ms: 200, 5 bytes        http://127.0.0.1:40127/300ms: 200, 5 bytes
//! http://127.0.0.1:40123/200ms: 200, 5 bytes        http://127.0.0.1:40127/200ms: 200, 5 bytes
//! http://127.0.0.1:40123/300ms: 200, 5 bytes        http://127.0.0.1:40127/100ms: 200, 5 bytes
//! 3 pages in 302 ms                                 3 pages in 606 ms
//! ```
//!
//! What makes it concurrent is the transport alone, some forty lines below. With `--unpatched` the client has the sockets of the
//! standard library, as in a gevent program that forgot its `monkey.patch_all()`: each greenlet keeps the thread while it waits,
//! and it takes as long as one page after the other.

use runtime::{
    green::{
        io::{self, Read, Write},
        net::{TcpStream, ToSocketAddrs},
        time::Instant,
    },
    greenlet, net, spawn,
    time::{Duration, sleep},
};
use std::{env, process::ExitCode, thread};
use ureq::{
    Agent, Error,
    config::Config,
    http::Uri,
    unversioned::{
        resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver},
        transport::{Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport},
    },
};

const HELP: &str = "\
usage: green_fetch [--serial | --unpatched] [URL]...

Fetches all of them side by side, and prints each when it has come; without any, three from a server of its own.

  --serial       one after the other
  --unpatched    side by side, with sockets that block the thread";

/// A client's code goes deeper than a greenlet usually does.
const STACK_SIZE: usize = 256 << 10;

#[runtime::main]
fn main() -> ExitCode {
    let (options, mut urls): (Vec<_>, Vec<_>) =
        env::args().skip(1).partition(|argument| argument.starts_with('-'));
    let (is_serial, is_patched) = match options.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => (false, true),
        ["--serial"] => (true, true),
        ["--unpatched"] => (false, false),
        _ => {
            let _ = writeln!(io::stderr(), "{HELP}");
            return ExitCode::from(2);
        }
    };
    if urls.is_empty() {
        let address = start_fixture();
        urls = [300, 200, 100].map(|millis| format!("http://{address}/{millis}ms")).into();
    }
    let config = Agent::config_builder().http_status_as_error(false).build();
    let agent =
        if is_patched { Agent::with_parts(config, Green, Green) } else { Agent::new_with_config(config) };

    let begin = Instant::now();
    let pages = urls.len();
    let mut ok = true;
    let fetching = urls.into_iter().map(|url| {
        let agent = agent.clone();
        let fetch = greenlet::Builder::new().name(url.clone()).stack_size(STACK_SIZE);
        fetch.spawn(move || fetch_one(&agent, &url))
    });
    if is_serial {
        // The next one begins when the one before has ended.
        fetching.for_each(|one| ok &= greenlet::wait(one).unwrap_or(false));
    } else {
        let all: Vec<_> = fetching.collect();
        all.into_iter().for_each(|one| ok &= greenlet::wait(one).unwrap_or(false));
    }
    let _ = writeln!(io::stdout(), "{pages} pages in {} ms", begin.elapsed().as_millis());
    if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Fetches a page in the client's own blocking style; whether it came.
fn fetch_one(agent: &Agent, url: &str) -> bool {
    let fetched = agent.get(url).call().and_then(|mut response| {
        let page = response.body_mut().read_to_vec()?;
        Ok((response.status().as_u16(), page.len()))
    });
    let _ = match &fetched {
        Ok((status, bytes)) => writeln!(io::stdout(), "{url}: {status}, {bytes} bytes"),
        Err(error) => writeln!(io::stderr(), "{url}: {error}"),
    };
    fetched.is_ok()
}

/// Connects, and looks names up, in such a way that only the greenlet is parked.
#[derive(Debug)]
struct Green;

impl Connector for Green {
    type Out = GreenTransport;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        _: Option<()>,
    ) -> Result<Option<GreenTransport>, Error> {
        let stream = TcpStream::connect(&details.addrs[..])?;
        stream.set_nodelay(details.config.no_delay())?;
        let buffers =
            LazyBuffers::new(details.config.input_buffer_size(), details.config.output_buffer_size());
        Ok(Some(GreenTransport { stream, buffers }))
    }
}

impl Resolver for Green {
    fn resolve(&self, uri: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let host = uri.scheme().zip(uri.authority()).ok_or(Error::HostNotFound)?;
        let host = DefaultResolver::host_and_port(host.0, host.1).ok_or(Error::HostNotFound)?;
        let mut found = self.empty();
        host.to_socket_addrs()?.take(16).for_each(|address| found.push(address));
        Ok(found)
    }
}

#[derive(Debug)]
struct GreenTransport {
    stream: TcpStream,
    buffers: LazyBuffers,
}

impl Transport for GreenTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.stream.set_write_timeout(timeout.not_zero().map(|limit| *limit))?;
        let written = self.stream.write_all(&self.buffers.output()[..amount]);
        written.map_err(|error| or_late(error, timeout))
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.stream.set_read_timeout(timeout.not_zero().map(|limit| *limit))?;
        let read = self.stream.read(self.buffers.input_append_buf());
        let n = read.map_err(|error| or_late(error, timeout))?;
        self.buffers.input_appended(n);
        Ok(n > 0)
    }

    /// A connection with nothing to say is one to be used again.
    fn is_open(&mut self) -> bool {
        let _ = self.stream.set_nonblocking(true);
        let said = self.stream.read(&mut [0]);
        let _ = self.stream.set_nonblocking(false);
        matches!(said, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }
}

fn or_late(error: io::Error, timeout: NextTimeout) -> Error {
    match error.kind() {
        io::ErrorKind::WouldBlock => Error::Timeout(timeout.reason),
        _ => error.into(),
    }
}

/// A server that answers `/100ms` after so long, on a thread of its own, so that clients which block theirs get answers too.
fn start_fixture() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let address = listener.local_addr().expect("it has one");
    #[expect(clippy::disallowed_methods, reason = "another program, for the clients")]
    thread::spawn(move || {
        runtime::run(async {
            let listener = net::TcpListener::from_std(listener)?;
            loop {
                let (stream, _) = listener.accept().await?;
                spawn(answer_late(stream)).detach();
            }
            #[expect(unreachable_code, reason = "the type of the block")]
            io::Result::Ok(())
        })
    });
    address.to_string()
}

async fn answer_late(stream: net::TcpStream) -> io::Result<()> {
    let mut request = [0; 4096];
    let n = stream.read(&mut request).await?;
    let line = String::from_utf8_lossy(&request[..n]).into_owned();
    let millis = line.split(['/', 'm']).nth(1).and_then(|millis| millis.parse().ok()).unwrap_or(0);
    sleep(Duration::from_millis(millis)).await;
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello").await
}
