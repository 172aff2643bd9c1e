//! Stories about sleeping: how long, in which order, and what dropping and resetting a timer does.

use runtime_executor::{
    Executor, Park, spawn, task,
    time::{self, AutoAdvance, Clock, Duration, Instant, Sleep},
};
use std::{
    cell::RefCell,
    future::poll_fn,
    io,
    pin::Pin,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
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

/// What happened, and at which millisecond of the runtime's clock.
#[derive(Clone)]
struct Log(Rc<RefCell<Vec<(String, u128)>>>, Instant);

impl Log {
    fn new() -> Self {
        Self(Rc::default(), Instant::now())
    }

    fn add(&self, what: impl Into<String>) {
        self.0.borrow_mut().push((what.into(), self.1.elapsed().as_millis()));
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
                    time::sleep_until(deadline).await;
                } else {
                    time::sleep(SECOND).await;
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
    // A turn before the sleep and one after it, 1,024 each.
    assert!(asked.windows(2).all(|pair| pair[1] - pair[0] <= 2048), "{asked:?}");
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
