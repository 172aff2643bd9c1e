//! Grants that reach a future which is alive but is not polled any more (Oxide's RFD 609).
#![cfg(not(loom))]

mod common;

use common::{local_waker, own_waker, poll_once, reports::reporting};
use runtime_executor::{
    join_all, spawn,
    task::{waits, yield_now},
    time::{Instant, sleep, timeout},
};
use runtime_sync::{Event, Lock, Semaphore};
use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    pin::{Pin, pin},
    rc::Rc,
    task::{Context, Poll, Waker},
    time::Duration,
};

const SECOND: Duration = Duration::from_secs(1);

/// The program of RFD 609: a lock's future is polled by `&mut` once, then something else is awaited that wants the
/// same lock.
#[test]
fn the_program_of_rfd_609_is_reported_once() {
    let (executor, reports) = reporting();
    executor.block_on(async {
        let created = line!() + 1;
        let lock = Rc::new(Lock::new(()));
        let background = lock.clone();
        spawn(async move {
            let _guard = background.acquire().await;
            sleep(5 * SECOND).await;
        });
        yield_now().await;
        let began = Instant::now();
        let program = async {
            let mut first = pin!(lock.acquire());
            assert!(timeout(SECOND, &mut first).await.is_err());
            drop(lock.acquire().await);
        };
        let log = reports.clone();
        let reported_at = spawn(async move {
            loop {
                let told = log.take();
                if !told.is_empty() {
                    break (told, began.elapsed());
                }
                sleep(SECOND / 10).await;
            }
        });
        timeout(60 * SECOND, program).await.unwrap_err();
        let (told, at) = reported_at.await.unwrap();
        let asked = created + 9;
        assert_eq!(told, [format!("futurelock: main task, Lock of {created}, asked at {asked}")]);
        assert!(at < 6 * SECOND, "{at:?}");
        assert_eq!(reports.take(), [""; 0]);
        assert_eq!(waits(), []);
    });
}

#[test]
fn a_grant_that_is_taken_or_given_back_in_the_next_turn_is_fine() {
    let (executor, reports) = reporting();
    executor.block_on(async {
        let lock = Rc::new(Lock::new(()));
        let tasks: Vec<_> = (0..20)
            .map(|n| {
                let lock = lock.clone();
                spawn(async move {
                    let mut wait = Box::pin(lock.acquire());
                    if n % 3 == 0 {
                        // Gives up when it is woken, the grant in its hands.
                        assert!(poll_once(&mut wait).await.is_pending());
                        common::pause().await;
                        drop(wait);
                    } else {
                        let _guard = wait.await;
                        if n % 2 == 0 {
                            yield_now().await;
                        }
                    }
                })
            })
            .collect();
        let guard = lock.acquire().await;
        yield_now().await;
        drop(guard);
        let cancelled = &tasks[7];
        cancelled.cancel();
        for task in tasks {
            drop(task.await);
        }
        assert_eq!(waits(), []);
    });
    assert_eq!(reports.take(), [""; 0]);
}

#[test]
fn an_executor_inside_a_task_may_come_to_it_late() {
    let (executor, reports) = reporting();
    executor.block_on(async {
        let permits = Semaphore::new(0);
        let mut inner: Vec<_> = (0..10)
            .map(|_| {
                Box::pin(async {
                    permits.acquire().await.unwrap().forget();
                })
            })
            .collect();
        let outer = own_waker().await;
        let waker = local_waker(move || outer.wake_by_ref());
        let mut next = 0;
        let mut poll_one = || {
            // One future in each turn, in no hurry.
            let Some(future) = inner.get_mut(next) else { return Poll::Ready(()) };
            if future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
                next += 1;
            }
            Poll::Pending
        };
        let permits = &permits;
        let polls = Rc::new(Cell::new(0));
        poll_fn(|cx| {
            polls.set(polls.get() + 1);
            if polls.get() == 5 {
                permits.add_permits(10);
            }
            cx.waker().wake_by_ref();
            poll_one()
        })
        .await;
    });
    assert_eq!(reports.take(), [""; 0]);
}

#[test]
fn a_join_all_of_many_comes_to_all_of_them() {
    let (executor, reports) = reporting();
    executor.block_on(async {
        let permits = Rc::new(Semaphore::new(0));
        let adds = permits.clone();
        spawn(async move {
            sleep(SECOND).await;
            adds.add_permits(500);
        });
        let inner = async || {
            join_all((0..250).map(async |_| permits.acquire().await.unwrap().forget())).await;
        };
        join_all([inner(), inner()]).await;
        assert_eq!(waits(), []);
    });
    assert_eq!(reports.take(), [""; 0]);
}

#[test]
fn what_keeps_nothing_from_others_is_no_futurelock() {
    let (executor, reports) = reporting();
    executor.block_on(async {
        let event = Rc::new(Event::new());
        let sets = event.clone();
        let mut wait = pin!(event.wait());
        assert!(poll_once(&mut wait).await.is_pending());
        spawn(async move { sets.set() });
        sleep(SECOND).await;
        wait.await;
    });
    assert_eq!(reports.take(), [""; 0]);
}

/// A future that asks for a permit, and when it is granted looks at something else for some turns, then for a second.
async fn looks_away(permits: &Semaphore, turns: usize) {
    let mut wait = pin!(permits.acquire());
    assert!(poll_once(&mut wait).await.is_pending());
    permits.add_permits(1);
    for _ in 0..turns {
        yield_now().await;
    }
    sleep(SECOND).await;
    drop(wait.await);
}

#[test]
fn a_task_that_looks_away_is_reported_however_busy_it_is_at_first() {
    for turns in [0, 1, 2, 10] {
        let (executor, reports) = reporting();
        executor.block_on(async { looks_away(&Semaphore::new(0), turns).await });
        assert_eq!(reports.take().len(), 1, "{turns} turns");
    }
}

#[test]
fn a_branch_of_a_join_all_that_looks_away_is_reported_however_busy_the_others_are() {
    let (executor, reports) = reporting();
    let waker = Rc::new(RefCell::new(None));
    let wakes = waker.clone();
    executor.block_on(async {
        // Wakes the second branch after the task was polled, so that it is about to be polled again at each turn's end.
        let other = spawn(async move {
            for _ in 0..5 {
                yield_now().await;
                let waker: Option<Waker> = wakes.take();
                waker.into_iter().for_each(Waker::wake);
            }
        });
        let permits = Semaphore::new(0);
        let looks_away: Pin<Box<dyn Future<Output = ()>>> = Box::pin(looks_away(&permits, 0));
        let busy = Box::pin(async {
            while !other.is_finished() {
                *waker.borrow_mut() = Some(own_waker().await);
                common::pause().await;
                yield_now().await;
            }
        });
        join_all([looks_away, busy]).await;
        other.await.unwrap();
    });
    let [said] = &reports.take()[..] else { panic!("one report") };
    assert!(said.starts_with("futurelock: main task, Semaphore of "), "{said}");
}
