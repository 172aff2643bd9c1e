//! What a group knows, and the future that runs it.
//!
//! ```text
//! Open ──error, panic, cancel──> Aborting ──┐
//!   │                                       ├──no child left──> Ended
//!   └──────body done──> (draining) ─────────┘        drop, at any time ──> Ended
//! ```

use super::{GroupError, TaskGroup};
use crate::{
    RuntimeId, current,
    task::{
        self, Whom,
        error::{discard, drop_quietly},
        slots::Key,
        waker::Waiter,
    },
};
use pin_project_lite::pin_project;
use slab::Slab;
use std::{
    any::Any,
    cell::{Cell, RefCell},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    rc::Rc,
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
    /// The children that have not been dropped yet; `None` while one is being made.
    children: RefCell<Slab<Option<Key>>>,
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
            children: RefCell::default(),
            errors: RefCell::default(),
            panic: Cell::new(None),
            waiting: Cell::new(None),
            is_body_done: Cell::new(false),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.children.borrow().len()
    }

    /// A place in the list.
    #[inline]
    pub(super) fn enter(&self) -> usize {
        self.children.borrow_mut().insert(None)
    }

    /// Says which task has that place.
    #[inline]
    pub(super) fn entered(&self, index: usize, key: Key) {
        self.children.borrow_mut()[index] = Some(key);
    }

    /// A child has been dropped.
    #[inline]
    pub(super) fn leave(&self, index: usize) {
        let mut children = self.children.borrow_mut();
        children.remove(index);
        let was_last = children.is_empty();
        drop(children);
        if was_last && self.is_body_done.get() {
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

    /// The child that runs now gets no other turn.
    #[cold]
    pub(super) fn cancel_child(&self, index: usize) {
        let key = self.children.borrow()[index];
        task::cancel_all(key.as_slice(), Whom::All);
    }

    fn cancel_children(&self, whom: Whom) {
        let keys: Vec<Key> = self.children.borrow().iter().filter_map(|(_, key)| *key).collect();
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

pin_project! {
    /// Runs a group: polls its body in place, then waits for the children.
    pub(super) struct Run<B, T, E> {
        // Until it is done or was cancelled.
        #[pin]
        body: Option<B>,
        value: Option<T>,
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
        Self { body: Some(body), value: None, group: group.shared }
    }
}

impl<B, T, E> Future for Run<B, T, E>
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
