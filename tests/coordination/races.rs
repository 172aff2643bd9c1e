//! Updates that get lost, and what prevents it: an `await` between reading and writing lets others in, a `Lock` keeps
//! them out.
//!
//! Threads may be interrupted anywhere, so with them a lost update is a matter of luck, and Python's interpreter lock
//! does not change that: it protects the interpreter's data, not the program's. Tasks of one reactor take turns at
//! `await` and nowhere else, so here both are certain: with an `await` in between all updates but one are lost, and
//! without one none is. "Coroutines need no locks" is true only for sections without an `await`.

use crate::support::{Transcript, finish, ms, reports_of, secs, spawn_named};
use runtime::{
    join_all, spawn,
    sync::{Lock, shared},
    task::yield_now,
    time::sleep,
};
use std::{
    cell::Cell,
    rc::Rc,
    sync::{
        Arc, Barrier,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
    thread,
};

/// What a hundred tasks leave of 100, when each reads it, lets `pause` pass, and writes back one less.
async fn left_by_a_hundred(pause: impl AsyncFn() + Copy + 'static) -> u32 {
    let n = Rc::new(Cell::new(100));
    finish((0..100).map(|_| {
        let n = Rc::clone(&n);
        spawn(async move {
            let read = n.get();
            pause().await;
            n.set(read - 1);
        })
    }))
    .await;
    n.get()
}

/// The same, all of it under a lock.
async fn left_by_a_hundred_with_a_lock(pause: impl AsyncFn() + Copy + 'static) -> u32 {
    let n = Rc::new(Lock::new(100));
    finish((0..100).map(|_| {
        let n = Rc::clone(&n);
        spawn(async move {
            let mut n = n.acquire().await;
            let read = *n;
            pause().await;
            *n = read - 1;
        })
    }))
    .await;
    *n.try_acquire().expect("all have released it")
}

#[runtime::test(start_paused = true)]
async fn of_a_hundred_updates_with_an_await_in_them_one_survives() {
    let clock = Transcript::new();
    assert_eq!(left_by_a_hundred(async || sleep(ms(100)).await).await, 99);
    clock.expect_time(ms(100));
}

/// With threads the shorter the sleep, the fewer updates are lost. Here it does not matter how short it is.
#[runtime::test(start_paused = true)]
async fn any_await_loses_updates_and_no_await_loses_none() {
    assert_eq!(left_by_a_hundred(async || sleep(ms(1)).await).await, 99);
    assert_eq!(left_by_a_hundred(async || sleep(ms(1) / 10_000).await).await, 99);
    assert_eq!(left_by_a_hundred(async || yield_now().await).await, 99);
    assert_eq!(left_by_a_hundred(async || ()).await, 0);
    // A future that is ready at once does not let others in either.
    assert_eq!(left_by_a_hundred(async || std::future::ready(()).await).await, 0);
}

#[runtime::test(start_paused = true)]
async fn with_a_lock_none_is_lost_and_the_sections_follow_each_other() {
    let clock = Transcript::new();
    assert_eq!(left_by_a_hundred_with_a_lock(async || sleep(ms(100)).await).await, 0);
    clock.expect_time(secs(10));
    assert_eq!(left_by_a_hundred_with_a_lock(async || yield_now().await).await, 0);
}

/// Futures that are joined in one task, the nearest relatives of generators, interleave like tasks. That the task waits for
/// a lock that it has is all right: another of its futures has it, and sleeps.
#[test]
fn futures_within_one_task_need_the_lock_as_much() {
    let reports = reports_of(async {
        let clock = Transcript::new();
        let n = Cell::new(100);
        join_all((0..100).map(|_| async {
            let read = n.get();
            sleep(ms(100)).await;
            n.set(read - 1);
        }))
        .await;
        assert_eq!(n.get(), 99);
        clock.expect_time(ms(100));

        let n = Lock::new(100);
        join_all((0..100).map(|_| async {
            let mut n = n.acquire().await;
            let read = *n;
            sleep(ms(100)).await;
            *n = read - 1;
        }))
        .await;
        assert_eq!(n.into_inner(), 0);
        clock.expect_time(ms(100) + secs(10));
    });
    assert_eq!(reports, []);
}

/// A hundred tasks, of whose work 3 s need no protection and half a second does: without a lock, with a lock around
/// what needs it, and one task after the other.
#[runtime::test(start_paused = true)]
async fn a_lock_serialises_the_critical_section_and_joining_each_task_serialises_everything() {
    let clock = Transcript::new();
    assert_eq!(left_by_a_hundred(async || sleep(ms(500)).await).await, 99);
    clock.expect_time(ms(500));

    let clock = Transcript::new();
    let n = Rc::new(Lock::new(100));
    let work = |n: Rc<Lock<u32>>| async move {
        sleep(secs(3)).await;
        let mut n = n.acquire().await;
        let read = *n;
        sleep(ms(500)).await;
        *n = read - 1;
    };
    finish((0..100).map(|_| spawn(work(Rc::clone(&n))))).await;
    assert_eq!(*n.acquire().await, 0);
    clock.expect_time(secs(53));

    let clock = Transcript::new();
    let n = Rc::new(Cell::new(100));
    for _ in 0..100 {
        let n = Rc::clone(&n);
        let task = spawn(async move {
            sleep(secs(3)).await;
            let read = n.get();
            sleep(ms(500)).await;
            n.set(read - 1);
        });
        task.await.unwrap();
    }
    assert_eq!(n.get(), 0);
    clock.expect_time(secs(350));
}

/// One lock for everything would be as safe, and twice as slow.
#[runtime::test(start_paused = true)]
async fn different_data_have_different_locks() {
    /// Two accounts, ten deposits each, that take a second.
    async fn deposit(locks: [Rc<Lock<()>>; 2]) -> [u32; 2] {
        let balances = [0, 0].map(|balance| Rc::new(Cell::new(balance)));
        let deposits = (0..20).map(|number| {
            let (lock, balance) = (Rc::clone(&locks[number % 2]), Rc::clone(&balances[number % 2]));
            spawn(async move {
                let _guard = lock.acquire().await;
                let read = balance.get();
                sleep(secs(1)).await;
                balance.set(read + 1);
            })
        });
        finish(deposits).await;
        balances.map(|balance| balance.get())
    }

    let clock = Transcript::new();
    assert_eq!(deposit([Rc::new(Lock::new(())), Rc::new(Lock::new(()))]).await, [10, 10]);
    clock.expect_time(secs(10));

    let clock = Transcript::new();
    let one = Rc::new(Lock::new(()));
    assert_eq!(deposit([Rc::clone(&one), one]).await, [10, 10]);
    clock.expect_time(secs(20));
}

/// There is no `global`: what tasks share is an `Rc`, and the compiler sees to it that it stays on this thread.
#[runtime::test(start_paused = true)]
async fn a_task_changes_what_it_shares_with_main() {
    let n = Rc::new(Cell::new(100));
    let shared = Rc::clone(&n);
    spawn(async move { shared.set(shared.get() - 1) }).await.unwrap();
    assert_eq!(n.get(), 99);
}

#[runtime::test(start_paused = true)]
async fn a_hundred_tasks_without_an_await_count_down_to_nothing() {
    let n = Rc::new(Cell::new(100));
    let mut tasks = Vec::new();
    for number in 1..=100 {
        let n = Rc::clone(&n);
        let task = spawn_named(format!("Thread-{number}"), async move { n.set(n.get() - 1) });
        // Spawning makes a task ready; it runs once this one awaits.
        assert_eq!(task.name().unwrap(), format!("Thread-{number}"));
        assert_eq!((task.id().get(), task.is_finished()), (number, false));
        tasks.push(task);
    }
    assert_eq!(n.get(), 100);
    yield_now().await;
    assert!(tasks.iter().all(|task| task.is_finished()));
    finish(tasks).await;
    assert_eq!(n.get(), 0);
}

/// How often each of two threads goes to the bank.
const ERRANDS: i64 = 150_000;

/// Rust refuses the original, a number that two threads change without a lock: that is a data race. What is left is
/// atomic reads and writes with a gap between them, and in the gap an update is lost as in Python.
#[test]
fn between_threads_an_update_is_lost_in_the_gap_between_reading_and_writing() {
    let (balance, both_have_read) = (AtomicI64::new(0), Barrier::new(2));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let read = balance.load(Relaxed);
                both_have_read.wait();
                balance.store(read + 1, Relaxed);
            });
        }
    });
    assert_eq!(balance.into_inner(), 1, "of two");

    // Without the barrier it is a matter of luck: anything may come out, nought too.
    let balance = AtomicI64::new(0);
    go_to_the_bank(|change| balance.store(balance.load(Relaxed) + change, Relaxed));
}

#[test]
fn between_threads_the_shared_lock_loses_nothing() {
    let balance = shared::Lock::new(0);
    go_to_the_bank(|change| *balance.blocking_acquire() += change);
    assert_eq!(balance.into_inner(), 0);
}

/// Two threads pay each sum in and take it out again.
fn go_to_the_bank(change: impl Fn(i64) + Sync) {
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for sum in 0..ERRANDS {
                    change(sum);
                    change(-sum);
                }
            });
        }
    });
}

/// The same lock between two reactors, each on its own thread: waiting does not block the others on it.
#[test]
fn between_reactors_the_shared_lock_makes_tasks_wait_and_not_threads() {
    let balance = Arc::new(shared::Lock::new(0));
    let reactor = |balance: Arc<shared::Lock<i64>>| {
        runtime::run(async move {
            let tasks = (0..10).map(|sum| {
                let balance = Arc::clone(&balance);
                spawn(async move {
                    for _ in 0..100 {
                        let mut balance = balance.acquire().await;
                        let read = *balance;
                        yield_now().await;
                        *balance = read + sum;
                    }
                })
            });
            finish(tasks).await;
        });
    };
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| reactor(Arc::clone(&balance)));
        }
    });
    assert_eq!(*balance.try_acquire().unwrap(), 2 * 100 * 45);
}
