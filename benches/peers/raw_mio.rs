//! The floor of the echo rows: a server written by hand on mio, with no tasks, no wakers and no timers. Edge-triggered,
//! a slab of connections, one buffer for all of them, and two system calls per request when the kernel has many
//! connections ready at once. It uses the short-read rule (on TCP a read that did not fill the buffer has drained the
//! socket), so a request never pays a second `recv`.

use std::io::{ErrorKind, Read, Write};
use std::net;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use slab::Slab;

use super::ECHO_BUFFER_BYTES;

/// Name on the command line and in the tables.
pub(crate) const NAME: &str = "raw-mio";

/// Larger than any slab key can become.
const LISTENER: Token = Token(usize::MAX);
/// The same as tokio and monoio ask for.
const EVENTS_PER_TURN: usize = 1024;

struct Connection {
    stream: TcpStream,
    /// Bytes the socket refused; while there are any the connection does not read, which pushes back on the client.
    unsent: Vec<u8>,
}

/// Serves until the process is killed.
pub(crate) fn serve(listener: net::TcpListener) -> ! {
    let mut listener = TcpListener::from_std(listener);
    let mut poll = Poll::new().expect("epoll");
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE).expect("listener registers");
    let mut events = Events::with_capacity(EVENTS_PER_TURN);
    let mut connections = Slab::new();
    let mut buffer = vec![0; ECHO_BUFFER_BYTES];
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            outcome => outcome.expect("epoll_wait"),
        }
        for event in &events {
            if event.token() == LISTENER {
                accept_all(&listener, &poll, &mut connections);
                continue;
            }
            let key = event.token().0;
            let Some(connection) = connections.get_mut(key) else { continue };
            if !connection.turn(&mut buffer, event.is_read_closed()) {
                connections.remove(key);
            }
        }
    }
}

fn accept_all(listener: &TcpListener, poll: &Poll, connections: &mut Slab<Connection>) {
    while let Ok((mut stream, _)) = listener.accept() {
        let entry = connections.vacant_entry();
        let both = Interest::READABLE | Interest::WRITABLE;
        poll.registry().register(&mut stream, Token(entry.key()), both).expect("connection registers");
        entry.insert(Connection { stream, unsent: Vec::new() });
    }
}

impl Connection {
    /// Echoes what has arrived; false once the connection is over. `hung_up` withdraws the short-read rule, because the
    /// end of the stream may hide behind the last bytes without another edge to come.
    fn turn(&mut self, buffer: &mut [u8], hung_up: bool) -> bool {
        let backlog = std::mem::take(&mut self.unsent);
        if !backlog.is_empty() && !self.send(&backlog) {
            return false;
        }
        while self.unsent.is_empty() {
            match self.stream.read(buffer) {
                Ok(0) => return false,
                Ok(read) => {
                    if !self.send(&buffer[..read]) {
                        return false;
                    }
                    if read < buffer.len() && !hung_up {
                        return true;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        true
    }

    /// Writes all of `bytes` or keeps the rest for the next writable edge; false if the connection broke.
    fn send(&mut self, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() {
            match self.stream.write(bytes) {
                Ok(written) => bytes = &bytes[written..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.unsent.extend_from_slice(bytes);
                    return true;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        true
    }
}
