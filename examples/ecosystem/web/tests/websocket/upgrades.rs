//! Requests that become WebSockets, in a server of axum, and those that do not.

use crate::authority::Authority;
use async_tungstenite::{
    WebSocketStream, client_async, client_async_with_config,
    tungstenite::{
        ClientRequestBuilder, Error,
        error::ProtocolError,
        protocol::{CloseFrame, Message, Role, WebSocketConfig, frame::coding::CloseCode},
    },
};
use axum::{
    Router,
    response::{IntoResponse, Response},
    routing::any,
};
use futures_lite::StreamExt;
use http_body_util::Empty;
use hyper::{Method, Request, body::Bytes, client::conn::http2, ext::Protocol};
use runtime::{
    http::{
        self,
        websocket::{Upgraded, WebSocketUpgrade},
    },
    hyper::LocalExecutor,
    io::AsyncReadExt,
    net::{Server, TcpListener, TcpStream},
    spawn,
    time::Duration,
    tls,
};
use std::{
    cell::{Cell, RefCell},
    net::SocketAddr,
    rc::Rc,
};

type Client<S = TcpStream> = WebSocketStream<S>;

/// Says back what is text or bytes, until the client closes.
async fn echo(upgrade: WebSocketUpgrade) -> Response {
    let upgrade = upgrade.protocols(["chat", "superchat"]);
    upgrade
        .on_upgrade(async |mut socket| {
            // What axum would not have across an `await`.
            let count = Rc::new(Cell::new(0));
            while let Some(Ok(message)) = socket.next().await {
                count.set(count.get() + 1);
                if (message.is_text() || message.is_binary()) && socket.send(message).await.is_err() {
                    break;
                }
            }
        })
        .into_response()
}

pub(crate) async fn serve(router: Router) -> (SocketAddr, Server) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serve = http::serve(listener, router);
    let server = serve.server();
    spawn(serve).detach();
    (address, server)
}

async fn open(address: SocketAddr) -> Client {
    let stream = TcpStream::connect(address).await.unwrap();
    client_async(format!("ws://{address}/"), stream).await.unwrap().0
}

async fn next<S>(socket: &mut Client<S>) -> Message
where
    Client<S>: futures_lite::Stream<Item = Result<Message, Error>> + Unpin,
{
    socket.next().await.expect("it is open").unwrap()
}

#[runtime::test]
async fn messages_go_both_ways_and_both_sides_say_goodbye() {
    let (address, _) = serve(Router::new().route("/", any(echo))).await;
    let mut socket = open(address).await;
    let long = Message::binary(vec![7; 900_000]);
    for message in [Message::text("hello"), Message::text(""), Message::binary(vec![0, 255]), long] {
        socket.send(message.clone()).await.unwrap();
        assert!(next(&mut socket).await == message);
    }
    socket.send(Message::Ping("there?".into())).await.unwrap();
    assert_eq!(next(&mut socket).await, Message::Pong("there?".into()));

    let goodbye = CloseFrame { code: CloseCode::Normal, reason: "that was all".into() };
    socket.close(Some(goodbye.clone())).await.unwrap();
    assert_eq!(next(&mut socket).await, Message::Close(Some(goodbye)));
    assert!(socket.next().await.is_none());
}

#[runtime::test]
async fn the_best_protocol_that_both_know_is_spoken() {
    let (address, _) = serve(Router::new().route("/", any(echo))).await;
    for (offered, agreed) in [
        (&["superchat", "chat"][..], Some("chat")),
        (&["mumble", "superchat"], Some("superchat")),
        (&[], None),
    ] {
        let mut request = ClientRequestBuilder::new(format!("ws://{address}/").parse().unwrap());
        for protocol in offered {
            request = request.with_sub_protocol(*protocol);
        }
        let stream = TcpStream::connect(address).await.unwrap();
        let (_, response) = client_async(request, stream).await.unwrap();
        let header = response.headers().get("sec-websocket-protocol");
        assert_eq!(header.map(|header| header.to_str().unwrap()), agreed);
    }
    // Told of none, a client may leave, and this one does.
    let request = ClientRequestBuilder::new(format!("ws://{address}/").parse().unwrap());
    let stream = TcpStream::connect(address).await.unwrap();
    let error = client_async(request.with_sub_protocol("mumble"), stream).await.unwrap_err();
    assert!(matches!(error, Error::Protocol(ProtocolError::SecWebSocketSubProtocolError(_))), "{error}");
}

/// What a request is answered, but for the date.
async fn answer(address: SocketAddr, request: &str) -> String {
    let stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.replace('\n', "\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    (&stream).read_to_string(&mut answer).await.unwrap();
    let lines = answer.lines().filter(|line| !line.starts_with("date: "));
    lines.collect::<Vec<_>>().join("\n")
}

#[runtime::test]
async fn what_opens_no_websocket_is_told_why() {
    let (address, _) = serve(Router::new().route("/", any(echo))).await;
    let key = "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==";
    let upgrade = "connection: upgrade\nupgrade: websocket";
    for (request, status, advice) in [
        ("GET / HTTP/1.1\nhost: here\nconnection: close\n\n".to_owned(), "426 Upgrade Required", "upgrade: websocket"),
        (
            format!("GET / HTTP/1.1\nhost: here\nconnection: close, upgrade\nupgrade: websocket\n{key}\nsec-websocket-version: 8\n\n"),
            "426 Upgrade Required",
            "sec-websocket-version: 13",
        ),
        (
            "POST / HTTP/1.1\nhost: here\nconnection: close\ncontent-length: 0\n\n".to_owned(),
            "405 Method Not Allowed",
            "allow: GET",
        ),
        (
            "GET / HTTP/1.1\nhost: here\nconnection: close, upgrade\nupgrade: websocket\nsec-websocket-version: 13\n\n".to_owned(),
            "400 Bad Request",
            "sec-websocket-key",
        ),
        (format!("GET / HTTP/1.0\n{upgrade}\n{key}\nsec-websocket-version: 13\n\n"), "501 Not Implemented", "cannot"),
    ] {
        let answer = answer(address, &request).await;
        assert!(answer.contains(status) && answer.contains(advice), "{request}{answer}");
    }
}

#[runtime::test]
async fn a_message_that_is_too_long_ends_the_conversation() {
    let heard = Rc::new(RefCell::new(Vec::new()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    // A service of hyper, which may keep what is not `Send`.
    let noted = heard.clone();
    let service = hyper::service::service_fn(move |mut request| {
        let noted = noted.clone();
        async move {
            let upgrade = WebSocketUpgrade::of(&mut request).expect("it opens one");
            let response = upgrade.max_message_size(1000).on_upgrade(async move |mut socket| {
                while let Some(message) = socket.next().await {
                    noted.borrow_mut().push(message.map(|message| message.len()));
                }
            });
            Ok::<_, std::convert::Infallible>(response)
        }
    });
    spawn(http::serve(listener, service)).detach();

    let mut socket = open(address).await;
    socket.send(Message::binary(vec![1; 1000])).await.unwrap();
    socket.send(Message::binary(vec![1; 1001])).await.unwrap();
    assert!(!matches!(socket.next().await, Some(Ok(_))), "the server has hung up");
    let heard = heard.borrow();
    assert!(matches!(heard[..], [Ok(1000), Err(Error::Capacity(_))]), "{heard:?}");
}

#[runtime::test]
async fn a_handler_that_panics_harms_nobody_else() {
    async fn fragile(upgrade: WebSocketUpgrade) -> impl IntoResponse {
        upgrade.on_upgrade(async |mut socket| {
            while let Some(Ok(message)) = socket.next().await {
                assert!(message.is_text(), "a message that this handler was not written for");
                socket.send(message).await.unwrap();
            }
        })
    }
    let (address, _) = serve(Router::new().route("/", any(fragile))).await;
    let (mut good, mut bad) = (open(address).await, open(address).await);
    bad.send(Message::binary(vec![0])).await.unwrap();
    assert!(!matches!(bad.next().await, Some(Ok(_))));
    good.send(Message::text("still here?")).await.unwrap();
    assert_eq!(next(&mut good).await, Message::text("still here?"));
}

/// A WebSocket is a connection of the server: who drains it waits for it, and whoever does not leave is cut.
#[runtime::test]
async fn a_drain_waits_for_websockets_and_cuts_those_that_stay() {
    let (address, server) = serve(Router::new().route("/", any(echo))).await;
    let mut leaving = open(address).await;
    let mut staying = open(address).await;
    for socket in [&mut leaving, &mut staying] {
        socket.send(Message::text("here")).await.unwrap();
        next(socket).await;
    }
    assert_eq!(server.connections(), 2);

    let draining = spawn({
        let server = server.clone();
        async move { server.drain(Duration::from_millis(300)).await }
    });
    server.draining().await;
    leaving.send(Message::text("last words")).await.unwrap();
    assert_eq!(next(&mut leaving).await, Message::text("last words"));
    leaving.close(None).await.unwrap();
    assert!(next(&mut leaving).await.is_close());
    drop(leaving);
    assert_eq!(draining.await.unwrap().forced.len(), 1);
    assert!(!matches!(staying.next().await, Some(Ok(_))));
}

#[runtime::test]
async fn under_tls_it_is_the_same() {
    let authority = Authority::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = tls::Acceptor::new(authority.server(&["h2", "http/1.1"]));
    let listener = tls::Listener::new(listener, acceptor);
    spawn(http::serve(listener, Router::new().route("/", any(echo)))).detach();

    let stream = TcpStream::connect(address).await.unwrap();
    let stream = authority.connector().connect("localhost", stream).await.unwrap();
    let config = WebSocketConfig::default();
    let (mut socket, _) = client_async_with_config("wss://localhost/", stream, Some(config)).await.unwrap();
    socket.send(Message::text("hello")).await.unwrap();
    assert_eq!(next(&mut socket).await, Message::text("hello"));
    // It vanishes, and the server takes it as what it is.
    drop(socket);
}

/// There it is another method, and nothing is upgraded.
#[runtime::test]
async fn in_http_2_what_opens_no_websocket_is_told_otherwise() {
    let (address, _) = serve(Router::new().route("/", any(echo))).await;
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = http2::handshake(LocalExecutor, stream).await.unwrap();
    spawn(connection).detach();
    for (method, protocol, status, allowed) in
        [(Method::GET, None, 405, Some("CONNECT")), (Method::CONNECT, Some("connect-udp"), 501, None)]
    {
        let mut request = Request::builder().method(method).uri(format!("http://{address}/"));
        if let Some(protocol) = protocol {
            request = request.extension(Protocol::from_static(protocol));
        }
        let response = sender.send_request(request.body(Empty::<Bytes>::new()).unwrap()).await.unwrap();
        assert_eq!(response.status(), status);
        let allow = response.headers().get("allow").map(|methods| methods.to_str().unwrap());
        assert_eq!(allow, allowed);
    }
}

/// RFC 8441: one stream of many takes the place of the connection.
#[runtime::test]
async fn in_http_2_two_of_them_share_a_connection() {
    let (address, _) = serve(Router::new().route("/", any(echo))).await;
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = http2::handshake(LocalExecutor, stream).await.unwrap();
    spawn(connection).detach();
    let mut sockets = Vec::new();
    for _ in 0..2 {
        let request = Request::builder().method(Method::CONNECT).uri(format!("http://{address}/"));
        let request = request.extension(Protocol::from_static("websocket"));
        let request = request.header("sec-websocket-version", "13").body(Empty::<Bytes>::new()).unwrap();
        let mut response = sender.send_request(request).await.unwrap();
        assert_eq!(response.status(), 200);
        assert!(!response.headers().contains_key("sec-websocket-accept"));
        let stream = Upgraded::from(hyper::upgrade::on(&mut response).await.unwrap());
        sockets.push(WebSocketStream::from_raw_socket(stream, Role::Client, None).await);
    }
    for (n, socket) in sockets.iter_mut().enumerate() {
        socket.send(Message::text(n.to_string())).await.unwrap();
    }
    for (n, socket) in sockets.iter_mut().enumerate() {
        assert_eq!(next(socket).await, Message::text(n.to_string()));
    }
}
