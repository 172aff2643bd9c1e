//! A child of a group: the user's future, and what the group wants to know of it.

use super::run::Shared;
use pin_project_lite::pin_project;
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
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
    /// The future of a child. In the group's list from when it is made until it has been dropped.
    pub(super) struct Member<F, E> {
        // `None` once it has been dropped.
        #[pin]
        future: Option<F>,
        was_polled: bool,
        index: usize,
        group: Rc<Shared<E>>,
    }

    impl<F, E> PinnedDrop for Member<F, E> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| this.future.set(None))) {
                this.group.panicked(payload);
            }
            this.group.leave(*this.index);
        }
    }
}

impl<F, E> Member<F, E> {
    /// Number `index` in the list of `group`.
    #[inline]
    pub(super) fn new(future: F, index: usize, group: Rc<Shared<E>>) -> Self {
        Self { future: Some(future), was_polled: false, index, group }
    }
}

impl<F: Future<Output: Outcome<E>>, E> Future for Member<F, E> {
    type Output = <F::Output as Outcome<E>>::Value;

    /// An error or a panic is the group's. In one that aborts this is the last poll, and the first is none.
    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let future = this.future.as_pin_mut().expect("dropped with its task");
        if *this.was_polled || this.group.is_open() {
            *this.was_polled = true;
            match catch_unwind(AssertUnwindSafe(|| future.poll(context))) {
                Ok(Poll::Pending) if this.group.is_open() => return Poll::Pending,
                Ok(Poll::Pending) => {}
                Ok(Poll::Ready(outcome)) => match outcome.into_result() {
                    Ok(value) => return Poll::Ready(value),
                    Err(error) => this.group.failed(error),
                },
                Err(payload) => this.group.panicked(payload),
            }
        }
        this.group.cancel_child(*this.index);
        Poll::Pending
    }
}
