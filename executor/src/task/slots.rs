//! The slot table: from the integer in a waker to whoever lives there now.
//!
//! A waker is a [`Key`]: runtime, slot, generation. Nothing is counted or freed through it. Who leaves a slot
//! raises its generation, so that older keys fall silent; when the generations of a slot wrap, an old key can
//! cause a spurious wake, which the contract of `Future` allows.

#![expect(unsafe_code, reason = "a slot holds a task's pointer among integers")]

use super::raw::TaskRef;
use crate::{
    inbox::{CHUNKS, chunk_len, chunk_of},
    inspect,
    registry::INDEX_BITS,
};
use std::{
    cell::{Cell, OnceCell},
    ptr,
};

const SLOT_BITS: u32 = 24;
const GENERATION_BITS: u32 = 64 - INDEX_BITS - SLOT_BITS;
const GENERATION_MASK: u32 = (1 << GENERATION_BITS) - 1;
/// One less, as the topmost is [`NONE`].
const MAX_SLOTS: u32 = (1 << SLOT_BITS) - 1;

#[cfg(not(target_pointer_width = "64"))]
compile_error!("runtime-executor packs a waker into one 64-bit pointer: build it for a 64-bit target");

/// What a waker is: 12 bits runtime, 28 bits generation, 24 bits slot. The generations of tasks are even, those of
/// children odd, so that a key still tells of which kind it was when nobody lives there any more.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Key(u64);

impl Key {
    #[inline]
    fn new(runtime: u16, generation: u32, slot: u32) -> Self {
        debug_assert!(runtime < 1 << INDEX_BITS && generation <= GENERATION_MASK && slot < MAX_SLOTS);
        Self(u64::from(runtime) << (64 - INDEX_BITS) | u64::from(generation) << SLOT_BITS | u64::from(slot))
    }

    #[inline]
    pub(super) fn from_pointer(data: *const ()) -> Self {
        Self(data.addr() as u64)
    }

    #[inline]
    pub(super) fn to_pointer(self) -> *const () {
        ptr::without_provenance(self.0 as usize)
    }

    #[inline]
    pub(crate) fn runtime(self) -> u16 {
        (self.0 >> (64 - INDEX_BITS)) as u16
    }

    #[inline]
    pub(crate) fn slot(self) -> u32 {
        (self.0 & ((1 << SLOT_BITS) - 1)) as u32
    }

    #[inline]
    fn generation(self) -> u32 {
        (self.0 >> SLOT_BITS) as u32 & GENERATION_MASK
    }

    /// Whether it is or was that of a future in a group, not of a task.
    #[inline]
    pub(crate) fn is_child(self) -> bool {
        self.generation() & 1 != 0
    }

    /// The key in the words of its waker.
    #[inline]
    pub(crate) fn from_word(data: usize) -> Self {
        Self(data as u64)
    }
}

/// Who lives in a slot.
#[derive(Clone, Copy)]
pub(crate) enum Occupant {
    /// A task; the future that `block_on` drives is one of them.
    Task(TaskRef),
    /// Child number `index` of a group of futures that some task polls in place.
    Child {
        /// Index of the group in the core's table.
        group: u32,
        /// Which child.
        index: u32,
    },
    /// Nobody; the next vacant slot.
    Vacant {
        /// [`NONE`] at the end of the list.
        next: u32,
    },
}

const NONE: u32 = (1 << SLOT_BITS) - 1;

/// An [`Occupant`] in one word: a pointer to a task, or an integer marked by bits that the alignment of a task
/// keeps free.
#[derive(Clone, Copy)]
struct PackedOccupant(*const ());

const CHILD: usize = 1;
const VACANT: usize = 2;

impl PackedOccupant {
    #[inline]
    fn pack(occupant: Occupant) -> Self {
        Self(match occupant {
            Occupant::Task(task) => task.to_pointer(),
            Occupant::Child { group, index } => {
                debug_assert!(group < 1 << SLOT_BITS, "fewer groups than slots");
                ptr::without_provenance((group as usize) << 34 | (index as usize) << 2 | CHILD)
            }
            Occupant::Vacant { next } => ptr::without_provenance((next as usize) << 2 | VACANT),
        })
    }

    #[inline]
    fn unpack(self) -> Occupant {
        let bits = self.0.addr();
        match bits & 3 {
            // SAFETY: a slot is vacated before its task goes.
            0 => Occupant::Task(unsafe { TaskRef::from_pointer(self.0) }),
            CHILD => Occupant::Child { group: (bits >> 34) as u32, index: (bits >> 2) as u32 },
            _ => Occupant::Vacant { next: (bits >> 2) as u32 },
        }
    }
}

struct Slot {
    occupant: Cell<PackedOccupant>,
    generation: Cell<u32>,
    /// Waker clones made minus wakers dropped on this thread, over all users of the slot: with the foreign half
    /// it tells whether anybody could still wake it. Reports need it; memory never depends on it.
    clones: Cell<i32>,
    /// The same for every [`Waiter`](super::waker::Waiter) that keeps the key without a waker.
    waiters: Cell<i32>,
    /// The low bits of the key of the task that spawned the one in here: its slot; or [`NONE`].
    parent: Cell<u32>,
}

const _: () = assert!(size_of::<Slot>() <= 24, "a task's slot grew");

/// Who might wake a slot: what is out of its key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Out {
    /// Clones of its wakers.
    pub(crate) clones: i32,
    /// Waits of ours that end by waking it.
    pub(crate) waiters: i32,
}

impl Out {
    #[inline]
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            clones: self.clones.wrapping_add(other.clones),
            waiters: self.waiters.wrapping_add(other.waiters),
        }
    }
}

/// All slots of one runtime. They never move, so a wake that runs during any callback is safe.
pub(crate) struct Slots {
    runtime: u16,
    chunks: [OnceCell<Box<[Slot]>>; CHUNKS],
    vacant: Cell<u32>,
    used: Cell<u32>,
}

impl Slots {
    pub(crate) fn new(runtime: u16) -> Self {
        let chunks = [const { OnceCell::new() }; CHUNKS];
        Self { runtime, chunks, vacant: Cell::new(NONE), used: Cell::new(0) }
    }

    #[inline]
    fn get(&self, slot: u32) -> Option<&Slot> {
        let (chunk, offset) = chunk_of(slot);
        self.chunks[chunk].get().map(|slots| &slots[offset])
    }

    /// Moves `occupant` in; its wakers carry the key. `parent` is the key of the task that spawned it.
    ///
    /// # Panics
    /// If 16.7 million tasks and children live already.
    #[inline(always)] // the occupant is known where it is called, so packing it costs nothing
    pub(crate) fn insert(&self, occupant: Occupant, parent: Option<Key>) -> Key {
        if self.vacant.get() == NONE {
            self.grow();
        }
        let number = self.vacant.get();
        let slot = self.get(number).expect("a listed slot exists");
        if let Occupant::Vacant { next } = slot.occupant.replace(PackedOccupant::pack(occupant)).unpack() {
            self.vacant.set(next);
        }
        let generation = match occupant {
            Occupant::Child { .. } => slot.generation.get() | 1,
            _ => (slot.generation.get() + 1) & !1 & GENERATION_MASK,
        };
        slot.generation.set(generation);
        if inspect::IS_KEPT {
            slot.parent.set(parent.map_or(NONE, |parent| parent.0 as u32));
        }
        Key::new(self.runtime, generation, number)
    }

    /// Lists a slot that was never used before.
    #[cold]
    fn grow(&self) {
        let number = self.used.get();
        assert!(
            number < MAX_SLOTS,
            "{MAX_SLOTS} tasks live in this runtime: wait for some before spawning more"
        );
        self.used.set(number + 1);
        let (chunk, _) = chunk_of(number);
        let vacant = || Slot {
            occupant: Cell::new(PackedOccupant::pack(Occupant::Vacant { next: NONE })),
            generation: Cell::new(0),
            clones: Cell::new(0),
            waiters: Cell::new(0),
            parent: Cell::new(NONE),
        };
        self.chunks[chunk].get_or_init(|| (0..chunk_len(chunk)).map(|_| vacant()).collect());
        self.vacant.set(number);
    }

    /// Changes who lives behind a key: its wakers now mean the new one.
    #[inline]
    pub(crate) fn move_in(&self, key: Key, occupant: Occupant) {
        self.get(key.slot()).expect("a key's slot exists").occupant.set(PackedOccupant::pack(occupant));
    }

    /// The occupant moves out: its wakers fall silent.
    #[inline]
    pub(crate) fn vacate(&self, key: Key) {
        let slot = self.get(key.slot()).expect("a key's slot exists");
        debug_assert_eq!(slot.generation.get(), key.generation(), "who left already cannot leave");
        slot.generation.set((key.generation() + 1) & GENERATION_MASK);
        slot.occupant.set(PackedOccupant::pack(Occupant::Vacant { next: self.vacant.get() }));
        self.vacant.set(key.slot());
    }

    /// Who the key means, if it lives there still.
    #[inline]
    pub(crate) fn find(&self, key: Key) -> Option<Occupant> {
        let slot = self.get(key.slot())?;
        (slot.generation.get() == key.generation()).then(|| slot.occupant.get().unpack())
    }

    /// Who lives in the slot, whatever the generation: foreign wakes carry slots only.
    pub(crate) fn occupant(&self, slot: u32) -> Occupant {
        self.get(slot).map_or(Occupant::Vacant { next: NONE }, |slot| slot.occupant.get().unpack())
    }

    /// False: there is no such slot yet, the waker is one of a former runtime. Then it must be counted in the
    /// block that outlives runtimes, or a clone made now and dropped later would leave the count one too low.
    #[inline]
    pub(crate) fn count_clones(&self, slot: u32, change: i32) -> bool {
        let slot = self.get(slot);
        if let Some(slot) = slot {
            slot.clones.set(slot.clones.get().wrapping_add(change));
        }
        slot.is_some()
    }

    /// The same for waiters.
    #[inline]
    pub(crate) fn count_waiters(&self, slot: u32, change: i32) -> bool {
        let slot = self.get(slot);
        if let Some(slot) = slot {
            slot.waiters.set(slot.waiters.get().wrapping_add(change));
        }
        slot.is_some()
    }

    /// Counts one waiter less, and gives who the key means; `None`: as for `false` above.
    #[inline]
    pub(crate) fn end_wait(&self, key: Key) -> Option<Option<Occupant>> {
        let slot = self.get(key.slot())?;
        slot.waiters.set(slot.waiters.get().wrapping_sub(1));
        Some((slot.generation.get() == key.generation()).then(|| slot.occupant.get().unpack()))
    }

    /// What was counted on this thread.
    pub(crate) fn out(&self, slot: u32) -> Out {
        let out = |slot: &Slot| Out { clones: slot.clones.get(), waiters: slot.waiters.get() };
        self.get(slot).map(out).unwrap_or_default()
    }

    /// Every slot with something out, and what was counted on this thread.
    pub(crate) fn counted(&self) -> impl Iterator<Item = (u32, Out)> + '_ {
        (0..self.used.get()).map(|slot| (slot, self.out(slot))).filter(|(_, out)| *out != Out::default())
    }

    /// The task that spawned `task`, if it is alive.
    pub(crate) fn parent(&self, task: TaskRef) -> Option<TaskRef> {
        let parent = Key(self.get(task.key().slot())?.parent.get().into());
        let parent = self.get(parent.slot())?;
        match parent.occupant.get().unpack() {
            // Whoever moved in after the parent is younger than its children.
            Occupant::Task(parent) if parent.id() < task.id() => Some(parent),
            _ => None,
        }
    }

    /// All slots that were ever in use.
    pub(crate) fn numbers(&self) -> std::ops::Range<u32> {
        0..self.used.get()
    }

    /// Every future in a group that has a slot now, and its group.
    pub(crate) fn children(&self) -> impl Iterator<Item = (Key, u32)> + '_ {
        (0..self.used.get()).filter_map(|number| {
            let slot = self.get(number)?;
            match slot.occupant.get().unpack() {
                Occupant::Child { group, .. } => {
                    Some((Key::new(self.runtime, slot.generation.get(), number), group))
                }
                _ => None,
            }
        })
    }

    /// Every task alive now, in no order of meaning.
    pub(crate) fn tasks(&self) -> impl Iterator<Item = TaskRef> + '_ {
        (0..self.used.get()).filter_map(|slot| match self.occupant(slot) {
            Occupant::Task(task) => Some(task),
            _ => None,
        })
    }
}
