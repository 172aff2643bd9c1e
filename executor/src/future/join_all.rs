//! `join_all`: any number of futures of one type, side by side in one task, each polled only when it woke.
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
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

/// Children polled in one turn of the task, each with a budget of its own; as many as tasks are between two
/// questions to the outside.
const MAX_POLLS: usize = 61;

/// Waits for all futures of `iter`, side by side in this task, and gives their outputs in the order of the
/// input (`asyncio.gather` with `return_exceptions=True`, `gevent.joinall`). Never cancels: every future runs to
/// its end, whatever the others give. Dropping it drops those that are not done.
///
/// The futures may borrow from the caller. Handles of spawned tasks are futures too.
///
/// ```
/// use runtime_executor::{Executor, join_all, spawn, time::{Clock, sleep}};
/// use std::time::Duration;
///
/// Executor::builder().clock(Clock::paused()).build().block_on(async {
///     let words = ["three", "one", "two"];
///     let lengths = join_all(words.iter().map(async |word| {
///         sleep(Duration::from_millis(word.len() as u64)).await;
///         word.len()
///     }));
///     assert_eq!(lengths.await, [5, 3, 3]);
///
///     let outcomes = join_all([spawn(async { 1 }), spawn(async { panic!() })]).await;
///     assert!(outcomes[0].is_ok() && outcomes[1].is_err());
/// });
/// ```
///
/// # Panics
/// When polled outside a runtime, or if a child panics: the panic goes on to the caller and the other children
/// are dropped with this future.
pub fn join_all<I>(iter: I) -> JoinAll<I::Item>
where
    I: IntoIterator,
    I::Item: Future,
{
    let children: PinnedSlice<_> =
        iter.into_iter().map(|future| Child::Future { key: None, future }).collect();
    JoinAll { left: children.len(), children, unpolled: 0, group: None, batch: Vec::new(), spare: None }
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
struct RunningChild<'a> {
    core: &'a Core,
    outer: Option<(TaskRef, Key)>,
}

impl<'a> RunningChild<'a> {
    #[inline]
    fn new(core: &'a Core, key: Key) -> Self {
        Self { core, outer: core.set_running_child(core.running().map(|task| (task, key))) }
    }
}

impl Drop for RunningChild<'_> {
    #[inline]
    fn drop(&mut self) {
        self.core.set_running_child(self.outer);
    }
}

/// The future of [`join_all`].
#[must_use = "futures do nothing unless awaited"]
pub struct JoinAll<F: Future> {
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

impl<F: Future> JoinAll<F> {
    /// Polls a child; it has a slot of its own if it has to wait.
    fn poll_child(&mut self, core: &Core, group: u32, index: u32) {
        let mut child = self.children.get(index as usize);
        let ChildProjection::Future { key, future } = child.as_mut().project() else { return };
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
        if let Poll::Ready(output) = polled {
            // Before the future is dropped, as that may panic.
            *key = None;
            self.left -= 1;
            if let Some(unneeded) = self.spare.replace(own) {
                core.slots().vacate(unneeded);
            }
            child.set(Child::Done { output: Some(output) });
        }
    }

    /// Polls what was never polled, then what woke, up to a turn's worth. In this order, or children that always
    /// wake themselves would keep the last ones from ever beginning.
    fn poll_some(&mut self, core: &Core, group: u32) {
        for _ in 0..MAX_POLLS {
            let index = if self.unpolled < self.children.len() {
                self.unpolled += 1;
                (self.unpolled - 1) as u32
            } else if let Some(woken) = self.batch.pop() {
                woken
            } else {
                break;
            };
            self.poll_child(core, group, index);
        }
        if let Some(spare) = self.spare.take() {
            core.slots().vacate(spare);
        }
    }

    fn outputs(&mut self) -> Vec<F::Output> {
        let len = self.children.len();
        let take = |index| match self.children.get(index).project() {
            ChildProjection::Done { output } => output.take().expect("JoinAll was polled after it was done"),
            ChildProjection::Future { .. } => unreachable!("none is left"),
        };
        (0..len).map(take).collect()
    }
}

impl<F: Future> Future for JoinAll<F> {
    type Output = Vec<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        current::expect("join_all", |core| {
            let (runtime, group) =
                *this.group.get_or_insert_with(|| (core.id(), core.open_group(this.children.len())));
            assert!(
                runtime == core.id(),
                "a join_all that was polled in one runtime cannot go on in another: await it where it began"
            );
            // One unit of the caller's budget, as the children have budgets of their own: without it a task that
            // joins ready children in a loop would never give way.
            ready!(current::poll_budget(context));
            let budget = core.budget();
            // First, as cloning a foreign waker may wake a child: until the parent is set that tells nobody.
            core.set_parent(group, context.waker());
            if this.batch.is_empty() {
                core.take_woken(group, &mut this.batch);
            }
            this.poll_some(core, group);
            core.set_budget(budget);
            if this.left == 0 {
                return Poll::Ready(this.outputs());
            }
            // Those that woke since the batch was taken have used up the parent's waker: it is this poll that
            // they have brought about.
            if !this.batch.is_empty() || this.unpolled < this.children.len() || core.has_woken(group) {
                context.waker().wake_by_ref();
            }
            Poll::Pending
        })
    }
}

impl<F: Future> Drop for JoinAll<F> {
    fn drop(&mut self) {
        let Some((runtime, group)) = self.group else { return };
        let keys = (0..self.children.len())
            .filter_map(|index| match self.children.get(index).project() {
                ChildProjection::Future { key, .. } => *key,
                ChildProjection::Done { .. } => None,
            })
            .chain(self.spare)
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

impl<F: Future> fmt::Debug for JoinAll<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinAll").field("children", &self.children.len()).field("left", &self.left).finish()
    }
}
