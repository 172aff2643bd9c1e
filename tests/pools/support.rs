//! What the stories share: what is printed, from whatever thread, and a site with pages.

use runtime::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    spawn,
};
use std::{
    fmt::Display,
    io::{self, Read, Write},
    net::SocketAddr,
    sync::{Arc, Mutex},
};

/// The lines that a program prints.
#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    pub(crate) fn say(&self, line: impl Display) {
        self.0.lock().unwrap().push(line.to_string());
    }

    /// Takes what was printed so far.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    /// The same, where the order is anybody's guess.
    pub(crate) fn take_sorted(&self) -> Vec<String> {
        let mut lines = self.take();
        lines.sort();
        lines
    }
}

/// Serves a page for every path, by a task of this runtime: what is fetched from a job comes from here, while this thread goes
/// on.
pub(crate) async fn serve() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            spawn(async move { answer(stream).await.unwrap() }).detach();
        }
    })
    .detach();
    address
}

async fn answer(mut stream: TcpStream) -> io::Result<()> {
    let mut request = Vec::new();
    let mut buffer = [0; 512];
    while !request.ends_with(b"\r\n\r\n") {
        match stream.read(&mut buffer).await? {
            0 => return Ok(()),
            read => request.extend_from_slice(&buffer[..read]),
        }
    }
    let request = String::from_utf8(request).unwrap();
    let path = request.split(' ').nth(1).unwrap();
    let page = format!("this is {path}");
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", page.len());
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(page.as_bytes()).await?;
    stream.close().await
}

/// A page, in blocking style: its status, and what is on it.
pub(crate) fn fetch(address: SocketAddr, path: &str) -> (u16, String) {
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, page) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), page.to_owned())
}
