//! The memory of a scope's child: one block with a header, then the future, later its output in the same place.
//!
//! A box for the future and a cell for the output would do without `unsafe`, at twice the price: a scope of 10,000
//! children is mostly allocation. A task's block (`task/raw.rs`) will not do, as tasks are `'static`: the loop drives
//! them whatever becomes of their parent. A scope's child is polled by its scope and by nobody else.
//!
//! G1. A block begins with its `Header` (`repr(C)`), and every pointer here has the provenance of the whole block.
//! G2. It is freed when neither a `Child` (OWNED) nor a `ScopedHandle` (HANDLE) points to it; each clears its bit once.
//! G3. FUTURE set: the body holds the future, pinned, as the block never moves. OUTPUT set: the body holds the output.
//!     Never both. Only the `Child` touches the body while FUTURE is set.
//! G4. A `Child<'env>` is made from a future that lives for `'env`, and cannot be used longer. A handle never touches the
//!     future, and the type of the output is its own. So nothing is reached after what it borrows, and a scope that is
//!     forgotten only leaks: nobody else polls or drops its children.
//! G5. Nothing here is `Send`: a block stays on the thread that made it.

#![expect(unsafe_code, reason = "a child's future and output share one hand-made block")]

use crate::{
    core::Core,
    current,
    task::{blocks, slots::Key, waker::Waiter},
};
use std::{
    any::Any,
    cell::{Cell, UnsafeCell},
    fmt,
    marker::PhantomData,
    mem::ManuallyDrop,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    ptr::NonNull,
    task::{Context, Poll},
};

/// The body holds the future.
const FUTURE: u8 = 1;
/// The body holds the output.
const OUTPUT: u8 = 2;
/// A `Child` exists.
const OWNED: u8 = 4;
/// A `ScopedHandle` exists.
const HANDLE: u8 = 8;
/// Somebody awaits the handle: there may be a waiter.
const AWAITED: u8 = 16;

struct Header {
    vtable: &'static VTable,
    /// Its slot, once it has had to wait.
    key: Cell<Option<Key>>,
    /// Who awaits the handle.
    waiter: Cell<Option<Waiter>>,
    state: Cell<u8>,
}

#[repr(C)]
struct ChildCell<F: Future> {
    header: Header,
    body: UnsafeCell<Body<F>>,
}

/// Both at offset 0 (`repr(C)`).
#[repr(C)]
union Body<F: Future> {
    future: ManuallyDrop<F>,
    output: ManuallyDrop<F::Output>,
}

/// The operations that know the types.
struct VTable {
    size: blocks::Size,
    /// Polls; ready: the output has taken the future's place. Needs FUTURE.
    poll: unsafe fn(Block, &mut Context<'_>) -> Poll<()>,
    /// Drops the future. Needs FUTURE to have been set.
    drop_future: unsafe fn(Block),
    /// Where the output is.
    output: unsafe fn(Block) -> *mut (),
    /// Drops the output. Needs OUTPUT to have been set.
    drop_output: unsafe fn(Block),
}

#[derive(Clone, Copy)]
struct Block(NonNull<Header>);

impl<F: Future> ChildCell<F> {
    const SIZE: blocks::Size = blocks::Size::of::<Self>();

    const VTABLE: &'static VTable = &VTable {
        size: Self::SIZE,
        poll: Self::poll,
        drop_future: Self::drop_future,
        output: Self::output,
        drop_output: Self::drop_output,
    };

    /// Where the future is while FUTURE is set, and the output while OUTPUT is.
    ///
    /// # Safety
    /// `block` must be of this type.
    #[inline]
    unsafe fn body(block: Block) -> *mut Body<F> {
        let cell = block.0.cast::<Self>().as_ptr();
        // SAFETY: in bounds of the block (G1).
        let body = unsafe { &raw const (*cell).body };
        UnsafeCell::raw_get(body)
    }

    unsafe fn poll(block: Block, context: &mut Context<'_>) -> Poll<()> {
        // SAFETY: our caller vouches for the type.
        let body = unsafe { Self::body(block) };
        // SAFETY: FUTURE is set and nobody else looks (G3).
        let future = unsafe { &mut *body.cast::<F>() };
        // SAFETY: the block does not move, and the future is dropped in place (G3).
        let future = unsafe { Pin::new_unchecked(future) };
        let Poll::Ready(output) = future.poll(context) else { return Poll::Pending };
        block.clear(FUTURE);
        let output = PutBack { block, body, output: ManuallyDrop::new(output) };
        // SAFETY: clearing FUTURE has passed the future to us, and this ends its use.
        unsafe { body.cast::<F>().drop_in_place() };
        drop(output);
        Poll::Ready(())
    }

    unsafe fn drop_future(block: Block) {
        // SAFETY: our caller vouches for the type.
        let body = unsafe { Self::body(block) };
        // SAFETY: the body held the future and our caller gave it up.
        unsafe { body.cast::<F>().drop_in_place() };
    }

    unsafe fn output(block: Block) -> *mut () {
        // SAFETY: our caller vouches for the type.
        unsafe { Self::body(block) }.cast()
    }

    unsafe fn drop_output(block: Block) {
        // SAFETY: our caller vouches for the type.
        let body = unsafe { Self::body(block) };
        // SAFETY: the body held the output and our caller gave it up.
        unsafe { body.cast::<F::Output>().drop_in_place() };
    }
}

/// Puts the output where the future was, also when the drop of the future panics.
struct PutBack<F: Future> {
    block: Block,
    body: *mut Body<F>,
    output: ManuallyDrop<F::Output>,
}

impl<F: Future> Drop for PutBack<F> {
    fn drop(&mut self) {
        // SAFETY: this is the drop, so it is taken once.
        let output = unsafe { ManuallyDrop::take(&mut self.output) };
        // SAFETY: the future is gone, nobody else looks.
        unsafe { self.body.cast::<F::Output>().write(output) };
        self.block.set(OUTPUT);
    }
}

impl Block {
    #[inline]
    fn header(&self) -> &Header {
        // SAFETY: whoever has a block holds one of its claims (G2); a header has no `&mut` anywhere.
        unsafe { self.0.as_ref() }
    }

    #[inline]
    fn has(self, bits: u8) -> bool {
        self.header().state.get() & bits != 0
    }

    #[inline]
    fn set(self, bits: u8) {
        let state = &self.header().state;
        state.set(state.get() | bits);
    }

    #[inline]
    fn clear(self, bits: u8) {
        let state = &self.header().state;
        state.set(state.get() & !bits);
    }

    /// Drops the output, if it is there.
    #[inline]
    fn drop_output(self) {
        if self.has(OUTPUT) {
            self.clear(OUTPUT);
            // SAFETY: OUTPUT was set, and clearing it gave the output up.
            unsafe { (self.header().vtable.drop_output)(self) };
        }
    }

    /// Gives a claim up; frees the block with the last one.
    #[inline]
    fn release(self, claim: u8) {
        self.clear(claim);
        if !self.has(OWNED | HANDLE) {
            let size = self.header().vtable.size;
            current::with_or_none(|core| {
                // SAFETY: allocated with this size by `Child::new`; nobody points to it any more (G2).
                unsafe { blocks::free(core.map(Core::blocks), self.0.cast(), size) };
            });
        }
    }

    /// Who awaits the handle, from now on nobody.
    #[inline]
    fn take_waiter(self) -> Option<Waiter> {
        if !self.has(AWAITED) {
            return None;
        }
        self.clear(AWAITED);
        self.header().waiter.take()
    }
}

/// What became of a child's turn.
pub(super) enum Turn {
    Waits,
    Done,
    Panicked(Box<dyn Any + Send>),
}

/// A scope's claim on a child: polls it, and drops it.
pub(super) struct Child<'env> {
    block: Block,
    /// Invariant, and owns what may use `'env` in its drop (G4).
    env: PhantomData<Pin<Box<dyn Future<Output = ()> + 'env>>>,
    invariant: PhantomData<Cell<&'env ()>>,
}

impl<'env> Child<'env> {
    #[inline(always)] // so that a large future is built in its block, not copied from frame to frame
    pub(super) fn new<F: Future + 'env>(core: &Core, future: F) -> (Self, ScopedHandle<F::Output>) {
        let block = Block(blocks::allocate(core.blocks(), ChildCell::<F>::SIZE).cast());
        let header = Header {
            vtable: ChildCell::<F>::VTABLE,
            key: Cell::new(None),
            waiter: Cell::new(None),
            state: Cell::new(FUTURE | OWNED | HANDLE),
        };
        // SAFETY: the block is new and begins with its header (G1).
        unsafe { block.0.write(header) };
        // SAFETY: the block was allocated for this type.
        let body = unsafe { ChildCell::<F>::body(block) };
        // SAFETY: the place is in the block, and empty.
        unsafe { body.cast::<F>().write(future) };
        (
            Self { block, env: PhantomData, invariant: PhantomData },
            ScopedHandle { block, output: PhantomData },
        )
    }

    /// Polls it, unless it is done.
    #[inline]
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Turn {
        let block = self.block;
        let polled = catch_unwind(AssertUnwindSafe(|| {
            // SAFETY: FUTURE is set: a scope polls a child that is not done; the vtable belongs to the block.
            let polled = unsafe { (block.header().vtable.poll)(block, context) };
            if polled.is_ready() && !block.has(HANDLE) {
                block.drop_output();
            }
            polled
        }));
        match polled {
            Ok(Poll::Pending) => Turn::Waits,
            Ok(Poll::Ready(())) => {
                if let Some(waiter) = block.take_waiter() {
                    waiter.wake();
                }
                Turn::Done
            }
            Err(payload) => Turn::Panicked(payload),
        }
    }

    pub(super) fn key(&self) -> Option<Key> {
        self.block.header().key.get()
    }

    pub(super) fn set_key(&self, key: Option<Key>) {
        self.block.header().key.set(key);
    }
}

impl Drop for Child<'_> {
    #[inline]
    fn drop(&mut self) {
        let block = self.block;
        // First, as the drops may panic; the claim is what keeps the block until then.
        let _released = Released(block);
        if block.has(FUTURE) {
            block.clear(FUTURE);
            // SAFETY: FUTURE was set, and clearing it gave the future up.
            unsafe { (block.header().vtable.drop_future)(block) };
        } else if !block.has(HANDLE) {
            // Only after a panic in the drop of the future.
            block.drop_output();
        }
    }
}

/// Gives the scope's claim up when dropped, and tells whoever awaits the handle.
struct Released(Block);

impl Drop for Released {
    fn drop(&mut self) {
        let waiter = self.0.take_waiter();
        self.0.release(OWNED);
        if let Some(waiter) = waiter {
            waiter.wake();
        }
    }
}

/// Owns the output of a [`scope`](super::scope)'s child. Awaiting it gives the output; dropping it changes nothing for
/// the child.
///
/// There is no error: a child that panics takes its scope with it, and so whoever awaits it in there.
///
/// # Panics
/// When polled after it has given its output, after the scope has ended without one, or by the drop of its own child.
///
/// # Cancel safety
/// Polling `&mut handle` and dropping that borrow loses nothing.
pub struct ScopedHandle<T> {
    block: Block,
    output: PhantomData<T>,
}

impl<T> ScopedHandle<T> {
    /// Whether the child has ended.
    pub fn is_finished(&self) -> bool {
        !self.block.has(FUTURE)
    }
}

/// The output is in the block, not in the handle.
impl<T> Unpin for ScopedHandle<T> {}

impl<T> Future for ScopedHandle<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let block = self.block;
        let header = block.header();
        if block.has(FUTURE) {
            let before = header.waiter.take();
            if before.as_ref().is_some_and(|waiter| waiter.will_wake(context.waker())) {
                header.waiter.set(before);
            } else {
                header.waiter.set(Some(Waiter::new(context.waker())));
                drop(before);
            }
            block.set(AWAITED);
            return Poll::Pending;
        }
        assert!(
            block.has(OUTPUT),
            "a ScopedHandle was polled after it had given its output, after its scope had ended without one, or by the drop \
             of its own child"
        );
        block.clear(OUTPUT);
        // SAFETY: the vtable belongs to the block.
        let output = unsafe { (header.vtable.output)(block) };
        // SAFETY: of this type by construction; clearing OUTPUT has passed it to us.
        Poll::Ready(unsafe { output.cast::<T>().read() })
    }
}

impl<T> Drop for ScopedHandle<T> {
    #[inline]
    fn drop(&mut self) {
        if self.block.has(AWAITED | OUTPUT) {
            let _released = HandleReleased(self.block);
            // Nobody waits any more. Dropped before the block is given up, as both may be foreign code.
            drop(self.block.take_waiter());
            self.block.drop_output();
        } else {
            self.block.release(HANDLE);
        }
    }
}

struct HandleReleased(Block);

impl Drop for HandleReleased {
    #[inline]
    fn drop(&mut self) {
        self.0.release(HANDLE);
    }
}

impl<T> fmt::Debug for ScopedHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopedHandle").field("is_finished", &self.is_finished()).finish()
    }
}
