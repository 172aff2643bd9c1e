//! Where futures queue: first come, first served, and nobody's place is lost or taken twice.
//!
//! A list is an array of places, linked by index: no allocation before the first wait, none per wait once it has
//! grown, no pinning and no unsafe code; arriving, granting and leaving take constant time. A waiting future owns its
//! place until it takes notice of its grant or is dropped, so a place is never mistaken for a successor's.
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

use crate::observer::{self, Holder, Wait};
use board::Asker;
use std::{mem, sync::Arc};

pub use board::{Board, Waiting};
pub(crate) use turn::{Attempt, Turn};
pub(crate) use woken::{Alone, Begun, Wakes, Woken, wake_all};

/// The end of a chain of places.
const NONE: u32 = u32::MAX;

/// Index of a place in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place(u32);

#[derive(Debug)]
struct Entry {
    /// Whom to wake; taken by the grant. So this is also what tells whether the place is in the queue.
    woken: Option<Woken>,
    /// What the waiter asks for, then what it was granted; the primitive gives it its meaning.
    note: usize,
    before: u32,
    /// In the queue, or in the chain of vacant places.
    after: u32,
}

/// Places of a queue's first allocation; then they are doubled.
const FIRST_PLACES: usize = 2;

/// The queue of one primitive.
#[derive(Debug)]
pub(crate) struct WaitList {
    entries: Vec<Entry>,
    /// What the places show to others, under the same indices.
    board: Option<Arc<Board>>,
    first: u32,
    last: u32,
    vacant: u32,
    queued: u32,
}

impl Default for WaitList {
    fn default() -> Self {
        Self { entries: Vec::new(), board: None, first: NONE, last: NONE, vacant: NONE, queued: 0 }
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
        self.entries.get(self.first as usize).map(|entry| entry.note)
    }

    /// Grants the first in the queue what it waits for; `note` tells it what that is.
    #[inline]
    pub(crate) fn grant_front(&mut self, note: usize) -> Option<Woken> {
        let entry = self.entries.get_mut(self.first as usize)?;
        entry.note = note;
        let woken = entry.woken.take();
        if let Some(board) = &self.board {
            board.grant(self.first);
        }
        let second = entry.after;
        self.first = second;
        match self.entries.get_mut(second as usize) {
            Some(second) => second.before = NONE,
            None => self.last = NONE,
        }
        self.queued -= 1;
        debug_assert!(woken.is_some(), "a place in the queue has somebody to wake");
        woken
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

    #[inline(always)]
    fn arrive(
        &mut self,
        woken: Option<Woken>,
        asker: Asker,
        note: usize,
        wait: Wait,
        is_local: bool,
    ) -> Place {
        debug_assert!(woken.is_some(), "a place in the queue has somebody to wake");
        if self.vacant == NONE {
            self.grow(asker, wait, is_local);
        }
        let index = self.vacant;
        let before = self.last;
        let entry = self.entry(Place(index));
        let vacant = mem::replace(entry, Entry { woken, note, before, after: NONE });
        self.vacant = vacant.after;
        mem::forget(vacant.woken); // nobody, which the compiler does not know
        match self.entries.get_mut(self.last as usize) {
            Some(last) => last.after = index,
            None => self.first = index,
        }
        self.last = index;
        self.queued += 1;
        if let Some(board) = &self.board
            && !board.enter(index, asker, &wait, self.queued == 1)
        {
            enlist(board, asker);
        }
        Place(index)
    }

    /// Makes one more place. It takes the wait by value, as otherwise all of it would be in memory at each arrival.
    #[cold]
    #[inline(never)]
    fn grow(&mut self, asker: Asker, wait: Wait, is_local: bool) {
        let index = u32::try_from(self.entries.len()).ok().filter(|index| *index != NONE);
        let index = index.expect("fewer than 2^32 - 1 futures wait for one thing");
        self.entries.push(Entry { woken: None, note: 0, before: NONE, after: NONE });
        self.vacant = index;
        let is_shown = self.board.as_ref().is_some_and(|board| board.has_room_for(index));
        if !is_shown && !cfg!(runtime_bare) {
            let seats = FIRST_PLACES.max(self.entries.len().next_power_of_two());
            let board = Arc::new(match &self.board {
                Some(board) => board.grown(seats),
                None => Board::new(&wait, is_local, seats),
            });
            enlist(&board, asker);
            self.board = Some(board);
        }
    }

    /// Takes back the grant with the highest note, if one of at least `least` is out: whoever has it is at the head
    /// of the queue again. It has been woken, so it will be polled, and then says whom to wake the next time.
    #[cold]
    pub(crate) fn take_back(&mut self, least: usize) -> bool {
        let granted =
            (0..).zip(&mut self.entries).filter(|(_, entry)| entry.woken.is_none() && entry.note >= least);
        let Some((index, entry)) = granted.max_by_key(|(_, entry)| entry.note) else { return false };
        entry.woken = Some(Woken::already());
        entry.note = 0;
        if let Some(board) = &self.board {
            board.revoke(index);
        }
        (entry.before, entry.after) = (NONE, self.first);
        match self.entries.get_mut(self.first as usize) {
            Some(second) => second.before = index,
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
        let entry = self.entry(place);
        entry.after = vacant;
        entry.note = 0; // no grant that could be taken back
        if let Some(board) = &self.board {
            board.leave(place.0);
        }
    }

    /// Gives a place up. Whom it would have woken is to be dropped once the state is released.
    fn leave(&mut self, place: Place) -> Left {
        let entry = self.entry(place);
        let (woken, note) = (entry.woken.take(), entry.note);
        if woken.is_some() {
            self.unlink(place);
        }
        self.leave_granted(place);
        Left { granted: woken.is_none().then_some(note), woken }
    }

    /// The future in that place goes on waiting, with another waker. The one before is to be dropped once the state is
    /// released.
    fn renew(&mut self, place: Place, woken: Woken, asker: Asker) -> Option<Woken> {
        if let Some(board) = &self.board
            && !board.renew(place.0, asker)
        {
            enlist(board, asker);
        }
        self.entry(place).woken.replace(woken)
    }

    /// Takes a place out of the queue.
    #[inline]
    fn unlink(&mut self, place: Place) {
        let entry = self.entry(place);
        let (before, after) = (entry.before, entry.after);
        match self.entries.get_mut(before as usize) {
            Some(entry) => entry.after = after,
            None => self.first = after,
        }
        match self.entries.get_mut(after as usize) {
            Some(entry) => entry.before = before,
            None => self.last = before,
        }
        self.queued -= 1;
    }

    #[inline]
    fn entry(&mut self, place: Place) -> &mut Entry {
        &mut self.entries[place.0 as usize]
    }
}

/// What remained of a wait that is over.
#[derive(Debug)]
struct Left {
    /// It was granted this and nobody took notice: whoever dropped the future has to pass it on.
    granted: Option<usize>,
    #[expect(dead_code, reason = "kept to be dropped in the right place")]
    woken: Option<Woken>,
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
