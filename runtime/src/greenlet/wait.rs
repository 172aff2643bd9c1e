//! Waiting, in blocking style.

use super::switch;
use std::pin::pin;

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
/// in the meantime.
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
