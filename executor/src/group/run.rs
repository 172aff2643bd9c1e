//! What a group knows, and the future that runs it.
//!
//! ```text
//! Open ──error, panic, cancel──> Aborting ──┐
//!   │                                       ├──no child left──> Ended
//!   └──────body done──> (draining) ─────────┘        drop, at any time ──> Ended
//! ```

use super::{GroupError, TaskGroup, draining::Family};
use crate::{
    RuntimeId,
    core::Core,
    current,
    task::{
        self, TaskKey, Whom,
        error::{discard, drop_quietly},
        waker::Waiter,
    },
};
use pin_project_lite::pin_project;
use std::{
    any::Any,
    cell::{Cell, RefCell},
    mem,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    rc::{Rc, Weak},
    task::{Context, Poll},
};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stage {
    /// Takes children.
    Open,
    /// Everybody in it has been cancelled.
    Aborting,
    /// Nobody waits for it any more.
    Ended,
}

type Payload = Box<dyn Any + Send>;

/// A group, seen from all sides: its handles, its children, and the future that runs it.
pub(super) struct Shared<E> {
    pub(super) runtime: RuntimeId,
    pub(super) stage: Cell<Stage>,
    /// Children, and cleanups, that have not been dropped yet.
    len: Cell<usize>,
    /// The children that live, in the order of spawning, among others that have ended since the list was looked through.
    children: RefCell<Vec<TaskKey>>,
    errors: RefCell<Vec<E>>,
    panic: Cell<Option<Payload>>,
    /// Who awaits the group.
    waiting: Cell<Option<Waiter>>,
    is_body_done: Cell<bool>,
}

impl<E> Shared<E> {
    pub(super) fn new(runtime: RuntimeId) -> Self {
        Self {
            runtime,
            stage: Cell::new(Stage::Open),
            len: Cell::new(0),
            children: RefCell::default(),
            errors: RefCell::default(),
            panic: Cell::new(None),
            waiting: Cell::new(None),
            is_body_done: Cell::new(false),
        }
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.len.get()
    }

    /// There is one more to wait for.
    #[inline]
    pub(super) fn enter(&self) {
        self.len.set(self.len.get() + 1);
    }

    /// The task that has entered, so that it can be cancelled. Costs a look at two others, now and then at all.
    #[inline]
    pub(super) fn entered(&self, core: &Core, key: TaskKey) {
        let mut children = self.children.borrow_mut();
        if children.len() == children.capacity() {
            make_room(core, &mut children, self.len());
        }
        children.push(key);
    }

    /// One has been dropped.
    #[inline]
    pub(super) fn leave(&self) {
        self.len.set(self.len.get() - 1);
        if self.len.get() == 0 && self.is_body_done.get() {
            self.wake();
        }
    }

    #[cold]
    pub(super) fn failed(&self, error: E) {
        self.errors.borrow_mut().push(error);
        self.abort();
    }

    /// The first panic goes on in whoever awaits the group; later ones have been reported by the panic hook.
    #[cold]
    pub(super) fn panicked(&self, payload: Payload) {
        match self.panic.take() {
            None => self.panic.set(Some(payload)),
            first => {
                self.panic.set(first);
                discard(payload);
            }
        }
        self.abort();
    }

    #[inline]
    pub(super) fn is_open(&self) -> bool {
        self.stage.get() == Stage::Open
    }

    /// Cancels all children and the body. False: that, or the end, has happened before.
    pub(super) fn abort(&self) -> bool {
        if !self.is_open() {
            return false;
        }
        self.stage.set(Stage::Aborting);
        self.cancel_children(Whom::NotWoken);
        self.wake();
        true
    }

    /// Nobody waits any more.
    fn abandon(&self) {
        if self.stage.replace(Stage::Ended) != Stage::Ended {
            self.cancel_children(Whom::All);
        }
    }

    fn cancel_children(&self, whom: Whom) {
        let keys = self.children.borrow().clone();
        task::cancel_all(&keys, whom);
    }

    fn wake(&self) {
        if let Some(waiter) = self.waiting.take() {
            waiter.wake();
        }
    }

    fn wait(&self, context: &Context<'_>) {
        let before = self.waiting.take();
        if before.as_ref().is_some_and(|waiter| waiter.will_wake(context.waker())) {
            self.waiting.set(before);
        } else {
            self.waiting.set(Some(Waiter::new(context.waker())));
            drop(before);
        }
    }
}

impl<E> Family for Shared<E> {
    fn visit(&self, visit: &mut dyn FnMut(&Waiter, &[TaskKey])) {
        if let Some(waiter) = self.waiting.take() {
            visit(&waiter, &self.children.borrow());
            self.waiting.set(Some(waiter));
        }
    }
}

/// Grows the list if more than half of its children live; else drops the keys of those that have ended. So it holds at
/// most four times as many as there are children, and looking through it costs each child the same few steps.
#[cold]
fn make_room(core: &Core, children: &mut Vec<TaskKey>, living: usize) {
    if living * 2 < children.len() {
        children.retain(|key| key.find(core).is_some());
        children.shrink_to(children.len() * 4);
    }
    if children.len() == children.capacity() {
        children.reserve(children.len().max(FIRST_ROOM));
    }
}

/// Children that a list has room for to begin with.
const FIRST_ROOM: usize = 8;

pin_project! {
    /// Runs a group: polls its body in place, then waits for the children.
    pub(super) struct Run<B, T, E> {
        // Until it is done or was cancelled.
        #[pin]
        body: Option<B>,
        value: Option<T>,
        is_draining: bool,
        group: Rc<Shared<E>>,
    }

    impl<B, T, E> PinnedDrop for Run<B, T, E> {
        /// Nobody waits any more. The children are cancelled first: the body is dropped after this, and what it still
        /// asks of the group is refused.
        fn drop(this: Pin<&mut Self>) {
            this.project().group.abandon();
        }
    }
}

impl<B, T, E> Run<B, T, E> {
    pub(super) fn new(body: B, group: TaskGroup<E>) -> Self {
        Self { body: Some(body), value: None, is_draining: false, group: group.shared }
    }
}

impl<B, T, E: 'static> Future for Run<B, T, E>
where
    B: Future<Output = Result<T, E>>,
{
    type Output = Result<T, GroupError<E>>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let group = &**this.group;
        if group.is_open()
            && let Some(body) = this.body.as_mut().as_pin_mut()
        {
            // Before, as the body may be what brings about the end.
            group.wait(context);
            match catch_unwind(AssertUnwindSafe(|| body.poll(context))) {
                Ok(Poll::Pending) => {}
                Ok(Poll::Ready(Ok(value))) => {
                    *this.value = Some(value);
                    group.is_body_done.set(true);
                }
                Ok(Poll::Ready(Err(error))) => group.failed(error),
                Err(payload) => group.panicked(payload),
            }
        }
        if group.is_body_done.get() || !group.is_open() {
            group.is_body_done.set(true);
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| this.body.set(None))) {
                group.panicked(payload);
            }
            if group.len() == 0 {
                return Poll::Ready(group.end(this.value.take()));
            }
            if !mem::replace(this.is_draining, true) {
                let family: Weak<dyn Family> = Rc::<Shared<E>>::downgrade(this.group);
                current::with(|core| core.draining().enter(family));
            }
        }
        group.wait(context);
        if group.stage.get() == Stage::Aborting && !group.errors.borrow().is_empty() {
            // Whoever is about to drop us for being late should let us come out with the errors.
            current::with(|core| core.hold());
        }
        Poll::Pending
    }
}

impl<E> Shared<E> {
    /// No child is left: the outcome.
    fn end<T>(&self, value: Option<T>) -> Result<T, GroupError<E>> {
        let stage = self.stage.replace(Stage::Ended);
        drop(self.waiting.take());
        let errors = self.errors.take();
        if let Some(payload) = self.panic.take() {
            drop_quietly((errors, value));
            resume_unwind(payload);
        }
        match value {
            Some(value) if stage == Stage::Open => Ok(value),
            value => {
                drop_quietly(value);
                Err(GroupError::new(errors))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        Executor,
        task::{TaskGroup, yield_now},
    };
    use std::{convert::Infallible, future::pending};

    #[test]
    fn the_list_of_children_forgets_those_that_have_ended() {
        let executor = Executor::builder().build();
        let run = TaskGroup::<Infallible>::run(async |group| {
            let (stays, mut most) = (group.spawn(pending::<()>()), 0);
            for _ in 0..1_000 {
                group.spawn(async {});
                yield_now().await;
                most = most.max(group.shared.children.borrow().capacity());
            }
            assert!(group.shared.children.borrow().iter().any(|child| child.id == stays.id()));
            stays.cancel();
            Ok(most)
        });
        assert!(executor.block_on(run).unwrap() <= 16);
    }
}
