//! What the model checks share: a sleeper that loom can see, and something that must not be touched by two at once.

#![allow(dead_code, reason = "each program uses a part of it")]

use loom::{
    cell::UnsafeCell,
    sync::{Condvar, Mutex},
    thread,
};
use std::{
    future::Future,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

/// All schedules with at most so many preemptions as `LOOM_MAX_PREEMPTIONS` says, or three.
pub(crate) fn model(body: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(3));
    builder.check(body);
}

/// A sleeper that loom can see: a wake that is lost leaves its thread blocked, which loom reports as a deadlock.
pub(crate) struct Doze {
    woken: Mutex<bool>,
    bell: Condvar,
}

impl Doze {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { woken: Mutex::new(false), bell: Condvar::new() })
    }

    pub(crate) fn sleep(&self) {
        let mut woken = self.woken.lock().unwrap();
        while !*woken {
            woken = self.bell.wait(woken).unwrap();
        }
        *woken = false;
    }

    /// Polls, and says of itself whom to wake.
    pub(crate) fn poll<F: Future + Unpin>(self: &Arc<Self>, future: &mut F) -> Poll<F::Output> {
        let waker = Waker::from(Arc::clone(self));
        Pin::new(future).poll(&mut Context::from_waker(&waker))
    }

    /// Sleeps and polls until it is ready: a wait that was begun with [`poll`](Self::poll).
    pub(crate) fn finish<F: Future + Unpin>(self: &Arc<Self>, future: &mut F) -> F::Output {
        loop {
            self.sleep();
            if let Poll::Ready(output) = self.poll(future) {
                return output;
            }
        }
    }
}

impl Wake for Doze {
    fn wake(self: Arc<Self>) {
        *self.woken.lock().unwrap() = true;
        self.bell.notify_one();
    }
}

pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let (doze, mut future) = (Doze::new(), pin!(future));
    match doze.poll(&mut future) {
        Poll::Ready(output) => output,
        Poll::Pending => doze.finish(&mut future),
    }
}

/// Polls once and drops the future: a task that gives up. What it got by then is returned.
pub(crate) fn give_up<F: Future>(future: F) -> Option<F::Output> {
    match Doze::new().poll(&mut pin!(future)) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// Runs it beside us.
pub(crate) fn beside<T: 'static>(body: impl FnOnce() -> T + 'static) -> thread::JoinHandle<T> {
    thread::spawn(body)
}

/// What one may change or several may look at: loom reports who does it at the wrong time, or without having seen what
/// was done before.
#[derive(Default)]
pub(crate) struct Exclusive(UnsafeCell<()>);

impl Exclusive {
    pub(crate) fn change(&self) {
        self.0.with_mut(|_| ());
    }

    pub(crate) fn look(&self) {
        self.0.with(|_| ());
    }
}

/// Counts its drops. The count is outside the model: it is looked at when all threads have ended.
pub(crate) struct Counted(Arc<AtomicUsize>);

impl Counted {
    pub(crate) fn new() -> (Self, Arc<AtomicUsize>) {
        let drops = Arc::new(AtomicUsize::new(0));
        (Self(Arc::clone(&drops)), drops)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}
