//! How a runtime ends.

use super::Core;
use crate::{
    current, registry,
    task::{Builder, TaskId, defer::Cleanups, error::drop_quietly, raw::TaskRef},
    time::sleep,
};
use std::panic::Location;

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
        let tasks = self.tasks_to_end(|task| !self.cleanups.is_cleanup(task.id()));
        tasks.iter().for_each(|task| task.cancel_now(self));
        self.grant_grace();
        self.cleanups.end();
    }

    /// Refuses mail and new tasks, then drops every future, oldest task first. With this runtime entered.
    pub(crate) fn cancel_all(&self) {
        self.closing.set(true);
        self.cleanups.end();
        // One by one and quietly: a panic in somebody's drop must not keep the tasks alive.
        self.remote.close().into_iter().for_each(drop_quietly);
        self.drop_tickets();
        self.tasks_to_end(|_| true).iter().for_each(|task| task.drop_now(self));
        self.timers.clear();
        self.drop_tickets();
    }

    /// Those that take turns to end have as long as a cleanup.
    fn grant_grace(&self) {
        let root = self.root();
        let left = |task: &TaskRef| *task != root && !self.cleanups.is_cleanup(task.id());
        let ending: Vec<TaskId> = self.slots.tasks().filter(left).map(TaskRef::id).collect();
        if ending.is_empty() {
            return;
        }
        ending.iter().for_each(|task| self.cleanups.began(*task));
        let grace = self.cleanups.grace();
        Builder::new().daemon(true).spawn_on(self, Location::caller(), async move {
            sleep(grace).await;
            current::with(|core| core.cleanups().give_up(&ending));
        });
    }

    /// Oldest first.
    fn tasks_to_end(&self, which: impl Fn(&TaskRef) -> bool) -> Vec<TaskRef> {
        let root = self.root();
        let mut tasks: Vec<TaskRef> = self.slots.tasks().filter(|task| *task != root).filter(which).collect();
        tasks.sort_unstable_by_key(|task| task.id());
        self.tell_who_never_ran(&tasks);
        tasks
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
