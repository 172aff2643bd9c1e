//! What a queue shows of itself: who waits in it, for how many lines of code somebody is to blame, and who holds what they
//! wait for. Whoever looks on reads it when a question comes up, from any thread; so a wait costs a few stores here, and
//! no call.
//!
//! Only its queue writes to a board, one at a time. A reader on another thread may see one seat or holder mixed from two;
//! on the queue's own thread all is as it is.

use crate::{
    flavour::{HolderCell, SiteCell},
    observer::{self, Holder, Kind, Owner, Wait},
};
use std::{
    panic::Location,
    sync::{
        Arc,
        // Plain ones, also under the model checker: nothing is decided by what is on a board.
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

/// A queue's board. See [`Observer::enlist`](crate::Observer::enlist).
#[derive(Debug)]
pub struct Board {
    created: &'static Location<'static>,
    address: usize,
    /// The runtime that has it on its list, as in its keys; or [`EVERYWHERE`].
    home: AtomicUsize,
    /// Who held it when the latest wait began, unless there is an heir.
    holder: HolderCell,
    /// The seat of whoever was granted it since, and one more; 0: nobody was. It may have been left already, and still
    /// says who sat there.
    heir: AtomicUsize,
    /// The key of a holder with whom something is wrong and was told, and one more.
    told: AtomicUsize,
    /// What the observer has noted of this holder; 0: nothing.
    stamp: AtomicUsize,
    seats: Box<[Seat]>,
}

/// [`Board::home`] of a queue that any thread may use.
const EVERYWHERE: usize = usize::MAX;
/// [`Board::home`] of a queue that nobody has on a list.
const NOWHERE: usize = usize::MAX - 1;

/// One waiting future.
#[derive(Debug)]
struct Seat {
    /// The key of whoever waits, if the marks do not say otherwise.
    owner: AtomicUsize,
    asked: SiteCell,
    /// The kind, and marks.
    state: AtomicUsize,
}

/// [`Seat::state`]: somebody sits here.
const TAKEN: usize = 1 << 13;

/// [`Seat::state`]: nobody that the observer knows.
const UNKNOWN: usize = 1 << 8;
/// [`Seat::state`]: whoever is in `owner` waits with a waker that is somebody else's.
const FOREIGN: usize = 1 << 9;
/// [`Seat::state`]: granted, in the runtime of whoever waits.
const GRANTED: usize = 1 << 10;
/// [`Seat::state`]: granted, by another thread.
const GRANTED_AFAR: usize = 1 << 11;
/// [`Seat::state`]: what is wrong with it was told.
const TOLD: usize = 1 << 12;
const KIND: usize = UNKNOWN - 1;
/// The kinds of what can be held, in bits.
const HAVE_HOLDERS: u32 = {
    let (mut kinds, mut number) = (0, 0);
    while number < Kind::ALL.len() {
        if Kind::ALL[number].has_holder() {
            kinds |= 1 << number;
        }
        number += 1;
    }
    kinds
};

/// Who asks, as a queue notes it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asker {
    /// A key, unless the mark says otherwise.
    key: usize,
    mark: usize,
}

impl Asker {
    /// By a waker of the observer's.
    #[inline]
    pub(super) fn known(key: usize) -> Self {
        Self { key, mark: 0 }
    }

    /// By somebody else's waker: then it is whoever runs.
    pub(super) fn with_foreign_waker() -> Self {
        match observer::key_of_owner(Owner::running()) {
            Some(key) => Self { key, mark: FOREIGN },
            None => Self { key: 0, mark: UNKNOWN | FOREIGN },
        }
    }
}

/// A wait, as its board shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// Which of the board's seats.
    pub seat: u32,
    /// The key of whoever waits; `None`: nobody that the observer knows.
    pub key: Option<usize>,
    /// Whether it waits with a waker of the observer's own.
    pub is_known: bool,
    /// In what kind of primitive.
    pub kind: Kind,
    /// Where the wait was asked for.
    pub asked: &'static Location<'static>,
    /// It was granted what it waits for and has not taken notice yet.
    pub is_granted: bool,
    /// That was done by another thread, whose wake may still be under way.
    pub is_granted_afar: bool,
    /// Somebody has called [`Board::mark_told`].
    pub is_told: bool,
}

impl Board {
    pub(super) fn new(wait: &Wait, is_local: bool, seats: usize) -> Self {
        Self {
            created: wait.created,
            address: wait.address,
            home: AtomicUsize::new(if is_local { NOWHERE } else { EVERYWHERE }),
            holder: HolderCell::default(),
            heir: AtomicUsize::new(0),
            told: AtomicUsize::new(0),
            stamp: AtomicUsize::new(0),
            seats: (0..seats).map(|_| Seat::vacant()).collect(),
        }
    }

    /// A larger one, for those of this one.
    pub(super) fn grown(&self, seats: usize) -> Self {
        let more = self.seats.len()..seats;
        let taken = self.seats.iter().map(Seat::moved);
        Self {
            created: self.created,
            address: self.address,
            home: AtomicUsize::new(if self.is_shared() { EVERYWHERE } else { NOWHERE }),
            holder: HolderCell::holding(self.holder.read()),
            heir: AtomicUsize::new(self.heir.load(Relaxed)),
            told: AtomicUsize::new(self.told.load(Relaxed)),
            stamp: AtomicUsize::new(self.stamp.load(Relaxed)),
            seats: taken.chain(more.map(|_| Seat::vacant())).collect(),
        }
    }

    /// Where the primitive was created.
    pub fn created(&self) -> &'static Location<'static> {
        self.created
    }

    /// The primitive's address when somebody waited there first: tells two from the same line apart.
    pub fn address(&self) -> usize {
        self.address
    }

    /// Whether it is the queue of a primitive that any thread may use.
    pub fn is_shared(&self) -> bool {
        self.home.load(Relaxed) == EVERYWHERE
    }

    /// Whether its queue is gone: `board` is the last trace.
    pub fn is_deserted(board: &Arc<Self>) -> bool {
        Arc::strong_count(board) == 1
    }

    /// Who holds what is waited for: as of the latest beginning of a wait or hand-over, so exact while somebody waits.
    pub fn holder(&self) -> Option<Holder> {
        match self.heir.load(Relaxed).checked_sub(1) {
            None => self.holder.read(),
            Some(heir) => self.seats.get(heir)?.heir(),
        }
    }

    /// Those who wait, in no order of meaning.
    pub fn waiting(&self) -> impl Iterator<Item = Waiting> + '_ {
        (0..).zip(&self.seats).filter_map(|(number, seat)| seat.read(number))
    }

    /// Notes that what is wrong with a wait was told; forgotten when the seat is left.
    pub fn mark_told(&self, seat: u32) {
        if let Some(seat) = self.seats.get(seat as usize) {
            seat.state.fetch_or(TOLD, Relaxed);
        }
    }

    /// The runtime with that number in its keys ends: what waits for it still is nobody's, whatever has the number next.
    pub fn disown(&self, runtime: usize) {
        for seat in &self.seats {
            if observer::runtime_of(seat.owner.load(Relaxed)) == runtime {
                seat.state.fetch_or(UNKNOWN, Relaxed);
            }
        }
        if self.home.load(Relaxed) == runtime {
            self.home.store(NOWHERE, Relaxed);
        }
        if observer::runtime_of(self.stamp()) == runtime {
            self.set_stamp(0);
        }
    }

    /// Notes that what is wrong with the holder was told. Whether it had been noted already; that is forgotten when
    /// there is another holder, and when nobody waits any more.
    pub fn mark_holder_told(&self) -> bool {
        let name = self.holder().map_or(0, |holder| holder.owner.data.wrapping_add(1));
        self.told.swap(name, Relaxed) == name
    }

    /// What [`set_stamp`](Board::set_stamp) left, if nobody else has come to hold it since; 0 if not.
    pub fn stamp(&self) -> usize {
        self.stamp.load(Relaxed)
    }

    /// Leaves a note on whoever holds it now: the uppermost bits tell the runtime, as in a key, the rest is the observer's
    /// own affair. It is forgotten when there is another holder, and when somebody begins to wait where nobody did.
    pub fn set_stamp(&self, stamp: usize) {
        self.stamp.store(stamp, Relaxed);
    }

    // For the queue.

    #[inline]
    pub(super) fn has_room_for(&self, index: u32) -> bool {
        (index as usize) < self.seats.len()
    }

    /// Somebody sits down; `is_first`: nobody else waits. False: a runtime has to put the board on its list.
    #[inline]
    pub(super) fn enter(&self, index: u32, asker: Asker, wait: &Wait, is_first: bool) -> bool {
        if wait.kind.has_holder() {
            if is_first {
                self.told.store(0, Relaxed);
                self.stamp.store(0, Relaxed);
            }
            // As long as its heir has not taken notice, the primitive does not know who holds it, and the board does.
            if wait.holder.is_some() || !self.has_expectant_heir() {
                self.note_holder(wait.holder);
            }
        }
        let seat = &self.seats[index as usize];
        seat.owner.store(asker.key, Relaxed);
        seat.asked.write(Some(wait.asked));
        seat.state.store(wait.kind as usize | asker.mark | TAKEN, Relaxed);
        let home = self.home.load(Relaxed);
        home == EVERYWHERE || home == observer::runtime_of(asker.key) || asker.mark & UNKNOWN != 0
    }

    /// The same future waits on, with another waker. The answer is as that of `enter`.
    pub(super) fn renew(&self, index: u32, asker: Asker) -> bool {
        let seat = &self.seats[index as usize];
        let state = seat.state.load(Relaxed) & !(UNKNOWN | FOREIGN);
        seat.owner.store(asker.key, Relaxed);
        seat.state.store(state | asker.mark, Relaxed);
        let home = self.home.load(Relaxed);
        home == EVERYWHERE || home == observer::runtime_of(asker.key) || asker.mark & UNKNOWN != 0
    }

    /// The runtime of that asker has it on its list.
    pub(super) fn settle(&self, asker: Asker) {
        if !self.is_shared() && asker.mark & UNKNOWN == 0 {
            self.home.store(observer::runtime_of(asker.key), Relaxed);
        }
    }

    #[inline]
    pub(super) fn grant(&self, index: u32) {
        let seat = &self.seats[index as usize];
        let state = seat.state.load(Relaxed);
        let is_afar = self.is_shared() && is_afar(seat.owner.load(Relaxed));
        seat.state.store(state | if is_afar { GRANTED_AFAR } else { GRANTED }, Relaxed);
        if HAVE_HOLDERS >> (state & KIND) & 1 != 0 {
            self.heir.store(index as usize + 1, Relaxed);
            self.stamp.store(0, Relaxed);
        }
    }

    /// Whether somebody was granted it and has not taken notice.
    fn has_expectant_heir(&self) -> bool {
        let heir = self.heir.load(Relaxed).checked_sub(1);
        let seat = heir.and_then(|heir| self.seats.get(heir));
        seat.is_some_and(|seat| seat.state.load(Relaxed) & TAKEN != 0)
    }

    /// A grant is taken back.
    pub(super) fn revoke(&self, index: u32) {
        let seat = &self.seats[index as usize];
        seat.state.store(seat.state.load(Relaxed) & !(GRANTED | GRANTED_AFAR | TOLD), Relaxed);
    }

    #[inline]
    pub(super) fn leave(&self, index: u32) {
        let seat = &self.seats[index as usize];
        seat.state.store(seat.state.load(Relaxed) & !TAKEN, Relaxed);
    }

    /// The primitive says who holds it.
    #[inline]
    pub(super) fn note_holder(&self, holder: Option<Holder>) {
        self.holder.write(holder);
        self.heir.store(0, Relaxed);
    }
}

/// Whether the runtime of `key` runs somewhere else.
fn is_afar(key: usize) -> bool {
    let here = observer::key_of_owner(Owner::running());
    here.is_none_or(|here| observer::runtime_of(here) != observer::runtime_of(key))
}

impl Seat {
    fn vacant() -> Self {
        Self { owner: AtomicUsize::new(0), asked: SiteCell::default(), state: AtomicUsize::new(0) }
    }

    fn moved(&self) -> Self {
        let asked = SiteCell::default();
        asked.write(self.asked.read());
        Self {
            owner: AtomicUsize::new(self.owner.load(Relaxed)),
            asked,
            state: AtomicUsize::new(self.state.load(Relaxed)),
        }
    }

    /// Whoever sits here, or sat here last, as the holder of what it was granted.
    fn heir(&self) -> Option<Holder> {
        let state = self.state.load(Relaxed);
        let is_known = state & UNKNOWN == 0 && state & KIND != Kind::Read as usize;
        let owner = Owner { data: self.owner.load(Relaxed), vtable: observer::known_functions() };
        self.asked.read().filter(|_| is_known).map(|since| Holder { owner, since })
    }

    fn read(&self, seat: u32) -> Option<Waiting> {
        let state = self.state.load(Relaxed);
        if state & TAKEN == 0 {
            return None;
        }
        let asked = self.asked.read()?;
        Some(Waiting {
            seat,
            key: (state & UNKNOWN == 0).then(|| self.owner.load(Relaxed)),
            is_known: state & FOREIGN == 0,
            kind: Kind::of(state & KIND)?,
            asked,
            is_granted: state & (GRANTED | GRANTED_AFAR) != 0,
            is_granted_afar: state & GRANTED_AFAR != 0,
            is_told: state & TOLD != 0,
        })
    }
}
