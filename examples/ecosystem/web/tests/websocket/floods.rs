//! Peers that have us keep things for them.

use async_tungstenite::tungstenite::{Error, Message};
use futures_lite::{StreamExt, future::poll_once};
use hyper::{server::conn::http1, service::service_fn};
use runtime::{
    http::websocket::WebSocketUpgrade,
    io::{DuplexStream, duplex},
    spawn,
};
use std::convert::Infallible;

const OPENING: &[u8] = b"GET / HTTP/1.1\r\nhost: here\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
    sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n";
/// What is kept of all that has not been taken, and how much of it is taken up from the beginning.
const UNSENT: usize = 16 << 20;
const LONG: usize = UNSENT - (64 << 10);

/// A client by hand, of a server that says something long, and then listens without waiting for anybody to take it.
async fn opened() -> DuplexStream {
    let (client, server) = duplex(256 << 10);
    let service = service_fn(async |mut request| {
        let upgrade = WebSocketUpgrade::of(&mut request).expect("it opens one");
        Ok::<_, Infallible>(upgrade.max_message_size(200).on_upgrade(async |mut socket| {
            let refused = socket.send(Message::binary(vec![0; UNSENT + 200])).await;
            assert!(matches!(refused, Err(Error::WriteBufferFull(_))), "{refused:?}");
            assert!(poll_once(socket.send(Message::binary(vec![0; LONG]))).await.is_none());
            while let Some(Ok(_)) = socket.next().await {}
        }))
    });
    spawn(http1::Builder::new().serve_connection(server, service).with_upgrades()).detach();
    client.write_all(OPENING).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte).await.unwrap();
        head.extend(byte);
    }
    client
}

/// A frame with a mask that changes nothing.
fn ping(payload: &[u8]) -> Vec<u8> {
    [&[0x89, 0x80 | payload.len() as u8, 0, 0, 0, 0], payload].concat()
}

/// Who pings without taking the answers has us keep some of them, but not all; and the newest one, as the protocol wants it.
#[runtime::test]
async fn answers_that_nobody_takes_are_not_kept_without_limit() {
    const PINGS: usize = 20_000;
    let client = opened().await;
    for _ in 0..PINGS / 1000 {
        client.write_all(&ping(&[7; 125]).repeat(1000)).await.unwrap();
    }
    client.write_all(&ping(b"the last")).await.unwrap();

    client.read_exact(&mut vec![0; 10 + LONG]).await.unwrap();
    let (mut answered, mut frame) = (0, [0; 2]);
    loop {
        client.read_exact(&mut frame).await.unwrap();
        let mut payload = vec![0; usize::from(frame[1])];
        client.read_exact(&mut payload).await.unwrap();
        if payload == b"the last" {
            break;
        }
        answered += 1;
    }
    // They would be 2.5 MB, and more than one is on its way to us.
    assert!((1..PINGS / 2).contains(&answered), "{answered} of {PINGS}");
}
