//! A child of a group: the user's future, and what the group wants to know of it.

use super::run::Shared;
use crate::task;
use pin_project_lite::pin_project;
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

/// What a child of a [`TaskGroup`](super::TaskGroup) gives: a `Result`, whose error ends the group, or `()`, for
/// children that cannot fail.
pub trait Outcome<E>: sealed::Sealed {
    /// What its handle gives.
    type Value: 'static;

    /// The value, or what ends the group.
    fn into_result(self) -> Result<Self::Value, E>;
}

/// The type of what never returns, `!`, by the only way to its name.
type Never = <fn() -> ! as sealed::Returns>::Output;

mod sealed {
    pub trait Returns {
        type Output;
    }
    impl<T> Returns for fn() -> T {
        type Output = T;
    }
    pub trait Sealed {}
    impl Sealed for super::Never {}
    impl<T, E> Sealed for Result<T, E> {}
    impl Sealed for () {}
}

impl<T: 'static, E> Outcome<E> for Result<T, E> {
    type Value = T;

    #[inline]
    fn into_result(self) -> Self {
        self
    }
}

impl<E> Outcome<E> for () {
    type Value = ();

    #[inline]
    fn into_result(self) -> Result<(), E> {
        Ok(())
    }
}

/// Children that loop until they are cancelled.
impl<E> Outcome<E> for Never {
    type Value = Self;

    fn into_result(self) -> Result<Self, E> {
        self
    }
}

pin_project! {
    /// The future of a child. The group waits for it until it has been dropped.
    pub(super) struct Member<F, E> {
        // `None` once it has been dropped.
        #[pin]
        future: Option<F>,
        was_polled: bool,
        group: Rc<Shared<E>>,
    }

    impl<F, E> PinnedDrop for Member<F, E> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if this.future.as_mut().as_pin_mut().is_some()
                && let Err(payload) = catch_unwind(AssertUnwindSafe(|| this.future.set(None)))
            {
                this.group.panicked(payload);
            }
            this.group.leave();
        }
    }
}

impl<F, E> Member<F, E> {
    /// Of a group that it has entered.
    #[inline]
    pub(super) fn new(future: F, group: Rc<Shared<E>>) -> Self {
        Self { future: Some(future), was_polled: false, group }
    }
}

impl<F: Future<Output: Outcome<E>>, E> Future for Member<F, E> {
    type Output = <F::Output as Outcome<E>>::Value;

    /// An error or a panic is the group's. In one that aborts this is the last poll, and the first is none.
    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if *this.was_polled || this.group.is_open() {
            *this.was_polled = true;
            let polled = catch_unwind(AssertUnwindSafe(|| {
                let future = this.future.as_mut().as_pin_mut().expect("dropped with its task");
                let outcome = ready!(future.poll(context));
                this.future.set(None);
                Poll::Ready(outcome)
            }));
            match polled {
                Ok(Poll::Pending) if this.group.is_open() => return Poll::Pending,
                Ok(Poll::Pending) => {}
                Ok(Poll::Ready(outcome)) => match outcome.into_result() {
                    Ok(value) => return Poll::Ready(value),
                    Err(error) => this.group.failed(error),
                },
                Err(payload) => this.group.panicked(payload),
            }
        }
        task::cancel_running();
        Poll::Pending
    }
}
