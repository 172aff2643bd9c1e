//! What is known of the waits of one runtime's tasks: the boards of the queues they wait in, and the few waits that have
//! none.

use super::Report;
use crate::{
    core::Core,
    registry::{INDEX_BITS, RuntimeId},
    task::{TaskInfo, slots::Key, waker},
};
use runtime_sync::{Board, Kind, Wait, Waiting};
use slab::Slab;
use std::{
    collections::{HashMap, VecDeque},
    mem,
    num::NonZeroU64,
    panic::Location,
    ptr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::Waker,
};

pub(super) const RUNTIME_SHIFT: u32 = 64 - INDEX_BITS;
const PLACE_BITS: u32 = 24;
/// Waits without a queue, at one time, that are observed; more are not worth a larger number.
const MAX_ALONE: usize = 1 << PLACE_BITS;
const SERIAL_MASK: u64 = (1 << (RUNTIME_SHIFT - PLACE_BITS)) - 1;

/// Ended tasks that are remembered by name, so that a report which comes a little later can say it.
const MAX_ENDED: usize = 64;

/// A wait where only one can wait. Its number is runtime, serial number and place, so that one that comes late finds
/// nothing, also if the place, or the runtime's index, is in use again: serial numbers begin somewhere else in each
/// runtime.
pub(super) struct Alone {
    pub(super) key: Key,
    pub(super) wait: Wait,
    pub(super) is_shared: bool,
    serial: u32,
}

/// What someone holds that must be let go.
pub(super) struct Held {
    pub(super) kind: Kind,
    pub(super) created: &'static Location<'static>,
    pub(super) count: i32,
}

/// Boards, with those thrown out from time to time whose queues are gone.
pub(super) struct Boards {
    boards: Vec<Arc<Board>>,
    /// Size at which those are looked for.
    sweep_at: usize,
}

/// The boards of all queues that any thread may use.
static SHARED: Mutex<Boards> = Mutex::new(Boards::new());

/// Whether there ever was one, so that a program without them need not ask for the lock.
static HAS_SHARED: AtomicBool = AtomicBool::new(false);

fn shared() -> MutexGuard<'static, Boards> {
    SHARED.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn has_shared() -> bool {
    HAS_SHARED.load(Ordering::Relaxed)
}

pub(super) fn enlist_shared(board: &Arc<Board>) {
    shared().push(board);
    HAS_SHARED.store(true, Ordering::Relaxed);
}

impl Boards {
    const fn new() -> Self {
        Self { boards: Vec::new(), sweep_at: 32 }
    }

    pub(super) fn push(&mut self, board: &Arc<Board>) {
        if self.boards.len() >= self.sweep_at {
            self.boards.retain(|board| !Board::is_deserted(board));
            self.sweep_at = 32.max(self.boards.len() * 2);
        }
        self.boards.push(board.clone());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.boards.is_empty()
    }

    fn iter(&self) -> impl Iterator<Item = &Arc<Board>> {
        self.boards.iter().filter(|board| !Board::is_deserted(board))
    }
}

pub(super) struct Books {
    runtime: u64,
    next_serial: u64,
    pub(super) alone: Slab<Alone>,
    pub(super) boards: Boards,
    /// Waits that have been proved hopeless, until their tasks are told in their next poll.
    pub(super) hopeless: Vec<(Arc<Board>, u32)>,
    /// By who holds it, and the address of its creation site.
    held: HashMap<(Key, usize), Held>,
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
            alone: Slab::new(),
            boards: Boards::new(),
            hopeless: Vec::new(),
            held: HashMap::new(),
            sweep_held_at: 64,
            ended: VecDeque::new(),
            reports: Vec::new(),
        }
    }

    /// Whether it matters who ends.
    #[inline]
    pub(super) fn watches_ends(&self) -> bool {
        !(self.boards.is_empty() && self.held.is_empty())
    }

    /// Enters a wait that has no queue. Its number.
    #[inline]
    pub(super) fn begin(
        &mut self,
        core: &Core,
        waker: &Waker,
        wait: &Wait,
        is_shared: bool,
    ) -> Option<NonZeroU64> {
        // With a foreign waker, as of an executor inside a task, it is whoever runs.
        let key = match waker::key_of(waker) {
            Some(key) => core.is_home_of(key).then_some(key)?,
            None => core.running_key()?,
        };
        let place = self.alone.vacant_key();
        if place >= MAX_ALONE {
            return None;
        }
        self.next_serial += 1;
        let serial = (self.next_serial & SERIAL_MASK).max(1);
        self.alone.insert(Alone { key, wait: *wait, is_shared, serial: serial as u32 });
        NonZeroU64::new(self.runtime | serial << PLACE_BITS | place as u64)
    }

    /// Takes it out.
    #[inline]
    pub(super) fn end(&mut self, number: NonZeroU64) {
        let place = number.get() as usize & (MAX_ALONE - 1);
        let serial = (number.get() >> PLACE_BITS & SERIAL_MASK) as u32;
        if self.alone.get(place).is_some_and(|alone| alone.serial == serial) {
            self.alone.remove(place);
        }
    }

    /// Calls `f` with each board that this runtime's tasks may wait at.
    pub(super) fn each_board(&self, f: &mut dyn FnMut(&Arc<Board>)) {
        self.boards.iter().for_each(&mut *f);
        shared().iter().for_each(f);
    }

    /// Calls `f` with each wait in a queue of this runtime's tasks.
    pub(super) fn each_waiting(&self, core: &Core, f: &mut dyn FnMut(&Arc<Board>, Key, &Waiting)) {
        self.each_board(&mut |board| {
            for waiting in board.waiting() {
                let key = waiting.key.map(Key::from_word).filter(|key| core.is_home_of(*key));
                if let Some(key) = key {
                    f(board, key, &waiting);
                }
            }
        });
    }

    /// Remembers the name of a task that has ended.
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

    /// Takes out what somebody who ended holds, in order of the lines that created it.
    pub(super) fn take_held(&mut self, key: Key) -> Vec<Held> {
        if self.held.is_empty() {
            return Vec::new();
        }
        let (taken, kept) =
            mem::take(&mut self.held).into_iter().partition(|((holder, _), _)| *holder == key);
        self.held = kept;
        let taken: HashMap<_, _> = taken;
        let mut taken: Vec<Held> = taken.into_values().collect();
        taken.sort_by_key(|held| (held.created.file(), held.created.line(), held.created.column()));
        taken
    }
}

impl Drop for Books {
    fn drop(&mut self) {
        let runtime = (self.runtime >> RUNTIME_SHIFT) as usize;
        self.each_board(&mut |board| board.disown(runtime));
    }
}
