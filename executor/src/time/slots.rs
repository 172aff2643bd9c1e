//! The storage under the timer wheel: entries in a slab, hung into lists by index.
//!
//! Lists of indices instead of pinned nodes: a `Sleep` is then a handful of integers that may move, be sent to another
//! thread and be forgotten, and no `unsafe` is needed. This file knows how entries are linked; which list an entry
//! belongs to, and when, is the wheel's business.

use slab::Slab;

use crate::task::waker::Waiter;

const SLOT_BITS: u32 = 6;
/// Lists are addressed in groups of 64, as one word of bits says which of a group are not empty.
pub(super) const SLOTS: usize = 1 << SLOT_BITS;
/// Eight levels of six bits cover all 44 bits that a `u64` of nanoseconds has in ticks, so no deadline is out of range.
pub(super) const LEVELS: usize = 8;
/// The list of timers whose deadline is not yet known: after the slots, as if it were a ninth level, so that linking
/// and unlinking need no special case.
pub(super) const FRESH: u16 = (LEVELS * SLOTS) as u16;
/// No entry: the end of a list.
pub(super) const NIL: u32 = u32::MAX;

/// A list this short is always searched for its exact minimum.
pub(super) const SEARCH_FREE: u32 = 64;
/// How much searching in longer lists one cancelled timer pays for. Without this limit, ten thousand idle timeouts
/// that are pushed back in turn would have their slot searched every turn, as each time the earliest one moves.
const SEARCH_PER_CANCEL: u32 = 8;
/// What may be saved up, and (the sixteenth part) what one starts with.
const SEARCH_MAX: u32 = 1 << 20;

/// Below this many entries, memory is not worth giving back.
pub(super) const SHRINK_ABOVE: usize = 4096;

/// Names one timer. A stale key finds nothing, as sequence numbers are never used twice.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) index: u32,
    pub(crate) sequence: u64,
}

/// Where an entry is.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In the list that `Entry::list` names.
    Linked,
    /// Its name is in the due heap.
    Due,
    /// Nowhere: it never fires.
    Never,
    /// Nowhere: it fired and its owner has not looked yet.
    Fired,
}

pub(super) struct Entry {
    /// The deadline; in the fresh list the delay.
    pub(super) at: u64,
    /// Order of insertion, and the generation of the key.
    pub(super) sequence: u64,
    pub(super) waiter: Option<Waiter>,
    prev: u32,
    next: u32,
    pub(super) list: u16,
    pub(super) place: Place,
}

struct List {
    head: u32,
    tail: u32,
    len: u32,
    /// `min` belonged to an entry that left: it is only a lower bound.
    is_stale: bool,
    /// The smallest `at` in the list.
    min: u64,
}

impl List {
    const EMPTY: Self = Self { head: NIL, tail: NIL, len: 0, is_stale: false, min: u64::MAX };
}

/// All entries and all lists of one wheel.
pub(super) struct Slots {
    entries: Slab<Entry>,
    lists: Box<[List]>,
    /// One bit per list that is not empty; the last word is the fresh list's.
    occupied: [u64; LEVELS + 1],
    /// The most entries there were since memory was last given back.
    high_water: usize,
    search_credit: u32,
}

impl Slots {
    pub(super) fn new() -> Self {
        Self {
            entries: Slab::new(),
            lists: (0..=FRESH).map(|_| List::EMPTY).collect(),
            occupied: [0; LEVELS + 1],
            high_water: 0,
            search_credit: SEARCH_MAX / 16,
        }
    }

    /// Stores an entry that is nowhere yet.
    #[inline]
    pub(super) fn insert(&mut self, sequence: u64, waiter: Waiter) -> u32 {
        let (waiter, place) = (Some(waiter), Place::Never);
        let entry = Entry { at: u64::MAX, sequence, waiter, prev: NIL, next: NIL, list: FRESH, place };
        let index = u32::try_from(self.entries.insert(entry)).expect("more than four billion timers at once");
        self.high_water = self.high_water.max(self.entries.len());
        index
    }

    /// Drops an entry that is nowhere any more, but for its waiter: that is the caller's to drop.
    #[inline]
    pub(super) fn remove(&mut self, index: u32) -> Option<Waiter> {
        let entry = self.entries.remove(index as usize);
        debug_assert!(entry.place != Place::Linked, "removed while linked");
        if self.entries.capacity() > SHRINK_ABOVE && self.entries.len() <= self.high_water / 4 {
            self.shrink();
        }
        entry.waiter
    }

    /// Gives memory back after most timers have gone. Paid for by the three quarters that were removed.
    #[cold]
    fn shrink(&mut self) {
        self.entries.shrink_to_fit();
        self.high_water = self.entries.len();
    }

    #[inline]
    pub(super) fn find(&self, key: Key) -> Option<&Entry> {
        self.entries.get(key.index as usize).filter(|entry| entry.sequence == key.sequence)
    }

    #[inline]
    pub(super) fn find_mut(&mut self, key: Key) -> Option<&mut Entry> {
        self.entries.get_mut(key.index as usize).filter(|entry| entry.sequence == key.sequence)
    }

    #[inline]
    pub(super) fn entry(&self, index: u32) -> &Entry {
        &self.entries[index as usize]
    }

    #[inline]
    pub(super) fn entry_mut(&mut self, index: u32) -> &mut Entry {
        &mut self.entries[index as usize]
    }

    /// Appends an entry to a list.
    #[inline]
    pub(super) fn link(&mut self, index: u32, id: u16) {
        let list = &mut self.lists[id as usize];
        let entry = &mut self.entries[index as usize];
        entry.place = Place::Linked;
        entry.list = id;
        entry.next = NIL;
        entry.prev = std::mem::replace(&mut list.tail, index);
        list.min = list.min.min(entry.at);
        list.len += 1;
        match entry.prev {
            NIL => {
                list.head = index;
                self.occupied[id as usize / SLOTS] |= 1 << (id as usize % SLOTS);
            }
            prev => self.entries[prev as usize].next = index,
        }
    }

    /// Takes an entry out of its list; `place` is where it goes.
    #[inline]
    pub(super) fn unlink(&mut self, index: u32, place: Place) {
        let entry = &mut self.entries[index as usize];
        entry.place = place;
        let Entry { at, prev, next, list: id, .. } = *entry;
        let list = &mut self.lists[id as usize];
        if list.len == 1 {
            *list = List::EMPTY;
            self.occupied[id as usize / SLOTS] &= !(1 << (id as usize % SLOTS));
            return;
        }
        list.len -= 1;
        list.is_stale |= at == list.min;
        match prev {
            NIL => list.head = next,
            _ => self.entries[prev as usize].next = next,
        }
        match next {
            NIL => list.tail = prev,
            _ => self.entries[next as usize].prev = prev,
        }
    }

    /// The first entry of a list.
    #[inline]
    pub(super) fn head(&self, id: u16) -> Option<u32> {
        let head = self.lists[id as usize].head;
        (head != NIL).then_some(head)
    }

    /// The first list that is not empty, of the lowest level that has one. The fresh list is not among them.
    pub(super) fn first_occupied(&self) -> Option<u16> {
        let level = self.occupied[..LEVELS].iter().position(|&slots| slots != 0)?;
        Some((level * SLOTS) as u16 + self.occupied[level].trailing_zeros() as u16)
    }

    /// Notes that a timer was cancelled, which pays for some searching.
    #[inline]
    pub(super) fn earn_search(&mut self) {
        self.search_credit = (self.search_credit + SEARCH_PER_CANCEL).min(SEARCH_MAX);
    }

    /// A number that no `at` in the list is below.
    pub(super) fn lower_bound(&self, id: u16) -> u64 {
        self.lists[id as usize].min
    }

    /// The smallest `at` in a list: exact if the list is short or enough cancellations paid for a search, else a lower
    /// bound.
    pub(super) fn minimum(&mut self, id: u16) -> u64 {
        let List { head, len, is_stale, min, .. } = self.lists[id as usize];
        if !is_stale || (len > SEARCH_FREE && len > self.search_credit) {
            return min;
        }
        if len > SEARCH_FREE {
            self.search_credit -= len;
        }
        let mut min = u64::MAX;
        let mut index = head;
        while index != NIL {
            let entry = &self.entries[index as usize];
            min = min.min(entry.at);
            index = entry.next;
        }
        let list = &mut self.lists[id as usize];
        list.min = min;
        list.is_stale = false;
        min
    }

    /// All waiters, for the caller to drop.
    pub(super) fn into_waiters(mut self) -> Vec<Waiter> {
        self.entries.drain().filter_map(|entry| entry.waiter).collect()
    }

    /// Entries for which there is memory.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.entries.capacity()
    }

    /// Entries that exist.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}

/// A million timers should cost 48 MB, not 56.
const _: () = assert!(size_of::<Entry>() <= 48);
