//! Other people's code in blocking style, carried by greenlets: it knows `Read` and `Write`, and that is all it needs.
#![cfg(not(miri))]

use runtime::{
    green::net::{SocketAddr, TcpListener, TcpStream},
    greenlet,
};
use std::rc::Rc;
use tungstenite::{Message, WebSocket};

/// The library's code goes deeper than a greenlet usually does.
fn spawn<T: 'static>(f: impl FnOnce() -> T + 'static) -> greenlet::JoinHandle<T> {
    greenlet::Builder::new().stack_size(256 << 10).spawn(f)
}

fn open(address: SocketAddr) -> WebSocket<TcpStream> {
    let stream = TcpStream::connect(address).unwrap();
    let (socket, _) = tungstenite::client(format!("ws://{address}/"), stream).unwrap();
    socket
}

/// A server and its clients, all of them on one thread, and all by the library's calls that block.
#[runtime::test]
fn web_sockets_in_blocking_style_talk_side_by_side() {
    const CLIENTS: usize = 10;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // Nobody is answered before all have spoken: one after the other would hang.
    let all = Rc::new(runtime::sync::Barrier::new(CLIENTS));
    spawn(move || {
        for stream in listener.incoming() {
            let all = Rc::clone(&all);
            spawn(move || {
                let mut socket = tungstenite::accept(stream.unwrap()).unwrap();
                let heard = socket.read().unwrap().into_text().unwrap();
                let _ = greenlet::wait(all.wait());
                socket.send(Message::text(heard.to_uppercase())).unwrap();
                // A ping is answered by the library, while we wait for what does not come.
                assert!(socket.read().unwrap().is_ping());
                assert!(socket.read().unwrap().is_close());
                socket.flush().unwrap_err()
            })
            .detach();
        }
    })
    .detach();

    let clients: Vec<_> = (0..CLIENTS)
        .map(|n| {
            spawn(move || {
                let mut socket = open(address);
                socket.send(Message::text(format!("client {n}"))).unwrap();
                assert_eq!(socket.read().unwrap().into_text().unwrap().as_str(), format!("CLIENT {n}"));
                socket.send(Message::Ping("still here?".into())).unwrap();
                assert_eq!(socket.read().unwrap(), Message::Pong("still here?".into()));
                socket.close(None).unwrap();
                while socket.read().is_ok() {}
            })
        })
        .collect();
    for client in clients {
        greenlet::wait(client).unwrap();
    }
}

/// Messages longer than both sides have room for: each has to wait while the other writes.
#[runtime::test]
fn a_long_message_is_read_while_it_is_written() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serving = spawn(move || {
        let mut socket = tungstenite::accept(listener.accept().unwrap().0).unwrap();
        let message = socket.read().unwrap();
        socket.send(message).unwrap();
    });
    let mut socket = open(address);
    let long = "0123456789".repeat(500_000);
    socket.send(Message::text(long.clone())).unwrap();
    assert!(socket.read().unwrap().into_text().unwrap().as_str() == long);
    greenlet::wait(serving).unwrap();
}
