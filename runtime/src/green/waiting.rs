//! How what is not about descriptors waits: in a greenlet, on a thread of its own, and where it cannot.

use crate::{
    doze::Doze,
    greenlet,
    time::{Clock, Instant, timeout},
};
use std::{
    future::Future,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

/// Waits for `future`. `what` says what would wait.
///
/// # Panics
/// Outside a greenlet on a thread that runs a runtime, if it is not ready: whoever could make it so would run here.
#[track_caller]
pub(super) fn wait<F: Future>(what: &str, future: F) -> F::Output {
    if greenlet::is_inside() {
        return greenlet::wait(future);
    }
    if runtime_executor::current::is_entered() {
        refuse(what);
    }
    match block(pin!(future), None) {
        Some(output) => output,
        None => unreachable!("a wait without limit ended by it"),
    }
}

/// Waits for `future`, for at most `limit`; `None`: that is over. Outside a greenlet the thread is blocked meanwhile.
#[track_caller]
pub(super) fn wait_timeout<F: Future + Unpin>(future: F, limit: Duration) -> Option<F::Output> {
    if greenlet::is_inside() {
        return greenlet::wait(timeout(limit, future)).ok();
    }
    block(pin!(future), Some(limit))
}

/// The clock that [`wait_timeout`] goes by.
pub(super) fn now() -> Instant {
    if greenlet::is_inside() { Instant::now() } else { Clock::real().now() }
}

#[cold]
#[track_caller]
fn refuse(what: &str) -> ! {
    panic!(
        "{what} would have to wait here, and block the thread whose tasks it waits for: call it in a greenlet \
         (`greenlet::spawn(|| …)`), or use the `async` form from `runtime::sync` in a task"
    )
}

/// Polls `future` to its end on this thread, which sleeps in between; `None`: the time is over.
fn block<F: Future>(mut future: Pin<&mut F>, limit: Option<Duration>) -> Option<F::Output> {
    let clock = Clock::real();
    let deadline = limit.map(|limit| clock.now() + limit);
    let doze = Arc::new(Doze::default());
    let waker = Arc::clone(&doze).into();
    let mut cx = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return Some(output);
        }
        let left = deadline.map(|deadline| deadline.saturating_duration_since(clock.now()));
        if !doze.sleep(left) {
            return None;
        }
    }
}
