//! A client of HTTP/2 that speaks in frames.

use super::*;

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const WINDOW_UPDATE: u8 = 8;

pub(super) const END_STREAM: u8 = 1;
pub(super) const ACK: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;

/// A frame that was read.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
    pub(super) payload: Vec<u8>,
}

/// A client that speaks in frames.
pub(super) struct Framed(pub(super) Client);

impl Framed {
    /// Connects, and says what has to be said first.
    pub(super) async fn connect(server: &Server) -> Self {
        let framed = Self(Client::connect(server).await);
        framed.0.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
        framed.send(SETTINGS, 0, 0, &[]).await;
        framed.send(SETTINGS, ACK, 0, &[]).await;
        framed
    }

    pub(super) async fn send(&self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = (payload.len() as u32).to_be_bytes();
        let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
        self.0.send([head.as_slice(), payload].concat()).await;
    }

    /// `GET path`, by names and values that are not compressed, apart from those in the static table.
    pub(super) async fn ask(&self, stream: u32, path: &str) {
        let mut block = vec![0x82, 0x86, 0x04, path.len() as u8]; // GET, http, and a path
        block.extend(path.as_bytes());
        self.send(HEADERS, END_STREAM | END_HEADERS, stream, &block).await;
    }

    /// `POST path`, of which the body follows.
    pub(super) async fn post(&self, stream: u32, path: &str) {
        let mut block = vec![0x83, 0x86, 0x04, path.len() as u8];
        block.extend(path.as_bytes());
        self.send(HEADERS, END_HEADERS, stream, &block).await;
    }

    /// Makes room for so many bytes more: on a stream, or, as stream 0, on the connection.
    pub(super) async fn widen(&self, stream: u32, count: u32) {
        self.send(WINDOW_UPDATE, 0, stream, &count.to_be_bytes()).await;
    }

    /// The next frame; `None` at the end.
    pub(super) async fn frame(&mut self) -> Option<Told> {
        let head = self.0.next(9).await?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let payload = self.0.next(length).await?;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        Some(Told { kind: head[3], flags: head[4], stream, payload })
    }

    /// The next frame of one of these kinds.
    pub(super) async fn next_unanswered(&mut self, kinds: &[u8]) -> Told {
        loop {
            let frame = self.frame().await.expect("the server has not closed");
            if kinds.contains(&frame.kind) {
                return frame;
            }
        }
    }

    /// The next frame of one of these kinds; pings are answered.
    pub(super) async fn next(&mut self, kinds: &[u8]) -> Told {
        loop {
            let frame = self.frame().await.expect("the server has not closed");
            if frame.kind == PING && frame.flags & ACK == 0 {
                self.send(PING, ACK, 0, &frame.payload).await;
            }
            if kinds.contains(&frame.kind) {
                return frame;
            }
        }
    }

    /// The body of the next reply.
    pub(super) async fn body(&mut self, stream: u32) -> String {
        let mut body = Vec::new();
        loop {
            let frame = self.next(&[HEADERS, DATA]).await;
            assert_eq!(frame.stream, stream);
            if frame.kind == DATA {
                body.extend(frame.payload);
            }
            if frame.flags & END_STREAM != 0 {
                return String::from_utf8(body).unwrap();
            }
        }
    }
}

/// The last stream that is served, and whether anything was wrong.
pub(super) fn last_stream(goaway: &Told) -> (u32, u32) {
    let number = |at: usize| u32::from_be_bytes(goaway.payload[at..at + 4].try_into().unwrap());
    (number(0), number(4))
}
