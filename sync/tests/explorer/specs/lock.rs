//! `Lock`: one holder, in the order of arrival; a future that is dropped passes its grant on.

use crate::spec::{DONE, Fut, Id, Line, Model, Outcome, Spec, Then};
use runtime_sync::{Lock, LockGuard};
use std::{
    future::Future,
    marker::PhantomData,
    pin::pin,
    task::{Context, Waker},
};

/// What ours and the peer have in common.
pub(crate) trait Mutex: 'static {
    type Guard: 'static;
    /// The peer calls wakers as it likes.
    const IS_OURS: bool;
    fn new() -> Self;
    fn acquire(&'static self) -> impl Future<Output = Self::Guard> + 'static;
    fn try_acquire(&'static self) -> Option<Self::Guard>;
    fn locked(&'static self) -> bool;
}

impl Mutex for Lock<u32> {
    type Guard = LockGuard<'static, u32>;
    const IS_OURS: bool = true;
    fn new() -> Self {
        Lock::new(0)
    }
    fn acquire(&'static self) -> impl Future<Output = Self::Guard> + 'static {
        self.acquire()
    }
    fn try_acquire(&'static self) -> Option<Self::Guard> {
        self.try_acquire()
    }
    fn locked(&'static self) -> bool {
        self.locked()
    }
}

impl Mutex for tokio::sync::Mutex<u32> {
    type Guard = tokio::sync::MutexGuard<'static, u32>;
    const IS_OURS: bool = false;
    fn new() -> Self {
        tokio::sync::Mutex::new(0)
    }
    fn acquire(&'static self) -> impl Future<Output = Self::Guard> + 'static {
        self.lock()
    }
    fn try_acquire(&'static self) -> Option<Self::Guard> {
        self.try_lock().ok()
    }
    fn locked(&'static self) -> bool {
        self.try_lock().is_err()
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Act {
    Acquire,
    TryAcquire,
    Release,
}

pub(crate) struct Of<M>(PhantomData<M>);

impl<M: Mutex> Spec for Of<M> {
    const NAME: &'static str = if M::IS_OURS { "Lock" } else { "tokio's Mutex" };
    type World = M;
    type Held = M::Guard;
    type Act = Act;
    type Model = Reference;
    const STARTS: &'static [Act] = &[Act::Acquire, Act::TryAcquire];
    const USES: &'static [Act] = &[Act::Release];
    const IS_OURS: bool = M::IS_OURS;
    const DEPTH: usize = if M::IS_OURS { 6 } else { 5 };

    fn world() -> M {
        M::new()
    }

    fn start(world: &'static M, _: Id, act: Act) -> Fut<Self> {
        match act {
            Act::Acquire => {
                let acquire = world.acquire();
                Box::pin(async { (DONE, Some(acquire.await)) })
            }
            _ => Box::pin(async {
                let guard = world.try_acquire();
                (Outcome("try", i64::from(guard.is_some())), guard)
            }),
        }
    }

    fn seen(world: &'static M) -> Vec<i64> {
        vec![i64::from(world.locked())]
    }

    fn probe(world: &'static M) {
        // Whoever is woken has the lock already.
        assert!(world.locked() || world.try_acquire().is_some());
        let _ = pin!(world.acquire()).poll(&mut Context::from_waker(Waker::noop()));
    }
}

#[derive(Debug)]
pub(crate) struct Reference {
    is_locked: bool,
    line: Line<(), ()>,
}

impl Reference {
    fn release(&mut self) {
        if self.line.front().is_some() {
            self.line.grant(());
        } else {
            self.is_locked = false;
        }
    }
}

impl Model for Reference {
    type Act = Act;

    fn new() -> Self {
        Self { is_locked: false, line: Line::new() }
    }

    fn poll(&mut self, id: Id, act: Act, is_first: bool) -> (Option<Outcome>, Then) {
        let is_mine = self.line.take(id).is_some() || is_first && !self.is_locked;
        match act {
            Act::TryAcquire if !is_mine => (Some(Outcome("try", 0)), Then::Gone),
            _ if is_mine => {
                self.is_locked = true;
                let outcome = if act == Act::TryAcquire { Outcome("try", 1) } else { DONE };
                (Some(outcome), Then::Held)
            }
            _ => {
                if is_first {
                    self.line.join(id, ());
                }
                (None, Then::Gone)
            }
        }
    }

    fn is_ready(&self, id: Id) -> bool {
        self.line.is_granted(id)
    }

    fn cancel(&mut self, id: Id, _: Act, _: bool) {
        if self.line.leave(id).is_some() {
            self.release();
        }
    }

    fn apply(&mut self, _: Id, _: Act) -> (Outcome, Then) {
        self.release();
        (DONE, Then::Gone)
    }

    fn seen(&self) -> Vec<i64> {
        vec![i64::from(self.is_locked)]
    }
}
