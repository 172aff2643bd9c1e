//! The smallest server of HTTP: one function.
//!
//! ```text
//! $ cargo run --release --example http_hello          $ curl http://127.0.0.1:8080/world
//! listening on http://127.0.0.1:8080                   hello /world, you are 127.0.0.1:51234 and this is visit 1
//! ^C                                                   $ curl --http2-prior-knowledge http://127.0.0.1:8080/again
//! 2 connections served                                 hello /again, you are 127.0.0.1:51236 and this is visit 2
//! ```
//!
//! An argument is another address. The state is a `Cell` in an `Rc`: nothing here is on two threads. Who is served when ^C is
//! typed gets the reply; limits against clients that are slow or never end are on. For all cores, write
//! `#[runtime::main(workers = 4)]`, and nothing else changes but that each worker counts its own visits.

use hyper::{Request, Response, body::Incoming, service::service_fn};
use runtime::{http, net::TcpListener, signal};
use std::{cell::Cell, convert::Infallible, env, io, net::SocketAddr, rc::Rc};

#[runtime::main]
async fn main() -> io::Result<()> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);

    let visits = Rc::new(Cell::new(0));
    let hello = service_fn(move |request: Request<Incoming>| {
        visits.set(visits.get() + 1);
        let reply = greet(&request, visits.get());
        async move { Ok::<_, Infallible>(Response::new(reply)) }
    });

    let serving = http::serve(listener, hello).with_connect_info().with_graceful_shutdown(async {
        // Without the signal there would be no end at all; then ^C ends the process as usual.
        if signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    });
    let server = serving.server();
    let drained = serving.await?;
    println!("{} connections served", server.stats().accepted);
    if !drained.forced.is_empty() {
        println!("{drained}");
    }
    Ok(())
}

fn greet(request: &Request<Incoming>, visit: u64) -> String {
    let path = request.uri().path();
    let http::ConnectInfo(peer) =
        request.extensions().get::<http::ConnectInfo<SocketAddr>>().expect("it was asked for");
    format!("hello {path}, you are {peer} and this is visit {visit}\n")
}
