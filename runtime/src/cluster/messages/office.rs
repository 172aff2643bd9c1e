//! A member's part: the one place where its messages come in and go out, with a line for each channel.
//!
//! ```text
//!  send ──(window)──> outbox ──write──> socket ──read──> deliver ──> line ──> recv
//!           ^                                                          │
//!           └─────────────────────── Took <────────────────────────────┘
//! ```
//!
//! A *window* bounds what one member has sent another on one channel and that one has not taken: so delivering never has to
//! wait, and never does, whatever the tasks of this member wait for. Broadcasts have no window: if a line has no room for
//! one, it is missed, and the line says so where it is missing.

use super::{
    limits::{Limits, MAX_CHANNELS},
    line::Line,
    peer::{Peer, WorkerId},
    post::{FromRouter, OVERHEAD_BYTES, ToRouter},
    router::beside,
};
use crate::cluster::wire::{
    codec::Malformed,
    frame::{Frame, ReadError, Reader},
    outbox::{Closed, Letter, Outbox, Outgoing, outbox},
    socket::Socket,
};
use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    fmt,
    rc::Rc,
};

/// The post office of one runtime: on the shelf of each worker, and of the supervisor. Clones are the same office.
#[derive(Clone)]
pub(crate) struct PostOffice {
    shared: Rc<Shared>,
}

struct Shared {
    limits: Limits,
    outbox: Outbox,
    /// Until somebody takes it and writes.
    outgoing: Cell<Option<Outgoing>>,
    /// Which member this is; the supervisor, unless told otherwise.
    own: Cell<Option<WorkerId>>,
    workers: RefCell<BTreeSet<WorkerId>>,
    lines: RefCell<BTreeMap<String, Rc<Line>>>,
    is_closed: Cell<bool>,
}

/// There are so many channels already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooManyChannels;

/// Why something was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unsent {
    /// The receiver is gone.
    Gone,
    /// This member is cut off.
    Closed,
}

impl PostOffice {
    /// A post office that keeps what is sent until it [serves](Self::serve).
    pub(crate) fn new(limits: Limits) -> Self {
        let (outbox, outgoing) = outbox(limits.outbox);
        let shared = Shared {
            limits,
            outbox,
            outgoing: Cell::new(Some(outgoing)),
            own: Cell::new(None),
            workers: RefCell::default(),
            lines: RefCell::default(),
            is_closed: Cell::new(false),
        };
        Self { shared: Rc::new(shared) }
    }

    /// Connects this worker over its socket, until that ends: then all channels are closed.
    ///
    /// # Errors
    /// [`ReadError`], if what comes from the supervisor makes no sense.
    ///
    /// # Panics
    /// If it was called before.
    ///
    /// # Cancel safety
    /// Dropped, the channels are closed too.
    pub(crate) async fn serve(&self, socket: impl Socket) -> Result<(), ReadError> {
        let outgoing = self.take_outgoing().expect("a post office is connected once");
        let _open = Open { shared: &self.shared };
        let mut reader = Reader::new(&socket, self.shared.limits.message + OVERHEAD_BYTES);
        let reading = async {
            while let Some(bytes) = reader.next().await? {
                self.deliver(bytes).map_err(ReadError::Malformed)?;
            }
            Ok(())
        };
        beside(outgoing.write_to(&socket), reading).await
    }

    pub(super) fn take_outgoing(&self) -> Option<Outgoing> {
        self.shared.outgoing.take()
    }

    /// Waits until everything that was sent before is on its way: what a worker does last.
    ///
    /// # Errors
    /// [`Closed`]: it cannot get there.
    pub(crate) async fn flush(&self) -> Result<(), Closed> {
        self.shared.outbox.flush().await
    }

    /// Which worker this is: known as soon as it is connected. `None` in the supervisor.
    pub(crate) fn own(&self) -> Option<WorkerId> {
        self.shared.own.get()
    }

    /// The other workers that are there.
    pub(crate) fn workers(&self) -> Vec<WorkerId> {
        let own = self.own();
        self.shared.workers.borrow().iter().copied().filter(|worker| Some(*worker) != own).collect()
    }

    pub(crate) fn limits(&self) -> Limits {
        self.shared.limits
    }

    /// The line of that channel.
    ///
    /// # Errors
    /// [`TooManyChannels`].
    pub(crate) fn line(&self, channel: &str) -> Result<Rc<Line>, TooManyChannels> {
        let mut lines = self.shared.lines.borrow_mut();
        if let Some(line) = lines.get(channel) {
            return Ok(Rc::clone(line));
        }
        if lines.len() >= MAX_CHANNELS {
            return Err(TooManyChannels);
        }
        let line = Rc::new(Line::new(self.shared.limits));
        if self.shared.is_closed.get() {
            line.close();
        }
        lines.insert(channel.to_owned(), Rc::clone(&line));
        Ok(line)
    }

    /// Sends a frame of [`ToRouter::Direct`] with so many bytes of payload, as soon as its receiver has room for it.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, nothing was sent.
    pub(crate) async fn send(
        &self,
        to: Peer,
        line: &Line,
        frame: Frame,
        payload: usize,
    ) -> Result<(), Unsent> {
        if self.shared.is_closed.get() {
            return Err(Unsent::Closed);
        }
        if let Peer::Worker(worker) = to
            && !self.shared.workers.borrow().contains(&worker)
        {
            return Err(Unsent::Gone);
        }
        let window = line.window(to);
        let room = window.room(Limits::cost(self.shared.limits.window, payload)).await;
        let room =
            room.map_err(|_| if self.shared.is_closed.get() { Unsent::Closed } else { Unsent::Gone })?;
        self.post(frame).await?;
        // Only now: what was not sent is never taken.
        window.sent(room);
        Ok(())
    }

    /// Sends a frame of [`ToRouter::Broadcast`].
    ///
    /// # Cancel safety
    /// Dropped before it is ready, nothing was sent.
    pub(crate) async fn post(&self, frame: Frame) -> Result<(), Unsent> {
        if self.shared.is_closed.get() {
            return Err(Unsent::Closed);
        }
        let bytes = frame.len();
        let letter = Letter { frame, descriptors: Vec::new() };
        self.shared.outbox.put(letter, bytes).await.map_err(|Closed| Unsent::Closed)
    }

    /// Tells the sender that so many of its messages were taken.
    ///
    /// It waits for no room: there is at most one of these for each message that has come in, and the windows bound those.
    pub(crate) fn took(&self, of: Peer, channel: &str, count: u32) {
        let frame = ToRouter::Took { of, channel, count }.frame();
        // Whoever is cut off has nobody to tell.
        let _ = self.shared.outbox.force(Letter { frame, descriptors: Vec::new() });
    }

    /// Takes in what the router has sent.
    pub(super) fn deliver(&self, bytes: &[u8]) -> Result<(), Malformed> {
        match FromRouter::decode(bytes)? {
            FromRouter::You(worker) => {
                self.shared.own.set(Some(worker));
                self.shared.workers.borrow_mut().insert(worker);
            }
            FromRouter::Joined(worker) => drop(self.shared.workers.borrow_mut().insert(worker)),
            FromRouter::Left(worker) => self.gone(worker.into()),
            FromRouter::Gone(peer) => self.gone(peer),
            FromRouter::Direct { from, channel, payload } => {
                if let Ok(line) = self.line(channel) {
                    line.direct(from, payload);
                }
            }
            FromRouter::Broadcast { from, channel, payload } => {
                if let Some(line) = self.known_line(channel) {
                    line.broadcast(from, payload);
                }
            }
            FromRouter::Lagged { channel, count } => {
                if let Some(line) = self.known_line(channel) {
                    line.missed(count);
                }
            }
            FromRouter::Took { by, channel, count } => {
                if let Some(line) = self.known_line(channel) {
                    line.taken(by, count);
                }
            }
        }
        Ok(())
    }

    fn known_line(&self, channel: &str) -> Option<Rc<Line>> {
        self.shared.lines.borrow().get(channel).cloned()
    }

    fn gone(&self, peer: Peer) {
        if let Peer::Worker(worker) = peer {
            self.shared.workers.borrow_mut().remove(&worker);
        }
        let lines: Vec<_> = self.shared.lines.borrow().values().cloned().collect();
        for line in lines {
            line.gone(peer);
        }
    }
}

/// A connection; when it ends, nothing can be sent any more, and after what is there nothing will come.
struct Open<'a> {
    shared: &'a Shared,
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.shared.is_closed.set(true);
        self.shared.workers.borrow_mut().clear();
        let lines: Vec<_> = self.shared.lines.borrow().values().cloned().collect();
        for line in lines {
            line.close();
        }
    }
}

impl fmt::Debug for PostOffice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostOffice")
            .field("own", &self.own())
            .field("workers", &self.shared.workers.borrow())
            .field("channels", &self.shared.lines.borrow().keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
