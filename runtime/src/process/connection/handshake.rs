//! How two ends come to know that they share a key: a machine that takes and gives messages, and does no I/O.
//!
//! ```text
//! listener  Hello(version, limit, nonce) ─────────────────────> client
//!           <─────────── Answer(limit, nonce, client's proof)
//!           Welcome(listener's proof) ────────────────────────>
//!           Refused(why)  (instead of any of its messages, then it closes)
//! ```
//!
//! A proof is an HMAC-SHA256 over who gives it and everything that was said before it, both nonces included. So neither end's
//! proof can be given by the other (what an attacker reflects is a proof of the wrong side), none is of use in another
//! handshake, and nothing that was said can be changed on the way. The client proves itself first: a listener tells
//! strangers nothing but a nonce. From the same material each direction gets a key for its [`Seal`].
//!
//! Without a key there is the same exchange without proofs: it finds out what the other end is, and what it accepts.
//!
//! A message has its length before it, in one byte: nobody can announce more than 256 bytes before it is known.
//! (The source of this shape: challenge and response with roles, as in ISO/IEC 9798-4; SIGMA and Noise bind the transcript
//! likewise.)

use super::{
    Refusal,
    key::{Key, keyed},
};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::fmt;
use zeroize::Zeroizing;

/// A message before the peer is known has no more bytes, its length included.
pub(super) const MAX_MESSAGE_BYTES: usize = 256;

/// What a listener of ours begins with.
const MAGIC: &[u8; 6] = b"rtconn";
/// Of everything from the second message on.
const VERSION: u8 = 1;
/// Says that proofs are wanted.
const WITH_KEY: u8 = 1;

const NONCE_BYTES: usize = 32;
const PROOF_BYTES: usize = 32;

const HELLO: u8 = 1;
const ANSWER: u8 = 2;
const WELCOME: u8 = 3;
const REFUSED: u8 = 4;

/// Keeps a proof, or a key, of this exchange from meaning anything elsewhere.
const DOMAIN: &[u8] = b"runtime::process::Connection 1";

/// A number that is used once.
pub(super) type Nonce = [u8; NONCE_BYTES];

/// One end's side of it.
pub(super) struct Handshake {
    side: Side,
    key: Option<Key>,
    /// How long a message to this end may be, in bytes.
    limit: u32,
    nonce: Nonce,
    /// What was said so far, as it was said.
    hello: Vec<u8>,
    answer: Vec<u8>,
    /// What is to be sent.
    output: Vec<u8>,
}

/// What it waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Side {
    /// A listener that has said `Hello`.
    AwaitsAnswer,
    AwaitsHello,
    /// A client that has answered.
    AwaitsWelcome,
    Over,
}

/// What both ends know afterwards.
pub(super) struct Agreement {
    /// How long a message to the other end may be, in bytes.
    pub(super) peer_limit: u32,
    /// With a key: for what is sent, and for what is received.
    pub(super) seals: Option<(Seal, Seal)>,
}

impl Handshake {
    /// Of who listens; its `Hello` is in the output.
    pub(super) fn listening(key: Option<Key>, limit: u32, nonce: Nonce) -> Self {
        let mut handshake = Self::new(Side::AwaitsAnswer, key, limit, nonce);
        let head = [HELLO].iter().chain(MAGIC).copied().chain([VERSION, handshake.flags()]);
        handshake.hello = head.chain(limit.to_le_bytes()).chain(nonce).collect();
        handshake.output = with_length(&handshake.hello);
        handshake
    }

    /// Of who connects.
    pub(super) fn connecting(key: Option<Key>, limit: u32, nonce: Nonce) -> Self {
        Self::new(Side::AwaitsHello, key, limit, nonce)
    }

    fn new(side: Side, key: Option<Key>, limit: u32, nonce: Nonce) -> Self {
        let (hello, answer, output) = (Vec::new(), Vec::new(), Vec::new());
        Self { side, key, limit, nonce, hello, answer, output }
    }

    fn flags(&self) -> u8 {
        if self.key.is_some() { WITH_KEY } else { 0 }
    }

    /// What is to be sent now, before anything else is received; empty if nothing is.
    pub(super) fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output)
    }

    /// Takes a message of the other end, without its length. With an agreement, or a refusal, it is over; what is in the output
    /// is still to be sent.
    pub(super) fn receive(&mut self, message: &[u8]) -> Result<Option<Agreement>, Refusal> {
        let received = match (self.side, message) {
            (Side::AwaitsAnswer, [ANSWER, rest @ ..]) => self.welcome(message, rest).map(Some),
            (Side::AwaitsHello, [HELLO, rest @ ..]) => self.answer(message, rest).map(|()| None),
            (Side::AwaitsWelcome, [WELCOME, proof @ ..]) => self.finish(proof).map(Some),
            (Side::AwaitsHello | Side::AwaitsWelcome, [REFUSED, why]) => Err(told(*why)),
            _ => Err(Refusal::Stranger),
        };
        match &received {
            Ok(None) => self.side = Side::AwaitsWelcome,
            Ok(Some(_)) => self.side = Side::Over,
            Err(refusal) => {
                if self.side == Side::AwaitsAnswer {
                    self.output = with_length(&[REFUSED, tell(refusal)]);
                }
                self.side = Side::Over;
            }
        }
        received
    }

    /// The client's answer to a listener's `Hello`.
    fn answer(&mut self, hello: &[u8], rest: &[u8]) -> Result<(), Refusal> {
        let rest = rest.strip_prefix(MAGIC).ok_or(Refusal::Stranger)?;
        let (flags, rest) = versioned(rest)?;
        if rest.len() != size_of::<u32>() + NONCE_BYTES {
            return Err(Refusal::Stranger);
        }
        match (flags, &self.key) {
            (WITH_KEY, None) => return Err(Refusal::KeyMissing),
            // Somebody would have us talk without.
            (0, Some(_)) => return Err(Refusal::KeyUnwanted),
            (0 | WITH_KEY, _) => {}
            _ => return Err(Refusal::Stranger),
        }
        self.hello = hello.to_vec();
        let head = [ANSWER, VERSION, self.flags()].into_iter();
        self.answer = head.chain(self.limit.to_le_bytes()).chain(self.nonce).collect();
        if let Some(proof) = self.mac(b"client") {
            self.answer.extend_from_slice(&proof.finalize().into_bytes());
        }
        self.output = with_length(&self.answer);
        Ok(())
    }

    /// The listener's verdict about an `Answer`.
    fn welcome(&mut self, answer: &[u8], rest: &[u8]) -> Result<Agreement, Refusal> {
        let (flags, rest) = versioned(rest)?;
        let (limit, rest) = rest.split_first_chunk().ok_or(Refusal::Stranger)?;
        let proof = rest.get(NONCE_BYTES..).ok_or(Refusal::Stranger)?;
        match (flags, &self.key) {
            (0, Some(_)) => return Err(Refusal::KeyMissing),
            (WITH_KEY, None) => return Err(Refusal::KeyUnwanted),
            (0 | WITH_KEY, _) => {}
            _ => return Err(Refusal::Stranger),
        }
        self.answer = answer[..answer.len() - proof.len()].to_vec();
        self.check(b"client", proof)?;
        self.answer = answer.to_vec();
        let mut welcome = vec![WELCOME];
        if let Some(proof) = self.mac(b"listener") {
            welcome.extend_from_slice(&proof.finalize().into_bytes());
        }
        self.output = with_length(&welcome);
        Ok(self.agreement(u32::from_le_bytes(*limit), b"from the listener", b"from the client"))
    }

    /// The client's verdict about a `Welcome`.
    fn finish(&mut self, proof: &[u8]) -> Result<Agreement, Refusal> {
        self.check(b"listener", proof)?;
        // Its length was checked when it came.
        let limit = self.hello.get(MAGIC.len() + 3..).and_then(|rest| rest.first_chunk()).copied();
        let limit = u32::from_le_bytes(limit.ok_or(Refusal::Stranger)?);
        Ok(self.agreement(limit, b"from the client", b"from the listener"))
    }

    /// Fails unless a proof is what `role` had to give here. With no key it has to be nothing.
    fn check(&self, role: &[u8], proof: &[u8]) -> Result<(), Refusal> {
        match self.mac(role) {
            None if proof.is_empty() => Ok(()),
            None => Err(Refusal::Stranger),
            Some(_) if proof.len() != PROOF_BYTES => Err(Refusal::Stranger),
            // In constant time.
            Some(mac) => mac.verify_slice(proof).map_err(|_| Refusal::WrongKey),
        }
    }

    fn mac(&self, role: &[u8]) -> Option<Hmac<Sha256>> {
        self.key.as_ref().map(|key| key.mac(&[DOMAIN, role, &self.hello, &self.answer]))
    }

    fn agreement(&self, peer_limit: u32, sent: &[u8], received: &[u8]) -> Agreement {
        let seals =
            self.mac(sent).zip(self.mac(received)).map(|(sent, received)| (seal(sent), seal(received)));
        Agreement { peer_limit, seals }
    }
}

/// What follows a version that is ours: flags, and all that depends on it.
fn versioned(rest: &[u8]) -> Result<(u8, &[u8]), Refusal> {
    match rest {
        [VERSION, flags, rest @ ..] => Ok((*flags, rest)),
        [] | [VERSION] => Err(Refusal::Stranger),
        _ => Err(Refusal::Version),
    }
}

fn with_length(message: &[u8]) -> Vec<u8> {
    debug_assert!(message.len() < MAX_MESSAGE_BYTES, "the length has one byte");
    let length = [message.len() as u8];
    [&length, message].concat()
}

/// How a refusal travels.
fn tell(refusal: &Refusal) -> u8 {
    match refusal {
        Refusal::Version => 2,
        Refusal::WrongKey => 3,
        Refusal::KeyMissing => 4,
        Refusal::KeyUnwanted => 5,
        _ => 1,
    }
}

/// What a refusal that has come says to the client.
fn told(why: u8) -> Refusal {
    match why {
        2 => Refusal::Version,
        3 => Refusal::WrongKey,
        4 => Refusal::KeyMissing,
        5 => Refusal::KeyUnwanted,
        _ => Refusal::Stranger,
    }
}

/// Makes sure that the messages of one direction are those of the peer that has the key, all of them and in their order,
/// whoever can write to the connection: each is followed by a code over its number, its length and its bytes.
#[derive(Clone)]
pub(super) struct Seal {
    keyed: Hmac<Sha256>,
    /// Of the next message.
    number: u64,
}

/// As many bytes as follow each message.
pub(super) const SEAL_BYTES: usize = PROOF_BYTES;

fn seal(derived: Hmac<Sha256>) -> Seal {
    let key = Zeroizing::new(<[u8; PROOF_BYTES]>::from(derived.finalize().into_bytes()));
    Seal { keyed: keyed(&key), number: 0 }
}

impl Seal {
    /// Of the next message, which is the length that travels with it, and its bytes.
    pub(super) fn make(&mut self, message: &[u8]) -> [u8; SEAL_BYTES] {
        self.next(message).finalize().into_bytes().into()
    }

    /// Whether that is the seal of the next message.
    pub(super) fn fits(&mut self, message: &[u8], seal: &[u8]) -> bool {
        self.next(message).verify_slice(seal).is_ok()
    }

    /// The message that was sealed last was not sent.
    pub(super) fn take_back(&mut self) {
        self.number -= 1;
    }

    fn next(&mut self, message: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.keyed.clone();
        mac.update(&self.number.to_le_bytes());
        mac.update(message);
        self.number += 1;
        mac
    }
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seal").field("number", &self.number).finish_non_exhaustive()
    }
}
