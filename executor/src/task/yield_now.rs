//! Giving way.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

/// Lets every other ready task run once before this one goes on (`asyncio.sleep(0)`): a requeue at the tail of
/// the run queue, with no system call.
///
/// ```
/// use runtime_executor::{Executor, spawn, task::yield_now};
/// use std::{cell::RefCell, rc::Rc};
///
/// Executor::builder().build().block_on(async {
///     let log = Rc::new(RefCell::new(Vec::new()));
///     let other = log.clone();
///     spawn(async move { other.borrow_mut().push("other") });
///     yield_now().await;
///     log.borrow_mut().push("main");
///     assert_eq!(*log.borrow(), ["other", "main"]);
/// });
/// ```
pub fn yield_now() -> YieldNow {
    YieldNow { yielded: false }
}

/// The future of [`yield_now`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct YieldNow {
    yielded: bool,
}

impl Future for YieldNow {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.yielded {
            return Poll::Ready(());
        }
        self.yielded = true;
        context.waker().wake_by_ref();
        Poll::Pending
    }
}
