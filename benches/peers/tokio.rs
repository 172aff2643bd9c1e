//! What tokio's two single-threaded flavours share: tasks, timers, sockets and channels are the same code in both,
//! only the runtime around them differs.

use std::future::Future;
use std::io::ErrorKind;
use std::net;
use std::time::Duration;

use futures_util::TryFutureExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task;

use super::{ECHO_BUFFER_BYTES, LentBuffer};
use crate::common::foreign;
use crate::common::machine::Core;

/// Fails to compile, as an ambiguous name, when some dependency switched on tokio's `test-util` feature: with it
/// every wake does a sequentially consistent store that no production build has, and the comparison would flatter us.
mod test_util_is_off {
    #[expect(unused_imports, reason = "only its names matter: `pause` must not be among them")]
    use tokio::time::*;

    mod decoy {
        pub(super) const fn pause() {}
    }
    #[expect(clippy::wildcard_imports, reason = "two globs are what makes a second `pause` ambiguous")]
    use decoy::*;

    const _: () = pause();
}

pub(super) fn spawn<F>(task: F) -> impl Future<Output = F::Output> + 'static
where
    F: Future + 'static,
    F::Output: 'static,
{
    task::spawn_local(task).unwrap_or_else(|error| panic!("a benchmark task failed: {error}"))
}

pub(super) fn spawn_detached<F>(task: F)
where
    F: Future<Output = ()> + 'static,
{
    drop(task::spawn_local(task));
}

pub(super) async fn timeout<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    tokio::time::timeout(limit, future).await.ok()
}

pub(super) async fn serve(listener: net::TcpListener) {
    let listener = TcpListener::from_std(listener).expect("listener registers");
    loop {
        let (stream, _) = listener.accept().await.expect("accept");
        drop(task::spawn_local(echo(stream)));
    }
}

pub(super) async fn serve_lending(listener: net::TcpListener) {
    let listener = TcpListener::from_std(listener).expect("listener registers");
    loop {
        let (stream, _) = listener.accept().await.expect("accept");
        drop(task::spawn_local(echo_lending(stream)));
    }
}

async fn echo_lending(mut stream: TcpStream) {
    while stream.readable().await.is_ok() {
        let mut buffer = LentBuffer::take();
        match stream.try_read(&mut buffer) {
            Ok(read @ 1..) => {
                if stream.write_all(&buffer[..read]).await.is_err() {
                    break;
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            _ => break,
        }
    }
}

async fn echo(mut stream: TcpStream) {
    let mut buffer = vec![0; ECHO_BUFFER_BYTES];
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        if stream.write_all(&buffer[..read]).await.is_err() {
            break;
        }
    }
}

pub(super) async fn items(items: u64) -> f64 {
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let feed = foreign::producer(items, move |item| sender.send(item).expect("receiver lives"));
    let start = feed.start();
    let mut received = 0;
    while receiver.recv().await.is_some() {
        received += 1;
    }
    feed.finish(&start, received)
}

pub(super) async fn round_trips(trips: u64) -> f64 {
    let (there, mut thread_receives) = mpsc::unbounded_channel();
    let (thread_sends, mut back) = mpsc::unbounded_channel();
    let answering = foreign::thread(Core::Measured, move || {
        while let Some(item) = thread_receives.blocking_recv() {
            thread_sends.send(item).expect("the asking task lives");
        }
    });
    let start = foreign::Stopwatch::start();
    for trip in 0..trips {
        there.send(trip).expect("the answering thread lives");
        assert_eq!(back.recv().await, Some(trip));
    }
    let elapsed = start.nanoseconds_per(trips);
    drop(there);
    answering.join().expect("the answering thread ends");
    elapsed
}
