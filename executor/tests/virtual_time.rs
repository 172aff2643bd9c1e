//! Stories about virtual time: stopping the clock, moving it, and when it moves by itself.

use runtime_executor::{
    Executor, Park, ThreadPark, spawn, spawn_blocking, task,
    time::{self, AutoAdvance, Clock, Duration, Instant},
};
use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    rc::Rc,
    sync::mpsc,
    task::{Poll, Waker},
};

const SECOND: Duration = Duration::from_secs(1);

fn in_virtual_time<T>(future: impl Future<Output = T>) -> T {
    Executor::builder().clock(Clock::paused()).build().block_on(future)
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

    fn add(&self, what: impl Into<String>) {
        self.0.borrow_mut().push((what.into(), self.1.elapsed().as_millis()));
    }

    #[track_caller]
    fn expect(&self, expected: &[(&str, u128)]) {
        let seen = self.0.borrow();
        assert_eq!(seen.iter().map(|(what, at)| (what.as_str(), *at)).collect::<Vec<_>>(), expected);
    }
}

/// Notes `what` after `delay`.
fn alarm(log: &Log, what: &'static str, delay: Duration) {
    let log = log.clone();
    spawn(async move {
        time::sleep(delay).await;
        log.add(what);
    })
    .detach();
}

#[test]
fn an_idle_runtime_goes_from_deadline_to_deadline() {
    in_virtual_time(async {
        let log = Log::new();
        alarm(&log, "three", 3 * SECOND);
        alarm(&log, "one", SECOND);
        alarm(&log, "two", 2 * SECOND);
        time::sleep(Duration::from_secs(86_400)).await;
        log.add("tomorrow");
        log.expect(&[("one", 1000), ("two", 2000), ("three", 3000), ("tomorrow", 86_400_000)]);
    });
}

#[test]
fn a_busy_runtime_stays_where_it_is() {
    in_virtual_time(async {
        let log = Log::new();
        alarm(&log, "alarm", Duration::from_nanos(1));
        for _ in 0..1000 {
            task::yield_now().await;
        }
        log.add("a thousand turns");
        time::sleep(SECOND).await;
        log.expect(&[("a thousand turns", 0), ("alarm", 0)]);
    });
}

#[test]
fn advance_stops_at_every_deadline_and_lets_what_follows_from_it_happen_there() {
    in_virtual_time(async {
        let log = Log::new();
        spawn({
            let log = log.clone();
            async move {
                time::sleep(SECOND).await;
                log.add("first");
                let follower = spawn({
                    let log = log.clone();
                    async move {
                        task::yield_now().await;
                        log.add("follower");
                        time::sleep(SECOND).await;
                        log.add("follower's sleep");
                    }
                });
                follower.await.unwrap();
                log.add("first again");
            }
        })
        .detach();
        alarm(&log, "at the end", 5 * SECOND);
        alarm(&log, "beyond the end", 5 * SECOND + Duration::from_nanos(1));
        time::advance(5 * SECOND).await;
        log.add("advanced");
        log.expect(&[
            ("first", 1000),
            ("follower", 1000),
            ("follower's sleep", 2000),
            ("first again", 2000),
            ("at the end", 5000),
            ("advanced", 5000),
        ]);
        assert_eq!(log.1.elapsed(), 5 * SECOND, "exactly");
    });
}

#[test]
fn advance_by_nothing_lets_everything_settle() {
    in_virtual_time(async {
        let log = Log::new();
        spawn({
            let log = log.clone();
            async move {
                for _ in 0..50 {
                    task::yield_now().await;
                }
                time::sleep(Duration::ZERO).await;
                log.add("settled");
            }
        })
        .detach();
        time::advance(Duration::ZERO).await;
        log.expect(&[("settled", 0)]);
    });
}

#[test]
fn advances_that_overlap_share_the_way() {
    in_virtual_time(async {
        let log = Log::new();
        for (what, seconds) in [("far", 5), ("near", 3), ("near too", 3)] {
            let log = log.clone();
            spawn(async move {
                time::advance(seconds * SECOND).await;
                log.add(what);
            })
            .detach();
        }
        alarm(&log, "alarm", 4 * SECOND);
        time::sleep(10 * SECOND).await;
        log.expect(&[("near", 3000), ("near too", 3000), ("alarm", 4000), ("far", 5000)]);
    });
}

#[test]
fn an_advance_given_up_leaves_the_clock_where_it_is() {
    let clock = Clock::paused().with_auto_advance(AutoAdvance::Never);
    Executor::builder().clock(clock).build().block_on(async {
        let log = Log::new();
        let advance = spawn(time::advance(10 * SECOND));
        spawn({
            let log = log.clone();
            async move {
                time::sleep(2 * SECOND).await;
                log.add("enough");
                advance.cancel_and_wait().await.unwrap_err();
            }
        })
        .detach();
        alarm(&log, "later", 3 * SECOND);
        time::advance(2 * SECOND).await;
        // Enough turns for an order to lose patience, if there were one.
        for _ in 0..10_000 {
            task::yield_now().await;
        }
        log.expect(&[("enough", 2000)]);
        assert_eq!(log.1.elapsed(), 2 * SECOND);
    });
}

#[test]
fn a_task_that_spins_until_a_time_does_not_hold_advance_up_for_ever() {
    in_virtual_time(async {
        let start = Instant::now();
        let spinning = spawn(async move {
            while start.elapsed() < 3 * SECOND {
                task::yield_now().await;
            }
        });
        let alarm = spawn(time::sleep(SECOND));
        time::advance(3 * SECOND).await;
        assert!(alarm.is_finished());
        spinning.await.unwrap();
        assert_eq!(start.elapsed(), 3 * SECOND);
    });
}

#[test]
fn advance_has_no_end_to_overflow() {
    in_virtual_time(async {
        let mut never = Box::pin(time::sleep(Duration::MAX));
        let mut poll_never = async || poll_fn(|cx| Poll::Ready(never.as_mut().poll(cx))).await;
        assert!(poll_never().await.is_pending());
        time::advance(Duration::MAX).await;
        time::advance(Duration::MAX).await;
        assert!(poll_never().await.is_pending());
    });
}

/// A socket that somebody waits for: its event comes when the loop has nothing left but to sleep for it.
#[derive(Default)]
struct Socket {
    waiter: RefCell<Option<Waker>>,
    has_data: Cell<bool>,
    slept: Cell<u32>,
}

impl Socket {
    async fn read(&self) {
        poll_fn(|cx| {
            if self.has_data.get() {
                return Poll::Ready(());
            }
            *self.waiter.borrow_mut() = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

impl Park for Socket {
    fn park(&self, timeout: Option<Duration>) -> io::Result<()> {
        if timeout.is_none() {
            self.slept.set(self.slept.get() + 1);
            self.has_data.set(true);
            let waiter = self.waiter.take().expect("the loop slept though nothing could wake it");
            waiter.wake();
        }
        Ok(())
    }

    fn unparker(&self) -> Waker {
        Waker::noop().clone()
    }

    fn waiters(&self) -> usize {
        usize::from(self.waiter.borrow().is_some())
    }
}

/// A read from a socket against a timer: what happened when.
fn socket_story(policy: AutoAdvance, advance: Option<Duration>, expected: &[(&str, u128)]) {
    let socket = Rc::new(Socket::default());
    let clock = Clock::paused().with_auto_advance(policy);
    let executor = Executor::builder().clock(clock).park(socket.clone()).build();
    executor.block_on(async {
        let log = Log::new();
        alarm(&log, "alarm", SECOND);
        let reader = spawn({
            let (log, socket) = (log.clone(), socket.clone());
            async move {
                socket.read().await;
                log.add("data");
            }
        });
        task::yield_now().await;
        if let Some(duration) = advance {
            time::advance(duration).await;
            log.add("advanced");
        }
        reader.await.unwrap();
        time::advance(SECOND).await;
        log.expect(expected);
    });
    assert_eq!(socket.slept.get(), 1);
}

#[test]
fn the_clock_waits_for_sockets_unless_told_otherwise() {
    socket_story(AutoAdvance::WhenIdle, None, &[("data", 0), ("alarm", 1000)]);
    socket_story(AutoAdvance::Never, None, &[("data", 0), ("alarm", 1000)]);
    // An order does not wait.
    let ordered = [("alarm", 1000), ("advanced", 2000), ("data", 2000)];
    socket_story(AutoAdvance::WhenIdle, Some(2 * SECOND), &ordered);
    socket_story(AutoAdvance::Never, Some(2 * SECOND), &ordered);
    socket_story(AutoAdvance::Always, None, &[("alarm", 1000), ("data", 1000)]);
}

/// Lets a blocking job go on once the loop really sleeps.
struct Releasing {
    thread: ThreadPark,
    release: RefCell<Option<mpsc::Sender<()>>>,
}

impl Park for Releasing {
    fn park(&self, timeout: Option<Duration>) -> io::Result<()> {
        if timeout != Some(Duration::ZERO) {
            self.release.take();
        }
        self.thread.park(timeout)
    }

    fn unparker(&self) -> Waker {
        self.thread.unparker()
    }

    fn waiters(&self) -> usize {
        0
    }
}

fn blocking_job_story(policy: AutoAdvance, advance: Option<Duration>, expected: &[(&str, u128)]) {
    let (release, released) = mpsc::channel::<()>();
    let park = Releasing { thread: ThreadPark::new(), release: RefCell::new(Some(release)) };
    let clock = Clock::paused().with_auto_advance(policy);
    Executor::builder().clock(clock).park(Rc::new(park)).build().block_on(async {
        let log = Log::new();
        alarm(&log, "alarm", SECOND);
        let job = spawn_blocking(move || released.recv().unwrap_err());
        task::yield_now().await;
        if let Some(duration) = advance {
            time::advance(duration).await;
            log.add("advanced");
        }
        job.await.unwrap();
        log.add("job done");
        time::advance(SECOND).await;
        log.expect(expected);
    });
}

#[test]
fn the_clock_waits_for_blocking_jobs_unless_told_otherwise() {
    blocking_job_story(AutoAdvance::WhenIdle, None, &[("job done", 0), ("alarm", 1000)]);
    blocking_job_story(AutoAdvance::Never, None, &[("job done", 0), ("alarm", 1000)]);
    let ordered = [("alarm", 1000), ("advanced", 2000), ("job done", 2000)];
    blocking_job_story(AutoAdvance::WhenIdle, Some(2 * SECOND), &ordered);
    blocking_job_story(AutoAdvance::Always, None, &[("alarm", 1000), ("job done", 1000)]);
}

#[test]
fn the_policy_can_be_changed_on_the_way() {
    let clock = Clock::paused().with_auto_advance(AutoAdvance::Never);
    Executor::builder().clock(clock).build().block_on(async {
        let log = Log::new();
        alarm(&log, "alarm", SECOND);
        time::advance(SECOND / 2).await;
        log.add("half");
        time::set_auto_advance(AutoAdvance::WhenIdle);
        time::sleep(SECOND).await;
        log.add("slept");
        log.expect(&[("half", 500), ("alarm", 1000), ("slept", 1500)]);
    });
}

#[test]
fn a_real_clock_can_be_paused_with_timers_under_way_and_resumed() {
    Executor::builder().build().block_on(async {
        let hour = 3600 * SECOND;
        let mut settled = time::sleep(hour);
        let poll =
            async |sleep: &mut time::Sleep| poll_fn(|cx| Poll::Ready(Pin::new(&mut *sleep).poll(cx))).await;
        assert!(poll(&mut settled).await.is_pending());
        time::sleep(Duration::from_millis(1)).await;
        let mut fresh = time::sleep(hour);
        assert!(poll(&mut fresh).await.is_pending());
        time::pause();
        let paused = Instant::now();
        assert_eq!(Instant::now(), paused);
        settled.await;
        assert!(paused.elapsed() < hour);
        fresh.await;
        assert_eq!(paused.elapsed(), hour);
        time::resume();
        let resumed = Instant::now();
        assert!(resumed >= paused + hour, "time does not go back");
        time::sleep(Duration::from_millis(2)).await;
        let passed = resumed.elapsed();
        assert!(passed >= Duration::from_millis(2) && passed < hour);
    });
}

#[test]
fn resuming_ends_an_advance_where_it_is() {
    Executor::builder().clock(Clock::paused()).build().block_on(async {
        let start = Instant::now();
        spawn(async {
            time::sleep(SECOND).await;
            time::resume();
        })
        .detach();
        time::advance(3600 * SECOND).await;
        assert!(start.elapsed() >= SECOND && start.elapsed() < 3600 * SECOND);
    });
}

#[test]
fn misuse_is_refused_with_a_way_out() {
    let in_real_time = |f: fn()| panic_message(|| Executor::builder().build().block_on(async { f() }));
    let message = in_real_time(time::resume);
    assert!(message.contains("not paused") && message.contains("`time::pause` first"), "{message}");
    let message = in_real_time(|| drop(time::advance(SECOND)));
    assert!(message.contains("`time::pause` first") && message.contains("`Clock::paused`"), "{message}");
    let message = panic_message(|| in_virtual_time(async { time::pause() }));
    assert!(message.contains("paused already"), "{message}");
    for outside in [time::pause, time::resume, || drop(time::advance(SECOND))] {
        let message = panic_message(outside);
        assert!(message.contains("needs a runtime"), "{message}");
    }
}

#[test]
fn outside_a_runtime_the_time_is_real() {
    let before = Instant::now();
    let executor = Executor::builder().clock(Clock::paused()).build();
    executor.block_on(time::sleep(3600 * SECOND));
    assert!(Instant::now() < before + 3600 * SECOND);
    assert!(executor.block_on(async { Instant::now() }) >= before + 3600 * SECOND);
}
