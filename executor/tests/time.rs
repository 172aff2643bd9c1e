//! Stories about time: sleeping, limits, ticks, and what dropping, resetting and moving timers about does to them.
//! Virtual time has its own file.

use runtime_executor::{
    Executor, Park, current, spawn, spawn_blocking, task,
    time::{self, AutoAdvance, Clock, Duration, Instant, Interval, MissedTickPolicy, Sleep},
};
use std::{
    cell::{Cell, RefCell},
    future::{pending, poll_fn, ready},
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    rc::Rc,
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

fn in_real_time<T>(future: impl Future<Output = T>) -> T {
    Executor::builder().build().block_on(future)
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

/// What happened, and at which millisecond of the runtime's clock.
#[derive(Clone)]
struct Log(Rc<RefCell<Vec<(String, u128)>>>, Instant);

impl Log {
    fn new() -> Self {
        Self(Rc::default(), Instant::now())
    }

    fn add(&self, what: impl ToString) {
        self.0.borrow_mut().push((what.to_string(), self.1.elapsed().as_millis()));
    }

    #[track_caller]
    fn expect(&self, expected: &[(&str, u128)]) {
        let seen = self.0.borrow();
        assert_eq!(seen.iter().map(|(what, at)| (what.as_str(), *at)).collect::<Vec<_>>(), expected);
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
fn a_sleep_of_zero_lets_the_others_have_their_turn() {
    for clock in [Clock::real(), Clock::paused()] {
        Executor::builder().clock(clock).build().block_on(async {
            let other = spawn(async {});
            assert!(poll_once(&mut time::sleep(Duration::ZERO)).await.is_pending());
            time::sleep(Duration::ZERO).await;
            assert!(other.is_finished());
        });
    }
}

#[test]
fn a_deadline_in_the_past_is_ready_at_once() {
    in_virtual_time(async {
        let start = Instant::now();
        assert!(poll_once(&mut time::sleep_until(start)).await.is_ready());
        assert!(poll_once(&mut time::sleep_until(start - SECOND)).await.is_ready());
        assert!(poll_once(&mut time::sleep_until(start - Duration::MAX)).await.is_ready());
        time::sleep(SECOND).await;
        assert!(poll_once(&mut time::sleep_until(start + SECOND)).await.is_ready());
        assert!(
            poll_once(&mut time::sleep_until(start + SECOND + Duration::from_nanos(1))).await.is_pending()
        );
    });
}

#[test]
fn a_loop_over_past_deadlines_starves_nobody() {
    in_virtual_time(async {
        let start = Instant::now();
        let looping = spawn(async move {
            loop {
                time::sleep_until(start).await;
            }
        });
        spawn(async {}).await.unwrap();
        assert!(looping.cancel());
    });
}

#[test]
fn duration_max_never_comes_and_overflows_nothing() {
    in_virtual_time(async {
        let start = Instant::now();
        let year = 365 * 86_400 * SECOND;
        for never in [time::sleep(Duration::MAX), time::sleep_until(start + Duration::MAX)] {
            assert!(time::timeout(100 * year, never).await.is_err());
        }
        assert_eq!(time::timeout(Duration::MAX, time::sleep(year)).await, Ok(()));
        assert_eq!(time::timeout_at(start + Duration::MAX, time::sleep(year)).await, Ok(()));
        let mut once = time::interval(Duration::MAX);
        once.tick().await;
        assert!(time::timeout(year, once.tick()).await.is_err());
        // Still on time after two centuries.
        let before = Instant::now();
        time::sleep(Duration::from_nanos(1)).await;
        assert_eq!(before.elapsed(), Duration::from_nanos(1));
    });
}

#[test]
fn timers_with_one_deadline_fire_in_the_order_of_their_creation() {
    in_virtual_time(async {
        let deadline = Instant::now() + SECOND;
        let order = Rc::new(RefCell::new(Vec::new()));
        let sleepers = (0..300).map(|i| {
            let order = order.clone();
            spawn(async move {
                if i % 3 == 0 {
                    time::sleep_until(deadline).await
                } else {
                    time::sleep(SECOND).await
                }
                order.borrow_mut().push(i);
            })
        });
        for sleeper in sleepers.collect::<Vec<_>>() {
            sleeper.await.unwrap();
        }
        assert!(order.borrow().iter().copied().eq(0..300));
    });
}

/// Has a socket that is waited for, so that it is asked at every occasion; notes how many timers fired by then.
struct Asked {
    counter: Arc<Counter>,
    fired_before: RefCell<Vec<usize>>,
}

impl Park for Asked {
    fn park(&self, _timeout: Option<Duration>) -> io::Result<()> {
        self.fired_before.borrow_mut().push(self.counter.wakes());
        Ok(())
    }

    fn unparker(&self) -> Waker {
        Waker::noop().clone()
    }

    fn waiters(&self) -> usize {
        1
    }
}

#[test]
fn a_crowd_fires_in_portions_between_which_sockets_are_served() {
    let counter = Arc::new(Counter::default());
    let park = Rc::new(Asked { counter: counter.clone(), fired_before: RefCell::default() });
    let clock = Clock::paused().with_auto_advance(AutoAdvance::Always);
    Executor::builder().clock(clock).park(park.clone()).build().block_on(async {
        let mut crowd: Vec<Sleep> = (0..5000).map(|_| time::sleep(SECOND)).collect();
        for sleep in &mut crowd {
            assert!(poll_with(sleep, &counter.clone().into()).is_pending());
        }
        time::sleep(SECOND).await; // started last, fires last
        assert_eq!(counter.wakes(), 5000);
    });
    let asked = park.fired_before.take();
    assert!(asked.windows(2).all(|pair| pair[1] - pair[0] <= 1024), "{asked:?}");
}

#[test]
fn a_timer_dropped_while_its_neighbours_fire_does_not_fire() {
    in_virtual_time(async {
        // 1,500 timers for one instant take two turns. The first to fire drops and resets some of the second portion.
        let counters: Vec<Arc<Counter>> = (0..1500).map(|_| Arc::default()).collect();
        let mut sleeps: Vec<Option<Sleep>> = Vec::new();
        let mut first = time::sleep(SECOND);
        assert!(poll_once(&mut first).await.is_pending());
        for counter in &counters {
            let mut sleep = time::sleep(SECOND);
            assert!(poll_with(&mut sleep, &counter.clone().into()).is_pending());
            sleeps.push(Some(sleep));
        }
        let start = Instant::now();
        first.await;
        assert_eq!((counters[0].wakes(), counters[1400].wakes()), (1, 0));
        sleeps[0] = None;
        sleeps[1400] = None;
        sleeps[1401].as_mut().unwrap().reset(start + 2 * SECOND);
        time::sleep(millis(1)).await;
        assert_eq!((counters[1399].wakes(), counters[1400].wakes(), counters[1401].wakes()), (1, 0, 0));
        assert_eq!(Arc::strong_count(&counters[1400]), 1, "nobody holds its waker any more");
        time::sleep(SECOND).await;
        assert_eq!((counters[1400].wakes(), counters[1401].wakes()), (0, 1));
        assert!(counters.iter().all(|counter| counter.wakes() <= 1), "and none fired twice");
    });
}

#[test]
fn a_timer_reset_after_it_fired_and_before_its_task_ran_fires_again() {
    in_virtual_time(async {
        let log = Log::new();
        let shared = Rc::new(RefCell::new(time::sleep(SECOND)));
        let resetter = spawn({
            let (log, shared) = (log.clone(), shared.clone());
            async move {
                time::sleep(SECOND).await;
                log.add("reset");
                shared.borrow_mut().reset_after(SECOND);
            }
        });
        let sleeper = spawn({
            let log = log.clone();
            async move {
                let mut polls = 0;
                poll_fn(|cx| {
                    polls += 1;
                    Pin::new(&mut *shared.borrow_mut()).poll(cx)
                })
                .await;
                log.add(format!("elapsed, {polls} polls"));
            }
        });
        resetter.await.unwrap();
        sleeper.await.unwrap();
        log.expect(&[("reset", 1000), ("elapsed, 3 polls", 2000)]);
    });
}

#[test]
fn resetting_a_waiting_timer_moves_the_wake_of_the_task_that_polled_it() {
    in_virtual_time(async {
        for first in [millis(500), Duration::MAX] {
            for reset_to in [millis(100), millis(700)] {
                let start = Instant::now();
                let shared = Rc::new(RefCell::new(time::sleep(first)));
                let sleeper = spawn({
                    let shared = shared.clone();
                    poll_fn(move |cx| Pin::new(&mut *shared.borrow_mut()).poll(cx))
                });
                task::yield_now().await;
                shared.borrow_mut().reset(start + reset_to); // in another task than the one that waits
                sleeper.await.unwrap();
                assert_eq!(start.elapsed(), reset_to);
            }
        }
    });
}

#[test]
fn a_sleep_knows_its_deadline_from_the_turn_after_its_first_poll() {
    in_virtual_time(async {
        let start = Instant::now();
        let mut sleep = time::sleep(SECOND);
        assert_eq!(sleep.deadline(), None);
        assert!(poll_once(&mut sleep).await.is_pending());
        time::sleep(millis(1)).await;
        assert_eq!((sleep.deadline(), sleep.is_elapsed()), (Some(start + SECOND), false));
        time::sleep(SECOND).await;
        assert_eq!((sleep.deadline(), sleep.is_elapsed()), (Some(start + SECOND), true));
        (&mut sleep).await;
        assert_eq!((sleep.deadline(), sleep.is_elapsed()), (Some(start + SECOND), true));
        sleep.reset_after(SECOND);
        assert_eq!((sleep.deadline(), sleep.is_elapsed()), (None, false));
        let mut never = time::sleep(Duration::MAX);
        assert!(poll_once(&mut never).await.is_pending());
        time::sleep(millis(1)).await;
        assert_eq!(never.deadline(), None);
    });
}

#[test]
fn a_million_timers_come_and_go() {
    let million = if cfg!(miri) { 1000 } else { 1_000_000 };
    in_real_time(async {
        // One after the other, then all at once.
        for _ in 0..million {
            assert!(poll_once(&mut time::sleep(SECOND)).await.is_pending());
        }
        let mut all = Vec::new();
        for i in 0..million {
            let mut sleep = time::sleep(SECOND + Duration::from_micros(i));
            assert!(poll_once(&mut sleep).await.is_pending());
            all.push(sleep);
        }
        time::sleep(millis(1)).await; // the loop has seen them
        drop(all);
        time::sleep(millis(1)).await;
    });
}

#[test]
fn no_sleep_ends_early() {
    in_real_time(async {
        let sleeps = (0..200).map(|i| {
            let duration = Duration::from_micros(i * 37 % 5000);
            spawn(async move {
                let start = Instant::now();
                time::sleep(duration).await;
                assert!(start.elapsed() >= duration, "{:?} instead of {duration:?}", start.elapsed());
                let deadline = Instant::now() + duration;
                time::sleep_until(deadline).await;
                assert!(Instant::now() >= deadline);
            })
        });
        for sleep in sleeps.collect::<Vec<_>>() {
            sleep.await.unwrap();
        }
    });
}

/// Notes for how long it was parked, without staying; the first real park ends the story.
struct Notebook {
    parks: RefCell<Vec<Option<Duration>>>,
    end: RefCell<Option<Waker>>,
}

impl Park for Notebook {
    fn park(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.parks.borrow_mut().push(timeout);
        let end = self.end.take();
        end.into_iter().for_each(Waker::wake);
        Ok(())
    }

    fn unparker(&self) -> Waker {
        Waker::noop().clone()
    }

    fn waiters(&self) -> usize {
        0
    }
}

#[test]
fn a_sleep_of_ten_seconds_is_one_park_of_ten_seconds() {
    let notebook = Rc::new(Notebook { parks: RefCell::default(), end: RefCell::default() });
    let ten_seconds = 10 * SECOND;
    Executor::builder().park(notebook.clone()).build().block_on(async {
        let sleeper = spawn(time::sleep(ten_seconds));
        let start = Instant::now();
        let mut is_first = true;
        poll_fn(|cx| {
            *notebook.end.borrow_mut() = Some(cx.waker().clone());
            if std::mem::take(&mut is_first) { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
        let parks = notebook.parks.borrow();
        let [Some(timeout)] = parks[..] else { panic!("one park: {parks:?}") };
        assert_eq!(timeout, ten_seconds, "counted from the reading of the turn");
        assert!(start.elapsed() < ten_seconds && !sleeper.is_finished());
    });
}

#[test]
fn a_timer_that_is_started_and_dropped_causes_no_park() {
    let notebook = Rc::new(Notebook { parks: RefCell::default(), end: RefCell::default() });
    Executor::builder().park(notebook.clone()).build().block_on(async {
        for _ in 0..1000 {
            assert!(poll_once(&mut time::sleep(SECOND)).await.is_pending());
            task::yield_now().await;
        }
    });
    assert_eq!(notebook.parks.take(), []);
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
fn completion_beats_the_end_of_the_time() {
    in_virtual_time(async {
        let start = Instant::now();
        assert_eq!(time::timeout_at(start - SECOND, ready(1)).await, Ok(1));
        assert_eq!(time::timeout(Duration::ZERO, ready(2)).await, Ok(2));
        // Both are due in the same turn.
        assert_eq!(time::timeout(SECOND, time::sleep(SECOND)).await, Ok(()));
        // The limit is over, and the task was held up until the result was there as well.
        let done = Rc::new(Cell::new(false));
        let result = spawn({
            let done = done.clone();
            time::timeout(SECOND, poll_fn(move |_| if done.get() { Poll::Ready(3) } else { Poll::Pending }))
        });
        task::yield_now().await;
        spawn(async move {
            time::sleep_until(start + SECOND).await;
        })
        .detach();
        time::sleep(millis(999)).await;
        done.set(true);
        assert_eq!(result.await.unwrap(), Ok(3));
        assert!(time::timeout(SECOND, pending::<()>()).await.is_err());
    });
}

#[test]
fn a_timeout_around_a_ready_future_needs_no_runtime_even() {
    let mut limited = time::timeout(SECOND, ready(5));
    assert_eq!(poll_with(&mut limited, Waker::noop()), Poll::Ready(Ok(5)));
    assert_eq!(limited.deadline(), None);
}

#[test]
fn a_future_that_uses_up_every_budget_cannot_put_its_timeout_off() {
    in_real_time(async {
        let greedy = poll_fn(|cx| -> Poll<()> {
            while current::poll_budget(cx).is_ready() {}
            Poll::Pending
        });
        assert!(time::timeout(millis(5), greedy).await.is_err());
    });
}

#[test]
fn the_three_policies_after_a_late_tick() {
    fn transcript(policy: MissedTickPolicy) -> Vec<u128> {
        in_virtual_time(async {
            let start = Instant::now();
            let mut interval = time::interval(millis(10));
            interval.set_missed_tick_policy(policy);
            let mut ticks = Vec::new();
            for tick in 0..7 {
                interval.tick().await;
                ticks.push(start.elapsed().as_millis());
                if tick == 1 {
                    time::sleep(millis(25)).await;
                }
            }
            ticks
        })
    }
    assert_eq!(transcript(MissedTickPolicy::Burst), [0, 10, 35, 35, 40, 50, 60]);
    assert_eq!(transcript(MissedTickPolicy::Delay), [0, 10, 35, 45, 55, 65, 75]);
    assert_eq!(transcript(MissedTickPolicy::Skip), [0, 10, 35, 40, 50, 60, 70]);
}

#[test]
fn a_tick_tells_when_it_was_due_and_giving_up_on_it_loses_none() {
    in_virtual_time(async {
        let start = Instant::now();
        let mut interval = time::interval_at(start + SECOND, SECOND);
        assert!(time::timeout(millis(300), interval.tick()).await.is_err());
        assert!(time::timeout(millis(300), interval.tick()).await.is_err());
        assert_eq!(interval.tick().await, start + SECOND);
        time::sleep(millis(1500)).await;
        assert_eq!(interval.tick().await, start + 2 * SECOND);
        assert_eq!(start.elapsed(), millis(2500));
        interval.reset();
        assert_eq!(interval.tick().await, start + millis(3500));
        interval.reset_after(Duration::ZERO);
        assert_eq!(interval.tick().await, start + millis(3500));
        assert_eq!(interval.tick().await, start + millis(4500));
    });
}

#[test]
fn an_interval_far_behind_starves_nobody() {
    in_virtual_time(async {
        let mut behind = time::interval_at(Instant::now() - 1000 * SECOND, Duration::from_nanos(1));
        let catching_up = spawn(async move {
            loop {
                behind.tick().await;
            }
        });
        spawn(async {}).await.unwrap();
        assert!(catching_up.cancel());
    });
}

#[test]
fn an_interval_is_a_stream() {
    use futures_core::Stream;
    in_virtual_time(async {
        let start = Instant::now();
        let mut interval = time::interval(SECOND);
        for tick in 0..3 {
            let due = poll_fn(|cx| Pin::new(&mut interval).poll_next(cx)).await;
            assert_eq!(due, Some(start + tick * SECOND));
        }
    });
}

#[test]
fn a_period_of_zero_is_refused_with_the_remedy() {
    let message = panic_message(|| drop(time::interval(Duration::ZERO)));
    assert!(message.contains("task::yield_now"), "{message}");
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

#[test]
fn the_error_of_a_timeout_is_that_of_io() {
    let late = in_virtual_time(time::timeout(SECOND, pending::<()>())).unwrap_err();
    assert_eq!(io::Error::from(late).kind(), io::ErrorKind::TimedOut);
}
