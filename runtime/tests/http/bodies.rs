//! Bodies of requests that do not come, or drip.

use super::{frames::*, *};
use runtime::http::{RequestBodyTimeout, TimeoutBody};
use std::error::Error;

const PART: Duration = Duration::from_secs(60);
const TOTAL: Duration = Duration::from_secs(600);

/// Reads the whole body, and says what it was, or why it was not; and that it has ended then.
async fn say(request: Request<TimeoutBody<Incoming>>) -> Result<Response<String>, Infallible> {
    if request.uri().path() == "/late" {
        sleep(3_600 * SECOND).await;
    }
    let mut body = request.into_body();
    let mut said = Vec::new();
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        match frame {
            Ok(frame) => said.extend(frame.into_data().unwrap_or_default()),
            Err(error) => {
                assert!(body.is_end_stream());
                assert!(poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await.is_none());
                let kind = (&*error as &(dyn Error + 'static)).downcast_ref().map(io::Error::kind);
                return Ok(Response::new(format!("{kind:?}: {error}")));
            }
        }
    }
    Ok(Response::new(String::from_utf8(said).unwrap()))
}

async fn server() -> (Server, Serving) {
    let service = RequestBodyTimeout::new(service_fn(say), PART).total(TOTAL);
    run(http::serve(listen().await, service).ping_interval(None))
}

const NOTHING_CAME: &str = "Some(TimedOut): nothing of the body has come for 60s";

#[runtime::test(start_paused = true)]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let (server, _serving) = server().await;
    let mut client = Client::connect(&server).await;
    client.send("POST / HTTP/1.1\r\nhost: here\r\ncontent-length: 10\r\n\r\n12345").await;
    until(|| server.connections() == 1).await;
    advance(PART - SECOND).await;
    assert!(client.stream.try_read(&mut [0; 1]).is_err());
    advance(SECOND).await;
    assert_eq!(client.reply().await.1, NOTHING_CAME);
    // What comes now might be the rest of it.
    client.send("67890").await;
    assert_eq!(client.rest().await, "");
}

#[runtime::test(start_paused = true)]
async fn a_body_that_does_not_come_on_a_stream_is_not_waited_for_and_others_are_served() {
    let (server, _serving) = server().await;
    let mut client = Framed::connect(&server).await;
    client.post(1, "/").await;
    client.send(DATA, 0, 1, b"12345").await;
    until(|| server.connections() == 1).await;
    client.post(3, "/").await;
    client.send(DATA, END_STREAM, 3, b"all of it").await;
    assert_eq!(client.body(3).await, "all of it");
    advance(PART).await;
    assert_eq!(client.body(1).await, NOTHING_CAME);
    client.post(5, "/").await;
    client.send(DATA, END_STREAM, 5, b"again").await;
    assert_eq!(client.body(5).await, "again");
}

/// The time counts from when it is asked for, anew for each part.
#[runtime::test(start_paused = true)]
async fn a_body_is_late_only_if_it_is_waited_for() {
    let (server, _serving) = server().await;
    let mut client = Client::connect(&server).await;
    client.send("POST /late HTTP/1.1\r\nhost: here\r\ncontent-length: 5\r\n\r\n").await;
    until(|| server.connections() == 1).await;
    advance(3_600 * SECOND).await;
    for byte in ["1", "2", "3", "4", "5"] {
        advance(PART - SECOND).await;
        client.send(byte).await;
        for _ in 0..10 {
            yield_now().await;
        }
    }
    assert_eq!(client.reply().await.1, "12345");
}

#[runtime::test(start_paused = true)]
async fn a_body_that_drips_is_waited_for_so_long_in_all() {
    let (server, _serving) = server().await;
    let mut client = Client::connect(&server).await;
    client.send("POST / HTTP/1.1\r\nhost: here\r\ncontent-length: 1000\r\n\r\n").await;
    until(|| server.connections() == 1).await;
    for _ in 0..11 {
        assert!(client.stream.try_read(&mut [0; 1]).is_err());
        advance(50 * SECOND).await;
        client.send("x").await;
        for _ in 0..10 {
            yield_now().await;
        }
    }
    advance(50 * SECOND).await;
    assert_eq!(client.reply().await.1, "Some(TimedOut): the body was not there within 600s");
}
