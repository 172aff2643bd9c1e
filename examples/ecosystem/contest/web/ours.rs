//! Our runtime: a reactor, or a cluster of two.

use std::future::Future;
use std::io;
use std::net;
use std::os::unix::process::parent_id;

use axum::Router;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use runtime::cluster::{self, Cluster};
use runtime::http;
use runtime::hyper::{LocalExecutor, Timer};
use runtime::net::{Server, TcpListener, TcpStream};

use super::{Kind, service};

pub(super) fn serve(listener: net::TcpListener, kind: Kind) {
    runtime::run(async {
        let listener = TcpListener::from_std(listener).expect("listener registers");
        match kind {
            Kind::Http1 => accept(listener, |stream| service::http1(stream, Timer, false)).await,
            Kind::Gathering => accept(listener, |stream| service::http1(stream, Timer, true)).await,
            Kind::Http2 => accept(listener, |stream| service::http2(stream, Timer, LocalExecutor)).await,
            Kind::Served => drop(http::serve(listener, service::hyper()).await.expect("it serves for ever")),
            Kind::Axum => {
                let router: Router = service::router().with_state(());
                drop(http::serve(listener, router).await.expect("it serves for ever"));
            }
            Kind::Workers => unreachable!("they bind for themselves"),
        }
    });
}

/// Serves each connection in a task of its own.
async fn accept<F>(listener: TcpListener, serve: impl Fn(TcpStream) -> F)
where
    F: Future<Output = ()> + 'static,
{
    loop {
        let (stream, _) = listener.accept().await.expect("accept");
        runtime::spawn(serve(stream)).detach();
    }
}

/// Serves in two processes, and ends this one when they have ended.
pub(super) fn serve_with_workers() {
    // In the supervisor and in each worker: nobody outlives who started it.
    set_pdeathsig(Signal::SIGTERM).expect("a death signal");
    let _nobody_asks = Cluster::new().workers(2).run(async || {
        let server = Server::bind("127.0.0.1:0").await?;
        if cluster::me().is_some_and(|me| me.slot == 0) {
            println!("{} {}", server.local_addr()?, parent_id());
        }
        server
            .serve(async |stream: TcpStream, _| {
                // As `server::listener` has it for the others.
                stream.set_nodelay(true)?;
                service::http1(stream, Timer, false).await;
                io::Result::Ok(())
            })
            .await?;
        io::Result::Ok(())
    });
}
