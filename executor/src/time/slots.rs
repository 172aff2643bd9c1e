//! The storage under the timer wheel: entries in one array, hung into lists by index.
//!
//! Lists of indices instead of pinned nodes: a `Sleep` is then a handful of integers that may move, be sent to another
//! thread and be forgotten, and no `unsafe` is needed. This file knows how entries are linked; which list an entry
//! belongs to, and when, is the wheel's business.
//!
//! The array with its list of free places is what the `slab` crate would be, but that moves entries of 48 bytes in and
//! out by value. Here a timer that comes and goes touches only what changes, which halves its instructions.

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
    /// Its name is among the due ones.
    Due,
    /// Nowhere: it never fires.
    Never,
    /// Nowhere: it fired and its owner has not looked yet.
    Fired,
    /// Not a timer: in the list of free places.
    Free,
}

pub(super) struct Entry {
    /// The deadline; in the fresh list the delay.
    pub(super) at: u64,
    /// Order of insertion, and the generation of the key; 0, which no key has, if the place is free.
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
    entries: Vec<Entry>,
    /// The first free place; the others follow by `Entry::next`.
    free: u32,
    len: usize,
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
            entries: Vec::new(),
            free: NIL,
            len: 0,
            lists: (0..=FRESH).map(|_| List::EMPTY).collect(),
            occupied: [0; LEVELS + 1],
            high_water: 0,
            search_credit: SEARCH_MAX / 16,
        }
    }

    /// Stores an entry that is nowhere yet.
    #[inline]
    pub(super) fn insert(&mut self, sequence: u64, waiter: Waiter) -> u32 {
        self.len += 1;
        self.high_water = self.high_water.max(self.len);
        let index = self.free;
        let Some(entry) = self.entries.get_mut(index as usize) else { return self.grow(sequence, waiter) };
        self.free = entry.next;
        entry.sequence = sequence;
        entry.waiter = Some(waiter);
        entry.place = Place::Never;
        index
    }

    #[cold]
    fn grow(&mut self, sequence: u64, waiter: Waiter) -> u32 {
        let index = self.entries.len();
        assert!(index < NIL as usize, "more than four billion timers at once");
        let (waiter, place) = (Some(waiter), Place::Never);
        self.entries.push(Entry { at: 0, sequence, waiter, prev: NIL, next: NIL, list: FRESH, place });
        index as u32
    }

    /// Frees the place of an entry that is in no list any more. The waiter is the caller's to drop.
    #[inline]
    pub(super) fn remove(&mut self, index: u32) -> Option<Waiter> {
        let entry = &mut self.entries[index as usize];
        debug_assert!(entry.place != Place::Linked && entry.place != Place::Free);
        entry.place = Place::Free;
        entry.sequence = 0;
        entry.next = std::mem::replace(&mut self.free, index);
        let waiter = entry.waiter.take();
        self.len -= 1;
        if self.entries.capacity() > SHRINK_ABOVE && self.len <= self.high_water / 4 {
            self.shrink();
        }
        waiter
    }

    /// The entry is nobody's, though it stays in its list. The waiter is the caller's to drop.
    #[inline]
    pub(super) fn vacate(&mut self, index: u32) -> Option<Waiter> {
        let entry = &mut self.entries[index as usize];
        entry.sequence = 0;
        entry.waiter.take()
    }

    /// The entry, nobody's so far, is that of another timer, which belongs into the same list.
    #[inline]
    pub(super) fn take_over(&mut self, index: u32, sequence: u64, waiter: Waiter, at: u64) {
        let entry = &mut self.entries[index as usize];
        let list = &mut self.lists[entry.list as usize];
        list.is_stale |= entry.at == list.min;
        list.min = list.min.min(at);
        entry.at = at;
        entry.sequence = sequence;
        entry.waiter = Some(waiter);
        self.earn_search();
    }

    /// Gives memory back after most timers have gone. Paid for by the three quarters that were removed.
    #[cold]
    fn shrink(&mut self) {
        let used =
            self.entries.iter().rposition(|entry| entry.place != Place::Free).map_or(0, |last| last + 1);
        if used < self.entries.len() {
            self.entries.truncate(used);
            self.entries.shrink_to_fit();
            // The list of free places led through what is gone. From the last to the first, so that low ones are
            // taken first and the end can become free.
            self.free = NIL;
            for (index, entry) in self.entries.iter_mut().enumerate().rev() {
                if entry.place == Place::Free {
                    entry.next = std::mem::replace(&mut self.free, index as u32);
                }
            }
        }
        self.high_water = self.len;
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

    /// All places, also those that are free.
    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// All waiters, for the caller to drop.
    pub(super) fn into_waiters(self) -> Vec<Waiter> {
        self.entries.into_iter().filter_map(|entry| entry.waiter).collect()
    }

    /// Entries for which there is memory.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.entries.capacity()
    }

    /// Entries that exist.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.len
    }
}

/// A million timers should cost 48 MB, not 56.
const _: () = assert!(size_of::<Entry>() <= 48);
