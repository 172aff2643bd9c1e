//! What is still to be written to a connection: bounded, and written by one actor.
//!
//! ```text
//! tasks ──put──> Outbox ──(room: a semaphore)──> Outgoing ──write──> socket
//! ```
//!
//! Putting a frame in happens as a whole or not at all, so a task that is cancelled while it waits leaves nothing behind. The
//! actor alone writes, and is never cancelled but with the connection.
//!
//! One number bounds both bytes and count: a frame takes as much room as it has bytes, but at least
//! [`MIN_FRAME_COST`]; one that is longer than all the room takes all of it, and so goes alone.

use super::{
    codec::Wire,
    frame::{Frame, frame},
    socket::Socket,
};
use runtime_sync::{Receiver, Semaphore, Sender, semaphore::OwnedPermit, unbounded};
use std::{
    error::Error,
    fmt, io,
    os::fd::{AsFd, OwnedFd},
    rc::Rc,
};

/// What the shortest frame takes of the room, in bytes: about what it costs to keep, generously. So a mebibyte of room is
/// for 4,096 frames at most.
pub(crate) const MIN_FRAME_COST: usize = 256;

/// Short frames that wait are written together, so many bytes at once.
const BATCH_BYTES: usize = 64 << 10;

/// The end that frames are put into. Clones share room and order.
pub(crate) struct Outbox<T = Letter> {
    sender: Sender<Kept<T>>,
    room: Rc<Semaphore>,
    capacity: usize,
}

/// The end that frames are taken from.
#[derive(Debug)]
pub(crate) struct Outgoing<T = Letter> {
    receiver: Receiver<Kept<T>>,
}

/// An entry and the room that it takes, given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Kept<T> {
    pub(crate) entry: T,
    _room: Option<OwnedPermit>,
}

/// A frame and the descriptors that accompany it.
#[derive(Debug)]
pub(crate) struct Letter {
    pub(crate) frame: Frame,
    pub(crate) descriptors: Vec<OwnedFd>,
}

/// The connection is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Closed;

/// Why nothing was put in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// There is no room now, or others wait for it.
    Full,
    /// The connection is gone.
    Closed,
}

/// An outbox with room for so many bytes.
pub(crate) fn outbox<T>(capacity: usize) -> (Outbox<T>, Outgoing<T>) {
    let (sender, receiver) = unbounded();
    (Outbox { sender, room: Rc::new(Semaphore::new(capacity)), capacity }, Outgoing { receiver })
}

impl<T> Outbox<T> {
    /// Waits for room, and puts `entry` in, which is `bytes` long.
    ///
    /// # Errors
    /// [`Closed`].
    ///
    /// # Cancel safety
    /// Dropped before it is ready, nothing was put in.
    pub(crate) async fn put(&self, entry: T, bytes: usize) -> Result<(), Closed> {
        let room = Rc::clone(&self.room).acquire_owned(self.cost(bytes)).await.map_err(|_| Closed)?;
        self.keep(entry, Some(room))
    }

    /// Puts `entry` in if there is room.
    ///
    /// # Errors
    /// [`Refused`].
    pub(crate) fn try_put(&self, entry: T, bytes: usize) -> Result<(), Refused> {
        if self.is_closed() {
            return Err(Refused::Closed);
        }
        let room = Rc::clone(&self.room).try_acquire_owned(self.cost(bytes)).map_err(|_| Refused::Full)?;
        self.keep(entry, Some(room)).map_err(|Closed| Refused::Closed)
    }

    /// Puts `entry` in, room or not: for what is bounded otherwise.
    ///
    /// # Errors
    /// [`Closed`].
    pub(crate) fn force(&self, entry: T) -> Result<(), Closed> {
        self.keep(entry, None)
    }

    /// Whether nobody takes anything out any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    fn keep(&self, entry: T, room: Option<OwnedPermit>) -> Result<(), Closed> {
        self.sender.try_send(Kept { entry, _room: room }).map_err(|_| Closed)
    }

    fn cost(&self, bytes: usize) -> usize {
        bytes.max(MIN_FRAME_COST).min(self.capacity)
    }
}

impl<T> Kept<T> {
    fn convert<U>(self) -> Kept<U>
    where
        T: Into<U>,
    {
        Kept { entry: self.entry.into(), _room: self._room }
    }

    /// Gives the room back.
    pub(crate) fn into_entry(self) -> T {
        self.entry
    }
}

impl<T> Outgoing<T> {
    /// The next entry; `None`: there will be no more.
    pub(crate) async fn next(&mut self) -> Option<Kept<T>> {
        self.receiver.recv().await
    }

    /// The next entry, if it is there already.
    pub(crate) fn try_next(&mut self) -> Option<Kept<T>> {
        self.receiver.try_recv().ok()
    }
}

impl Outbox {
    /// Waits for room, and sends `message`, accompanied by `descriptors`.
    ///
    /// # Errors
    /// [`Closed`].
    ///
    /// # Cancel safety
    /// Dropped before it is ready, nothing was sent.
    pub(crate) async fn send(&self, message: &impl Wire, descriptors: Vec<OwnedFd>) -> Result<(), Closed> {
        let frame = frame(|to| message.put(to));
        let bytes = frame.len();
        self.put(Letter { frame, descriptors }, bytes).await
    }

    /// Sends `message`, accompanied by `descriptors`, if there is room.
    ///
    /// # Errors
    /// [`Refused`].
    pub(crate) fn try_send(&self, message: &impl Wire, descriptors: Vec<OwnedFd>) -> Result<(), Refused> {
        let frame = frame(|to| message.put(to));
        let bytes = frame.len();
        self.try_put(Letter { frame, descriptors }, bytes)
    }

    /// Waits until everything is written that was put in before.
    ///
    /// # Errors
    /// [`Closed`]: the connection was gone first.
    pub(crate) async fn flush(&self) -> Result<(), Closed> {
        let _all = self.room.acquire_many(self.capacity).await.map_err(|_| Closed)?;
        if self.is_closed() { Err(Closed) } else { Ok(()) }
    }
}

impl<T: Into<Letter>> Outgoing<T> {
    /// Writes all that is put in, until the last [`Outbox`] is gone and everything is written.
    ///
    /// # Errors
    /// When nothing more can be written.
    pub(crate) async fn write_to(mut self, socket: &impl Socket) -> io::Result<()> {
        let mut ahead: Option<Kept<Letter>> = None;
        loop {
            let first = match ahead.take() {
                Some(first) => first,
                None => match self.next().await {
                    Some(first) => first.convert(),
                    None => return Ok(()),
                },
            };
            let mut bytes = first.entry.frame.len();
            let mut batch = vec![first];
            while let Some(more) = self.try_next() {
                let more = more.convert();
                bytes += more.entry.frame.len();
                // Descriptors go with the first byte of a batch, and what is long is not copied.
                if bytes > BATCH_BYTES || !more.entry.descriptors.is_empty() {
                    ahead = Some(more);
                    break;
                }
                batch.push(more);
            }
            write(socket, &batch).await?;
        }
    }
}

/// Writes all of these letters; only the first may have descriptors.
async fn write(socket: &impl Socket, batch: &[Kept<Letter>]) -> io::Result<()> {
    let mut descriptors: Vec<_> = batch[0].entry.descriptors.iter().map(AsFd::as_fd).collect();
    let joined;
    let mut rest = match batch {
        [alone] => &alone.entry.frame[..],
        _ => {
            joined = batch.iter().map(|letter| letter.entry.frame.as_slice()).collect::<Vec<_>>().concat();
            &joined[..]
        }
    };
    while !rest.is_empty() {
        match socket.send(rest, &descriptors).await {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(sent) => rest = &rest[sent..],
            Err(error) => return Err(error),
        }
        descriptors.clear();
    }
    Ok(())
}

impl<T> Clone for Outbox<T> {
    fn clone(&self) -> Self {
        Self { sender: self.sender.clone(), room: Rc::clone(&self.room), capacity: self.capacity }
    }
}

impl<T> fmt::Debug for Outbox<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox")
            .field("room_bytes", &self.room.available_permits())
            .field("capacity_bytes", &self.capacity)
            .field("is_closed", &self.is_closed())
            .finish()
    }
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection is gone")
    }
}

impl Error for Closed {}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("the other end does not read"),
            Self::Closed => Closed.fmt(f),
        }
    }
}

impl Error for Refused {}
