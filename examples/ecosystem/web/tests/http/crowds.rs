//! Many at once: wrk, h2load, and ten thousand who connect and stay.

use super::*;
use axum::{Router, routing::get};
use runtime::{join_all, net::TcpStream, select, sync::shared::Event, task::yield_now};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

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

/// Connections that are kept alive, or as many as descriptors allow: as many as a server takes as a rule.
const CROWD: usize = 10_000;
/// Descriptors for all else in a process, such as what its other tests open meanwhile.
const OTHERS: usize = 1_000;
/// By these the crowd is told how large it is, and where its server.
const SIZE: &str = "HTTP_CROWD";
const PLACE: &str = "HTTP_CROWD_PLACE";

#[runtime::test]
async fn a_crowd_is_kept_and_served_again() {
    let wanted = std::env::var(SIZE).ok().and_then(|crowd| crowd.parse().ok()).unwrap_or(CROWD);
    let count = wanted.min(descriptors(wanted + OTHERS).await.saturating_sub(OTHERS)).next_multiple_of(100);
    let (asked, all_have_asked) = (Arc::new(AtomicUsize::new(0)), Arc::new(Event::new()));
    let (counter, event) = (Arc::clone(&asked), Arc::clone(&all_have_asked));
    let hello = async move || {
        if counter.fetch_add(1, Relaxed) + 1 == 2 * count {
            event.set();
        }
        "hello"
    };
    let app = Router::new().route("/", get(hello));
    let (server, _url, serving) = run(http::serve(listen().await, app).max_connections(count));
    let place = server.local_addr().expect("it listens").to_string();
    // In a process of its own, as each may have only so many descriptors.
    let mut crowd = Command::new(std::env::current_exe().expect("this program has a path"));
    crowd.args(["crowds::the_crowd", "--exact", "--ignored"]).env(SIZE, count.to_string()).env(PLACE, place);
    let mut crowd = spawn(crowd.output());
    select! {
        output = &mut crowd => panic!("it has left: {output:?}"),
        _ = all_have_asked.wait() => {}
    }
    assert_eq!(server.connections(), count);
    server.drain(Duration::from_secs(30)).await;
    let drained = serving.await.expect("no panic").expect("no error");
    assert_eq!((drained.finished as usize, drained.forced.len()), (count, 0));
    let output = crowd.await.expect("no panic").expect("it starts");
    assert!(output.status.success(), "{output:?}");
}

/// It asks twice, and stays until the server ends.
#[runtime::test]
#[ignore = "it is part of another test, which starts it"]
async fn the_crowd() {
    let Ok(place) = std::env::var(PLACE) else { return };
    let count: usize = std::env::var(SIZE).expect("it goes with the place").parse().expect("it is a number");
    let mut clients = Vec::new();
    // By the hundred: the queue of those who wait to be accepted is not endless.
    for _ in 0..count / 100 {
        let connected = join_all((0..100).map(|_| TcpStream::connect(place.as_str()))).await;
        clients.extend(connected.into_iter().map(|stream| stream.expect("it listens")));
    }
    for _ in 0..2 {
        for some in clients.chunks(100) {
            join_all(some.iter().map(ask)).await;
        }
    }
    for client in clients {
        assert_eq!(client.read(&mut [0]).await.expect("it is ended in order"), 0);
    }
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

/// How many this process may have open, and those that it starts: so many if it may allow itself that.
async fn descriptors(wanted: usize) -> usize {
    let limits = || std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let limit = |column: usize| {
        let limits = limits();
        let line = limits.lines().find(|line| line.starts_with("Max open files"));
        let number = line.and_then(|line| line.split_whitespace().nth(column));
        number.and_then(|number| number.parse().ok()).unwrap_or(1024)
    };
    let (soft, hard) = (3, 4);
    if limit(soft) < wanted {
        let pid = std::process::id().to_string();
        let number = format!("--nofile={}:", wanted.min(limit(hard)));
        said("prlimit", "util-linux", &["--pid", &pid, &number]).await;
    }
    limit(soft)
}
