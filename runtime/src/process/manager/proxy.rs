//! A proxy: one object of a manager, from the side of whoever uses it.
//!
//! It has the object's *root*, one end of a connection by which it opens others, its *lines*: one for each call that is under
//! way. A call that is given up closes its line, which is all that there is to cancelling. What is left of lines is kept for
//! the next calls.
//!
//! Sent to another process, a proxy is a duplicate of the root. As long as somebody has one, or a message on its way has, the
//! manager keeps the object.

use super::{
    errors::ManagerError,
    server::HEAD_BYTES,
    wire::{self, Answer, Ask},
};
#[cfg(feature = "greenlet")]
use crate::greenlet;
use crate::process::{
    luggage,
    packet::{Packet, PacketError, Packets},
};
use runtime_executor::RuntimeId;
use runtime_io::blocking;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned};
use std::{
    fmt, mem,
    os::fd::{AsFd, OwnedFd},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Lines without a call that a proxy keeps.
const MOST_IDLE: usize = 8;

/// How long the end of a line may precede that of the root, if both have the same cause: the system closes one after the other.
const ENDS_APART: Duration = Duration::from_millis(20);

/// An object of a manager. Clones share its lines.
#[derive(Clone)]
pub(super) struct Proxy {
    shared: Arc<Shared>,
}

struct Shared {
    root: Packets,
    /// Longer messages are not sent.
    limit_bytes: usize,
    idle: Mutex<Vec<IdleLine>>,
}

struct IdleLine {
    packets: Box<Packets>,
    /// The only runtime in which it can be awaited, if there is one already.
    runtime: Option<RuntimeId>,
}

/// A line, for a call or for as long as it holds something.
pub(super) struct Line {
    proxy: Proxy,
    /// `None` only while it is dropped.
    packets: Option<Box<Packets>>,
    runtime: Option<RuntimeId>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing is asked, nothing is held: it can be kept.
    Idle,
    /// An answer is to come.
    Asked,
    /// Of no use any more.
    Spent,
}

/// What was answered.
pub(super) struct Reply {
    pub(super) answer: Answer,
    parcels: Vec<Packet>,
}

impl Proxy {
    /// The object with that root.
    pub(super) fn new(root: Packets, limit_bytes: usize) -> Self {
        Self { shared: Arc::new(Shared { root, limit_bytes, idle: Mutex::default() }) }
    }

    /// Asks, and waits for the answer.
    pub(super) async fn call(&self, packet: Packet) -> Result<Reply, ManagerError> {
        let mut line = self.line().await?;
        line.call(packet).await
    }

    /// Asks, and waits for the answer with the thread.
    pub(super) fn blocking_call(&self, packet: Packet) -> Result<Reply, ManagerError> {
        let mut line = self.blocking_line()?;
        line.blocking_call(packet, None)
    }

    /// [`blocking_call`](Self::blocking_call) for so long at most; [`Elapsed`](ManagerError::Elapsed) then.
    pub(super) fn blocking_call_within(
        &self,
        packet: Packet,
        limit: Duration,
    ) -> Result<Reply, ManagerError> {
        let mut line = self.blocking_line()?;
        line.blocking_call(packet, Some(limit))
    }

    /// A line that is free.
    pub(super) async fn line(&self) -> Result<Line, ManagerError> {
        let here = RuntimeId::current();
        if let Some(line) = self.take_idle(|idle| idle.runtime.is_none() || idle.runtime == here) {
            return Ok(line);
        }
        let (ours, theirs) = Packets::pair()?;
        let open = with_descriptor(Ask::Open, theirs.into_fd());
        match self.shared.root.try_send(&open) {
            // On a duplicate: the root belongs to no runtime.
            Err(PacketError::WouldBlock) => self.shared.root.try_clone()?.send(open).await?,
            sent => sent?,
        }
        Ok(self.new_line(ours))
    }

    /// A line that is free, for calls with the whole thread.
    pub(super) fn blocking_line(&self) -> Result<Line, ManagerError> {
        #[cfg(feature = "greenlet")]
        if greenlet::is_inside() {
            return greenlet::wait(self.line());
        }
        if let Some(line) = self.take_idle(|_| true) {
            return Ok(line);
        }
        let (ours, theirs) = Packets::pair()?;
        self.shared.root.blocking_send(with_descriptor(Ask::Open, theirs.into_fd()), None)?;
        Ok(self.new_line(ours))
    }

    fn take_idle(&self, suits: impl Fn(&IdleLine) -> bool) -> Option<Line> {
        let mut idle = self.idle();
        let at = idle.iter().rposition(suits)?;
        let IdleLine { packets, runtime } = idle.remove(at);
        Some(Line { proxy: self.clone(), packets: Some(packets), runtime, state: State::Idle })
    }

    fn new_line(&self, packets: Packets) -> Line {
        let packets = packets.with_limit(self.shared.limit_bytes.saturating_add(HEAD_BYTES));
        Line { proxy: self.clone(), packets: Some(Box::new(packets)), runtime: None, state: State::Idle }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<IdleLine>> {
        self.shared.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it means that a line has ended without a word.
    fn gone(&self) -> ManagerError {
        match blocking::hung_up(self.shared.root.as_fd(), Some(ENDS_APART)) {
            Ok(false) => ManagerError::Io(std::io::Error::other(
                "the manager could not take the connection: it has no descriptor left (see its limit of open files)",
            )),
            _ => ManagerError::Gone,
        }
    }
}

/// A packet with a descriptor that is to be a line.
pub(super) fn with_descriptor(ask: Ask, line: OwnedFd) -> Packet {
    let mut packet = wire::ask(ask, []);
    packet.descriptors.push(line);
    packet
}

impl Line {
    /// Asks, and waits for the answer.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, the line is of no use any more: the manager is told, and it is closed.
    pub(super) async fn call(&mut self, packet: Packet) -> Result<Reply, ManagerError> {
        self.check_length(&packet)?;
        self.runtime = RuntimeId::current();
        let sent = self.packets().send(packet).await;
        self.asked(sent)?;
        let received = self.packets().recv().await;
        self.read(received)
    }

    /// Asks, and waits for the answer with the thread, or with the greenlet; for so long at most.
    pub(super) fn blocking_call(
        &mut self,
        packet: Packet,
        limit: Option<Duration>,
    ) -> Result<Reply, ManagerError> {
        #[cfg(feature = "greenlet")]
        if greenlet::is_inside() {
            return match limit {
                None => greenlet::wait(self.call(packet)),
                Some(limit) => {
                    let reply = greenlet::wait(crate::time::timeout(limit, self.call(packet)));
                    reply.unwrap_or(Err(ManagerError::Elapsed))
                }
            };
        }
        self.check_length(&packet)?;
        let sent = self.packets().blocking_send(packet, limit);
        self.asked(sent)?;
        let received = self.packets().blocking_recv(limit);
        self.read(received)
    }

    /// Says what has no answer; whether that was possible. If not the line is of no use any more.
    pub(super) fn say(&mut self, ask: Ask) -> bool {
        let is_said = self.tell(ask);
        if !is_said {
            self.state = State::Spent;
        }
        is_said
    }

    /// Waits for the answer to what was asked before.
    pub(super) async fn answer(&mut self) -> Result<Reply, ManagerError> {
        let received = self.packets().recv().await;
        self.read(received)
    }

    /// Waits for the answer to what was asked before, with the thread.
    pub(super) fn blocking_answer(&mut self) -> Result<Reply, ManagerError> {
        #[cfg(feature = "greenlet")]
        if greenlet::is_inside() {
            return greenlet::wait(self.answer());
        }
        let received = self.packets().blocking_recv(None);
        self.read(received)
    }

    /// Says what has no answer, and is not missed if nobody hears it.
    pub(super) fn tell(&self, ask: Ask) -> bool {
        self.packets().try_send(wire::ask(ask, [])).is_ok()
    }

    /// Says that the time for what was asked is up; whether that is answered now. It is not if it was never sent.
    pub(super) fn time_is_up(&mut self) -> Result<bool, ManagerError> {
        if self.state != State::Asked {
            return Ok(false);
        }
        if self.say(Ask::TimeIsUp) { Ok(true) } else { Err(self.proxy.gone()) }
    }

    fn packets(&self) -> &Packets {
        self.packets.as_ref().expect("it is there until the line is dropped")
    }

    fn check_length(&self, packet: &Packet) -> Result<(), ManagerError> {
        let (bytes, most) = (packet.bytes.len(), self.proxy.shared.limit_bytes);
        match bytes > most {
            true => Err(ManagerError::TooLong { bytes: bytes as u64, most: most as u64 }),
            false => Ok(()),
        }
    }

    fn asked(&mut self, sent: Result<(), PacketError>) -> Result<(), ManagerError> {
        match sent {
            Ok(()) => {
                self.state = State::Asked;
                Ok(())
            }
            Err(PacketError::Closed) => {
                self.state = State::Spent;
                // It may have been told why.
                match self.packets().try_recv() {
                    Ok(Some(packet)) => self.read(Ok(Some(packet))).and(Err(ManagerError::Gone)),
                    _ => Err(self.proxy.gone()),
                }
            }
            // Nothing was sent.
            Err(error) => Err(error.into()),
        }
    }

    fn read(&mut self, received: Result<Option<Packet>, PacketError>) -> Result<Reply, ManagerError> {
        let packet = match received {
            Ok(Some(packet)) => packet,
            Ok(None) | Err(PacketError::Closed) => {
                self.state = State::Spent;
                return Err(self.proxy.gone());
            }
            Err(PacketError::TimedOut) => return Err(ManagerError::Elapsed),
            Err(error) => {
                self.state = State::Spent;
                return Err(error.into());
            }
        };
        let part = |bytes: &[u8], descriptors| Packet { bytes: bytes.to_vec(), descriptors };
        let Some((answer, parcels, _)) = wire::take_apart(packet, part) else {
            self.state = State::Spent;
            return Err(ManagerError::Unreadable("the manager runs another program".to_owned()));
        };
        self.state = State::Idle;
        match answer {
            Answer::Refused { why } => Err(why.into()),
            Answer::Declined { why } => {
                self.state = State::Spent;
                Err(why.into())
            }
            Answer::Closed => Err(ManagerError::Closed),
            Answer::Broken => Err(ManagerError::Broken),
            answer => Ok(Reply { answer, parcels }),
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let Some(packets) = self.packets.take() else { return };
        match self.state {
            State::Asked => {
                // So that the manager can tell it from a death. If there is no room for it, it cannot.
                let _ = packets.try_send(wire::ask(Ask::Withdraw, []));
            }
            State::Spent => {}
            State::Idle => {
                let mut idle = self.proxy.idle();
                // The oldest may be of a runtime that is no more.
                let oldest = (idle.len() == MOST_IDLE).then(|| idle.remove(0));
                idle.push(IdleLine { packets, runtime: self.runtime });
                drop(idle);
                drop(oldest);
            }
        }
    }
}

impl Reply {
    /// Whether there was what was asked for.
    pub(super) fn is_done(&self) -> bool {
        self.answer != Answer::No
    }

    pub(super) fn number(&self) -> usize {
        match self.answer {
            Answer::Number { number } => usize::try_from(number).unwrap_or(usize::MAX),
            _ => 0,
        }
    }

    /// What was granted: whether a former holder died, and whether there was a notification. `None`: nothing.
    pub(super) fn granted(&self) -> Option<(bool, bool)> {
        match self.answer {
            Answer::Granted { abandoned, notified } => Some((abandoned, notified)),
            _ => None,
        }
    }

    /// The number, if there is one.
    pub(super) fn index(&self) -> Option<usize> {
        matches!(self.answer, Answer::Number { .. }).then(|| self.number())
    }

    /// The value that came, if one did.
    pub(super) fn value<T: DeserializeOwned>(&mut self) -> Result<Option<T>, ManagerError> {
        let value = mem::take(&mut self.parcels).into_iter().next();
        Ok(value.map(luggage::decode).transpose()?)
    }

    /// All values that came.
    pub(super) fn values<T: DeserializeOwned>(&mut self) -> Result<Vec<T>, ManagerError> {
        Ok(mem::take(&mut self.parcels).into_iter().map(luggage::decode).collect::<Result<_, _>>()?)
    }

    /// All values that came, in pairs.
    pub(super) fn pairs<K: DeserializeOwned, V: DeserializeOwned>(
        &mut self,
    ) -> Result<Vec<(K, V)>, ManagerError> {
        let mut parcels = mem::take(&mut self.parcels).into_iter();
        let mut pairs = Vec::with_capacity(parcels.len() / 2);
        while let (Some(key), Some(value)) = (parcels.next(), parcels.next()) {
            pairs.push((luggage::decode(key)?, luggage::decode(value)?));
        }
        Ok(pairs)
    }
}

impl Serialize for Proxy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let limit = self.shared.limit_bytes as u64;
        (limit, Fd(&self.shared.root)).serialize(serializer)
    }
}

struct Fd<'a>(&'a Packets);

impl Serialize for Fd<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        luggage::check_in(self.0.as_fd(), serializer)
    }
}

impl<'de> Deserialize<'de> for Proxy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (limit, crate::process::Descriptor(root)): (u64, _) = Deserialize::deserialize(deserializer)?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let root = Packets::from_fd(root).map_err(|error| luggage::refuse::<D::Error>(&error))?;
        Ok(Self::new(root, limit))
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").field("root", &self.shared.root).finish_non_exhaustive()
    }
}
