//! One channel, as one member has it: what has come in, and what may still go out.

use super::{
    lag::{Lag, Lagging},
    limits::Limits,
    peer::Peer,
};
use runtime_sync::{
    Receiver, Semaphore, Sender,
    semaphore::{AcquireError, OwnedPermit},
    unbounded,
};
use std::{
    any::TypeId,
    cell::{Cell, RefCell},
    collections::{BTreeMap, VecDeque},
    fmt,
    rc::Rc,
};

/// A channel.
pub(crate) struct Line {
    limits: Limits,
    /// Of what type its messages are, once somebody here has opened it.
    kind: Cell<Option<TypeId>>,
    sender: Sender<Arrival>,
    receiver: Receiver<Arrival>,
    broadcast_room: Rc<Semaphore>,
    lagging: RefCell<Lagging>,
    /// What each peer may still send here.
    senders: RefCell<BTreeMap<Peer, Rc<Inflow>>>,
    /// What may still be sent to each peer.
    windows: RefCell<BTreeMap<Peer, Rc<Window>>>,
}

/// Something that has come in.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// A message to this member alone.
    Direct { from: Peer, payload: Vec<u8>, inflow: Rc<Inflow>, room: OwnedPermit },
    /// A message to everybody.
    Broadcast {
        from: Peer,
        payload: Vec<u8>,
        #[expect(dead_code, reason = "it gives the room back")]
        room: OwnedPermit,
    },
    /// Here so many broadcasts are missing.
    Missed(Rc<Lag>),
}

/// What one peer has sent here and nobody has taken.
#[derive(Debug)]
pub(crate) struct Inflow {
    room: Rc<Semaphore>,
    /// Direct messages that wait here.
    waiting: Cell<u32>,
    /// Taken, and the peer was not told yet: how many, and how much of its window.
    taken: Cell<u32>,
    taken_cost: Cell<usize>,
    is_gone: Cell<bool>,
}

impl Inflow {
    /// One of its messages was taken. The number of which its sender is to be told now, if any.
    ///
    /// Not of each alone, which would be as many messages again; but as soon as none is left, since the sender may wait for
    /// the whole window.
    pub(crate) fn take(&self, room: OwnedPermit, window: usize) -> Option<u32> {
        self.waiting.set(self.waiting.get() - 1);
        self.taken.set(self.taken.get() + 1);
        self.taken_cost.set(self.taken_cost.get() + room.count());
        drop(room);
        if self.is_gone.get() || self.waiting.get() > 0 && self.taken_cost.get() < window / 4 {
            return None;
        }
        self.taken_cost.set(0);
        Some(self.taken.replace(0))
    }
}

/// What may be under way to one peer.
#[derive(Debug)]
pub(crate) struct Window {
    room: Rc<Semaphore>,
    /// The room of each message that the peer has not taken, in the order in which they were sent.
    under_way: RefCell<VecDeque<OwnedPermit>>,
}

impl Window {
    /// Waits for that much room.
    ///
    /// # Errors
    /// The peer is gone.
    pub(crate) async fn room(&self, cost: usize) -> Result<OwnedPermit, AcquireError> {
        Rc::clone(&self.room).acquire_owned(cost).await
    }

    /// A message that takes this room was sent.
    pub(crate) fn sent(&self, room: OwnedPermit) {
        self.under_way.borrow_mut().push_back(room);
    }

    /// So many were taken, the peer says; no more than were sent.
    fn taken(&self, count: u32) {
        let mut under_way = self.under_way.borrow_mut();
        let count = under_way.len().min(count as usize);
        let taken: Vec<_> = under_way.drain(..count).collect();
        drop(under_way);
        drop(taken); // wakes who waits for room
    }
}

impl Line {
    pub(crate) fn new(limits: Limits) -> Self {
        let (sender, receiver) = unbounded();
        Self {
            limits,
            kind: Cell::new(None),
            sender,
            receiver,
            broadcast_room: Rc::new(Semaphore::new(limits.kept)),
            lagging: RefCell::default(),
            senders: RefCell::default(),
            windows: RefCell::default(),
        }
    }

    /// Messages of that type are received here from now on. `false`: it is another already.
    pub(crate) fn open(&self, kind: TypeId) -> bool {
        self.kind.replace(self.kind.get().or(Some(kind))).is_none_or(|open| open == kind)
    }

    /// An end to receive from. Each arrival goes to one of them.
    pub(crate) fn receiver(&self) -> Receiver<Arrival> {
        self.receiver.clone()
    }

    /// The window to that peer.
    pub(crate) fn window(&self, to: Peer) -> Rc<Window> {
        let new = || {
            let room = Rc::new(Semaphore::new(self.limits.window));
            Rc::new(Window { room, under_way: RefCell::default() })
        };
        Rc::clone(self.windows.borrow_mut().entry(to).or_insert_with(new))
    }

    /// A message to this member alone. One that its sender had no room for is dropped: that sender does not keep the rules,
    /// and who does never loses one.
    pub(crate) fn direct(&self, from: Peer, payload: &[u8]) {
        let inflow = self.inflow(from);
        let cost = Limits::cost(self.limits.window, payload.len());
        let Ok(room) = Rc::clone(&inflow.room).try_acquire_owned(cost) else { return };
        inflow.waiting.set(inflow.waiting.get() + 1);
        self.lagging.borrow_mut().follow();
        self.arrive(Arrival::Direct { from, payload: payload.to_vec(), inflow, room });
    }

    fn inflow(&self, from: Peer) -> Rc<Inflow> {
        let new = || {
            Rc::new(Inflow {
                room: Rc::new(Semaphore::new(self.limits.window)),
                waiting: Cell::new(0),
                taken: Cell::new(0),
                taken_cost: Cell::new(0),
                is_gone: Cell::new(false),
            })
        };
        Rc::clone(self.senders.borrow_mut().entry(from).or_insert_with(new))
    }

    /// A message to everybody, which is missed if nobody listens here, or nobody is fast enough.
    pub(crate) fn broadcast(&self, from: Peer, payload: &[u8]) {
        if self.kind.get().is_none() {
            return;
        }
        let cost = Limits::cost(self.limits.kept, payload.len());
        match Rc::clone(&self.broadcast_room).try_acquire_owned(cost) {
            Ok(room) => {
                self.lagging.borrow_mut().follow();
                self.arrive(Arrival::Broadcast { from, payload: payload.to_vec(), room });
            }
            Err(_) => self.missed(1),
        }
    }

    /// So many broadcasts are missing here.
    pub(crate) fn missed(&self, count: u64) {
        if self.kind.get().is_none() {
            return;
        }
        let gap = self.lagging.borrow_mut().miss(count);
        if let Some(gap) = gap {
            self.arrive(Arrival::Missed(gap));
        }
    }

    /// That peer has taken so many of our messages.
    pub(crate) fn taken(&self, by: Peer, count: u32) {
        let window = self.windows.borrow().get(&by).cloned();
        if let Some(window) = window {
            window.taken(count);
        }
    }

    /// That peer is gone. What it has sent is still there to be received.
    pub(crate) fn gone(&self, peer: Peer) {
        let inflow = self.senders.borrow_mut().remove(&peer);
        if let Some(inflow) = inflow {
            inflow.is_gone.set(true);
        }
        let window = self.windows.borrow_mut().remove(&peer);
        if let Some(window) = window {
            window.room.close();
        }
    }

    /// Nothing more comes in or goes out.
    pub(crate) fn close(&self) {
        self.receiver.close();
        let windows = std::mem::take(&mut *self.windows.borrow_mut());
        for window in windows.into_values() {
            window.room.close();
        }
    }

    fn arrive(&self, arrival: Arrival) {
        let _ = self.sender.try_send(arrival); // or it is closed
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").field("is_open", &self.kind.get().is_some()).finish_non_exhaustive()
    }
}
