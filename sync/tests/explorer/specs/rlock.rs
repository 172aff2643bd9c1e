//! `RLock`: the task that has it enters again, at once or if it waits already; others in the order of arrival.
//!
//! There are two tasks here, and each may have several futures of one lock.

use crate::spec::{DONE, Fut, Id, Line, Model, Outcome, SLOTS, Spec, Then};
use runtime_sync::{RLock, RLockGuard};

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Act {
    Acquire,
    Release,
}

pub(crate) struct Ours;

impl Spec for Ours {
    const NAME: &'static str = "RLock";
    type World = RLock<u32>;
    type Held = RLockGuard<'static, u32>;
    type Act = Act;
    type Model = Reference;
    const STARTS: &'static [Act] = &[Act::Acquire];
    const USES: &'static [Act] = &[Act::Release];
    // A task is woken when it has got the lock and others wait: they may be its own.
    const WAKES_EXACTLY: bool = false;
    const TASKS: usize = TASKS;
    const DEPTH: usize = 8;

    fn world() -> RLock<u32> {
        RLock::new(0)
    }

    fn start(world: &'static RLock<u32>, _: Id, _: Act) -> Fut<Self> {
        let acquire = world.acquire();
        Box::pin(async { (DONE, Some(acquire.await)) })
    }

    fn seen(world: &'static RLock<u32>) -> Vec<i64> {
        vec![i64::from(world.locked()), i64::try_from(world.count()).expect("few")]
    }

    fn probe(world: &'static RLock<u32>) {
        let _ = (Self::seen(world), world.locked() && world.try_acquire().is_some());
    }
}

const TASKS: usize = 2;

#[derive(Debug)]
pub(crate) struct Reference {
    /// The task that has it, with so many guards; `None`: nobody has, or has noticed that it has.
    holder: Option<(usize, i64)>,
    line: Line<(), ()>,
}

impl Reference {
    fn is_locked(&self) -> bool {
        self.holder.is_some() || !self.line.granted.is_empty()
    }

    fn hand_over(&mut self) {
        if self.line.front().is_some() {
            self.line.grant(());
        }
    }

    fn is_holder(&self, id: Id) -> bool {
        self.holder.is_some_and(|(task, _)| task == id % TASKS)
    }
}

impl Model for Reference {
    type Act = Act;

    fn new() -> Self {
        Self { holder: None, line: Line::new() }
    }

    fn poll(&mut self, id: Id, _: Act, is_first: bool) -> (Option<Outcome>, Then) {
        if let Some((_, count)) = self.holder.as_mut().filter(|(task, _)| *task == id % TASKS) {
            *count += 1;
            self.line.leave(id);
        } else if self.line.take(id).is_some() || is_first && !self.is_locked() {
            self.holder = Some((id % TASKS, 1));
        } else {
            if is_first {
                self.line.join(id, ());
            }
            return (None, Then::Gone);
        }
        (Some(DONE), Then::Held)
    }

    fn is_ready(&self, id: Id) -> bool {
        debug_assert!(id < SLOTS);
        self.line.is_granted(id) || self.is_holder(id)
    }

    fn cancel(&mut self, id: Id, _: Act, _: bool) {
        if self.line.leave(id).is_some() {
            self.hand_over();
        }
    }

    fn apply(&mut self, _: Id, _: Act) -> (Outcome, Then) {
        if let Some((_, count)) = &mut self.holder {
            *count -= 1;
            if *count == 0 {
                self.holder = None;
                self.hand_over();
            }
        }
        (DONE, Then::Gone)
    }

    fn seen(&self) -> Vec<i64> {
        vec![i64::from(self.is_locked()), self.holder.map_or(0, |(_, count)| count)]
    }
}
