//! The client of what is counted, and of idle connections: 64 connections in lock step, all of them answered before the next
//! request is sent on any. A server that is traced is so slow that otherwise the next request is always there already, and a
//! read that finds nothing, as on a real network, would not show.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

/// Connections of one that counts.
pub(crate) const CONNECTIONS: usize = 64;

/// Connections on each of which one request has been answered already.
pub(crate) struct LockStep {
    connections: Vec<TcpStream>,
    /// What is sent on each of them at once.
    batch: Vec<u8>,
    depth: usize,
    /// What one answer looks like, but for its date.
    answer: Vec<u8>,
}

impl LockStep {
    /// So many connections, with so many requests on their way on each.
    pub(crate) fn connect(server: SocketAddr, path: &str, connections: usize, depth: usize) -> LockStep {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {server}\r\n\r\n").into_bytes();
        let mut answer = Vec::new();
        let connect = |_| {
            let mut stream = TcpStream::connect(server).expect("connect");
            stream.set_nodelay(true).expect("TCP_NODELAY");
            stream.write_all(&request).expect("first request");
            answer = read_answer(&stream);
            stream
        };
        let connections = (0..connections).map(connect).collect();
        LockStep { connections, batch: request.repeat(depth), depth, answer }
    }

    /// Exchanges at least so many requests; the number exchanged.
    pub(crate) fn run(&mut self, requests: u64) -> u64 {
        let (length, turn) = (self.answer.len(), (self.connections.len() * self.depth) as u64);
        let mut answers = vec![0; length * self.depth];
        let mut done = 0;
        while done < requests {
            for connection in &mut self.connections {
                connection.write_all(&self.batch).expect("requests");
            }
            for connection in &mut self.connections {
                connection.read_exact(&mut answers).expect("answers");
                for answer in answers.chunks(length) {
                    // Dates differ in digits, and now and then in a name.
                    let (status, body) = (&answer[..15], &answer[length - 13..]);
                    assert!(status == &self.answer[..15] && body == &self.answer[length - 13..]);
                }
            }
            done += turn;
        }
        done
    }
}

/// One whole answer, which says how long its body is.
fn read_answer(stream: &TcpStream) -> Vec<u8> {
    let mut stream = BufReader::new(stream);
    let mut answer = Vec::new();
    let mut length: Option<usize> = None;
    loop {
        let start = answer.len();
        stream.read_until(b'\n', &mut answer).expect("a line of the head");
        let line = String::from_utf8_lossy(&answer[start..]).to_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok();
        }
        if line == "\r\n" {
            break;
        }
        assert!(!line.is_empty() && (start > 0 || line.contains(" 200 ")), "what answer is {line:?}?");
    }
    let body = answer.len();
    answer.resize(body + length.expect("a length of the body"), 0);
    stream.read_exact(&mut answer[body..]).expect("the body");
    answer
}
