//! Where futures queue: first come, first served, and nobody's place is lost or taken twice.
//!
//! A list is an array of places, linked by index: no allocation before the first wait, none per wait once it has
//! grown, no pinning and no unsafe code; arriving, granting and leaving take constant time. A waiting future owns its
//! place until it takes notice of its grant or is dropped, so a place is never mistaken for a successor's. The places
//! are on show (`board.rs`); only wakers that are not the observer's are kept aside.
//!
//! ```text
//!               arrive                grant                poll finds the grant
//!   (nowhere) ─────────▶ queued ─────────────▶ granted ─────────────────────────▶ (nowhere)
//!                          │  drop                │  drop: the future's owner passes the grant on
//!                          └──────────────────────┴─────────────────────────────▶ (nowhere)
//! ```
//!
//! Wakers are other people's code. They are cloned before the state is borrowed, and woken and dropped after.

mod board;
mod turn;
mod woken;

use crate::follow::Follower;
#[cfg(feature = "follow")]
use crate::follow::{Followed, Tag};
use crate::observer::{self, Holder, Wait};
use board::{Asker, IS_SHOWN, Seat};
use std::{
    mem,
    sync::{Arc, atomic::Ordering::Relaxed},
    task::Waker,
};

pub use board::{Board, Waiting};
pub(crate) use turn::{Attempt, Turn};
pub(crate) use woken::{Alone, Begun, Wakes, Woken, wake_all};

/// The end of a chain of places.
const NONE: u32 = u32::MAX;

/// Index of a place in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place(u32);

/// Places of a queue's first allocation; then they are doubled.
const FIRST_PLACES: usize = 2;

/// The queue of one primitive.
#[derive(Debug)]
pub(crate) struct WaitList {
    /// The places, once somebody has waited.
    board: Option<Arc<Board>>,
    /// Whom to wake where the place does not tell, under the same indices; taken by the grant.
    foreign: Vec<Option<Waker>>,
    first: u32,
    last: u32,
    vacant: u32,
    queued: u32,
    /// What the observer keeps with it.
    #[cfg(feature = "follow")]
    tag: Option<Tag>,
    /// Who follows whoever waits, under the same indices.
    #[cfg(feature = "follow")]
    followers: Vec<Follower>,
}

impl Default for WaitList {
    fn default() -> Self {
        Self {
            board: None,
            foreign: Vec::new(),
            first: NONE,
            last: NONE,
            vacant: NONE,
            queued: 0,
            #[cfg(feature = "follow")]
            tag: None,
            #[cfg(feature = "follow")]
            followers: Vec::new(),
        }
    }
}

impl WaitList {
    /// Waiters without a grant.
    pub(crate) fn len(&self) -> usize {
        self.queued as usize
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queued == 0
    }

    /// What the first in the queue asks for.
    #[inline]
    pub(crate) fn front(&self) -> Option<usize> {
        self.seats().get(self.first as usize).map(|seat| seat.note.load(Relaxed))
    }

    /// Grants the first in the queue what it waits for; `note` tells it what that is.
    #[inline]
    pub(crate) fn grant_front(&mut self, note: usize) -> Option<Woken> {
        let board = self.board.as_ref()?;
        let seats = board.seats();
        let index = self.first;
        let seat = seats.get(index as usize)?;
        seat.note.store(note, Relaxed);
        let Some(key) = board.grant(index, seat) else { return Some(self.grant_specially()) };
        self.first = seat.after.load(Relaxed);
        match seats.get(self.first as usize) {
            Some(second) => second.before.store(NONE, Relaxed),
            None => self.last = NONE,
        }
        self.queued -= 1;
        Some(Woken::Known(key))
    }

    /// The same where there is more to it.
    #[inline(never)]
    fn grant_specially(&mut self) -> Woken {
        let index = self.first;
        self.unlink(Place(index));
        let key = self.board.as_ref().and_then(|board| board.grant_specially(index));
        key.map_or_else(|| self.take_foreign(index), Woken::Known)
    }

    /// Whom to wake at a place, who is woken with a waker of somebody else's.
    #[cold]
    fn take_foreign(&mut self, index: u32) -> Woken {
        let waker = self.foreign.get_mut(index as usize).and_then(Option::take);
        waker.map_or_else(Woken::already, Woken::Foreign)
    }

    #[cold]
    fn put_foreign(&mut self, index: u32, waker: Waker) -> Option<Waker> {
        let places = self.foreign.len().max(index as usize + 1);
        self.foreign.resize_with(places, || None);
        self.foreign[index as usize].replace(waker)
    }

    /// Shows who holds what is waited for, where it is not a grant that tells.
    pub(crate) fn note_holder(&self, holder: Option<Holder>) {
        if let Some(board) = &self.board {
            board.note_holder(holder);
        }
    }

    /// Grants everybody in the queue, in order. Who arrives afterwards is not among them.
    pub(crate) fn grant_all(&mut self, note: usize) -> Vec<Woken> {
        let mut woken = Vec::with_capacity(self.len());
        while let Some(one) = self.grant_front(note) {
            woken.push(one);
        }
        woken
    }

    /// Queues somebody. Who has a waker of somebody else's brings it in `foreign`.
    #[inline(always)]
    fn arrive(
        &mut self,
        asker: Asker,
        foreign: Option<Waker>,
        note: usize,
        describe: impl Fn() -> Wait,
        is_local: bool,
    ) -> Place {
        debug_assert!(foreign.is_some() == asker.has_foreign_waker(), "one way of waking or the other");
        let board = match &self.board {
            Some(board) if self.vacant != NONE => board,
            _ => grow(&mut self.board, &mut self.vacant, asker, describe(), is_local),
        };
        let seats = board.seats();
        let (index, last) = (self.vacant, self.last);
        let seat = &seats[index as usize];
        self.vacant = seat.after.load(Relaxed);
        self.last = index;
        self.queued += 1;
        let Wait { kind, asked, .. } = describe();
        match seats.get(last as usize) {
            Some(last) => {
                last.after.store(index, Relaxed);
                // By another thread it may have been let go, and the queue not told yet.
                if IS_SHOWN && kind.has_holder() && (describe().holder.is_some() || !is_local) {
                    board.expect(index, describe().holder);
                }
            }
            None => {
                self.first = index;
                if IS_SHOWN && kind.has_holder() {
                    board.expect_first(describe().holder);
                }
            }
        }
        seat.enter(asker.key(), kind, asked, is_local);
        seat.note.store(note, Relaxed);
        seat.before.store(last, Relaxed);
        seat.after.store(NONE, Relaxed);
        if IS_SHOWN && is_local && !board.is_known_to(asker) {
            show(board, asker);
        }
        if let Some(foreign) = foreign {
            seat.renew(asker);
            self.put_foreign(index, foreign);
        }
        Place(index)
    }

    /// For an observer that follows a wait which has just begun.
    #[cfg(feature = "follow")]
    fn introduce(&mut self, wait: Wait) -> (Tag, Wait) {
        // Who has it by a grant and has not taken notice yet is known to the board alone.
        let holder = self.board.as_ref().filter(|_| wait.kind.has_holder()).and_then(|board| board.holder());
        (self.tag.get_or_insert_default().clone(), Wait { holder, ..wait })
    }

    /// From now on that one follows the wait in that place.
    #[cfg(feature = "follow")]
    fn put_follower(&mut self, place: Place, followed: Arc<dyn Followed>) {
        let places = self.followers.len().max(place.0 as usize + 1);
        self.followers.resize_with(places, Follower::default);
        self.followers[place.0 as usize] = Follower(Some(followed));
    }

    /// Who follows the wait in that place.
    #[cfg(feature = "follow")]
    fn follower(&self, place: Place) -> Follower {
        self.followers.get(place.0 as usize).cloned().unwrap_or_default()
    }

    #[cfg(not(feature = "follow"))]
    fn follower(&self, _: Place) -> Follower {
        Follower::default()
    }

    /// The same, as that wait is over.
    #[cfg(feature = "follow")]
    #[inline]
    fn take_follower(&mut self, place: Place) -> Follower {
        self.followers.get_mut(place.0 as usize).map(mem::take).unwrap_or_default()
    }

    #[cfg(not(feature = "follow"))]
    #[inline]
    fn take_follower(&mut self, _: Place) -> Follower {
        Follower::default()
    }

    /// Takes back the grant with the highest note, if one of at least `least` is out: whoever has it is at the head
    /// of the queue again. It has been woken, so it will be polled, and then says whom to wake the next time.
    #[cold]
    pub(crate) fn take_back(&mut self, least: usize) -> bool {
        let granted = (0..)
            .zip(self.seats())
            .filter(|(_, seat)| seat.is_taken() && seat.is_granted() && seat.note.load(Relaxed) >= least);
        let Some((index, seat)) = granted.max_by_key(|(_, seat)| seat.note.load(Relaxed)) else {
            return false;
        };
        seat.revoke();
        seat.note.store(0, Relaxed);
        seat.before.store(NONE, Relaxed);
        seat.after.store(self.first, Relaxed);
        match self.seats().get(self.first as usize) {
            Some(second) => second.before.store(index, Relaxed),
            None => self.last = index,
        }
        self.first = index;
        self.queued += 1;
        true
    }

    /// Gives a place up that was granted.
    #[inline]
    fn leave_granted(&mut self, place: Place) {
        let vacant = mem::replace(&mut self.vacant, place.0);
        let seat = self.seat(place);
        seat.after.store(vacant, Relaxed);
        seat.leave();
    }

    /// Gives a place up. Whom it would have woken is to be dropped once the state is released.
    fn leave(&mut self, place: Place) -> Left {
        let seat = self.seat(place);
        let granted = seat.is_granted().then(|| seat.note.load(Relaxed));
        if granted.is_none() {
            self.unlink(place);
        }
        let foreign = self.foreign.get_mut(place.0 as usize).and_then(Option::take);
        self.leave_granted(place);
        Left { granted, foreign, follower: self.take_follower(place) }
    }

    /// Whether the future in that place is woken by `waker`.
    fn will_wake(&self, place: Place, waker: &Waker) -> bool {
        match observer::key_of(waker) {
            Some(key) => self.seat(place).is_woken_by(key),
            None => {
                let known = self.foreign.get(place.0 as usize).and_then(Option::as_ref);
                known.is_some_and(|known| known.will_wake(waker))
            }
        }
    }

    /// The future in that place goes on waiting, with another waker. The one before is to be dropped once the state is
    /// released.
    fn renew(&mut self, place: Place, asker: Asker, foreign: Option<Waker>) -> Option<Waker> {
        self.seat(place).renew(asker);
        if let Some(board) = &self.board
            && IS_SHOWN
            && !board.is_known_to(asker)
        {
            show(board, asker);
        }
        match foreign {
            Some(foreign) => self.put_foreign(place.0, foreign),
            None => self.foreign.get_mut(place.0 as usize).and_then(Option::take),
        }
    }

    /// Takes a place out of the queue.
    #[inline]
    fn unlink(&mut self, place: Place) {
        let seat = self.seat(place);
        let (before, after) = (seat.before.load(Relaxed), seat.after.load(Relaxed));
        match self.seats().get(before as usize) {
            Some(seat) => seat.after.store(after, Relaxed),
            None => self.first = after,
        }
        match self.seats().get(after as usize) {
            Some(seat) => seat.before.store(before, Relaxed),
            None => self.last = before,
        }
        self.queued -= 1;
    }

    #[inline]
    fn seats(&self) -> &[Seat] {
        self.board.as_ref().map_or(&[], |board| board.seats())
    }

    #[inline]
    fn seat(&self, place: Place) -> &Seat {
        &self.seats()[place.0 as usize]
    }
}

/// Makes more places, and a chain of them. It takes the wait by value, as otherwise all of it would be in memory at each
/// arrival.
#[cold]
#[inline(never)]
fn grow<'a>(
    board: &'a mut Option<Arc<Board>>,
    vacant: &mut u32,
    asker: Asker,
    wait: Wait,
    is_local: bool,
) -> &'a Arc<Board> {
    let used = board.as_ref().map_or(0, |board| board.seats().len());
    let seats = FIRST_PLACES.max(used * 2);
    assert!(seats < NONE as usize, "fewer than 2^31 futures wait for one thing");
    let larger = Arc::new(match board {
        Some(board) => board.grown(seats),
        None => Board::new(&wait, is_local, seats),
    });
    if IS_SHOWN {
        enlist(&larger, asker);
    }
    *vacant = used as u32;
    board.insert(larger)
}

/// What remained of a wait that is over.
#[derive(Debug)]
struct Left {
    /// It was granted this and nobody took notice: whoever dropped the future has to pass it on.
    granted: Option<usize>,
    #[expect(dead_code, reason = "kept to be dropped in the right place")]
    foreign: Option<Waker>,
    #[expect(dead_code, reason = "the same")]
    follower: Follower,
}

/// The runtime of `asker` has not seen the board; or it may have, as any thread has, or nobody knows which one it is.
#[cold]
fn show(board: &Arc<Board>, asker: Asker) {
    if !board.is_shared() && !asker.is_unknown() {
        enlist(board, asker);
    }
}

/// The board is new, or the runtime of `asker` has not seen it.
#[cold]
fn enlist(board: &Arc<Board>, asker: Asker) {
    if let Some(observer) = observer::observer() {
        observer.enlist(board);
        board.settle(asker);
    }
}

/// State that has a queue.
pub(crate) trait Queued {
    /// Which of its queues, if there are several.
    type Which: Copy;
    /// The queue.
    fn list(&mut self, which: Self::Which) -> &mut WaitList;
}

/// All the state of a primitive with one queue: nothing, until somebody waits.
#[derive(Debug, Default)]
pub(crate) struct LazyList(Option<Box<WaitList>>);

impl LazyList {
    pub(crate) const fn new() -> Self {
        Self(None)
    }

    /// Waiters without a grant.
    pub(crate) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |list| list.len())
    }

    /// The list, if anybody ever waited.
    #[inline]
    pub(crate) fn get(&mut self) -> Option<&mut WaitList> {
        self.0.as_deref_mut()
    }
}

impl Queued for LazyList {
    type Which = ();

    #[inline]
    fn list(&mut self, (): ()) -> &mut WaitList {
        self.0.get_or_insert_default()
    }
}
