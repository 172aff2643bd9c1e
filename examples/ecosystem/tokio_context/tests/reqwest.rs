//! `reqwest` in tasks of ours, against a server that is a task of ours too: both take turns on one thread.

use reqwest::{Client, StatusCode};
use runtime::{
    JoinHandle, Runtime,
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    join_all,
    net::{TcpListener, TcpStream},
    spawn,
    sync::{Barrier, channel},
    time::{Instant, sleep},
    tokio_context::{TokioContext, in_tokio},
};
use std::{io, net::SocketAddr, rc::Rc, time::Duration};

/// Serves each connection by `answer`, which is given the path of each request.
async fn serve<F>(answer: F) -> (SocketAddr, JoinHandle<()>)
where
    F: AsyncFn(&mut TcpStream, &str) -> io::Result<()> + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, answer) = (listener.local_addr().unwrap(), Rc::new(answer));
    let server = spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let answer = Rc::clone(&answer);
            // A client that goes is no news.
            spawn(async move { _ = converse(stream, &*answer).await }).detach();
        }
    });
    (address, server)
}

/// Requests without a body, one after the other.
async fn converse(
    stream: TcpStream,
    answer: &impl AsyncFn(&mut TcpStream, &str) -> io::Result<()>,
) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut request = String::new();
        stream.read_line(&mut request).await?;
        let Some(path) = request.split(' ').nth(1).map(str::to_owned) else { return Ok(()) };
        while request != "\r\n" {
            request.clear();
            stream.read_line(&mut request).await?;
        }
        answer(stream.get_mut(), &path).await?;
    }
}

async fn reply(stream: &mut TcpStream, body: &str) -> io::Result<()> {
    let length = body.len();
    stream.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}").as_bytes()).await
}

#[runtime::test]
async fn pages_are_fetched_all_at_once() {
    const PAGES: usize = 20;
    // Nobody is answered before all have asked.
    let all_have_asked = Rc::new(Barrier::new(PAGES));
    let (address, _server) = serve(async move |stream, path| {
        all_have_asked.wait().await.unwrap();
        reply(stream, path).await
    })
    .await;
    let client = Client::new();
    let pages = join_all((0..PAGES).map(|page| {
        let request = client.get(format!("http://{address}/{page}"));
        in_tokio(async { request.send().await?.error_for_status()?.text().await })
    }))
    .await;
    for (page, text) in pages.into_iter().enumerate() {
        assert_eq!(text.unwrap(), format!("/{page}"));
    }
}

#[runtime::test]
async fn a_body_comes_in_pieces_with_our_time_between_them() {
    let (address, _server) = serve(async |stream, _| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await?;
        for piece in ["one", "two", "three"] {
            sleep(Duration::from_millis(5)).await; // ours
            stream.write_all(format!("{:x}\r\n{piece}\r\n", piece.len()).as_bytes()).await?;
        }
        stream.write_all(b"0\r\n\r\n").await
    })
    .await;
    let pieces = in_tokio(async {
        let mut response = reqwest::get(format!("http://{address}/")).await?;
        let mut pieces = Vec::new();
        while let Some(piece) = response.chunk().await? {
            pieces.extend_from_slice(&piece);
        }
        Ok::<_, reqwest::Error>(pieces)
    });
    assert_eq!(pieces.await.unwrap(), b"onetwothree");
}

#[runtime::test]
async fn its_own_deadline_is_kept_by_tokios_clock() {
    let (address, _server) = serve(async |_, _| std::future::pending().await).await;
    let start = Instant::now();
    let request = Client::new().get(format!("http://{address}/")).timeout(Duration::from_millis(50));
    // It is set when `send` is called, so that belongs inside too.
    let error = in_tokio(async { request.send().await }).await.unwrap_err();
    assert!(error.is_timeout(), "{error}");
    assert!(start.elapsed() >= Duration::from_millis(50));
}

#[runtime::test]
async fn a_request_that_is_cancelled_is_gone_for_the_server_too() {
    let (left, mut gone) = channel(1);
    let (asked, mut is_asked) = channel(1);
    let (address, _server) = serve(async move |stream, _| {
        asked.send(()).await.unwrap();
        let rest = stream.read(&mut [0; 1]).await;
        left.send(rest.map_err(|error| error.kind())).await.unwrap();
        Ok(())
    })
    .await;
    let request = Client::new().get(format!("http://{address}/"));
    let task = spawn(in_tokio(async { request.send().await }));
    is_asked.recv().await.unwrap();
    task.cancel_and_wait().await.unwrap_err();
    assert_eq!(gone.recv().await.unwrap(), Ok(0), "the connection was closed");
}

#[runtime::test]
async fn a_server_that_goes_in_the_middle_is_an_error_and_the_next_request_finds_another() {
    let (address, server) = serve(async |stream, path| {
        if path == "/" {
            return reply(stream, "hello").await;
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart").await?;
        Err(io::ErrorKind::Other.into()) // and closes
    })
    .await;
    let client = Client::new();
    let get = |path: &str| {
        let request = client.get(format!("http://{address}/{path}"));
        in_tokio(async { request.send().await?.text().await })
    };
    assert_eq!(get("").await.unwrap(), "hello");
    let error = get("broken").await.unwrap_err();
    assert!(error.is_body() || error.is_decode(), "{error:?}");
    assert_eq!(get("").await.unwrap(), "hello");
    // Nobody at all: who has no connection yet is refused, at once.
    server.cancel_and_wait().await.unwrap_err();
    let error = in_tokio(reqwest::get(format!("http://{address}/"))).await.unwrap_err();
    assert!(error.is_connect(), "{error:?}");
}

#[test]
fn in_a_program_that_is_in_tokio_from_beginning_to_end_there_is_nothing_to_say() {
    let tokio = TokioContext::new().unwrap();
    let _entered = tokio.enter();
    let runtime = Runtime::new().unwrap();
    runtime.block_on(async {
        let (address, _server) = serve(async |stream, _| reply(stream, "{\"answer\":42}").await).await;
        let task = spawn(async move { reqwest::get(format!("http://{address}/")).await });
        let response = task.await.unwrap().unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let body: std::collections::HashMap<String, u32> = response.json().await.unwrap();
        assert_eq!(body["answer"], 42);
    });
}
