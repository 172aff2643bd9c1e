//! Stories about limits of time and ticks.

use runtime_executor::{
    Executor, current, spawn,
    time::{self, Clock, Duration, Instant, MissedTickPolicy},
};
use std::{
    cell::Cell,
    future::{pending, poll_fn, ready},
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
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
fn the_error_of_a_timeout_is_that_of_io() {
    let late = in_virtual_time(time::timeout(SECOND, pending::<()>())).unwrap_err();
    assert_eq!(io::Error::from(late).kind(), io::ErrorKind::TimedOut);
}
