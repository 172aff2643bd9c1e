//! Clients of HTTP/2 that open no window, go slowly, or do not go at all.

use super::{frames::*, *};
use hyper::{
    body::Frame,
    rt::{Read, Write},
};
use runtime::time::Sleep;
use std::task::{Context, Poll, ready};

const WRITE: Duration = Duration::from_secs(60);
/// By how much a cut may be late: at the first look it is noticed, and there are four in that time.
const LATE: Duration = Duration::from_secs(16);

/// A connection whose streams have no room for a byte.
async fn shut(server: &Server) -> Framed {
    let client = Framed::connect(server).await;
    client.send(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]).await; // SETTINGS_INITIAL_WINDOW_SIZE
    client
}

/// Keeps answering pings until the server closes.
fn answering_pings(mut client: Framed) -> JoinHandle<()> {
    spawn(async move {
        while let Some(frame) = client.frame().await {
            if frame.kind == PING && frame.flags & ACK == 0 {
                client.send(PING, ACK, 0, &frame.payload).await;
            }
        }
    })
}

#[runtime::test(start_paused = true)]
async fn who_opens_no_window_for_a_reply_is_cut_though_it_answers_pings() {
    let told = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
    let log = told.clone();
    let serve = http::serve(listen().await, app())
        .ping_interval(Some(10 * SECOND))
        .on_error(move |_, error| log.borrow_mut().push(error.kind()));
    let (server, _serving) = run(serve);
    let client = shut(&server).await;
    client.ask(1, "/one").await;
    let client = answering_pings(client);
    until(|| server.connections() == 1).await;
    let cut = time_until(|| server.stats().write_timeouts == 1).await;
    assert_between(WRITE, cut, WRITE + LATE);
    client.await.unwrap();
    assert_eq!(*told.borrow(), [io::ErrorKind::TimedOut]);
    assert_eq!(server.stats().failed, 0);
}

/// What the window had room for is no sign that it has room.
#[runtime::test(start_paused = true)]
async fn who_takes_the_beginning_of_a_reply_and_no_more_is_cut() {
    let (server, _serving) = run(http::serve(listen().await, app()).ping_interval(Some(10 * SECOND)));
    let client = Framed::connect(&server).await;
    client.ask(1, "/large").await;
    let client = answering_pings(client);
    until(|| server.connections() == 1).await;
    let cut = time_until(|| server.stats().write_timeouts == 1).await;
    assert_between(WRITE, cut, WRITE + LATE);
    client.await.unwrap();
}

#[runtime::test(start_paused = true)]
async fn who_takes_a_little_now_and_then_is_not_cut_nor_told_to_go() {
    let (server, _serving) = run(http::serve(listen().await, app()).ping_interval(None));
    let mut client = shut(&server).await;
    client.ask(1, "/one").await;
    let mut body = Vec::new();
    for _ in 0.."hello /one".len() {
        advance(50 * SECOND).await;
        client.widen(1, 1).await;
        let frame = client.next(&[DATA, GOAWAY]).await;
        assert_eq!(frame.kind, DATA);
        body.extend(frame.payload);
    }
    assert_eq!(body, b"hello /one");
    assert_eq!(server.connections(), 1);
}

#[runtime::test(start_paused = true)]
async fn a_stream_that_is_put_off_for_long_does_not_end_others() {
    let (server, _serving) = run(http::serve(listen().await, app()).ping_interval(None));
    let mut client = shut(&server).await;
    client.ask(1, "/paused").await;
    for stream in (3..41).step_by(2) {
        client.ask(stream, "/other").await;
        client.widen(stream, 100).await;
        while client.next(&[DATA, RST_STREAM, GOAWAY]).await.flags & END_STREAM == 0 {}
        advance(20 * SECOND).await;
    }
    client.widen(1, 100).await;
    assert_eq!(client.next(&[DATA]).await.payload, b"hello /paused");
}

/// Who has it all only waits for what there is to come.
#[runtime::test(start_paused = true)]
async fn a_reply_that_has_nothing_to_say_for_long_is_not_overdue() {
    let service = service_fn(async |_: Request<Incoming>| {
        Ok::<_, Infallible>(Response::new(News { next: sleep(600 * SECOND), left: 3 }))
    });
    let (server, _serving) = run(http::serve(listen().await, service).ping_interval(None));
    let mut client = Framed::connect(&server).await;
    client.ask(1, "/news").await;
    until(|| server.connections() == 1).await;
    for _ in 0..3 {
        advance(600 * SECOND).await;
        assert_eq!(client.next(&[DATA, GOAWAY, RST_STREAM]).await.payload, b"news");
    }
    assert_eq!((server.connections(), server.stats().write_timeouts), (1, 0));
}

/// A body that says something every ten minutes.
struct News {
    next: Sleep,
    left: u32,
}

impl Body for News {
    type Data = &'static [u8];
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Infallible>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        ready!(Pin::new(&mut self.next).poll(context));
        self.left -= 1;
        self.next.reset_after(600 * SECOND);
        Poll::Ready(Some(Ok(Frame::data(b"news"))))
    }
}

/// A ping that asks for nothing. That of the server which asks whether the last of its frames has come is not answered.
const CHATTER: &[u8] = &[0, 0, 8, PING, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];

/// Talks on, once a second, and hears nothing. How long the server has that.
async fn talk(server: &Server, client: &TcpStream) -> Duration {
    let mut passed = Duration::ZERO;
    while server.connections() > 0 {
        assert!(passed < 300 * SECOND, "it is still there");
        let _ = client.write_all(CHATTER).await;
        for _ in 0..10 {
            yield_now().await;
        }
        while matches!(client.try_read(&mut [0; 1024]), Ok(1..)) {}
        advance(SECOND).await;
        passed += SECOND;
    }
    passed
}

#[runtime::test(start_paused = true)]
async fn who_is_told_to_go_and_talks_on_is_cut() {
    let (server, _serving) = run(http::serve(listen().await, app()).ping_interval(None));
    let mut client = Framed::connect(&server).await;
    client.ask(1, "/one").await;
    assert_eq!(client.body(1).await, "hello /one");
    let gone = talk(&server, &client.0.stream).await;
    // The time to be idle, then that of a header.
    assert_between((75 + 30) * SECOND, gone, (75 + 30 + 45) * SECOND);
    assert_eq!(server.stats().header_timeouts, 1);
}

#[runtime::test(start_paused = true)]
async fn who_is_told_to_go_as_the_server_stops_and_talks_on_is_cut() {
    let (server, _serving) = run(http::serve(listen().await, app()).ping_interval(None));
    let client = Framed::connect(&server).await;
    client.ask(1, "/minute").await;
    until(|| server.connections() == 1).await;
    server.stop_accepting();
    // First it gets what it has asked for, however long that takes.
    let gone = talk(&server, &client.0.stream).await;
    assert_between((60 + 30) * SECOND, gone, (60 + 45) * SECOND);
}

/// Its request was on the way.
#[runtime::test(start_paused = true)]
async fn who_is_told_to_go_and_asks_is_answered_still() {
    let (server, _serving) = run(http::serve(listen().await, app()).ping_interval(None));
    let mut client = Framed::connect(&server).await;
    client.ask(1, "/one").await;
    client.body(1).await;
    server.stop_accepting();
    client.next_unanswered(&[GOAWAY]).await;
    client.ask(3, "/minute").await;
    for _ in 0..60 {
        for _ in 0..10 {
            yield_now().await;
        }
        client.0.stream.write_all(CHATTER).await.unwrap();
        advance(SECOND).await;
    }
    assert_eq!(client.body(3).await, "a minute later");
    assert_eq!(server.stats().header_timeouts, 0);
}

/// Nobody tells us when a tunnel has ended, so it is its bytes that keep the connection.
#[runtime::test(start_paused = true)]
async fn a_tunnel_goes_on_after_its_connection_was_told_to_go() {
    let agree = service_fn(async |mut request: Request<Incoming>| {
        let has_asked = http::upgrade(request.extensions_mut(), async |mut upgraded| {
            let mut byte = [0];
            while poll_fn(|context| {
                let mut buf = hyper::rt::ReadBuf::new(&mut byte);
                let read = Pin::new(&mut upgraded).poll_read(context, buf.unfilled());
                read.map(|read| read.is_ok() && !buf.filled().is_empty())
            })
            .await
            {
                poll_fn(|context| Pin::new(&mut upgraded).poll_write(context, b"x")).await.unwrap();
            }
        });
        assert!(has_asked);
        Ok::<_, Infallible>(Response::new(String::new()))
    });
    let (server, _serving) = run(http::serve(listen().await, agree).ping_interval(None));
    let mut client = Framed::connect(&server).await;
    let block = [&[0x02, 7], b"CONNECT".as_slice(), &[0x01, 7], b"here:80"].concat();
    client.send(HEADERS, END_HEADERS, 1, &block).await;
    client.next(&[HEADERS]).await;
    let mut has_gone = false;
    for _ in 0..20 {
        client.send(DATA, 0, 1, b"y").await;
        let mut frame = client.next(&[DATA, GOAWAY]).await;
        while frame.kind == GOAWAY {
            has_gone = true;
            frame = client.next(&[DATA, GOAWAY]).await;
        }
        assert_eq!(frame.payload, b"x");
        advance(20 * SECOND).await;
    }
    assert!(has_gone);
}

/// What a client says while it reads the end of a reply must not destroy that.
#[runtime::test]
async fn a_reply_is_read_to_its_end_though_the_server_is_done_and_the_client_speaks() {
    for _ in 0..5 {
        let (server, serving) = run(http::serve(listen().await, app()));
        let mut client = Framed::connect(&server).await;
        client.widen(0, 1 << 30).await;
        client.send(SETTINGS, 0, 0, &[0, 4, 0x40, 0, 0, 0]).await; // SETTINGS_INITIAL_WINDOW_SIZE
        client.ask(1, "/one").await;
        client.body(1).await;
        server.stop_accepting();
        client.next(&[GOAWAY]).await;
        client.ask(3, "/megabyte").await;
        // It has heard. Now the server writes all that it has to, and ends.
        let ping = client.next_unanswered(&[PING]).await;
        client.send(PING, ACK, 0, &ping.payload).await;
        for _ in 0..1_000 {
            yield_now().await;
        }
        let _ = client.0.stream.write_all(CHATTER).await;
        yield_now().await;
        let mut rest = Vec::new();
        let _ = (&mut &client.0.stream).read_to_end(&mut rest).await;
        assert!(rest.len() > 1 << 20, "{} bytes", rest.len());
        drop(client);
        assert_eq!(serving.await.unwrap().unwrap().finished, 1);
    }
}
