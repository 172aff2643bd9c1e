//! Servers of HTTP, with clients that write bytes: what is answered, what is refused, who is cut and when, how it ends. Real
//! clients have their tests in `examples/ecosystem/web`.

#![cfg(all(feature = "http", feature = "macros", not(miri)))]

mod apps;
mod bodies;
mod ending;
mod flow;
mod frames;
mod http2;
mod limits;
mod requests;
mod upgrades;

use hyper::{
    Request, Response,
    body::{Body, Incoming},
    service::{Service, service_fn},
};
use runtime::{
    JoinHandle,
    http::{self, Serve},
    io::AsyncReadExt,
    net::{Drained, Server, TcpListener, TcpStream},
    spawn,
    task::yield_now,
    time::{advance, sleep},
};
use std::{convert::Infallible, future::poll_fn, io, pin::Pin, time::Duration};

const SECOND: Duration = Duration::from_secs(1);

type Serving = JoinHandle<io::Result<Drained>>;

/// Has the server run; gives its handle too.
fn run<A, M>(serve: Serve<TcpListener, A, M>) -> (Server, Serving)
where
    A: http::App<std::net::SocketAddr, M>,
    M: 'static,
{
    (serve.server(), spawn(serve))
}

async fn listen() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

/// What most tests serve.
fn app()
-> impl Service<Request<Incoming>, Response = Response<String>, Error = Infallible, Future: 'static> + 'static
{
    service_fn(async |request: Request<Incoming>| Ok(Response::new(answer(request).await)))
}

async fn answer(request: Request<Incoming>) -> String {
    match request.uri().path() {
        "/echo" => String::from_utf8_lossy(&read(request.into_body()).await.unwrap_or_default()).into_owned(),
        "/slow" => {
            sleep(10 * SECOND).await;
            "at last".to_owned()
        }
        "/minute" => {
            sleep(60 * SECOND).await;
            "a minute later".to_owned()
        }
        "/hour" => {
            sleep(3_600 * SECOND).await;
            "another hour".to_owned()
        }
        "/megabyte" => "x".repeat(1 << 20),
        "/large" => "x".repeat(32 << 20),
        "/panic" => panic!("a handler has panicked, on purpose"),
        path => format!("hello {path}"),
    }
}

async fn read(mut body: Incoming) -> hyper::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        if let Ok(data) = frame?.into_data() {
            bytes.extend(data);
        }
    }
    Ok(bytes)
}

/// A client that writes what it is told.
struct Client {
    stream: TcpStream,
    /// What was read, and belongs to no reply yet.
    unread: Vec<u8>,
}

impl Client {
    async fn connect(server: &Server) -> Self {
        let stream = TcpStream::connect(server.local_addr().unwrap()).await.unwrap();
        Self { stream, unread: Vec::new() }
    }

    async fn send(&self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Asks, and reads the whole reply: its status line and its body.
    async fn get(&mut self, path: &str) -> (String, String) {
        self.send(format!("GET {path} HTTP/1.1\r\nhost: here\r\n\r\n")).await;
        self.reply().await
    }

    /// The next reply, of a length that it names.
    async fn reply(&mut self) -> (String, String) {
        let head = self
            .until(|unread| unread.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4))
            .await;
        let head = String::from_utf8(head).unwrap();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(0, |n| n.parse().unwrap());
        let body = self.until(|unread| (unread.len() >= length).then_some(length)).await;
        (head.lines().next().unwrap().to_owned(), String::from_utf8(body).unwrap())
    }

    /// The next so many bytes; `None` if the server closes before.
    async fn next(&mut self, length: usize) -> Option<Vec<u8>> {
        while self.unread.len() < length {
            let mut buf = [0; 4096];
            match self.stream.read(&mut buf).await {
                Ok(0) | Err(_) => return None,
                Ok(read) => self.unread.extend(&buf[..read]),
            }
        }
        Some(self.unread.drain(..length).collect())
    }

    /// Reads until `found` says how much belongs together.
    async fn until(&mut self, found: impl Fn(&[u8]) -> Option<usize>) -> Vec<u8> {
        loop {
            if let Some(length) = found(&self.unread) {
                return self.unread.drain(..length).collect();
            }
            let mut buf = [0; 4096];
            let length = self.stream.read(&mut buf).await.unwrap();
            assert_ne!(
                length,
                0,
                "the server has closed; it has said {:?}",
                String::from_utf8_lossy(&self.unread)
            );
            self.unread.extend(&buf[..length]);
        }
    }

    /// All that comes until the server closes.
    async fn rest(mut self) -> String {
        (&mut &self.stream).read_to_end(&mut self.unread).await.unwrap();
        String::from_utf8(self.unread).unwrap()
    }
}

async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        yield_now().await;
    }
}

/// Goes on, quarter by quarter of a second, until the condition holds; says how long that was.
async fn time_until(condition: impl Fn() -> bool) -> Duration {
    let mut passed = Duration::ZERO;
    while !condition() {
        assert!(passed < 3600 * SECOND, "it never comes");
        advance(SECOND / 4).await;
        passed += SECOND / 4;
    }
    passed
}

#[track_caller]
fn assert_between(least: Duration, at: Duration, most: Duration) {
    assert!(least <= at && at <= most, "{at:?} is not between {least:?} and {most:?}");
}
