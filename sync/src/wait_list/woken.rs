//! Whom to wake, and the observer's ticket of the wait: always handled with the state released.

use crate::observer::{self, Owner, Ticket, Wait};
use std::{
    mem,
    num::NonZeroU64,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    task::{Context, Waker},
};

/// Somebody who was granted something and is to be woken, once the state is released.
#[derive(Debug)]
#[must_use = "a grant that nobody learns of is a lost wake-up"]
pub(crate) enum Woken {
    /// By the observer, which keeps who it is.
    ByTicket(Ticket),
    /// By its waker; the observer is told, if it has the wait in its books.
    ByWaker(Waker, Option<NonZeroU64>),
}

impl Woken {
    /// Enters the wait in the observer's books, and keeps what is needed to wake whoever waits.
    #[inline]
    fn new(cx: &Context<'_>, wait: &Wait) -> (Self, Option<Begun>) {
        let ticket = observer::observer().and_then(|observer| observer.begin(cx.waker(), wait));
        let begun = ticket.map(|ticket| Begun(ticket.number));
        let woken = match ticket {
            Some(ticket) if ticket.owner != Owner::UNKNOWN => Self::ByTicket(ticket),
            ticket => Self::ByWaker(cx.waker().clone(), ticket.map(|ticket| ticket.number)),
        };
        (woken, begun)
    }

    /// For somebody who has been woken and not yet polled.
    pub(super) fn already() -> Self {
        Self::ByWaker(Waker::noop().clone(), None)
    }

    #[inline]
    pub(super) fn will_wake(&self, waker: &Waker) -> bool {
        match self {
            Self::ByTicket(ticket) => ticket.owner == Owner::of(waker),
            Self::ByWaker(known, _) => known.will_wake(waker),
        }
    }

    #[inline]
    pub(super) fn ticket(&self) -> Option<Ticket> {
        match self {
            Self::ByTicket(ticket) => Some(*ticket),
            Self::ByWaker(_, number) => number.map(|number| Ticket { number, owner: Owner::UNKNOWN }),
        }
    }

    #[inline]
    fn begun(&self) -> Option<Begun> {
        self.ticket().map(|ticket| Begun(ticket.number))
    }

    #[inline]
    pub(crate) fn wake(self) {
        if let Some(ticket) = self.ticket()
            && let Some(observer) = observer::observer()
        {
            observer.granted(ticket);
        }
        if let Self::ByWaker(waker, _) = self {
            waker.wake();
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
    /// Until it is granted or ended.
    woken: Option<Woken>,
}

impl Alone {
    #[inline]
    pub(crate) fn new(cx: &Context<'_>, wait: &Wait) -> Self {
        let (woken, begun) = Woken::new(cx, wait);
        mem::forget(begun); // ended by the number in the ticket
        Self { woken: Some(woken) }
    }

    #[inline]
    pub(crate) fn will_wake(&self, waker: &Waker) -> bool {
        self.woken.as_ref().is_some_and(|woken| woken.will_wake(waker))
    }

    /// It was granted something: to be woken, and its wait, which is to end when it takes notice.
    #[inline]
    pub(crate) fn grant(mut self) -> (Option<Woken>, Option<Begun>) {
        let woken = self.woken.take();
        let begun = woken.as_ref().and_then(Woken::begun);
        (woken, begun)
    }

    /// Its wait is over, whether it takes notice or not.
    #[inline]
    pub(crate) fn end(self) {
        let (woken, begun) = self.grant();
        drop(begun);
        if let Some(woken) = woken {
            woken.wake();
        }
    }
}

impl Drop for Alone {
    #[inline]
    fn drop(&mut self) {
        drop(self.woken.as_ref().and_then(Woken::begun));
    }
}

/// Somebody about to wait: prepared before the state is borrowed. Dropped unused, it ends its wait again.
#[derive(Debug)]
pub(crate) struct Waiter {
    pub(super) woken: Woken,
    pub(super) begun: Option<Begun>,
}

impl Waiter {
    #[inline]
    pub(super) fn new(cx: &Context<'_>, wait: &Wait) -> Self {
        let (woken, begun) = Woken::new(cx, wait);
        Self { woken, begun }
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
    pub(crate) fn wake(self) {
        match self {
            Self { first: None, .. } => {}
            Self { first: Some(first), others: None } => first.wake(),
            Self { first: Some(first), others: Some(others) } => Self::wake_several(first, *others),
        }
    }

    #[cold]
    fn wake_several(first: Woken, others: Vec<Woken>) {
        wake_all([first].into_iter().chain(others).collect());
    }
}
