//! Memory for stacks: many to one mapping, each with a guard below it.
//!
//! A guard is a mark in the page table (`MADV_GUARD_INSTALL`, of Linux since 6.13), which costs no mapping. Elsewhere it is
//! closed by `mprotect`, which makes three mappings of one, of which a process may have `vm.max_map_count`: 65,530.
//!
//! Rust's compilers have every frame touched page by page on its way down, however large it is (stack probes: on x86, x86-64,
//! AArch64, POWER, RISC-V, LoongArch, System Z), so none steps over a guard of one page. Libraries in other languages may be
//! compiled without: ours are wide enough for the buffers that are usual there.
//!
//! - **K1** A mapping is private, and its slab's alone until it is dropped.
//! - **K2** An area lies in its slab's mapping, which it keeps alive, and apart from all others: there is one for each index
//!   at a time.
//! - **K3** Memory that is closed or given back belongs to an area that the caller holds alone, or to none yet. Whoever runs on
//!   a stack owns its area.

#![expect(unsafe_code, reason = "that a stack has a guard is a promise to who switches to it")]

mod alternate;
mod mapping;
mod overflow;

pub(crate) use mapping::{Guards, fragments, max_mappings, page_size};
pub(crate) use overflow::Watch;

use crate::stack::Stack;
use corosensei::stack::{StackPointer, valgrind::ValgrindStackRegistration};
use mapping::Mapping;
use std::{
    cell::{Cell, RefCell},
    fmt, io,
    rc::Rc,
};

/// The least that a guard is wide, in bytes.
const MIN_GUARD: usize = 16 * 1024;

/// The width of a guard, in whole pages.
pub(crate) fn guard_bytes() -> usize {
    MIN_GUARD.next_multiple_of(page_size())
}

/// Memory for some stacks of one size.
pub(crate) struct Slab {
    /// Before the mapping goes: nobody is to look for stacks there, then.
    _listed: overflow::Listed,
    mapping: Mapping,
    guards: Guards,
    /// Bytes of one stack.
    size: usize,
    /// The same with its guard.
    stride: usize,
    count: u32,
    /// Areas below this index have been carved, with a guard.
    carved: Cell<u32>,
    /// Those of them that nobody has.
    idle: RefCell<Vec<u32>>,
    /// Tell valgrind that these are stacks, as long as they are ours.
    registrations: RefCell<Vec<ValgrindStackRegistration>>,
}

impl Slab {
    /// Reserves memory for so many stacks of `size` bytes, which are whole pages. None is taken.
    pub(crate) fn new(size: usize, count: u32, guards: Guards) -> io::Result<Rc<Self>> {
        let stride = size.checked_add(guard_bytes());
        let bytes = stride.and_then(|stride| stride.checked_mul(count as usize));
        // More than half of what can be addressed is nobody's.
        let (Some(stride), Some(bytes)) = (stride, bytes.filter(|&bytes| isize::try_from(bytes).is_ok()))
        else {
            return Err(io::Error::from_raw_os_error(libc::ENOMEM));
        };
        let mapping = Mapping::new(bytes)?;
        let listed = overflow::Listed::new(mapping.start(), mapping.bytes(), stride, guard_bytes());
        Ok(Rc::new(Self {
            _listed: listed,
            mapping,
            guards,
            size,
            stride,
            count,
            carved: Cell::new(0),
            idle: RefCell::default(),
            registrations: RefCell::default(),
        }))
    }

    /// One that has come back.
    pub(crate) fn take_idle(self: &Rc<Self>) -> Option<Area> {
        let index = self.idle.borrow_mut().pop()?;
        Some(self.area(index))
    }

    /// One that was never taken; `None` if all were.
    ///
    /// # Errors
    /// If the system refuses a guard.
    pub(crate) fn carve(self: &Rc<Self>) -> io::Result<Option<Area>> {
        let index = self.carved.get();
        if index == self.count {
            return Ok(None);
        }
        let offset = self.stride * index as usize;
        self.mapping.guard(offset, guard_bytes(), self.guards)?;
        self.carved.set(index + 1);
        let lowest = self.mapping.at(offset);
        self.registrations.borrow_mut().push(ValgrindStackRegistration::new(lowest, self.stride));
        Ok(Some(self.area(index)))
    }

    fn area(self: &Rc<Self>, index: u32) -> Area {
        let top = self.mapping.start() + self.stride * (index as usize + 1);
        Area { slab: Rc::clone(self), top, index, class: 0, uses: 0 }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// How many were ever taken.
    pub(crate) fn carved(&self) -> usize {
        self.carved.get() as usize
    }

    /// Whether nobody has any of it.
    pub(crate) fn is_unused(&self) -> bool {
        self.idle.borrow().len() == self.carved.get() as usize
    }
}

impl fmt::Debug for Slab {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slab")
            .field("count", &self.count)
            .field("stride", &self.stride)
            .field("carved", &self.carved.get())
            .finish_non_exhaustive()
    }
}

/// The memory of one stack, with its guard. Dropped, it is nobody's any more: to be had again it has to be put back.
#[derive(Debug)]
pub(crate) struct Area {
    slab: Rc<Slab>,
    /// The address above the highest byte.
    top: usize,
    index: u32,
    /// For the pool: of what class it is.
    pub(crate) class: u8,
    /// For the pool: how often it was used since it was last trimmed.
    pub(crate) uses: u8,
}

impl Area {
    /// The address above the highest byte: stacks grow downwards.
    #[inline]
    pub(crate) fn base(&self) -> StackPointer {
        StackPointer::new(self.top).expect("no mapping ends at the address 0")
    }

    /// The lowest address, which is the guard's.
    #[inline]
    pub(crate) fn limit(&self) -> StackPointer {
        StackPointer::new(self.top - self.slab.stride).expect("no mapping begins at the address 0")
    }

    /// Bytes above the guard.
    pub(crate) fn size(&self) -> usize {
        self.slab.size
    }

    pub(crate) fn slab(&self) -> &Rc<Slab> {
        &self.slab
    }

    /// Gives the system all that lies below the uppermost `keep` bytes, which are whole pages.
    pub(crate) fn trim(&mut self, keep: usize) {
        if let Some(below) = self.size().checked_sub(keep).filter(|&below| below > 0) {
            let lowest = self.top - self.size() - self.slab.mapping.start();
            self.slab.mapping.discard(lowest, below);
        }
    }

    /// Gives the system all of it, and its slab the place.
    pub(crate) fn put_back(mut self) {
        self.trim(0);
        self.slab.idle.borrow_mut().push(self.index);
    }
}

// SAFETY: K2; the addresses are those of the area that it owns, whole pages apart and never changed. There is a guard at the
// lower end, and above it the pool's least size, which is more than is asked for.
unsafe impl corosensei::stack::Stack for Stack {
    #[inline]
    fn base(&self) -> StackPointer {
        self.area().base()
    }

    #[inline]
    fn limit(&self) -> StackPointer {
        self.area().limit()
    }
}
