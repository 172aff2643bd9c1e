//! tokio: the runtime of one thread, or of two.

use std::future::Future;
use std::net;

use ::tokio::net::{TcpListener, TcpStream};
use ::tokio::runtime::Builder;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};

use super::{Kind, service};

/// Fails to compile, as an ambiguous name, when some dependency switched on tokio's `test-util` feature: with it every wake
/// does what no production build does, and the comparison would flatter us.
mod test_util_is_off {
    #[expect(unused_imports, reason = "only its names matter: `pause` must not be among them")]
    use ::tokio::time::*;

    mod decoy {
        pub(super) const fn pause() {}
    }
    #[expect(clippy::wildcard_imports, reason = "two globs are what makes a second `pause` ambiguous")]
    use decoy::*;

    const _: () = pause();
}

pub(super) fn serve(listener: net::TcpListener, kind: Kind) {
    let mut builder = match kind {
        Kind::Workers => Builder::new_multi_thread(),
        _ => Builder::new_current_thread(),
    };
    let runtime = builder.worker_threads(2).enable_io().enable_time().build().expect("a runtime");
    runtime.block_on(async {
        // In a task, as what `block_on` is given is polled by another path.
        ::tokio::spawn(run(listener, kind)).await.expect("it serves for ever");
    });
}

async fn run(listener: net::TcpListener, kind: Kind) {
    let listener = TcpListener::from_std(listener).expect("listener registers");
    match kind {
        Kind::Http1 | Kind::Served | Kind::Workers => {
            accept(listener, |stream| service::http1(stream, TokioTimer::new(), false)).await;
        }
        Kind::Gathering => accept(listener, |stream| service::http1(stream, TokioTimer::new(), true)).await,
        Kind::Http2 => {
            accept(listener, |stream| service::http2(stream, TokioTimer::new(), TokioExecutor::new())).await;
        }
        Kind::Axum => axum::serve(listener, service::router()).await.expect("it serves for ever"),
    }
}

/// Serves each connection in a task of its own.
async fn accept<F>(listener: TcpListener, serve: impl Fn(TokioIo<TcpStream>) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    loop {
        let (stream, _) = listener.accept().await.expect("accept");
        ::tokio::spawn(serve(TokioIo::new(stream)));
    }
}
