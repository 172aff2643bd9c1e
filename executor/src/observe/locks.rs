//! The locks for which somebody waits, each with who seems to hold it.
//!
//! A wait knows the holder of when it began. When the lock is handed over, that is noted here, once for all who still
//! wait. Waits of other threads and runtimes are not in these books, so what is noted is an indication: before it is
//! reported, the lock itself is asked.

use crate::task::slots::Key;
use runtime_sync::Wait;
use slab::Slab;
use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
    panic::Location,
};

pub(super) struct Contended {
    address: usize,
    /// Waits that were not granted.
    waiting: u32,
    pub(super) holder: Option<Key>,
    pub(super) since: Option<&'static Location<'static>>,
    /// The end of this holder was noticed.
    pub(super) told: bool,
}

#[derive(Default)]
pub(super) struct Locks {
    entries: Slab<Contended>,
    by_address: HashMap<usize, u32, BuildHasherDefault<AddressHasher>>,
    /// The one found last: waits for one lock tend to come together. It alone stays when nobody waits any more.
    last: u32,
    /// Locks for which somebody waits.
    contended: usize,
}

impl Locks {
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.contended
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (u32, &mut Contended)> {
        self.entries.iter_mut().map(|(index, entry)| (index as u32, entry))
    }

    #[inline]
    pub(super) fn get_mut(&mut self, index: u32) -> &mut Contended {
        &mut self.entries[index as usize]
    }

    pub(super) fn get(&self, index: u32) -> &Contended {
        &self.entries[index as usize]
    }

    /// One more waits. The lock's entry, and whether its holder was not known before.
    #[inline]
    pub(super) fn arrive(&mut self, wait: &Wait, holder: Option<Key>) -> (u32, bool) {
        let last = self.entries.get(self.last as usize).filter(|entry| entry.address == wait.address);
        if last.is_none() {
            self.last = self.find_or_open(wait.address);
        }
        let entry = &mut self.entries[self.last as usize];
        entry.waiting += 1;
        self.contended += usize::from(entry.waiting == 1);
        let is_new = entry.holder != holder || entry.since.is_none();
        if let Some(noted) = wait.holder
            && is_new
        {
            (entry.holder, entry.since, entry.told) = (holder, Some(noted.since), false);
        }
        (self.last, is_new)
    }

    fn find_or_open(&mut self, address: usize) -> u32 {
        if self.entries.get(self.last as usize).is_some_and(|last| last.waiting == 0) {
            self.remove(self.last);
        }
        *self.by_address.entry(address).or_insert_with(|| {
            let entry = Contended { address, waiting: 0, holder: None, since: None, told: false };
            self.entries.insert(entry) as u32
        })
    }

    /// One waits no more.
    #[inline]
    pub(super) fn leave(&mut self, index: u32) {
        let entry = &mut self.entries[index as usize];
        entry.waiting -= 1;
        if entry.waiting == 0 {
            (entry.holder, entry.since, entry.told) = (None, None, false);
            self.contended -= 1;
            if index != self.last {
                self.remove(index);
            }
        }
    }

    #[cold]
    fn remove(&mut self, index: u32) {
        let entry = self.entries.remove(index as usize);
        self.by_address.remove(&entry.address);
    }

    /// One waits no more, as it was granted the lock.
    #[inline]
    pub(super) fn pass_on(&mut self, index: u32, holder: Option<(Key, &'static Location<'static>)>) {
        let entry = &mut self.entries[index as usize];
        entry.holder = holder.map(|(key, _)| key);
        entry.since = holder.map(|(_, since)| since);
        entry.told = false;
        self.leave(index);
    }
}

/// Hashes addresses and keys, which nobody picks to do us harm: by a multiplication, whose upper half is well mixed.
#[derive(Default)]
pub(super) struct AddressHasher(u64);

impl Hasher for AddressHasher {
    #[inline]
    fn finish(&self) -> u64 {
        self.0.rotate_left(32)
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    #[inline]
    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0 ^ number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }

    #[inline]
    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }
}
