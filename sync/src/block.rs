//! Blocks a thread on a future: the one way in which every `blocking_…` method of this room waits.

use crate::primitives::{Condvar, Mutex, lock, wait};
use std::{
    future::Future,
    pin::pin,
    sync::Arc, // `Wake` is made for this one; loom's does not fit
    task::{Context, Poll, Wake},
};

/// Whether the thread was woken since it last looked.
///
/// Not `thread::park`: a thread has a single park token, and taking it here could swallow an `unpark` that was
/// meant for somebody else on this thread.
#[derive(Debug)]
struct Doze {
    woken: Mutex<bool>,
    bell: Condvar,
}

impl Doze {
    fn sleep(&self) {
        let mut woken = lock(&self.woken);
        while !*woken {
            woken = wait(&self.bell, woken);
        }
        *woken = false;
    }
}

impl Wake for Doze {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        *lock(&self.woken) = true;
        self.bell.notify_one();
    }
}

/// Polls `future` to its end on this thread, which sleeps in between.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let doze = Arc::new(Doze { woken: Mutex::new(false), bell: Condvar::new() });
    let waker = Arc::clone(&doze).into();
    let mut cx = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut cx) {
            Poll::Ready(output) => return output,
            Poll::Pending => doze.sleep(),
        }
    }
}
