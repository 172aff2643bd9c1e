//! `scope`: children that borrow from their parent, polled in place, each only when it woke.
//!
//! The children belong to the future of `scope`, and are polled by it. So the borrow checker knows all there is to know:
//! they cannot outlive what that future borrows, and if it is forgotten they are never polled again.

use super::child::{Child, ScopedHandle, Turn};
use crate::{
    RuntimeId,
    core::Core,
    current,
    future::children::{MAX_POLLS, RunningChild},
    task::{
        error::{discard, drop_quietly},
        slots::{Key, Occupant},
        waker,
    },
};
use pin_project_lite::pin_project;
use slab::Slab;
use std::{
    any::Any,
    cell::{Cell, RefCell},
    collections::VecDeque,
    fmt, mem,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

/// The body's number in the group; children follow.
const BODY: u32 = 0;

/// Runs `body`, and with it children that may borrow whatever the caller has; gives the body's value when all are done.
/// As [`std::thread::scope`], with futures.
///
/// ```
/// use runtime_executor::{Executor, task::{self, yield_now}};
/// use std::cell::Cell;
///
/// # Executor::builder().build().block_on(async {
/// let words = vec![String::from("borrowed"), String::from("by"), String::from("children")];
/// let seen = Cell::new(0);
/// let total = task::scope(async |s| {
///     let lengths: Vec<_> = words
///         .iter()
///         .map(|word| {
///             let seen = &seen;
///             s.spawn(async move {
///                 yield_now().await;
///                 seen.set(seen.get() + 1);
///                 word.len()
///             })
///         })
///         .collect();
///     let mut total = 0;
///     for length in lengths {
///         total += length.await;
///     }
///     total
/// });
/// assert_eq!(total.await, 18);
/// assert_eq!((words.len(), seen.get()), (3, 3));
/// # });
/// ```
///
/// The children are no tasks: they run inside the task that awaits the scope, one after the other, and share its
/// [`task::current`](crate::task::current), its task-locals and its fate. Each is polled only when it was woken. They need
/// not be `'static`, and neither `Send`. A child may borrow what outlives the scope's future, which is what is borrowed in
/// `body` but not made in it; the [`Scope`] itself it clones.
///
/// For children that may fail, or that must not hold each other up, see [`TaskGroup`](super::TaskGroup).
///
/// # Panics
/// With the panic of the body or of a child; the others are dropped before it goes on. When polled outside a runtime.
///
/// # Cancel safety
/// Dropping it drops the body and the children, before the drop returns. Forgetting it leaks them.
pub async fn scope<'env, T, B>(body: B) -> T
where
    B: AsyncFnOnce(Scope<'env>) -> T,
{
    let (runtime, group) = current::expect("task::scope", |core| (core.id(), core.open_group(1)));
    let shared = Rc::new(Shared {
        runtime,
        group,
        is_open: Cell::new(true),
        is_polled: Cell::new(false),
        unpolled: RefCell::default(),
    });
    let scope = Scope { shared: Rc::clone(&shared) };
    // Before the body: should it panic, this closes the scope.
    let children = Children::new(shared);
    let body = body(scope);
    Run { body: Some(body), value: None, children }.await
}

/// Where a [`scope`] takes its children. A clone means the same scope.
pub struct Scope<'env> {
    shared: Rc<Shared<'env>>,
}

struct Shared<'env> {
    runtime: RuntimeId,
    /// Where wakes are noted.
    group: u32,
    is_open: Cell<bool>,
    /// The scope's future looks at its children now, and will find new ones.
    is_polled: Cell<bool>,
    /// Children that have not been polled yet.
    unpolled: RefCell<VecDeque<Child<'env>>>,
}

impl<'env> Scope<'env> {
    /// Starts a child, which has its first turn after those that were started before. Its handle gives its output.
    ///
    /// A scope that has ended takes no more children: `future` is dropped here, and the handle will never give anything.
    ///
    /// # Panics
    /// In another runtime than the scope's.
    #[inline(always)]
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> ScopedHandle<F::Output>
    where
        F: Future + 'env,
    {
        let shared = &*self.shared;
        current::expect("Scope::spawn", |core| {
            assert!(
                shared.runtime == core.id(),
                "a scope takes children only in the runtime that it runs in"
            );
            let (child, handle) = Child::new(core, future);
            if shared.is_open.get() {
                shared.unpolled.borrow_mut().push_back(child);
                if !shared.is_polled.get() {
                    core.wake_parent(shared.group);
                }
            }
            handle
        })
    }
}

impl Clone for Scope<'_> {
    fn clone(&self) -> Self {
        Self { shared: Rc::clone(&self.shared) }
    }
}

impl fmt::Debug for Scope<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").field("is_open", &self.shared.is_open.get()).finish_non_exhaustive()
    }
}

pin_project! {
    struct Run<'env, B, T> {
        // Until it is done. Before the children: it may hold their handles.
        #[pin]
        body: Option<B>,
        value: Option<T>,
        children: Children<'env>,
    }
}

/// All children of a scope, and the slot of its body.
struct Children<'env> {
    shared: Rc<Shared<'env>>,
    /// Those that wait. Number `n` in the group is in place `n - 1`.
    waiting: Slab<Child<'env>>,
    /// The body's slot, once it was polled.
    body: Option<Key>,
    /// Kept apart: whoever looks into a pinned `Option` borrows the future in it, and breaks the future's own borrows.
    is_body_done: bool,
    /// Numbers of those that woke and are being polled now; the last is next.
    batch: Vec<u32>,
    /// The slot of a child that did not need it, for the next one.
    spare: Option<Key>,
    /// Numbers that the group can note.
    room: u32,
}

impl<B: Future<Output = T>, T> Future for Run<'_, B, T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let mut this = self.project();
        let children = this.children;
        let outcome = current::expect("task::scope", |core| {
            assert!(
                children.shared.runtime == core.id(),
                "a scope that was polled in one runtime cannot go on in another: await it where it began"
            );
            // One unit of the caller's budget, as the children have budgets of their own.
            ready!(current::poll_budget(context));
            let budget = core.budget();
            core.set_parent(children.shared.group, context.waker());
            children.shared.is_polled.set(true);
            let polled = children.poll(core, &mut this.body, this.value);
            children.shared.is_polled.set(false);
            core.set_budget(budget);
            if polled.is_ok() && !children.is_done() {
                if children.has_work(core) {
                    context.waker().wake_by_ref();
                }
                return Poll::Pending;
            }
            Poll::Ready(polled)
        });
        match ready!(outcome) {
            Ok(()) => {
                children.close();
                Poll::Ready(this.value.take().expect("a scope was polled after it was done"))
            }
            Err(payload) => {
                if let Err(again) = catch_unwind(AssertUnwindSafe(|| this.body.set(None))) {
                    discard(again);
                }
                children.close();
                resume_unwind(payload)
            }
        }
    }
}

type Polled = Result<(), Box<dyn Any + Send>>;

impl<'env> Children<'env> {
    fn new(shared: Rc<Shared<'env>>) -> Self {
        Self {
            shared,
            waiting: Slab::new(),
            body: None,
            is_body_done: false,
            batch: Vec::new(),
            spare: None,
            room: 0,
        }
    }

    fn is_done(&self) -> bool {
        self.is_body_done && self.waiting.is_empty() && self.shared.unpolled.borrow().is_empty()
    }

    /// Whether somebody should be polled in the next turn.
    fn has_work(&self, core: &Core) -> bool {
        !self.batch.is_empty()
            || !self.shared.unpolled.borrow().is_empty()
            || core.has_woken(self.shared.group)
    }

    /// Polls those that woke and those that are new by turns, up to a turn's worth: neither can keep the other from
    /// its turn.
    fn poll<B: Future<Output = T>, T>(
        &mut self,
        core: &Core,
        body: &mut Pin<&mut Option<B>>,
        value: &mut Option<T>,
    ) -> Polled {
        if self.body.is_none() && !self.is_body_done {
            let occupant = Occupant::Child { group: self.shared.group, index: BODY };
            self.body = Some(core.slots().insert(occupant, None));
            self.batch.push(BODY);
        }
        if self.batch.is_empty() {
            core.take_woken(self.shared.group, &mut self.batch);
        }
        let running = &RunningChild::nobody(core);
        for turn in 0..MAX_POLLS {
            let new = if turn % 2 == 0 && !self.batch.is_empty() { None } else { self.next_unpolled() };
            if let Some(child) = new {
                self.poll_new(core, running, child)?;
                continue;
            }
            match self.batch.pop() {
                Some(BODY) if self.body.is_none() => {}
                Some(BODY) => self.poll_body(core, running, body, value)?,
                Some(number) => self.poll_waiting(core, running, number as usize - 1)?,
                None => break,
            }
        }
        if let Some(spare) = self.spare.take() {
            core.slots().vacate(spare);
        }
        Ok(())
    }

    #[inline]
    fn next_unpolled(&self) -> Option<Child<'env>> {
        self.shared.unpolled.borrow_mut().pop_front()
    }

    fn poll_body<B: Future<Output = T>, T>(
        &mut self,
        core: &Core,
        running: &RunningChild<'_>,
        body: &mut Pin<&mut Option<B>>,
        value: &mut Option<T>,
    ) -> Polled {
        let key = self.body.expect("the body has a slot while it is there");
        core.refill_budget();
        running.is(key);
        let polled = catch_unwind(AssertUnwindSafe(|| {
            let future = body.as_mut().as_pin_mut().expect("only a body that waits is woken");
            let output = ready!(future.poll(&mut Context::from_waker(&waker::waker(key))));
            *value = Some(output);
            body.set(None);
            Poll::Ready(())
        }));
        if polled?.is_ready() {
            core.slots().vacate(key);
            self.body = None;
            self.is_body_done = true;
        }
        Ok(())
    }

    /// The first poll of a child. One that is done leaves its slot to the next.
    #[inline]
    fn poll_new(&mut self, core: &Core, running: &RunningChild<'_>, mut child: Child<'env>) -> Polled {
        let place = self.waiting.vacant_key();
        let index = place as u32 + 1;
        let occupant = Occupant::Child { group: self.shared.group, index };
        let key = match self.spare.take() {
            Some(spare) => {
                core.slots().move_in(spare, occupant);
                spare
            }
            None => core.slots().insert(occupant, None),
        };
        if self.room <= index {
            self.room = core.make_room(self.shared.group, index);
        }
        child.set_key(Some(key));
        match Self::turn(core, running, &mut child, key) {
            Turn::Waits => {
                self.waiting.insert(child);
                Ok(())
            }
            turn => {
                self.spare = Some(key);
                self.end(turn, child)
            }
        }
    }

    fn poll_waiting(&mut self, core: &Core, running: &RunningChild<'_>, place: usize) -> Polled {
        // Woken by what it has left behind when it ended: wakes are noted by number.
        let Some(child) = self.waiting.get_mut(place) else { return Ok(()) };
        let key = child.key().expect("a child that waits has a slot");
        match Self::turn(core, running, child, key) {
            Turn::Waits => Ok(()),
            turn => {
                let child = self.waiting.remove(place);
                core.slots().vacate(key);
                self.end(turn, child)
            }
        }
    }

    #[inline]
    fn turn(core: &Core, running: &RunningChild<'_>, child: &mut Child<'env>, key: Key) -> Turn {
        core.refill_budget();
        running.is(key);
        child.poll(&mut Context::from_waker(&waker::waker(key)))
    }

    #[inline]
    fn end(&mut self, turn: Turn, child: Child<'env>) -> Polled {
        child.set_key(None);
        match turn {
            Turn::Panicked(payload) => {
                drop_quietly(child);
                Err(payload)
            }
            _ => Ok(()),
        }
    }

    /// Takes no more children, drops those that are there, the oldest first, and gives the slots back.
    fn close(&mut self) {
        if !self.shared.is_open.replace(false) {
            return;
        }
        let waiting = mem::take(&mut self.waiting);
        let unpolled = self.shared.unpolled.take();
        let keys: Vec<Key> = waiting
            .iter()
            .filter_map(|(_, child)| child.key())
            .chain(self.body.take())
            .chain(self.spare.take())
            .collect();
        let group = self.shared.group;
        let leave = move |core: &Core| {
            keys.into_iter().for_each(|key| core.slots().vacate(key));
            core.close_group(group);
        };
        if self.shared.runtime.is_current() {
            current::with(leave);
        } else {
            // If the runtime is gone, so is its table.
            let _ = self.shared.runtime.post(move || {
                current::with(leave);
            });
        }
        waiting.into_iter().for_each(|(_, child)| drop_quietly(child));
        unpolled.into_iter().for_each(drop_quietly);
    }
}

impl Drop for Children<'_> {
    fn drop(&mut self) {
        self.close();
    }
}
