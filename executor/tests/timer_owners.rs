//! Stories about who holds a timer: tasks that hand it on, wakers that meddle, other threads and runtimes.

use runtime_executor::{
    Executor, spawn_blocking,
    time::{self, Clock, Duration, Instant, Interval, Sleep},
};
use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

const SECOND: Duration = Duration::from_secs(1);

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn in_virtual_time<T>(future: impl Future<Output = T>) -> T {
    Executor::builder().clock(Clock::paused()).build().block_on(future)
}

/// Polls once, with the waker of the task.
async fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    poll_fn(|cx| Poll::Ready(Pin::new(&mut *future).poll(cx))).await
}

fn poll_with<F: Future + Unpin>(future: &mut F, waker: &Waker) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(waker))
}

fn panic_message(f: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(f)).expect_err("it should refuse");
    match payload.downcast::<String>() {
        Ok(message) => *message,
        Err(payload) => (*payload.downcast::<&str>().unwrap()).to_owned(),
    }
}

/// Counts its wakes.
#[derive(Default)]
struct Counter(AtomicUsize);

impl Counter {
    fn wakes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Wake for Counter {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_timer_polled_by_another_task_wakes_that_one() {
    in_virtual_time(async {
        let (first, second) = (Arc::new(Counter::default()), Arc::new(Counter::default()));
        let mut sleep = time::sleep(SECOND);
        for _ in 0..2 {
            assert!(poll_with(&mut sleep, &first.clone().into()).is_pending());
        }
        time::sleep(millis(1)).await;
        assert!(poll_with(&mut sleep, &second.clone().into()).is_pending());
        assert_eq!(Arc::strong_count(&first), 1, "the first waker was dropped");
        time::sleep(SECOND).await;
        assert_eq!((first.wakes(), second.wakes()), (0, 1));
        assert!(poll_with(&mut sleep, Waker::noop()).is_ready());
    });
}

/// A waker whose every move starts and stops timers itself.
struct Meddler {
    other: Mutex<Option<Sleep>>,
    woken: AtomicBool,
}

impl Meddler {
    fn meddle() {
        let mut sleep = time::sleep(SECOND);
        assert!(poll_with(&mut sleep, Waker::noop()).is_pending());
        sleep.reset_after(2 * SECOND);
    }
}

impl Wake for Meddler {
    fn wake(self: Arc<Self>) {
        Self::meddle();
        drop(self.other.lock().unwrap().take());
        self.woken.store(true, Ordering::Relaxed);
    }
}

static MEDDLERS_DROPPED: AtomicUsize = AtomicUsize::new(0);

impl Drop for Meddler {
    fn drop(&mut self) {
        Self::meddle();
        MEDDLERS_DROPPED.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn wakers_may_use_timers_while_they_are_called_and_dropped() {
    in_virtual_time(async {
        let mut other = time::sleep(SECOND);
        let counter = Arc::new(Counter::default());
        assert!(poll_with(&mut other, &counter.clone().into()).is_pending());
        let meddler = || Arc::new(Meddler { other: Mutex::default(), woken: AtomicBool::new(false) });

        let called = meddler();
        *called.other.lock().unwrap() = Some(other);
        let mut sleep = time::sleep(millis(500));
        assert!(poll_with(&mut sleep, &called.clone().into()).is_pending());
        time::sleep(millis(600)).await;
        assert!(called.woken.load(Ordering::Relaxed));
        time::sleep(SECOND).await;
        assert_eq!(counter.wakes(), 0, "the waker dropped that timer");
        drop(called);

        // Its last reference is the timer's: replaced, cancelled, and left over at the end.
        let mut replaced = time::sleep(SECOND);
        assert!(poll_with(&mut replaced, &meddler().into()).is_pending());
        assert!(poll_with(&mut replaced, Waker::noop()).is_pending());
        assert_eq!(MEDDLERS_DROPPED.load(Ordering::Relaxed), 2);
        let mut cancelled = time::sleep(SECOND);
        assert!(poll_with(&mut cancelled, &meddler().into()).is_pending());
        drop(cancelled);
        assert_eq!(MEDDLERS_DROPPED.load(Ordering::Relaxed), 3);
        let mut left = time::sleep(SECOND);
        assert!(poll_with(&mut left, &meddler().into()).is_pending());
        std::mem::forget(left);
    });
    assert_eq!(MEDDLERS_DROPPED.load(Ordering::Relaxed), 4);
}

struct Panicking;

impl Wake for Panicking {
    fn wake(self: Arc<Self>) {
        panic!("a waker that panics, on purpose");
    }
}

#[test]
fn a_waker_that_panics_keeps_no_other_timer_from_firing() {
    in_virtual_time(async {
        let mut bad = time::sleep(SECOND);
        assert!(poll_with(&mut bad, &Arc::new(Panicking).into()).is_pending());
        let start = Instant::now();
        time::sleep(SECOND).await;
        assert_eq!(start.elapsed(), SECOND);
        assert!(bad.is_elapsed());
    });
}

#[test]
fn a_sleep_may_be_dropped_and_reset_on_another_thread() {
    in_virtual_time(async {
        let counter = Arc::new(Counter::default());
        let mut dropped = time::sleep(SECOND);
        let mut reset = time::sleep(SECOND);
        assert!(poll_with(&mut dropped, &counter.clone().into()).is_pending());
        assert!(poll_with(&mut reset, &counter.clone().into()).is_pending());
        let job = spawn_blocking(move || {
            drop(dropped);
            reset.reset_after(2 * SECOND);
            reset
        });
        let reset = job.await.unwrap();
        assert_eq!(Arc::strong_count(&counter), 1, "both timers were forgotten on their own thread");
        let start = Instant::now();
        reset.await;
        assert_eq!((start.elapsed(), counter.wakes()), (2 * SECOND, 0));
    });
}

#[test]
fn a_sleep_outlives_its_runtime_without_harm() {
    let counter = Arc::new(Counter::default());
    let mut sleep = time::sleep(SECOND);
    in_virtual_time(async {
        assert!(poll_with(&mut sleep, &counter.clone().into()).is_pending());
    });
    assert_eq!(Arc::strong_count(&counter), 1, "the runtime dropped the waker when it ended");
    assert!(!sleep.is_elapsed());
    sleep.reset_after(SECOND);
    in_virtual_time(&mut sleep); // it can be used again elsewhere
    drop(sleep);
}

#[test]
fn a_sleep_of_one_runtime_is_refused_by_another_until_it_is_reset() {
    let (home, away) = (Executor::builder().build(), Executor::builder().clock(Clock::paused()).build());
    let mut sleep = time::sleep(SECOND);
    home.block_on(async { assert!(poll_once(&mut sleep).await.is_pending()) });
    let message = panic_message(|| away.block_on(&mut sleep));
    assert!(message.contains("runs on the runtime it was first polled under"), "{message}");
    assert!(message.contains("`Sleep::reset` before taking it to another runtime"), "{message}");
    sleep.reset_after(SECOND);
    away.block_on(&mut sleep);
    assert!(sleep.is_elapsed());
}

#[test]
fn a_sleep_outside_a_runtime_is_refused_with_a_way_out() {
    let mut sleep = time::sleep(SECOND);
    let message = panic_message(|| assert!(poll_with(&mut sleep, Waker::noop()).is_ready()));
    assert!(message.contains("needs a runtime") && message.contains("`#[runtime::main]`"), "{message}");
}

#[test]
fn timers_can_be_moved_sent_and_shared() {
    fn assert_plain<T: Send + Sync + Unpin>() {}
    assert_plain::<Sleep>();
    assert_plain::<Interval>();
    assert_plain::<time::Timeout<Sleep>>();
    assert_plain::<time::Advance>();
    assert_plain::<Instant>();
}
