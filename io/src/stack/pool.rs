//! The stacks of one runtime: taken, given back, taken again while they are warm.
//!
//! ```text
//!            carve                  take                 drop, and few are warm
//! (slab) ─────────────> taken <────────────── warm <─────────────┐
//!    ^                    │  ^                                   │
//!    │ none of it taken   │  └────────────── idle                │
//!    └────────── idle <───┴──────── drop, and many are warm      │
//!                         └──────────────────────────────────────┘
//! ```
//!
//! A warm stack keeps its memory, which is what makes it quick: to take a page from the system costs as much as a hundred
//! switches. But whoever has been deep must not keep that for ever, and how deep it was nobody knows. So each stack is trimmed
//! at every sixteenth time that it comes back, which costs a system call. An idle one has no memory.

use super::{DEFAULT_SIZE, MIN_SIZE, error::StackError};
use crate::sys::stack::{Area, Guards, Slab, Watch, guard_bytes, page_size};
use std::{
    cell::{Cell, OnceCell, RefCell},
    io,
    rc::Rc,
};

/// After how many uses a stack is trimmed.
const USES: u8 = 16;
/// What is left to a stack that is trimmed, in bytes.
const TRIMMED: usize = 16 * 1024;
/// How many stacks the first slab has: it takes no memory, but addresses.
const FIRST_SLAB: u32 = 16;
/// How many a slab has at most: so many are given back at once.
const LARGEST_SLAB: u32 = 256;
/// How many bytes of addresses a slab takes at most, unless one stack takes more.
const SLAB_BYTES: usize = 32 * 1024 * 1024;

/// What a [`StackPool`] is to be like.
#[derive(Clone, Debug)]
pub struct Options {
    /// Bytes of a stack for whoever does not say; [`DEFAULT_SIZE`].
    pub size: usize,
    /// The most stacks that are taken at one time; as many as the system gives.
    pub limit: usize,
    /// How many stacks keep their memory when nobody has them; 1,024.
    pub kept: usize,
    /// Guards are mappings even if the system could do without, as on Linux before 6.13; for tests.
    pub guards_are_mappings: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { size: DEFAULT_SIZE, limit: usize::MAX, kept: 1_024, guards_are_mappings: false }
    }
}

/// Stacks for one thread, recycled. A clone is the same pool.
///
/// ```
/// use runtime_io::stack::{Options, StackPool};
///
/// let pool = StackPool::new(Options { limit: 1, ..Options::default() });
/// let stack = pool.take()?;
/// assert_eq!(stack.size(), 64 * 1024);
/// assert_eq!(pool.take().unwrap_err().to_string(), "all 1 stacks that `max_greenlets` allows are taken");
///
/// let base = stack.base();
/// drop(stack);
/// assert_eq!(pool.take()?.base(), base);
/// # Ok::<(), runtime_io::stack::StackError>(())
/// ```
#[derive(Clone, Debug)]
pub struct StackPool {
    shared: Rc<Shared>,
}

#[derive(Debug)]
struct Shared {
    options: Options,
    /// By size; those of the usual size come first.
    classes: RefCell<Vec<Class>>,
    live: Cell<usize>,
    warm: Cell<usize>,
    /// Since the first stack was taken.
    watch: OnceCell<Watch>,
}

/// Stacks of one size.
#[derive(Debug)]
struct Class {
    size: usize,
    guards: Guards,
    /// The newest is the last, and the only one that may have stacks which were never taken.
    slabs: Vec<Rc<Slab>>,
    warm: Vec<Area>,
    /// How many idle ones there are in all slabs.
    idle: usize,
}

impl StackPool {
    /// A pool without stacks. On the first `take` the process gets its handler of overflows.
    pub fn new(options: Options) -> Self {
        let usual = Class::new(round(options.size), options.guards());
        let shared = Shared {
            options,
            classes: RefCell::new(vec![usual]),
            live: Cell::new(0),
            warm: Cell::new(0),
            watch: OnceCell::new(),
        };
        Self { shared: Rc::new(shared) }
    }

    /// A stack of the usual size. It comes back when it is dropped.
    ///
    /// # Errors
    /// If as many as were allowed are taken, or the system refuses one more; the error names the remedy.
    #[inline]
    pub fn take(&self) -> Result<Stack, StackError> {
        self.take_of_class(0)
    }

    /// A stack of at least so many bytes.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    pub fn take_sized(&self, size: usize) -> Result<Stack, StackError> {
        let class = self.shared.class_for(size);
        self.take_of_class(class)
    }

    #[inline]
    fn take_of_class(&self, index: usize) -> Result<Stack, StackError> {
        let shared = &self.shared;
        let live = shared.live.get();
        if live >= shared.options.limit {
            return Err(StackError::limit(shared.options.limit));
        }
        let warm = shared.classes.borrow_mut()[index].warm.pop();
        let area = match warm {
            Some(area) => {
                shared.warm.set(shared.warm.get() - 1);
                area
            }
            None => shared.take_cold(index)?,
        };
        shared.live.set(live + 1);
        Ok(Stack { area: Some(area), shared: Rc::clone(shared) })
    }

    /// How many stacks are taken.
    pub fn live(&self) -> usize {
        self.shared.live.get()
    }

    /// How many stacks nobody has that have kept their memory.
    pub fn free(&self) -> usize {
        self.shared.warm.get()
    }
}

impl Options {
    fn guards(&self) -> Guards {
        if self.guards_are_mappings { Guards::Mappings } else { Guards::best() }
    }
}

/// Whole pages, and not too few.
fn round(size: usize) -> usize {
    let size = size.max(MIN_SIZE);
    // What is too large to be rounded up is too large to be had.
    size.checked_next_multiple_of(page_size()).unwrap_or(size / page_size() * page_size())
}

impl Shared {
    /// The class for stacks of at least so many bytes. But for the usual one they are powers of two, so there are at most 65.
    fn class_for(&self, size: usize) -> usize {
        let mut classes = self.classes.borrow_mut();
        if round(size) == classes[0].size {
            return 0;
        }
        let size = round(size.checked_next_power_of_two().unwrap_or(1 << (usize::BITS - 1)));
        let found = classes.iter().position(|class| class.size == size);
        found.unwrap_or_else(|| {
            classes.push(Class::new(size, self.options.guards()));
            classes.len() - 1
        })
    }

    #[cold]
    fn take_cold(&self, index: usize) -> Result<Area, StackError> {
        let mut classes = self.classes.borrow_mut();
        let size = classes[index].size;
        let watch = if self.watch.get().is_some() { Ok(()) } else { self.watch() };
        let mut area = watch.and_then(|()| classes[index].take_cold()).map_err(|error| {
            StackError::refused(error, size.saturating_add(guard_bytes()), self.live.get())
        })?;
        area.class = index as u8;
        Ok(area)
    }

    fn watch(&self) -> io::Result<()> {
        let _ = self.watch.set(Watch::this_thread()?);
        Ok(())
    }

    /// Takes a stack back that nobody runs on.
    fn give(&self, mut area: Area) {
        self.live.set(self.live.get() - 1);
        let mut classes = self.classes.borrow_mut();
        let class = &mut classes[usize::from(area.class)];
        if self.warm.get() < self.options.kept {
            area.uses += 1;
            if area.uses == USES {
                area.uses = 0;
                area.trim(TRIMMED);
            }
            self.warm.set(self.warm.get() + 1);
            class.warm.push(area);
        } else {
            class.put_back(area);
        }
    }
}

impl Class {
    fn new(size: usize, guards: Guards) -> Self {
        Self { size, guards, slabs: Vec::new(), warm: Vec::new(), idle: 0 }
    }

    fn take_cold(&mut self) -> io::Result<Area> {
        if self.idle > 0 {
            self.idle -= 1;
            // Of the oldest slab, so that the others may end.
            return Ok(self.slabs.iter().find_map(Slab::take_idle).expect("idle stacks are counted"));
        }
        if let Some(area) = self.slabs.last().map_or(Ok(None), |newest| newest.carve())? {
            return Ok(area);
        }
        let slab = self.map()?;
        let area = slab.carve()?;
        self.slabs.push(slab);
        Ok(area.expect("a slab has at least one"))
    }

    /// A slab as large as all that there are; smaller if the system has not as much.
    fn map(&self) -> io::Result<Rc<Slab>> {
        let stacks: u32 = self.slabs.iter().map(|slab| slab.count()).sum();
        let fitting = SLAB_BYTES / (self.size.saturating_add(guard_bytes()));
        let fitting = u32::try_from(fitting).unwrap_or(u32::MAX).max(1);
        let mut count = stacks.clamp(FIRST_SLAB, LARGEST_SLAB).min(fitting);
        loop {
            match Slab::new(self.size, count, self.guards) {
                Err(_) if count > 1 => count /= 2,
                result => return result,
            }
        }
    }

    fn put_back(&mut self, area: Area) {
        let slab = Rc::clone(area.slab());
        area.put_back();
        self.idle += 1;
        // One is kept for who comes next.
        if slab.is_unused() && self.slabs.iter().filter(|slab| slab.is_unused()).count() > 1 {
            self.idle -= slab.carved();
            self.slabs.retain(|other| !Rc::ptr_eq(other, &slab));
        }
    }
}

/// A stack that nobody else has, until it is dropped. Whoever runs on it keeps it.
#[derive(Debug)]
pub struct Stack {
    /// `None` only while it is dropped.
    area: Option<Area>,
    shared: Rc<Shared>,
}

impl Stack {
    #[inline]
    pub(crate) fn area(&self) -> &Area {
        self.area.as_ref().expect("taken only by drop")
    }

    /// The address above the highest byte: stacks grow downwards.
    #[inline]
    pub fn base(&self) -> usize {
        self.area().base().get()
    }

    /// The lowest address, which is the guard's.
    #[inline]
    pub fn limit(&self) -> usize {
        self.area().limit().get()
    }

    /// Bytes above the guard.
    pub fn size(&self) -> usize {
        self.area().size()
    }
}

impl Drop for Stack {
    #[inline]
    fn drop(&mut self) {
        if let Some(area) = self.area.take() {
            self.shared.give(area);
        }
    }
}
