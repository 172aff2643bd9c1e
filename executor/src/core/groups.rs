//! Groups of children: futures that one task polls in place, each with a slot and so a waker of its own.

use super::Core;
use crate::task::{
    locals::Locals,
    raw::TaskRef,
    slots::{Key, Occupant},
    waker::Waiter,
};
use std::{collections::BTreeMap, task::Waker};

/// Which children of one `join_all`, polled in place by its task, have woken.
pub(super) struct Group {
    /// Who polls the children; taken by the first wake.
    parent: Option<Waiter>,
    /// Whoever polled the children last, if that was a task of ours or a child of another group: whom they belong to.
    above: Option<Key>,
    /// Children woken since their parent looked, each once.
    woken: Vec<u32>,
    /// One bit per child: it is in `woken`.
    is_woken: Vec<u64>,
}

impl Core {
    pub(super) fn wake_child(&self, group: u32, index: u32) {
        let mut groups = self.groups.borrow_mut();
        let Some(group) = groups.get_mut(group as usize) else { return };
        let (word, bit) = (&mut group.is_woken[index as usize / 64], 1 << (index % 64));
        if *word & bit != 0 {
            return;
        }
        *word |= bit;
        group.woken.push(index);
        // Only the first of several finds somebody to wake.
        let parent = if group.parent.is_some() { group.parent.take() } else { None };
        drop(groups);
        if let Some(parent) = parent {
            parent.wake();
        }
    }

    pub(crate) fn open_group(&self, children: usize) -> u32 {
        let group =
            Group { parent: None, above: None, woken: Vec::new(), is_woken: vec![0; children.div_ceil(64)] };
        u32::try_from(self.groups.borrow_mut().insert(group)).expect("fewer groups than slots")
    }

    /// Makes sure that child number `index` can be noted; gives how many can.
    pub(crate) fn make_room(&self, group: u32, index: u32) -> u32 {
        let is_woken = &mut self.groups.borrow_mut()[group as usize].is_woken;
        is_woken.resize(is_woken.len().max(index as usize / 64 + 1), 0);
        is_woken.len() as u32 * 64
    }

    /// Has the children's parent polled, for a reason of its own.
    pub(crate) fn wake_parent(&self, group: u32) {
        let parent = self.groups.borrow_mut()[group as usize].parent.take();
        if let Some(parent) = parent {
            parent.wake();
        }
    }

    pub(crate) fn close_group(&self, group: u32) {
        let closed = self.groups.borrow_mut().remove(group as usize);
        drop(closed);
    }

    /// Says who polls the group's children.
    pub(crate) fn set_parent(&self, group: u32, parent: &Waker) {
        let before = self.groups.borrow_mut()[group as usize].parent.take();
        let parent = match before {
            Some(before) if before.will_wake(parent) => before,
            before => {
                drop(before);
                Waiter::new(parent)
            }
        };
        let mut groups = self.groups.borrow_mut();
        let group = &mut groups[group as usize];
        group.above = parent.key();
        group.parent = Some(parent);
    }

    /// Moves the numbers of the woken children into `batch`, which is empty, in reverse order of waking.
    pub(crate) fn take_woken(&self, group: u32, batch: &mut Vec<u32>) {
        let mut groups = self.groups.borrow_mut();
        let group = &mut groups[group as usize];
        std::mem::swap(&mut group.woken, batch);
        for index in &*batch {
            group.is_woken[*index as usize / 64] &= !(1 << (index % 64));
        }
        batch.reverse();
    }

    /// The task that polls, perhaps through other groups, the future behind `key`. `None` if nobody does, or if
    /// somebody else's executor stands in between.
    pub(crate) fn task_above(&self, mut key: Key) -> Option<TaskRef> {
        let groups = self.groups.borrow();
        for _ in 0..=groups.len() {
            match self.slots.find(key)? {
                Occupant::Task(task) => return Some(task),
                Occupant::Child { group, .. } => key = groups.get(group as usize)?.above?,
                Occupant::Vacant { .. } => return None,
            }
            if !self.is_home_of(key) {
                return None;
            }
        }
        None
    }

    /// Who is polled next when a child of the group wakes, unless one has already.
    pub(crate) fn parent_of(&self, group: u32) -> Option<Key> {
        self.groups.borrow().get(group as usize)?.parent.as_ref()?.key()
    }

    /// The children of each group that have a slot: those that have had to wait.
    pub(crate) fn children_by_group(&self) -> BTreeMap<u32, Vec<Key>> {
        let mut children = BTreeMap::<u32, Vec<Key>>::new();
        for (key, group) in self.slots.children() {
            children.entry(group).or_default().push(key);
        }
        children
    }

    /// Whether a child has woken since [`take_woken`](Core::take_woken).
    pub(crate) fn has_woken(&self, group: u32) -> bool {
        !self.groups.borrow()[group as usize].woken.is_empty()
    }

    /// Asks the limits around what is being polled now not to drop it yet: it ends of itself, soon, with something to
    /// say.
    pub(crate) fn hold(&self) {
        self.is_held.set(true);
    }

    pub(crate) fn is_held(&self) -> bool {
        self.is_held.get()
    }

    /// Whether a limit around what is being polled now is over.
    pub(crate) fn is_doomed(&self) -> bool {
        self.is_doomed.get()
    }

    pub(crate) fn set_limits(&self, is_held: bool, is_doomed: bool) {
        self.is_held.set(is_held);
        self.is_doomed.set(is_doomed);
    }

    /// The task-locals of what is being polled now.
    pub(crate) fn locals(&self) -> Locals {
        self.locals.get()
    }

    /// Nothing is kept for the length of this poll: no task-locals, no child, no limits.
    #[inline]
    pub(crate) fn polls_plainly(&self) -> bool {
        self.running_child.get().is_none()
            && !self.is_held.get()
            && !self.is_doomed.get()
            && self.locals.is_empty()
    }

    pub(crate) fn replace_locals(&self, locals: Locals) -> Locals {
        self.locals.replace(locals)
    }
}
