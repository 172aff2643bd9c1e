//! A server of HTTP under TLS, and all kinds of clients that come to nothing.

use crate::authority::Authority;
use hyper::{Request, Response, body::Incoming, service::service_fn};
use runtime::{
    http,
    io::{AsyncReadExt, AsyncWriteExt, ErrorKind},
    net::{Server, TcpListener, TcpStream},
    spawn,
    task::yield_now,
    time::Duration,
    tls::{Acceptor, Listener},
};
use std::{cell::RefCell, convert::Infallible, net::SocketAddr, rc::Rc};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";

async fn serve(authority: &Authority) -> (Server, SocketAddr, Rc<RefCell<Vec<ErrorKind>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let listener = Listener::new(listener, Acceptor::new(authority.server(&["h2", "http/1.1"])));
    let hello = async |_: Request<Incoming>| Ok::<_, Infallible>(Response::new("hello".to_owned()));
    let errors = Rc::new(RefCell::new(Vec::new()));
    let noted = Rc::clone(&errors);
    let serve = http::serve(listener, service_fn(hello)).header_timeout(Duration::from_millis(500));
    let serve = serve.on_error(move |_, error| noted.borrow_mut().push(error.kind()));
    let server = serve.server();
    spawn(serve).detach();
    (server, address, errors)
}

async fn reply(authority: &Authority, address: SocketAddr) -> String {
    let stream = TcpStream::connect(address).await.unwrap();
    let mut stream = authority.connector().connect("localhost", stream).await.unwrap();
    stream.write_all(REQUEST).await.unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.unwrap();
    reply
}

/// Until there are no connections any more.
async fn all_gone(server: &Server) {
    while server.connections() > 0 {
        yield_now().await;
    }
}

/// That clients leave is no news, in whatever moment; what was no TLS is.
#[runtime::test]
async fn clients_vanish_at_every_moment_and_nobody_is_told() {
    let authority = Authority::new();
    let (server, address, errors) = serve(&authority).await;
    // By one that only looks whether somebody listens, ...
    drop(TcpStream::connect(address).await.unwrap());
    // ... by one that has begun its handshake, ...
    let stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(&[22, 3, 1, 2, 0, 1]).await.unwrap();
    drop(stream);
    // ... and, without a word of goodbye, before a request, within one, and after one.
    for said in [b"".as_slice(), b"GET / HT", b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n"] {
        let stream = TcpStream::connect(address).await.unwrap();
        let mut stream = authority.connector().connect("localhost", stream).await.unwrap();
        stream.write_all(said).await.unwrap();
        if said.ends_with(b"\r\n\r\n") {
            assert!(stream.read(&mut [0; 1024]).await.unwrap() > 0);
        }
        drop(stream);
    }
    all_gone(&server).await;
    assert_eq!(*errors.borrow(), []);

    let stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(REQUEST).await.unwrap();
    all_gone(&server).await;
    assert_eq!(*errors.borrow(), [ErrorKind::InvalidData]);
    assert!(reply(&authority, address).await.ends_with("hello"));
}

/// A handshake is a part of the time that a client has for its header.
#[runtime::test]
async fn silent_clients_are_cut_and_the_others_are_served_meanwhile() {
    let authority = Authority::new();
    let (server, address, errors) = serve(&authority).await;
    let mut silent = Vec::new();
    for _ in 0..50 {
        silent.push(TcpStream::connect(address).await.unwrap());
    }
    assert!(reply(&authority, address).await.ends_with("hello"));
    for stream in silent {
        let _ = stream.read(&mut [0]).await; // the end, or a reset
    }
    all_gone(&server).await;
    assert_eq!(server.stats().header_timeouts, 50);
    assert_eq!(*errors.borrow(), [ErrorKind::TimedOut; 50]);
}
