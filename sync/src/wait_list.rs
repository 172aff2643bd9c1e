//! Where futures queue: first come, first served, and nobody's place is lost or taken twice.
//!
//! A list is an array of places, linked by index: no allocation before the first wait, none per wait once it has
//! grown, no pinning and no unsafe code; arriving, granting and leaving take constant time. A waiting future owns its
//! place until it takes notice of its grant or is dropped, so a place is never mistaken for a successor's.
//!
//! ```text
//!               arrive                grant                poll finds the grant
//!   (nowhere) ─────────▶ queued ─────────────▶ granted ─────────────────────────▶ (nowhere)
//!                          │  drop                │  drop: the future's owner passes the grant on
//!                          └──────────────────────┴─────────────────────────────▶ (nowhere)
//! ```
//!
//! Wakers are other people's code. They are cloned before the state is borrowed, and woken and dropped after.

use crate::{
    flavour::Guarded,
    observer::{self, Ticket, Wait},
};
use std::{
    mem,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    task::{Context, Poll, Waker},
};

/// The end of a chain of places.
const NONE: u32 = u32::MAX;

/// Somebody about to wait: prepared before the state is borrowed. Dropped unused, it ends its wait again.
#[derive(Debug)]
pub(crate) struct Waiter {
    waker: Option<Waker>,
    ticket: Option<Ticket>,
}

impl Waiter {
    #[inline]
    fn new(cx: &Context<'_>, wait: &Wait) -> Self {
        let ticket = observer::observer().and_then(|observer| observer.begin(cx.waker(), wait));
        Self { waker: Some(cx.waker().clone()), ticket }
    }
}

impl Drop for Waiter {
    #[inline]
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket
            && let Some(observer) = observer::observer()
        {
            observer.end(ticket);
        }
    }
}

/// Somebody who was granted something and is to be woken, once the state is released.
#[derive(Debug)]
#[must_use = "a grant that nobody learns of is a lost wake-up"]
pub(crate) struct Woken {
    waker: Waker,
    ticket: Option<Ticket>,
}

impl Woken {
    #[inline]
    pub(crate) fn wake(self) {
        if let Some(ticket) = self.ticket
            && let Some(observer) = observer::observer()
        {
            observer.granted(ticket);
        }
        self.waker.wake();
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
    others: Vec<Woken>,
}

impl Wakes {
    #[inline]
    pub(crate) fn push(&mut self, woken: Option<Woken>) {
        if self.first.is_none() {
            self.first = woken;
        } else {
            self.others.extend(woken);
        }
    }

    pub(crate) fn extend(&mut self, woken: Vec<Woken>) {
        woken.into_iter().for_each(|woken| self.push(Some(woken)));
    }

    /// Wakes them, in the order of the grants.
    #[inline]
    pub(crate) fn wake(self) {
        let Self { first, others } = self;
        if others.is_empty() {
            if let Some(first) = first {
                first.wake();
            }
        } else {
            wake_all(first.into_iter().chain(others).collect());
        }
    }
}

/// Index of a place in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place(u32);

#[derive(Debug)]
struct Entry {
    /// Taken by the grant.
    waiter: Option<Waiter>,
    /// What the waiter asks for, then what it was granted; the primitive gives it its meaning.
    note: usize,
    is_granted: bool,
    before: u32,
    /// In the queue, or in the chain of vacant places.
    after: u32,
}

/// The queue of one primitive.
#[derive(Debug)]
pub(crate) struct WaitList {
    entries: Vec<Entry>,
    first: u32,
    last: u32,
    vacant: u32,
    queued: u32,
}

impl Default for WaitList {
    fn default() -> Self {
        Self { entries: Vec::new(), first: NONE, last: NONE, vacant: NONE, queued: 0 }
    }
}

impl WaitList {
    /// Waiters without a grant.
    pub(crate) fn len(&self) -> usize {
        self.queued as usize
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queued == 0
    }

    /// What the first in the queue asks for.
    #[inline]
    pub(crate) fn front(&self) -> Option<usize> {
        self.entries.get(self.first as usize).map(|entry| entry.note)
    }

    /// Grants the first in the queue what it waits for; `note` tells it what that is.
    #[inline]
    pub(crate) fn grant_front(&mut self, note: usize) -> Option<Woken> {
        let place = Place(self.first);
        let entry = self.entries.get_mut(place.0 as usize)?;
        entry.is_granted = true;
        entry.note = note;
        let waiter = entry.waiter.as_mut().expect("a place in the queue has a waiter");
        let waker = waiter.waker.take().expect("a waiter keeps its waker until it is granted");
        let ticket = waiter.ticket;
        self.unlink(place);
        Some(Woken { waker, ticket })
    }

    /// Grants everybody in the queue, in order. Who arrives afterwards is not among them.
    pub(crate) fn grant_all(&mut self, note: usize) -> Vec<Woken> {
        let mut woken = Vec::with_capacity(self.len());
        while let Some(one) = self.grant_front(note) {
            woken.push(one);
        }
        woken
    }

    #[inline]
    fn arrive(&mut self, waiter: Waiter, note: usize) -> Place {
        let entry = Entry { waiter: Some(waiter), note, is_granted: false, before: self.last, after: NONE };
        let index = if let Some(vacant) = self.entries.get_mut(self.vacant as usize) {
            let index = mem::replace(&mut self.vacant, vacant.after);
            *vacant = entry;
            index
        } else {
            let index = u32::try_from(self.entries.len()).ok().filter(|index| *index != NONE);
            self.entries.push(entry);
            index.expect("fewer than 2^32 - 1 futures wait for one thing")
        };
        match self.entries.get_mut(self.last as usize) {
            Some(last) => last.after = index,
            None => self.first = index,
        }
        self.last = index;
        self.queued += 1;
        Place(index)
    }

    /// Puts somebody whose grant turned out to be void back to the head of the queue. Returns what the place held
    /// before, to be dropped once the state is released.
    fn requeue(&mut self, place: Place, note: usize, waiter: Waiter) -> Option<Waiter> {
        let first = self.first;
        let entry = self.entry(place);
        debug_assert!(entry.is_granted, "only a granted waiter is out of the queue");
        let before = mem::replace(
            entry,
            Entry { waiter: Some(waiter), note, is_granted: false, before: NONE, after: first },
        );
        match self.entries.get_mut(first as usize) {
            Some(second) => second.before = place.0,
            None => self.last = place.0,
        }
        self.first = place.0;
        self.queued += 1;
        before.waiter
    }

    /// Gives the place up. What it held is to be dropped once the state is released.
    #[inline]
    fn leave(&mut self, place: Place) -> Left {
        if !self.entry(place).is_granted {
            self.unlink(place);
        }
        let vacant = self.vacant;
        let entry = self.entry(place);
        let left = Left { granted: entry.is_granted.then_some(entry.note), waiter: entry.waiter.take() };
        entry.after = vacant;
        self.vacant = place.0;
        left
    }

    /// Takes a place out of the queue.
    #[inline]
    fn unlink(&mut self, place: Place) {
        let entry = self.entry(place);
        let (before, after) = (entry.before, entry.after);
        match self.entries.get_mut(before as usize) {
            Some(entry) => entry.after = after,
            None => self.first = after,
        }
        match self.entries.get_mut(after as usize) {
            Some(entry) => entry.before = before,
            None => self.last = before,
        }
        self.queued -= 1;
    }

    #[inline]
    fn entry(&mut self, place: Place) -> &mut Entry {
        &mut self.entries[place.0 as usize]
    }
}

/// What remained of a wait that is over.
#[derive(Debug)]
pub(crate) struct Left {
    /// It was granted this and nobody took notice: whoever dropped the future has to pass it on.
    pub(crate) granted: Option<usize>,
    #[expect(dead_code, reason = "kept to be dropped in the right place")]
    waiter: Option<Waiter>,
}

/// State that has a queue.
pub(crate) trait Queued {
    /// Which of its queues, if there are several.
    type Which: Copy;
    /// The queue.
    fn list(&mut self, which: Self::Which) -> &mut WaitList;
}

/// All the state of a primitive with one queue: nothing, until somebody waits.
#[derive(Debug, Default)]
pub(crate) struct LazyList(Option<Box<WaitList>>);

impl LazyList {
    /// Waiters without a grant.
    pub(crate) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |list| list.len())
    }

    /// The list, if anybody ever waited.
    #[inline]
    pub(crate) fn get(&mut self) -> Option<&mut WaitList> {
        self.0.as_deref_mut()
    }
}

impl Queued for LazyList {
    type Which = ();

    #[inline]
    fn list(&mut self, (): ()) -> &mut WaitList {
        self.0.get_or_insert_default()
    }
}

/// What an attempt came to.
pub(crate) enum Attempt<R> {
    /// It is done.
    Done(R),
    /// It has to wait, and asks for so much.
    Wait(usize),
}

/// A future's place in a queue, if it has one.
#[derive(Debug, Default)]
pub(crate) struct Turn(Option<Place>);

impl Turn {
    pub(crate) const fn new() -> Self {
        Self(None)
    }

    /// Whether the future waits.
    #[inline]
    pub(crate) fn is_waiting(&self) -> bool {
        self.0.is_some()
    }

    /// Polls the wait.
    ///
    /// Without a place, it asks `attempt`, and queues if that says so. With one, it looks for a grant; once there is
    /// one the place is given up and `accept` has the note that came with it.
    #[inline]
    pub(crate) fn poll<S: Queued, G: Guarded<S>, R>(
        &mut self,
        guarded: &G,
        which: S::Which,
        cx: &Context<'_>,
        describe: impl FnOnce() -> Wait,
        attempt: impl FnOnce(&mut S) -> Attempt<R>,
        accept: impl FnOnce(&mut S, usize) -> R,
    ) -> Poll<R> {
        let mut accept = Some(accept);
        if self.is_waiting() {
            self.look(guarded, which, cx, describe, |state, note, _, _| {
                let accept = accept.take().expect("a grant is accepted once");
                Attempt::Done(accept(state, note))
            })
        } else {
            self.arrive(guarded, which, cx, describe, |state, _| attempt(state))
        }
    }

    /// The first poll of a wait: asks `attempt`, and queues if that says so. Then those wake whom it granted
    /// something.
    #[inline]
    pub(crate) fn arrive<S: Queued, G: Guarded<S>, R>(
        &mut self,
        guarded: &G,
        which: S::Which,
        cx: &Context<'_>,
        describe: impl FnOnce() -> Wait,
        attempt: impl FnOnce(&mut S, &mut Wakes) -> Attempt<R>,
    ) -> Poll<R> {
        let mut waiter = Some(Waiter::new(cx, &describe()));
        let mut wakes = Wakes::default();
        let polled = guarded.with(|state| match attempt(state, &mut wakes) {
            Attempt::Done(result) => Poll::Ready(result),
            Attempt::Wait(note) => {
                let waiter = waiter.take().expect("used once");
                self.0 = Some(state.list(which).arrive(waiter, note));
                Poll::Pending
            }
        });
        drop(waiter); // it did not have to wait after all
        wakes.wake();
        polled
    }

    /// The later polls of a wait: once it is granted, asks `accept`.
    ///
    /// That may find the grant void, and say `Wait`: then the wait goes on at the head of the queue. A waiter for that
    /// must be prepared first; until one is, the third argument is false, and `accept` must change nothing if it
    /// says `Wait`.
    #[inline]
    pub(crate) fn look<S: Queued, G: Guarded<S>, R>(
        &mut self,
        guarded: &G,
        which: S::Which,
        cx: &Context<'_>,
        describe: impl FnOnce() -> Wait,
        mut accept: impl FnMut(&mut S, usize, bool, &mut Wakes) -> Attempt<R>,
    ) -> Poll<R> {
        /// What is to be dropped or done with the state released.
        enum Next<R> {
            Finish(R, Left),
            StayQueued(Option<Ticket>),
            CloneWaker,
            PrepareWaiter,
            Requeued(Option<Waiter>),
        }
        let place = self.0.expect("only who waits looks for a grant");
        let (mut waker, mut waiter, mut describe) = (None, None, Some(describe));
        let mut wakes = Wakes::default();
        loop {
            let next = guarded.with(|state| {
                let entry = state.list(which).entry(place);
                if !entry.is_granted {
                    let waiter = entry.waiter.as_mut().expect("a place in the queue has a waiter");
                    let known = waiter.waker.as_mut().expect("a waiter keeps its waker until it is granted");
                    if !known.will_wake(cx.waker()) {
                        let Some(waker) = waker.as_mut() else { return Next::CloneWaker };
                        mem::swap(known, waker);
                    }
                    return Next::StayQueued(waiter.ticket);
                }
                let note = entry.note;
                match (accept(state, note, waiter.is_some(), &mut wakes), waiter.take()) {
                    (Attempt::Done(result), _) => Next::Finish(result, state.list(which).leave(place)),
                    (Attempt::Wait(_), None) => Next::PrepareWaiter,
                    (Attempt::Wait(note), Some(waiter)) => {
                        Next::Requeued(state.list(which).requeue(place, note, waiter))
                    }
                }
            });
            match next {
                Next::CloneWaker => waker = Some(cx.waker().clone()),
                Next::PrepareWaiter => {
                    let describe = describe.take().expect("a waiter is prepared once");
                    waiter = Some(Waiter::new(cx, &describe()));
                }
                Next::Finish(result, left) => {
                    self.0 = None;
                    drop(left);
                    wakes.wake();
                    return Poll::Ready(result);
                }
                Next::StayQueued(ticket) => {
                    refuse_if_hopeless(ticket);
                    return Poll::Pending; // here the old waker is dropped, or the new one that was not needed
                }
                Next::Requeued(before) => {
                    drop(before);
                    wakes.wake();
                    return Poll::Pending;
                }
            }
        }
    }

    /// Gives the place up, if there is one: for `drop`. A grant that nobody took notice of is undone by `pass_on`,
    /// in the same breath, so that no one sees the state in between.
    #[inline]
    pub(crate) fn leave<S: Queued, G: Guarded<S>, R: Default>(
        &mut self,
        guarded: &G,
        which: S::Which,
        pass_on: impl FnOnce(&mut S, Option<usize>) -> R,
    ) -> R {
        let Some(place) = self.0.take() else { return R::default() };
        let (left, result) = guarded.with(|state| {
            let left = state.list(which).leave(place);
            let granted = left.granted;
            (left, pass_on(state, granted))
        });
        drop(left);
        result
    }
}

/// The task holds what it waits for, and nothing else can wake it: better an answer than a silence without end.
#[inline]
fn refuse_if_hopeless(ticket: Option<Ticket>) {
    if let Some(ticket) = ticket
        && let Some(observer) = observer::observer()
        && observer.is_hopeless(ticket)
    {
        hopeless();
    }
}

#[cold]
fn hopeless() -> ! {
    panic!(
        "this task waits for a lock that it holds itself, and for nothing else: it would wait for ever. Drop the \
         first guard before acquiring again, or use an RLock, which lets its holder in again"
    )
}
