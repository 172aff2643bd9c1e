//! The places of a queue, which others may look at: who waits in it, since which lines of code, and who holds what they wait
//! for. Whoever looks on reads it when a question comes up, from any thread; so to be seen costs a wait a few stores, and
//! no call.
//!
//! Only its queue writes to a board, one at a time, but for two marks that mean nothing to the queue. A reader on another
//! thread may see one seat or holder mixed from two; on the queue's own thread all is as it is.

use super::NONE;
use crate::{
    flavour::{HolderCell, SiteCell},
    observer::{self, Holder, Kind, Owner, Wait},
};
use std::{
    panic::Location,
    sync::{
        Arc,
        // Plain ones, also under the model checker: nothing is decided by what is on a board.
        atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed},
    },
    task::Waker,
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

/// One place of the queue: a waiting future, or one of the chain of vacant places.
#[derive(Debug)]
pub(super) struct Seat {
    /// The key of whoever waits, if the marks do not say otherwise; the queue wakes by it.
    owner: AtomicUsize,
    asked: SiteCell,
    /// What the waiter asks for, then what it was granted; the primitive gives it its meaning.
    pub(super) note: AtomicUsize,
    /// The kind, and marks.
    state: AtomicU32,
    /// Neighbours in the queue.
    pub(super) before: AtomicU32,
    /// In the queue, or in the chain of vacant places.
    pub(super) after: AtomicU32,
}

const _: () = assert!(size_of::<Seat>() <= 40, "a seat grew");

/// [`Seat::state`]: nobody that the observer knows.
const UNKNOWN: u32 = 1 << 8;
/// [`Seat::state`]: it waits with a waker that is somebody else's, and whoever is in `owner` is who ran then.
const FOREIGN: u32 = 1 << 9;
/// [`Seat::state`]: granted.
const GRANTED: u32 = 1 << 10;
/// [`Seat::state`]: that was done by another thread than that of whoever waits.
const AFAR: u32 = 1 << 11;
/// [`Seat::state`]: what is wrong with it was told.
const TOLD: u32 = 1 << 12;
/// [`Seat::state`]: somebody sits here.
const TAKEN: u32 = 1 << 13;
/// [`Seat::state`]: a queue that any thread may use.
const SHARED: u32 = 1 << 14;
const KIND: u32 = UNKNOWN - 1;
/// [`Seat::state`]: a grant takes more than the mark, or the mark and an heir.
const SPECIAL: u32 = if IS_SHOWN { FOREIGN | SHARED | Kind::SHARES as u32 } else { FOREIGN };

/// Whether what only people read is written. `--cfg runtime_bare` compiles it out, to measure what it costs.
pub(super) const IS_SHOWN: bool = !cfg!(runtime_bare);

/// Who asks, as a queue notes it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asker {
    /// A key, unless the mark says otherwise.
    key: usize,
    mark: u32,
}

impl Asker {
    /// Who asks with `waker`, which is cloned if it is not the observer's. Not while the state is borrowed.
    #[inline]
    pub(super) fn of(waker: &Waker) -> (Self, Option<Waker>) {
        match observer::key_of(waker) {
            Some(key) => (Self { key, mark: 0 }, None),
            None => (Self::with_foreign_waker(), Some(waker.clone())),
        }
    }

    /// By somebody else's waker: then it is whoever runs.
    fn with_foreign_waker() -> Self {
        match observer::key_of_owner(Owner::running()) {
            Some(key) => Self { key, mark: FOREIGN },
            None => Self { key: 0, mark: UNKNOWN | FOREIGN },
        }
    }

    /// By which it is woken, unless the waker is foreign.
    #[inline]
    pub(super) fn key(self) -> usize {
        self.key
    }

    #[inline]
    pub(super) fn has_foreign_waker(self) -> bool {
        self.mark & FOREIGN != 0
    }

    pub(super) fn is_unknown(self) -> bool {
        self.mark & UNKNOWN != 0
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
            seats: vacant(0, seats).collect(),
        }
    }

    /// A larger one, for those of this one; the additional places are a chain.
    pub(super) fn grown(&self, seats: usize) -> Self {
        let taken = self.seats.iter().map(Seat::moved);
        Self {
            created: self.created,
            address: self.address,
            home: AtomicUsize::new(if self.is_shared() { EVERYWHERE } else { NOWHERE }),
            holder: HolderCell::holding(self.holder.read()),
            heir: AtomicUsize::new(self.heir.load(Relaxed)),
            told: AtomicUsize::new(self.told.load(Relaxed)),
            stamp: AtomicUsize::new(self.stamp.load(Relaxed)),
            seats: taken.chain(vacant(self.seats.len(), seats)).collect(),
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
    pub(super) fn seats(&self) -> &[Seat] {
        &self.seats
    }

    /// Somebody is about to sit down where nobody waits, and the primitive says that it is `holder` who holds it.
    pub(super) fn expect_first(&self, holder: Option<Holder>) {
        self.told.store(0, Relaxed);
        self.stamp.store(0, Relaxed);
        // As long as its heir has not taken notice, the primitive does not know who holds it, and the board does.
        if holder.is_some() || !self.has_expectant_heir() {
            self.note_holder(holder);
        }
    }

    /// The same at `index`, where others wait. What is let go then has an heir at once, or (by another thread) soon: so
    /// if nobody holds it, that is an heir who sits there still, unless it is this very seat.
    pub(super) fn expect(&self, index: u32, holder: Option<Holder>) {
        if holder.is_some() || self.heir.load(Relaxed) == index as usize + 1 {
            self.note_holder(holder);
        }
    }

    /// Whether the runtime of whoever asks has it on its list. False if it is not known which one that is.
    #[inline]
    pub(super) fn is_known_to(&self, asker: Asker) -> bool {
        self.home.load(Relaxed) == observer::runtime_of(asker.key)
    }

    /// The runtime of that asker has it on its list.
    pub(super) fn settle(&self, asker: Asker) {
        if !self.is_shared() && !asker.is_unknown() {
            self.home.store(observer::runtime_of(asker.key), Relaxed);
        }
    }

    /// The seat at `index` is granted what it waits for. By which key to wake it; `None`: nothing has happened yet, as
    /// there is more to do.
    #[inline]
    pub(super) fn grant(&self, index: u32, seat: &Seat) -> Option<usize> {
        let state = seat.state.load(Relaxed);
        if state & SPECIAL != 0 {
            return None;
        }
        seat.state.store(state | GRANTED, Relaxed);
        if IS_SHOWN && state & Kind::INHERITS as u32 != 0 {
            self.pass_on(index);
        }
        Some(seat.owner.load(Relaxed))
    }

    /// The same for any seat. `None`: it is woken with a foreign waker.
    pub(super) fn grant_specially(&self, index: u32) -> Option<usize> {
        let seat = &self.seats[index as usize];
        let state = seat.state.load(Relaxed);
        let owner = seat.owner.load(Relaxed);
        if state & Kind::INHERITS as u32 != 0 {
            self.pass_on(index);
        } else if state & Kind::SHARES as u32 != 0 {
            self.note_holder(None);
            self.stamp.store(0, Relaxed);
        }
        let afar = if state & SHARED != 0 && is_afar(owner) { AFAR } else { 0 };
        seat.state.store(state | GRANTED | afar, Relaxed);
        (state & FOREIGN == 0).then_some(owner)
    }

    /// Whoever sits at `index` is the holder from now on.
    #[inline]
    fn pass_on(&self, index: u32) {
        self.heir.store(index as usize + 1, Relaxed);
        self.stamp.store(0, Relaxed);
    }

    /// Whether somebody was granted it and has not taken notice.
    fn has_expectant_heir(&self) -> bool {
        let heir = self.heir.load(Relaxed).checked_sub(1);
        let seat = heir.and_then(|heir| self.seats.get(heir));
        seat.is_some_and(|seat| seat.state.load(Relaxed) & TAKEN != 0)
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

/// The seats from `first` to before `end`, as a chain of vacant places.
fn vacant(first: usize, end: usize) -> impl Iterator<Item = Seat> {
    (first..end).map(move |index| Seat {
        owner: AtomicUsize::new(0),
        asked: SiteCell::default(),
        note: AtomicUsize::new(0),
        state: AtomicU32::new(0),
        before: AtomicU32::new(NONE),
        after: AtomicU32::new(if index + 1 < end { index as u32 + 1 } else { NONE }),
    })
}

impl Seat {
    /// Somebody sits down; [`renew`](Seat::renew) tells if there is more to say than the key.
    #[inline]
    pub(super) fn enter(&self, key: usize, kind: Kind, asked: &'static Location<'static>, is_local: bool) {
        self.owner.store(key, Relaxed);
        let shown = kind as u32 | if is_local { 0 } else { SHARED };
        if IS_SHOWN {
            self.asked.write(Some(asked));
        }
        self.state.store(TAKEN | if IS_SHOWN { shown } else { 0 }, Relaxed);
    }

    /// The same future waits on, with another waker.
    pub(super) fn renew(&self, asker: Asker) {
        let state = self.state.load(Relaxed) & !(UNKNOWN | FOREIGN);
        self.owner.store(asker.key, Relaxed);
        self.state.store(state | asker.mark, Relaxed);
    }

    #[inline]
    pub(super) fn is_taken(&self) -> bool {
        self.state.load(Relaxed) & TAKEN != 0
    }

    /// Whether whoever sits here was granted what it waits for.
    #[inline]
    pub(super) fn is_granted(&self) -> bool {
        self.state.load(Relaxed) & GRANTED != 0
    }

    /// Whether the queue wakes by that key.
    pub(super) fn is_woken_by(&self, key: usize) -> bool {
        self.state.load(Relaxed) & FOREIGN == 0 && self.owner.load(Relaxed) == key
    }

    /// A grant is taken back.
    pub(super) fn revoke(&self) {
        self.state.store(self.state.load(Relaxed) & !(GRANTED | AFAR | TOLD), Relaxed);
    }

    /// Whoever sits here is gone. What else the seat says of it stays, until somebody else sits down.
    #[inline]
    pub(super) fn leave(&self) {
        self.state.store(self.state.load(Relaxed) & !TAKEN, Relaxed);
    }

    fn moved(&self) -> Self {
        let asked = SiteCell::default();
        asked.write(self.asked.read());
        Self {
            owner: AtomicUsize::new(self.owner.load(Relaxed)),
            asked,
            note: AtomicUsize::new(self.note.load(Relaxed)),
            state: AtomicU32::new(self.state.load(Relaxed)),
            before: AtomicU32::new(self.before.load(Relaxed)),
            after: AtomicU32::new(self.after.load(Relaxed)),
        }
    }

    /// Whoever sits here, or sat here last, as the holder of what it was granted.
    fn heir(&self) -> Option<Holder> {
        let state = self.state.load(Relaxed);
        let is_known = state & UNKNOWN == 0;
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
            kind: Kind::of((state & KIND) as u8)?,
            asked,
            is_granted: state & GRANTED != 0,
            is_granted_afar: state & AFAR != 0,
            is_told: state & TOLD != 0,
        })
    }
}
