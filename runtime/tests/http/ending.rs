//! How a server ends: who is waited for, who is let go, who is cut.

use super::*;
use runtime::{sync::oneshot, time::Instant};

#[runtime::test(start_paused = true)]
async fn idle_connections_are_closed_and_requests_that_have_begun_are_answered() {
    let (stop, stopped) = oneshot::channel::<()>();
    let serve = http::serve(listen().await, app()).with_graceful_shutdown(async {
        let _ = stopped.await;
    });
    let (server, serving) = run(serve);
    let (mut idle, mut busy) = (Client::connect(&server).await, Client::connect(&server).await);
    idle.get("/").await;
    busy.send("GET /slow HTTP/1.1\r\nhost: here\r\n\r\n").await;
    until(|| server.stats().accepted == 2).await;
    let _ = stop.send(());
    assert_eq!(idle.rest().await, "");
    assert_eq!(server.connections(), 1);
    advance(10 * SECOND).await;
    assert_eq!(busy.reply().await.1, "at last");
    assert_eq!(busy.rest().await, "", "it is not kept");
    let drained = serving.await.unwrap().unwrap();
    assert_eq!((drained.finished, drained.forced.len()), (2, 0));
}

#[runtime::test(start_paused = true)]
async fn the_last_reply_says_that_it_is_the_last() {
    let (server, serving) = run(http::serve(listen().await, app()));
    let client = Client::connect(&server).await;
    client.send("GET /slow HTTP/1.1\r\nhost: here\r\n\r\n").await;
    until(|| server.connections() == 1).await;
    server.stop_accepting();
    for _ in 0..10 {
        yield_now().await;
    }
    advance(10 * SECOND).await;
    let reply = client.rest().await;
    assert!(reply.contains("connection: close\r\n") && reply.ends_with("at last"), "{reply}");
    serving.await.unwrap().unwrap();
}

#[runtime::test(start_paused = true)]
async fn who_is_not_done_in_time_is_cut_and_named() {
    let (stop, stopped) = oneshot::channel::<()>();
    let serve =
        http::serve(listen().await, app()).shutdown_timeout(20 * SECOND).with_graceful_shutdown(async {
            let _ = stopped.await;
        });
    let (server, serving) = run(serve);
    let client = Client::connect(&server).await;
    client.send("GET /hour HTTP/1.1\r\nhost: here\r\n\r\n").await;
    until(|| server.connections() == 1).await;
    let _ = stop.send(());
    let start = Instant::now();
    let ended = spawn(async move { (serving.await.unwrap().unwrap(), Instant::now()) });
    for _ in 0..25 {
        advance(SECOND).await;
    }
    let (drained, at) = ended.await.unwrap();
    assert_eq!(at - start, 20 * SECOND);
    let peer = client.stream.local_addr().unwrap();
    assert_eq!(drained.forced[0].name, format!("http {peer}"));
    assert_eq!(client.rest().await, "");
}

/// Whoever connects just before the end believes to be served.
#[runtime::test(start_paused = true)]
async fn somebody_who_has_just_connected_has_a_second_for_a_request() {
    let (server, serving) = run(http::serve(listen().await, app()));
    let (mut asks, silent) = (Client::connect(&server).await, Client::connect(&server).await);
    server.stop_accepting();
    for _ in 0..10 {
        yield_now().await;
    }
    advance(SECOND / 2).await;
    assert_eq!(server.connections(), 2);
    assert_eq!(asks.get("/late").await.1, "hello /late");
    assert_eq!(asks.rest().await, "");
    advance(SECOND).await;
    assert_eq!(silent.rest().await, "");
    assert_eq!(serving.await.unwrap().unwrap().finished, 2);
}

/// Those in the kernel's queue too.
#[runtime::test]
async fn requests_in_the_queue_are_answered_though_the_server_stops_at_once() {
    let (server, serving) = run(http::serve(listen().await, app()));
    let mut clients = Vec::new();
    for n in 0..20 {
        let client = Client::connect(&server).await;
        client.send(format!("GET /{n} HTTP/1.1\r\nhost: here\r\n\r\n")).await;
        clients.push(client);
    }
    server.stop_accepting();
    for (n, client) in clients.into_iter().enumerate() {
        assert!(client.rest().await.ends_with(&format!("hello /{n}")));
    }
    assert_eq!(serving.await.unwrap().unwrap().finished, 20);
}

#[runtime::test]
async fn dropped_it_cuts_everybody() {
    let (server, serving) = run(http::serve(listen().await, app()));
    let mut client = Client::connect(&server).await;
    client.get("/").await;
    serving.cancel();
    assert_eq!(client.rest().await, "");
    assert_eq!(server.stats().cancelled, 1);
}
