//! The seam to a simulator: who may choose the order in which the tasks of a batch take their turns.

use crate::{
    core::Core,
    task::{TaskId, run_queue::Queued},
};
use std::{cell::Cell, fmt};

/// Arranges the batch of every turn of the loop, for tests that look for what depends on the order.
///
/// A runtime without one is first in, first out. Whoever arranges can neither add nor leave out a task, so that the
/// guarantee stays: a woken task is polled once before any task is polled twice.
///
/// ```
/// use runtime_executor::{Batch, Executor, Schedule, join_all, spawn};
/// use std::{cell::RefCell, rc::Rc};
///
/// struct LastInFirstOut;
/// impl Schedule for LastInFirstOut {
///     fn arrange(&self, batch: &mut Batch<'_>) {
///         for i in 0..batch.len() / 2 {
///             batch.swap(i, batch.len() - 1 - i);
///         }
///     }
/// }
///
/// let log = Rc::new(RefCell::new(Vec::new()));
/// Executor::builder().schedule(LastInFirstOut).build().block_on(async {
///     join_all((0..3).map(|n| {
///         let log = log.clone();
///         spawn(async move { log.borrow_mut().push(n) })
///     }))
///     .await
/// });
/// assert_eq!(*log.borrow(), [2, 1, 0]);
/// ```
pub trait Schedule {
    /// Called at the beginning of each turn, with those who are ready in the order in which they were woken. A panic
    /// ends the runtime's run.
    fn arrange(&self, batch: &mut Batch<'_>);
}

/// The tasks that take their turn next.
pub struct Batch<'a> {
    tickets: &'a mut [Queued],
}

impl Batch<'_> {
    /// How many; at least one.
    #[expect(clippy::len_without_is_empty, reason = "a batch is never empty")]
    pub fn len(&self) -> usize {
        self.tickets.len()
    }

    /// The `index`-th task; number 0 is the main task.
    ///
    /// # Panics
    /// If there are not so many.
    pub fn task(&self, index: usize) -> TaskId {
        self.tickets[index].task().id()
    }

    /// Has two of them change places.
    ///
    /// # Panics
    /// If there are not so many.
    pub fn swap(&mut self, one: usize, other: usize) {
        self.tickets.swap(one, other);
    }
}

impl fmt::Debug for Batch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries((0..self.len()).map(|index| self.task(index))).finish()
    }
}

/// A runtime's schedule, with room for a batch.
pub(crate) struct Arranger {
    schedule: Box<dyn Schedule>,
    /// Kept from turn to turn; empty in between.
    room: Cell<Vec<Queued>>,
}

impl Arranger {
    pub(crate) fn new(schedule: Box<dyn Schedule>) -> Self {
        Self { schedule, room: Cell::default() }
    }

    /// Has those who are ready arranged. Nothing is borrowed meanwhile; if that panics they lose their places.
    pub(crate) fn arrange(&self, core: &Core) {
        let mut tickets = self.room.take();
        while let Some(ticket) = core.ready().pop() {
            tickets.push(ticket);
        }
        if !tickets.is_empty() {
            self.schedule.arrange(&mut Batch { tickets: &mut tickets });
        }
        tickets.drain(..).for_each(|ticket| core.push(ticket));
        self.room.set(tickets);
    }
}
