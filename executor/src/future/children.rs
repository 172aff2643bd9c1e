//! Futures of one type that one task polls in place, each only when it woke: what `join_all` and its kin are made of.
//!
//! Each child that waits has a slot of its own in the runtime's slot table, so its waker is an integer like a
//! task's. Waking it notes the child's number in the group and wakes the parent: polling costs what woke, not
//! what there is. A child that is ready at its first poll leaves its slot to the next one.

use super::pinned::PinnedSlice;
use crate::{
    core::Core,
    current,
    registry::RuntimeId,
    task::{
        raw::TaskRef,
        slots::{Key, Occupant},
        waker,
    },
};
use pin_project_lite::pin_project;
use std::{
    fmt, mem,
    ops::ControlFlow,
    pin::Pin,
    task::{Context, Poll, ready},
};

/// Children polled in one turn of the task, each with a budget of its own; as many as tasks are between two
/// questions to the outside.
pub(crate) const MAX_POLLS: usize = 61;

/// Any number of children, numbered from 0.
pub(crate) struct Children<F: Future> {
    children: PinnedSlice<Child<F>>,
    /// Children that are not done.
    left: usize,
    /// The first child that was never polled.
    unpolled: usize,
    /// Where wakes are noted; made at the first poll.
    group: Option<(RuntimeId, u32)>,
    /// Children woken, being polled now; the last is next.
    batch: Vec<u32>,
    /// The slot of a child that did not need it, for the next one.
    spare: Option<Key>,
}

pin_project! {
    #[project = ChildProjection]
    enum Child<F: Future> {
        Future {
            // Its slot, once it has had to wait.
            key: Option<Key>,
            #[pin]
            future: F,
        },
        Done { output: Option<F::Output> },
    }
}

/// While it lives, the child of this key runs.
pub(crate) struct RunningChild<'a> {
    core: &'a Core,
    outer: Option<(TaskRef, Key)>,
}

impl<'a> RunningChild<'a> {
    #[inline]
    pub(crate) fn new(core: &'a Core, key: Key) -> Self {
        Self { core, outer: core.set_running_child(core.running().map(|task| (task, key))) }
    }
}

impl RunningChild<'_> {
    /// Whoever is named later by [`is`](RunningChild::is); nobody yet.
    #[inline]
    pub(crate) fn nobody(core: &Core) -> RunningChild<'_> {
        RunningChild { core, outer: core.set_running_child(None) }
    }

    /// From now on it is this one.
    #[inline]
    pub(crate) fn is(&self, key: Key) {
        self.core.set_running_child(self.core.running().map(|task| (task, key)));
    }
}

impl Drop for RunningChild<'_> {
    #[inline]
    fn drop(&mut self) {
        self.core.set_running_child(self.outer);
    }
}

/// What becomes of the output of a child that is done: kept in the child's place, or not. `Break` ends the poll.
pub(super) type Kept<T> = ControlFlow<(), Option<T>>;

impl<F: Future> Children<F> {
    pub(super) fn new(iter: impl IntoIterator<Item = F>) -> Self {
        let children: PinnedSlice<_> =
            iter.into_iter().map(|future| Child::Future { key: None, future }).collect();
        Self { left: children.len(), children, unpolled: 0, group: None, batch: Vec::new(), spare: None }
    }

    pub(super) fn len(&self) -> usize {
        self.children.len()
    }

    /// How many are not done.
    #[inline]
    pub(super) fn left(&self) -> usize {
        self.left
    }

    /// Polls those that woke, up to a turn's worth, and tells `done` who ended, in the order of waking. Ready if none
    /// is left, or when `done` breaks off: what woke besides is then for the next poll.
    ///
    /// # Panics
    /// Outside a runtime, or in another than before; `name` is who was called.
    #[inline]
    pub(super) fn poll(
        &mut self,
        name: &str,
        context: &mut Context<'_>,
        done: impl FnMut(usize, F::Output) -> Kept<F::Output>,
    ) -> Poll<()> {
        current::expect(name, |core| {
            let (runtime, group) =
                *self.group.get_or_insert_with(|| (core.id(), core.open_group(self.children.len())));
            assert!(
                runtime == core.id(),
                "a {name} that was polled in one runtime cannot go on in another: await it where it began"
            );
            // One unit of the caller's budget, as the children have budgets of their own: without it a task that
            // joins ready children in a loop would never give way.
            ready!(current::poll_budget(context));
            let budget = core.budget();
            // First, as cloning a foreign waker may wake a child: until the parent is set that tells nobody.
            core.set_parent(group, context.waker());
            if self.batch.is_empty() {
                core.take_woken(group, &mut self.batch);
            }
            let flow = self.poll_some(core, group, done);
            core.set_budget(budget);
            if self.left == 0 || flow.is_break() {
                return Poll::Ready(());
            }
            // Those that woke since the batch was taken have used up the parent's waker: it is this poll that
            // they have brought about.
            if !self.batch.is_empty() || self.unpolled < self.children.len() || core.has_woken(group) {
                context.waker().wake_by_ref();
            }
            Poll::Pending
        })
    }

    /// Polls what was never polled, then what woke, up to a turn's worth. In this order, or children that always
    /// wake themselves would keep the last ones from ever beginning.
    #[inline]
    fn poll_some(
        &mut self,
        core: &Core,
        group: u32,
        mut done: impl FnMut(usize, F::Output) -> Kept<F::Output>,
    ) -> ControlFlow<()> {
        let mut flow = ControlFlow::Continue(());
        for _ in 0..MAX_POLLS {
            let index = if self.unpolled < self.children.len() {
                self.unpolled += 1;
                (self.unpolled - 1) as u32
            } else if let Some(woken) = self.batch.pop() {
                woken
            } else {
                break;
            };
            flow = self.poll_child(core, group, index, &mut done);
            if flow.is_break() {
                break;
            }
        }
        if let Some(spare) = self.spare.take() {
            core.slots().vacate(spare);
        }
        flow
    }

    /// Polls a child; it has a slot of its own if it has to wait.
    #[inline(always)] // into its one caller, which so learns what `done` does
    fn poll_child(
        &mut self,
        core: &Core,
        group: u32,
        index: u32,
        done: &mut impl FnMut(usize, F::Output) -> Kept<F::Output>,
    ) -> ControlFlow<()> {
        let mut child = self.children.get(index as usize);
        let ChildProjection::Future { key, future } = child.as_mut().project() else {
            return ControlFlow::Continue(());
        };
        let occupant = Occupant::Child { group, index };
        let own = key.unwrap_or_else(|| match self.spare.take() {
            Some(spare) => {
                core.slots().move_in(spare, occupant);
                spare
            }
            None => core.slots().insert(occupant, None),
        });
        *key = Some(own);
        core.refill_budget();
        let running = RunningChild::new(core, own);
        let polled = future.poll(&mut Context::from_waker(&waker::waker(own)));
        drop(running);
        let Poll::Ready(output) = polled else { return ControlFlow::Continue(()) };
        // Before the future is dropped, as that may panic.
        *key = None;
        self.left -= 1;
        if let Some(unneeded) = self.spare.replace(own) {
            core.slots().vacate(unneeded);
        }
        let (flow, output) = match done(index as usize, output) {
            ControlFlow::Continue(kept) => (ControlFlow::Continue(()), kept),
            ControlFlow::Break(()) => (ControlFlow::Break(()), None),
        };
        child.set(Child::Done { output });
        flow
    }

    /// A child that is not done.
    pub(super) fn get(&mut self, index: usize) -> Option<Pin<&mut F>> {
        match self.children.get(index).project() {
            ChildProjection::Future { future, .. } => Some(future),
            ChildProjection::Done { .. } => None,
        }
    }

    /// The outputs that were kept, in order, once each.
    pub(super) fn take_outputs(&mut self) -> impl Iterator<Item = Option<F::Output>> {
        (0..self.children.len()).map(|index| match self.children.get(index).project() {
            ChildProjection::Done { output } => output.take(),
            ChildProjection::Future { .. } => None,
        })
    }

    /// Drops all children, the first one first; none is left.
    pub(super) fn clear(&mut self) {
        self.leave();
        (self.left, self.unpolled) = (0, 0);
        drop(mem::take(&mut self.children));
    }

    /// Gives the slots back: whoever wakes a child from now on tells nobody.
    fn leave(&mut self) {
        let Some((runtime, group)) = self.group.take() else { return };
        self.batch.clear();
        let keys = (0..self.children.len())
            .filter_map(|index| match self.children.get(index).project() {
                ChildProjection::Future { key, .. } => key.take(),
                ChildProjection::Done { .. } => None,
            })
            .chain(self.spare.take())
            .collect::<Vec<Key>>();
        let leave = move |core: &Core| {
            keys.into_iter().for_each(|key| core.slots().vacate(key));
            core.close_group(group);
        };
        if runtime.is_current() {
            current::with(leave);
        } else {
            // If the runtime is gone, so is its table.
            let _ = runtime.post(move || {
                current::with(leave);
            });
        }
    }
}

impl<F: Future> Drop for Children<F> {
    fn drop(&mut self) {
        self.leave();
    }
}

impl<F: Future> fmt::Debug for Children<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Children").field("len", &self.len()).field("left", &self.left).finish()
    }
}
