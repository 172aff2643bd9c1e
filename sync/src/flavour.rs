//! The two flavours: how state is guarded and shared. Everything else in this room is written once, over them.
//!
//! [`Local`] is plain cells, on one thread. [`Shared`] is atomics and a mutex, for many. The algorithms follow the
//! stricter of the two; in the local flavour a compare-and-swap on a cell compiles to a comparison and a store.

#![expect(unsafe_code, reason = "a value behind a lock, and the source line of its holder")]

use crate::{
    observer::{Holder, Owner},
    primitives::{AtomicUsize, Mutex, Ordering, lock},
};
use std::{
    cell::{Cell, RefCell, UnsafeCell},
    fmt,
    marker::PhantomData,
    ops::Deref,
    panic::Location,
    ptr,
    rc::Rc,
    sync::{
        Arc, // what users hold too (`acquire_owned`), so not loom's
        // Not loom's either, for what decides nothing: it would multiply the models' schedules.
        atomic::{AtomicPtr, AtomicU8, AtomicUsize as PlainAtomicUsize},
    },
};

/// Which flavour a primitive is of: [`Local`] or [`Shared`]. Sealed.
pub trait Flavour: Parts + Copy + fmt::Debug + 'static {}

/// Plain cells: fast, and tied to one thread (`!Send`, `!Sync`).
#[derive(Debug, Clone, Copy)]
pub struct Local(PhantomData<*const ()>);

/// Atomics and a mutex: `Send` and `Sync` as far as the contents allow.
#[derive(Debug, Clone, Copy)]
pub struct Shared;

impl Flavour for Local {}
impl Flavour for Shared {}

/// What a flavour consists of.
pub trait Parts: Sized {
    /// State that several futures change, one at a time.
    type Guarded<S>: Guarded<S>;
    /// A counter or a few bits, for the paths on which nobody waits.
    type Word: Word;
    /// A counter that may lose a count.
    type Tally: Tally;
    /// Who holds something: for whoever looks on. Nothing is decided by it but by its owner.
    type Note: Note;
    /// Shared ownership.
    type Pointer<T>: Pointer<T>;
    /// Whether everything happens on one thread.
    const IS_LOCAL: bool;
}

/// See [`Parts::Guarded`].
pub trait Guarded<S> {
    /// Whether only one thread ever comes here.
    const IS_LOCAL: bool;
    /// Begins with `state`.
    fn new(state: S) -> Self;
    /// Calls `f` with the state. Nothing in `f` may be other people's code: it would find us in the middle of
    /// things. Collect what is to be woken or dropped, return it, then call.
    fn with<R>(&self, f: impl FnOnce(&mut S) -> R) -> R;
}

/// See [`Parts::Word`]. What is read happened before what is written.
pub trait Word {
    /// Begins with `value`.
    fn new(value: usize) -> Self;
    /// What is there.
    fn load(&self) -> usize;
    /// Puts `value` there.
    fn store(&self, value: usize);
    /// Puts `new` in place of `old`; if something else is there, `Err` has that.
    fn replace(&self, old: usize, new: usize) -> Result<(), usize>;
}

/// See [`Parts::Tally`].
pub trait Tally {
    /// Begins at zero.
    fn new() -> Self;
    /// Counts one, and says how many there are now, modulo 256.
    fn count(&self) -> u8;
}

/// See [`Parts::Note`].
pub trait Note {
    /// Begins with nobody.
    fn new() -> Self;
    /// Notes who holds it now.
    fn write(&self, holder: Option<Holder>);
    /// Who was noted last.
    fn read(&self) -> Option<Holder>;
}

/// See [`Parts::Pointer`].
pub trait Pointer<T>: Clone + Deref<Target = T> {
    /// Shares `value`.
    fn new(value: T) -> Self;
    /// Whether both point to the same value.
    fn is_same(&self, other: &Self) -> bool;
    /// The value, if nobody else shares it; if somebody does, the pointer again.
    fn try_unwrap(self) -> Result<T, Self>;
}

impl Parts for Local {
    type Guarded<S> = LocalCell<S>;
    type Word = Cell<usize>;
    type Tally = Cell<u8>;
    type Note = Cell<Option<Holder>>;
    type Pointer<T> = Rc<T>;
    const IS_LOCAL: bool = true;
}

impl Parts for Shared {
    type Guarded<S> = Mutex<S>;
    type Word = AtomicUsize;
    type Tally = AtomicU8;
    type Note = SharedNote;
    type Pointer<T> = Arc<T>;
    const IS_LOCAL: bool = false;
}

/// A `RefCell` that stays on its thread, whatever it contains.
#[derive(Debug)]
pub struct LocalCell<S>(RefCell<S>, PhantomData<*const ()>);

impl<S> Guarded<S> for LocalCell<S> {
    const IS_LOCAL: bool = true;

    fn new(state: S) -> Self {
        Self(RefCell::new(state), PhantomData)
    }

    #[inline]
    fn with<R>(&self, f: impl FnOnce(&mut S) -> R) -> R {
        f(&mut self.0.borrow_mut())
    }
}

impl<S> Guarded<S> for Mutex<S> {
    const IS_LOCAL: bool = false;

    fn new(state: S) -> Self {
        Mutex::new(state)
    }

    #[inline]
    fn with<R>(&self, f: impl FnOnce(&mut S) -> R) -> R {
        f(&mut lock(self))
    }
}

impl Word for Cell<usize> {
    fn new(value: usize) -> Self {
        Cell::new(value)
    }

    #[inline]
    fn load(&self) -> usize {
        self.get()
    }

    #[inline]
    fn store(&self, value: usize) {
        self.set(value);
    }

    #[inline]
    fn replace(&self, old: usize, new: usize) -> Result<(), usize> {
        let found = self.get();
        if found != old {
            return Err(found);
        }
        self.set(new);
        Ok(())
    }
}

impl Word for AtomicUsize {
    fn new(value: usize) -> Self {
        AtomicUsize::new(value)
    }

    #[inline]
    fn load(&self) -> usize {
        self.load(Ordering::Acquire)
    }

    #[inline]
    fn store(&self, value: usize) {
        self.store(value, Ordering::Release);
    }

    #[inline]
    fn replace(&self, old: usize, new: usize) -> Result<(), usize> {
        self.compare_exchange(old, new, Ordering::AcqRel, Ordering::Acquire).map(|_| ())
    }
}

impl Tally for Cell<u8> {
    fn new() -> Self {
        Cell::new(0)
    }

    #[inline]
    fn count(&self) -> u8 {
        self.set(self.get().wrapping_add(1));
        self.get()
    }
}

impl Tally for AtomicU8 {
    fn new() -> Self {
        AtomicU8::new(0)
    }

    /// Not one atomic addition but two cheap halves: a count may get lost.
    #[inline]
    fn count(&self) -> u8 {
        let count = self.load(Ordering::Relaxed).wrapping_add(1);
        self.store(count, Ordering::Relaxed);
        count
    }
}

impl Note for Cell<Option<Holder>> {
    fn new() -> Self {
        Cell::new(None)
    }

    #[inline]
    fn write(&self, holder: Option<Holder>) {
        self.set(holder);
    }

    #[inline]
    fn read(&self) -> Option<Holder> {
        self.get()
    }
}

/// A holder in three words, whose guard may be on any thread.
#[derive(Debug)]
pub struct SharedNote(HolderCell);

impl Note for SharedNote {
    fn new() -> Self {
        Self(HolderCell::default())
    }

    #[inline]
    fn write(&self, holder: Option<Holder>) {
        let marked = |Holder { owner, since }| Holder { owner: owner.with_shared_guard(), since };
        self.0.write(holder.map(marked));
    }

    #[inline]
    fn read(&self) -> Option<Holder> {
        self.0.read()
    }
}

impl SharedNote {
    /// [`new`](Note::new) for a `static`.
    #[cfg(not(loom))]
    pub(crate) const fn nobody() -> Self {
        let since = SiteCell(AtomicPtr::new(ptr::null_mut()));
        Self(HolderCell { data: PlainAtomicUsize::new(0), vtable: PlainAtomicUsize::new(0), since })
    }
}

/// A holder in three words that are written one after the other: a reader on another thread may see two holders
/// mixed. Whoever wrote it last reads it right.
#[derive(Debug, Default)]
pub(crate) struct HolderCell {
    data: PlainAtomicUsize,
    vtable: PlainAtomicUsize,
    /// None: nobody.
    since: SiteCell,
}

impl HolderCell {
    pub(crate) fn holding(holder: Option<Holder>) -> Self {
        let cell = Self::default();
        cell.write(holder);
        cell
    }

    #[inline]
    pub(crate) fn write(&self, holder: Option<Holder>) {
        if let Some(Holder { owner, .. }) = holder {
            self.data.store(owner.data, Ordering::Relaxed);
            self.vtable.store(owner.vtable, Ordering::Relaxed);
        }
        self.since.write(holder.map(|holder| holder.since));
    }

    #[inline]
    pub(crate) fn read(&self) -> Option<Holder> {
        let since = self.since.read()?;
        let data = self.data.load(Ordering::Relaxed);
        let vtable = self.vtable.load(Ordering::Relaxed);
        Some(Holder { owner: Owner { data, vtable }, since })
    }
}

/// A source line, or none, in one word.
#[derive(Debug, Default)]
pub(crate) struct SiteCell(AtomicPtr<Location<'static>>);

impl SiteCell {
    #[inline]
    pub(crate) fn write(&self, site: Option<&'static Location<'static>>) {
        self.0.store(site.map_or(ptr::null_mut(), |site| ptr::from_ref(site).cast_mut()), Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn read(&self) -> Option<&'static Location<'static>> {
        // SAFETY: null, or written by `write` from a reference that is valid for ever.
        unsafe { self.0.load(Ordering::Relaxed).as_ref() }
    }
}

impl<T> Pointer<T> for Rc<T> {
    fn new(value: T) -> Self {
        Rc::new(value)
    }

    fn is_same(&self, other: &Self) -> bool {
        Rc::ptr_eq(self, other)
    }

    fn try_unwrap(self) -> Result<T, Self> {
        Rc::try_unwrap(self)
    }
}

impl<T> Pointer<T> for Arc<T> {
    fn new(value: T) -> Self {
        Arc::new(value)
    }

    fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(self, other)
    }

    fn try_unwrap(self) -> Result<T, Self> {
        Arc::try_unwrap(self)
    }
}

/// A value that a primitive hands out by its own rules: whoever asks here vouches for them.
pub(crate) struct Value<T: ?Sized, F> {
    flavour: PhantomData<F>,
    value: UnsafeCell<T>,
}

// SAFETY: a reference to it gives access only through `get`, whose callers keep accesses from several threads apart
// or, where they let several read at once, ask for `T: Sync` themselves.
unsafe impl<T: ?Sized + Send> Sync for Value<T, Shared> {}

impl<T, F> Value<T, F> {
    pub(crate) const fn new(value: T) -> Self {
        Self { flavour: PhantomData, value: UnsafeCell::new(value) }
    }

    pub(crate) fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized, F> Value<T, F> {
    /// Where the value is. Dereferencing it needs a reason: a grant that excludes others.
    #[inline]
    pub(crate) fn get(&self) -> *mut T {
        self.value.get()
    }

    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }
}
