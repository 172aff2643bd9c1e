//! Whom to wake, and how: always done with the state released.

use crate::observer::{self, Wait};
use std::{
    num::NonZeroU64,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    task::{Context, Waker},
};

/// Somebody who was granted something and is to be woken, once the state is released.
#[derive(Debug)]
#[must_use = "a grant that nobody learns of is a lost wake-up"]
pub(crate) enum Woken {
    /// By the observer, whose wakers need not be kept: the key will do.
    Known(usize),
    /// By a waker of somebody else's.
    Foreign(Waker),
}

impl Woken {
    #[inline]
    fn new(waker: &Waker) -> Self {
        match observer::key_of(waker) {
            Some(key) => Self::Known(key),
            None => Self::Foreign(waker.clone()),
        }
    }

    /// For somebody who has been woken and not yet polled.
    pub(super) fn already() -> Self {
        Self::Foreign(Waker::noop().clone())
    }

    #[inline]
    pub(super) fn will_wake(&self, waker: &Waker) -> bool {
        match self {
            Self::Known(key) => observer::key_of(waker) == Some(*key),
            Self::Foreign(known) => known.will_wake(waker),
        }
    }

    #[inline]
    pub(crate) fn wake(self) {
        match self {
            Self::Known(key) => {
                if let Some(observer) = observer::observer() {
                    observer.wake(key);
                }
            }
            Self::Foreign(waker) => waker.wake(),
        }
    }
}

/// A wait in the observer's books. Dropped, it ends.
#[derive(Debug)]
pub(crate) struct Begun(NonZeroU64);

impl Drop for Begun {
    #[inline]
    fn drop(&mut self) {
        if let Some(observer) = observer::observer() {
            observer.end(self.0);
        }
    }
}

/// Whoever is the only one that can wait, and so needs no list. Dropped, its wait ends.
#[derive(Debug)]
pub(crate) struct Alone {
    woken: Woken,
    begun: Option<Begun>,
}

impl Alone {
    #[inline]
    pub(crate) fn new(cx: &Context<'_>, wait: &Wait, is_shared: bool) -> Self {
        let observer = observer::observer();
        let begun = observer.and_then(|observer| observer.begin(cx.waker(), wait, is_shared)).map(Begun);
        Self { woken: Woken::new(cx.waker()), begun }
    }

    #[inline]
    pub(crate) fn will_wake(&self, waker: &Waker) -> bool {
        self.woken.will_wake(waker)
    }

    /// It was granted something: to be woken, and its wait, which is to end when it takes notice.
    #[inline]
    pub(crate) fn grant(self) -> (Woken, Option<Begun>) {
        (self.woken, self.begun)
    }

    /// Its wait is over, whether it takes notice or not.
    #[inline]
    pub(crate) fn end(self) {
        let (woken, begun) = self.grant();
        drop(begun);
        woken.wake();
    }
}

/// Wakes all, in order. A waker that panics does not keep the others asleep; the first panic goes on afterwards.
pub(crate) fn wake_all(woken: Vec<Woken>) {
    let mut woken = woken.into_iter();
    let mut panic = None;
    while let Err(payload) = catch_unwind(AssertUnwindSafe(|| woken.by_ref().for_each(Woken::wake))) {
        panic.get_or_insert(payload);
    }
    if let Some(payload) = panic {
        resume_unwind(payload);
    }
}

/// Those whom one change granted something: mostly nobody, or one.
#[derive(Debug, Default)]
#[must_use = "a grant that nobody learns of is a lost wake-up"]
pub(crate) struct Wakes {
    first: Option<Woken>,
    #[expect(clippy::box_collection, reason = "one word to be looked at, where there is mostly nothing")]
    others: Option<Box<Vec<Woken>>>,
}

impl Wakes {
    #[inline]
    pub(crate) fn push(&mut self, woken: Option<Woken>) {
        if self.first.is_none() {
            self.first = woken;
        } else if let Some(woken) = woken {
            self.push_other(woken);
        }
    }

    #[cold]
    fn push_other(&mut self, woken: Woken) {
        self.others.get_or_insert_default().push(woken);
    }

    pub(crate) fn extend(&mut self, woken: Vec<Woken>) {
        woken.into_iter().for_each(|woken| self.push(Some(woken)));
    }

    /// Wakes them, in the order of the grants.
    #[inline]
    pub(crate) fn wake(mut self) {
        self.wake_those();
    }

    /// The same in place, for hot paths: mostly there is nobody, and nothing should be moved.
    #[inline]
    pub(crate) fn wake_those(&mut self) {
        if let Some(first) = self.first.take() {
            match self.others.take() {
                None => first.wake(),
                Some(others) => Self::wake_several(first, *others),
            }
        }
    }

    #[cold]
    fn wake_several(first: Woken, others: Vec<Woken>) {
        wake_all([first].into_iter().chain(others).collect());
    }
}
