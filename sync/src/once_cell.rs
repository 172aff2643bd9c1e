//! `OnceCell`: a value that is made once, by whoever needs it first.

#![expect(unsafe_code, reason = "a value that is written once, and then read without a lock")]

use crate::{
    flavour::{Flavour, Guarded, Local, Note, Tally, Value, Word},
    observer::{self, Holder, Kind, Owner, Wait},
    wait_list::{Attempt, LazyList, Turn, Woken, wake_all},
};
use std::{
    convert::Infallible,
    error::Error,
    fmt,
    future::Future,
    marker::PhantomData,
    mem,
    panic::Location,
    pin::Pin,
    ptr,
    task::{Context, Poll, ready},
};

/// A value that is made once: whoever asks first makes it, and those who ask meanwhile wait for it.
///
/// ```
/// use futures_lite::future::{block_on, zip};
/// use runtime_sync::OnceCell;
///
/// let address = OnceCell::new();
/// let resolve = async || address.get_or_init(async || "192.0.2.1".to_owned()).await; // asked once
/// block_on(zip(resolve(), resolve()));
/// assert_eq!(address.get().unwrap(), "192.0.2.1");
/// ```
pub struct OnceCell<T, F: Flavour = Local> {
    /// Changes with the queue borrowed; [`SET`] may be read without.
    state: F::Word,
    queue: F::Guarded<LazyList>,
    tally: F::Tally,
    initialiser: F::Note,
    created: &'static Location<'static>,
    /// Many read it at once.
    shares: PhantomData<T>,
    value: Value<Option<T>, F>,
}

// ```text
//           ┌──────── the last initialiser fails ────────┐
//           ▼                                            │
//         EMPTY ──── somebody initialises ────▶ INITIALISING ◀─┐ one fails, the next in the queue takes over
//           │                                    │   └─────────┘
//           └──── set ────▶ SET ◀──── finish ────┘
// ```
const EMPTY: usize = 0;
/// As a grant: it is this one's turn to initialise.
const INITIALISING: usize = 1;
/// As a grant: the value is there.
const SET: usize = 2;

/// Why [`OnceCell::set`] did not take the value, which comes back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum SetError<T> {
    /// There is a value already.
    AlreadySet(T),
    /// An initialiser is running, and may yet fail.
    Initialising(T),
}

impl<T, F: Flavour> OnceCell<T, F> {
    /// A cell without a value.
    ///
    /// The line of this call is remembered: reports name the cell by it.
    #[track_caller]
    pub fn new() -> Self {
        Self::with(None, EMPTY, Location::caller())
    }

    /// A cell that has its value.
    #[track_caller]
    pub fn with_value(value: T) -> Self {
        Self::with(Some(value), SET, Location::caller())
    }

    pub(crate) fn with(value: Option<T>, state: usize, created: &'static Location<'static>) -> Self {
        Self {
            state: F::Word::new(state),
            queue: F::Guarded::new(LazyList::default()),
            tally: F::Tally::new(),
            initialiser: F::Note::new(),
            created,
            shares: PhantomData,
            value: Value::new(value),
        }
    }

    /// The value, if it is there.
    #[inline]
    pub fn get(&self) -> Option<&T> {
        if self.state.load() != SET {
            return None;
        }
        // SAFETY: it was written before the state said so, and is not written again while the cell is shared.
        unsafe { &*self.value.get() }.as_ref()
    }

    /// The value, if it is there.
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.value.get_mut().as_mut()
    }

    /// The value, if it is there.
    pub fn into_inner(self) -> Option<T> {
        self.value.into_inner()
    }

    /// Sets the value, if there is none and nobody is making one.
    ///
    /// ```
    /// use runtime_sync::{OnceCell, once_cell::SetError};
    /// let cell = OnceCell::new();
    /// assert_eq!(cell.set(1), Ok(()));
    /// assert_eq!(cell.set(2), Err(SetError::AlreadySet(2)));
    /// assert_eq!(cell.get(), Some(&1));
    /// ```
    ///
    /// # Errors
    /// See [`SetError`]; the value comes back.
    pub fn set(&self, value: T) -> Result<(), SetError<T>> {
        let woken = self.queue.with(|queue| match self.state.load() {
            EMPTY => Ok(self.fill(queue, value)),
            SET => Err(SetError::AlreadySet(value)),
            _ => Err(SetError::Initialising(value)),
        })?;
        wake_all(woken);
        Ok(())
    }

    /// The value; if it is not there yet, `initialise` makes it. Only one initialiser runs at a time, and those who
    /// come meanwhile wait; their own is not called if the first succeeds.
    ///
    /// If the initialiser panics, or its future is dropped before it is done, the one that waits longest takes over.
    ///
    /// # Panics
    /// As `initialise` does. If that asks for the value of this very cell it waits for itself: in a task of our
    /// runtime that waits for nothing else, that panics, or is reported in the thread-safe flavour.
    ///
    /// # Cancel safety
    /// Dropping it drops the initialiser, if it runs, and the next takes over; else the place in the queue is given up.
    #[track_caller]
    pub fn get_or_init<I: AsyncFnOnce() -> T>(&self, initialise: I) -> impl Future<Output = &T> {
        let asked = Location::caller();
        async move {
            let initialise = async move || Ok::<T, Infallible>(initialise().await);
            match self.get_or_try_from(asked, initialise).await {
                Ok(value) => value,
                Err(never) => match never {},
            }
        }
    }

    /// [`get_or_init`](OnceCell::get_or_init) with an initialiser that may fail: then the one that waits longest tries
    /// its own.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// let cell = runtime_sync::OnceCell::new();
    /// assert_eq!(cell.get_or_try_init(async || "x".parse::<u8>()).await.ok(), None);
    /// assert_eq!(cell.get_or_try_init(async || "7".parse::<u8>()).await, Ok(&7));
    /// assert_eq!(cell.get_or_try_init(async || "8".parse::<u8>()).await, Ok(&7));
    /// # });
    /// ```
    ///
    /// # Errors
    /// What `initialise` returned.
    ///
    /// # Panics
    /// As [`get_or_init`](OnceCell::get_or_init).
    ///
    /// # Cancel safety
    /// As [`get_or_init`](OnceCell::get_or_init).
    #[track_caller]
    pub fn get_or_try_init<E, I: AsyncFnOnce() -> Result<T, E>>(
        &self,
        initialise: I,
    ) -> impl Future<Output = Result<&T, E>> {
        self.get_or_try_from(Location::caller(), initialise)
    }

    async fn get_or_try_from<E, I: AsyncFnOnce() -> Result<T, E>>(
        &self,
        asked: &'static Location<'static>,
        initialise: I,
    ) -> Result<&T, E> {
        match (Enter { cell: self, turn: Turn::new(), asked }).await {
            Entered::Set(value) => Ok(value),
            Entered::First(initialiser) => {
                let value = initialise().await?;
                Ok(initialiser.finish(value))
            }
        }
    }

    /// Polls until the value is there, without making it. Of one future, always with the same `turn`.
    pub(crate) fn poll_set(
        &self,
        turn: &mut Turn,
        cx: &Context<'_>,
        describe: impl Fn() -> Wait,
    ) -> Poll<&T> {
        if let Some(polled) = self.poll_get(turn, cx) {
            return polled;
        }
        ready!(turn.poll(
            &self.queue,
            (),
            cx,
            describe,
            |_| if self.state.load() == SET { Attempt::Done(()) } else { Attempt::Wait(0) },
            |_, _| (),
        ));
        Poll::Ready(self.granted())
    }

    /// The value is there at once, though not for a task that should give way; `None`: it takes a closer look.
    #[inline]
    fn poll_get(&self, turn: &Turn, cx: &Context<'_>) -> Option<Poll<&T>> {
        let value = self.get().filter(|_| !turn.is_waiting())?;
        Some(if observer::pay(self.tally.count(), cx) { Poll::Ready(value) } else { Poll::Pending })
    }

    fn granted(&self) -> &T {
        self.get().expect("whoever is told that the value is there finds it")
    }

    /// With the queue borrowed and no value there: this is it.
    fn fill(&self, queue: &mut LazyList, value: T) -> Vec<Woken> {
        // SAFETY: nobody reads it before the state says `SET`, nor writes it without the queue.
        unsafe { *self.value.get() = Some(value) };
        self.state.store(SET);
        self.initialiser.write(None);
        queue.get().map_or_else(Vec::new, |list| list.grant_all(SET))
    }

    /// With the queue borrowed: the initialiser is gone, and the next takes over.
    fn hand_over(&self, queue: &mut LazyList) -> Option<Woken> {
        self.initialiser.write(None);
        let next = queue.get().and_then(|list| list.grant_front(INITIALISING));
        if next.is_none() {
            self.state.store(EMPTY);
        }
        next
    }

    pub(crate) fn describe(&self, kind: Kind, asked: &'static Location<'static>) -> Wait {
        let address = ptr::from_ref(self).addr();
        Wait { kind, created: self.created, asked, address, holder: self.initialiser.read() }
    }

    /// For a future that is dropped: gives up its place, or its turn to initialise.
    pub(crate) fn cancel(&self, turn: &mut Turn) {
        let next = turn.leave(&self.queue, (), |queue, granted| {
            granted.filter(|grant| *grant == INITIALISING).and_then(|_| self.hand_over(queue))
        });
        if let Some(next) = next {
            next.wake();
        }
    }

    pub(crate) fn debug(&self, f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result
    where
        T: fmt::Debug,
    {
        f.debug_struct(name)
            .field("value", &self.get())
            .field("waiters", &self.queue.with(|queue| queue.len()))
            .field("created", &self.created)
            .finish()
    }
}

/// The way in: either the value is there, or it is our turn to make it.
struct Enter<'a, T, F: Flavour> {
    cell: &'a OnceCell<T, F>,
    turn: Turn,
    asked: &'static Location<'static>,
}

enum Entered<'a, T, F: Flavour> {
    Set(&'a T),
    First(Initialiser<'a, T, F>),
}

impl<'a, T, F: Flavour> Future for Enter<'a, T, F> {
    type Output = Entered<'a, T, F>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { cell, turn, asked } = self.get_mut();
        if let Some(polled) = cell.poll_get(turn, cx) {
            return polled.map(Entered::Set);
        }
        let entered = ready!(turn.poll(
            &cell.queue,
            (),
            cx,
            || cell.describe(Kind::OnceCell, asked),
            |_| match cell.state.load() {
                EMPTY => {
                    cell.state.store(INITIALISING);
                    Attempt::Done(INITIALISING)
                }
                SET => Attempt::Done(SET),
                _ => Attempt::Wait(0),
            },
            |_, note| note,
        ));
        if entered == SET {
            return Poll::Ready(Entered::Set(cell.granted()));
        }
        cell.initialiser.write(Some(Holder { owner: Owner::of(cx.waker()), since: asked }));
        Poll::Ready(Entered::First(Initialiser { cell }))
    }
}

impl<T, F: Flavour> Drop for Enter<'_, T, F> {
    fn drop(&mut self) {
        self.cell.cancel(&mut self.turn);
    }
}

/// The turn to make the value. Dropped before that is done, it goes to the next.
struct Initialiser<'a, T, F: Flavour> {
    cell: &'a OnceCell<T, F>,
}

impl<'a, T, F: Flavour> Initialiser<'a, T, F> {
    fn finish(self, value: T) -> &'a T {
        let cell = self.cell;
        mem::forget(self);
        wake_all(cell.queue.with(|queue| cell.fill(queue, value)));
        cell.granted()
    }
}

impl<T, F: Flavour> Drop for Initialiser<'_, T, F> {
    fn drop(&mut self) {
        let next = self.cell.queue.with(|queue| self.cell.hand_over(queue));
        if let Some(next) = next {
            next.wake();
        }
    }
}

impl<T> SetError<T> {
    /// The value that was not taken.
    pub fn into_inner(self) -> T {
        match self {
            Self::AlreadySet(value) | Self::Initialising(value) => value,
        }
    }
}

impl<T> fmt::Display for SetError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AlreadySet(_) => "the cell has a value already",
            Self::Initialising(_) => "an initialiser of the cell is running",
        })
    }
}

impl<T> fmt::Debug for SetError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AlreadySet(_) => "AlreadySet(..)",
            Self::Initialising(_) => "Initialising(..)",
        })
    }
}

impl<T> Error for SetError<T> {}

impl<T, F: Flavour> Default for OnceCell<T, F> {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

impl<T, F: Flavour> From<T> for OnceCell<T, F> {
    #[track_caller]
    fn from(value: T) -> Self {
        Self::with_value(value)
    }
}

impl<T: fmt::Debug, F: Flavour> fmt::Debug for OnceCell<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.debug(f, "OnceCell")
    }
}
