//! Pools: never more tasks than the limit, first come first served, results in order, and what becomes of whoever waits
//! when the pool is closed or dropped.

mod common;

use common::{
    Log,
    every_point::{Point, at_every_point},
    executor, paused, poll_once,
};
use runtime_executor::{
    spawn,
    task::{self, TaskPool, TrySpawnError, yield_now},
    time::{Instant, sleep},
};
use std::{cell::Cell, future::pending, rc::Rc, time::Duration};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn never_more_run_at_once_than_the_limit_and_results_keep_their_order() {
    let (running, most) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    paused().block_on(async {
        let start = Instant::now();
        let pool = TaskPool::new(3);
        let outcomes = pool
            .map(0..10u32, |n| {
                let (running, most) = (running.clone(), most.clone());
                async move {
                    running.set(running.get() + 1);
                    most.set(most.get().max(running.get()));
                    sleep((1 + n % 2) * SECOND).await;
                    running.set(running.get() - 1);
                    assert_ne!(n, 5, "the fifth fails alone");
                    n
                }
            })
            .await;
        let values: Vec<_> = outcomes.into_iter().map(Result::ok).collect();
        let expected: Vec<_> = (0..10).map(|n| (n != 5).then_some(n)).collect();
        assert_eq!(values, expected);
        assert_eq!((running.get(), most.get()), (0, 3));
        assert!(start.elapsed() <= 6 * SECOND);
        assert!(pool.is_empty());
    });
}

#[test]
fn whoever_waits_for_room_is_served_in_order_and_nobody_barges_in() {
    let log = Log::default();
    paused().block_on(async {
        let pool = Rc::new(TaskPool::new(1));
        pool.spawn(sleep(SECOND)).await;
        for name in ["first", "second"] {
            let (pool, log) = (pool.clone(), log.clone());
            spawn(async move {
                pool.spawn(async {}).await.await.unwrap();
                log.add(name);
            });
        }
        yield_now().await;
        assert!(matches!(pool.try_spawn(async {}), Err(TrySpawnError::Full(_))));
        pool.join().await;
        log.add("joined");
        // Those who waited get their turn: the pool was empty for a moment only.
        sleep(SECOND).await;
        let lines: Vec<_> = log.take().into_iter().filter(|line| line != "joined").collect();
        assert_eq!(lines, ["first", "second"]);
    });
}

#[test]
fn dropping_a_spawn_that_waits_starts_nothing() {
    let log = Log::default();
    paused().block_on(async {
        let pool = TaskPool::new(1);
        let blocker = pool.try_spawn(pending::<()>()).unwrap();
        let dropped = log.on_drop("never started");
        let mut waits = Box::pin(pool.spawn(async move { drop(dropped) }));
        assert!(poll_once(&mut waits).await.is_pending());
        drop(waits);
        assert_eq!(log.take(), ["never started"]);
        assert!(blocker.cancel_and_wait().await.is_err());
        assert_eq!(pool.try_spawn(async { 7 }).unwrap().await.unwrap(), 7);
    });
}

#[test]
fn a_closed_pool_refuses_and_what_runs_goes_on() {
    paused().block_on(async {
        let pool = Rc::new(TaskPool::new(1));
        let running = pool.try_spawn(async {
            sleep(SECOND).await;
            7
        });
        let waiting = spawn({
            let pool = pool.clone();
            async move { pool.spawn(async {}).await.await }
        });
        yield_now().await;
        pool.close();
        assert!(waiting.await.unwrap().unwrap_err().is_cancelled());
        let refused = pool.try_spawn(async { 8 }).unwrap_err();
        assert!(matches!(refused, TrySpawnError::Closed(_)));
        assert_eq!(refused.into_inner().await, 8);
        pool.join().await;
        assert_eq!(running.unwrap().await.unwrap(), 7);
    });
}

#[test]
fn dropping_the_pool_cancels_what_runs() {
    let log = Log::default();
    executor().block_on(async {
        let pool = TaskPool::new(2);
        let dropped = log.on_drop("task");
        let handle = pool.try_spawn(async move {
            let _dropped = dropped;
            pending::<()>().await;
        });
        yield_now().await;
        drop(pool);
        assert!(handle.unwrap().await.unwrap_err().is_cancelled());
        assert_eq!(log.take(), ["task"]);
    });
}

#[test]
fn a_pool_dropped_outside_its_runtime_cancels_by_mail() {
    let log = Log::default();
    let executor = executor();
    let pool = executor.block_on(async {
        let pool = TaskPool::new(2);
        let dropped = log.on_drop("task");
        pool.try_spawn(async move {
            let _dropped = dropped;
            pending::<()>().await;
        })
        .unwrap();
        yield_now().await;
        pool
    });
    drop(pool);
    assert!(log.take().is_empty());
    executor.block_on(yield_now());
    assert_eq!(log.take(), ["task"]);
}

#[test]
fn cancel_empties_the_pool_and_it_can_be_used_again() {
    executor().block_on(async {
        let pool = TaskPool::new(2);
        let tasks = [pool.try_spawn(pending::<()>()).unwrap(), pool.try_spawn(pending::<()>()).unwrap()];
        pool.cancel();
        pool.join().await;
        for task in tasks {
            assert!(task.await.unwrap_err().is_cancelled());
        }
        assert_eq!(pool.try_spawn(async { 7 }).unwrap().await.unwrap(), 7);
    });
}

#[test]
fn map_cancelled_at_any_suspension_point_leaves_nothing_running() {
    let points = at_every_point(async |point: Point| {
        let pool = TaskPool::new(2);
        let map = pool.map(1..=5u32, |n| async move {
            sleep(n * SECOND).await;
            n
        });
        let outcomes = point.run(map).await;
        let dropped = Instant::now();
        pool.join().await;
        assert_eq!(dropped.elapsed(), Duration::ZERO, "they are cancelled, not waited for");
        assert_eq!(task::count(), 0);
        let all: Vec<u32> = outcomes.into_iter().flatten().map(|outcome| outcome.unwrap()).collect();
        assert!(all.is_empty() || all == [1, 2, 3, 4, 5]);
    });
    assert!(points >= 4, "only {points} suspension points");
}

#[test]
fn whoever_waits_for_room_is_on_record_with_the_callers_line() {
    executor().block_on(async {
        let pool = TaskPool::new(1);
        pool.spawn(pending::<()>()).await;
        let mut waits = Box::pin(pool.spawn(async {}));
        assert!(poll_once(&mut waits).await.is_pending());
        let on_record = task::waits();
        assert_eq!(on_record.len(), 1);
        assert!(on_record[0].asked.file().ends_with("task_pool.rs"));
        assert!(on_record[0].created.file().ends_with("task_pool.rs"));
    });
}

#[test]
#[should_panic = "use at least 1"]
fn a_pool_of_nobody_is_refused() {
    TaskPool::new(0);
}

#[test]
fn a_place_is_room_for_one_task_and_given_back_if_nobody_takes_it() {
    executor().block_on(async {
        let pool = TaskPool::new(1);
        let place = pool.reserve().await.unwrap();
        assert_eq!((pool.len(), pool.try_spawn(async {}).is_err()), (0, true));
        drop(place);
        let place = pool.reserve().await.unwrap();
        let task = place.spawn(pending::<()>());
        assert_eq!((pool.len(), pool.try_spawn(async {}).is_err()), (1, true));
        // It is a task of the pool like any other.
        let mut waiting = Box::pin(pool.reserve());
        assert!(poll_once(&mut waiting).await.is_pending());
        pool.cancel();
        assert!(task.await.unwrap_err().is_cancelled());
        drop(waiting.await.unwrap());
        pool.close();
        assert!(pool.reserve().await.is_none());
        assert!(pool.is_empty());
    });
}
