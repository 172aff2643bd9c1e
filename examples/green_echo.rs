//! An echo server for `std::net`, with a thread for each client, of which only the `use` lines have changed: now its threads are
//! greenlets, and there is one thread.
//!
//! ```text
//! $ cargo run --release --example green_echo
//! listening on 127.0.0.1:7000
//! ```
//!
//! The attribute before `main` starts the runtime; `main` itself is a greenlet, too. What a connection costs while it has
//! nothing to say is its stack, of which only what it has used is memory; see `echo_server` for a server that keeps less.

use runtime::green::{
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    thread,
};
use std::{env, process::ExitCode};

#[runtime::main]
fn main() -> ExitCode {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:7000".to_owned());
    match serve(&address) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "green_echo: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(address: &str) -> io::Result<()> {
    let listener = TcpListener::bind(address)?;
    writeln!(io::stdout(), "listening on {}", listener.local_addr()?)?;
    for stream in listener.incoming() {
        let stream = stream?;
        // How it ends is the client's business.
        thread::spawn(move || echo(stream));
    }
    Ok(())
}

/// Sends back what comes, until the client ends its side.
fn echo(mut stream: TcpStream) -> io::Result<()> {
    // Or a small answer may wait for the acknowledgement of the one before.
    stream.set_nodelay(true)?;
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            n => stream.write_all(&buffer[..n])?,
        }
    }
}
