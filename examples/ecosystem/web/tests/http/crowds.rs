//! Many at once: wrk, h2load, and those who connect and stay: as many as `HTTP_CROWD` says.

use super::*;
use axum::{Router, routing::get};
use runtime::{join_all, net::TcpStream, task::yield_now};
use std::time::Duration;

fn app() -> Router {
    Router::new().route("/", get(async || "hello"))
}

#[runtime::test]
async fn wrk_has_no_error() {
    let (server, url, _serving) = run(http::serve(listen().await, app()));
    let Some(said) = said("wrk", "wrk", &["-c", "64", "-t", "1", "-d", "1s", &url]).await else { return };
    for trouble in ["Socket errors", "Non-2xx"] {
        assert!(!said.contains(trouble), "{said}");
    }
    let stats = server.stats();
    assert_eq!((stats.failed, stats.panicked), (0, 0));
}

#[runtime::test]
async fn h2load_has_no_error() {
    let (server, url, _serving) = run(http::serve(listen().await, app()));
    for protocol in ["h2c", "http/1.1"] {
        let arguments = ["-n", "4000", "-c", "20", "-m", "20", "-p", protocol, &url];
        let Some(said) = said("h2load", "nghttp2-client", &arguments).await else { return };
        assert!(said.contains("4000 succeeded, 0 failed, 0 errored, 0 timeout"), "{said}");
    }
    let stats = server.stats();
    assert_eq!((stats.failed, stats.panicked), (0, 0));
}

/// Connections that are kept alive, or as many as descriptors allow: there is one for each end.
const CROWD: usize = 1_000;

#[runtime::test]
async fn a_crowd_is_kept_and_served_again() {
    let wanted = std::env::var("HTTP_CROWD").ok().and_then(|crowd| crowd.parse().ok()).unwrap_or(CROWD);
    let count = wanted.min(descriptors() / 2 - 200);
    let (server, _url, serving) = run(http::serve(listen().await, app()).max_connections(10_000));
    let address = server.local_addr().expect("it listens");
    let mut clients = Vec::new();
    // By the hundred: the queue of those who wait to be accepted is not endless.
    for _ in 0..count.div_ceil(100) {
        let connected = join_all((0..100).map(|_| TcpStream::connect(address))).await;
        clients.extend(connected.into_iter().map(|stream| stream.expect("it listens")));
    }
    for _ in 0..2 {
        for some in clients.chunks(100) {
            join_all(some.iter().map(ask)).await;
        }
    }
    assert_eq!(server.connections(), clients.len());
    server.drain(Duration::from_secs(30)).await;
    let drained = serving.await.expect("no panic").expect("no error");
    assert_eq!((drained.finished as usize, drained.forced.len()), (clients.len(), 0));
}

async fn ask(stream: &TcpStream) {
    stream.write_all(b"GET / HTTP/1.1\r\nhost: here\r\n\r\n").await.expect("it is open");
    let mut reply = [0; 512];
    let mut length = 0;
    while !reply[..length].ends_with(b"\r\n\r\nhello") {
        let read = stream.read(&mut reply[length..]).await.expect("it is open");
        assert_ne!(read, 0, "it was closed");
        length += read;
        yield_now().await;
    }
}

/// How many this process may have open.
fn descriptors() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find(|line| line.starts_with("Max open files"));
    line.and_then(|line| line.split_whitespace().nth(3))
        .and_then(|number| number.parse().ok())
        .unwrap_or(1024)
}
