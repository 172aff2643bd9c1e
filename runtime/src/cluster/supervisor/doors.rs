//! The listeners: made by the supervisor when a worker first asks for them, and kept for all its life.
//!
//! So no connection that the kernel has queued is lost with a worker (Linux resets the queue of a listener whose last
//! descriptor is closed), and a replacement gets the very socket that its predecessor had.
//!
//! What a worker asks for is named by its address and by how often it has asked for that address before: the first
//! `bind("127.0.0.1:0")` of every worker is the same listener, the second another one.

use super::fleet::SlotId;
use crate::cluster::{settings::Listeners, wire::control::Place};
use runtime_io::net::{
    inherited::Inherited,
    share::{self, Opened},
};
use std::{
    collections::{BTreeMap, btree_map::Entry},
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

/// A worker that asks for more has lost count.
const MAX_DOORS: usize = 256;

/// All listeners of a cluster.
#[derive(Debug)]
pub(super) struct Doors {
    mode: Listeners,
    doors: Vec<Door>,
    /// Handed over by whoever started the supervisor, and not asked for yet.
    inherited: Vec<Inherited>,
    /// If these alone may be asked for: what workers without privileges may have of those that the supervisor has.
    only: Option<Vec<Place>>,
}

/// One listener, or one per slot.
#[derive(Debug)]
struct Door {
    asked: Place,
    /// How often that had been asked for before, by the same worker.
    nth: usize,
    sockets: Sockets,
}

#[derive(Debug)]
enum Sockets {
    /// For all workers.
    Shared(Opened),
    /// The same, and not of our making.
    Inherited(OwnedFd),
    /// With `SO_REUSEPORT`, at that place: another than was asked for, if that was port 0.
    PerSlot(share::Place, BTreeMap<SlotId, Opened>),
}

/// What a worker gets.
#[derive(Debug)]
pub(super) struct Handed {
    /// The number of the listener.
    pub(super) door: u32,
    pub(super) socket: OwnedFd,
    /// The slot had no such socket before.
    pub(super) is_new_in_slot: bool,
}

impl Doors {
    pub(super) fn new(mode: Listeners, inherited: Vec<Inherited>, only: Option<Vec<Place>>) -> Self {
        Self { mode, doors: Vec::new(), inherited, only }
    }

    /// Opens what was declared before there are workers, so that what cannot be had is known at once.
    pub(super) fn open_all(&mut self, places: &[Place]) -> io::Result<()> {
        let mut asked = Vec::new();
        for place in places {
            let nth = asked.iter().filter(|&other| *other == place).count();
            asked.push(place);
            self.open(place, nth, SlotId(0))?;
        }
        Ok(())
    }

    /// A descriptor for the worker in `slot`, which asks for `place` for the `nth` time.
    pub(super) fn open(&mut self, place: &Place, nth: usize, slot: SlotId) -> io::Result<Handed> {
        let known = self.doors.iter().position(|door| door.asked == *place && door.nth == nth);
        let (index, is_new) = match known {
            Some(index) => (index, false),
            None => (self.make(place, nth, slot)?, true),
        };
        let mut is_new_in_slot = is_new;
        let socket: BorrowedFd<'_> = match &mut self.doors[index].sockets {
            Sockets::Shared(socket) => (*socket).as_fd(),
            Sockets::Inherited(socket) => (*socket).as_fd(),
            Sockets::PerSlot(place, sockets) => {
                let socket = match sockets.entry(slot) {
                    Entry::Occupied(socket) => socket.into_mut(),
                    Entry::Vacant(free) => {
                        is_new_in_slot = true;
                        free.insert(share::open(place, true)?)
                    }
                };
                (*socket).as_fd()
            }
        };
        let socket = socket.try_clone_to_owned()?;
        let door = u32::try_from(index).expect("there are few doors");
        Ok(Handed { door, socket, is_new_in_slot })
    }

    fn make(&mut self, place: &Place, nth: usize, slot: SlotId) -> io::Result<usize> {
        let allowed = |only: &Vec<Place>| only.iter().filter(|allowed| *allowed == place).count() > nth;
        if !self.only.as_ref().is_none_or(allowed) {
            let why = "a cluster whose workers give up privileges listens where `Cluster::listen` says, nowhere else";
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
        }
        if self.doors.len() >= MAX_DOORS {
            return Err(io::Error::other("a cluster has at most 256 listeners"));
        }
        let sockets = match (self.take_inherited(place), place, self.mode) {
            (Some(socket), ..) => Sockets::Inherited(socket),
            (None, Place::Tcp { .. }, Listeners::ReusePort) => {
                let socket = share::open(&to_share(place), true)?;
                Sockets::PerSlot(socket.place()?, BTreeMap::from([(slot, socket)]))
            }
            _ => Sockets::Shared(share::open(&to_share(place), false)?),
        };
        self.doors.push(Door { asked: place.clone(), nth, sockets });
        Ok(self.doors.len() - 1)
    }

    fn take_inherited(&mut self, place: &Place) -> Option<OwnedFd> {
        let place = to_share(place);
        let at = self.inherited.iter().position(|inherited| inherited.place == place)?;
        Some(self.inherited.swap_remove(at).fd)
    }

    /// The slot's own sockets, with the numbers of their listeners: what somebody else has to serve while it is empty.
    pub(super) fn of_slot(&self, slot: SlotId) -> impl Iterator<Item = (u32, io::Result<OwnedFd>)> {
        self.doors.iter().zip(0..).filter_map(move |(door, index)| match &door.sockets {
            Sockets::PerSlot(_, sockets) => Some((index, sockets.get(&slot)?.as_fd().try_clone_to_owned())),
            Sockets::Shared(_) | Sockets::Inherited(_) => None,
        })
    }
}

fn to_share(place: &Place) -> share::Place {
    match place {
        Place::Tcp { address } => share::Place::Tcp(*address),
        Place::Unix { path } => share::Place::Unix(path.clone()),
    }
}
