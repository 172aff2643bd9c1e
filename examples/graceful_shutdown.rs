//! A server that stops in order: what was begun is finished, who only waits is let go, and who is not done in time is named.
//!
//! ```text
//! $ cargo run --example graceful_shutdown           $ nc 127.0.0.1 7000
//! listening on 127.0.0.1:7000                       1
//!                                                   working for 1 s
//!                                                   done
//!                                                   9
//! ^C                                                working for 9 s
//! stopping: 1 connected, with 5 s to finish
//! 0 connections finished, 1 were cut
//!   client 127.0.0.1:51234, connected for 12.3s
//! ```
//!
//! Clients send digits, each an order for so many seconds of work. SIGTERM does what ^C does, and a second one of them ends the
//! wait. Who has connected, but was not accepted yet when the word came, is served too; after that nobody gets in.

use runtime::{
    net::{Server, TcpStream},
    select,
    signal::{self, Signal, SignalKind},
    spawn,
    time::sleep,
};
use std::{env, io, process::ExitCode, time::Duration};

/// Clients who take longer than this to finish are cut.
const GRACE: Duration = Duration::from_secs(5);

#[runtime::main]
async fn main() -> io::Result<ExitCode> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:7000".to_owned());
    let grace =
        env::args().nth(2).and_then(|seconds| seconds.parse().ok()).map_or(GRACE, Duration::from_secs);

    let mut word = Word::listen()?;
    let server = Server::bind(address).await?;
    println!("listening on {}", server.local_addr()?);
    let control = server.clone();
    let serving = spawn(server.serve(async move |stream, _peer| work(stream, &control).await));

    word.given().await;
    println!("stopping: {} connected, with {} s to finish", server.connections(), grace.as_secs());
    let drained = select! {
        drained = server.drain(grace) => drained,
        () = word.given() => server.drain(Duration::ZERO).await,
    };
    println!("{drained}"); // who was cut, too
    serving.await.expect("serving does not panic")?;
    Ok(if drained.forced.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The word to stop, from the keyboard or from whoever runs the service.
struct Word {
    interrupt: Signal,
    terminate: Signal,
}

impl Word {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal::signal(SignalKind::interrupt())?,
            terminate: signal::signal(SignalKind::terminate())?,
        })
    }

    async fn given(&mut self) {
        select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// One client: its orders, one after the other.
async fn work(stream: TcpStream, server: &Server) -> io::Result<TcpStream> {
    let mut order = [0];
    while !server.is_draining() {
        let read = select! {
            biased; // an order that is there already is carried out
            read = stream.read(&mut order) => read?,
            () = server.draining() => break, // nobody is waiting for anything
        };
        if read == 0 {
            break;
        }
        if let Some(seconds) = char::from(order[0]).to_digit(10) {
            stream.write_all(format!("working for {seconds} s\n").as_bytes()).await?;
            sleep(Duration::from_secs(seconds.into())).await;
            stream.write_all(b"done\n").await?;
        }
    }
    Ok(stream) // the server closes it when the client has everything
}
