//! A cache of task blocks by size, as spawning and finishing is a steady stream of the same few sizes.
//!
//! B1. A cached block of class `n` was allocated with `class_layout(n)`, belongs to nobody, and its first word
//!     links to the next one.

#![expect(unsafe_code, reason = "hands out raw memory")]

use std::{
    alloc::{Layout, alloc, dealloc, handle_alloc_error},
    cell::Cell,
    ptr::{self, NonNull},
};

/// Sizes are rounded up to this; also the alignment of a cached block (what malloc gives anyway).
const GRAIN: usize = 16;
/// Larger blocks go to the allocator: copying such a future dwarfs its malloc.
const MAX_CACHED_SIZE: usize = 1024;
/// What a cache may keep back from the rest of the program: a hundred thousand tasks that came and went.
const MAX_CACHED_BYTES: usize = 16 << 20;
const CLASSES: usize = MAX_CACHED_SIZE / GRAIN + 1;

/// Blocks of one runtime that wait for the next task of their size.
pub(crate) struct Blocks {
    heads: [Cell<*mut u8>; CLASSES],
    bytes: Cell<usize>,
}

impl Blocks {
    pub(crate) fn new() -> Self {
        Self { heads: [const { Cell::new(ptr::null_mut()) }; CLASSES], bytes: Cell::new(0) }
    }
}

impl Drop for Blocks {
    fn drop(&mut self) {
        for (class, head) in self.heads.iter().enumerate() {
            while let Some(block) = NonNull::new(head.get()) {
                // SAFETY: a cached block's first word links to the next (B1).
                head.set(unsafe { block.cast::<*mut u8>().read() });
                // SAFETY: taken out of the cache, so it is nobody's (B1).
                unsafe { free_now(block, class_layout(class)) };
            }
        }
    }
}

/// How a kind of block is allocated: through the cache, or not.
#[derive(Clone, Copy)]
pub(crate) enum Size {
    /// In blocks of this many grains.
    Class(usize),
    /// As it is.
    Exact(Layout),
}

impl Size {
    /// For a block of this type, which must not be of size zero.
    pub(crate) const fn of<T>() -> Self {
        let layout = Layout::new::<T>();
        if layout.size() <= MAX_CACHED_SIZE && layout.align() <= GRAIN {
            Self::Class(layout.size().div_ceil(GRAIN))
        } else {
            Self::Exact(layout)
        }
    }

    /// How much memory.
    #[cfg(feature = "tracing")]
    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::Class(class) => class * GRAIN,
            Self::Exact(layout) => layout.size(),
        }
    }
}

#[inline]
fn class_layout(class: usize) -> Layout {
    Layout::from_size_align(class * GRAIN, GRAIN).expect("a small size, a power of two")
}

#[inline]
pub(crate) fn allocate(blocks: &Blocks, size: Size) -> NonNull<u8> {
    let class = match size {
        Size::Class(class) => class,
        Size::Exact(layout) => return allocate_new(layout),
    };
    let head = &blocks.heads[class];
    let Some(block) = NonNull::new(head.get()) else { return allocate_new(class_layout(class)) };
    // SAFETY: a cached block's first word links to the next (B1).
    head.set(unsafe { block.cast::<*mut u8>().read() });
    blocks.bytes.set(blocks.bytes.get() - class * GRAIN);
    block
}

fn allocate_new(layout: Layout) -> NonNull<u8> {
    debug_assert_ne!(layout.size(), 0, "a block has a header");
    // SAFETY: the size is not zero.
    let block = unsafe { alloc(layout) };
    NonNull::new(block).unwrap_or_else(|| handle_alloc_error(layout))
}

/// Takes a block back, into the cache if there is one.
///
/// # Safety
/// [`allocate`] gave it for this size, and nobody uses it any more.
#[inline]
pub(crate) unsafe fn free(blocks: Option<&Blocks>, block: NonNull<u8>, size: Size) {
    let class = match size {
        Size::Class(class) => class,
        // SAFETY: our caller's.
        Size::Exact(layout) => return unsafe { free_now(block, layout) },
    };
    match blocks {
        Some(blocks) if blocks.bytes.get() < MAX_CACHED_BYTES => {
            let head = &blocks.heads[class];
            // SAFETY: the block is ours, aligned to 16, and no smaller than one word (a header is larger).
            unsafe { block.cast::<*mut u8>().write(head.get()) };
            head.set(block.as_ptr());
            blocks.bytes.set(blocks.bytes.get() + class * GRAIN);
        }
        // SAFETY: our caller's; blocks of a class have its layout.
        _ => unsafe { free_now(block, class_layout(class)) },
    }
}

/// # Safety
/// The block was allocated with this layout, and nobody uses it any more.
unsafe fn free_now(block: NonNull<u8>, layout: Layout) {
    // SAFETY: our caller's.
    unsafe { dealloc(block.as_ptr(), layout) };
}
