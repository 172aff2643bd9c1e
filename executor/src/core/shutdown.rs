//! How a runtime ends.

use super::Core;
use crate::{
    registry,
    task::{defer::Cleanups, error::drop_quietly, raw::TaskRef},
};

impl Core {
    /// Whether the runtime takes no more tasks.
    #[inline]
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.get()
    }

    /// What is to be done before the end, and after it.
    pub(crate) fn cleanups(&self) -> &Cleanups {
        &self.cleanups
    }

    /// Refuses new tasks, then drops every future but those that clean up, oldest task first.
    pub(crate) fn cancel_all_but_cleanups(&self) {
        self.closing.set(true);
        self.cancel_tasks(|task| !self.cleanups.is_cleanup(task.id()));
        self.cleanups.end();
    }

    /// Refuses mail and new tasks, then drops every future, oldest task first. With this runtime entered.
    pub(crate) fn cancel_all(&self) {
        self.closing.set(true);
        self.cleanups.end();
        // One by one and quietly: a panic in somebody's drop must not keep the tasks alive.
        self.remote.close().into_iter().for_each(drop_quietly);
        self.drop_tickets();
        self.cancel_tasks(|_| true);
        self.timers.clear();
        self.drop_tickets();
    }

    fn cancel_tasks(&self, which: impl Fn(&TaskRef) -> bool) {
        let root = self.root();
        let mut tasks: Vec<TaskRef> = self.slots.tasks().filter(|task| *task != root).filter(which).collect();
        tasks.sort_unstable_by_key(|task| task.id());
        self.tell_who_never_ran(&tasks);
        for task in tasks {
            task.cancel_now(self);
        }
    }

    fn drop_tickets(&self) {
        while self.ready.pop().is_some() {}
    }

    /// Lets the name go. Wakers still out stay counted, in the block that outlives us.
    pub(crate) fn release_name(&self) {
        for (slot, out) in self.slots.counted() {
            self.remote.count_clones(slot, out.clones);
            self.remote.count_waiters(slot, out.waiters);
        }
        registry::release(self.id);
    }
}
