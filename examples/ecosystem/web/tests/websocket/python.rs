//! The `websockets` library of Python at the other end, once as the client and once as the server.

use async_tungstenite::{client_async, tungstenite::Message};
use axum::{Router, response::IntoResponse, routing::any};
use futures_lite::StreamExt;
use runtime::{
    http::{self, websocket::WebSocketUpgrade},
    io::{AsyncBufReadExt, BufReader},
    net::{TcpListener, TcpStream},
    process::{Command, Stdio},
    spawn,
};
use std::{
    io::{self, Write},
    path::PathBuf,
};

/// Debian's Python is not the one that is found first where somebody has installed another.
const PYTHONS: [&str; 2] = ["python3", "/usr/bin/python3"];

const CLIENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/websocket/client.py");
const SERVER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/websocket/server.py");

/// A Python that has the library.
async fn python() -> Option<PathBuf> {
    for python in PYTHONS {
        let mut command = Command::new(python);
        command.args(["-c", "import websockets"]).stdout(Stdio::null()).stderr(Stdio::null());
        if command.status().await.is_ok_and(|status| status.success()) {
            return Some(python.into());
        }
    }
    let line = "\nSKIPPED: websockets for Python is not installed (apt-get install python3-websockets)\n";
    let _ = io::stdout().lock().write_all(line.as_bytes());
    None
}

async fn echo(upgrade: WebSocketUpgrade) -> impl IntoResponse {
    upgrade.protocols(["chat"]).on_upgrade(async |mut socket| {
        while let Some(Ok(message)) = socket.next().await {
            if (message.is_text() || message.is_binary()) && socket.send(message).await.is_err() {
                break;
            }
        }
    })
}

#[runtime::test]
async fn a_client_in_python_finds_nothing_wrong() {
    let Some(python) = python().await else { return };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    spawn(http::serve(listener, Router::new().route("/", any(echo)))).detach();
    let output = Command::new(python).args([CLIENT, &url]).output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[runtime::test]
async fn a_server_in_python_is_understood() {
    let Some(python) = python().await else { return };
    let mut command = Command::new(python);
    command.arg(SERVER).stdout(Stdio::piped()).kill_on_drop(true);
    let mut server = command.spawn().unwrap();
    let mut said = BufReader::new(server.stdout.take().unwrap());
    let mut address = String::new();
    said.read_line(&mut address).await.unwrap();
    let address = address.trim();

    let stream = TcpStream::connect(address).await.unwrap();
    let (mut socket, _) = client_async(format!("ws://{address}/"), stream).await.unwrap();
    for message in [Message::text("hello"), Message::binary(vec![5; 300_000])] {
        socket.send(message.clone()).await.unwrap();
        assert!(socket.next().await.unwrap().unwrap() == message);
    }
    // In pieces, and with a ping between, which is answered while we read.
    socket.send(Message::text("pieces")).await.unwrap();
    assert!(socket.next().await.unwrap().unwrap().is_ping());
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("piecemeal"));
    socket.send(Message::text("goodbye")).await.unwrap();
    let Message::Close(Some(goodbye)) = socket.next().await.unwrap().unwrap() else { panic!("no goodbye") };
    assert_eq!((u16::from(goodbye.code), goodbye.reason.as_str()), (4000, "as you like"));
    assert!(socket.next().await.is_none());
}
