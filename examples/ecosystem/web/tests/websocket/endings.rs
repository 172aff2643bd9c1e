//! How WebSockets end: what was sent before is not lost, whatever the peer does meanwhile.

use crate::{authority::Authority, upgrades::serve};
use async_tungstenite::{
    client_async,
    tungstenite::protocol::{CloseFrame, Message, frame::coding::CloseCode},
};
use axum::{Router, response::IntoResponse, routing::any};
use futures_lite::StreamExt;
use runtime::{
    http::{self, websocket::WebSocketUpgrade},
    io::{AsyncRead, AsyncWrite},
    join,
    net::{TcpListener, TcpStream},
    spawn, tls,
};

const NEWS: usize = 20;

/// Says a lot as soon as it has heard anything, and goes without listening any longer.
async fn preach(upgrade: WebSocketUpgrade) -> impl IntoResponse {
    upgrade.on_upgrade(async |mut socket| {
        let _ = socket.next().await;
        for _ in 0..NEWS {
            socket.send(Message::binary(vec![2; 20_000])).await.unwrap();
        }
        let goodbye = CloseFrame { code: CloseCode::Policy, reason: "that was all".into() };
        socket.close(Some(goodbye)).await.unwrap();
    })
}

/// A client that talks all the time hears everything, and why it was left.
async fn hears_it_all(stream: impl AsyncRead + AsyncWrite + Unpin) {
    let (socket, _) = client_async("ws://localhost/", stream).await.unwrap();
    let (mut sender, mut receiver) = socket.split();
    let talking = async {
        for _ in 0..20 {
            // Once the server has closed, it is no use.
            if sender.send(Message::binary(vec![1; 10_000])).await.is_err() {
                break;
            }
        }
    };
    let hearing = async {
        for _ in 0..NEWS {
            assert_eq!(receiver.next().await.unwrap().unwrap().len(), 20_000);
        }
        let Message::Close(Some(goodbye)) = receiver.next().await.unwrap().unwrap() else {
            panic!("no goodbye")
        };
        assert_eq!((goodbye.code, goodbye.reason.as_str()), (CloseCode::Policy, "that was all"));
    };
    join!(talking, hearing);
}

#[runtime::test]
async fn a_client_that_is_still_sending_hears_the_last_words() {
    let (address, server) = serve(Router::new().route("/", any(preach))).await;
    hears_it_all(TcpStream::connect(address).await.unwrap()).await;
    // And the server is not left with a connection.
    server.drain(runtime::time::Duration::from_secs(60)).await;
}

#[runtime::test]
async fn under_tls_too() {
    let authority = Authority::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let listener = tls::Listener::new(listener, authority.acceptor());
    spawn(http::serve(listener, Router::new().route("/", any(preach)))).detach();
    let stream = TcpStream::connect(address).await.unwrap();
    hears_it_all(authority.connector().connect("localhost", stream).await.unwrap()).await;
}
