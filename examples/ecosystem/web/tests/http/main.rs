//! `runtime::http` with clients that are other people's programs, and with `axum`.
//!
//! What a client writes byte by byte, and what is cut when, is tested in `runtime/tests/http`.

mod axum_apps;
mod crowds;
mod curl;
mod programs;

use runtime::{
    JoinHandle,
    http::{self, Serve},
    net::{Drained, Server, TcpListener},
    process::Command,
    spawn,
};
use std::{io, net::SocketAddr};

type Serving = JoinHandle<io::Result<Drained>>;

async fn listen() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.expect("a port is free")
}

/// Has the server run; gives its handle, and where it is.
fn run<A, M>(serve: Serve<TcpListener, A, M>) -> (Server, String, Serving)
where
    A: http::App<SocketAddr, M>,
    M: 'static,
{
    let server = serve.server();
    let url = format!("http://{}", server.local_addr().expect("it listens"));
    (server, url, spawn(serve))
}

/// What a program says, if it is installed; it must end well.
async fn said(program: &str, package: &str, arguments: &[&str]) -> Option<String> {
    let path = support::find(program, package)?;
    let output = Command::new(path).args(arguments).output().await.expect("it starts");
    let (said, complained) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program} {arguments:?}: {}\n{said}\n{complained}", output.status);
    Some(said.into_owned())
}
