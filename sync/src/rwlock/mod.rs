//! `RwLock`: one task that writes, or many that read, in the order in which they asked.

#![expect(unsafe_code, reason = "many threads may read the value, or one may write it")]

#[cfg(not(loom))]
use crate::flavour::SharedNote;
use crate::{
    block::block_on,
    flavour::{Flavour, Local, Note, Shared},
    observer::{Holder, Kind, Owner, Wait},
    permits::{MAX_PERMITS, Permits},
    timed::{Elapsed, Timed},
    wait_list::Turn,
};
use std::{
    cell::UnsafeCell,
    fmt,
    future::Future,
    marker::PhantomData,
    panic::Location,
    pin::Pin,
    ptr,
    task::{Context, Poll, ready},
    time::Duration,
};

mod guards;

pub use guards::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLockReadGuard, RwLockWriteGuard};

/// What a writer takes: a permit of every reader there could be. Any number would do that nobody ever reaches.
const ALL: usize = if MAX_PERMITS < 1 << 29 { MAX_PERMITS } else { 1 << 29 };

/// A value that many tasks read at once, or one task changes, across `await`s.
///
/// First come, first served: a reader that asks while a writer waits queues behind it, so writers do not starve, and
/// readers that stand together in the queue are let in together. It is not re-entrant: a task that asks for a second
/// read guard while it has one waits for ever if a writer has asked in between.
///
/// A panic while it is held releases it, and does not poison it.
///
/// ```
/// use futures_lite::future::{block_on, zip};
/// use runtime_sync::RwLock;
///
/// let prices = RwLock::new(vec![3, 4]);
/// let total = async || prices.read().await.iter().sum::<i32>();
/// block_on(async {
///     assert_eq!(zip(total(), total()).await, (7, 7));
///     prices.write().await.push(5);
///     assert_eq!(total().await, 12);
/// });
/// ```
pub struct RwLock<T: ?Sized, F: Flavour = Local> {
    permits: Permits<F>,
    writer: F::Note,
    created: &'static Location<'static>,
    value: Shelf<T, F>,
}

/// The value, for one who writes or many who read.
struct Shelf<T: ?Sized, F> {
    flavour: PhantomData<F>,
    value: UnsafeCell<T>,
}

// SAFETY: the permits keep a writer apart from everybody else. Readers have it at the same time, for which it must be
// `Sync`; a writer may take it out, for which it must be `Send`.
unsafe impl<T: ?Sized + Send + Sync> Sync for Shelf<T, Shared> {}

impl<T: ?Sized, F> Shelf<T, F> {
    /// Where the value is. To dereference it takes a permit; to change it, all of them.
    #[inline]
    fn get(&self) -> *mut T {
        self.value.get()
    }
}

impl<T, F: Flavour> RwLock<T, F> {
    /// A lock that nobody holds, around `value`.
    ///
    /// The line of this call is remembered: reports name the lock by it.
    #[track_caller]
    pub fn new(value: T) -> Self {
        Self {
            permits: Permits::new(ALL),
            writer: F::Note::new(),
            created: Location::caller(),
            value: Shelf { flavour: PhantomData, value: UnsafeCell::new(value) },
        }
    }

    /// The value; needs no lock, as nobody else can have one.
    pub fn into_inner(self) -> T {
        self.value.value.into_inner()
    }
}

#[cfg(not(loom))]
impl<T> RwLock<T, Shared> {
    /// [`new`](RwLock::new) for a `static`.
    ///
    /// ```
    /// use runtime_sync::shared::RwLock;
    /// static PRICES: RwLock<[u32; 2]> = RwLock::const_new([3, 4]);
    /// assert_eq!(PRICES.blocking_read().iter().sum::<u32>(), 7);
    /// ```
    #[track_caller]
    pub const fn const_new(value: T) -> Self {
        Self {
            permits: Permits::const_new(ALL),
            writer: SharedNote::nobody(),
            created: Location::caller(),
            value: Shelf { flavour: PhantomData, value: UnsafeCell::new(value) },
        }
    }
}

impl<T: ?Sized, F: Flavour> RwLock<T, F> {
    /// Waits until nobody writes and all who asked before have had their turn, and lets this task read.
    ///
    /// # Cancel safety
    /// Dropping it gives the place in the queue up; a turn that had reached it goes to the next.
    #[inline]
    #[track_caller]
    pub fn read(&self) -> Read<'_, T, F> {
        Read { lock: self, turn: Turn::new(), asked: Location::caller() }
    }

    /// Waits until nobody reads or writes and all who asked before have had their turn, and lets this task write.
    ///
    /// # Panics
    /// In a task of our runtime that writes already and waits for nothing else: it would wait for ever. Under another
    /// executor, it does; and where the guard may have been handed on, which is so for owned guards and in the
    /// thread-safe flavour, it is reported only.
    ///
    /// # Cancel safety
    /// Dropping it gives the place in the queue up: readers behind it that only waited for it are let in. A turn that
    /// had reached it goes to the next.
    #[inline]
    #[track_caller]
    pub fn write(&self) -> Write<'_, T, F> {
        Write { lock: self, turn: Turn::new(), asked: Location::caller() }
    }

    /// Reads if nobody writes and nobody waits.
    ///
    /// ```
    /// let lock = runtime_sync::RwLock::new(1);
    /// let one = lock.try_read().expect("nobody writes");
    /// let other = lock.try_read().expect("nobody writes");
    /// assert_eq!(*one + *other, 2);
    /// assert!(lock.try_write().is_none(), "somebody reads");
    /// ```
    pub fn try_read(&self) -> Option<RwLockReadGuard<'_, T, F>> {
        self.permits.try_take(1).map(|_| RwLockReadGuard::new(self))
    }

    /// Writes if nobody reads or writes, and nobody waits.
    #[track_caller]
    pub fn try_write(&self) -> Option<RwLockWriteGuard<'_, T, F>> {
        self.try_begin_writing(ALL, Location::caller()).then(|| RwLockWriteGuard::new(self))
    }

    /// [`read`](RwLock::read), for at most `limit`.
    ///
    /// # Errors
    /// [`Elapsed`] after that time; the place in the queue is given up.
    ///
    /// # Panics
    /// If it has to wait and no runtime of ours runs on this thread: there is no timer. Wrap `read` in your
    /// executor's timeout then.
    ///
    /// # Cancel safety
    /// As [`read`](RwLock::read).
    #[track_caller]
    pub fn read_timeout(
        &self,
        limit: Duration,
    ) -> impl Future<Output = Result<RwLockReadGuard<'_, T, F>, Elapsed>> {
        Timed::new(limit, self.read())
    }

    /// [`write`](RwLock::write), for at most `limit`.
    ///
    /// # Errors
    /// [`Elapsed`] after that time; the place in the queue is given up.
    ///
    /// # Panics
    /// As [`write`](RwLock::write) and [`read_timeout`](RwLock::read_timeout).
    ///
    /// # Cancel safety
    /// As [`write`](RwLock::write).
    #[track_caller]
    pub fn write_timeout(
        &self,
        limit: Duration,
    ) -> impl Future<Output = Result<RwLockWriteGuard<'_, T, F>, Elapsed>> {
        Timed::new(limit, self.write())
    }

    /// The value; needs no lock, as nobody else can have one.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.value.get_mut()
    }

    /// How many read now.
    fn readers(&self) -> usize {
        let taken = ALL - self.permits.free();
        if taken == ALL { 0 } else { taken }
    }

    #[inline]
    fn poll_read(&self, turn: &mut Turn, asked: &'static Location<'static>, cx: &Context<'_>) -> Poll<()> {
        self.permits.poll_take(1, turn, cx, || self.describe(Kind::Read, asked)).map(|taken| {
            debug_assert!(taken.is_ok(), "a lock is never closed");
        })
    }

    #[inline]
    fn poll_write(&self, turn: &mut Turn, asked: &'static Location<'static>, cx: &Context<'_>) -> Poll<()> {
        let taken = ready!(self.permits.poll_take(ALL, turn, cx, || self.describe(Kind::Write, asked)));
        debug_assert!(taken.is_ok(), "a lock is never closed");
        self.writer.write(Some(Holder { owner: Owner::of(cx.waker()), since: asked }));
        Poll::Ready(())
    }

    fn describe(&self, kind: Kind, asked: &'static Location<'static>) -> Wait {
        let address = ptr::from_ref(self).addr();
        Wait { kind, created: self.created, asked, address, holder: self.writer.read() }
    }

    /// Takes the permits that are `missing` to write.
    fn try_begin_writing(&self, missing: usize, asked: &'static Location<'static>) -> bool {
        let is_taken = self.permits.try_take(missing).is_some();
        if is_taken {
            self.writer.write(Some(Holder { owner: Owner::running(), since: asked }));
        }
        is_taken
    }

    /// Notes that the writer's guard shares ownership: it may be anywhere.
    fn note_owned(&self) {
        if let Some(Holder { owner, since }) = self.writer.read() {
            let holder = Some(Holder { owner: owner.with_owned_guard(), since });
            self.writer.write(holder);
            self.permits.note_holder(holder);
        }
    }

    /// Gives the permits of a writer back, but for those that it keeps.
    #[inline]
    fn end_writing(&self, kept: usize) {
        self.writer.write(None);
        self.permits.give_back(ALL - kept);
    }
}

impl<T: ?Sized> RwLock<T, Shared> {
    /// Blocks this thread until it may read. For code outside of any executor: in a task it would stall the thread
    /// with all its tasks, the one that writes perhaps among them.
    ///
    /// ```
    /// let lock = runtime_sync::shared::RwLock::new(1);
    /// *lock.blocking_write() += 1;
    /// assert_eq!(*lock.blocking_read(), 2);
    /// ```
    #[track_caller]
    pub fn blocking_read(&self) -> RwLockReadGuard<'_, T, Shared> {
        block_on(self.read())
    }

    /// Blocks this thread until it may write; see [`blocking_read`](RwLock::blocking_read).
    #[track_caller]
    pub fn blocking_write(&self) -> RwLockWriteGuard<'_, T, Shared> {
        block_on(self.write())
    }
}

/// What [`RwLock::read`] returns.
#[must_use = "a future does nothing until it is awaited"]
pub struct Read<'a, T: ?Sized, F: Flavour = Local> {
    lock: &'a RwLock<T, F>,
    turn: Turn,
    asked: &'static Location<'static>,
}

/// What [`RwLock::write`] returns.
#[must_use = "a future does nothing until it is awaited"]
pub struct Write<'a, T: ?Sized, F: Flavour = Local> {
    lock: &'a RwLock<T, F>,
    turn: Turn,
    asked: &'static Location<'static>,
}

impl<'a, T: ?Sized, F: Flavour> Future for Read<'a, T, F> {
    type Output = RwLockReadGuard<'a, T, F>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { lock, turn, asked } = self.get_mut();
        lock.poll_read(turn, asked, cx).map(|()| RwLockReadGuard::new(lock))
    }
}

impl<'a, T: ?Sized, F: Flavour> Future for Write<'a, T, F> {
    type Output = RwLockWriteGuard<'a, T, F>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { lock, turn, asked } = self.get_mut();
        lock.poll_write(turn, asked, cx).map(|()| RwLockWriteGuard::new(lock))
    }
}

impl<T: ?Sized, F: Flavour> Drop for Read<'_, T, F> {
    #[inline]
    fn drop(&mut self) {
        self.lock.permits.cancel(&mut self.turn);
    }
}

impl<T: ?Sized, F: Flavour> Drop for Write<'_, T, F> {
    #[inline]
    fn drop(&mut self) {
        self.lock.permits.cancel(&mut self.turn);
    }
}

impl<T: Default, F: Flavour> Default for RwLock<T, F> {
    #[track_caller]
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T, F: Flavour> From<T> for RwLock<T, F> {
    #[track_caller]
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: ?Sized, F: Flavour> fmt::Debug for RwLock<T, F> {
    /// Not the value: that would need the lock.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RwLock")
            .field("readers", &self.readers())
            .field("written_since", &self.writer.read().map(|writer| writer.since))
            .field("waiters", &self.permits.waiters())
            .field("created", &self.created)
            .finish_non_exhaustive()
    }
}

impl<T: ?Sized, F: Flavour> fmt::Debug for Read<'_, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Read").field("asked", &self.asked).field("waits", &self.turn.is_waiting()).finish()
    }
}

impl<T: ?Sized, F: Flavour> fmt::Debug for Write<'_, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Write").field("asked", &self.asked).field("waits", &self.turn.is_waiting()).finish()
    }
}
