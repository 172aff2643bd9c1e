//! Limits, on virtual time.

use super::*;

const HEADER: Duration = Duration::from_secs(30);
const IDLE: Duration = Duration::from_secs(75);
const WRITE: Duration = Duration::from_secs(60);
/// By how much a cut may be late: two eighths of the shortest deadline.
const LATE: Duration = Duration::from_millis(7_500);

#[runtime::test(start_paused = true)]
async fn who_says_nothing_is_cut_when_the_time_for_a_header_is_over() {
    let (server, _serving) = run(http::serve(listen().await, app()));
    let client = Client::connect(&server).await;
    until(|| server.connections() == 1).await;
    let cut = time_until(|| server.stats().header_timeouts == 1).await;
    assert_between(HEADER, cut, HEADER + LATE);
    assert_eq!(client.rest().await, "");
}

/// "Slowloris": a byte now and then. One begins with what might yet be HTTP/2.
#[runtime::test(start_paused = true)]
async fn bytes_that_drip_gain_no_time() {
    let (server, _serving) = run(http::serve(listen().await, app()));
    let (one, other) = (Client::connect(&server).await, Client::connect(&server).await);
    let drips = b"PRI * HTTP/2.0\r\n\r\n".iter().zip(b"GET / HTTP/1.1\r\nx: ");
    for (first, second) in drips {
        one.send([*first]).await;
        other.send([*second]).await;
        advance(SECOND).await;
    }
    assert_eq!(server.stats().header_timeouts, 0, "it is not over yet");
    let cut = time_until(|| server.stats().header_timeouts == 2).await;
    assert_between(HEADER - 18 * SECOND, cut, HEADER - 18 * SECOND + LATE);
}

#[runtime::test(start_paused = true)]
async fn the_next_header_has_its_time_from_its_first_byte() {
    let (server, _serving) = run(http::serve(listen().await, app()));
    let mut client = Client::connect(&server).await;
    client.get("/").await;
    advance(HEADER + LATE).await;
    client.send("GET /again HTT").await;
    advance(HEADER - SECOND).await;
    assert_eq!(server.stats().header_timeouts, 0);
    let cut = time_until(|| server.stats().header_timeouts == 1).await;
    assert_between(Duration::ZERO, cut, SECOND + LATE);
}

#[runtime::test(start_paused = true)]
async fn an_idle_connection_is_closed_and_a_busy_one_is_not() {
    let (server, _serving) = run(http::serve(listen().await, app()));
    let (mut idle, busy) = (Client::connect(&server).await, Client::connect(&server).await);
    idle.get("/").await;
    busy.send("GET /hour HTTP/1.1\r\nhost: here\r\n\r\n").await;
    until(|| server.connections() == 2).await;
    let cut = time_until(|| server.stats().idle_timeouts == 1).await;
    assert_between(IDLE, cut, IDLE + LATE);
    assert_eq!(idle.rest().await, "");
    // A whole hour, in which not a byte was sent.
    let mut busy = busy;
    advance(3_600 * SECOND - cut).await;
    assert_eq!(busy.reply().await.1, "another hour");
    // From now on it is idle too.
    let cut = time_until(|| server.stats().idle_timeouts == 2).await;
    assert_between(IDLE, cut, IDLE + LATE);
}

#[runtime::test(start_paused = true)]
async fn who_takes_nothing_of_the_reply_is_cut() {
    let (server, _serving) = run(http::serve(listen().await, app()));
    let client = Client::connect(&server).await;
    client.send("GET /large HTTP/1.1\r\nhost: here\r\n\r\n").await;
    until(|| server.connections() == 1).await;
    let cut = time_until(|| server.stats().write_timeouts == 1).await;
    assert_between(WRITE, cut, WRITE + LATE);
}

#[runtime::test]
async fn headers_that_are_too_large_or_too_many_are_refused() {
    let (server, _serving) = run(http::serve(listen().await, app()).max_header_bytes(1_000).max_headers(10));
    let request = |fields: String| format!("GET /fields HTTP/1.1\r\nhost: here\r\n{fields}\r\n");
    let many = |count: usize| (0..count).map(|n| format!("x{n}: y\r\n")).collect::<String>();
    let mut client = Client::connect(&server).await;
    for fields in [many(9), format!("x: {}\r\n", "y".repeat(900))] {
        client.send(request(fields)).await;
        assert_eq!(client.reply().await.1, "hello /fields");
    }
    for fields in [many(10), format!("x: {}\r\n", "y".repeat(1_000))] {
        let client = Client::connect(&server).await;
        client.send(request(fields)).await;
        let reply = client.rest().await;
        assert!(reply.starts_with("HTTP/1.1 431 Request Header Fields Too Large\r\n"), "{reply}");
    }
}

/// A header without end, of which the client sends more than anybody would keep.
#[runtime::test]
async fn an_endless_header_is_refused_early() {
    let (server, _serving) = run(http::serve(listen().await, app()));
    let client = Client::connect(&server).await;
    client.send(format!("GET / HTTP/1.1\r\nhost: here\r\nx: {}", "y".repeat(40 * 1024))).await;
    let reply = client.rest().await;
    assert!(reply.starts_with("HTTP/1.1 431 "), "{reply}");
}

#[runtime::test]
async fn more_connections_than_allowed_wait_their_turn() {
    let (server, _serving) = run(http::serve(listen().await, app()).max_connections(1));
    let mut first = Client::connect(&server).await;
    first.get("/").await;
    let mut second = Client::connect(&server).await;
    second.send("GET /second HTTP/1.1\r\nhost: here\r\n\r\n").await;
    for _ in 0..100 {
        yield_now().await;
    }
    assert_eq!((server.connections(), server.stats().accepted), (1, 1));
    drop(first);
    assert_eq!(second.reply().await.1, "hello /second");
}

#[runtime::test(start_paused = true)]
async fn limits_are_what_they_are_set_to() {
    let serve = http::serve(listen().await, app()).header_timeout(4 * SECOND).idle_timeout(Duration::MAX);
    let (server, _serving) = run(serve);
    let (silent, mut patient) = (Client::connect(&server).await, Client::connect(&server).await);
    patient.get("/").await;
    until(|| server.connections() == 2).await;
    assert_between(4 * SECOND, time_until(|| server.stats().header_timeouts == 1).await, 5 * SECOND);
    drop(silent);
    advance(3_600 * SECOND).await;
    assert_eq!(patient.get("/again").await.1, "hello /again");
}
