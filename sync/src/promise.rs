//! `Promise`: a value that somebody sets once, and any number wait for.

use crate::{
    block::block_on,
    flavour::{Flavour, Local, Shared},
    observer::Kind,
    once_cell::OnceCell,
    timed::{Elapsed, Timed},
    wait_list::Turn,
};
use std::{
    error::Error,
    fmt,
    future::{Future, IntoFuture},
    panic::Location,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

/// A value that is set once, and that any number of tasks wait for: all get a reference to it.
///
/// For one that waits, and gets the value itself, there is [`oneshot`](crate::shared::oneshot). Nobody is told if the
/// promise is never kept: to say that, promise a `Result`.
///
/// ```
/// use futures_lite::future::{block_on, zip};
/// use runtime_sync::Promise;
///
/// let port = Promise::new();
/// let connect = async || format!("localhost:{}", port.wait().await);
/// let serve = async { port.set(8080).unwrap() };
/// let ((one, other), ()) = block_on(zip(zip(connect(), connect()), serve));
/// assert_eq!((one.as_str(), other.as_str()), ("localhost:8080", "localhost:8080"));
/// ```
pub struct Promise<T, F: Flavour = Local> {
    /// Nobody initialises this one: it is empty, then set.
    cell: OnceCell<T, F>,
}

/// The promise had a value already; the new one comes back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AlreadySet<T>(pub T);

impl<T, F: Flavour> Promise<T, F> {
    /// A promise of a value.
    ///
    /// The line of this call is remembered: reports name the promise by it.
    #[track_caller]
    pub fn new() -> Self {
        Self { cell: OnceCell::new() }
    }

    /// Sets the value, and wakes all that wait for it.
    ///
    /// ```
    /// use runtime_sync::{Promise, promise::AlreadySet};
    /// let promise = Promise::new();
    /// assert_eq!(promise.set(1), Ok(()));
    /// assert_eq!(promise.set(2), Err(AlreadySet(2)));
    /// assert_eq!(promise.get(), Some(&1));
    /// ```
    ///
    /// # Errors
    /// [`AlreadySet`] if it has one; the new one comes back.
    pub fn set(&self, value: T) -> Result<(), AlreadySet<T>> {
        self.cell.set(value).map_err(|refused| AlreadySet(refused.into_inner()))
    }

    /// The value, if it is set.
    #[inline]
    pub fn get(&self) -> Option<&T> {
        self.cell.get()
    }

    /// Whether it is set.
    pub fn is_set(&self) -> bool {
        self.get().is_some()
    }

    /// Waits until the value is set. `(&promise).await` does the same.
    ///
    /// # Cancel safety
    /// Nothing is lost by dropping it.
    #[inline]
    #[track_caller]
    pub fn wait(&self) -> WaitValue<'_, T, F> {
        WaitValue { promise: self, turn: Turn::new(), asked: Location::caller() }
    }

    /// [`wait`](Promise::wait), for at most `limit`.
    ///
    /// # Errors
    /// [`Elapsed`] after that time.
    ///
    /// # Panics
    /// If it has to wait and no runtime of ours runs on this thread: there is no timer. Wrap `wait` in your
    /// executor's timeout then.
    ///
    /// # Cancel safety
    /// Nothing is lost by dropping it.
    #[track_caller]
    pub fn wait_timeout(&self, limit: Duration) -> impl Future<Output = Result<&T, Elapsed>> {
        Timed::new(limit, self.wait())
    }

    /// The value, if it was set.
    pub fn into_inner(self) -> Option<T> {
        self.cell.into_inner()
    }
}

impl<T> Promise<T, Shared> {
    /// Blocks this thread until the value is set. For code outside of any executor: in a task it would stall the
    /// thread with all its tasks.
    #[track_caller]
    pub fn blocking_wait(&self) -> &T {
        block_on(self.wait())
    }
}

/// What [`Promise::wait`] returns.
#[must_use = "a future does nothing until it is awaited"]
pub struct WaitValue<'a, T, F: Flavour = Local> {
    promise: &'a Promise<T, F>,
    turn: Turn,
    asked: &'static Location<'static>,
}

impl<'a, T, F: Flavour> Future for WaitValue<'a, T, F> {
    type Output = &'a T;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<&'a T> {
        let Self { promise: Promise { cell }, turn, asked } = self.get_mut();
        cell.poll_set(turn, cx, || cell.describe(Kind::Promise, asked))
    }
}

impl<T, F: Flavour> Drop for WaitValue<'_, T, F> {
    fn drop(&mut self) {
        self.promise.cell.cancel(&mut self.turn);
    }
}

impl<'a, T, F: Flavour> IntoFuture for &'a Promise<T, F> {
    type Output = &'a T;
    type IntoFuture = WaitValue<'a, T, F>;

    /// ```
    /// # futures_lite::future::block_on(async {
    /// let promise = runtime_sync::Promise::new();
    /// promise.set(7).unwrap();
    /// assert_eq!(*(&promise).await, 7);
    /// # });
    /// ```
    #[track_caller]
    fn into_future(self) -> Self::IntoFuture {
        self.wait()
    }
}

impl<T> fmt::Display for AlreadySet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the promise has a value already")
    }
}

impl<T> fmt::Debug for AlreadySet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AlreadySet(..)")
    }
}

impl<T> Error for AlreadySet<T> {}

impl<T, F: Flavour> Default for Promise<T, F> {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

impl<T: fmt::Debug, F: Flavour> fmt::Debug for Promise<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cell.debug(f, "Promise")
    }
}

impl<T, F: Flavour> fmt::Debug for WaitValue<'_, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitValue")
            .field("asked", &self.asked)
            .field("waits", &self.turn.is_waiting())
            .finish()
    }
}
