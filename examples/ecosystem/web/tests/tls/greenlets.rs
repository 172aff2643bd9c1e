//! Code in blocking style: what `rustls` has for it, over the sockets of greenlets.

use crate::authority::Authority;
use runtime::{
    green::net::{TcpListener, TcpStream},
    greenlet,
    io::{AsyncReadExt, AsyncWriteExt},
    net,
    sync::Barrier,
};
use rustls::{ClientConnection, ServerConnection, StreamOwned, pki_types::ServerName};
use std::{
    io::{BufRead, BufReader, Read, Write},
    rc::Rc,
};

/// Cryptography goes deeper than a greenlet usually does.
fn spawn<T: 'static>(f: impl FnOnce() -> T + 'static) -> greenlet::JoinHandle<T> {
    greenlet::Builder::new().stack_size(256 << 10).spawn(f)
}

/// A server in greenlets and clients in greenlets and in tasks, all on one thread.
#[runtime::test]
fn greenlets_and_tasks_understand_each_other() {
    const CLIENTS: usize = 10;
    let authority = Authority::new();
    let config = authority.server(&[]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // Nobody is answered before all have spoken: one after the other would hang.
    let all = Rc::new(Barrier::new(2 * CLIENTS));
    spawn(move || {
        for stream in listener.incoming() {
            let (all, config) = (Rc::clone(&all), config.clone());
            spawn(move || {
                let connection = ServerConnection::new(config).unwrap();
                let mut stream = BufReader::new(StreamOwned::new(connection, stream.unwrap()));
                let mut line = String::new();
                stream.read_line(&mut line).unwrap();
                let _ = greenlet::wait(all.wait());
                let stream = stream.get_mut();
                stream.write_all(line.to_uppercase().as_bytes()).unwrap();
                stream.conn.send_close_notify();
                stream.flush().unwrap();
            })
            .detach();
        }
    })
    .detach();

    let config = authority.client(&[]);
    let greenlets: Vec<_> = (0..CLIENTS)
        .map(|n| {
            let config = config.clone();
            spawn(move || {
                let name = ServerName::try_from("localhost").unwrap();
                let connection = ClientConnection::new(config, name).unwrap();
                let mut stream = StreamOwned::new(connection, TcpStream::connect(address).unwrap());
                writeln!(stream, "greenlet {n}").unwrap();
                let mut heard = String::new();
                stream.read_to_string(&mut heard).unwrap();
                assert_eq!(heard, format!("GREENLET {n}\n"));
            })
        })
        .collect();
    let tasks: Vec<_> = (0..CLIENTS)
        .map(|n| {
            let connector = authority.connector();
            runtime::spawn(async move {
                let stream = net::TcpStream::connect(address).await.unwrap();
                let mut stream = connector.connect("localhost", stream).await.unwrap();
                stream.write_all(format!("task {n}\n").as_bytes()).await.unwrap();
                stream.flush().await.unwrap();
                let mut heard = String::new();
                stream.read_to_string(&mut heard).await.unwrap();
                assert_eq!(heard, format!("TASK {n}\n"));
            })
        })
        .collect();
    for client in greenlets {
        greenlet::wait(client).unwrap();
    }
    for client in tasks {
        greenlet::wait(client).unwrap();
    }
}
