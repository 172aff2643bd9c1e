//! Waiting, in blocking style.

use super::switch;
use crate::{task, time};
use std::{any::Any, pin::pin, sync::Arc, time::Duration};

/// Waits for any future, on the stack of a greenlet: its task gives way to others until the future is ready. Of the kinds of
/// code that may call this there is one rule: below on the stack there is a [`spawn`](super::spawn)ed greenlet, or a
/// [`run`](super::run).
///
/// ```
/// use runtime::{greenlet, sync::channel};
///
/// #[runtime::main]
/// async fn main() {
///     let (sender, mut receiver) = channel(1);
///     let greenlet = greenlet::spawn(move || greenlet::wait(receiver.recv()).unwrap());
///     sender.send("from a task").await.unwrap();
///     assert_eq!(greenlet.await.unwrap(), "from a task");
/// }
/// ```
///
/// What is held meanwhile stays held: a `RefCell` that is borrowed, a lock of `std`, the closure of a `LocalKey::with`. Other
/// tasks run, and must not come across it. (Values of the stack itself are safe, whatever they borrow from each other.)
///
/// In a destructor it waits, too, also while the greenlet unwinds; only `std::thread::panicking` is true for the whole thread
/// in the meantime. A panic hook must not wait: if somebody else panics meanwhile, the standard library ends the process.
///
/// # Cancel safety
/// If the greenlet is killed while it waits, this panics with [`Killed`](super::Killed) and drops the future.
///
/// # Panics
/// If there is no greenlet to suspend.
#[track_caller]
pub fn wait<F: IntoFuture>(future: F) -> F::Output {
    match switch::wait(pin!(future.into_future())) {
        Some(output) => output,
        None => panic!(
            "`greenlet::wait` needs a greenlet that can be suspended, and this code runs on none: `.await` the future, or \
             call this inside `greenlet::spawn(|| …)` or `greenlet::run(|| …)`"
        ),
    }
}

/// [`wait`], or `None` at once where there is no greenlet to suspend.
#[inline]
pub(crate) fn try_wait<F: Future>(future: F) -> Option<F::Output> {
    switch::wait(pin!(future))
}

/// Whether [`wait`] can suspend what runs here: a greenlet, or code that one has called.
///
/// ```
/// use runtime::greenlet;
/// assert!(!greenlet::is_inside());
/// runtime::run(greenlet::run(|| assert!(greenlet::is_inside())));
/// ```
pub fn is_inside() -> bool {
    switch::may_wait()
}

/// Waits until so much time has passed (`gevent.sleep`).
///
/// ```
/// use runtime::{greenlet, time::Instant};
/// use std::time::Duration;
///
/// #[runtime::main]
/// async fn main() {
///     # runtime::time::pause();
///     let start = Instant::now();
///     greenlet::spawn(|| greenlet::sleep(Duration::from_secs(3600))).await.unwrap();
///     assert_eq!(start.elapsed(), Duration::from_secs(3600));
/// }
/// ```
///
/// # Panics
/// As [`wait`].
#[track_caller]
pub fn sleep(duration: Duration) {
    wait(time::sleep(duration));
}

/// Lets everybody else who is ready have a turn (`gevent.sleep(0)`).
///
/// # Panics
/// As [`wait`].
#[track_caller]
pub fn yield_now() {
    wait(task::yield_now());
}

/// Waits until nobody else can go on without time passing (`gevent.idle`); see [`settle`](crate::testing::settle()). If
/// somebody always can, it waits for ever.
///
/// ```
/// use runtime::{greenlet, spawn, task};
///
/// #[runtime::main]
/// async fn main() {
///     let busy = spawn(async {
///         for _ in 0..10 {
///             task::yield_now().await;
///         }
///     });
///     let greenlet = greenlet::spawn(move || {
///         greenlet::idle();
///         assert!(busy.is_finished());
///     });
///     greenlet.await.unwrap();
/// }
/// ```
///
/// # Panics
/// As [`wait`].
#[track_caller]
pub fn idle() {
    wait(crate::testing::settle());
}

/// Whether this greenlet is being unwound. `std::thread::panicking` is about the thread, and so about all its greenlets; while
/// several unwind at once, one that has begun to by a panic since its last turn is not told from the others, and this is false.
pub(crate) fn is_unwinding() -> bool {
    switch::is_unwinding()
}

/// Calls `f`, in which a kill throws nothing: it waits for what it waits for, and the first wait after that is thrown at.
pub(crate) fn shielded<R>(f: impl FnOnce() -> R) -> R {
    switch::shielded(f)
}

/// What lives as long as the greenlet that [`wait`] would suspend, made by whoever asks first; `None` outside of any.
///
/// # Panics
/// If it is of another type: there is one for each greenlet.
pub(crate) fn companion<T: Any + Send + Sync>(make: impl FnOnce() -> Arc<T>) -> Option<Arc<T>> {
    let companion = switch::companion(|| make())?;
    Some(companion.downcast().expect("companions are of one type"))
}
