//! A connection on which the two ends do not yet know each other.

use super::{
    Connection, Peer, Refusal,
    handshake::{Agreement, Handshake, MAX_MESSAGE_BYTES},
};
use futures_lite::AsyncRead;
use runtime_executor::time::Instant;
use runtime_io::{
    blocking,
    net::{TcpStream, UnixSeqpacket},
};
use std::{
    fmt, io,
    os::fd::{AsFd, BorrowedFd},
    pin::Pin,
    task::{Context, Poll, ready},
};

/// A connected socket.
#[derive(Debug)]
pub(super) enum Socket {
    /// A message is a packet.
    Unix(UnixSeqpacket),
    /// A message is so many bytes. Not one more is read, as what comes behind the last is for others.
    Tcp(TcpStream),
}

/// One that is being talked to.
pub(super) struct Pending {
    socket: Socket,
    peer: Peer,
    handshake: Handshake,
    own_limit: u32,
    /// What has come of a message.
    came: Vec<u8>,
    /// When it is given up.
    pub(super) deadline: Instant,
}

impl Pending {
    pub(super) fn new(
        socket: Socket,
        peer: Peer,
        handshake: Handshake,
        own_limit: u32,
        deadline: Instant,
    ) -> Self {
        Self { socket, peer, handshake, own_limit, came: Vec::with_capacity(MAX_MESSAGE_BYTES), deadline }
    }

    /// Goes on as far as it can. Without a context nobody is woken, and nobody's reactor asked.
    pub(super) fn poll(&mut self, mut context: Option<&mut Context<'_>>) -> Poll<Result<Agreement, Refusal>> {
        loop {
            self.say()?;
            let message = ready!(self.hear(context.as_deref_mut()))?;
            let received = self.handshake.receive(&message);
            match received {
                Ok(None) => {}
                Ok(Some(agreement)) => return Poll::Ready(self.say().map(|()| agreement)),
                Err(refusal) => {
                    // Whoever is refused may have gone; it is over either way.
                    let _ = self.say();
                    return Poll::Ready(Err(refusal));
                }
            }
        }
    }

    /// [`poll`](Self::poll), and the deadline: what has come in time counts even if it is looked at later.
    pub(super) fn poll_until(
        &mut self,
        now: Instant,
        context: Option<&mut Context<'_>>,
    ) -> Poll<Result<Agreement, Refusal>> {
        match self.poll(context) {
            Poll::Pending if self.deadline <= now => Poll::Ready(Err(Refusal::Silent)),
            polled => polled,
        }
    }

    /// Waits with the thread for the peer's next word, at most until the deadline.
    pub(super) fn blocking_wait(&self) -> io::Result<()> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        match blocking::readable(self.as_fd(), Some(left)) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
            _ => Ok(()),
        }
    }

    /// What the two ends have when they know each other.
    pub(super) fn into_connection<Out, In>(self, agreement: Agreement) -> io::Result<Connection<Out, In>> {
        Connection::new(self.socket, self.peer, self.own_limit, agreement)
    }

    /// Sends what is to be sent. It always fits: the socket is new, and this some hundred bytes.
    fn say(&mut self) -> Result<(), Refusal> {
        let output = self.handshake.take_output();
        if output.is_empty() {
            return Ok(());
        }
        let sent = match &self.socket {
            Socket::Unix(socket) => socket.try_send(&output),
            Socket::Tcp(socket) => socket.try_write(&output),
        };
        if sent.is_ok_and(|sent| sent == output.len()) { Ok(()) } else { Err(Refusal::Gone) }
    }

    /// The next message, without its length.
    fn hear(&mut self, mut context: Option<&mut Context<'_>>) -> Poll<Result<Vec<u8>, Refusal>> {
        loop {
            if let Some((&length, message)) = self.came.split_first() {
                if message.len() == usize::from(length) {
                    let message = message.to_vec();
                    self.came.clear();
                    return Poll::Ready(Ok(message));
                }
                if matches!(self.socket, Socket::Unix(_)) {
                    return Poll::Ready(Err(Refusal::Stranger));
                }
            }
            let mut buf = [0; MAX_MESSAGE_BYTES];
            let room = match &self.socket {
                Socket::Unix(_) => &mut buf[..],
                Socket::Tcp(_) => &mut buf[..self.missing()],
            };
            let n = match ready!(self.socket.poll_read(room, context.as_deref_mut())) {
                Ok(0) => return Poll::Ready(Err(Refusal::Gone)),
                Ok(n) => n,
                // A packet that is longer than any message may be.
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    return Poll::Ready(Err(Refusal::Stranger));
                }
                Err(_) => return Poll::Ready(Err(Refusal::Gone)),
            };
            self.came.extend_from_slice(&buf[..n]);
        }
    }

    /// How many bytes of the message are not there yet, as far as is known.
    fn missing(&self) -> usize {
        match self.came.split_first() {
            Some((&length, message)) => usize::from(length) - message.len(),
            None => 1,
        }
    }
}

impl Socket {
    fn poll_read(&mut self, buf: &mut [u8], context: Option<&mut Context<'_>>) -> Poll<io::Result<usize>> {
        let tried = match (self, context) {
            (Self::Unix(socket), Some(context)) => return socket.poll_recv(context, buf),
            (Self::Tcp(socket), Some(context)) => return Pin::new(socket).poll_read(context, buf),
            (Self::Unix(socket), None) => socket.try_recv(buf),
            (Self::Tcp(socket), None) => socket.try_read(buf),
        };
        match tried {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
            tried => Poll::Ready(tried),
        }
    }
}

impl AsFd for Pending {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.socket {
            Socket::Unix(socket) => socket.as_fd(),
            Socket::Tcp(socket) => socket.as_fd(),
        }
    }
}

impl fmt::Debug for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending").field("peer", &self.peer).finish_non_exhaustive()
    }
}
