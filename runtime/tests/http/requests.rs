//! What is answered, and what is refused.

use super::*;
use runtime::select;

#[runtime::test]
async fn requests_of_one_connection_are_answered_in_order_also_those_sent_ahead() {
    let (server, _serving) = run(http::serve(listen().await, app()));
    let mut client = Client::connect(&server).await;
    assert_eq!(client.get("/1").await, ("HTTP/1.1 200 OK".to_owned(), "hello /1".to_owned()));
    let ahead = ["/2", "/3", "/4"].map(|path| format!("GET {path} HTTP/1.1\r\nhost: here\r\n\r\n"));
    client.send(ahead.concat()).await;
    for path in ["/2", "/3", "/4"] {
        assert_eq!(client.reply().await.1, format!("hello {path}"));
    }
    assert_eq!(server.stats().accepted, 1);
}

#[runtime::test]
async fn an_old_client_is_answered_and_left() {
    let (server, _serving) = run(http::serve(listen().await, app()));
    let client = Client::connect(&server).await;
    client.send("GET /old HTTP/1.0\r\n\r\n").await;
    let reply = client.rest().await;
    assert!(reply.starts_with("HTTP/1.0 200 OK\r\n") && reply.ends_with("hello /old"), "{reply}");
}

#[runtime::test]
async fn a_body_comes_in_chunks_or_by_its_length_or_when_it_is_asked_for() {
    let (server, _serving) = run(http::serve(listen().await, app()));
    let mut client = Client::connect(&server).await;
    client.send("POST /echo HTTP/1.1\r\nhost: here\r\ncontent-length: 5\r\n\r\nfirst").await;
    assert_eq!(client.reply().await.1, "first");
    client.send("POST /echo HTTP/1.1\r\nhost: here\r\ntransfer-encoding: chunked\r\n\r\n3\r\nsec\r\n").await;
    client.send("3\r\nond\r\n0\r\n\r\n").await;
    assert_eq!(client.reply().await.1, "second");
    client
        .send("POST /echo HTTP/1.1\r\nhost: here\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n")
        .await;
    assert_eq!(client.reply().await.0, "HTTP/1.1 100 Continue");
    client.send("third").await;
    assert_eq!(client.reply().await.1, "third");
}

/// What makes one server see one request, and the next in the chain two.
#[runtime::test]
async fn ambiguous_requests_are_refused_and_what_follows_them_is_not_served() {
    let (server, _serving) = run(http::serve(listen().await, app()));
    let hidden = "GET /hidden HTTP/1.1\r\nhost: here\r\n\r\n";
    for fields in [
        "content-length: 5\r\ncontent-length: 6\r\n",
        "content-length: 5, 6\r\n",
        "content-length: +5\r\n",
        "content-length: -5\r\n",
        "content-length: 0x5\r\n",
        "content-length: 5 5\r\n",
        "transfer-encoding: chunked, identity\r\n",
        "transfer-encoding: gzip\r\n",
        "content-length : 5\r\n",
        "transfer-encoding : chunked\r\n",
        "x: a\r\n folded: b\r\n",
        "x: a\nhost\r: b\r\n",
    ] {
        let client = Client::connect(&server).await;
        client.send(format!("POST /echo HTTP/1.1\r\nhost: here\r\n{fields}\r\n0\r\n\r\n{hidden}")).await;
        let reply = client.rest().await;
        assert!(reply.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{fields:?}: {reply}");
        assert!(!reply.contains("/hidden"), "{fields:?}: {reply}");
    }
}

/// RFC 9112 §3.2: and the service does not see it.
#[runtime::test]
async fn a_request_that_does_not_name_one_host_is_refused_and_what_follows_is_not_served() {
    let told = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
    let log = told.clone();
    let serve =
        http::serve(listen().await, app()).on_error(move |_, error| log.borrow_mut().push(error.kind()));
    let (server, _serving) = run(serve);
    let hidden = "GET /hidden HTTP/1.1\r\nhost: here\r\n\r\n";
    let refused = [
        "GET /panic HTTP/1.1\r\n\r\n",
        "GET http://here/panic HTTP/1.1\r\n\r\n",
        "GET /panic HTTP/1.1\r\nhost: here\r\nhost: here\r\n\r\n",
        "GET /panic HTTP/1.1\r\nhost: here\r\nx: y\r\nHost: there\r\n\r\n",
        "GET /panic HTTP/1.0\r\nhost: here\r\nhost: there\r\n\r\n",
        "GET /panic HTTP/1.1\r\nhost: here/there\r\n\r\n",
        "POST /panic HTTP/1.1\r\ncontent-length: 5\r\n\r\n12345",
    ];
    for request in refused {
        let client = Client::connect(&server).await;
        client.send(format!("{request}{hidden}")).await;
        let reply = client.rest().await;
        assert!(reply.lines().next().unwrap().ends_with(" 400 Bad Request"), "{request:?}: {reply}");
        assert!(reply.contains("connection: close\r\n"), "{request:?}: {reply}");
        assert!(!reply.contains("/hidden"), "{request:?}: {reply}");
    }
    until(|| server.connections() == 0).await;
    assert_eq!(*told.borrow(), [io::ErrorKind::InvalidData; 7]);
    assert_eq!(server.stats().panicked, 0);
}

#[runtime::test]
async fn an_empty_host_and_one_with_a_port_are_hosts() {
    let (server, _serving) = run(http::serve(listen().await, app()));
    let mut client = Client::connect(&server).await;
    for host in ["", "here:8080", "[::1]:8080", "b%C3%BCcher.example"] {
        client.send(format!("GET /it HTTP/1.1\r\nhost: {host}\r\n\r\n")).await;
        assert_eq!(client.reply().await.1, "hello /it");
    }
}

/// As `nc -N` does it.
#[runtime::test(start_paused = true)]
async fn who_ends_its_side_is_answered_if_the_server_is_told_to() {
    for is_served in [true, false] {
        let (server, _serving) = run(http::serve(listen().await, app()).half_close(is_served));
        for path in ["/now", "/slow"] {
            let client = Client::connect(&server).await;
            client.send(format!("GET {path} HTTP/1.1\r\nhost: here\r\n\r\n")).await;
            client.stream.shutdown(std::net::Shutdown::Write).unwrap();
            let rest = spawn(client.rest());
            for _ in 0..20 {
                yield_now().await;
            }
            advance(10 * SECOND).await;
            assert_eq!(rest.await.unwrap().starts_with("HTTP/1.1 200 OK\r\n"), is_served, "{path}");
        }
        // Who has nothing to hear is let go.
        let mut idle = Client::connect(&server).await;
        idle.get("/").await;
        idle.stream.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(idle.rest().await, "");
        until(|| server.connections() == 0).await;
        assert_eq!(server.stats().failed, 0);
    }
}

/// RFC 9112 §6.1: a server may take it by its chunks, and must then close the connection.
#[runtime::test]
async fn a_length_beside_chunks_is_never_believed() {
    let (server, _serving) = run(http::serve(listen().await, app()));
    let client = Client::connect(&server).await;
    let request =
        "POST /echo HTTP/1.1\r\nhost: here\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n";
    client.send(format!("{request}0\r\n\r\nGET /hidden HTTP/1.1\r\nhost: here\r\n\r\n")).await;
    client.stream.shutdown(std::net::Shutdown::Write).unwrap();
    let reply = client.rest().await;
    assert!(!reply.contains("/hidden"), "{reply}");
}

#[runtime::test]
async fn chunks_that_are_none_end_the_connection() {
    let (server, _serving) = run(http::serve(listen().await, app()));
    for chunk in [
        "x\r\n",
        "-1\r\n",
        "0x1\r\na\r\n",
        "1\ra\r\n",
        "1\r\nab\r\n",
        "fffffffffffffffff\r\n",
        "1;\n\r\na\r\n",
    ] {
        let client = Client::connect(&server).await;
        let request = "POST /echo HTTP/1.1\r\nhost: here\r\ntransfer-encoding: chunked\r\n\r\n";
        client.send(format!("{request}{chunk}0\r\n\r\nGET /hidden HTTP/1.1\r\nhost: here\r\n\r\n")).await;
        let reply = client.rest().await;
        assert!(!reply.contains("/hidden"), "{chunk:?}: {reply}");
    }
}

#[runtime::test]
async fn a_panic_ends_its_connection_and_nobody_elses() {
    let (server, _serving) = run(http::serve(listen().await, app()));
    let (mut good, bad) = (Client::connect(&server).await, Client::connect(&server).await);
    good.get("/before").await;
    bad.send("GET /panic HTTP/1.1\r\nhost: here\r\n\r\n").await;
    assert_eq!(bad.rest().await, "");
    assert_eq!(good.get("/after").await.1, "hello /after");
    assert_eq!((server.stats().panicked, server.connections()), (1, 1));
}

#[runtime::test]
async fn what_clients_should_not_have_sent_is_told_and_that_they_leave_is_not() {
    let told = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
    let log = told.clone();
    let serve = http::serve(listen().await, app())
        .on_error(move |peer, error| log.borrow_mut().push((peer.copied(), error.kind())));
    let (server, _serving) = run(serve);
    let leaving = Client::connect(&server).await;
    leaving.send("GET /slow HTTP/1.1\r\nhost: here\r\n\r\n").await;
    let rude = Client::connect(&server).await;
    rude.send("how do you do\r\n\r\n").await;
    until(|| server.connections() == 2).await;
    let peer = rude.stream.local_addr().unwrap();
    rude.rest().await;
    drop(leaving);
    let resetting = Client::connect(&server).await;
    resetting.stream.set_linger(Some(Duration::ZERO)).unwrap();
    drop(resetting);
    until(|| server.connections() == 0 && server.stats().accepted == 3).await;
    assert_eq!(*told.borrow(), [(Some(peer), io::ErrorKind::InvalidData)]);
}

#[runtime::test]
async fn a_client_that_goes_on_sending_still_gets_the_reply() {
    let (server, _serving) = run(http::serve(listen().await, app()));
    for _ in 0..20 {
        let client = Client::connect(&server).await;
        let upload = format!("POST /refused HTTP/1.1\r\nhost: here\r\ncontent-length: {}\r\n\r\n", 64 << 20);
        client.send(upload).await;
        // Nobody reads this body; the reply must not be lost for that.
        let more = vec![0; 1 << 20];
        let mut reply = Vec::new();
        let sending = async { while client.stream.write_all(&more).await.is_ok() {} };
        select! {
            _ = (&mut &client.stream).read_to_end(&mut reply) => {}
            () = sending => panic!("it was closed before it was ended"),
        }
        let reply = String::from_utf8(reply).unwrap();
        assert!(reply.ends_with("hello /refused"), "{reply:?}");
    }
}
