//! The client of the connection churn row: connect, one message, one answer, close; a fixed number of clients at a time.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::Duration;

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use super::pattern::Pattern;

/// Bytes of the one message.
const MESSAGE_BYTES: usize = 64;

/// A running churn.
pub(crate) struct Churn {
    server: SocketAddr,
    poll: Poll,
    events: Events,
    visits: Vec<Option<Visit>>,
    pattern: Pattern,
    started: u64,
    done: u64,
}

struct Visit {
    stream: TcpStream,
    number: u64,
    sent: bool,
}

impl Churn {
    /// Prepares `clients` at a time.
    pub(crate) fn new(server: SocketAddr, clients: usize) -> Churn {
        Churn {
            server,
            poll: Poll::new().expect("epoll"),
            events: Events::with_capacity(1024),
            visits: (0..clients).map(|_| None).collect(),
            pattern: Pattern::new(),
            started: 0,
            done: 0,
        }
    }

    /// Makes exactly `visits` visits. Counted, not timed: a free run would use up the local ports within seconds.
    pub(crate) fn run_count(&mut self, visits: u64) -> u64 {
        let goal = self.done + visits;
        for seat in 0..self.visits.len() {
            self.begin(seat, goal);
        }
        while self.done < goal {
            match self.poll.poll(&mut self.events, Some(Duration::from_secs(10))) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                outcome => outcome.expect("epoll_wait"),
            }
            assert!(!self.events.is_empty(), "the server has been silent for ten seconds");
            let ready: Vec<_> = self.events.iter().map(|event| event.token().0).collect();
            for seat in ready {
                if self.proceed(seat) {
                    self.visits[seat] = None;
                    self.done += 1;
                    self.begin(seat, goal);
                }
            }
        }
        visits
    }

    fn begin(&mut self, seat: usize, goal: u64) {
        if self.started == goal {
            return;
        }
        let mut stream = TcpStream::connect(self.server).expect("connect");
        let both = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut stream, Token(seat), both).expect("client registers");
        self.visits[seat] = Some(Visit { stream, number: self.started, sent: false });
        self.started += 1;
    }

    /// Sends or reads, whichever is next; true once the answer is here.
    fn proceed(&mut self, seat: usize) -> bool {
        let Some(visit) = &mut self.visits[seat] else { return false };
        let connection = usize::try_from(visit.number).expect("fewer visits than addresses");
        let message = self.pattern.slice(connection, 0, MESSAGE_BYTES);
        if !visit.sent {
            match visit.stream.write(message) {
                Ok(written) => {
                    assert_eq!(written, message.len(), "a fresh socket takes a small message whole");
                }
                // The event was an early one: still connecting.
                Err(error) if matches!(error.kind(), ErrorKind::NotConnected | ErrorKind::WouldBlock) => {
                    return false;
                }
                Err(error) => panic!("visit {connection}: {error}"),
            }
            visit.sent = true;
        }
        let mut answer = [0; MESSAGE_BYTES];
        match visit.stream.read(&mut answer) {
            Ok(read) => assert!(answer[..read] == *message, "visit {connection}: wrong answer"),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
            Err(error) => panic!("visit {connection}: {error}"),
        }
        true
    }
}
