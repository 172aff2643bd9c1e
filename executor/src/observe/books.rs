//! The records: one per wait, by number; and who holds what must be let go.
//!
//! A ticket is runtime, serial number and place of its record, so that one that comes late finds nothing, also if the
//! place, or the runtime's index, is in use again: serial numbers begin somewhere else in each runtime.

use super::{
    Report,
    locks::{AddressHasher, Locks},
    task_id,
};
use crate::{
    core::Core,
    registry::{INDEX_BITS, RuntimeId},
    task::{
        TaskId, TaskInfo,
        slots::{Key, Out},
        waker,
    },
};
use runtime_sync::{Holder, Kind, Wait};
use slab::Slab;
use std::{
    collections::{HashMap, VecDeque},
    hash::BuildHasherDefault,
    num::NonZeroU64,
    panic::Location,
    ptr,
    task::Waker,
};

pub(super) const RUNTIME_SHIFT: u32 = 64 - INDEX_BITS;
const PLACE_BITS: u32 = 24;
/// Waits at one time that are observed; more are not worth a larger ticket.
const MAX_RECORDS: usize = 1 << PLACE_BITS;
const SERIAL_MASK: u64 = (1 << (RUNTIME_SHIFT - PLACE_BITS)) - 1;

/// Grants that are looked after together: mostly they have been noticed by then, and it costs a look at each.
const GRANTS_AT_ONCE: usize = 64;

/// Ended tasks that are remembered by name: only those that ended while somebody waited for a lock of theirs, and of
/// these the last ones, as a program that has more of them is beyond reading reports.
const MAX_ENDED: usize = 64;

/// Who asks: the key that will be polled once the wait is over.
#[derive(Clone, Copy)]
pub(super) struct Asker {
    pub(super) key: Key,
    /// By a waker of ours. The wait does not keep it: its ticket wakes the key.
    pub(super) is_ours: bool,
}

impl Asker {
    /// With a foreign waker, as of an executor inside a task, it is whoever runs. `None`: none of this runtime.
    #[inline]
    pub(super) fn of(core: &Core, waker: &Waker) -> Option<Self> {
        match waker::key_of(waker) {
            Some(key) => core.is_home_of(key).then_some(Self { key, is_ours: true }),
            None => Some(Self { key: core.running_key()?, is_ours: false }),
        }
    }
}

/// One wait: small, as thousands of them may be looked at in a row.
pub(super) struct Record {
    pub(super) created: &'static Location<'static>,
    pub(super) asked: &'static Location<'static>,
    pub(super) address: usize,
    pub(super) key: Key,
    pub(super) serial: u32,
    /// Its place among the contended locks, while it is not granted; otherwise [`NO_LOCK`].
    lock: u32,
    pub(super) kind: Kind,
    /// See [`Asker`].
    pub(super) is_ours: bool,
    pub(super) is_granted: bool,
    pub(super) doubt: Doubt,
}

const NO_LOCK: u32 = u32::MAX;

const _: () = assert!(size_of::<Record>() <= 48, "a wait's record outgrew its cache line");

impl Record {
    /// Its place among the contended locks, while it is not granted.
    #[inline]
    pub(super) fn lock(&self) -> Option<u32> {
        (self.lock != NO_LOCK).then_some(self.lock)
    }
}

/// What its next poll should find out, by a look at the primitive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Doubt {
    None,
    /// Proved hopeless, if the holder is still the same.
    Hopeless,
    /// Very likely hopeless, if the holder is still the same.
    SelfWait,
    /// Reported, if the holder is still the one that is noted, and that has ended.
    HolderEnded,
}

/// A wait that began on a lock that its own key holds.
pub(super) struct Suspect {
    pub(super) ticket: NonZeroU64,
    /// Its own task, and where that acquired it.
    pub(super) holder: Option<Holder>,
    /// Why it was found to be innocent: as long as that stays, so does the verdict.
    pub(super) way_out: Option<WayOut>,
}

/// What may yet have a task polled that waits for itself.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum WayOut {
    /// So many wakers and waiters of ours are out.
    Out(Out),
    /// The wait of this place and serial number, for something else.
    Wait(usize, u32),
}

/// A grant that nobody has taken notice of yet.
pub(super) struct Grant {
    pub(super) ticket: NonZeroU64,
    /// Batches in which its task could not be judged.
    pub(super) rounds: u8,
}

/// What someone holds that must be let go.
pub(super) struct Held {
    pub(super) kind: Kind,
    pub(super) created: &'static Location<'static>,
    pub(super) count: i32,
}

pub(super) struct Books {
    runtime: u64,
    next_serial: u64,
    pub(super) records: Slab<Record>,
    pub(super) locks: Locks,
    pub(super) suspects: Vec<Suspect>,
    /// Grants since the last look.
    pub(super) granted: Vec<Grant>,
    /// Grants before that: their tasks have been polled since.
    pub(super) granted_before: Vec<Grant>,
    /// By who holds it, and the address of its creation site.
    held: HashMap<(Key, usize), Held, BuildHasherDefault<AddressHasher>>,
    /// Size of `held` at which those are thrown out who are gone without an end: children.
    sweep_held_at: usize,
    ended: VecDeque<(Key, TaskInfo)>,
    pub(super) reports: Vec<Report>,
}

impl Books {
    pub(super) fn new(runtime: RuntimeId) -> Self {
        Self {
            runtime: u64::from(runtime.index()) << RUNTIME_SHIFT,
            // Anything that differs much from runtime to runtime of one index: here, a large odd number for each.
            next_serial: runtime.to_bits().wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32,
            records: Slab::new(),
            locks: Locks::default(),
            suspects: Vec::new(),
            granted: Vec::new(),
            granted_before: Vec::new(),
            held: HashMap::default(),
            sweep_held_at: 64,
            ended: VecDeque::new(),
            reports: Vec::new(),
        }
    }

    #[inline]
    pub(super) fn watched(&self) -> usize {
        self.locks.len() + self.held.len()
    }

    /// Whether there is something to look after once nobody is ready.
    pub(super) fn has_work(&self) -> bool {
        !(self.suspects.is_empty()
            && self.granted.is_empty()
            && self.granted_before.is_empty()
            && self.reports.is_empty())
    }

    /// Whether it is to be looked after even while others are ready.
    pub(super) fn is_pressing(&self) -> bool {
        !(self.suspects.is_empty() && self.reports.is_empty())
    }

    /// Enters a wait. Its ticket, and whether it should be looked after.
    #[inline]
    pub(super) fn begin(&mut self, core: &Core, asker: Asker, wait: &Wait) -> Option<(NonZeroU64, bool)> {
        let place = self.records.vacant_key();
        if place >= MAX_RECORDS {
            return None;
        }
        self.next_serial += 1;
        let serial = (self.next_serial & SERIAL_MASK).max(1);
        let ticket = NonZeroU64::new(self.runtime | serial << PLACE_BITS | place as u64)?;
        let (lock, is_news) =
            if has_holder(wait.kind) { self.arrive(core, ticket, asker, wait) } else { (NO_LOCK, false) };
        let Wait { kind, created, asked, address, .. } = *wait;
        let Asker { key, is_ours } = asker;
        let (serial, doubt) = (serial as u32, Doubt::None);
        let record =
            Record { created, asked, address, key, serial, lock, kind, is_ours, is_granted: false, doubt };
        self.records.insert(record);
        Some((ticket, is_news))
    }

    /// A wait begins for something that somebody holds. Its entry among the locks, and whether something should be
    /// looked after.
    fn arrive(&mut self, core: &Core, ticket: NonZeroU64, asker: Asker, wait: &Wait) -> (u32, bool) {
        let holder = wait.holder.and_then(|holder| waker::key_of_owner(holder.owner));
        let holder = holder.filter(|key| core.is_home_of(*key));
        let (lock, holder_is_new) = self.locks.arrive(wait, holder);
        let is_news = if holder == Some(asker.key) {
            self.suspects.push(Suspect { ticket, holder: wait.holder, way_out: None });
            true
        } else if holder_is_new && let Some(holder) = holder {
            self.report_if_ended(core, holder, lock, asker, wait)
        } else {
            false
        };
        (lock, is_news)
    }

    /// A wait begins on a lock whose holder nobody has asked about yet.
    #[inline]
    fn report_if_ended(&mut self, core: &Core, holder: Key, index: u32, asker: Asker, wait: &Wait) -> bool {
        // Futures in a group end all the time, and their group has what they leave.
        if holder.is_child() || core.slots().find(holder).is_some() {
            return false;
        }
        self.locks.get_mut(index).told = true;
        let waiting = task_id(core, asker.key);
        self.report_ended(core, holder, waiting, wait)
    }

    /// Queues the report that the holder of what `wait` is for has ended.
    #[cold]
    pub(super) fn report_ended(
        &mut self,
        core: &Core,
        key: Key,
        waiting: Option<TaskId>,
        wait: &Wait,
    ) -> bool {
        let Some(holder) = wait.holder.filter(|holder| !holder.owner.has_owned_guard()) else { return false };
        self.reports.push(Report::HolderEnded {
            holder: self.ended(key).cloned(),
            kind: wait.kind,
            created: wait.created,
            since: holder.since,
            waiting: super::waits::info(core, waiting),
            asked: wait.asked,
        });
        true
    }

    /// Remembers the name of a task that ended while it seemed to hold a lock.
    pub(super) fn remember(&mut self, key: Key, info: TaskInfo) {
        if self.ended.len() == MAX_ENDED {
            self.ended.pop_front();
        }
        self.ended.push_back((key, info));
    }

    /// The name of an ended task, if it is remembered.
    pub(super) fn ended(&self, key: Key) -> Option<&TaskInfo> {
        self.ended.iter().find(|(ended, _)| *ended == key).map(|(_, info)| info)
    }

    #[inline]
    pub(super) fn get(&mut self, ticket: NonZeroU64) -> Option<&mut Record> {
        let serial = (ticket.get() >> PLACE_BITS & SERIAL_MASK) as u32;
        let record = self.records.get_mut(place_of(ticket))?;
        (record.serial == serial).then_some(record)
    }

    /// Whether the wait of that place and serial number goes on.
    pub(super) fn waits(&self, place: usize, serial: u32) -> bool {
        self.records.get(place).is_some_and(|record| record.serial == serial && !record.is_granted)
    }

    /// Takes a wait out.
    #[inline]
    pub(super) fn end(&mut self, ticket: NonZeroU64) {
        if self.get(ticket).is_some() {
            let record = self.records.remove(place_of(ticket));
            if let Some(lock) = record.lock() {
                self.locks.leave(lock);
            }
        }
    }

    /// Notes a grant. True: it should be looked after.
    #[inline]
    pub(super) fn granted(&mut self, ticket: NonZeroU64) -> bool {
        let Some(record) = self.get(ticket) else { return false };
        record.is_granted = true;
        record.doubt = Doubt::None;
        let (lock, kind) = (record.lock(), record.kind);
        let holder = (kind != Kind::Read).then_some((record.key, record.asked));
        record.lock = NO_LOCK;
        if let Some(lock) = lock {
            self.locks.pass_on(lock, holder);
        }
        if withholds(kind) {
            self.granted.push(Grant { ticket, rounds: 0 });
        }
        self.granted.len() >= GRANTS_AT_ONCE
    }

    /// Counts what someone holds.
    pub(super) fn holds(
        &mut self,
        core: &Core,
        key: Key,
        kind: Kind,
        created: &'static Location<'static>,
        change: i32,
    ) {
        if change > 0 && self.held.len() >= self.sweep_held_at {
            self.held.retain(|(key, _), _| core.slots().find(*key).is_some());
            self.sweep_held_at = 64.max(self.held.len() * 2);
        }
        let name = (key, ptr::from_ref(created).addr());
        let held = self.held.entry(name).or_insert(Held { kind, created, count: 0 });
        held.count += change;
        if held.count == 0 {
            self.held.remove(&name);
        }
    }

    /// Takes out what somebody who ended holds.
    pub(super) fn take_held(&mut self, key: Key) -> Vec<Held> {
        let names: Vec<_> = self.held.keys().filter(|(holder, _)| *holder == key).copied().collect();
        names.iter().filter_map(|name| self.held.remove(name)).collect()
    }
}

#[inline]
fn place_of(ticket: NonZeroU64) -> usize {
    ticket.get() as usize & (MAX_RECORDS - 1)
}

/// Whether somebody holds what is waited for.
#[inline]
fn has_holder(kind: Kind) -> bool {
    matches!(kind, Kind::Lock | Kind::RLock | Kind::Read | Kind::Write | Kind::OnceCell)
}

/// Whether a grant that nobody takes notice of keeps something from others.
#[inline]
fn withholds(kind: Kind) -> bool {
    use Kind::{Get, Lock, Put, RLock, Read, Receive, Semaphore, Send, Write};
    matches!(kind, Lock | RLock | Read | Write | Semaphore | Send | Receive | Put | Get)
}
