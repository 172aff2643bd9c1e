//! Connections that go on in another protocol.

use super::*;
use hyper::{StatusCode, header::HeaderValue};
use runtime::time::Instant;

const ASK: &str = "GET / HTTP/1.1\r\nhost: here\r\nconnection: upgrade\r\nupgrade: shout\r\n\r\n";

/// Agrees, and shouts back what it hears, until the client ends.
async fn agree(mut request: Request<Incoming>) -> Result<Response<String>, Infallible> {
    let mut response = Response::new(String::new());
    if http::upgrade(request.extensions_mut(), shout) {
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        response.headers_mut().insert("upgrade", HeaderValue::from_static("shout"));
    }
    Ok(response)
}

async fn shout(upgraded: hyper::upgrade::Upgraded) {
    let stream = upgraded.downcast::<TcpStream>().expect("nothing lies between").io;
    let mut buf = [0; 64];
    loop {
        let length = stream.read(&mut buf).await.unwrap();
        assert!(&buf[..length] != b"panic", "a handler has panicked, on purpose");
        if length == 0 {
            return;
        }
        stream.write_all(buf[..length].to_ascii_uppercase().as_slice()).await.unwrap();
    }
}

async fn shouting() -> (Server, Serving, Client) {
    let (server, serving) = run(http::serve(listen().await, service_fn(agree)));
    let mut client = Client::connect(&server).await;
    client.send(ASK).await;
    assert_eq!(client.reply().await.0, "HTTP/1.1 101 Switching Protocols");
    (server, serving, client)
}

async fn echo(client: &mut Client, word: &str) -> String {
    client.send(word).await;
    let echo = client.until(|unread| (unread.len() >= word.len()).then_some(word.len())).await;
    String::from_utf8(echo).unwrap()
}

#[runtime::test(start_paused = true)]
async fn it_is_a_connection_of_the_server_still_and_has_no_deadlines() {
    let (server, _serving, mut client) = shouting().await;
    assert_eq!(echo(&mut client, "hello").await, "HELLO");
    advance(86_400 * SECOND).await;
    assert_eq!(echo(&mut client, "again").await, "AGAIN");
    assert_eq!(server.connections(), 1);
    drop(client);
    until(|| server.connections() == 0).await;
    assert_eq!(server.stats().finished, 1);
}

#[runtime::test(start_paused = true)]
async fn it_is_waited_for_and_cut_when_the_time_is_over() {
    let (server, _serving, mut client) = shouting().await;
    let start = Instant::now();
    let draining = spawn(async move { (server.drain(10 * SECOND).await, Instant::now()) });
    advance(9 * SECOND).await;
    assert_eq!(echo(&mut client, "still").await, "STILL");
    advance(2 * SECOND).await;
    let (drained, at) = draining.await.unwrap();
    assert_eq!((drained.forced.len(), at - start), (1, 10 * SECOND));
    assert_eq!(client.rest().await, "");
}

#[runtime::test]
async fn a_panic_of_it_is_one_of_the_connection() {
    let (server, _serving, client) = shouting().await;
    client.send("panic").await;
    assert_eq!(client.rest().await, "");
    assert_eq!(server.stats().panicked, 1);
}

#[runtime::test]
async fn who_does_not_ask_is_answered_as_usual() {
    let (server, _serving) = run(http::serve(listen().await, service_fn(agree)));
    let mut client = Client::connect(&server).await;
    assert_eq!(client.get("/").await.0, "HTTP/1.1 200 OK");
}

#[runtime::test]
async fn who_is_refused_goes_on_with_http_and_what_was_prepared_is_dropped() {
    let refuse = service_fn(async |mut request: Request<Incoming>| {
        let has_asked = http::upgrade(request.extensions_mut(), async |_| panic!("nobody has agreed"));
        Ok::<_, Infallible>(Response::new(format!("{has_asked}")))
    });
    let (server, _serving) = run(http::serve(listen().await, refuse));
    let mut client = Client::connect(&server).await;
    client.send(ASK).await;
    assert_eq!(client.reply().await, ("HTTP/1.1 200 OK".to_owned(), "true".to_owned()));
    assert_eq!(client.get("/").await.1, "false");
    drop(client);
    until(|| server.connections() == 0).await;
    assert_eq!(server.stats().finished, 1);
}
