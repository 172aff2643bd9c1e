//! The state of one runtime, on its thread: plain cells, and no borrow held across anybody else's code.

use crate::{
    blocking::Pool,
    inbox::{Call, Remote},
    park::Park,
    random,
    registry::{self, RuntimeId},
    task::{
        self, TaskId,
        blocks::Blocks,
        error::drop_quietly,
        joined::Root,
        raw::{Queued, TaskRef},
        run_queue::RunQueue,
        slots::{Key, Occupant, Slots},
        waker::Waiter,
    },
    time::Timers,
};
use slab::Slab;
use std::{
    any::Any,
    cell::{Cell, OnceCell, RefCell},
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    task::Waker,
};

/// Which children of one `join_all`, polled in place by its task, have woken.
struct Group {
    /// Who polls the children; taken by the first wake.
    parent: Option<Waiter>,
    /// Children woken since their parent looked, each once.
    woken: Vec<u32>,
    /// One bit per child: it is in `woken`.
    is_woken: Vec<u64>,
}

pub(crate) struct Core {
    id: RuntimeId,
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
    random: Cell<u64>,
    next_task_id: Cell<u64>,
    alive: Cell<usize>,
    alive_daemons: Cell<usize>,
    stopping: Cell<bool>,
    closing: Cell<bool>,
    timers: Timers,
    blocking: OnceCell<Pool>,
    blocking_threads: usize,
    extensions: Vec<Box<dyn Any>>,
    park: Rc<dyn Park>,
}

/// What a core is made from.
pub(crate) struct Parts {
    pub(crate) park: Rc<dyn Park>,
    pub(crate) extensions: Vec<Box<dyn Any>>,
    pub(crate) timers: Timers,
    pub(crate) budget: u8,
    pub(crate) seed: u64,
    pub(crate) blocking_threads: usize,
}

impl Core {
    pub(crate) fn new(parts: Parts) -> Self {
        let (id, remote) = registry::register(parts.park.unparker());
        let slots = Slots::new(id.index());
        let blocks = Blocks::new();
        let root = Root::new(&blocks, &slots);
        Self {
            id,
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
            random: Cell::new(parts.seed),
            next_task_id: Cell::new(1),
            alive: Cell::new(0),
            alive_daemons: Cell::new(0),
            stopping: Cell::new(false),
            closing: Cell::new(false),
            timers: parts.timers,
            blocking: OnceCell::new(),
            blocking_threads: parts.blocking_threads,
            extensions: parts.extensions,
            park: parts.park,
        }
    }

    #[inline]
    pub(crate) fn id(&self) -> RuntimeId {
        self.id
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

    pub(crate) fn park(&self) -> &dyn Park {
        &*self.park
    }

    /// The blocking pool, made when first asked for.
    pub(crate) fn blocking(&self) -> &Pool {
        self.blocking.get_or_init(|| Pool::new(self.blocking_threads))
    }

    /// The blocking pool, if anybody has asked for it.
    pub(crate) fn blocking_if_used(&self) -> Option<&Pool> {
        self.blocking.get()
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

    /// Clones of the wakers of a slot that are held anywhere.
    pub(crate) fn waker_count(&self, slot: u32) -> usize {
        // The two halves may each be negative: cloned here, dropped there. The sum is not, once both are seen.
        usize::try_from(self.slots.clones(slot).wrapping_add(self.remote.clones(slot))).unwrap_or(0)
    }

    fn wake_child(&self, group: u32, index: u32) {
        let mut groups = self.groups.borrow_mut();
        let Some(group) = groups.get_mut(group as usize) else { return };
        let (word, bit) = (&mut group.is_woken[index as usize / 64], 1 << (index % 64));
        if *word & bit != 0 {
            return;
        }
        *word |= bit;
        group.woken.push(index);
        let parent = group.parent.take();
        drop(groups);
        if let Some(parent) = parent {
            parent.wake();
        }
    }

    // Groups of children.

    pub(crate) fn open_group(&self, children: usize) -> u32 {
        let group = Group { parent: None, woken: Vec::new(), is_woken: vec![0; children.div_ceil(64)] };
        u32::try_from(self.groups.borrow_mut().insert(group)).expect("fewer groups than slots")
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
        self.groups.borrow_mut()[group as usize].parent = Some(parent);
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

    /// Whether a child has woken since [`take_woken`](Core::take_woken).
    pub(crate) fn has_woken(&self, group: u32) -> bool {
        !self.groups.borrow()[group as usize].woken.is_empty()
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
        self.running.replace(task)
    }

    /// The task that runs now, which may be the root; `None` between polls.
    pub(crate) fn running(&self) -> Option<TaskRef> {
        self.running.get()
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

    #[inline]
    pub(crate) fn take_budget(&self) -> bool {
        let left = self.budget.get();
        self.budget.set(left.saturating_sub(1));
        left > 0
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
        for slot in wakes.drain(..) {
            self.remote.acknowledge(slot);
            self.wake_occupant(self.slots.occupant(slot));
        }
        for call in calls {
            match call {
                Call::Stop => self.stopping.set(true),
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

    /// Whether `Handle::stop` was called; asking resets it.
    pub(crate) fn take_stop(&self) -> bool {
        self.stopping.replace(false)
    }

    /// Forgets requests to stop: the run that they were for is over.
    pub(crate) fn forget_stops(&self) {
        self.stopping.set(false);
        if self.remote.doorbell().has_rung() {
            self.remote.forget_stops();
        }
    }

    // The end.

    /// Whether the runtime takes no more tasks.
    #[inline]
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.get()
    }

    /// Refuses mail and new tasks, then drops every future, oldest task first. With this runtime entered.
    pub(crate) fn cancel_all(&self) {
        self.closing.set(true);
        // One by one and quietly: a panic in somebody's drop must not keep the tasks alive.
        self.remote.close().into_iter().for_each(drop_quietly);
        self.drop_tickets();
        let root = self.root();
        let mut tasks: Vec<TaskRef> = self.slots.tasks().filter(|task| *task != root).collect();
        tasks.sort_unstable_by_key(|task| task.id());
        for task in tasks {
            task.cancel_now(self);
        }
        self.timers.clear();
        self.drop_tickets();
    }

    fn drop_tickets(&self) {
        while self.ready.pop().is_some() {}
    }

    /// Lets the name go. Wakers still out stay counted, in the block that outlives us.
    pub(crate) fn release_name(&self) {
        for (slot, clones) in self.slots.counted() {
            self.remote.count_clones(slot, clones);
        }
        registry::release(self.id);
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
