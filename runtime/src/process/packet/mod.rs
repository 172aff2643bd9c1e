//! What goes between processes of ours: packets.
//!
//! A packet is bytes and descriptors. It arrives as a whole or not at all, whoever else sends or receives on the same end and
//! whenever who dies, since the system keeps packets of such a socket apart. What is longer than [`INLINE_BYTES`] goes into a
//! file in memory, and the packet that is sent has its descriptor: so a writer that is killed in the middle of 64 MB has
//! sent nothing, and a reader never meets a part of something.
//!
//! The end is told by the system, when the last copy of the other end is closed in whatever process.
//!
//! A receiver believes nothing: what a packet says of itself is compared with what came, its length with the limit before
//! memory is asked for, and its file is read, never mapped.

mod error;
mod head;
#[cfg(test)]
mod tests;

pub(crate) use error::PacketError;

use head::{HEAD_BYTES, Head, Place};
use runtime_executor::time::{Duration, Instant, sleep, timeout};
use runtime_io::{
    AsyncFd, blocking,
    packet::{self, Patience, Received},
};
use std::{
    borrow::Borrow,
    fmt,
    io::{self, ErrorKind, IoSlice},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::{Mutex, PoisonError},
};

/// A packet may carry so many descriptors: as many as the system takes, less one for the file of a long packet.
pub(crate) const MAX_DESCRIPTORS: usize = packet::MAX_DESCRIPTORS - 1;

/// Longer packets go by file. Some of this length fit into a socket's buffer at once (on Linux some 200 kB), and from here on
/// the three system calls for a file are little beside the copying.
pub(crate) const INLINE_BYTES: usize = 64 * 1024;

/// Longer packets are not received, unless the receiver says so.
pub(crate) const DEFAULT_LIMIT_BYTES: usize = 64 << 20;

/// How long a sender pauses while too many descriptors are on their way, for the end of which there is no event.
const PAUSE: Duration = Duration::from_millis(2);

/// Bytes, and descriptors beside them.
#[derive(Default, Debug)]
pub(crate) struct Packet {
    pub(crate) bytes: Vec<u8>,
    pub(crate) descriptors: Vec<OwnedFd>,
}

impl Packet {
    /// Whether it goes by file.
    pub(crate) fn is_long(&self) -> bool {
        self.bytes.len() > INLINE_BYTES
    }
}

impl From<Vec<u8>> for Packet {
    fn from(bytes: Vec<u8>) -> Self {
        Self { bytes, descriptors: Vec::new() }
    }
}

/// One end of a connection for packets.
///
/// Any thread may use the forms that never wait and those that block, and any runtime may be the first, and then the only one,
/// in which the others are awaited. A process that gets a duplicate of the descriptor has the same end, and whatever is sent to
/// that end arrives once, at one of those who receive.
pub(crate) struct Packets {
    socket: AsyncFd<OwnedFd>,
    limit_bytes: usize,
    /// How long a packet may be that is sent, if the other end takes another length.
    send_limit_bytes: Option<usize>,
    /// Room for what will be received, so that it need not be got for each packet.
    room: Mutex<Vec<u8>>,
}

impl Packets {
    /// Two ends of a connection.
    ///
    /// # Errors
    /// If no descriptors are left; `Unsupported` on Apple's systems.
    pub(crate) fn pair() -> io::Result<(Self, Self)> {
        let (one, other) = packet::pair()?;
        Ok((Self::wrap(one), Self::wrap(other)))
    }

    /// Takes a descriptor that came from elsewhere.
    ///
    /// # Errors
    /// `InvalidInput` if it is no Unix socket for packets.
    pub(crate) fn from_fd(fd: OwnedFd) -> io::Result<Self> {
        packet::check(fd.as_fd())?;
        Ok(Self::wrap(fd))
    }

    fn wrap(fd: OwnedFd) -> Self {
        // No call that is made for a task waits, whatever the open file says: see `Patience`.
        Self {
            socket: AsyncFd::new_nonblocking(fd),
            limit_bytes: DEFAULT_LIMIT_BYTES,
            send_limit_bytes: None,
            room: Mutex::new(Vec::new()),
        }
    }

    /// Longer packets are refused from now on, by `send` and `recv` alike.
    pub(crate) fn with_limit(mut self, bytes: usize) -> Self {
        self.set_limit(bytes);
        self
    }

    /// See [`with_limit`](Self::with_limit).
    pub(crate) fn set_limit(&mut self, bytes: usize) {
        self.limit_bytes = bytes;
    }

    /// Longer packets are not sent from now on, whatever is received.
    pub(crate) fn with_send_limit(mut self, bytes: usize) -> Self {
        self.send_limit_bytes = Some(bytes);
        self
    }

    /// How long a packet may be.
    pub(crate) fn limit_bytes(&self) -> usize {
        self.limit_bytes
    }

    /// Gives the descriptor back, for another runtime or process.
    pub(crate) fn into_fd(self) -> OwnedFd {
        self.socket.into_inner()
    }

    /// The same end once more, as long as it is not used by another runtime.
    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        let fd = self.as_fd().try_clone_to_owned()?;
        let clone = Self { send_limit_bytes: self.send_limit_bytes, ..Self::wrap(fd) };
        Ok(clone.with_limit(self.limit_bytes))
    }

    /// Sends a packet, as soon as there is room. What was sent is in the system's keeping, and arrives even if this process
    /// ends now.
    ///
    /// # Errors
    /// [`PacketError`]; in particular `Closed` if nobody has the other end any more.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it has sent nothing.
    pub(crate) async fn send(&self, packet: impl Borrow<Packet>) -> Result<(), PacketError> {
        let mut parcel = self.prepare(packet.borrow())?;
        self.attempts(Side::Send, |socket, patience| parcel.send(socket, patience, 0)).await
    }

    /// Sends a packet, if there is room for it.
    ///
    /// # Errors
    /// `WouldBlock`, or as [`send`](Self::send).
    pub(crate) fn try_send(&self, packet: impl Borrow<Packet>) -> Result<(), PacketError> {
        let packet = packet.borrow();
        // Nobody makes a file in order to find out that there is no room for it.
        if packet.is_long() && !self.is_ready(Side::Send, Some(Duration::ZERO))? {
            return Err(PacketError::WouldBlock);
        }
        Ok(self.prepare(packet)?.send(self.as_fd(), Patience::Never, 0)?)
    }

    /// Sends a packet, and waits for room with the thread, at most for `limit`. A greenlet is suspended instead.
    ///
    /// # Errors
    /// `TimedOut`, or as [`send`](Self::send).
    pub(crate) fn blocking_send(
        &self,
        packet: impl Borrow<Packet>,
        limit: Option<Duration>,
    ) -> Result<(), PacketError> {
        let mut parcel = self.prepare(packet.borrow())?;
        self.blocking_attempts(Side::Send, limit, |socket, patience| parcel.send(socket, patience, 0))
    }

    /// Takes a packet, when there is one. `None` is the end: nobody has the other end any more, and all that was sent has been
    /// received.
    ///
    /// # Errors
    /// [`PacketError`]. What is wrong with a packet concerns it alone, and the next is as good as ever.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it has taken nothing.
    pub(crate) async fn recv(&self) -> Result<Option<Packet>, PacketError> {
        let arrived = self.attempts(Side::Receive, |socket, patience| self.receive(socket, patience)).await?;
        self.open(arrived)
    }

    /// Takes a packet, if there is one, or the end; see [`recv`](Self::recv).
    ///
    /// # Errors
    /// `WouldBlock`, or as there.
    pub(crate) fn try_recv(&self) -> Result<Option<Packet>, PacketError> {
        let arrived = self.receive(self.as_fd(), Patience::Never)?;
        self.open(arrived)
    }

    /// Takes a packet, and waits for one with the thread, at most for `limit`; see [`recv`](Self::recv). A greenlet is suspended
    /// instead.
    ///
    /// # Errors
    /// `TimedOut`, or as there.
    pub(crate) fn blocking_recv(&self, limit: Option<Duration>) -> Result<Option<Packet>, PacketError> {
        let receive = |socket: BorrowedFd<'_>, patience| self.receive(socket, patience);
        let arrived = self.blocking_attempts(Side::Receive, limit, receive)?;
        self.open(arrived)
    }

    /// Attempts until one comes to something, awaiting in between that there is room, or something to receive.
    ///
    /// # Errors
    /// What an attempt says.
    pub(crate) async fn attempts<R>(
        &self,
        side: Side,
        mut attempt: impl FnMut(BorrowedFd<'_>, Patience) -> io::Result<R>,
    ) -> Result<R, PacketError> {
        loop {
            let attempt = |socket: &OwnedFd| attempt(socket.as_fd(), Patience::Never);
            let done = match side {
                Side::Send => self.socket.write_with(attempt).await,
                Side::Receive => self.socket.read_with(attempt).await,
            };
            match done {
                Err(error) if packet::are_too_many_on_their_way(&error) => sleep(PAUSE).await,
                done => return Ok(done?),
            }
        }
    }

    /// [`attempts`](Self::attempts) that wait with the thread, or suspend the greenlet; at most for `limit`.
    ///
    /// # Errors
    /// `TimedOut`, or what an attempt says.
    pub(crate) fn blocking_attempts<R>(
        &self,
        side: Side,
        limit: Option<Duration>,
        mut attempt: impl FnMut(BorrowedFd<'_>, Patience) -> io::Result<R>,
    ) -> Result<R, PacketError> {
        #[cfg(feature = "greenlet")]
        if crate::greenlet::is_inside() {
            return crate::greenlet::wait(within(limit, self.attempts(side, attempt)));
        }
        let deadline = limit.map(|limit| Instant::now() + limit);
        // Who waits in the call itself makes one call.
        let mut patience = if limit.is_none() { Patience::Forever } else { Patience::Never };
        loop {
            let left = match attempt(self.as_fd(), patience) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => remaining(deadline),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if packet::are_too_many_on_their_way(&error) => {
                    let left = remaining(deadline);
                    let _ = blocking::hung_up(self.as_fd(), Some(left.map_or(PAUSE, |left| left.min(PAUSE))));
                    left
                }
                done => return Ok(done?),
            };
            // The open file does not let us wait, or we have a limit.
            patience = Patience::Never;
            if left.is_some_and(|left| left.is_zero()) || !self.is_ready(side, left)? {
                return Err(PacketError::TimedOut);
            }
        }
    }

    /// Waits with the thread until there may be a packet, or room for one; whether that is so within the limit.
    pub(crate) fn is_ready(&self, side: Side, limit: Option<Duration>) -> io::Result<bool> {
        let waited = match side {
            Side::Receive => blocking::readable(self.as_fd(), limit),
            Side::Send => blocking::writable(self.as_fd(), limit),
        };
        match waited {
            // Whoever called finds out how much of the limit is left, if there is one.
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(true),
            waited => waited,
        }
    }

    /// Makes a packet ready to be sent, as often as it takes.
    ///
    /// # Errors
    /// If it is too long, or has too many descriptors; or no file can be made for it.
    pub(crate) fn prepare<'p>(&self, packet: &'p Packet) -> Result<Parcel<'p>, PacketError> {
        let Packet { bytes, descriptors } = packet;
        let most = self.send_limit_bytes.unwrap_or(self.limit_bytes);
        if bytes.len() > most {
            return Err(PacketError::TooLong { bytes: bytes.len() as u64, most });
        }
        if descriptors.len() > MAX_DESCRIPTORS {
            return Err(PacketError::TooManyDescriptors { count: descriptors.len() });
        }
        let file = if packet.is_long() { Some(packet::store(&[bytes])?) } else { None };
        Ok(Parcel { packet, file })
    }

    /// One attempt to receive a packet, for [`open`](Self::open). `None` is the end.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn receive(&self, socket: BorrowedFd<'_>, patience: Patience) -> io::Result<Option<Arrival>> {
        let mut body = std::mem::take(&mut *self.room.lock().unwrap_or_else(PoisonError::into_inner));
        body.clear();
        body.reserve_exact(INLINE_BYTES);
        let mut head = [0; HEAD_BYTES];
        let received = loop {
            match packet::receive(socket, &mut head, &mut body, patience) {
                // Said once, of packets that the other end has not received. Those that it has sent before are still there.
                Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
                Err(error) if error.kind() == ErrorKind::Interrupted && patience == Patience::Never => {}
                received => break received,
            }
        };
        match received {
            Ok(received) if received.bytes == 0 => {
                self.keep_room(body);
                Ok(None)
            }
            Ok(received) => {
                let bytes = self.take_out(body);
                Ok(Some(Arrival { head, bytes, received }))
            }
            Err(error) => {
                self.keep_room(body);
                Err(error)
            }
        }
    }

    /// The bytes that lie in a room: the room itself if they fill most of it, or a copy.
    fn take_out(&self, room: Vec<u8>) -> Vec<u8> {
        if room.len() > INLINE_BYTES / 2 {
            return room;
        }
        let bytes = room.as_slice().to_vec();
        self.keep_room(room);
        bytes
    }

    fn keep_room(&self, room: Vec<u8>) {
        *self.room.lock().unwrap_or_else(PoisonError::into_inner) = room;
    }

    /// Checks what came, and fetches what did not come with it.
    ///
    /// # Errors
    /// If something is wrong with this packet.
    pub(crate) fn open(&self, arrival: Option<Arrival>) -> Result<Option<Packet>, PacketError> {
        let Some(Arrival { head, bytes, received }) = arrival else { return Ok(None) };
        let Received { is_cut, mut descriptors, are_descriptors_lost, bytes: all, .. } = received;
        if are_descriptors_lost {
            return Err(PacketError::DescriptorsLost);
        }
        if is_cut || all < HEAD_BYTES {
            return Err(PacketError::Malformed("its length is not one that a packet has"));
        }
        let bytes = match Head::read(head, &bytes, descriptors.len())? {
            Place::Here if bytes.len() > self.limit_bytes => return Err(self.too_long(bytes.len() as u64)),
            Place::Here => bytes,
            Place::File { bytes } => {
                let len = usize::try_from(bytes).ok().filter(|len| *len <= self.limit_bytes);
                let Some(len) = len else { return Err(self.too_long(bytes)) };
                let file = descriptors.remove(0);
                packet::load(file.as_fd(), len).map_err(PacketError::Unloadable)?
            }
        };
        Ok(Some(Packet { bytes, descriptors }))
    }

    fn too_long(&self, bytes: u64) -> PacketError {
        PacketError::TooLong { bytes, most: self.limit_bytes }
    }
}

impl AsFd for Packets {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl fmt::Debug for Packets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Packets").field("fd", &self.as_fd()).finish_non_exhaustive()
    }
}

/// What is waited for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Side {
    /// Room for a packet.
    Send,
    /// A packet, or the end.
    Receive,
}

/// Awaits something, at most for `limit`.
///
/// # Errors
/// `TimedOut`, or what it says.
pub(crate) async fn within<R>(
    limit: Option<Duration>,
    done: impl Future<Output = Result<R, PacketError>>,
) -> Result<R, PacketError> {
    match limit {
        None => done.await,
        Some(limit) => timeout(limit, done).await.unwrap_or(Err(PacketError::TimedOut)),
    }
}

/// What is left until then.
fn remaining(deadline: Option<Instant>) -> Option<Duration> {
    deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
}

/// What came, as it came.
pub(crate) struct Arrival {
    head: [u8; HEAD_BYTES],
    bytes: Vec<u8>,
    received: Received,
}

impl Arrival {
    /// The number that was sent with it.
    pub(crate) fn tag(&self) -> u64 {
        Head::tag(self.head)
    }
}

/// A packet that only has to be sent.
pub(crate) struct Parcel<'p> {
    packet: &'p Packet,
    /// Where its bytes are, if they are not sent.
    file: Option<OwnedFd>,
}

impl Parcel<'_> {
    /// One attempt to send it, with a number that goes with it.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn send(&mut self, socket: BorrowedFd<'_>, patience: Patience, tag: u64) -> io::Result<()> {
        loop {
            match self.send_as_is(socket, patience, tag) {
                // The administrator allows sockets less than is usual.
                Err(error) if packet::is_too_long(&error) && self.file.is_none() => {
                    self.file = Some(packet::store(&[&self.packet.bytes])?);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted && patience == Patience::Never => {}
                sent => return sent,
            }
        }
    }

    fn send_as_is(&self, socket: BorrowedFd<'_>, patience: Patience, tag: u64) -> io::Result<()> {
        let Packet { bytes, descriptors } = self.packet;
        let length = (bytes.len() as u64).to_le_bytes();
        let (place, body) = match self.file {
            Some(_) => (Place::File { bytes: bytes.len() as u64 }, &length[..]),
            None => (Place::Here, &bytes[..]),
        };
        let head = Head { place, descriptors: descriptors.len(), tag }.bytes();
        let parts = [IoSlice::new(&head), IoSlice::new(body)];
        if self.file.is_none() && descriptors.is_empty() {
            return packet::send(socket, &parts, &[], patience);
        }
        let descriptors: Vec<BorrowedFd<'_>> = self.file.iter().chain(descriptors).map(AsFd::as_fd).collect();
        packet::send(socket, &parts, &descriptors, patience)
    }
}
