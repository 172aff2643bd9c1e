//! `Condition`: whoever returns from `wait` has the lock, and a notification that its waiter cannot use goes on.

use crate::spec::{DONE, Fut, Id, Line, Model, Next, Outcome, SLOTS, Spec, Then};
use runtime_sync::{Condition, LockGuard};

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Act {
    Lock,
    /// `lock`, and `wait` with the guard: in one future, so that the search gets further.
    LockAndWait,
    Release,
    Wait,
    Notify(usize),
    NotifyAll,
    /// If the lock is free, a change under it, and word of it.
    TryLockAndNotify,
}

pub(crate) struct Ours;

impl Spec for Ours {
    const NAME: &'static str = "Condition";
    type World = Condition<u32>;
    type Held = LockGuard<'static, u32>;
    type Act = Act;
    type Model = Reference;
    const STARTS: &'static [Act] = &[Act::Lock, Act::LockAndWait];
    const USES: &'static [Act] = &[Act::Release, Act::Wait];
    const OPS: &'static [Act] = &[Act::Notify(1), Act::Notify(2), Act::NotifyAll];
    const AMID: &'static [Act] = &[Act::TryLockAndNotify];
    const RARE: &'static [Act] = &[Act::Notify(2)];
    const PLACES: usize = 3;

    fn world() -> Condition<u32> {
        Condition::new(0)
    }

    fn start(world: &'static Condition<u32>, _: Id, act: Act) -> Fut<Self> {
        let lock = world.lock();
        Box::pin(async move {
            let guard = lock.await;
            (DONE, Some(if act == Act::Lock { guard } else { world.wait(guard).await }))
        })
    }

    fn apply(
        world: &'static Condition<u32>,
        act: Act,
        held: LockGuard<'static, u32>,
    ) -> (Outcome, Next<Self>) {
        if act != Act::Wait {
            return (DONE, Next::Gone);
        }
        let wait = world.wait(held);
        (DONE, Next::Future(Box::pin(async { (DONE, Some(wait.await)) })))
    }

    fn op(world: &'static Condition<u32>, act: Act) -> Outcome {
        match act {
            Act::Notify(waiters) => world.notify(waiters),
            Act::NotifyAll => world.notify_all(),
            _ => {
                let guard = world.try_lock();
                guard.iter().for_each(|_| world.notify(1));
                return Outcome("changed", i64::from(guard.is_some()));
            }
        }
        DONE
    }

    fn seen(world: &'static Condition<u32>) -> Vec<i64> {
        vec![i64::from(world.try_lock().is_some())]
    }

    fn probe(world: &'static Condition<u32>) {
        world.notify(0);
        let _ = (world.try_lock(), format!("{world:?}"));
    }
}

#[derive(Debug)]
pub(crate) struct Reference {
    is_locked: bool,
    for_lock: Line<(), ()>,
    /// A grant: whether the notification was for one.
    for_change: Line<(), bool>,
    /// Who was notified for one and has not got the lock yet.
    notified: [bool; SLOTS],
    /// Who has locked, and gone on to wait.
    has_locked: [bool; SLOTS],
}

impl Reference {
    fn unlock(&mut self) {
        if self.for_lock.front().is_some() {
            self.for_lock.grant(());
        } else {
            self.is_locked = false;
        }
    }

    fn notify(&mut self, waiters: usize) {
        for _ in 0..waiters.min(self.for_change.waiting.len()) {
            self.for_change.grant(true);
        }
    }

    fn poll_lock(&mut self, id: Id, is_first: bool) -> (Option<Outcome>, Then) {
        if self.for_lock.take(id).is_some() || is_first && !self.is_locked {
            self.is_locked = true;
            self.notified[id] = false;
            return (Some(DONE), Then::Held);
        }
        if is_first {
            self.for_lock.join(id, ());
        }
        (None, Then::Gone)
    }
}

impl Model for Reference {
    type Act = Act;

    fn new() -> Self {
        Self {
            is_locked: false,
            for_lock: Line::new(),
            for_change: Line::new(),
            notified: [false; SLOTS],
            has_locked: [false; SLOTS],
        }
    }

    fn allows(&self, act: Act, _: Option<Id>) -> bool {
        // More than there are, or as many: it is all the same.
        act != Act::Notify(2) || self.for_change.waiting.len() > 2
    }

    fn is_idle(&self, _: Act) -> bool {
        self.for_change.front().is_none()
    }

    fn poll(&mut self, id: Id, act: Act, is_first: bool) -> (Option<Outcome>, Then) {
        if act == Act::Lock {
            return self.poll_lock(id, is_first);
        }
        let mut is_first = is_first;
        if act == Act::LockAndWait && (is_first || !self.has_locked[id]) {
            is_first = self.poll_lock(id, is_first).0.is_some();
            self.has_locked[id] = is_first;
            if !is_first {
                return (None, Then::Gone);
            }
        }
        if is_first {
            self.for_change.join(id, ());
            self.unlock();
            return (None, Then::Gone);
        }
        match self.for_change.take(id) {
            Some(for_one) => {
                self.notified[id] = for_one;
                self.poll_lock(id, true)
            }
            None => self.poll_lock(id, false),
        }
    }

    fn is_ready(&self, id: Id) -> bool {
        self.for_change.is_granted(id) || self.for_lock.is_granted(id)
    }

    fn cancel(&mut self, id: Id, act: Act, was_polled: bool) {
        let had_guard = act == Act::Wait && !was_polled;
        let for_one = self.for_change.leave(id).unwrap_or(false);
        if had_guard || self.for_lock.leave(id).is_some() {
            self.unlock();
        }
        let passes_on = for_one || std::mem::take(&mut self.notified[id]);
        self.notify(usize::from(passes_on));
    }

    fn apply(&mut self, _: Id, act: Act) -> (Outcome, Then) {
        if act == Act::Wait {
            return (DONE, Then::Future);
        }
        self.unlock();
        (DONE, Then::Gone)
    }

    fn op(&mut self, act: Act) -> Outcome {
        match act {
            Act::Notify(waiters) => self.notify(waiters),
            Act::NotifyAll => self.for_change.grant_all(false),
            // It comes amid a first poll only: somebody has the lock, or nobody would wait for it; or the one who is
            // polled has it, until it is in the queue and sees what is notified.
            _ => return Outcome("changed", 0),
        }
        DONE
    }

    fn seen(&self) -> Vec<i64> {
        vec![i64::from(!self.is_locked)]
    }

    fn ends(&self) -> Vec<Act> {
        vec![Act::NotifyAll]
    }
}
