//! monoio on its mio ("legacy") driver, with the `sync` feature: without it a wake from another thread panics. It has
//! no channel and no `yield_now` of its own.

use std::future::Future;
use std::net;
use std::time::Duration;

use monoio::io::{AsyncReadRent, AsyncWriteRentExt};
use monoio::net::{TcpListener, TcpStream};
use monoio::{LegacyDriver, RuntimeBuilder};

use super::{ECHO_BUFFER_BYTES, Peer};

pub(crate) struct Monoio;

impl Peer for Monoio {
    const NAME: &'static str = "monoio";

    fn run<F>(main: F) -> F::Output
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let mut runtime = RuntimeBuilder::<LegacyDriver>::new().enable_timer().build().expect("runtime");
        runtime.block_on(async { monoio::spawn(main).await })
    }

    fn spawn<F>(task: F) -> impl Future<Output = F::Output> + 'static
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        monoio::spawn(task)
    }

    fn spawn_detached<F>(task: F)
    where
        F: Future<Output = ()> + 'static,
    {
        drop(monoio::spawn(task));
    }

    fn yield_now() -> impl Future<Output = ()> + 'static {
        futures_lite::future::yield_now()
    }

    fn sleep(duration: Duration) -> impl Future<Output = ()> + 'static {
        monoio::time::sleep(duration)
    }

    async fn timeout<F>(limit: Duration, future: F) -> Option<F::Output>
    where
        F: Future + 'static,
    {
        monoio::time::timeout(limit, future).await.ok()
    }

    async fn serve(listener: net::TcpListener) {
        let listener = TcpListener::from_std(listener).expect("listener registers");
        loop {
            let (stream, _) = listener.accept().await.expect("accept");
            drop(monoio::spawn(echo(stream)));
        }
    }
}

async fn echo(mut stream: TcpStream) {
    let mut buffer = Vec::with_capacity(ECHO_BUFFER_BYTES);
    loop {
        let (read, filled) = stream.read(buffer).await;
        if !matches!(read, Ok(1..)) {
            return;
        }
        let (written, filled) = stream.write_all(filled).await;
        if written.is_err() {
            return;
        }
        buffer = filled;
        buffer.clear();
    }
}
