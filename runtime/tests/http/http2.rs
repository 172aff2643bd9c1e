//! HTTP/2, frame by frame: what it is told at its end, and what is cut.

use super::{frames::*, *};

#[runtime::test]
async fn requests_are_answered_each_on_its_stream() {
    let (server, _serving) = run(http::serve(listen().await, app()));
    let mut client = Framed::connect(&server).await;
    client.ask(1, "/one").await;
    assert_eq!(client.body(1).await, "hello /one");
    client.ask(3, "/three").await;
    assert_eq!(client.body(3).await, "hello /three");
    assert_eq!(server.stats().accepted, 1);
}

#[runtime::test]
async fn a_panic_ends_its_stream_and_no_other() {
    let (server, _serving) = run(http::serve(listen().await, app()));
    let mut client = Framed::connect(&server).await;
    client.ask(1, "/panic").await;
    assert_eq!(client.next(&[RST_STREAM, HEADERS]).await.kind, RST_STREAM);
    client.ask(3, "/after").await;
    assert_eq!(client.body(3).await, "hello /after");
    assert_eq!(server.stats().panicked, 0);
}

#[runtime::test(start_paused = true)]
async fn an_open_stream_is_answered_after_the_server_was_told_to_stop() {
    let (server, serving) = run(http::serve(listen().await, app()));
    let mut client = Framed::connect(&server).await;
    client.ask(1, "/slow").await;
    client.ask(3, "/quick").await;
    assert_eq!(client.body(3).await, "hello /quick");
    server.stop_accepting();
    // First that it will end, then which was the last request that it takes.
    assert_eq!(last_stream(&client.next(&[GOAWAY]).await), (u32::MAX >> 1, 0));
    assert_eq!(last_stream(&client.next(&[GOAWAY]).await), (3, 0));
    for _ in 0..10 {
        yield_now().await;
    }
    advance(10 * SECOND).await;
    assert_eq!(client.body(1).await, "at last");
    assert_eq!(client.0.rest().await, "");
    let drained = serving.await.unwrap().unwrap();
    assert_eq!((drained.finished, drained.forced.len()), (1, 0));
}

#[runtime::test(start_paused = true)]
async fn a_connection_without_requests_is_told_to_go() {
    let (server, _serving) = run(http::serve(listen().await, app()).ping_interval(None));
    let mut client = Framed::connect(&server).await;
    client.ask(1, "/one").await;
    assert_eq!(client.body(1).await, "hello /one");
    // Bytes are no request.
    for _ in 0..5 {
        advance(14 * SECOND).await;
        client.send(PING, 0, 0, b"are you?").await;
        assert_eq!(client.next(&[PING, GOAWAY]).await.kind, PING);
    }
    let goodbyes = spawn(async move {
        let goodbyes = [client.next(&[GOAWAY]).await, client.next(&[GOAWAY]).await];
        assert_eq!(client.0.rest().await, "");
        goodbyes.map(|goaway| last_stream(&goaway))
    });
    let passed = 70 * SECOND + time_until(|| server.connections() == 0).await;
    assert_between(75 * SECOND, passed, 75 * SECOND * 3 / 2 + SECOND);
    assert_eq!(goodbyes.await.unwrap(), [(u32::MAX >> 1, 0), (1, 0)]);
    assert_eq!(server.stats().finished, 1);
}

#[runtime::test(start_paused = true)]
async fn a_request_now_and_then_keeps_the_connection() {
    let (server, _serving) = run(http::serve(listen().await, app()).ping_interval(None));
    let mut client = Framed::connect(&server).await;
    for stream in (1..41).step_by(2) {
        client.ask(stream, "/now").await;
        assert_eq!(client.body(stream).await, "hello /now");
        advance(20 * SECOND).await;
    }
    assert_eq!(server.connections(), 1);
}

#[runtime::test(start_paused = true)]
async fn who_is_told_to_go_and_does_not_listen_is_cut() {
    let (server, _serving) = run(http::serve(listen().await, app()).ping_interval(None));
    let mut client = Framed::connect(&server).await;
    client.ask(1, "/one").await;
    assert_eq!(client.body(1).await, "hello /one");
    let passed = time_until(|| server.stats().idle_timeouts == 1).await;
    assert_between(150 * SECOND, passed, 75 * SECOND * 5 / 2 + 10 * SECOND);
}

#[runtime::test(start_paused = true)]
async fn a_request_that_takes_long_keeps_the_connection() {
    let (server, _serving) = run(http::serve(listen().await, app()).ping_interval(None));
    let mut client = Framed::connect(&server).await;
    client.ask(1, "/hour").await;
    until(|| server.connections() == 1).await;
    advance(3_600 * SECOND).await;
    assert_eq!(client.body(1).await, "another hour");
}

#[runtime::test(start_paused = true)]
async fn a_client_that_has_vanished_is_missed() {
    let (server, _serving) = run(http::serve(listen().await, app()));
    let client = Framed::connect(&server).await;
    client.ask(1, "/hour").await;
    until(|| server.connections() == 1).await;
    // It answers no ping.
    let passed = time_until(|| server.connections() == 0).await;
    assert_between(80 * SECOND, passed, 82 * SECOND);
}

#[runtime::test(start_paused = true)]
async fn who_asks_for_nothing_is_cut_like_anybody() {
    let (server, _serving) = run(http::serve(listen().await, app()));
    let _client = Framed::connect(&server).await;
    until(|| server.connections() == 1).await;
    let passed = time_until(|| server.stats().header_timeouts == 1).await;
    assert_between(30 * SECOND, passed, 38 * SECOND);
}

#[runtime::test(start_paused = true)]
async fn who_is_cut_takes_his_streams_along() {
    let (server, serving) = run(http::serve(listen().await, app()));
    let client = Framed::connect(&server).await;
    client.ask(1, "/hour").await;
    client.ask(3, "/hour").await;
    // The server, the connection and its streams.
    until(|| runtime::task::list().len() == 4).await;
    let drained = server.drain(Duration::ZERO).await;
    assert_eq!(drained.forced.len(), 1);
    serving.await.unwrap().unwrap();
    until(|| runtime::task::list().is_empty()).await;
}

#[runtime::test]
async fn a_client_that_throws_its_connection_away_is_no_news_and_one_that_talks_nonsense_is() {
    let told = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
    let log = told.clone();
    let serve =
        http::serve(listen().await, app()).on_error(move |_, error| log.borrow_mut().push(error.kind()));
    let (server, _serving) = run(serve);
    let mut client = Framed::connect(&server).await;
    client.ask(1, "/hour").await;
    client.ask(3, "/now").await;
    client.body(3).await;
    client.0.stream.set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
    until(|| server.connections() == 0).await;
    assert_eq!(*told.borrow(), []);

    let client = Framed::connect(&server).await;
    client.ask(0, "/nowhere").await;
    let _ = client.0.stream.read(&mut [0; 1024]).await;
    drop(client);
    until(|| !told.borrow().is_empty()).await;
    assert_eq!(*told.borrow(), [io::ErrorKind::InvalidData]);
}

#[runtime::test]
async fn more_streams_than_allowed_are_refused() {
    let (server, _serving) = run(http::serve(listen().await, app()).max_streams(2));
    let mut client = Framed::connect(&server).await;
    for stream in [1, 3, 5] {
        client.ask(stream, "/hour").await;
    }
    let refused = client.next(&[RST_STREAM]).await;
    assert_eq!((refused.stream, refused.payload), (5, vec![0, 0, 0, 7]), "REFUSED_STREAM");
}

#[runtime::test]
async fn headers_that_are_too_large_are_refused() {
    let (server, _serving) = run(http::serve(listen().await, app()).max_header_bytes(200));
    let mut client = Framed::connect(&server).await;
    client.ask(1, "/short").await;
    assert_eq!(client.body(1).await, "hello /short");
    client.ask(3, &format!("/{}", "y".repeat(110))).await;
    assert_eq!(client.next(&[HEADERS, RST_STREAM]).await.stream, 3);
    assert_eq!(server.connections(), 1);
}

#[runtime::test]
async fn only_what_is_spoken_is_served() {
    let (server, _serving) = run(http::serve(listen().await, app()).only_version(http::Version::Http1));
    let framed = Framed::connect(&server).await;
    framed.0.rest().await;
    let (server, _serving) = run(http::serve(listen().await, app()).only_version(http::Version::Http2));
    let client = Client::connect(&server).await;
    client.send("GET / HTTP/1.1\r\nhost: here\r\n\r\n").await;
    // SETTINGS and GOAWAY.
    let mut bytes = Vec::new();
    let _ = (&mut &client.stream).read_to_end(&mut bytes).await;
    assert!(!String::from_utf8_lossy(&bytes).contains("HTTP/1.1"));
}
