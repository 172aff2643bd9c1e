//! smol: async-executor's `LocalExecutor` on async-io's reactor. Its own channel is async-channel, the one that the
//! shared cross-thread rows use already.

use std::cell::Cell;
use std::future::Future;
use std::io::{ErrorKind, Read};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use async_executor::LocalExecutor;
use async_io::{Async, Timer};
use futures_lite::future;
use futures_lite::io::{AsyncReadExt, AsyncWriteExt};

use super::{ECHO_BUFFER_BYTES, LentBuffer, Optional, Peer};

pub(crate) struct Smol;

thread_local! {
    /// A plain reference without a destructor, so that reaching the executor costs one load.
    static EXECUTOR: Cell<Option<&'static LocalExecutor<'static>>> = const { Cell::new(None) };
}

fn executor() -> &'static LocalExecutor<'static> {
    EXECUTOR.get().expect("inside Smol::run")
}

impl Peer for Smol {
    const NAME: &'static str = "smol";

    fn run<F>(main: F) -> F::Output
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        EXECUTOR.set(Some(Box::leak(Box::new(LocalExecutor::new()))));
        let main = executor().spawn(main);
        async_io::block_on(executor().run(main))
    }

    fn spawn<F>(task: F) -> impl Future<Output = F::Output> + 'static
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        executor().spawn(task)
    }

    fn spawn_detached<F>(task: F)
    where
        F: Future<Output = ()> + 'static,
    {
        executor().spawn(task).detach();
    }

    fn yield_now() -> impl Future<Output = ()> + 'static {
        future::yield_now()
    }

    async fn sleep(duration: Duration) {
        Timer::after(duration).await;
    }

    /// smol has no timeout of its own; racing against a timer is what its documentation shows.
    fn timeout<F>(limit: Duration, future: F) -> impl Future<Output = Option<F::Output>> + 'static
    where
        F: Future + 'static,
    {
        future::or(async { Some(future.await) }, async move {
            Timer::after(limit).await;
            None
        })
    }

    async fn serve(listener: TcpListener) {
        let listener = Async::new_nonblocking(listener).expect("listener registers");
        loop {
            let (stream, _) = listener.accept().await.expect("accept");
            executor().spawn(echo(stream)).detach();
        }
    }

    fn serve_lending(listener: TcpListener) -> Optional<()> {
        Some(Box::pin(async {
            let listener = Async::new_nonblocking(listener).expect("listener registers");
            loop {
                let (stream, _) = listener.accept().await.expect("accept");
                executor().spawn(echo_lending(stream)).detach();
            }
        }))
    }
}

async fn echo_lending(mut stream: Async<TcpStream>) {
    while stream.readable().await.is_ok() {
        let mut buffer = LentBuffer::take();
        match stream.get_ref().read(&mut buffer) {
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

async fn echo(mut stream: Async<TcpStream>) {
    let mut buffer = vec![0; ECHO_BUFFER_BYTES];
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        if stream.write_all(&buffer[..read]).await.is_err() {
            break;
        }
    }
}
