//! The state of one runtime, on its thread: plain cells, and no borrow held across anybody else's code.

mod groups;
mod insight;
mod shutdown;

use crate::{
    blocking::Pool,
    group::draining::Draining,
    inbox::{Call, Remote},
    inspect::{Counters, Hooks, OnDeadlock},
    observe::{self, Observed, OnReport, Rest},
    outside::Outside,
    park::Park,
    random,
    registry::{self, Access, RuntimeId},
    schedule::Arranger,
    settle::Settlers,
    task::{
        self, TaskId,
        blocks::Blocks,
        defer::Cleanups,
        joined::Root,
        locals::CurrentLocals,
        raw::TaskRef,
        run_queue::{Queued, RunQueue},
        slots::{Key, Occupant, Out, Slots},
    },
    time::Timers,
};
use groups::Group;
use slab::Slab;
use std::{
    any::Any,
    cell::{Cell, OnceCell, RefCell},
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    sync::atomic::{Ordering, compiler_fence},
    time::Duration,
};

pub(crate) struct Core {
    id: RuntimeId,
    access: Access,
    /// The part of `id` that wakers carry, at hand.
    index: u16,
    remote: &'static Remote,
    slots: Slots,
    root: Root,
    ready: RunQueue,
    groups: RefCell<Slab<Group>>,
    blocks: Blocks,
    budget: Cell<u8>,
    budget_per_poll: u8,
    running: Cell<Option<TaskRef>>,
    /// The child that this task polls now.
    running_child: Cell<Option<(TaskRef, Key)>>,
    cleanups: Cleanups,
    /// The task-locals of what is being polled now.
    locals: CurrentLocals,
    /// What is being polled now should not be dropped yet; see `group/limit.rs`.
    is_held: Cell<bool>,
    /// What is being polled now will be dropped after this poll.
    is_doomed: Cell<bool>,
    random: Cell<u64>,
    next_task_id: Cell<u64>,
    alive: Cell<usize>,
    alive_daemons: Cell<usize>,
    /// What the loop should look at between two batches, in bits.
    attention: Cell<u8>,
    closing: Cell<bool>,
    timers: Timers,
    blocking: OnceCell<Pool>,
    blocking_threads: usize,
    outside: OnceCell<Outside>,
    extensions: Vec<Box<dyn Any>>,
    park: Rc<dyn Park>,
    observed: Observed,
    settlers: Settlers,
    draining: Draining,
    arranger: Option<Arranger>,
    counters: Counters,
    hooks: Option<Box<Hooks>>,
}

/// [`Core::attention`]: leave `block_on`.
const STOP: u8 = 1;
/// [`Core::attention`]: there are waits to look after.
const OBSERVE: u8 = 2;
/// [`Core::attention`]: somebody arranges each batch. It lasts.
const ARRANGE: u8 = 4;

/// What a core is made from.
pub(crate) struct Parts {
    pub(crate) park: Rc<dyn Park>,
    pub(crate) extensions: Vec<Box<dyn Any>>,
    pub(crate) timers: Timers,
    pub(crate) budget: u8,
    pub(crate) seed: u64,
    pub(crate) blocking_threads: usize,
    pub(crate) cleanup_grace: Duration,
    pub(crate) on_report: OnReport,
    pub(crate) hooks: Hooks,
    pub(crate) on_deadlock: OnDeadlock,
    pub(crate) arranger: Option<Arranger>,
}

impl Core {
    pub(crate) fn new(parts: Parts) -> Self {
        let (id, remote) = registry::register(parts.park.unparker());
        let slots = Slots::new(id.index());
        let blocks = Blocks::new();
        let root = Root::new(&blocks, &slots);
        Self {
            id,
            access: registry::access(id.index()).expect("a registered runtime has one"),
            index: id.index(),
            remote,
            slots,
            root,
            ready: RunQueue::default(),
            groups: RefCell::default(),
            blocks,
            budget: Cell::new(parts.budget),
            budget_per_poll: parts.budget,
            running: Cell::new(None),
            running_child: Cell::new(None),
            cleanups: Cleanups::new(parts.cleanup_grace),
            locals: CurrentLocals::default(),
            is_held: Cell::new(false),
            is_doomed: Cell::new(false),
            random: Cell::new(parts.seed),
            next_task_id: Cell::new(1),
            alive: Cell::new(0),
            alive_daemons: Cell::new(0),
            attention: Cell::new(if parts.arranger.is_some() { ARRANGE } else { 0 }),
            closing: Cell::new(false),
            timers: parts.timers,
            blocking: OnceCell::new(),
            blocking_threads: parts.blocking_threads,
            outside: OnceCell::new(),
            extensions: parts.extensions,
            park: parts.park,
            observed: Observed::new(id, parts.on_report, parts.on_deadlock),
            settlers: Settlers::default(),
            draining: Draining::default(),
            arranger: parts.arranger,
            counters: Counters::default(),
            hooks: parts.hooks.if_any(),
        }
    }

    #[inline]
    pub(crate) fn id(&self) -> RuntimeId {
        self.id
    }

    /// The right to reach this runtime from outside.
    pub(crate) fn access(&self) -> Access {
        self.access.clone()
    }

    #[inline]
    pub(crate) fn is_home_of(&self, key: Key) -> bool {
        self.index == key.runtime()
    }

    pub(crate) fn remote(&self) -> &'static Remote {
        self.remote
    }

    #[inline]
    pub(crate) fn slots(&self) -> &Slots {
        &self.slots
    }

    #[inline]
    pub(crate) fn blocks(&self) -> &Blocks {
        &self.blocks
    }

    #[inline]
    pub(crate) fn timers(&self) -> &Timers {
        &self.timers
    }

    /// The waits of this runtime's tasks.
    #[inline]
    pub(crate) fn observed(&self) -> &Observed {
        &self.observed
    }

    /// The groups that wait for their last children.
    pub(crate) fn draining(&self) -> &Draining {
        &self.draining
    }

    /// Who waits until nobody else is ready.
    #[inline]
    pub(crate) fn settlers(&self) -> &Settlers {
        &self.settlers
    }

    pub(crate) fn park(&self) -> &dyn Park {
        &*self.park
    }

    /// The blocking pool, made when first asked for; `None` if the runtime is to do without.
    pub(crate) fn blocking(&self) -> Option<&Pool> {
        (self.blocking_threads > 0).then(|| self.blocking.get_or_init(|| Pool::new(self.blocking_threads)))
    }

    /// The blocking pool, if anybody has asked for it.
    pub(crate) fn blocking_if_used(&self) -> Option<&Pool> {
        self.blocking.get()
    }

    /// Who works for this runtime outside of it.
    pub(crate) fn outside(&self) -> &Outside {
        self.outside.get_or_init(|| Outside::new(self.id))
    }

    /// Whether a job of the blocking pool, or somebody else outside, may yet wake a task. Over a yes the loop may go to sleep.
    pub(crate) fn is_outside_at_work(&self) -> bool {
        self.blocking_if_used().is_some_and(|pool| pool.outstanding() > 0)
            || self.outside.get().is_some_and(Outside::is_at_work)
    }

    /// What of type `T` was put on the shelf. A handful of objects: the first match of a short walk.
    #[inline]
    pub(crate) fn extension<T: Any>(&self) -> Option<&T> {
        self.extensions.iter().find_map(|extension| extension.downcast_ref())
    }

    // Waking.

    /// Wakes whoever `key` means. On this thread, with this runtime entered.
    #[inline]
    pub(crate) fn wake(&self, key: Key) {
        // A task that wakes itself, to yield or to go on later, is at hand.
        if let Some(running) = self.running.get()
            && running.key() == key
        {
            self.schedule(running);
        } else if let Some(occupant) = self.slots.find(key) {
            self.wake_occupant(occupant);
        }
    }

    #[inline]
    fn schedule(&self, task: TaskRef) {
        if let Some(queued) = task.schedule() {
            self.push(queued);
            self.note_wake(task);
        }
    }

    #[inline]
    fn wake_occupant(&self, occupant: Occupant) {
        match occupant {
            Occupant::Task(task) => self.schedule(task),
            Occupant::Child { group, index } => self.wake_child(group, index),
            Occupant::Vacant { .. } => {}
        }
    }

    /// A waiter's wake: counts it out and wakes whoever `key` means. False: there is no such slot here.
    #[inline]
    pub(crate) fn end_wait(&self, key: Key) -> bool {
        let Some(found) = self.slots.end_wait(key) else { return false };
        if let Some(occupant) = found {
            self.wake_occupant(occupant);
        }
        true
    }

    /// Who might wake a slot.
    pub(crate) fn out(&self, slot: u32) -> Out {
        // The halves may each be negative: cloned here, dropped there. The sum is not, once both are seen.
        self.slots.out(slot).plus(self.remote.out(slot))
    }

    /// Clones of the wakers of a slot that are held anywhere.
    pub(crate) fn waker_count(&self, slot: u32) -> usize {
        usize::try_from(self.out(slot).clones).unwrap_or(0)
    }

    // The run queue, for the loop.

    #[inline]
    pub(crate) fn push(&self, queued: Queued) {
        self.ready.push(queued);
    }

    #[inline]
    pub(crate) fn ready(&self) -> &RunQueue {
        &self.ready
    }

    /// The task that stands for the future of `block_on`.
    #[inline]
    pub(crate) fn root(&self) -> TaskRef {
        self.root.task()
    }

    // The running task.

    #[inline]
    pub(crate) fn set_running(&self, task: Option<TaskRef>) -> Option<TaskRef> {
        let before = self.running.replace(task);
        // A signal handler on this thread may look (`Glance`): it must not find a task whose memory is given up already.
        compiler_fence(Ordering::SeqCst);
        before
    }

    /// The task that runs now, which may be the root; `None` between polls.
    pub(crate) fn running(&self) -> Option<TaskRef> {
        self.running.get()
    }

    /// Notes that the running task polls a child of a group; returns what was noted before, to be noted again after.
    #[inline]
    pub(crate) fn set_running_child(&self, child: Option<(TaskRef, Key)>) -> Option<(TaskRef, Key)> {
        self.running_child.replace(child)
    }

    /// The key of the task that runs now, or of its child that does.
    pub(crate) fn running_key(&self) -> Option<Key> {
        let task = self.running.get()?;
        match self.running_child.get() {
            Some((parent, child)) if parent == task => Some(child),
            _ => Some(task.key()),
        }
    }

    #[inline]
    pub(crate) fn refill_budget(&self) {
        self.budget.set(self.budget_per_poll);
    }

    /// What is left of the budget, to be put back by [`set_budget`](Core::set_budget) after polls that had one of
    /// their own.
    #[inline]
    pub(crate) fn budget(&self) -> u8 {
        self.budget.get()
    }

    #[inline]
    pub(crate) fn set_budget(&self, left: u8) {
        self.budget.set(left);
    }

    /// Takes that many units. False, and nothing is left, if there were fewer.
    #[inline]
    pub(crate) fn take_budget(&self, units: u8) -> bool {
        let left = self.budget.get();
        self.budget.set(left.saturating_sub(units));
        left >= units
    }

    pub(crate) fn random_u64(&self) -> u64 {
        let (state, number) = random::next(self.random.get());
        self.random.set(state);
        number
    }

    #[inline]
    pub(crate) fn next_task_id(&self) -> TaskId {
        let id = self.next_task_id.get();
        self.next_task_id.set(id + 1);
        TaskId(id)
    }

    #[inline]
    pub(crate) fn task_began(&self, daemon: bool) {
        let counter = if daemon { &self.alive_daemons } else { &self.alive };
        counter.set(counter.get() + 1);
    }

    #[inline]
    pub(crate) fn task_ended(&self, daemon: bool) {
        let counter = if daemon { &self.alive_daemons } else { &self.alive };
        counter.set(counter.get() - 1);
    }

    /// Tasks alive that keep `OnExit::Wait` waiting.
    pub(crate) fn alive(&self) -> usize {
        self.alive.get()
    }

    /// All tasks alive.
    pub(crate) fn alive_with_daemons(&self) -> usize {
        self.alive.get() + self.alive_daemons.get()
    }

    // Mail.

    /// Acts on what other threads have left. The doorbell has been reset.
    pub(crate) fn read_mail(&self, wakes: &mut Vec<u32>) {
        let calls = self.remote.take(wakes);
        self.counters.remote_wakes.add(wakes.len() as u64);
        for slot in wakes.drain(..) {
            self.remote.acknowledge(slot);
            self.wake_occupant(self.slots.occupant(slot));
        }
        for call in calls {
            match call {
                Call::Stop => self.attention.set(self.attention.get() | STOP),
                Call::Cancel { slot, task } => self.cancel_task(slot, task),
                Call::Run(call) => {
                    if let Err(payload) = catch_unwind(AssertUnwindSafe(call)) {
                        task::error::discard(payload);
                    }
                }
            }
        }
    }

    /// Cancels the task of that number, if it still lives in the slot.
    pub(crate) fn cancel_task(&self, slot: u32, id: TaskId) {
        if let Occupant::Task(task) = self.slots.occupant(slot)
            && task.id() == id
        {
            task.cancel();
        }
    }

    /// Between two batches: whether `Handle::stop` was called, which asking resets. Looks after the waits as well, and
    /// has the next batch arranged.
    #[inline]
    pub(crate) fn take_stop(&self) -> bool {
        self.attention.get() != 0 && self.attend()
    }

    #[cold]
    fn attend(&self) -> bool {
        let attention = self.attention.replace(self.attention.get() & ARRANGE);
        if attention & OBSERVE != 0 {
            self.audit();
        }
        if let Some(arranger) = &self.arranger {
            arranger.arrange(self);
        }
        attention & STOP != 0
    }

    /// Nobody is ready: looks at those who wait, if it is time. `is_free`: it need not be, as no real time passes meanwhile.
    #[inline]
    pub(crate) fn rest(&self, is_free: bool) -> Rest {
        let rest = self.observed.rest(is_free);
        if rest == Rest::Audit {
            self.audit();
        }
        rest
    }

    fn audit(&self) {
        if let Some(deadlock) = observe::audit(self) {
            panic!("{deadlock}");
        }
    }

    /// Whether nothing but a running task could ever make a task ready, when none is: no event, time, job or thread. Asked
    /// before the thread would sleep for ever.
    #[cold]
    pub(crate) fn is_at_an_end(&self) -> bool {
        let could_be_told = self.park.waiters() > 0
            || self.access.is_given_out()
            || self.is_outside_at_work()
            || self.observed.is_open_to_others(self)
            || self.slots.numbers().any(|slot| self.waker_count(slot) > 0);
        // After the counts: see `Remote::count_clones`.
        !could_be_told && !self.remote.doorbell().has_rung()
    }

    /// Has the waits looked after between this batch and the next.
    #[inline]
    pub(crate) fn call_observer(&self) {
        self.attention.set(self.attention.get() | OBSERVE);
    }

    /// Forgets requests to stop: the run that they were for is over.
    pub(crate) fn forget_stops(&self) {
        self.attention.set(self.attention.get() & !STOP);
        if self.remote.doorbell().has_rung() {
            self.remote.forget_stops();
        }
    }
}

impl Drop for Core {
    /// The shelf, last object first: later ones may use earlier ones.
    fn drop(&mut self) {
        while let Some(extension) = self.extensions.pop() {
            drop(extension);
        }
    }
}
