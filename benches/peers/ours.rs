//! Our own runtime, driven as its documentation shows.

use std::future::Future;
use std::io::{ErrorKind, Read, Write};
use std::net;
use std::time::Duration;

use futures_util::TryFutureExt;
use runtime::net::{TcpListener, TcpStream};
use runtime::{green, greenlet, task, time};

use super::{ECHO_BUFFER_BYTES, LentBuffer, Optional, Peer};

pub(crate) struct Ours;

impl Peer for Ours {
    const NAME: &'static str = "ours";

    fn run<F>(main: F) -> F::Output
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        runtime::run(async { Self::spawn(main).await })
    }

    fn spawn<F>(task: F) -> impl Future<Output = F::Output> + 'static
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        runtime::spawn(task).unwrap_or_else(|error| panic!("a benchmark task failed: {error}"))
    }

    fn spawn_detached<F>(task: F)
    where
        F: Future<Output = ()> + 'static,
    {
        runtime::spawn(task).detach();
    }

    fn yield_now() -> impl Future<Output = ()> + 'static {
        task::yield_now()
    }

    fn sleep(duration: Duration) -> impl Future<Output = ()> + 'static {
        time::sleep(duration)
    }

    async fn timeout<F>(limit: Duration, future: F) -> Option<F::Output>
    where
        F: Future + 'static,
    {
        time::timeout(limit, future).await.ok()
    }

    fn join_all<I>(futures: I) -> impl Future<Output = Vec<<I::Item as Future>::Output>>
    where
        I: IntoIterator,
        I::Item: Future,
    {
        runtime::join_all(futures)
    }

    async fn serve(listener: net::TcpListener) {
        let listener = TcpListener::from_std(listener).expect("listener registers");
        loop {
            let (stream, _) = listener.accept().await.expect("accept");
            runtime::spawn(echo(stream)).detach();
        }
    }

    fn serve_lending(listener: net::TcpListener) -> Optional<()> {
        Some(Box::pin(async {
            let listener = TcpListener::from_std(listener).expect("listener registers");
            loop {
                let (stream, _) = listener.accept().await.expect("accept");
                runtime::spawn(echo_lending(stream)).detach();
            }
        }))
    }

    fn serve_blocking(listener: net::TcpListener) -> Optional<()> {
        Some(Box::pin(greenlet::run(|| {
            let listener = green::net::TcpListener::from_std(listener).expect("listener registers");
            for stream in listener.incoming() {
                let stream = stream.expect("accept");
                greenlet::spawn(|| echo_blocking(stream)).detach();
            }
        })))
    }
}

async fn echo(stream: TcpStream) {
    let mut buffer = vec![0; ECHO_BUFFER_BYTES];
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        if stream.write_all(&buffer[..read]).await.is_err() {
            break;
        }
    }
}

fn echo_blocking(mut stream: green::net::TcpStream) {
    let mut buffer = vec![0; ECHO_BUFFER_BYTES];
    while let Ok(read @ 1..) = stream.read(&mut buffer) {
        if stream.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
}

async fn echo_lending(stream: TcpStream) {
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
