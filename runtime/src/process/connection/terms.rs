//! What an end asks of the other.

use super::{
    Key, Peer, Refusal,
    handshake::Handshake,
    key::random_bytes,
    pending::{Pending, Socket},
};
use crate::process::packet::DEFAULT_LIMIT_BYTES;
use runtime_executor::time::{Duration, Instant};
use runtime_io::{
    net::{TcpStream, UnixSeqpacket},
    owner::own_user,
};
use std::{io, net::SocketAddr};

/// Which end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Role {
    Listener,
    Client,
}

#[derive(Clone, Debug)]
pub(super) struct Terms {
    role: Role,
    pub(super) key: Option<Key>,
    /// Besides our own.
    pub(super) users: Vec<u32>,
    pub(super) max_message_bytes: u32,
    /// How long the other end has to say who it is.
    pub(super) patience: Duration,
}

impl Terms {
    pub(super) fn new(role: Role, patience: Duration) -> Self {
        let max_message_bytes = clamp(DEFAULT_LIMIT_BYTES);
        Self { role, key: None, users: Vec::new(), max_message_bytes, patience }
    }

    pub(super) fn set_max_message(&mut self, bytes: usize) {
        self.max_message_bytes = clamp(bytes);
    }

    /// Nothing is read before the user is known.
    pub(super) fn talk_to_process(&self, socket: UnixSeqpacket) -> io::Result<Result<Pending, Refusal>> {
        let peer = socket.peer_cred()?;
        let user = peer.user();
        if user != own_user() && !self.users.contains(&user) {
            return Ok(Err(Refusal::User { user }));
        }
        self.begin(Socket::Unix(socket), Peer::Unix(peer)).map(Ok)
    }

    pub(super) fn talk_to_machine(&self, socket: TcpStream, peer: SocketAddr) -> io::Result<Pending> {
        socket.set_nodelay(true)?;
        self.begin(Socket::Tcp(socket), Peer::Tcp(peer))
    }

    fn begin(&self, socket: Socket, peer: Peer) -> io::Result<Pending> {
        let mut nonce = [0; 32];
        random_bytes(&mut nonce)?;
        let (key, limit) = (self.key.clone(), self.max_message_bytes);
        let handshake = match self.role {
            Role::Listener => Handshake::listening(key, limit, nonce),
            Role::Client => Handshake::connecting(key, limit, nonce),
        };
        let deadline = Instant::now().saturating_add(self.patience);
        Ok(Pending::new(socket, peer, handshake, limit, deadline))
    }

    /// Over TCP whoever can reach an address can talk to it.
    ///
    /// # Errors
    /// `InvalidInput` without a key.
    pub(super) fn require_key(&self) -> io::Result<()> {
        if self.key.is_some() {
            return Ok(());
        }
        let sentence = "a connection over TCP needs a key, as anybody could be at its other end: give both ends \
                        `.key(Key::from_file(path)?)`";
        Err(io::Error::new(io::ErrorKind::InvalidInput, sentence))
    }
}

/// A length has four bytes on the wire.
fn clamp(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX - u32::from(u16::MAX))
}
