//! `task::local`: a future that must not leave its thread, for interfaces that insist on `Send`.
//!
//! L1. The future is made, polled and dropped on its home thread and nowhere else: `home` names the runtime that made it,
//!     a runtime never changes its thread, and every access asks first whether it is the current one.
//! L2. Elsewhere a `Local` is a box that is never opened: moved, posted home, or leaked.

#![expect(unsafe_code, reason = "promises Send for what is only touched at home")]

use crate::{core::Core, current, registry::Access};
use std::{
    fmt,
    mem::ManuallyDrop,
    pin::Pin,
    task::{Context, Poll},
};

/// Makes `future` look `Send`, for interfaces that insist on it (handlers of `axum`, boxed futures of `tower`) though in a
/// program of one reactor nothing ever leaves its thread.
///
/// ```
/// use runtime_executor::{Executor, task};
/// use std::rc::Rc;
///
/// fn insists<F: Future<Output = usize> + Send + 'static>(future: F) -> F {
///     future
/// }
///
/// # Executor::builder().build().block_on(async {
/// let shared = Rc::new(41);
/// let handler = insists(task::local(async move { *shared + 1 }));
/// assert_eq!(handler.await, 42);
/// # });
/// ```
///
/// Costs a box. Polled in another runtime than the one that made it, it panics; dropped elsewhere, it is sent home, and
/// dropped there before the loop sleeps again. If its home has ended by then it is leaked: what it holds may be dropped on
/// no other thread. As another thread may do that at any moment, a run that stands still is not called a deadlock while there
/// is one of these.
///
/// # Panics
/// If no runtime runs on this thread.
#[track_caller]
pub fn local<F>(future: F) -> Local<F::IntoFuture>
where
    F: IntoFuture<IntoFuture: 'static>,
{
    let home = current::expect("task::local", Core::access);
    Local(Some(Boxed { home, future: ManuallyDrop::new(Box::pin(future.into_future())) }))
}

/// The future of [`local`].
#[must_use = "futures do nothing unless awaited"]
pub struct Local<F: 'static>(Option<Boxed<F>>);

/// A future, and where it may be opened.
struct Boxed<F: 'static> {
    /// Counted, as whoever has this on another thread may yet have something dropped at home.
    home: Access,
    future: ManuallyDrop<Pin<Box<F>>>,
}

// SAFETY: the future is touched at home only (L1); elsewhere this is an integer and a pointer that is not used (L2).
unsafe impl<F> Send for Boxed<F> {}

impl<F> Boxed<F> {
    fn is_home(&self) -> bool {
        self.home.runtime().is_current()
    }
}

impl<F> Drop for Boxed<F> {
    /// At home; elsewhere the future is leaked.
    fn drop(&mut self) {
        if self.is_home() {
            // SAFETY: this is the drop, and nothing comes after it.
            unsafe { ManuallyDrop::drop(&mut self.future) };
        }
    }
}

impl<F> Drop for Local<F> {
    fn drop(&mut self) {
        if let Some(boxed) = self.0.take()
            && !boxed.is_home()
        {
            let home = boxed.home.runtime();
            // Refused if its home has ended; dropped here by that, so leaked.
            let _ = home.post(move || drop(boxed));
        }
    }
}

impl<F: Future> Future for Local<F> {
    type Output = F::Output;

    /// # Panics
    /// In another runtime than the one that made it.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let boxed = self.0.as_mut().expect("taken only when dropped");
        assert!(
            boxed.is_home(),
            "a `task::local` future was polled away from the runtime that made it: it holds what must not leave its \
             thread; await it there, or make a future that is Send"
        );
        boxed.future.as_mut().poll(context)
    }
}

impl<F> fmt::Debug for Local<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Local")
            .field("home", &self.0.as_ref().map(|boxed| boxed.home.runtime()))
            .finish_non_exhaustive()
    }
}
