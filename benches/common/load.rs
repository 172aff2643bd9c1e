//! The client of the echo rows, the same for every server: raw mio, one thread, every byte checked. It is a closed
//! loop: each connection keeps a fixed number of messages on their way.

use std::io::{ErrorKind, Read, Write};
use std::net::{self, SocketAddr};
use std::time::Duration;

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use super::clock;
use super::pattern::Pattern;

/// What the clients do.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) connections: usize,
    /// Bytes of a message.
    pub(crate) size: usize,
    /// Messages on their way per connection.
    pub(crate) depth: u64,
}

/// A running load.
pub(crate) struct Load {
    shape: Shape,
    poll: Poll,
    events: Events,
    clients: Vec<Client>,
    pattern: Pattern,
    buffer: Vec<u8>,
    /// Messages that may still be sent.
    allowance: u64,
    /// Messages that came back whole.
    done: u64,
}

struct Client {
    stream: TcpStream,
    /// Bytes promised to the server: whole messages.
    due: u64,
    sent: u64,
    received: u64,
}

impl Load {
    /// Connects all clients, and returns once the server has answered one message of each.
    pub(crate) fn connect(server: SocketAddr, shape: Shape) -> Load {
        let mut load = Load {
            shape,
            poll: Poll::new().expect("epoll"),
            events: Events::with_capacity(1024),
            clients: Vec::with_capacity(shape.connections),
            pattern: Pattern::new(),
            buffer: vec![0; 256 * 1024],
            allowance: 0,
            done: 0,
        };
        for index in 0..shape.connections {
            load.clients.push(load.join(index, server));
        }
        load
    }

    fn join(&self, index: usize, server: SocketAddr) -> Client {
        let mut stream = net::TcpStream::connect(server).expect("connect");
        stream.set_nodelay(true).expect("TCP_NODELAY");
        let first = self.pattern.slice(index, 0, self.shape.size);
        stream.write_all(first).expect("first message");
        let mut answer = vec![0; first.len()];
        stream.read_exact(&mut answer).expect("first answer");
        assert!(answer == first, "connection {index}: the first answer is wrong");
        stream.set_nonblocking(true).expect("O_NONBLOCK");
        let mut stream = TcpStream::from_std(stream);
        let both = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut stream, Token(index), both).expect("client registers");
        let length = first.len() as u64;
        Client { stream, due: length, sent: length, received: length }
    }

    /// Runs for `window`; the number of messages that came back in it. Leaves messages on their way.
    pub(crate) fn run_for(&mut self, window: Duration) -> u64 {
        let before = self.done;
        self.allowance = u64::MAX;
        self.kick_all();
        let end = clock::now() + window;
        while clock::now() < end {
            self.turn();
        }
        self.done - before
    }

    /// Exchanges at least `messages` in lock step, each window of all connections answered whole before the next is
    /// sent; the number exchanged. For counting under strace or callgrind: these slow the server so much that otherwise
    /// the next request is always there already, and a runtime's extra read, which on a real network finds nothing,
    /// would find it.
    pub(crate) fn run_count(&mut self, messages: u64) -> u64 {
        let window = self.shape.connections as u64 * self.shape.depth;
        let before = self.done;
        while self.done - before < messages {
            let goal = self.done + window;
            self.allowance = window;
            self.kick_all();
            while self.done < goal {
                self.turn();
            }
        }
        self.done - before
    }

    fn kick_all(&mut self) {
        for index in 0..self.clients.len() {
            self.send(index);
        }
    }

    fn turn(&mut self) {
        match self.poll.poll(&mut self.events, Some(Duration::from_secs(10))) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return,
            outcome => outcome.expect("epoll_wait"),
        }
        assert!(!self.events.is_empty(), "the server has been silent for ten seconds");
        let ready: Vec<_> = self.events.iter().map(|event| event.token().0).collect();
        for index in ready {
            self.receive(index);
            self.send(index);
        }
    }

    /// Reads and checks what has come back.
    fn receive(&mut self, index: usize) {
        let client = &mut self.clients[index];
        let size = self.shape.size as u64;
        loop {
            match client.stream.read(&mut self.buffer) {
                Ok(0) => panic!("the server closed connection {index}"),
                Ok(read) => {
                    let done_before = client.received / size;
                    for part in self.buffer[..read].chunks(64 * 1024) {
                        let expected = self.pattern.slice(index, client.received, part.len());
                        assert!(part == expected, "connection {index}: wrong bytes at {}", client.received);
                        client.received += part.len() as u64;
                    }
                    self.done += client.received / size - done_before;
                    if read < self.buffer.len() {
                        return;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => panic!("connection {index}: {error}"),
            }
        }
    }

    /// Fills the connection's window with new messages, as far as the socket and the allowance go.
    fn send(&mut self, index: usize) {
        let client = &mut self.clients[index];
        let size = self.shape.size as u64;
        let on_the_way = client.due / size - client.received / size;
        let new = self.shape.depth.saturating_sub(on_the_way).min(self.allowance);
        self.allowance -= new;
        client.due += new * size;
        while client.sent < client.due {
            let length = usize::try_from(client.due - client.sent).unwrap_or(usize::MAX);
            match client.stream.write(self.pattern.slice(index, client.sent, length)) {
                Ok(written) => client.sent += written as u64,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => panic!("connection {index}: {error}"),
            }
        }
    }
}
