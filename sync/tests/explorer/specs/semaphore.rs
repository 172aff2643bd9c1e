//! `Semaphore` and `BoundedSemaphore`: permits are neither made nor lost, and who asks for many is not overtaken.
//!
//! Differences from tokio's, apart from what observers say while somebody waits (it hands permits to the first waiter
//! one by one, ours keeps them until they suffice): a waiter whose permits had reached it before `close` gets them
//! with ours, and an error with tokio's.

use crate::spec::{DONE, Fut, Id, Line, Model, Next, Outcome, Spec, Then};
use runtime_sync::{BoundedSemaphore, Permit, Semaphore, semaphore::TryAcquireError};
use std::{
    future::Future,
    marker::PhantomData,
    pin::pin,
    task::{Context, Waker},
};

const PERMITS: usize = 2;

/// What ours and the peer have in common.
pub(crate) trait Permits: 'static {
    type Permit: 'static;
    const NAME: &'static str;
    const OPS: &'static [Act];
    /// The peer calls wakers as it likes.
    const IS_OURS: bool;
    const IS_BOUNDED: bool = false;
    fn new() -> Self;
    fn acquire(&'static self, permits: usize) -> impl Future<Output = Option<Self::Permit>> + 'static;
    /// The error says whether it is closed.
    fn try_acquire(&'static self) -> Result<Self::Permit, bool>;
    fn forget(permit: Self::Permit);
    /// Takes one off, and lets go of it.
    fn release_one(permit: &mut Self::Permit);
    /// Whether they could be added.
    fn add(&'static self) -> bool;
    fn take_away(&'static self) -> usize;
    fn close(&'static self);
    fn seen(&'static self) -> (usize, bool);
}

impl Permits for Semaphore {
    type Permit = Permit<'static>;
    const NAME: &'static str = "Semaphore";
    const OPS: &'static [Act] = &[Act::Add, Act::TakeAway, Act::Close];
    const IS_OURS: bool = true;
    fn new() -> Self {
        Semaphore::new(PERMITS)
    }
    fn acquire(&'static self, permits: usize) -> impl Future<Output = Option<Self::Permit>> + 'static {
        let acquire = self.acquire_many(permits);
        async { acquire.await.ok() }
    }
    fn try_acquire(&'static self) -> Result<Self::Permit, bool> {
        self.try_acquire().map_err(|error| error == TryAcquireError::Closed)
    }
    fn forget(permit: Self::Permit) {
        permit.forget();
    }
    fn release_one(permit: &mut Self::Permit) {
        drop(permit.split(1).expect("one of more"));
    }
    fn add(&'static self) -> bool {
        self.add_permits(1);
        true
    }
    fn take_away(&'static self) -> usize {
        self.forget_permits(1)
    }
    fn close(&'static self) {
        self.close();
    }
    fn seen(&'static self) -> (usize, bool) {
        (self.available_permits(), self.is_closed())
    }
}

impl Permits for BoundedSemaphore {
    type Permit = Permit<'static>;
    const NAME: &'static str = "BoundedSemaphore";
    const OPS: &'static [Act] = &[Act::Add, Act::Close];
    const IS_OURS: bool = true;
    const IS_BOUNDED: bool = true;
    fn new() -> Self {
        BoundedSemaphore::new(PERMITS)
    }
    fn acquire(&'static self, permits: usize) -> impl Future<Output = Option<Self::Permit>> + 'static {
        let acquire = self.acquire_many(permits);
        async { acquire.await.ok() }
    }
    fn try_acquire(&'static self) -> Result<Self::Permit, bool> {
        self.try_acquire().map_err(|error| error == TryAcquireError::Closed)
    }
    fn forget(permit: Self::Permit) {
        permit.forget();
    }
    fn release_one(permit: &mut Self::Permit) {
        drop(permit.split(1).expect("one of more"));
    }
    fn add(&'static self) -> bool {
        self.release(1).is_ok()
    }
    fn take_away(&'static self) -> usize {
        0
    }
    fn close(&'static self) {
        self.close();
    }
    fn seen(&'static self) -> (usize, bool) {
        (self.available_permits(), self.is_closed())
    }
}

impl Permits for tokio::sync::Semaphore {
    type Permit = tokio::sync::SemaphorePermit<'static>;
    const NAME: &'static str = "tokio's Semaphore";
    const OPS: &'static [Act] = &[Act::Add, Act::Close];
    const IS_OURS: bool = false;
    fn new() -> Self {
        tokio::sync::Semaphore::new(PERMITS)
    }
    async fn acquire(&'static self, permits: usize) -> Option<Self::Permit> {
        self.acquire_many(u32::try_from(permits).expect("few")).await.ok()
    }
    fn try_acquire(&'static self) -> Result<Self::Permit, bool> {
        self.try_acquire().map_err(|error| error == tokio::sync::TryAcquireError::Closed)
    }
    fn forget(permit: Self::Permit) {
        permit.forget();
    }
    fn release_one(permit: &mut Self::Permit) {
        drop(permit.split(1).expect("one of more"));
    }
    fn add(&'static self) -> bool {
        self.add_permits(1);
        true
    }
    fn take_away(&'static self) -> usize {
        0
    }
    fn close(&'static self) {
        self.close();
    }
    fn seen(&'static self) -> (usize, bool) {
        (0, self.is_closed())
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Act {
    Acquire(usize),
    TryAcquire,
    Release,
    /// Lets go of one permit of more.
    ReleaseOne,
    Forget,
    Add,
    TakeAway,
    Close,
}

pub(crate) struct Of<P>(PhantomData<P>);

impl<P: Permits> Spec for Of<P> {
    const NAME: &'static str = P::NAME;
    type World = P;
    type Held = P::Permit;
    type Act = Act;
    type Model = Reference<P>;
    const STARTS: &'static [Act] = &[Act::Acquire(1), Act::Acquire(2), Act::TryAcquire];
    const USES: &'static [Act] = &[Act::Release, Act::Forget, Act::ReleaseOne];
    const RARE: &'static [Act] =
        if P::IS_BOUNDED { &[Act::ReleaseOne] } else { &[Act::TryAcquire, Act::ReleaseOne] };
    const OPS: &'static [Act] = P::OPS;
    const IS_OURS: bool = P::IS_OURS;
    const DEPTH: usize = if P::IS_OURS { 6 } else { 5 };
    const AMID: &'static [Act] = &[Act::Add];
    const IDLE: u8 = 1;
    const PLACES: usize = 3;

    fn world() -> P {
        P::new()
    }

    fn start(world: &'static P, _: Id, act: Act) -> Fut<Self> {
        if let Act::Acquire(permits) = act {
            let acquire = world.acquire(permits);
            return Box::pin(async move {
                let permit = acquire.await;
                (Outcome("acquired", i64::from(permit.is_some())), permit)
            });
        }
        Box::pin(async {
            match world.try_acquire() {
                Ok(permit) => (Outcome("acquired", 1), Some(permit)),
                Err(is_closed) => (Outcome(if is_closed { "closed" } else { "none" }, 0), None),
            }
        })
    }

    fn apply(_: &'static P, act: Act, mut held: P::Permit) -> (Outcome, Next<Self>) {
        if act == Act::ReleaseOne {
            P::release_one(&mut held);
            return (DONE, Next::Held(held));
        }
        if act == Act::Forget {
            P::forget(held);
        }
        (DONE, Next::Gone)
    }

    fn op(world: &'static P, act: Act) -> Outcome {
        match act {
            Act::Add => Outcome("added", i64::from(world.add())),
            Act::TakeAway => Outcome("taken away", i64::try_from(world.take_away()).expect("few")),
            _ => {
                world.close();
                DONE
            }
        }
    }

    fn seen(world: &'static P) -> Vec<i64> {
        let (available, is_closed) = world.seen();
        vec![i64::try_from(available).expect("few"), i64::from(is_closed)]
    }

    fn probe(world: &'static P) {
        let _ = pin!(world.acquire(1)).poll(&mut Context::from_waker(Waker::noop()));
    }
}

#[derive(Debug)]
pub(crate) struct Reference<P> {
    free: usize,
    forgotten: usize,
    /// What those have that hold a permit.
    held: [usize; crate::spec::SLOTS],
    is_closed: bool,
    /// A grant of 0: it was closed.
    line: Line<usize, usize>,
    peer: PhantomData<P>,
}

impl<P: Permits> Reference<P> {
    fn give(&mut self, permits: usize) {
        self.free += permits;
        while let Some(wanted) = self.line.front().filter(|wanted| *wanted <= self.free) {
            self.free -= wanted;
            self.line.grant(wanted);
        }
    }
}

impl<P: Permits> Model for Reference<P> {
    type Act = Act;

    fn new() -> Self {
        let held = [0; crate::spec::SLOTS];
        Self { free: PERMITS, forgotten: 0, held, is_closed: false, line: Line::new(), peer: PhantomData }
    }

    fn allows(&self, act: Act, id: Option<Id>) -> bool {
        match act {
            // More than a few say nothing new.
            Act::Add => self.free < 3,
            Act::ReleaseOne => id.is_some_and(|id| self.held[id] > 1),
            _ => true,
        }
    }

    fn is_idle(&self, act: Act) -> bool {
        match act {
            Act::Add => P::IS_BOUNDED && self.forgotten == 0,
            Act::TakeAway => self.free == 0 || self.is_closed || self.line.front().is_some(),
            _ => self.is_closed,
        }
    }

    fn poll(&mut self, id: Id, act: Act, is_first: bool) -> (Option<Outcome>, Then) {
        let wanted = if let Act::Acquire(permits) = act { permits } else { 1 };
        if let Some(granted) = self.line.take(id) {
            self.held[id] = granted;
            let then = if granted > 0 { Then::Held } else { Then::Gone };
            return (Some(Outcome("acquired", i64::from(granted > 0))), then);
        }
        if is_first && self.is_closed {
            let outcome = if act == Act::TryAcquire { "closed" } else { "acquired" };
            return (Some(Outcome(outcome, 0)), Then::Gone);
        }
        if is_first && self.line.front().is_none() && self.free >= wanted {
            self.free -= wanted;
            self.held[id] = wanted;
            return (Some(Outcome("acquired", 1)), Then::Held);
        }
        if act == Act::TryAcquire {
            return (Some(Outcome("none", 0)), Then::Gone);
        }
        if is_first {
            self.line.join(id, wanted);
        }
        (None, Then::Gone)
    }

    fn is_ready(&self, id: Id) -> bool {
        self.line.is_granted(id)
    }

    fn cancel(&mut self, id: Id, _: Act, _: bool) {
        // The first in the queue may have stood in the way of the next.
        let granted = self.line.leave(id).unwrap_or(0);
        self.give(granted);
    }

    fn apply(&mut self, id: Id, act: Act) -> (Outcome, Then) {
        if act == Act::ReleaseOne {
            self.held[id] -= 1;
            self.give(1);
            return (DONE, Then::Held);
        }
        let permits = std::mem::take(&mut self.held[id]);
        match act {
            Act::Forget => self.forgotten += permits,
            _ => self.give(permits),
        }
        (DONE, Then::Gone)
    }

    fn op(&mut self, act: Act) -> Outcome {
        match act {
            Act::Add => {
                let may = !P::IS_BOUNDED || self.forgotten > 0;
                if may {
                    self.forgotten = self.forgotten.saturating_sub(1);
                    self.give(1);
                }
                Outcome("added", i64::from(may))
            }
            Act::TakeAway => {
                let some = i64::from(!self.is_idle(act));
                self.free -= usize::from(some > 0);
                Outcome("taken away", some)
            }
            _ => {
                self.is_closed = true;
                self.line.grant_all(0);
                if !P::IS_OURS {
                    // Permits that had reached a waiter go back, and it gets the error.
                    let returned: usize = self.line.granted.iter().map(|(_, granted)| granted).sum();
                    self.line.granted.iter_mut().for_each(|(_, granted)| *granted = 0);
                    self.free += returned;
                }
                DONE
            }
        }
    }

    fn seen(&self) -> Vec<i64> {
        let free = if P::IS_OURS { self.free } else { 0 };
        vec![i64::try_from(free).expect("few"), i64::from(self.is_closed)]
    }

    fn ends(&self) -> Vec<Act> {
        vec![Act::Add]
    }
}
