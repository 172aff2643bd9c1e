//! The timer wheel: pending timers kept in order only as far as somebody could notice.
//!
//! Most timers are cancelled, so inserting and cancelling must cost next to nothing and firing may cost a little. The
//! wheel is the hierarchical one of Varghese and Lauck ("Hashed and Hierarchical Timing Wheels", SOSP 1987), changed
//! in two places: an entry keeps its deadline to the nanosecond, and every slot knows the earliest of its deadlines.
//! So the loop sleeps to the exact earliest deadline, however far away; a slot that is opened on the way costs no
//! wake-up of its own.
//!
//! ```text
//! insert(After) ─> fresh list ─settle─┐
//! insert(At) ─────────────────────────┴─> slot ─advance_to─> lower slot … ─> due ─pop_due─> Fired ─remove─> gone
//! insert(never) ─> Never
//!      remove and reset take a timer out of any of these places in O(1)
//! ```
//!
//! A limit that is lifted is often followed by the next one, of the same length: a server's, for instance, from request to
//! request. So the first timer that is removed in a turn stays in its list, without its name and its waiter, until somebody
//! sets one that belongs into the same list and takes its place over, or until the wheel is looked at.
//!
//! All of it is plain data: nothing here reads a clock, wakes a task or drops a waker; those are handed to the caller.

use std::task::Waker;

use super::{
    due::{Due, DueQueue},
    slots::{FRESH, Place, SLOTS, Slots},
};
use crate::task::waker::Waiter;

pub(crate) use super::slots::Key;

/// A tick is 2^20 ns, about one millisecond: a power of two, so that a shift finds the slot. It bounds no precision,
/// only how many timers share a slot of the lowest level.
const TICK_BITS: u32 = 20;
const SLOT_BITS: u32 = SLOTS.ilog2();

/// From here on (292 years after the origin) a deadline means "never". Half of the range, so that the sum of a reading
/// and a delay, each below it, cannot overflow.
pub(crate) const FOREVER: u64 = 1 << 63;

/// Timers that fire in one turn of the loop; the rest waits for the next, so that sockets are served in between.
pub(crate) const FIRE_LIMIT: usize = 1024;
/// Entries moved between slots in one turn: some 100 µs of work. A million timers in one slot take several turns.
const MOVE_LIMIT: usize = 8192;

/// When a timer is to fire, in nanoseconds.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// That long after the next [`Wheel::settle`].
    After(u64),
    /// At that distance from the wheel's origin.
    At(u64),
}

/// What [`Wheel::look`] found.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// No such timer (any more).
    Gone,
    /// The timer fired; this was its deadline.
    Fired(u64),
    /// It still waits, for the task that asks or for another.
    Waiting { same_waiter: bool },
}

/// See the module's documentation.
///
/// Invariants between calls: (W1) `position` is at most the tick of `now`; (W2) an entry of level L differs from
/// `position` in digit L (base 64) and in none above, so its digit is larger, and the first slot of the lowest occupied
/// level holds the earliest deadlines; (W3) only the slot that `moving` names may break W2; (W4) what is due is
/// earlier than everything in slots whose time has not come.
pub(crate) struct Wheel {
    slots: Slots,
    due: DueQueue,
    /// The slot that is being emptied, when one turn was not enough.
    moving: Option<u16>,
    /// The latest reading, and the tick up to which slots were opened.
    now: u64,
    position: u64,
    last_sequence: u64,
    /// Timers that will fire: fresh, in a slot or due.
    live: usize,
    /// The first timer that was removed since the wheel was last looked at, while it hangs in its list still.
    spare: Option<u32>,
}

impl Wheel {
    pub(crate) fn new() -> Self {
        Self {
            slots: Slots::new(),
            due: DueQueue::default(),
            moving: None,
            now: 0,
            position: 0,
            last_sequence: 0,
            live: 0,
            spare: None,
        }
    }

    /// How many timers will fire. Those that never will, and those that did, do not count.
    #[inline]
    pub(crate) fn live(&self) -> usize {
        self.live
    }

    /// The reading the wheel was last brought to.
    #[inline]
    pub(crate) fn now(&self) -> u64 {
        self.now
    }

    /// Adds a timer. A deadline in the past counts as now.
    #[inline]
    pub(crate) fn insert(&mut self, when: When, waiter: Waiter) -> Key {
        let sequence = self.take_sequence();
        let place = self.place_for(when);
        if let Some((at, list)) = place
            && let Some(index) = self.spare
            && self.slots.entry(index).list == list
        {
            self.spare = None;
            self.live += 1;
            self.slots.take_over(index, sequence, waiter, at);
            return Key { index, sequence };
        }
        let index = self.slots.insert(sequence, waiter);
        self.arm(index, place);
        Key { index, sequence }
    }

    /// Forgets a timer; the waiter is the caller's to drop.
    #[inline]
    pub(crate) fn remove(&mut self, key: Key) -> Option<Waiter> {
        let place = self.slots.find(key)?.place;
        if place == Place::Linked && self.spare.is_none() {
            self.spare = Some(key.index);
            self.live -= 1;
            return self.slots.vacate(key.index);
        }
        self.disarm(key.index);
        self.slots.remove(key.index)
    }

    /// Gives a waiting timer a new time, as if it had been inserted just now; its waiter stays. `None` if it is gone or
    /// has fired: then nothing changed.
    pub(crate) fn reset(&mut self, key: Key, when: When) -> Option<Key> {
        if self.slots.find(key)?.place == Place::Fired {
            return None;
        }
        self.disarm(key.index);
        let sequence = self.take_sequence();
        self.slots.entry_mut(key.index).sequence = sequence;
        self.arm(key.index, self.place_for(when));
        Some(Key { index: key.index, sequence })
    }

    #[inline]
    pub(crate) fn look(&self, key: Key, waker: &Waker) -> Look {
        match self.slots.find(key) {
            None => Look::Gone,
            Some(entry) if entry.place == Place::Fired => Look::Fired(entry.at),
            Some(entry) => {
                Look::Waiting { same_waiter: entry.waiter.as_ref().is_some_and(|held| held.will_wake(waker)) }
            }
        }
    }

    /// Replaces a timer's waiter and returns the one to drop: the old one, or the new one if the timer is gone.
    pub(crate) fn set_waiter(&mut self, key: Key, waiter: Waiter) -> Option<Waiter> {
        match self.slots.find_mut(key) {
            Some(entry) => entry.waiter.replace(waiter),
            None => Some(waiter),
        }
    }

    /// A timer's deadline, once it has one.
    pub(crate) fn deadline(&self, key: Key) -> Option<u64> {
        let entry = self.slots.find(key)?;
        let is_fresh = entry.place == Place::Linked && entry.list == FRESH;
        (!is_fresh && entry.place != Place::Never).then_some(entry.at)
    }

    /// Whether the timer fired and its owner has not looked yet.
    pub(crate) fn is_fired(&self, key: Key) -> bool {
        self.slots.find(key).is_some_and(|entry| entry.place == Place::Fired)
    }

    /// Calls `f` with whoever waits for a timer that has not fired, and when that is, as if [`settle`](Self::settle)
    /// came next with the reading `now`; `None` for never.
    pub(crate) fn for_each_waiter(&self, now: u64, mut f: impl FnMut(&Waiter, Option<u64>)) {
        for entry in self.slots.entries() {
            if let Some(waiter) = &entry.waiter
                && matches!(entry.place, Place::Linked | Place::Due | Place::Never)
            {
                let is_fresh = entry.place == Place::Linked && entry.list == FRESH;
                let at = if is_fresh { now + entry.at } else { entry.at };
                f(waiter, (entry.place != Place::Never).then_some(at));
            }
        }
    }

    /// Notes the reading and gives the fresh timers their deadlines.
    pub(crate) fn settle(&mut self, now: u64) {
        self.now = self.now.max(now);
        self.clear_spare();
        while let Some(index) = self.slots.head(FRESH) {
            self.slots.unlink(index, Place::Never);
            self.live -= 1;
            let delay = self.slots.entry(index).at;
            self.arm(index, self.place_for(When::At(self.now + delay)));
        }
    }

    /// Brings the wheel to `now`, so that [`pop_due`](Self::pop_due) gives what is due. Does a bounded amount of work:
    /// if some is left, [`next_deadline`](Self::next_deadline) is not later than `now`.
    pub(crate) fn advance_to(&mut self, now: u64) {
        self.settle(now);
        let mut moves = MOVE_LIMIT;
        loop {
            if let Some(list) = self.moving {
                moves = self.empty_slot(list, moves);
            }
            if moves == 0 || self.due.len() >= FIRE_LIMIT || !self.open_slot() {
                return;
            }
        }
    }

    /// Takes out the next timer that is due, in order of deadline, then of insertion.
    pub(crate) fn pop_due(&mut self) -> Option<(Key, Option<Waiter>)> {
        // While a slot is half emptied, what is still in it may be earlier than what came out of it.
        let before = if self.moving.is_some() { self.position << TICK_BITS } else { self.now + 1 };
        let due = self.first_due().filter(|due| due.at < before)?;
        self.due.pop();
        self.live -= 1;
        let entry = self.slots.entry_mut(due.index);
        entry.place = Place::Fired;
        Some((due.key(), entry.waiter.take()))
    }

    /// The earliest deadline; not later than [`now`](Self::now) if there is something to do at once.
    ///
    /// It is exact, with one exception: after the earliest timer of a slot of more than 64 was cancelled it may be the
    /// cancelled one's, once (see [`Slots::minimum`]).
    pub(crate) fn next_deadline(&mut self) -> Option<u64> {
        self.clear_spare();
        if self.moving.is_some() || self.slots.head(FRESH).is_some() {
            return Some(self.now);
        }
        let due = self.first_due().map(|due| due.at);
        let slot = self.slots.first_occupied().map(|list| self.slots.minimum(list));
        match (due, slot) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// Forgets everything; the waiters are the caller's to drop. Old keys stay stale.
    pub(crate) fn clear(&mut self) -> Vec<Waiter> {
        let fresh =
            Self { now: self.now, position: self.position, last_sequence: self.last_sequence, ..Self::new() };
        std::mem::replace(self, fresh).slots.into_waiters()
    }

    fn take_sequence(&mut self) -> u64 {
        self.last_sequence += 1;
        self.last_sequence
    }

    /// What an entry notes as its time, and the list for it; `None` if the time lies beyond all times.
    #[inline]
    fn place_for(&self, when: When) -> Option<(u64, u16)> {
        match when {
            When::After(delay) if delay < FOREVER => Some((delay, FRESH)),
            When::At(at) if at < FOREVER => {
                let at = at.max(self.now);
                Some((at, self.slot_of(at)))
            }
            When::After(_) | When::At(_) => None,
        }
    }

    /// Never -> Linked, if there is a place for it.
    #[inline]
    fn arm(&mut self, index: u32, place: Option<(u64, u16)>) {
        let Some((at, list)) = place else { return };
        self.live += 1;
        self.slots.entry_mut(index).at = at;
        self.slots.link(index, list);
    }

    /// Whatever it was -> Never, and not live.
    #[inline]
    fn disarm(&mut self, index: u32) {
        match self.slots.entry(index).place {
            Place::Linked => self.slots.unlink(index, Place::Never),
            Place::Due => self.disarm_due(index),
            Place::Never | Place::Fired | Place::Free => return,
        }
        self.live -= 1;
        self.slots.earn_search();
    }

    /// The place of the spare timer is nobody's any more.
    #[inline]
    fn clear_spare(&mut self) {
        if let Some(index) = self.spare.take() {
            self.slots.unlink(index, Place::Never);
            self.slots.earn_search();
            self.slots.remove(index);
        }
    }

    #[cold]
    fn disarm_due(&mut self, index: u32) {
        self.slots.entry_mut(index).place = Place::Never;
        let slots = &self.slots;
        self.due.note_stale(|due| is_due(slots, due));
    }

    /// The slot for a deadline: its level is the highest base-64 digit in which it differs from the position.
    #[inline]
    fn slot_of(&self, at: u64) -> u16 {
        let tick = at >> TICK_BITS;
        let differing = (tick ^ self.position) | (SLOTS as u64 - 1);
        let level = differing.ilog2() / SLOT_BITS;
        let slot = (tick >> (level * SLOT_BITS)) as usize % SLOTS;
        (level as usize * SLOTS + slot) as u16
    }

    /// The first tick of a slot.
    fn start_of(&self, list: u16) -> u64 {
        let (level, slot) = (u32::from(list) / SLOTS as u32, u64::from(list) % SLOTS as u64);
        let above = (level + 1) * SLOT_BITS;
        (self.position >> above << above) | (slot << (level * SLOT_BITS))
    }

    /// Begins to empty the first slot if its time has come; otherwise moves the position up to the reading.
    fn open_slot(&mut self) -> bool {
        let tick = self.now >> TICK_BITS;
        let first = self.slots.first_occupied().map(|list| (list, self.start_of(list)));
        match first.filter(|&(_, start)| start <= tick) {
            Some((list, start)) => {
                self.position = start;
                self.moving = Some(list);
                true
            }
            None => {
                self.position = tick;
                false
            }
        }
    }

    /// Moves up to `moves` entries of a slot one step on; gives what remains of `moves`, 0 if the slot may not be empty.
    fn empty_slot(&mut self, list: u16, mut moves: usize) -> usize {
        while moves > 0 {
            let Some(index) = self.slots.head(list) else {
                self.moving = None;
                return moves;
            };
            moves -= 1;
            self.slots.unlink(index, Place::Due);
            let entry = self.slots.entry(index);
            let (at, sequence) = (entry.at, entry.sequence);
            if at >> TICK_BITS <= self.position {
                self.due.push(Due { at, sequence, index });
            } else {
                self.slots.link(index, self.slot_of(at));
            }
        }
        0
    }

    fn first_due(&mut self) -> Option<Due> {
        let slots = &self.slots;
        self.due.first(|due| is_due(slots, due))
    }
}

/// Whether a name among the due ones still stands for a timer.
fn is_due(slots: &Slots, due: &Due) -> bool {
    slots.find(due.key()).is_some_and(|entry| entry.place == Place::Due)
}

#[cfg(test)]
#[path = "wheel_tests.rs"]
mod tests;
